//! Packets on their way out.

use abi::Errno;
use alloc::vec;
use core::net::{IpAddr, Ipv4Addr};
use core::sync::atomic::Ordering;

use smallvec::SmallVec;
use smoltcp::wire::{ArpOperation, EthernetAddress, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet};

use super::loopback::LoopbackPacket;
use super::neighbour::{self, Lookup};
use super::route::link_mtu;
use super::{Hop, protocol};
use crate::checksum::{self, Sum};
use crate::header::Header;
use crate::stack::Stack;
use crate::{Chunk, Offload, Transmit};

/// Bytes of an IPv4 header without options.
const IPV4_HEADER: usize = 20;
const ETHERNET_HEADER: usize = 14;
const BROADCAST: [u8; 6] = [0xff; 6];
/// How long a copied hardware address is used without a look into the cache.
const PATH_LIFETIME: u64 = 5_000_000_000;

/// What a packet wants of the Internet layer. Its transport header comes beside it.
pub(crate) struct Outgoing<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    /// Never cut it into fragments; too long is `EMSGSIZE`.
    pub(crate) dont_fragment: bool,
    /// Where the transport header keeps its checksum, which is still zero.
    pub(crate) checksum_at: Option<u16>,
    /// The device cuts the payload into TCP segments of this many bytes.
    pub(crate) segment_size: Option<u16>,
    pub(crate) payload: &'a [Chunk],
}

/// The way of a flow, so that not every packet searches it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Path {
    hop: Option<Hop>,
    mac: [u8; 6],
    /// Generations of the routes and of the neighbours that it was found in.
    generation: (u32, u32),
    valid_until: u64,
}

impl Path {
    pub(crate) fn is_loopback(&self) -> bool {
        self.hop == Some(Hop::Loopback)
    }
}

impl Stack {
    /// The way to `destination` and the source address that suits it.
    pub(crate) fn route(&self, destination: IpAddr) -> Result<(Hop, IpAddr), Errno> {
        self.routes.lock().find(destination)
    }

    /// Bytes of the largest packet to `destination`.
    pub(crate) fn path_mtu(&self, destination: IpAddr) -> usize {
        let hop = self.route(destination).map_or(Hop::Broadcast, |(hop, _)| hop);
        let link = link_mtu(hop, self.mtu.load(Ordering::Relaxed));
        match self.path_mtu.lock().get(destination, self.now()) {
            Some(known) => known.min(link),
            None => link,
        }
    }

    /// Sends a packet. What the network loses is no error here; `ENOBUFS` means that the device is full.
    pub(crate) fn send(&self, mut header: Header, outgoing: &Outgoing<'_>, path: &mut Path) -> Result<(), Errno> {
        let routes_generation = self.routes_generation.load(Ordering::Relaxed);
        if path.hop.is_none() || path.generation.0 != routes_generation {
            let (hop, _) = self.route(outgoing.destination)?;
            *path = Path {
                hop: Some(hop),
                generation: (routes_generation, 0),
                ..Path::default()
            };
        }
        let hop = path.hop.ok_or(Errno::NETUNREACH)?;
        if hop == Hop::Loopback {
            let destination = match outgoing.destination {
                address if address.is_unspecified() => outgoing.source,
                address => address,
            };
            let length = IPV4_HEADER + header.len() + outgoing.payload.iter().map(|chunk| chunk.len()).sum::<usize>();
            self.loopback_traffic.send(length);
            self.loopback_traffic.receive(length);
            self.loopback.push(LoopbackPacket {
                source: outgoing.source,
                destination,
                protocol: outgoing.protocol,
                ttl: outgoing.ttl,
                tos: outgoing.tos,
                header,
                payload: SmallVec::from(outgoing.payload),
            });
            return Ok(());
        }
        if self.is_offline() {
            return Err(Errno::NETDOWN);
        }
        let payload_length: usize = outgoing.payload.iter().map(|chunk| chunk.len()).sum();
        let length = header.len() + payload_length;
        let offload_checksum = self.complete_checksum(&mut header, outgoing, length);
        let mtu = self.mtu.load(Ordering::Relaxed);
        if length + IPV4_HEADER > mtu && outgoing.segment_size.is_none() {
            return self.send_fragments(&header, outgoing, path, mtu);
        }
        let dont_fragment = if outgoing.dont_fragment { 0x4000 } else { 0 };
        let ident = if outgoing.dont_fragment { 0 } else { self.next_ident() };
        prepend_ipv4(&mut header, outgoing, length, ident, dont_fragment)?;
        let offload = Offload {
            checksum: offload_checksum.map(|at| ((ETHERNET_HEADER + IPV4_HEADER) as u16, at)),
            segment_size: outgoing.segment_size,
        };
        self.send_ethernet(header, outgoing.payload, offload, path)
    }

    /// Computes the checksum, or prepares it for the device and returns its place.
    fn complete_checksum(&self, header: &mut Header, outgoing: &Outgoing<'_>, length: usize) -> Option<u16> {
        let at = outgoing.checksum_at?;
        let fits = length + IPV4_HEADER <= self.mtu.load(Ordering::Relaxed) || outgoing.segment_size.is_some();
        let offload = self.device_capabilities.transmit_checksum && outgoing.protocol != protocol::ICMP && fits;
        let mut sum = Sum::default();
        if outgoing.protocol != protocol::ICMP {
            sum.add_pseudo_header(outgoing.source, outgoing.destination, outgoing.protocol, length);
        }
        let place = usize::from(at)..usize::from(at) + 2;
        if offload {
            header.bytes_mut()[place].copy_from_slice(&sum.folded());
            return Some(at);
        }
        sum.add(header.bytes());
        for chunk in outgoing.payload {
            sum.add(chunk);
        }
        let mut checksum = sum.checksum();
        if checksum == [0, 0] && outgoing.protocol == protocol::UDP {
            checksum = [0xff, 0xff];
        }
        header.bytes_mut()[place].copy_from_slice(&checksum);
        None
    }

    /// Cuts a packet into fragments (RFC 791 section 3.2).
    fn send_fragments(
        &self,
        header: &Header,
        outgoing: &Outgoing<'_>,
        path: &mut Path,
        mtu: usize,
    ) -> Result<(), Errno> {
        if outgoing.dont_fragment {
            return Err(Errno::MSGSIZE);
        }
        let mut whole = header.bytes().to_vec();
        outgoing.payload.iter().for_each(|chunk| whole.extend_from_slice(chunk));
        if whole.len() + IPV4_HEADER > usize::from(u16::MAX) {
            return Err(Errno::MSGSIZE);
        }
        let whole = Chunk::copy_of(&whole);
        let ident = self.next_ident();
        let step = (mtu - IPV4_HEADER) & !7;
        for start in (0..whole.len()).step_by(step) {
            let end = whole.len().min(start + step);
            let more = if end < whole.len() { 0x2000 } else { 0 };
            let mut header = Header::new();
            prepend_ipv4(&mut header, outgoing, end - start, ident, more | (start / 8) as u16)?;
            self.send_ethernet(header, &[whole.slice(start, end)], Offload::default(), path)?;
        }
        Ok(())
    }

    /// Puts the Ethernet header in front and sends, or lets the frame wait for the neighbour's address. `ENOBUFS` when the device is full.
    fn send_ethernet(
        &self,
        mut header: Header,
        payload: &[Chunk],
        offload: Offload,
        path: &mut Path,
    ) -> Result<(), Errno> {
        let generation = self.neighbours.generation();
        let now = self.now();
        let mut waits = None;
        if path.generation.1 != generation || now >= path.valid_until {
            match path.hop {
                Some(Hop::Neighbour(IpAddr::V4(address))) => match self.neighbours.lookup(address, now) {
                    Lookup::Known(mac) => path.mac = mac,
                    Lookup::Stale(mac) => {
                        path.mac = mac;
                        self.arp_request(address);
                    }
                    Lookup::Ask => {
                        waits = Some(address);
                        self.arp_request(address);
                    }
                    Lookup::Wait => waits = Some(address),
                },
                _ => path.mac = group_mac(header.bytes()),
            }
            if waits.is_none() {
                path.generation.1 = generation;
                path.valid_until = now + PATH_LIFETIME;
            }
        }
        let mut frame = EthernetFrame::new_unchecked(header.prepend(ETHERNET_HEADER));
        frame.set_dst_addr(EthernetAddress(path.mac));
        frame.set_src_addr(EthernetAddress(self.mac));
        frame.set_ethertype(EthernetProtocol::Ipv4);
        let transmit = Transmit {
            header: header.bytes(),
            payload,
            offload,
        };
        match waits {
            None if self.transmit(&transmit) => {}
            None => return Err(Errno::NOBUFS),
            // Its checksum must be whole by then, and it is not cut any more: TCP sends again what is lost here.
            Some(_) if offload.segment_size.is_some() => {}
            Some(address) => {
                let mut bytes = vec![0; transmit.length()];
                transmit.copy_to(&mut bytes);
                if let Some((start, at)) = offload.checksum {
                    let (start, at) = (usize::from(start), usize::from(at));
                    let checksum = checksum::of(&bytes[start..]);
                    bytes[start + at..start + at + 2].copy_from_slice(&checksum);
                }
                self.neighbours.hold(address, bytes);
                self.wake_at(now + 1_000_000_000);
            }
        }
        Ok(())
    }

    /// Asks who has `address`.
    pub(crate) fn arp_request(&self, address: Ipv4Addr) {
        let source = self.own_ipv4().unwrap_or(Ipv4Addr::UNSPECIFIED);
        let packet = neighbour::packet(ArpOperation::Request, (self.mac, source), ([0; 6], address));
        self.send_arp(BROADCAST, &packet);
        self.wake_at(self.now() + 1_000_000_000);
    }

    /// Tells everybody our address (RFC 5227 section 3).
    pub(crate) fn announce(&self, address: Ipv4Addr) {
        let packet = neighbour::packet(ArpOperation::Request, (self.mac, address), ([0; 6], address));
        self.send_arp(BROADCAST, &packet);
    }

    pub(super) fn send_arp(&self, destination: [u8; 6], packet: &[u8]) {
        let mut header = Header::new();
        header.prepend(packet.len()).copy_from_slice(packet);
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

    /// Sends a packet to everybody on the link, whatever the routes say: for DHCP before there is an address.
    pub(crate) fn send_to_link(&self, mut header: Header, outgoing: &Outgoing<'_>) -> Result<(), Errno> {
        let length = header.len() + outgoing.payload.iter().map(|chunk| chunk.len()).sum::<usize>();
        let offload = self.complete_checksum(&mut header, outgoing, length);
        prepend_ipv4(&mut header, outgoing, length, self.next_ident(), 0)?;
        let mut path = Path {
            hop: Some(Hop::Broadcast),
            ..Path::default()
        };
        let offload = Offload {
            checksum: offload.map(|at| ((ETHERNET_HEADER + IPV4_HEADER) as u16, at)),
            segment_size: None,
        };
        self.send_ethernet(header, outgoing.payload, offload, &mut path)
    }

    fn next_ident(&self) -> u16 {
        self.ident.fetch_add(1, Ordering::Relaxed) as u16
    }
}

/// The hardware address of the group or of all that an IPv4 packet goes to (RFC 1112 section 6.4).
fn group_mac(packet: &[u8]) -> [u8; 6] {
    match packet.get(16..20) {
        Some(&[224..=239, second, third, fourth]) => [0x01, 0x00, 0x5e, second & 0x7f, third, fourth],
        _ => BROADCAST,
    }
}

fn prepend_ipv4(
    header: &mut Header,
    outgoing: &Outgoing<'_>,
    length: usize,
    ident: u16,
    fragment: u16,
) -> Result<(), Errno> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (outgoing.source, outgoing.destination) else {
        return Err(Errno::NETUNREACH);
    };
    let bytes = header.prepend(IPV4_HEADER);
    bytes[6..8].copy_from_slice(&fragment.to_be_bytes());
    let mut packet = Ipv4Packet::new_unchecked(&mut *bytes);
    packet.set_version(4);
    packet.set_header_len(IPV4_HEADER as u8);
    packet.set_dscp(outgoing.tos >> 2);
    packet.set_ecn(outgoing.tos & 3);
    // A device that cuts segments writes the length of each; more than 65,535 bytes never come here.
    packet.set_total_len((IPV4_HEADER + length) as u16);
    packet.set_ident(ident);
    packet.set_hop_limit(outgoing.ttl);
    packet.set_next_header(IpProtocol::from(outgoing.protocol));
    packet.set_src_addr(source);
    packet.set_dst_addr(destination);
    let checksum = checksum::of(bytes);
    bytes[10..12].copy_from_slice(&checksum);
    Ok(())
}
