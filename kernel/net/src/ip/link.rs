//! Ethernet: whose hardware address a packet gets.

use abi::Errno;
use alloc::vec;
use core::net::{IpAddr, Ipv4Addr};
use core::sync::atomic::Ordering;

use smoltcp::wire::{EthernetAddress, EthernetFrame, EthernetProtocol};

use super::Hop;
use super::neighbour::{Lookup, Told};
use super::output::Outgoing;
use crate::checksum;
use crate::header::Header;
use crate::stack::Stack;
use crate::{Chunk, Offload, Transmit};

pub(super) const ETHERNET_HEADER: usize = 14;
pub(super) const BROADCAST: [u8; 6] = [0xff; 6];
/// How long a copied hardware address is used without a look into the cache.
const PATH_LIFETIME: u64 = 5_000_000_000;

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
    /// The next hop, as the routes of `generation` have it.
    #[inline]
    pub(super) fn hop_of(&self, generation: u32) -> Option<Hop> {
        self.hop.filter(|_| self.generation.0 == generation)
    }

    /// By way of `hop`, as the routes of `generation` have it.
    pub(super) fn over(hop: Hop, generation: u32) -> Self {
        Self {
            hop: Some(hop),
            generation: (generation, 0),
            ..Self::default()
        }
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.hop == Some(Hop::Loopback)
    }
}

impl Stack {
    /// Puts the Ethernet header in front and sends, or lets the frame wait for the neighbour's address. `ENOBUFS` when the device is full.
    pub(super) fn send_ethernet(
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
                Some(Hop::Neighbour(address)) => match self.neighbours.lookup(address, now) {
                    Lookup::Known(mac) => path.mac = mac,
                    Lookup::Stale(mac) => {
                        path.mac = mac;
                        self.ask_neighbour(address, Some(mac));
                    }
                    Lookup::Ask => {
                        waits = Some(address);
                        self.ask_neighbour(address, None);
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
        let is_ipv6 = header.bytes()[0] >> 4 == 6;
        let mut frame = EthernetFrame::new_unchecked(header.prepend(ETHERNET_HEADER));
        frame.set_dst_addr(EthernetAddress(path.mac));
        frame.set_src_addr(EthernetAddress(self.mac));
        frame.set_ethertype(if is_ipv6 {
            EthernetProtocol::Ipv6
        } else {
            EthernetProtocol::Ipv4
        });
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
                    // The other zero, which UDP does not take for none.
                    let checksum = match checksum::of(&bytes[start..]) {
                        [0, 0] => [0xff, 0xff],
                        checksum => checksum,
                    };
                    bytes[start + at..start + at + 2].copy_from_slice(&checksum);
                }
                match self.neighbours.hold(address, bytes) {
                    Some(frame) => self.transmit_frame(&frame),
                    None => self.wake_at(now + 1_000_000_000),
                }
            }
        }
        Ok(())
    }

    /// Asks for the hardware address of a neighbour; of one that was `known`, whether it still has it.
    pub(crate) fn ask_neighbour(&self, address: IpAddr, known: Option<[u8; 6]>) {
        match address {
            IpAddr::V4(address) => self.arp_request(address),
            IpAddr::V6(address) => self.solicit_neighbour(address, known),
        }
        self.wake_at(self.now() + 1_000_000_000);
    }

    /// Learns of a neighbour, and sends what waited for it.
    pub(crate) fn learn_neighbour(&self, address: IpAddr, told: Told) {
        self.neighbours
            .learn(address, told, self.now(), |frame| self.transmit_frame(frame));
    }

    /// Sends a frame that waited for its neighbour's address. One that the device does not take is lost.
    fn transmit_frame(&self, frame: &[u8]) {
        self.transmit(&Transmit {
            header: frame,
            payload: &[],
            offload: Offload::default(),
        });
    }

    /// Sends a packet to a neighbour, or to a group or all of them, whatever the routes say.
    pub(crate) fn send_on_link(&self, header: Header, outgoing: &Outgoing<'_>) -> Result<(), Errno> {
        let to = outgoing.destination;
        let is_to_one = !to.is_multicast() && to != IpAddr::V4(Ipv4Addr::BROADCAST);
        let hop = if is_to_one { Hop::Neighbour(to) } else { Hop::Broadcast };
        let mut path = Path::over(hop, self.routes_generation.load(Ordering::Relaxed));
        self.send(header, outgoing, &mut path)
    }
}

/// The hardware address of the group or of all that a packet goes to (RFC 1112 section 6.4, RFC 2464 section 7).
fn group_mac(packet: &[u8]) -> [u8; 6] {
    match (packet[0] >> 4, packet.get(16..20), packet.get(36..40)) {
        (4, Some(&[224..=239, second, third, fourth]), _) => [0x01, 0x00, 0x5e, second & 0x7f, third, fourth],
        (6, _, Some(&[a, b, c, d])) => [0x33, 0x33, a, b, c, d],
        _ => BROADCAST,
    }
}
