//! Packets as they are, for who asks for a protocol's (`raw(7)`).

use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::Chunk;
use crate::checksum::{self, Sum};
use crate::header::Header;
use crate::ip::{Datagram, Endpoint, Outgoing, Path, protocol};
use crate::stack::Stack;
use crate::udp::{Arrived, Flow, Udp};

/// Bytes of an IPv4 header without options.
const IPV4_HEADER: usize = 20;
/// Bytes of the largest packet.
pub(crate) const LARGEST: usize = u16::MAX as usize;

/// Raw sockets by protocol, and how many there are: mostly none, and packets are not looked at.
pub(crate) struct Raw {
    flows: Udp,
    count: AtomicUsize,
}

impl Raw {
    pub(crate) fn new() -> Self {
        Self {
            flows: Udp::new(),
            count: AtomicUsize::new(0),
        }
    }

    pub(crate) fn insert(&self, flow: &Arc<Flow>) {
        self.flows.insert(flow);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, flow: &Arc<Flow>) {
        if self.flows.remove(flow) {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }
}

/// Gives a copy of a packet to each socket that wants such: of IPv4 with the Internet header.
pub(crate) fn receive(stack: &Stack, datagram: &Datagram<'_>) {
    let number = u16::from(datagram.protocol);
    let local = Endpoint::new(datagram.destination, number);
    let remote = Endpoint::new(datagram.source, number);
    let flows = stack.raw.flows.find(stack, local, remote, datagram.interface, true);
    if flows.is_empty() {
        return;
    }
    let message = datagram.to_vec();
    if datagram.protocol == protocol::ICMPV6 && !datagram.is_loopback {
        let mut sum = Sum::default();
        sum.add_pseudo_header(datagram.source, datagram.destination, protocol::ICMPV6, message.len());
        sum.add(&message);
        if sum.checksum() != [0, 0] {
            return;
        }
    }
    let kind = message.first().copied().unwrap_or(0);
    let packet = match (datagram.source, datagram.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            [&ipv4_header(datagram, source, destination, message.len()), &message[..]].concat()
        }
        _ => message,
    };
    let ends = datagram.ends(0, 0);
    let packet = Chunk::copy_of(&packet);
    for flow in flows {
        if !flow.refuses(kind) {
            flow.deliver(Arrived::of(datagram, ends, packet.clone()), None);
        }
    }
}

/// The Internet header that came with a packet, or that it would have; it came in one piece.
fn ipv4_header(datagram: &Datagram<'_>, source: Ipv4Addr, destination: Ipv4Addr, length: usize) -> Vec<u8> {
    if !datagram.ip_header.is_empty() && !datagram.is_reassembled {
        return datagram.ip_header.to_vec();
    }
    let mut header = alloc::vec![0; IPV4_HEADER];
    header[0] = 0x45;
    header[1] = datagram.tos;
    header[2..4].copy_from_slice(&((IPV4_HEADER + length) as u16).to_be_bytes());
    header[8] = datagram.ttl;
    header[9] = datagram.protocol;
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    let checksum = checksum::of(&header);
    header[10..12].copy_from_slice(&checksum);
    header
}

/// Bytes of the largest packet to `destination` behind its Internet header.
pub(crate) fn largest(destination: IpAddr) -> usize {
    match destination {
        IpAddr::V4(_) => LARGEST - IPV4_HEADER,
        IpAddr::V6(_) => LARGEST,
    }
}

/// How a packet is sent.
pub(crate) struct Sending {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    pub(crate) dont_fragment: bool,
    /// Where it has a checksum over all of it, which is put there.
    pub(crate) checksum_at: Option<usize>,
}

/// Sends a packet.
pub(crate) fn send(stack: &Stack, sending: &Sending, mut payload: Vec<u8>, path: &mut Path) -> Result<(), Errno> {
    let &Sending {
        source,
        destination,
        protocol,
        ..
    } = sending;
    if let Some(at) = sending.checksum_at {
        let place = payload.get_mut(at..at + 2).ok_or(Errno::INVAL)?;
        place.fill(0);
        let mut sum = Sum::default();
        sum.add_pseudo_header(source, destination, protocol, payload.len());
        sum.add(&payload);
        payload[at..at + 2].copy_from_slice(&sum.checksum());
    }
    let outgoing = Outgoing {
        source,
        destination,
        protocol,
        ttl: sending.ttl,
        tos: sending.tos,
        dont_fragment: sending.dont_fragment,
        checksum_at: None,
        segment_size: None,
        payload: &[Chunk::copy_of(&payload)],
    };
    stack.send(Header::new(), &outgoing, path)
}

/// Sends a packet of IPv4 whose Internet header the application wrote (`IP_HDRINCL`). Of that, both addresses, the protocol, the time to live and
/// the type of service count; options are `EOPNOTSUPP`.
pub(crate) fn send_with_header(stack: &Stack, packet: &[u8], source: IpAddr, path: &mut Path) -> Result<(), Errno> {
    let header = packet.first_chunk::<IPV4_HEADER>().ok_or(Errno::INVAL)?;
    match header[0] & 0xf {
        0..5 => return Err(Errno::INVAL),
        5 => {}
        _ => return Err(Errno::OPNOTSUPP),
    }
    let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    let outgoing = Outgoing {
        source: match address(12) {
            Ipv4Addr::UNSPECIFIED => source,
            written => written.into(),
        },
        destination: address(16).into(),
        protocol: header[9],
        ttl: header[8],
        tos: header[1],
        // It is one packet, with the header that was written.
        dont_fragment: true,
        checksum_at: None,
        segment_size: None,
        payload: &[Chunk::copy_of(&packet[IPV4_HEADER..])],
    };
    stack.send(Header::new(), &outgoing, path)
}
