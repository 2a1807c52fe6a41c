//! ICMP (RFC 792): echo, and errors in both directions.

use abi::Errno;
use core::net::{IpAddr, Ipv4Addr};

use smoltcp::wire::{Icmpv4DstUnreachable, Icmpv4Message, Icmpv4Packet, Ipv4Packet};

use super::input::Datagram;
use super::{Endpoint, Outgoing, Path, protocol};
use crate::checksum;
use crate::header::Header;
use crate::stack::Stack;
use crate::{Chunk, tcp, udp};

/// What an ICMP error says about a packet that we sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unreachable {
    /// Our end of the flow.
    pub(crate) local: Endpoint,
    /// The other end.
    pub(crate) remote: Endpoint,
    /// What a socket reports.
    pub(crate) errno: Errno,
    /// Whether a connection must give up at once, rather than remember the error (RFC 1122 section 4.2.3.9).
    pub(crate) is_hard: bool,
    /// The packet was too long for a router: the MTU that fits.
    pub(crate) mtu: Option<u16>,
    /// The first bytes of the transport header that the error quotes.
    pub(crate) quoted: [u8; 8],
}

/// A token bucket over the errors that we send (RFC 1812 section 4.3.2.8).
pub(crate) struct IcmpLimiter {
    tokens: u64,
    filled: u64,
}

impl IcmpLimiter {
    const PER_SECOND: u64 = 1000;
    const BURST: u64 = 50;

    pub(crate) const fn new() -> Self {
        Self {
            tokens: Self::BURST,
            filled: 0,
        }
    }

    fn allow(&mut self, now: u64) -> bool {
        let earned = (now - self.filled.min(now)) / (1_000_000_000 / Self::PER_SECOND);
        if earned > 0 {
            self.tokens = (self.tokens + earned).min(Self::BURST);
            self.filled = now;
        }
        let allowed = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        allowed
    }
}

impl Stack {
    /// Takes an ICMP message.
    pub(super) fn receive_icmp(&self, datagram: &Datagram<'_>) {
        let whole = datagram.to_vec();
        if whole.len() < 8 || (!datagram.is_loopback && checksum::of(&whole) != [0, 0]) {
            return;
        }
        let Ok(packet) = Icmpv4Packet::new_checked(&whole[..]) else {
            return;
        };
        match packet.msg_type() {
            Icmpv4Message::EchoRequest if !datagram.is_broadcast => self.answer_echo(datagram, &whole),
            Icmpv4Message::DstUnreachable | Icmpv4Message::TimeExceeded => {
                if let Some(unreachable) = parse_error(&packet, &whole) {
                    self.deliver_error(unreachable.0, &unreachable.1);
                }
            }
            _ => {}
        }
    }

    fn answer_echo(&self, datagram: &Datagram<'_>, whole: &[u8]) {
        let mut header = Header::new();
        let bytes = header.prepend(8);
        bytes[4..8].copy_from_slice(&whole[4..8]);
        let outgoing = Outgoing {
            source: datagram.destination,
            destination: datagram.source,
            protocol: protocol::ICMP,
            ttl: 64,
            tos: datagram.tos,
            dont_fragment: false,
            checksum_at: Some(2),
            segment_size: None,
            payload: &[Chunk::copy_of(&whole[8..])],
        };
        // The asker will ask again.
        let _ = self.send(header, &outgoing, &mut Path::default());
    }

    fn deliver_error(&self, transport: u8, unreachable: &Unreachable) {
        if let Some(mtu) = unreachable.mtu {
            self.path_mtu.lock().learn(unreachable.remote.address, mtu, self.now());
        }
        match transport {
            protocol::TCP => tcp::receive_error(self, unreachable),
            protocol::UDP => udp::receive_error(self, unreachable),
            _ => {}
        }
    }

    /// Tells the sender of `datagram` that nobody listens on its port.
    pub(crate) fn send_port_unreachable(&self, datagram: &Datagram<'_>) {
        let unicast = |address: IpAddr| !address.is_multicast() && !address.is_unspecified();
        if datagram.is_broadcast || !unicast(datagram.source) || !unicast(datagram.destination) {
            return;
        }
        if datagram.is_loopback {
            // No packet: the socket is in this very stack.
            if let Some(quoted) = datagram.bytes.first_chunk::<8>() {
                let port = |at: usize| u16::from_be_bytes([quoted[at], quoted[at + 1]]);
                let unreachable = Unreachable {
                    local: Endpoint::new(datagram.source, port(0)),
                    remote: Endpoint::new(datagram.destination, port(2)),
                    errno: Errno::CONNREFUSED,
                    is_hard: true,
                    mtu: None,
                    quoted: *quoted,
                };
                self.deliver_error(datagram.protocol, &unreachable);
            }
            return;
        }
        if !self.icmp_limiter.lock().allow(self.now()) {
            return;
        }
        let mut quoted = datagram.ip_header.to_vec();
        quoted.extend_from_slice(&datagram.bytes[..datagram.bytes.len().min(548)]);
        let mut header = Header::new();
        let bytes = header.prepend(8);
        bytes[0] = u8::from(Icmpv4Message::DstUnreachable);
        bytes[1] = u8::from(Icmpv4DstUnreachable::PortUnreachable);
        let outgoing = Outgoing {
            source: datagram.destination,
            destination: datagram.source,
            protocol: protocol::ICMP,
            ttl: 64,
            tos: 0,
            dont_fragment: false,
            checksum_at: Some(2),
            segment_size: None,
            payload: &[Chunk::copy_of(&quoted)],
        };
        let _ = self.send(header, &outgoing, &mut Path::default());
    }

    /// A neighbour did not answer: `frame` was for it and is lost.
    pub(crate) fn neighbour_lost(&self, frame: &[u8]) {
        if let Some((transport, unreachable)) = frame
            .get(14..)
            .and_then(|packet| parse_quoted(packet, Errno::HOSTUNREACH, false, None))
        {
            self.deliver_error(transport, &unreachable);
        }
    }
}

fn parse_error(packet: &Icmpv4Packet<&[u8]>, whole: &[u8]) -> Option<(u8, Unreachable)> {
    let (errno, is_hard, mtu) = match packet.msg_type() {
        Icmpv4Message::TimeExceeded => (Errno::HOSTUNREACH, false, None),
        _ => match Icmpv4DstUnreachable::from(packet.msg_code()) {
            Icmpv4DstUnreachable::NetUnreachable => (Errno::NETUNREACH, false, None),
            Icmpv4DstUnreachable::ProtoUnreachable => (Errno::NOPROTOOPT, true, None),
            Icmpv4DstUnreachable::PortUnreachable => (Errno::CONNREFUSED, true, None),
            Icmpv4DstUnreachable::FragRequired => {
                let mtu = u16::from_be_bytes([whole[6], whole[7]]);
                (Errno::MSGSIZE, false, Some(mtu.max(super::PathMtu::LEAST)))
            }
            _ => (Errno::HOSTUNREACH, false, None),
        },
    };
    parse_quoted(whole.get(8..)?, errno, is_hard, mtu)
}

/// The flow of the packet that an error quotes, of which only the Internet header and eight bytes more need be there.
fn parse_quoted(quoted: &[u8], errno: Errno, is_hard: bool, mtu: Option<u16>) -> Option<(u8, Unreachable)> {
    if quoted.len() < 28 || quoted[0] >> 4 != 4 {
        return None;
    }
    let packet = Ipv4Packet::new_unchecked(quoted);
    if packet.frag_offset() != 0 {
        return None;
    }
    let start = usize::from(packet.header_len());
    let transport: [u8; 8] = quoted.get(start..start + 8)?.try_into().ok()?;
    let port = |at: usize| u16::from_be_bytes([transport[at], transport[at + 1]]);
    let end = |address: Ipv4Addr, port| Endpoint::new(IpAddr::V4(address), port);
    Some((
        packet.next_header().into(),
        Unreachable {
            local: end(packet.src_addr(), port(0)),
            remote: end(packet.dst_addr(), port(2)),
            errno,
            is_hard,
            mtu,
            quoted: transport,
        },
    ))
}
