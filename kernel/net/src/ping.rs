//! Echo requests of applications (`icmp(7)`): sockets whose ports are the identifiers of requests, and the replies to them.

use abi::Errno;
use core::net::IpAddr;

use crate::Chunk;
use crate::header::Header;
use crate::ip::{Datagram, ECHO_REQUEST, Endpoint, ICMP_CHECKSUM_AT, ICMP_HEADER, Outgoing, Path, protocol};
use crate::stack::Stack;
use crate::udp::{Arrived, Sending};

/// Where the identifier stands in a message.
const IDENTIFIER: core::ops::Range<usize> = 4..6;

/// Sends a request, whose message the application wrote, with the socket's identifier. `EINVAL` for any other message.
pub(crate) fn send(stack: &Stack, sending: &Sending, message: &Chunk, path: &mut Path) -> Result<(), Errno> {
    let kind = *ECHO_REQUEST.of(sending.remote.address);
    let head = message.first_chunk::<ICMP_HEADER>().ok_or(Errno::INVAL)?;
    if head[..2] != [kind, 0] {
        return Err(Errno::INVAL);
    }
    let mut header = Header::new();
    let bytes = header.prepend(ICMP_HEADER);
    bytes.copy_from_slice(head);
    bytes[IDENTIFIER].copy_from_slice(&sending.local.port.to_be_bytes());
    bytes[2..4].fill(0);
    let outgoing = Outgoing {
        source: sending.local.address,
        destination: sending.remote.address,
        protocol: protocol::icmp(sending.remote.address),
        ttl: sending.ttl,
        tos: sending.tos,
        dont_fragment: sending.dont_fragment,
        checksum_at: Some(ICMP_CHECKSUM_AT),
        segment_size: None,
        payload: &[message.slice(ICMP_HEADER, message.len())],
    };
    stack.send(header, &outgoing, path)
}

/// Takes a reply.
pub(crate) fn receive(stack: &Stack, datagram: &Datagram<'_>, message: &[u8]) {
    let Some(&[high, low]) = message.get(IDENTIFIER).and_then(|bytes| bytes.first_chunk()) else {
        return;
    };
    let local = Endpoint::new(datagram.destination, u16::from_be_bytes([high, low]));
    let remote = Endpoint::new(datagram.source, 0);
    for flow in stack.ping.find(stack, local, remote, datagram.interface, false) {
        flow.deliver(Arrived::of(datagram, (local, remote), Chunk::copy_of(message)), None);
    }
}

/// The identifier of a request of ours, of which an error quotes the beginning.
pub(crate) fn quoted_identifier(address: IpAddr, quoted: &[u8]) -> Option<u16> {
    let identifier = *quoted.get(IDENTIFIER)?.first_chunk()?;
    (quoted[0] == *ECHO_REQUEST.of(address)).then_some(u16::from_be_bytes(identifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_is_ours() {
        let quoted = |kind: u8| [kind, 0, 9, 9, 0x12, 0x34, 0, 1];
        let (old, new) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([0; 16]));
        let identifiers: alloc::vec::Vec<_> = [(old, 8), (old, 128), (old, 0), (new, 128), (new, 8)]
            .iter()
            .map(|(address, kind)| quoted_identifier(*address, &quoted(*kind)))
            .collect();
        assert_eq!(identifiers, [Some(0x1234), None, None, Some(0x1234), None]);
    }
}
