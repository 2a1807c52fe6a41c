//! Packets on their way in.

use alloc::vec::Vec;
use core::net::IpAddr;

use smoltcp::wire::{EthernetFrame, EthernetProtocol};

use super::loopback::LoopbackPacket;
use super::{Endpoint, Interface, protocol};
use crate::stack::Stack;
use crate::{Chunk, Received, dhcp, raw, tcp, udp};

/// The payload of an Internet packet for this machine.
pub(crate) struct Datagram<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    /// The Internet header, as far as there is one.
    pub(crate) ip_header: &'a [u8],
    /// The transport header and what follows it in one piece,
    pub(crate) bytes: &'a [u8],
    /// and what follows that: the payload, when it comes from this very machine.
    pub(crate) tail: &'a [Chunk],
    /// The checksum needs no look.
    pub(crate) checksum_verified: bool,
    /// It comes from this very machine.
    pub(crate) is_loopback: bool,
    /// Where it came in.
    pub(crate) interface: Interface,
    /// It was sent to a broadcast or multicast address.
    pub(crate) is_broadcast: bool,
    /// It came in fragments.
    pub(crate) is_reassembled: bool,
}

impl Datagram<'_> {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.tail.iter().map(|chunk| chunk.len()).sum::<usize>()
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut whole = self.bytes.to_vec();
        self.tail.iter().for_each(|chunk| whole.extend_from_slice(chunk));
        whole
    }

    /// The ends of the flow, ours first, given both ports.
    pub(crate) fn ends(&self, destination_port: u16, source_port: u16) -> (Endpoint, Endpoint) {
        (
            Endpoint::new(self.destination, destination_port),
            Endpoint::new(self.source, source_port),
        )
    }

    /// Calls `each` with the bytes from `start` on as chunks, copying only what is not one yet.
    pub(crate) fn chunks_from(&self, start: usize, mut each: impl FnMut(Chunk)) {
        if self.bytes.len() > start {
            each(Chunk::copy_of(&self.bytes[start..]));
        }
        self.tail.iter().cloned().for_each(&mut each);
    }
}

/// Packets that came before this machine has an address: a router that heard the first DHCP message delivers what waited for us, and
/// would send it again only after a second.
#[derive(Default)]
pub(crate) struct Early(Vec<(Vec<u8>, bool)>);

impl Early {
    const MOST_PACKETS: usize = 32;

    pub(super) fn keep(&mut self, packet: &[u8], checksum_verified: bool) {
        if self.0.len() < Self::MOST_PACKETS {
            self.0.push((packet.to_vec(), checksum_verified));
        }
    }
}

impl Stack {
    /// Takes what came before there was an address.
    pub(crate) fn receive_early(&self) {
        let early = core::mem::take(&mut self.early.lock().0);
        for (packet, checksum_verified) in early {
            self.receive_ipv4(&packet, false, checksum_verified);
        }
    }

    /// Takes a frame from the device.
    pub(crate) fn receive_frame(&self, received: Received<'_>) {
        self.ethernet_traffic.receive(received.frame.len());
        let Ok(frame) = EthernetFrame::new_checked(received.frame) else {
            return;
        };
        let destination = frame.dst_addr();
        if destination.0 != self.mac && destination.0[0] & 1 == 0 {
            return;
        }
        let is_group = destination.0[0] & 1 != 0;
        match frame.ethertype() {
            EthernetProtocol::Ipv4 => self.receive_ipv4(frame.payload(), is_group, received.checksum_verified),
            EthernetProtocol::Ipv6 => self.receive_ipv6(frame.payload(), is_group, received.checksum_verified),
            EthernetProtocol::Arp => self.receive_arp(frame.payload()),
            EthernetProtocol::Unknown(_) => {}
        }
    }

    /// Takes a packet from the loopback interface.
    pub(crate) fn receive_loopback(&self, packet: &LoopbackPacket) {
        self.receive_datagram(&Datagram {
            source: packet.source,
            destination: packet.destination,
            protocol: packet.protocol,
            ttl: packet.ttl,
            tos: packet.tos,
            ip_header: &[],
            bytes: packet.header.bytes(),
            tail: &packet.payload,
            checksum_verified: true,
            is_loopback: true,
            interface: packet.interface,
            is_broadcast: packet.is_group,
            is_reassembled: false,
        });
    }

    pub(super) fn receive_datagram(&self, datagram: &Datagram<'_>) {
        if !self.raw.is_empty() {
            raw::receive(self, datagram);
        }
        match datagram.protocol {
            protocol::TCP if !datagram.is_broadcast => tcp::receive(self, datagram),
            protocol::UDP if dhcp::is_for_client(datagram) && dhcp::receive(self, datagram) => {}
            protocol::UDP | protocol::UDP_LITE => udp::receive(self, datagram),
            protocol::ICMP if datagram.source.is_ipv4() => self.receive_icmpv4(datagram),
            protocol::ICMPV6 if datagram.source.is_ipv6() => self.receive_icmpv6(datagram),
            _ => {}
        }
    }
}
