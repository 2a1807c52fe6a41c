//! IPv4 (RFC 791).

use core::net::{IpAddr, Ipv4Addr};

use smoltcp::wire::{IpProtocol, Ipv4Packet};

use super::Interface;
use super::fragment::Key;
use super::input::Datagram;
use super::output::{Fragment, Outgoing};
use crate::header::Header;
use crate::stack::Stack;
use crate::{checksum, dhcp};

/// Bytes of a header without options.
pub(super) const HEADER: usize = 20;

impl Stack {
    pub(super) fn receive_ipv4(&self, bytes: &[u8], is_group: bool, checksum_verified: bool) {
        let Ok(packet) = Ipv4Packet::new_checked(bytes) else {
            return;
        };
        let header_length = usize::from(packet.header_len());
        let header = &bytes[..header_length];
        if packet.version() != 4 || header_length < HEADER || checksum::of(header) != [0, 0] {
            return;
        }
        let (source, destination) = (packet.src_addr(), packet.dst_addr());
        let Some(is_broadcast) = self.accept_ipv4(source, destination, is_group) else {
            return;
        };
        let mut datagram = Datagram {
            source: IpAddr::V4(source),
            destination: IpAddr::V4(destination),
            protocol: packet.next_header().into(),
            ttl: packet.hop_limit(),
            tos: packet.dscp() << 2 | packet.ecn(),
            ip_header: header,
            bytes: packet.payload(),
            tail: &[],
            checksum_verified,
            is_loopback: false,
            interface: Interface::Ethernet,
            is_broadcast,
            is_reassembled: false,
        };
        if self.own_ipv4().is_none() && !dhcp::is_for_client(&datagram) {
            if !is_broadcast {
                self.early.lock().keep(bytes, checksum_verified);
            }
            return;
        }
        if packet.more_frags() || packet.frag_offset() != 0 {
            let key = Key {
                source: source.into(),
                destination: destination.into(),
                ident: packet.ident().into(),
                protocol: datagram.protocol,
            };
            // The wire format's accessor counts bytes.
            let offset = usize::from(packet.frag_offset());
            let whole = self.reassembler.lock().add(
                key,
                datagram.protocol,
                offset,
                packet.more_frags(),
                packet.payload(),
                self.now(),
            );
            if let Some((_, whole)) = whole {
                datagram.bytes = &whole;
                datagram.checksum_verified = false;
                datagram.is_reassembled = true;
                self.receive_datagram(&datagram);
            }
            return;
        }
        self.receive_datagram(&datagram);
    }

    /// Whether a packet with these addresses is for us; if so, whether it was for others too.
    fn accept_ipv4(&self, source: Ipv4Addr, destination: Ipv4Addr, is_group: bool) -> Option<bool> {
        if source.is_loopback() || source.is_multicast() || source.is_broadcast() || destination.is_loopback() {
            return None;
        }
        let own = self.own_ipv4();
        if own == Some(destination) && !is_group {
            return (own != Some(source)).then_some(false);
        }
        // Before there is an address, the answer of the DHCP server may come to the one that it offers.
        if own.is_none() {
            return Some(is_group);
        }
        (destination.is_multicast() || self.routes.lock().is_broadcast(IpAddr::V4(destination))).then_some(true)
    }
}

/// Puts the header in front of `length` bytes.
pub(super) fn prepend(
    header: &mut Header,
    outgoing: &Outgoing<'_>,
    (source, destination): (Ipv4Addr, Ipv4Addr),
    length: usize,
    fragment: Fragment,
) {
    let bytes = header.prepend(HEADER);
    // Flags and offset in one word: the wire format's accessors would read and write it for each.
    let dont_fragment = if outgoing.dont_fragment { 0x4000 } else { 0 };
    let more = if fragment.more { 0x2000 } else { 0 };
    let place = (fragment.offset / 8) as u16 | dont_fragment | more;
    bytes[6..8].copy_from_slice(&place.to_be_bytes());
    let mut packet = Ipv4Packet::new_unchecked(&mut *bytes);
    packet.set_version(4);
    packet.set_header_len(HEADER as u8);
    packet.set_dscp(outgoing.tos >> 2);
    packet.set_ecn(outgoing.tos & 3);
    // A device that cuts segments writes the length of each; more than 65,535 bytes never come here.
    packet.set_total_len((HEADER + length) as u16);
    packet.set_ident(fragment.ident as u16);
    packet.set_hop_limit(outgoing.ttl);
    packet.set_next_header(IpProtocol::from(outgoing.protocol));
    packet.set_src_addr(source);
    packet.set_dst_addr(destination);
    let checksum = checksum::of(bytes);
    bytes[10..12].copy_from_slice(&checksum);
}
