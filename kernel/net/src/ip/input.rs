//! Packets on their way in.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use smoltcp::wire::{ArpOperation, EthernetFrame, EthernetProtocol, Ipv4Packet};

use super::fragment::Key;
use super::loopback::LoopbackPacket;
use super::neighbour::{self, Action};
use super::{Endpoint, Interface, protocol};
use crate::stack::Stack;
use crate::{Chunk, Offload, Received, Transmit, checksum, dhcp, tcp, udp};

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
    pub(crate) is_loopback: bool,
    /// It was sent to a broadcast or multicast address.
    pub(crate) is_broadcast: bool,
}

impl Datagram<'_> {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.tail.iter().map(|chunk| chunk.len()).sum::<usize>()
    }

    pub(crate) fn interface(&self) -> Interface {
        if self.is_loopback {
            Interface::Loopback
        } else {
            Interface::Ethernet
        }
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
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

    fn keep(&mut self, packet: &[u8], checksum_verified: bool) {
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
            EthernetProtocol::Arp => self.receive_arp(frame.payload()),
            _ => {}
        }
    }

    fn receive_arp(&self, packet: &[u8]) {
        let own = self.own_ipv4();
        let now = self.now();
        let action = self.neighbours.receive(
            packet,
            |address| own == Some(address),
            now,
            |frame| {
                self.transmit(&Transmit {
                    header: &frame,
                    payload: &[],
                    offload: Offload::default(),
                });
            },
        );
        if let (Action::Reply { mac, address }, Some(own)) = (action, own) {
            let packet = neighbour::packet(ArpOperation::Reply, (self.mac, own), (mac, address));
            self.send_arp(mac, &packet);
        }
    }

    fn receive_ipv4(&self, bytes: &[u8], is_group: bool, checksum_verified: bool) {
        let Ok(packet) = Ipv4Packet::new_checked(bytes) else {
            return;
        };
        let header_length = usize::from(packet.header_len());
        let header = &bytes[..header_length];
        if packet.version() != 4 || header_length < 20 || checksum::of(header) != [0, 0] {
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
            is_broadcast,
        };
        if self.own_ipv4().is_none() && !dhcp::is_for_client(&datagram) {
            if !is_broadcast {
                self.early.lock().keep(bytes, checksum_verified);
            }
            return;
        }
        if packet.more_frags() || packet.frag_offset() != 0 {
            let key = Key {
                source,
                destination,
                ident: packet.ident(),
                protocol: datagram.protocol,
            };
            // The wire format's accessor counts bytes.
            let offset = usize::from(packet.frag_offset());
            let whole = self
                .reassembler
                .lock()
                .add(key, offset, packet.more_frags(), packet.payload(), self.now());
            if let Some(whole) = whole {
                datagram.bytes = &whole;
                datagram.checksum_verified = false;
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
            is_broadcast: false,
        });
    }

    fn receive_datagram(&self, datagram: &Datagram<'_>) {
        match datagram.protocol {
            protocol::TCP if !datagram.is_broadcast => tcp::receive(self, datagram),
            protocol::UDP if dhcp::is_for_client(datagram) && dhcp::receive(self, datagram) => {}
            protocol::UDP => udp::receive(self, datagram),
            protocol::ICMP => self.receive_icmp(datagram),
            _ => {}
        }
    }
}
