//! What TCP and UDP sockets share: addresses and the options of IP and IPv6.

use abi::Errno;
use abi::net::{self as linux, SOL_IP, SOL_IPV6};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Address, Domain, integer, read_integer};
use crate::ip::{Endpoint, Interface};
use crate::stack::Stack;

/// Options of `SOL_IP` and `SOL_IPV6`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InetOptions {
    pub(crate) v6_only: bool,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    pub(crate) multicast_ttl: u8,
    pub(crate) multicast_loop: bool,
    /// `IP_MTU_DISCOVER`.
    pub(crate) mtu_discover: u32,
    pub(crate) packet_info: bool,
    pub(crate) receive_ttl: bool,
    pub(crate) receive_tos: bool,
    pub(crate) receive_error: bool,
    pub(crate) free_bind: bool,
    pub(crate) bind_address_no_port: bool,
}

impl InetOptions {
    pub(crate) const fn new() -> Self {
        Self {
            v6_only: false,
            ttl: 64,
            tos: 0,
            multicast_ttl: 1,
            multicast_loop: true,
            mtu_discover: linux::IP_PMTUDISC_WANT,
            packet_info: false,
            receive_ttl: false,
            receive_tos: false,
            receive_error: false,
            free_bind: false,
            bind_address_no_port: false,
        }
    }

    /// `setsockopt(2)` at `level`.
    pub(crate) fn set(&mut self, domain: Domain, level: u32, name: u32, value: &[u8]) -> Result<(), Errno> {
        // Some are set by a byte.
        let number = read_integer(value).or_else(|_| value.first().map(|byte| i32::from(*byte)).ok_or(Errno::INVAL))?;
        let on = number != 0;
        let hops = || match number {
            -1 => Ok(64),
            1..=255 => Ok(number as u8),
            _ => Err(Errno::INVAL),
        };
        match (level, name) {
            (SOL_IPV6, _) if domain != Domain::Inet6 => return Err(Errno::NOPROTOOPT),
            (SOL_IPV6, linux::IPV6_V6ONLY) => self.v6_only = on,
            (SOL_IP, linux::IP_TTL) | (SOL_IPV6, linux::IPV6_UNICAST_HOPS) => self.ttl = hops()?,
            (SOL_IP, linux::IP_TOS) | (SOL_IPV6, linux::IPV6_TCLASS) => self.tos = number as u8,
            (SOL_IP, linux::IP_MULTICAST_TTL) | (SOL_IPV6, linux::IPV6_MULTICAST_HOPS) => {
                self.multicast_ttl = if number == -1 {
                    1
                } else {
                    u8::try_from(number).map_err(|_| Errno::INVAL)?
                };
            }
            (SOL_IP, linux::IP_MULTICAST_LOOP) | (SOL_IPV6, linux::IPV6_MULTICAST_LOOP) => self.multicast_loop = on,
            (SOL_IP, linux::IP_MTU_DISCOVER) | (SOL_IPV6, linux::IPV6_MTU_DISCOVER) => {
                self.mtu_discover = u32::try_from(number)
                    .ok()
                    .filter(|&value| value <= linux::IP_PMTUDISC_OMIT)
                    .ok_or(Errno::INVAL)?;
            }
            (SOL_IPV6, linux::IPV6_DONTFRAG) => {
                self.mtu_discover = if on {
                    linux::IP_PMTUDISC_DO
                } else {
                    linux::IP_PMTUDISC_WANT
                };
            }
            (SOL_IP, linux::IP_PKTINFO) | (SOL_IPV6, linux::IPV6_RECVPKTINFO | linux::IPV6_2292PKTINFO) => {
                self.packet_info = on;
            }
            (SOL_IP, linux::IP_RECVTTL) | (SOL_IPV6, linux::IPV6_RECVHOPLIMIT | linux::IPV6_2292HOPLIMIT) => {
                self.receive_ttl = on;
            }
            (SOL_IP, linux::IP_RECVTOS) | (SOL_IPV6, linux::IPV6_RECVTCLASS) => self.receive_tos = on,
            (SOL_IP, linux::IP_RECVERR) | (SOL_IPV6, linux::IPV6_RECVERR) => self.receive_error = on,
            (SOL_IP, linux::IP_FREEBIND) | (SOL_IPV6, linux::IPV6_FREEBIND) => self.free_bind = on,
            (SOL_IP, linux::IP_BIND_ADDRESS_NO_PORT) => self.bind_address_no_port = on,
            // Every group's packets come in as it is; there is one interface to send them by.
            (
                SOL_IP,
                linux::IP_ADD_MEMBERSHIP
                | linux::IP_DROP_MEMBERSHIP
                | linux::IP_MULTICAST_IF
                | linux::IP_MULTICAST_ALL
                | linux::IP_LOCAL_PORT_RANGE,
            )
            | (
                SOL_IPV6,
                linux::IPV6_ADD_MEMBERSHIP
                | linux::IPV6_DROP_MEMBERSHIP
                | linux::IPV6_MULTICAST_IF
                | linux::IPV6_AUTOFLOWLABEL
                | linux::IPV6_ADDR_PREFERENCES
                | linux::IPV6_FLOWINFO_SEND,
            ) => {}
            _ => return Err(Errno::NOPROTOOPT),
        }
        Ok(())
    }

    /// `getsockopt(2)` at `level`; `mtu` is that of a connected socket's path.
    pub(crate) fn get(&self, domain: Domain, level: u32, name: u32, mtu: Option<usize>) -> Result<Vec<u8>, Errno> {
        let number = match (level, name) {
            (SOL_IPV6, _) if domain != Domain::Inet6 => return Err(Errno::NOPROTOOPT),
            (SOL_IPV6, linux::IPV6_V6ONLY) => u32::from(self.v6_only),
            (SOL_IP, linux::IP_TTL) | (SOL_IPV6, linux::IPV6_UNICAST_HOPS) => u32::from(self.ttl),
            (SOL_IP, linux::IP_TOS) | (SOL_IPV6, linux::IPV6_TCLASS) => u32::from(self.tos),
            (SOL_IP, linux::IP_MULTICAST_TTL) | (SOL_IPV6, linux::IPV6_MULTICAST_HOPS) => u32::from(self.multicast_ttl),
            (SOL_IP, linux::IP_MULTICAST_LOOP) | (SOL_IPV6, linux::IPV6_MULTICAST_LOOP) => {
                u32::from(self.multicast_loop)
            }
            (SOL_IP, linux::IP_MTU_DISCOVER) | (SOL_IPV6, linux::IPV6_MTU_DISCOVER) => self.mtu_discover,
            (SOL_IP, linux::IP_PKTINFO) | (SOL_IPV6, linux::IPV6_RECVPKTINFO) => u32::from(self.packet_info),
            (SOL_IP, linux::IP_RECVTTL) | (SOL_IPV6, linux::IPV6_RECVHOPLIMIT) => u32::from(self.receive_ttl),
            (SOL_IP, linux::IP_RECVTOS) | (SOL_IPV6, linux::IPV6_RECVTCLASS) => u32::from(self.receive_tos),
            (SOL_IP, linux::IP_RECVERR) | (SOL_IPV6, linux::IPV6_RECVERR) => u32::from(self.receive_error),
            (SOL_IP, linux::IP_FREEBIND) | (SOL_IPV6, linux::IPV6_FREEBIND) => u32::from(self.free_bind),
            (SOL_IP, linux::IP_BIND_ADDRESS_NO_PORT) => u32::from(self.bind_address_no_port),
            (SOL_IP, linux::IP_MTU) | (SOL_IPV6, linux::IPV6_MTU) => mtu.ok_or(Errno::NOTCONN)? as u32,
            (SOL_IP, linux::IP_OPTIONS) => return Ok(Vec::new()),
            _ => return Err(Errno::NOPROTOOPT),
        };
        Ok(integer(number))
    }

    pub(crate) fn dont_fragment(&self) -> bool {
        matches!(self.mtu_discover, linux::IP_PMTUDISC_DO | linux::IP_PMTUDISC_PROBE)
    }
}

pub(super) fn any(domain: Domain) -> IpAddr {
    match domain {
        Domain::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

/// The end that `bind(2)` names, when there is such an address here.
pub(super) fn bindable(
    stack: &Stack,
    domain: Domain,
    address: &Address,
    options: &InetOptions,
    device: Option<Interface>,
    datagram: bool,
) -> Result<Endpoint, Errno> {
    let endpoint = address.endpoint(domain).map_err(|_| match (domain, address) {
        (_, Address::Unspecified) | (Domain::Inet6, Address::Inet(..)) => Errno::INVAL,
        _ => Errno::AFNOSUPPORT,
    })?;
    if options.v6_only && endpoint.address.is_ipv4() {
        return Err(Errno::INVAL);
    }
    address.check_scope(device)?;
    let address = endpoint.address;
    let routes = stack.routes.lock();
    let is_ours = address.is_unspecified() || routes.is_local(address);
    let is_group = datagram && (address.is_multicast() || routes.is_broadcast(address));
    if is_ours || is_group || options.free_bind {
        Ok(endpoint)
    } else {
        Err(Errno::ADDRNOTAVAIL)
    }
}

/// The end to connect or send to.
pub(super) fn remote(domain: Domain, address: &Address, options: &InetOptions) -> Result<Endpoint, Errno> {
    let endpoint = address.endpoint(domain)?;
    if options.v6_only && endpoint.address.is_ipv4() {
        return Err(Errno::NETUNREACH);
    }
    // The unspecified address means this machine.
    Ok(match endpoint.address {
        IpAddr::V4(address) if address.is_unspecified() => {
            Endpoint::new(IpAddr::V4(Ipv4Addr::LOCALHOST), endpoint.port)
        }
        IpAddr::V6(address) if address.is_unspecified() => {
            Endpoint::new(IpAddr::V6(Ipv6Addr::LOCALHOST), endpoint.port)
        }
        _ => endpoint,
    })
}
