//! The client of `DHCPv6` (RFC 8415), for addresses and name servers that routers leave to a server.

mod client;
mod message;

pub(crate) use client::Client;

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use crate::Chunk;
use crate::header::Header;
use crate::ip::{Outgoing, protocol};
use crate::ndp;
use crate::stack::Stack;
use client::Step;

const CLIENT_PORT: u16 = 546;
const SERVER_PORT: u16 = 547;
/// All servers and relays on the link.
const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
const UDP_HEADER: usize = 8;

/// Takes a datagram between these ports of the link, when it is a server's to the client.
pub(crate) fn receive(stack: &Stack, (from, to): (u16, u16), payload: &[u8]) -> bool {
    if (from, to) != (SERVER_PORT, CLIENT_PORT) {
        return false;
    }
    let steps = {
        let mut client = stack.dhcpv6.lock();
        let steps = client.receive(payload, stack.now());
        stack.wake_at(client.deadline());
        steps
    };
    perform(stack, steps);
    true
}

/// A router says what there is to be had from servers.
pub(crate) fn advertised(stack: &Stack, is_managed: bool, has_other: bool) {
    let mut client = stack.dhcpv6.lock();
    client.advertised(is_managed, has_other, stack.now());
    stack.wake_at(client.deadline());
}

/// Does what is due.
pub(crate) fn run_timer(stack: &Stack, now: u64) {
    let steps = {
        let mut client = stack.dhcpv6.lock();
        let steps = client.run(now, || stack.secret.next());
        stack.wake_at(client.deadline());
        steps
    };
    perform(stack, steps);
}

fn perform(stack: &Stack, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Send(message) => send(stack, &message),
            Step::Lease(lease) => ndp::leased(stack, lease.address, lease.preferred, lease.valid),
            Step::NameServers(servers, lifetime) => {
                let servers: Vec<_> = servers.into_iter().map(|server| (server, lifetime)).collect();
                ndp::told_name_servers(stack, &servers);
            }
        }
    }
}

fn send(stack: &Stack, message: &[u8]) {
    let Ok(source @ IpAddr::V6(_)) = stack.routes.lock().source_to_neighbour(SERVERS.into()) else {
        return;
    };
    let mut header = Header::new();
    let bytes = header.prepend(UDP_HEADER);
    bytes[..2].copy_from_slice(&CLIENT_PORT.to_be_bytes());
    bytes[2..4].copy_from_slice(&SERVER_PORT.to_be_bytes());
    bytes[4..6].copy_from_slice(&((UDP_HEADER + message.len()) as u16).to_be_bytes());
    let outgoing = Outgoing {
        source,
        destination: SERVERS.into(),
        protocol: protocol::UDP,
        ttl: 64,
        tos: 0,
        dont_fragment: false,
        checksum_at: Some(6),
        segment_size: None,
        payload: &[Chunk::copy_of(message)],
    };
    // What is lost is sent again in time.
    let _ = stack.send_on_link(header, &outgoing);
}
