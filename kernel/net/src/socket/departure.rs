//! What a datagram leaves with: what its message says of that, or else its socket.

use abi::Errno;
use core::net::IpAddr;

use super::inet::InetOptions;
use super::{Control, Generic, Message};
use crate::ip::loopback_like;
use crate::stack::Stack;

/// Fields of its Internet header.
pub(super) struct Departure {
    pub(super) source: IpAddr,
    pub(super) hops: u8,
    pub(super) class: u8,
}

impl Departure {
    /// Of a datagram from a socket that is bound to `local`. `ENETUNREACH` when it is to leave from an address of another version.
    pub(super) fn new(
        stack: &Stack,
        local: IpAddr,
        remote: IpAddr,
        message: &Message,
        options: &InetOptions,
    ) -> Result<Self, Errno> {
        let options = options.of(remote);
        let (mut address, mut hops, mut class) = (None, None, None);
        for control in &message.control {
            match control {
                Control::PacketInfo { address: told, .. } if !told.is_unspecified() => {
                    address = address.or(Some(*told));
                }
                Control::TimeToLive(told, _) => hops = hops.or(Some(*told)),
                Control::TypeOfService(told, _) => class = class.or(Some(*told)),
                _ => {}
            }
        }
        let source = match address {
            Some(told) => told,
            None if !local.is_unspecified() && !local.is_multicast() => local,
            None if remote.is_multicast() && options.sends_groups_to_itself() => loopback_like(remote),
            None => stack.source_for(remote)?,
        };
        if source.is_ipv4() != remote.is_ipv4() {
            return Err(Errno::NETUNREACH);
        }
        let usual = if remote.is_multicast() {
            Some(options.multicast_hops)
        } else {
            options.fields.hops
        };
        Ok(Self {
            source,
            hops: hops.or(usual).unwrap_or_else(|| stack.default_hops(remote)),
            class: class.unwrap_or(options.fields.class),
        })
    }
}

/// `EACCES` for who may not send to all of a network.
pub(super) fn check_broadcast(stack: &Stack, generic: &Generic, remote: IpAddr) -> Result<(), Errno> {
    if !generic.broadcast && stack.routes.lock().is_broadcast(remote) {
        return Err(Errno::ACCES);
    }
    Ok(())
}
