//! ARP (RFC 826): questions for the hardware addresses of IPv4 neighbours, and answers to theirs.

use core::net::{IpAddr, Ipv4Addr};

use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol};

use super::link::{BROADCAST, ETHERNET_HEADER};
use super::neighbour::Told;
use crate::header::Header;
use crate::stack::Stack;
use crate::{Offload, Transmit};

impl Stack {
    pub(super) fn receive_arp(&self, packet: &[u8]) {
        let Ok(packet) = ArpPacket::new_checked(packet) else {
            return;
        };
        let Ok(ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: EthernetAddress(mac),
            source_protocol_addr: source,
            target_protocol_addr: target,
            ..
        }) = ArpRepr::parse(&packet)
        else {
            return;
        };
        let own = self.own_ipv4();
        if mac[0] & 1 != 0 || own == Some(source) {
            return;
        }
        let is_to_us = own == Some(target);
        let told = Told {
            mac,
            creates: is_to_us,
            confirms: true,
            overrides: true,
        };
        self.learn_neighbour(IpAddr::V4(source), told);
        if is_to_us && operation == ArpOperation::Request {
            self.send_arp(mac, ArpOperation::Reply, target, (mac, source));
        }
    }

    /// Asks who has `address`.
    pub(super) fn arp_request(&self, address: Ipv4Addr) {
        let source = self.own_ipv4().unwrap_or(Ipv4Addr::UNSPECIFIED);
        self.send_arp(BROADCAST, ArpOperation::Request, source, ([0; 6], address));
    }

    /// Tells everybody our address (RFC 5227 section 3).
    pub(crate) fn announce(&self, address: Ipv4Addr) {
        self.send_arp(BROADCAST, ArpOperation::Request, address, ([0; 6], address));
    }

    fn send_arp(&self, destination: [u8; 6], operation: ArpOperation, source: Ipv4Addr, target: ([u8; 6], Ipv4Addr)) {
        let repr = ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: EthernetAddress(self.mac),
            source_protocol_addr: source,
            target_hardware_addr: EthernetAddress(target.0),
            target_protocol_addr: target.1,
        };
        let mut header = Header::new();
        repr.emit(&mut ArpPacket::new_unchecked(header.prepend(repr.buffer_len())));
        let mut frame = EthernetFrame::new_unchecked(header.prepend(ETHERNET_HEADER));
        frame.set_dst_addr(EthernetAddress(destination));
        frame.set_src_addr(EthernetAddress(self.mac));
        frame.set_ethertype(EthernetProtocol::Arp);
        self.transmit(&Transmit {
            header: header.bytes(),
            payload: &[],
            offload: Offload::default(),
        });
    }
}
