//! The DHCP client (RFC 2131, RFC 2132).

mod client;
mod message;

pub(crate) use client::Client;

use core::net::{IpAddr, Ipv4Addr};

use crate::Chunk;
use crate::header::Header;
use crate::ip::{Datagram, Outgoing, protocol};
use crate::stack::Stack;
use crate::udp;
use client::Step;

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// Whether a datagram goes to the client's port.
pub(crate) fn is_for_client(datagram: &Datagram<'_>) -> bool {
    datagram.protocol == protocol::UDP
        && !datagram.is_loopback
        && datagram.bytes.len() > 8
        && datagram.bytes[..4] == [0, SERVER_PORT as u8, 0, CLIENT_PORT as u8]
}

/// Takes a datagram to the client's port; false when no client runs, or it is not in order.
pub(crate) fn receive(stack: &Stack, datagram: &Datagram<'_>) -> bool {
    let Some(length) = udp::check(datagram) else {
        return false;
    };
    let step = {
        let mut client = stack.dhcp.lock();
        if !client.is_enabled() {
            return false;
        }
        let step = client.receive(&datagram.bytes[8..length], stack.now());
        stack.wake_at(client.deadline());
        step
    };
    perform(stack, step);
    true
}

/// Does what is due.
pub(crate) fn run_timer(stack: &Stack, now: u64) {
    let step = {
        let mut client = stack.dhcp.lock();
        let step = client.run(now, || stack.secret.next());
        stack.wake_at(client.deadline());
        step
    };
    perform(stack, step);
}

fn perform(stack: &Stack, step: Step) {
    match step {
        Step::Nothing => {}
        Step::Send {
            message,
            source,
            server,
        } => send(stack, &message, source, server),
        Step::Bound(lease) => {
            stack.configure(
                lease.address,
                lease.router.map(IpAddr::V4),
                lease.mtu,
                &lease.name_servers,
                lease.domain.as_deref(),
                lease.hostname.as_deref(),
            );
        }
        Step::Lost => stack.unconfigure(),
    }
}

/// Sends a message to a server, or to all when there is none yet.
fn send(stack: &Stack, message: &[u8], source: Ipv4Addr, server: Option<Ipv4Addr>) {
    let mut header = Header::new();
    let bytes = header.prepend(8);
    bytes[..2].copy_from_slice(&CLIENT_PORT.to_be_bytes());
    bytes[2..4].copy_from_slice(&SERVER_PORT.to_be_bytes());
    bytes[4..6].copy_from_slice(&(8 + message.len() as u16).to_be_bytes());
    let outgoing = Outgoing {
        source: IpAddr::V4(source),
        destination: IpAddr::V4(server.unwrap_or(Ipv4Addr::BROADCAST)),
        protocol: protocol::UDP,
        ttl: 64,
        tos: 0,
        dont_fragment: false,
        checksum_at: Some(6),
        segment_size: None,
        payload: &[Chunk::copy_of(message)],
    };
    // What is lost is sent again in time.
    let _ = match server {
        Some(_) => stack.send(header, &outgoing, &mut crate::ip::Path::default()),
        None => stack.send_on_link(header, &outgoing),
    };
}
