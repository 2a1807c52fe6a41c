//! `ICMPv6`'s own messages (RFC 4443).

use abi::Errno;

use smoltcp::wire::{Icmpv6DstUnreachable, Icmpv6Message, Icmpv6Packet, Ipv6Packet};

use super::{HEADER, Meaning, Origin, Unreachable};
use crate::checksum::Sum;
use crate::ip::extension::{self, Next};
use crate::ip::input::Datagram;
use crate::ip::{PathMtu, ipv6, protocol};
use crate::ndp;
use crate::ping;
use crate::stack::Stack;

/// Type and code of a destination that is there, but nobody on the port.
pub(super) const PORT_UNREACHABLE: [u8; 2] = [1, 4];
/// Of one that does not answer.
pub(super) const ADDRESS_UNREACHABLE: [u8; 2] = [1, 3];
const PARAMETER_PROBLEM: u8 = 4;
/// Of Multicast Listener Discovery. The wire format knows that of version 2 alone.
const GROUP_QUERY: u8 = 130;
/// Bytes of a packet that an error quotes: what fits every link.
pub(super) const MOST_QUOTED: usize = PathMtu::LEAST_IPV6 as usize - ipv6::HEADER - HEADER;

impl Stack {
    /// Takes a message.
    pub(in crate::ip) fn receive_icmpv6(&self, datagram: &Datagram<'_>) {
        let whole = datagram.to_vec();
        if whole.len() < HEADER || (!datagram.is_loopback && !has_right_checksum(datagram, &whole)) {
            return;
        }
        if whole[0] == GROUP_QUERY {
            return ndp::receive_query(self, datagram, &whole);
        }
        let Ok(packet) = Icmpv6Packet::new_checked(&whole[..]) else {
            return;
        };
        match packet.msg_type() {
            Icmpv6Message::EchoRequest => self.answer_echo(datagram, &whole, Icmpv6Message::EchoReply.into()),
            Icmpv6Message::EchoReply => ping::receive(self, datagram, &whole),
            Icmpv6Message::DstUnreachable
            | Icmpv6Message::TimeExceeded
            | Icmpv6Message::ParamProblem
            | Icmpv6Message::PktTooBig => {
                let origin = Origin::of(datagram, &whole);
                let error = meaning(&packet).and_then(|meaning| parse_quoted(&whole[HEADER..], meaning, origin));
                if let Some((transport, unreachable)) = error {
                    self.deliver_error(transport, &unreachable);
                }
            }
            kind if kind.is_ndisc() => ndp::receive(self, datagram, &packet),
            _ => {}
        }
    }

    /// Tells the sender of `datagram`, whose Internet header is all of the packet, that the byte at `at` is wrong (RFC 4443 section 3.4).
    pub(in crate::ip) fn send_parameter_problem(&self, datagram: &Datagram<'_>, code: u8, at: usize) {
        const UNKNOWN_OPTION: u8 = 2;
        if !datagram.is_broadcast || code == UNKNOWN_OPTION {
            self.send_error(datagram, [PARAMETER_PROBLEM, code], at as u32);
        }
    }
}

fn has_right_checksum(datagram: &Datagram<'_>, whole: &[u8]) -> bool {
    let mut sum = Sum::default();
    sum.add_pseudo_header(datagram.source, datagram.destination, protocol::ICMPV6, whole.len());
    sum.add(whole);
    sum.checksum() == [0, 0]
}

/// What Linux makes of an error.
fn meaning(packet: &Icmpv6Packet<&[u8]>) -> Option<Meaning> {
    Some(match packet.msg_type() {
        Icmpv6Message::TimeExceeded => Meaning::soft(Errno::HOSTUNREACH),
        Icmpv6Message::ParamProblem => Meaning::hard(Errno::PROTO),
        // What says less than every link carries is false (RFC 8201 section 4).
        Icmpv6Message::PktTooBig => {
            let mtu = packet.pkt_too_big_mtu().min(u32::from(u16::MAX)) as u16;
            (mtu >= PathMtu::LEAST_IPV6).then(|| Meaning::too_long(mtu))?
        }
        _ => match Icmpv6DstUnreachable::from(packet.msg_code()) {
            Icmpv6DstUnreachable::NoRoute => Meaning::soft(Errno::NETUNREACH),
            Icmpv6DstUnreachable::AdminProhibit
            | Icmpv6DstUnreachable::FailedPolicy
            | Icmpv6DstUnreachable::RejectRoute => Meaning::hard(Errno::ACCES),
            Icmpv6DstUnreachable::PortUnreachable => Meaning::hard(Errno::CONNREFUSED),
            _ => Meaning::soft(Errno::HOSTUNREACH),
        },
    })
}

/// The flow of the packet that an error quotes, of which only the headers and eight bytes more need be there.
pub(super) fn parse_quoted(quoted: &[u8], meaning: Meaning, origin: Origin) -> Option<(u8, Unreachable<'_>)> {
    const NEXT_HEADER_AT: usize = 6;
    if quoted.len() < ipv6::HEADER + 8 || quoted[0] >> 4 != 6 {
        return None;
    }
    let mut next = extension::skip(quoted, NEXT_HEADER_AT, ipv6::HEADER, false);
    if let Next::Fragment(at) = next {
        // The first fragment alone has the transport's header.
        let offset = quoted.get(at + 2..at + 4)?;
        if u16::from_be_bytes([offset[0], offset[1]]) >> 3 != 0 {
            return None;
        }
        next = extension::skip(quoted, at, at + ipv6::FRAGMENT_HEADER, false);
    }
    let Next::Payload(transport, at) = next else {
        return None;
    };
    let packet = Ipv6Packet::new_unchecked(quoted);
    Some((
        transport,
        meaning.of(
            origin,
            (packet.src_addr().into(), packet.dst_addr().into()),
            quoted.get(at..)?,
        )?,
    ))
}
