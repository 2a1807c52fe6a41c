//! A link with two ends, and the clock that both stacks live by.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use net::{
    Capabilities, Configuration, Device, Environment, Event, InterfaceAddress, LEAST_SEGMENT, Received, Stack, Transmit,
};

use crate::support::{AF_INET, AF_INET6, inet, inet6};

pub const MILLISECOND: u64 = 1_000_000;
const ETHERNET_HEADER: usize = 14;

/// A clock that moves when told to.
pub struct Clock(pub AtomicU64);

impl Environment for Clock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn random(&self, bytes: &mut [u8]) {
        // Unpredictable to nobody: a failing run can be repeated.
        bytes
            .iter_mut()
            .zip(1..)
            .for_each(|(byte, index): (_, u8)| *byte = index.wrapping_mul(37));
    }

    fn event(&self, _event: Event<'_>) {}
}

/// What goes wrong, each in a thousand frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub loss: u32,
    pub duplication: u32,
    pub corruption: u32,
    /// Frames that take up to ten times as long.
    pub delay: u32,
    /// Frames that the device refuses.
    pub refusal: u32,
}

/// A frame on its way: when it arrives, its number, at which end.
type Flight = Reverse<(u64, u64, usize, Vec<u8>)>;

struct Wire {
    flights: BinaryHeap<Flight>,
    count: u64,
    dice: u64,
    faults: Faults,
    latency: u64,
    arrived: [VecDeque<Vec<u8>>; 2],
    frames: u64,
    fins: u64,
    /// The number of the TCP segment that was sent last.
    sequence: u32,
}

impl Wire {
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) % sides
    }

    fn happens(&mut self, per_mille: u32) -> bool {
        self.roll(1000) < u64::from(per_mille)
    }

    fn carry(&mut self, now: u64, to: usize, mut frame: Vec<u8>) {
        self.frames += 1;
        const FIN: u8 = 1;
        const TCP: u8 = 6;
        if let Some(layout) = Layout::of(&frame)
            && layout.protocol == TCP
            && let Some(number) = frame.get(layout.transport + 4..).and_then(|rest| rest.first_chunk())
        {
            self.sequence = u32::from_be_bytes(*number);
        }
        let is_fin = Layout::of(&frame).is_some_and(|layout| {
            layout.protocol == TCP && frame.get(layout.transport + 13).is_some_and(|flags| flags & FIN != 0)
        });
        self.fins += u64::from(is_fin);
        if self.happens(self.faults.loss) {
            return;
        }
        let copies = if self.happens(self.faults.duplication) { 2 } else { 1 };
        if self.happens(self.faults.corruption) {
            let place = self.roll(frame.len() as u64) as usize;
            frame[place] ^= 1 << self.roll(8);
        }
        for _ in 0..copies {
            let mut latency = self.latency;
            if self.happens(self.faults.delay) {
                latency *= 1 + self.roll(10);
            }
            self.count += 1;
            self.flights
                .push(Reverse((now + latency, self.count, to, frame.clone())));
        }
    }
}

struct End {
    number: usize,
    wire: Arc<Mutex<Wire>>,
    clock: Arc<Clock>,
    capabilities: Capabilities,
    mtu: usize,
}

/// Hands a frame on as a card does that checks no checksums. False without a frame.
pub fn hand_on(frame: Option<&[u8]>, handler: &mut dyn FnMut(Received<'_>)) -> bool {
    if let Some(frame) = frame {
        handler(Received {
            frame,
            checksum_verified: false,
        });
    }
    frame.is_some()
}

/// The bytes of a frame that is sent.
pub fn bytes_of(frame: &Transmit<'_>) -> Vec<u8> {
    let mut bytes = vec![0; frame.length()];
    frame.copy_to(&mut bytes);
    bytes
}

impl Device for End {
    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, self.number as u8 + 1]
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn max_mtu(&self) -> usize {
        self.mtu
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn receive(&self, handler: &mut dyn FnMut(Received<'_>)) -> bool {
        let frame = self.wire.lock().expect("no test panics with it").arrived[self.number].pop_front();
        hand_on(frame.as_deref(), handler)
    }

    fn on_receive(&self, _call: Arc<dyn Fn() + Send + Sync>) {
        // Whoever drives the stack looks by itself.
    }

    fn transmit(&self, frame: &Transmit<'_>) -> bool {
        {
            let mut wire = self.wire.lock().expect("no test panics with it");
            let refusal = wire.faults.refusal;
            if wire.happens(refusal) {
                return false;
            }
        }
        let bytes = bytes_of(frame);
        let frames = match frame.offload.segment_size {
            Some(size) => {
                assert!(usize::from(size) >= LEAST_SEGMENT, "segments of {size} bytes");
                let headers = frame.header.len();
                let most = ETHERNET_HEADER + self.mtu - headers;
                assert!(usize::from(size) <= most, "segments of {size} bytes behind {headers}");
                segments(&bytes, usize::from(size))
            }
            None => {
                assert!(
                    bytes.len() <= ETHERNET_HEADER + self.mtu,
                    "a frame longer than the link takes"
                );
                vec![bytes]
            }
        };
        let mut wire = self.wire.lock().expect("no test panics with it");
        for mut frame_bytes in frames {
            if let Some((start, at)) = frame.offload.checksum {
                complete_checksum(
                    &mut frame_bytes,
                    usize::from(start),
                    usize::from(at),
                    frame.offload.segment_size.is_some(),
                );
            }
            wire.carry(self.clock.now(), 1 - self.number, frame_bytes);
        }
        true
    }

    fn flush(&self) {}
}

/// The Internet checksum of what has none yet.
pub fn checksum(bytes: &[u8]) -> [u8; 2] {
    (!fold(words(bytes))).to_be_bytes()
}

fn fold(mut sum: u32) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn words(bytes: &[u8]) -> u32 {
    bytes.chunks(2).fold(0, |sum, pair| {
        u32::from(fold(
            sum + u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])),
        ))
    })
}

/// Where things are in a frame.
struct Layout {
    is_ipv6: bool,
    protocol: u8,
    transport: usize,
    addresses: std::ops::Range<usize>,
}

impl Layout {
    fn of(frame: &[u8]) -> Option<Self> {
        match (frame.get(12..14)?, frame.get(ETHERNET_HEADER)? >> 4) {
            ([0x08, 0x00], 4) => Some(Self {
                is_ipv6: false,
                protocol: *frame.get(23)?,
                transport: ETHERNET_HEADER + 20,
                addresses: 26..34,
            }),
            ([0x86, 0xdd], 6) => Some(Self {
                is_ipv6: true,
                protocol: *frame.get(20)?,
                transport: ETHERNET_HEADER + 40,
                addresses: 22..54,
            }),
            _ => None,
        }
    }
}

/// What a device does that completes checksums: with `afresh`, the pseudo-header has to be summed again for a shorter segment.
fn complete_checksum(frame: &mut [u8], start: usize, at: usize, afresh: bool) {
    if afresh {
        let layout = Layout::of(frame).expect("a packet");
        let length = (frame.len() - start) as u32;
        let pseudo = fold(words(&frame[layout.addresses]) + u32::from(layout.protocol) + length);
        frame[start + at..start + at + 2].copy_from_slice(&pseudo.to_be_bytes());
    }
    let checksum = !fold(words(&frame[start..]));
    frame[start + at..start + at + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// What a device does that cuts TCP segments.
fn segments(frame: &[u8], size: usize) -> Vec<Vec<u8>> {
    let Layout { is_ipv6, transport, .. } = Layout::of(frame).expect("a packet");
    let header = transport + usize::from(frame[transport + 12] >> 4) * 4;
    let sequence = u32::from_be_bytes(frame[transport + 4..transport + 8].try_into().expect("four bytes"));
    let payload = &frame[header..];
    assert!(payload.len() > size, "nothing to cut");
    let mut out = Vec::new();
    for (index, part) in payload.chunks(size).enumerate() {
        let mut bytes = frame[..header].to_vec();
        bytes.extend_from_slice(part);
        if is_ipv6 {
            let length = (bytes.len() - transport) as u16;
            bytes[18..20].copy_from_slice(&length.to_be_bytes());
        } else {
            let length = (bytes.len() - ETHERNET_HEADER) as u16;
            bytes[16..18].copy_from_slice(&length.to_be_bytes());
            bytes[24..26].fill(0);
            let checksum = !fold(words(&bytes[14..34]));
            bytes[24..26].copy_from_slice(&checksum.to_be_bytes());
        }
        let position = sequence.wrapping_add((index * size) as u32);
        bytes[transport + 4..transport + 8].copy_from_slice(&position.to_be_bytes());
        if (index + 1) * size < payload.len() {
            // FIN and PSH belong to the last one.
            bytes[transport + 13] &= !0x09;
        }
        out.push(bytes);
    }
    out
}

/// Two stacks, 10.0.0.1 and 10.0.0.2, and the link between them.
pub struct World {
    pub stacks: [Arc<Stack>; 2],
    /// They speak IPv6, too, and [`World::end`] is of that.
    is_ipv6: bool,
    clock: Arc<Clock>,
    wire: Arc<Mutex<Wire>>,
}

pub fn address(number: usize) -> [u8; 4] {
    [10, 0, 0, number as u8 + 1]
}

/// The link-local address, which is made of the hardware address.
pub fn link_local(number: usize) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x00ff, 0xfe00, number as u16 + 1)
}

impl World {
    pub fn new(seed: u64, faults: Faults, capabilities: Capabilities, buffer_memory: usize) -> Self {
        Self::speaking(false, seed, faults, capabilities, buffer_memory)
    }

    pub fn speaking(
        is_ipv6: bool,
        seed: u64,
        faults: Faults,
        capabilities: Capabilities,
        buffer_memory: usize,
    ) -> Self {
        Self::carrying(1500, is_ipv6, seed, faults, capabilities, buffer_memory)
    }

    /// With another MTU than most links have.
    pub fn carrying(
        mtu: usize,
        is_ipv6: bool,
        seed: u64,
        faults: Faults,
        capabilities: Capabilities,
        buffer_memory: usize,
    ) -> Self {
        let clock = Arc::new(Clock(AtomicU64::new(1_000 * MILLISECOND)));
        let wire = Arc::new(Mutex::new(Wire {
            flights: BinaryHeap::new(),
            count: 0,
            dice: seed | 1,
            faults,
            latency: MILLISECOND,
            arrived: Default::default(),
            frames: 0,
            fins: 0,
            sequence: 0,
        }));
        let stacks = [0, 1].map(|number| {
            let device = Arc::new(End {
                number,
                wire: wire.clone(),
                clock: clock.clone(),
                capabilities,
                mtu,
            });
            let own = InterfaceAddress {
                address: address(number).into(),
                prefix_length: 24,
            };
            let configuration = Configuration {
                address: Some((own, None)),
                buffer_memory,
                ipv6: is_ipv6,
                holds: true,
                ..Configuration::default()
            };
            Stack::new(clock.clone(), Some(device), configuration)
        });
        Self {
            stacks,
            is_ipv6,
            clock,
            wire,
        }
    }

    pub fn domain(&self) -> u32 {
        if self.is_ipv6 { AF_INET6 } else { AF_INET }
    }

    /// A port of a stack.
    pub fn end(&self, number: usize, port: u16) -> net::Address {
        if self.is_ipv6 {
            inet6(link_local(number), port)
        } else {
            inet(address(number), port)
        }
    }

    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Frames that were sent so far.
    pub fn frames(&self) -> u64 {
        self.wire.lock().expect("no test panics with it").frames
    }

    /// TCP segments with a FIN that were sent so far.
    pub fn fins(&self) -> u64 {
        self.wire.lock().expect("no test panics with it").fins
    }

    /// The number of the TCP segment that was sent last.
    pub fn last_sequence(&self) -> u32 {
        self.wire.lock().expect("no test panics with it").sequence
    }

    /// Puts a frame before the stack `number`.
    pub fn inject(&self, number: usize, frame: Vec<u8>) {
        self.wire.lock().expect("no test panics with it").arrived[number].push_back(frame);
    }

    pub fn set_faults(&self, faults: Faults) {
        self.wire.lock().expect("no test panics with it").faults = faults;
    }

    /// Lets both stacks work, then moves the clock to what happens next, at most by `most`. False when nothing will happen.
    pub fn step(&self, most: u64) -> bool {
        // What an application has written before goes out when it makes its next call.
        self.stacks.iter().for_each(|stack| stack.release(0));
        let deadline = self.stacks.iter().map(|stack| stack.poll()).min().unwrap_or(u64::MAX);
        let mut wire = self.wire.lock().expect("no test panics with it");
        let flight = wire.flights.peek().map_or(u64::MAX, |Reverse((time, ..))| *time);
        let next = deadline.min(flight);
        let now = next.clamp(self.now(), self.now().saturating_add(most));
        self.clock.0.store(now, Ordering::Relaxed);
        while wire.flights.peek().is_some_and(|Reverse((time, ..))| *time <= now) {
            if let Some(Reverse((_, _, to, frame))) = wire.flights.pop() {
                wire.arrived[to].push_back(frame);
            }
        }
        next != u64::MAX
    }

    /// Steps until `done`, or panics after `limit` of the world's time.
    pub fn run_until(&self, limit: u64, mut done: impl FnMut(&Self) -> bool) {
        let end = self.now() + limit;
        while !done(self) {
            assert!(
                self.now() < end,
                "not done after {} ms of the world's time",
                limit / MILLISECOND
            );
            self.step(50 * MILLISECOND);
        }
    }
}
