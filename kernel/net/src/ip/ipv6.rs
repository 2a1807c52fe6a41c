//! IPv6 (RFC 8200).

use core::net::{IpAddr, Ipv6Addr};

use smoltcp::wire::{IpProtocol, Ipv6FragmentHeader, Ipv6Packet};

use super::extension::{self, Next};
use super::fragment::Key;
use super::input::Datagram;
use super::output::{Fragment, Outgoing};
use super::{Interface, protocol};
use crate::header::Header;
use crate::stack::Stack;

/// Bytes of a header, and of a fragment header.
pub(super) const HEADER: usize = 40;
pub(super) const FRAGMENT_HEADER: usize = 8;
const FRAGMENT: u8 = 44;
/// Where a header says what follows it.
const NEXT_HEADER_AT: usize = 6;

impl Stack {
    pub(super) fn receive_ipv6(&self, bytes: &[u8], is_group: bool, checksum_verified: bool) {
        let Ok(packet) = Ipv6Packet::new_checked(bytes) else {
            return;
        };
        let (source, destination) = (packet.src_addr(), packet.dst_addr());
        if packet.version() != 6 || !self.accept_ipv6(source, destination, is_group) {
            return;
        }
        let bytes = &bytes[..packet.total_len()];
        let mut datagram = Datagram {
            source: IpAddr::V6(source),
            destination: IpAddr::V6(destination),
            protocol: 0,
            ttl: packet.hop_limit(),
            tos: packet.traffic_class(),
            ip_header: bytes,
            bytes: &[],
            tail: &[],
            checksum_verified,
            is_loopback: false,
            interface: Interface::Ethernet,
            is_broadcast: destination.is_multicast(),
            is_reassembled: false,
        };
        let mut next = extension::skip(bytes, NEXT_HEADER_AT, HEADER, datagram.is_broadcast);
        if let Next::Fragment(at) = next {
            // The wire format leaves out what all extension headers begin with.
            let Ok(fragment) = Ipv6FragmentHeader::new_checked(bytes.get(at + 2..).unwrap_or_default()) else {
                return;
            };
            let (offset, more) = (usize::from(fragment.frag_offset()) * 8, fragment.more_frags());
            let behind = at + FRAGMENT_HEADER;
            if offset > 0 || more {
                let key = Key {
                    source: datagram.source,
                    destination: datagram.destination,
                    ident: fragment.ident(),
                    protocol: FRAGMENT,
                };
                return self.receive_fragment(&datagram, (key, bytes[at], offset, more), &bytes[behind..]);
            }
            // All of a packet in one fragment (RFC 6946).
            next = extension::skip(bytes, at, behind, datagram.is_broadcast);
        }
        match next {
            Next::Payload(protocol, at) => {
                datagram.protocol = protocol;
                (datagram.ip_header, datagram.bytes) = bytes.split_at(at);
                self.receive_known(&datagram);
            }
            Next::Problem(code, at) => self.send_parameter_problem(&datagram, code, at),
            Next::Fragment(_) | Next::Nothing => {}
        }
    }

    fn receive_fragment(
        &self,
        fragment: &Datagram<'_>,
        (key, kind, offset, more): (Key, u8, usize, bool),
        bytes: &[u8],
    ) {
        let whole = self.reassembler.lock().add(key, kind, offset, more, bytes, self.now());
        let Some((kind, whole)) = whole else {
            return;
        };
        if let Next::Payload(protocol, at) = extension::skip_reassembled(&whole, kind, fragment.is_broadcast) {
            // What an error quotes looks as if it had never been cut.
            let mut header = [0; HEADER];
            header.copy_from_slice(&fragment.ip_header[..HEADER]);
            header[NEXT_HEADER_AT] = protocol;
            self.receive_known(&Datagram {
                protocol,
                ip_header: &header,
                bytes: &whole[at..],
                checksum_verified: false,
                is_reassembled: true,
                ..*fragment
            });
        }
    }

    /// Takes a datagram; only Neighbor Discovery may come from nobody.
    fn receive_known(&self, datagram: &Datagram<'_>) {
        if datagram.protocol == protocol::ICMPV6 || !datagram.source.is_unspecified() {
            self.receive_datagram(datagram);
        }
    }

    /// Whether a packet with these addresses is for us.
    fn accept_ipv6(&self, source: Ipv6Addr, destination: Ipv6Addr, is_group: bool) -> bool {
        // Mapped addresses are IPv4's here, which no packet of IPv6 may pass itself off as.
        let is_strange = |address: Ipv6Addr| address.is_loopback() || address.to_ipv4_mapped().is_some();
        if is_strange(source) || is_strange(destination) || source.is_multicast() {
            return false;
        }
        const LINK_LOCAL: u8 = 2;
        let routes = self.routes.lock();
        if routes.is_local(IpAddr::V6(source)) {
            return false;
        }
        match destination.octets() {
            // Every group's packets come in as it is, but for those that may not leave their machine.
            [0xff, scope, ..] => scope & 0xf >= LINK_LOCAL,
            _ => !is_group && routes.is_local(IpAddr::V6(destination)),
        }
    }
}

/// Puts the header in front of `length` bytes, and a fragment header when they are a part of a packet.
pub(super) fn prepend(
    header: &mut Header,
    outgoing: &Outgoing<'_>,
    (source, destination): (Ipv6Addr, Ipv6Addr),
    mut length: usize,
    fragment: Option<Fragment>,
) {
    let mut kind = outgoing.protocol;
    if let Some(fragment) = fragment {
        let bytes = header.prepend(FRAGMENT_HEADER);
        bytes[0] = kind;
        let mut packet = Ipv6FragmentHeader::new_unchecked(&mut bytes[2..]);
        packet.set_frag_offset((fragment.offset / 8) as u16);
        packet.set_more_frags(fragment.more);
        packet.set_ident(fragment.ident);
        kind = FRAGMENT;
        length += FRAGMENT_HEADER;
    }
    let mut packet = Ipv6Packet::new_unchecked(header.prepend(HEADER));
    packet.set_version(6);
    packet.set_traffic_class(outgoing.tos);
    // A device that cuts segments writes the length of each; more than 65,535 bytes never come here.
    packet.set_payload_len(length as u16);
    packet.set_next_header(IpProtocol::from(kind));
    packet.set_hop_limit(outgoing.ttl);
    packet.set_src_addr(source);
    packet.set_dst_addr(destination);
}
