//! ICMP's own messages (RFC 792).

use abi::Errno;

use smoltcp::wire::{Icmpv4DstUnreachable, Icmpv4Message, Icmpv4Packet, Ipv4Packet};

use super::{HEADER, Meaning, Origin, Unreachable};
use crate::checksum;
use crate::ip::PathMtu;
use crate::ip::input::Datagram;
use crate::ping;
use crate::stack::Stack;

/// Type and code of a destination that is there, but nobody on the port.
pub(super) const PORT_UNREACHABLE: [u8; 2] = [3, 3];
/// Of one that does not answer.
pub(super) const HOST_UNREACHABLE: [u8; 2] = [3, 1];
/// Bytes of a packet behind its Internet header that an error quotes (RFC 1812 section 4.3.2.3).
pub(super) const MOST_QUOTED: usize = 548;

impl Stack {
    /// Takes a message.
    pub(in crate::ip) fn receive_icmpv4(&self, datagram: &Datagram<'_>) {
        let whole = datagram.to_vec();
        if whole.len() < HEADER || (!datagram.is_loopback && checksum::of(&whole) != [0, 0]) {
            return;
        }
        let Ok(packet) = Icmpv4Packet::new_checked(&whole[..]) else {
            return;
        };
        match packet.msg_type() {
            Icmpv4Message::EchoRequest if !datagram.is_broadcast => {
                self.answer_echo(datagram, &whole, Icmpv4Message::EchoReply.into());
            }
            Icmpv4Message::EchoReply => ping::receive(self, datagram, &whole),
            Icmpv4Message::DstUnreachable | Icmpv4Message::TimeExceeded => {
                if let Some(unreachable) = parse_error(datagram, &packet, &whole) {
                    self.deliver_error(unreachable.0, &unreachable.1);
                }
            }
            _ => {}
        }
    }
}

fn parse_error<'a>(
    datagram: &Datagram<'_>,
    packet: &Icmpv4Packet<&[u8]>,
    whole: &'a [u8],
) -> Option<(u8, Unreachable<'a>)> {
    let meaning = match packet.msg_type() {
        Icmpv4Message::TimeExceeded => Meaning::soft(Errno::HOSTUNREACH),
        _ => match Icmpv4DstUnreachable::from(packet.msg_code()) {
            Icmpv4DstUnreachable::NetUnreachable => Meaning::soft(Errno::NETUNREACH),
            Icmpv4DstUnreachable::ProtoUnreachable => Meaning::hard(Errno::NOPROTOOPT),
            Icmpv4DstUnreachable::PortUnreachable => Meaning::hard(Errno::CONNREFUSED),
            Icmpv4DstUnreachable::FragRequired => {
                Meaning::too_long(u16::from_be_bytes([whole[6], whole[7]]).max(PathMtu::LEAST))
            }
            _ => Meaning::soft(Errno::HOSTUNREACH),
        },
    };
    parse_quoted(whole.get(HEADER..)?, meaning, Origin::of(datagram, whole))
}

/// The flow of the packet that an error quotes, of which only the Internet header and eight bytes more need be there.
pub(super) fn parse_quoted(quoted: &[u8], meaning: Meaning, origin: Origin) -> Option<(u8, Unreachable<'_>)> {
    if quoted.len() < 28 || quoted[0] >> 4 != 4 {
        return None;
    }
    let packet = Ipv4Packet::new_unchecked(quoted);
    if packet.frag_offset() != 0 {
        return None;
    }
    let start = usize::from(packet.header_len());
    Some((
        packet.next_header().into(),
        meaning.of(
            origin,
            (packet.src_addr().into(), packet.dst_addr().into()),
            quoted.get(start..)?,
        )?,
    ))
}
