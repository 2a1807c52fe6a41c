//! UDP (RFC 768) and UDP-Lite.

pub(crate) mod lite;
mod reported;

pub(crate) use reported::Reported;

use abi::Errno;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use hal::sync::SpinLock;
use hashbrown::HashMap;
use smoltcp::wire::UdpPacket;
use task::WaitQueue;

use crate::checksum::Sum;
use crate::counters::Count;
use crate::environment::Protocol;
use crate::header::Header;
use crate::ip::{ByVersion, Datagram, Endpoint, Interface, Outgoing, Path, Unreachable, protocol};
use crate::stack::Stack;
use crate::{Chunk, dhcpv6};

/// Bytes of the header.
pub(crate) const HEADER: usize = 8;
/// Where the checksum stands in the header.
const CHECKSUM_AT: u16 = 6;

/// Bytes of the largest datagram that fits into a packet to `destination`.
pub(crate) fn largest(destination: IpAddr) -> usize {
    const IPV4_HEADER: usize = 20;
    let most = usize::from(u16::MAX) - HEADER;
    match destination {
        IpAddr::V4(_) => most - IPV4_HEADER,
        IpAddr::V6(_) => most,
    }
}

/// Bytes that a socket's queue may hold: Linux's `rmem_default`.
const DEFAULT_CAPACITY: usize = 212_992;

/// A datagram that arrived.
#[derive(Clone)]
pub(crate) struct Arrived {
    pub(crate) source: Endpoint,
    /// With a port only where the protocol has such.
    pub(crate) destination: Endpoint,
    pub(crate) interface: Interface,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    pub(crate) payload: Chunk,
    /// When it came, in nanoseconds since 1970.
    pub(crate) time: u64,
    /// Datagrams that the socket had had no room for by then.
    pub(crate) dropped: u32,
}

impl Arrived {
    /// What `datagram` carries from `source` to `destination`, just now.
    pub(crate) fn of(datagram: &Datagram<'_>, (destination, source): (Endpoint, Endpoint), payload: Chunk) -> Self {
        Self {
            source,
            destination,
            interface: datagram.interface,
            ttl: datagram.ttl,
            tos: datagram.tos,
            payload,
            time: hal::time::realtime(),
            dropped: 0,
        }
    }
}

/// What a socket is bound and connected to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    pub(crate) local: Endpoint,
    pub(crate) remote: Option<Endpoint>,
    pub(crate) v6_only: bool,
    pub(crate) device: Option<Interface>,
}

struct Queue {
    binding: Binding,
    datagrams: VecDeque<Arrived>,
    bytes: usize,
    capacity: usize,
    /// Datagrams that there was no room for.
    dropped: u32,
    /// Bytes that the checksum of a datagram of UDP-Lite has to cover, 0 for all; none when that is all the same.
    least_coverage: Option<u16>,
    error: Option<Errno>,
    /// Whether errors are told in full, of packets of each version, and those that are.
    reports: ByVersion<bool>,
    reported: VecDeque<Reported>,
    /// Types of messages that a raw socket does not want, a bit each.
    refused: Option<Box<Refused>>,
}

/// A set of types of messages: ICMP's own are in the first word (`ICMP_FILTER`), those of `ICMPv6` in all (`ICMPV6_FILTER`).
pub(crate) type Refused = [u32; 8];

/// A bound socket, as the table of ports sees it.
pub(crate) struct Flow {
    wait_queue: Arc<WaitQueue>,
    queue: SpinLock<Queue>,
}

/// Bound sockets by port.
pub(crate) struct Udp(SpinLock<HashMap<u16, Vec<Arc<Flow>>>>);

impl Udp {
    pub(crate) fn new() -> Self {
        Self(SpinLock::new(HashMap::new()))
    }

    pub(crate) fn insert(&self, flow: &Arc<Flow>) {
        self.0
            .lock()
            .entry(flow.binding().local.port)
            .or_default()
            .push(flow.clone());
    }

    /// Takes a socket out; false when it was not there any more.
    pub(crate) fn remove(&self, flow: &Arc<Flow>) -> bool {
        let port = flow.binding().local.port;
        let mut ports = self.0.lock();
        let Some(flows) = ports.get_mut(&port) else {
            return false;
        };
        let before = flows.len();
        flows.retain(|other| !Arc::ptr_eq(other, flow));
        let is_removed = flows.len() < before;
        if flows.is_empty() {
            ports.remove(&port);
        }
        is_removed
    }

    /// The sockets that get a datagram: all that match for broadcasts, else the most specific, and among equals what the ends choose.
    pub(crate) fn find(
        &self,
        stack: &Stack,
        local: Endpoint,
        remote: Endpoint,
        interface: Interface,
        everybody: bool,
    ) -> Vec<Arc<Flow>> {
        let ports = self.0.lock();
        let Some(flows) = ports.get(&local.port) else {
            return Vec::new();
        };
        let scored = flows
            .iter()
            .filter_map(|flow| Some((flow.binding().score(local, remote, interface)?, flow)));
        if everybody {
            return scored.map(|(_, flow)| flow.clone()).collect();
        }
        let mut best: Vec<&Arc<Flow>> = Vec::new();
        let mut highest = 0;
        for (score, flow) in scored {
            if best.is_empty() || score > highest {
                best.clear();
                highest = score;
            }
            if score == highest {
                best.push(flow);
            }
        }
        let hash = stack.secret.table_hash(local, remote) as usize;
        let chosen = if best.is_empty() {
            None
        } else {
            best.get(hash % best.len())
        };
        chosen.into_iter().map(|flow| (*flow).clone()).collect()
    }
}

impl Binding {
    /// How well the socket suits a datagram; `None` when it does not.
    fn score(&self, local: Endpoint, remote: Endpoint, interface: Interface) -> Option<u8> {
        let same_family = self.local.address.is_ipv4() == local.address.is_ipv4();
        let is_exact = self.local.address == local.address;
        let is_wildcard =
            self.local.address.is_unspecified() && (same_family || (self.local.address.is_ipv6() && !self.v6_only));
        if !is_exact && !is_wildcard {
            return None;
        }
        let mut score = if is_exact { 2 } else { 0 };
        if let Some(connected) = self.remote {
            if connected != remote {
                return None;
            }
            score += 4;
        }
        if let Some(device) = self.device {
            if device != interface {
                return None;
            }
            score += 1;
        }
        if same_family {
            score += 8;
        }
        Some(score)
    }
}

impl Flow {
    pub(crate) fn new(binding: Binding, wait_queue: Arc<WaitQueue>) -> Arc<Self> {
        Arc::new(Self {
            wait_queue,
            queue: SpinLock::new(Queue {
                binding,
                datagrams: VecDeque::new(),
                bytes: 0,
                capacity: DEFAULT_CAPACITY,
                dropped: 0,
                least_coverage: None,
                error: None,
                reports: ByVersion::default(),
                reported: VecDeque::new(),
                refused: None,
            }),
        })
    }

    pub(crate) fn binding(&self) -> Binding {
        self.queue.lock().binding
    }

    /// Connects or disconnects; datagrams of others that wait are dropped as they would have been.
    pub(crate) fn connect(&self, local: Endpoint, remote: Option<Endpoint>) {
        let mut queue = self.queue.lock();
        queue.binding.local = local;
        queue.binding.remote = remote;
    }

    pub(crate) fn set_capacity(&self, capacity: usize) {
        self.queue.lock().capacity = capacity;
    }

    pub(crate) fn set_device(&self, device: Option<Interface>) {
        self.queue.lock().binding.device = device;
    }

    pub(crate) fn set_least_coverage(&self, coverage: Option<u16>) {
        self.queue.lock().least_coverage = coverage;
    }

    pub(crate) fn set_refused(&self, refused: Refused) {
        self.queue.lock().refused = Some(Box::new(refused));
    }

    pub(crate) fn refused(&self) -> Refused {
        self.queue.lock().refused.as_deref().copied().unwrap_or_default()
    }

    /// Whether a message of this type is not wanted.
    pub(crate) fn refuses(&self, kind: u8) -> bool {
        let queue = self.queue.lock();
        let refused = |refused: &Refused| refused[usize::from(kind / 32)] >> (kind % 32) & 1 != 0;
        queue.refused.as_deref().is_some_and(refused)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.queue.lock().capacity
    }

    /// Queues a datagram; false without room for it. `coverage`: bytes of it that the checksum covers, when they are not all.
    pub(crate) fn deliver(&self, mut arrived: Arrived, coverage: Option<u16>) -> bool {
        {
            let mut queue = self.queue.lock();
            if let (Some(least), Some(covered)) = (queue.least_coverage, coverage)
                && (least == 0 || covered < least)
            {
                return true;
            }
            let cost = arrived.payload.footprint();
            if queue.bytes + cost > queue.capacity {
                queue.dropped = queue.dropped.wrapping_add(1);
                return false;
            }
            queue.bytes += cost;
            arrived.dropped = queue.dropped;
            queue.datagrams.push_back(arrived);
        }
        self.wait_queue.notify();
        true
    }

    pub(crate) fn take_error(&self) -> Option<Errno> {
        self.queue.lock().error.take()
    }

    pub(crate) fn has_error(&self) -> bool {
        let queue = self.queue.lock();
        queue.error.is_some() || !queue.reported.is_empty()
    }

    /// The next datagram, which stays in the queue with `peek`.
    pub(crate) fn next(&self, peek: bool) -> Option<Arrived> {
        let mut queue = self.queue.lock();
        if peek {
            return queue.datagrams.front().cloned();
        }
        let arrived = queue.datagrams.pop_front()?;
        queue.bytes -= arrived.payload.footprint();
        if queue.datagrams.is_empty() && queue.datagrams.capacity() > 32 {
            queue.datagrams = VecDeque::new();
        }
        Some(arrived)
    }

    /// Puts a datagram back whose receiver could not take it.
    pub(crate) fn put_back(&self, arrived: Arrived) {
        let mut queue = self.queue.lock();
        queue.bytes += arrived.payload.footprint();
        queue.datagrams.push_front(arrived);
    }

    /// Bytes of the next datagram.
    pub(crate) fn next_length(&self) -> Option<usize> {
        self.queue.lock().datagrams.front().map(|arrived| arrived.payload.len())
    }
}

/// Whether a datagram of UDP is in order, and its length.
pub(crate) fn check(datagram: &Datagram<'_>) -> Option<usize> {
    let packet = UdpPacket::new_unchecked(datagram.bytes);
    let length = usize::from(packet.len());
    if length < HEADER || length > datagram.len() {
        return None;
    }
    let has_checksum = packet.checksum() != 0;
    if !has_checksum && datagram.source.is_ipv6() && !datagram.is_loopback {
        // It may be left out of IPv4 only.
        return None;
    }
    if !datagram.checksum_verified && has_checksum {
        let mut sum = Sum::default();
        sum.add_pseudo_header(datagram.source, datagram.destination, protocol::UDP, length);
        sum.add(&datagram.bytes[..length]);
        if sum.checksum() != [0, 0] {
            return None;
        }
    }
    Some(length)
}

/// Takes a datagram of either protocol.
pub(crate) fn receive(stack: &Stack, datagram: &Datagram<'_>) {
    if datagram.bytes.len() < HEADER {
        return;
    }
    let is_lite = datagram.protocol == protocol::UDP_LITE;
    let checked = if is_lite {
        lite::check(datagram).map(|covered| (datagram.len(), covered))
    } else {
        check(datagram).map(|length| (length, length))
    };
    let count = |count: Count| {
        if !is_lite {
            stack.counters.add(count);
        }
    };
    let Some((length, covered)) = checked else {
        count(Count::UdpError);
        return;
    };
    let packet = UdpPacket::new_unchecked(datagram.bytes);
    if packet.dst_port() == 0 {
        return;
    }
    let (local, remote) = datagram.ends(packet.dst_port(), packet.src_port());
    let interface = datagram.interface;
    if !datagram.is_loopback && local.address.is_ipv6() && !is_lite {
        let ports = (remote.port, local.port);
        if dhcpv6::receive(stack, ports, &datagram.bytes[HEADER..length]) {
            return;
        }
    }
    let table = if is_lite { &stack.udp_lite } else { &stack.udp };
    let flows = table.find(stack, local, remote, interface, datagram.is_broadcast);
    if flows.is_empty() {
        count(Count::UdpNoPort);
        stack.send_port_unreachable(datagram);
        return;
    }
    let payload = payload(datagram, length);
    for flow in flows {
        let arrived = Arrived::of(datagram, (local, remote), payload.clone());
        let is_taken = flow.deliver(arrived, (covered < length).then_some(covered as u16));
        count(if is_taken { Count::UdpReceived } else { Count::UdpNoRoom });
    }
}

/// The payload in one piece.
fn payload(datagram: &Datagram<'_>, length: usize) -> Chunk {
    match datagram.tail {
        [only] if datagram.bytes.len() == HEADER => only.clone(),
        [] => Chunk::copy_of(&datagram.bytes[HEADER..length]),
        _ => {
            let mut whole = Vec::with_capacity(length);
            datagram.chunks_from(HEADER, |chunk| whole.extend_from_slice(&chunk));
            Chunk::copy_of(&whole)
        }
    }
}

/// Takes an ICMP error about a datagram of ours, which quotes so many bytes of header before its payload.
pub(crate) fn receive_error(table: &Udp, unreachable: &Unreachable<'_>, header: usize) {
    let flows = table.0.lock().get(&unreachable.local.port).cloned().unwrap_or_default();
    for flow in flows {
        flow.receive_error(unreachable, header);
    }
}

/// How a datagram is sent.
pub(crate) struct Sending {
    /// UDP or UDP-Lite.
    pub(crate) protocol: Protocol,
    /// Bytes that the checksum of UDP-Lite covers, 0 for all.
    pub(crate) coverage: u16,
    pub(crate) local: Endpoint,
    pub(crate) remote: Endpoint,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    pub(crate) dont_fragment: bool,
    /// The interface by which it comes back, sent to a group or to all; by the loopback interface it goes nowhere else.
    pub(crate) copy: Option<Interface>,
}

/// Sends a datagram.
pub(crate) fn send(stack: &Stack, sending: &Sending, payload: &[Chunk], path: &mut Path) -> Result<(), Errno> {
    let length: usize = payload.iter().map(|chunk| chunk.len()).sum();
    if length > largest(sending.remote.address) {
        return Err(Errno::MSGSIZE);
    }
    let mut header = Header::new();
    let mut packet = UdpPacket::new_unchecked(header.prepend(HEADER));
    packet.set_src_port(sending.local.port);
    packet.set_dst_port(sending.remote.port);
    packet.set_len((HEADER + length) as u16);
    let is_lite = sending.protocol == Protocol::UdpLite;
    if is_lite {
        let ends = (sending.local.address, sending.remote.address);
        lite::complete(header.bytes_mut(), ends, HEADER + length, sending.coverage, payload);
    }
    let outgoing = Outgoing {
        source: sending.local.address,
        destination: sending.remote.address,
        protocol: if is_lite { protocol::UDP_LITE } else { protocol::UDP },
        ttl: sending.ttl,
        tos: sending.tos,
        dont_fragment: sending.dont_fragment,
        checksum_at: (!is_lite).then_some(CHECKSUM_AT),
        segment_size: None,
        payload,
    };
    if !is_lite {
        stack.counters.add(Count::UdpSent);
    }
    if let Some(interface) = sending.copy {
        stack.send_here(header.bytes(), &outgoing, interface);
        if interface == Interface::Loopback {
            return Ok(());
        }
    }
    stack.send(header, &outgoing, path)
}
