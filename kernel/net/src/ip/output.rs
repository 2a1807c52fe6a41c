//! Packets on their way out.

use abi::Errno;
use core::net::IpAddr;
use core::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::link::{ETHERNET_HEADER, Path};
use super::loopback::LoopbackPacket;
use super::{Hop, Interface, LOOPBACK_MTU, PathMtu, ipv4, ipv6, protocol};
use crate::checksum::Sum;
use crate::header::Header;
use crate::stack::Stack;
use crate::{Chunk, Offload};

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

/// A part of a packet that was cut, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Fragment {
    pub(super) offset: usize,
    pub(super) more: bool,
    pub(super) ident: u32,
}

impl Stack {
    /// The way to `destination` and the source address that suits it.
    pub(crate) fn route(&self, destination: IpAddr) -> Result<(Hop, IpAddr), Errno> {
        self.routes.lock().find(destination)
    }

    /// Bytes of the largest packet to `destination`.
    pub(crate) fn path_mtu(&self, destination: IpAddr) -> usize {
        let hop = self.route(destination).map_or(Hop::Broadcast, |(hop, _)| hop);
        self.mtu_of(hop, destination)
    }

    fn mtu_of(&self, hop: Hop, destination: IpAddr) -> usize {
        let link = self.link_mtu(hop, destination);
        match self.path_mtu.lock().get(destination, self.now()) {
            Some(known) => known.min(link),
            None => link,
        }
    }

    /// The MTU of the interface that `hop` leaves by.
    fn link_mtu(&self, hop: Hop, destination: IpAddr) -> usize {
        match (hop, destination) {
            (Hop::Loopback, _) => LOOPBACK_MTU,
            (_, IpAddr::V4(_)) => self.mtu.load(Ordering::Relaxed),
            (_, IpAddr::V6(_)) => self.mtu_ipv6(),
        }
    }

    /// Sends a packet. What the network loses is no error here; `ENOBUFS` means that the device is full.
    pub(crate) fn send(&self, mut header: Header, outgoing: &Outgoing<'_>, path: &mut Path) -> Result<(), Errno> {
        let routes_generation = self.routes_generation.load(Ordering::Relaxed);
        let hop = match path.hop_of(routes_generation) {
            Some(hop) => hop,
            None => {
                let (hop, _) = self.route(outgoing.destination)?;
                *path = Path::over(hop, routes_generation);
                hop
            }
        };
        let payload_length: usize = outgoing.payload.iter().map(|chunk| chunk.len()).sum();
        let length = header.len() + payload_length;
        let internet = header_length(outgoing.source);
        if hop == Hop::Loopback {
            let destination = match outgoing.destination {
                address if address.is_unspecified() => outgoing.source,
                address => address,
            };
            if matches!(outgoing.protocol, protocol::ICMP | protocol::ICMPV6) {
                // Applications look at it.
                self.complete_checksum(&mut header, outgoing, length, false);
            }
            self.loopback_traffic.send(internet + length);
            self.loopback_traffic.receive(internet + length);
            self.loopback.push(LoopbackPacket {
                source: outgoing.source,
                destination,
                protocol: outgoing.protocol,
                ttl: outgoing.ttl,
                tos: outgoing.tos,
                header,
                payload: SmallVec::from(outgoing.payload),
                interface: Interface::Loopback,
                is_group: false,
            });
            return Ok(());
        }
        if self.is_offline() {
            return Err(Errno::NETDOWN);
        }
        // TCP has asked for its path's MTU already, and what is small fits every path.
        let is_known_to_fit = outgoing.protocol == protocol::TCP
            || length + internet <= usize::from(PathMtu::least(outgoing.destination));
        let mtu = if is_known_to_fit {
            self.link_mtu(hop, outgoing.destination)
        } else {
            self.mtu_of(hop, outgoing.destination)
        };
        let is_cut = length + internet > mtu && outgoing.segment_size.is_none();
        let offload_checksum = self.complete_checksum(&mut header, outgoing, length, !is_cut);
        if is_cut {
            return self.send_fragments(&header, outgoing, path, mtu);
        }
        self.prepend_internet(&mut header, outgoing, length, None)?;
        let offload = Offload {
            checksum: offload_checksum.map(|at| ((ETHERNET_HEADER + internet) as u16, at)),
            segment_size: outgoing.segment_size,
        };
        self.send_ethernet(header, outgoing.payload, offload, path)
    }

    /// Lets a packet to a group or to all arrive at this machine, as one that came by `interface`.
    pub(crate) fn send_here(&self, transport: &[u8], outgoing: &Outgoing<'_>, interface: Interface) {
        let mut header = Header::new();
        header.prepend(transport.len()).copy_from_slice(transport);
        self.loopback.push(LoopbackPacket {
            source: outgoing.source,
            destination: outgoing.destination,
            protocol: outgoing.protocol,
            ttl: outgoing.ttl,
            tos: outgoing.tos,
            header,
            payload: SmallVec::from(outgoing.payload),
            interface,
            is_group: true,
        });
    }

    /// Puts the Internet header in front of `length` bytes.
    fn prepend_internet(
        &self,
        header: &mut Header,
        outgoing: &Outgoing<'_>,
        length: usize,
        fragment: Option<Fragment>,
    ) -> Result<(), Errno> {
        match (outgoing.source, outgoing.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let fragment = fragment.unwrap_or_else(|| Fragment {
                    offset: 0,
                    more: false,
                    ident: if outgoing.dont_fragment { 0 } else { self.next_ident() },
                });
                ipv4::prepend(header, outgoing, (source, destination), length, fragment);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                ipv6::prepend(header, outgoing, (source, destination), length, fragment);
            }
            _ => return Err(Errno::NETUNREACH),
        }
        Ok(())
    }

    /// Computes the checksum, or prepares it for the device and returns its place. The device gets only packets that are `whole`.
    fn complete_checksum(
        &self,
        header: &mut Header,
        outgoing: &Outgoing<'_>,
        length: usize,
        whole: bool,
    ) -> Option<u16> {
        let at = outgoing.checksum_at?;
        let is_transport = matches!(outgoing.protocol, protocol::TCP | protocol::UDP);
        let device = self.device_capabilities.offloads(outgoing.source);
        let mut sum = Sum::default();
        if outgoing.protocol != protocol::ICMP {
            sum.add_pseudo_header(outgoing.source, outgoing.destination, outgoing.protocol, length);
        }
        let place = usize::from(at)..usize::from(at) + 2;
        if device.checksum && is_transport && whole {
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

    /// Cuts a packet into fragments (RFC 791 section 3.2, RFC 8200 section 4.5).
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
        let (overhead, most) = match outgoing.source {
            IpAddr::V4(_) => (ipv4::HEADER, usize::from(u16::MAX) - ipv4::HEADER),
            IpAddr::V6(_) => (ipv6::HEADER + ipv6::FRAGMENT_HEADER, usize::from(u16::MAX)),
        };
        if whole.len() > most {
            return Err(Errno::MSGSIZE);
        }
        let whole = Chunk::copy_of(&whole);
        let ident = self.next_ident();
        let step = (mtu - overhead) & !7;
        for offset in (0..whole.len()).step_by(step) {
            let end = whole.len().min(offset + step);
            let fragment = Fragment {
                offset,
                more: end < whole.len(),
                ident,
            };
            let mut header = Header::new();
            self.prepend_internet(&mut header, outgoing, end - offset, Some(fragment))?;
            self.send_ethernet(header, &[whole.slice(offset, end)], Offload::default(), path)?;
        }
        Ok(())
    }

    fn next_ident(&self) -> u32 {
        self.ident.fetch_add(1, Ordering::Relaxed)
    }
}

/// Bytes of the Internet header before a packet from `source`.
fn header_length(source: IpAddr) -> usize {
    match source {
        IpAddr::V4(_) => ipv4::HEADER,
        IpAddr::V6(_) => ipv6::HEADER,
    }
}
