//! Network cards (section 5.1).

mod receiver;

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::device::{Kind, Notifier, Transport, VirtioDevice};
use receiver::{RECEIVE_BUFFER, Receiver};

use super::queue::{Part, Queue};
use crate::network::{Card, ETHERNET_HEADER, ETHERNET_MTU, LEAST_MTU, Offloads, Outgoing, Store, Version, queue_size};
use crate::sync::{SpinLock, SpinLockGuard};

/// Features (5.1.3).
mod feature {
    /// The device completes checksums.
    pub(super) const CSUM: u64 = 1 << 0;
    /// The driver takes packets with partial checksums.
    pub(super) const GUEST_CSUM: u64 = 1 << 1;
    /// The device says the largest packet.
    pub(super) const MTU: u64 = 1 << 3;
    /// The device has a hardware address.
    pub(super) const MAC: u64 = 1 << 5;
    /// The driver takes segments of TCP over IPv4 that were joined.
    pub(super) const GUEST_TSO4: u64 = 1 << 7;
    /// The driver takes segments of TCP over IPv6 that were joined.
    pub(super) const GUEST_TSO6: u64 = 1 << 8;
    /// The device cuts TCP over IPv4 into segments.
    pub(super) const HOST_TSO4: u64 = 1 << 11;
    /// The device cuts TCP over IPv6 into segments.
    pub(super) const HOST_TSO6: u64 = 1 << 12;
    /// A received packet may take several buffers.
    pub(super) const MRG_RXBUF: u64 = 1 << 15;
}

/// Bytes of the header before each packet (5.1.6), and of what it was before version 1 where each packet has one buffer (5.1.6.1).
const HEADER: usize = 12;
const LEGACY_HEADER: usize = 10;
const NEEDS_CHECKSUM: u8 = 1;
const SEGMENT_TCP4: u8 = 1;
const SEGMENT_TCP6: u8 = 4;

/// Buffers that hold the largest packet, whatever its segments: a queue with fewer would wait for ever for room for it.
const BUFFERS_OF_LARGEST: usize = (LARGEST_PACKET + ETHERNET_HEADER + HEADER).div_ceil(RECEIVE_BUFFER);
/// The most bytes after the Ethernet header that can be cut: the largest packet of either version.
const LARGEST_PACKET: usize = 65_535;
/// Buffers given back to the device before it is told of them.
const REFILL_BATCH: usize = 16;

struct Network {
    mac: [u8; 6],
    mtu: u16,
    features: u64,
    /// Bytes of the header before each packet.
    header: usize,
    receiver: SpinLock<Receiver>,
    sender: SpinLock<Sender>,
    receive_notifier: Notifier,
    send_notifier: Notifier,
    transport: Box<dyn Transport>,
    on_receive: SpinLock<Option<Arc<dyn Fn() + Send + Sync>>>,
}

struct Sender {
    queue: Queue,
    store: Store,
}

/// Starts a network card; `None` when the device is none or does not work.
pub fn start(mut device: VirtioDevice) -> Option<Arc<dyn Card>> {
    if device.kind() != Kind::Network {
        return None;
    }
    let size = queue_size();
    let mut wanted = feature::CSUM | feature::GUEST_CSUM | feature::MTU | feature::MAC;
    wanted |= feature::HOST_TSO4 | feature::HOST_TSO6;
    let joined = feature::MRG_RXBUF | feature::GUEST_TSO4 | feature::GUEST_TSO6;
    // Joined segments take many buffers, and one buffer would have to be large enough for them where packets cannot take several.
    let joins = usize::from(size) >= 2 * BUFFERS_OF_LARGEST && device.offers(feature::GUEST_CSUM | feature::MRG_RXBUF);
    if joins {
        wanted |= joined;
    }
    let features = device.negotiate(wanted)?;
    let mac = if features & feature::MAC != 0 {
        device.configuration(0)
    } else {
        random_mac()
    };
    let mtu = if features & feature::MTU != 0 {
        u16::from_le_bytes(device.configuration(10))
    } else {
        ETHERNET_MTU
    };
    let place: Arc<SpinLock<Option<Arc<Network>>>> = Arc::new(SpinLock::new(None));
    let handler_place = place.clone();
    let handler: crate::interrupt::Handler = Arc::new(move || {
        let card = handler_place.lock().clone();
        if let Some(card) = card {
            card.notice();
        }
    });
    let (receive_queue, receive_notifier) = device.queue(0, size, handler.clone())?;
    let Some((mut send_queue, send_notifier)) = device.queue(1, size, handler) else {
        // The device must not write to the rings that go now.
        device.fail();
        return None;
    };
    let merges = features & feature::MRG_RXBUF != 0;
    if merges && receive_queue.limit() < BUFFERS_OF_LARGEST {
        device.fail();
        return None;
    }
    let header = if device.is_legacy() && !merges {
        LEGACY_HEADER
    } else {
        HEADER
    };
    send_queue.set_interrupts(false);
    let card = Arc::new(Network {
        mac,
        mtu: mtu.clamp(LEAST_MTU, if merges { u16::MAX } else { ETHERNET_MTU }),
        features,
        header,
        receiver: SpinLock::new(Receiver::new(receive_queue, header, merges)),
        sender: SpinLock::new(Sender {
            queue: send_queue,
            store: Store::up_to(u64::MAX),
        }),
        receive_notifier,
        send_notifier,
        transport: device.start(),
        on_receive: SpinLock::new(None),
    });
    card.fill();
    *place.lock() = Some(card.clone());
    Some(card)
}

impl Card for Network {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn mtu(&self) -> usize {
        usize::from(self.mtu)
    }

    fn max_mtu(&self) -> usize {
        // A device that says nothing of the MTU carries what the network does.
        if self.features & (feature::MTU | feature::MRG_RXBUF) == feature::MRG_RXBUF {
            LARGEST_PACKET
        } else {
            self.mtu()
        }
    }

    fn offloads(&self, version: Version) -> Offloads {
        let checksums = self.features & feature::CSUM != 0;
        let segments = match version {
            Version::V4 => feature::HOST_TSO4,
            Version::V6 => feature::HOST_TSO6,
        };
        Offloads {
            checksums,
            segmented: if checksums && self.features & segments != 0 {
                LARGEST_PACKET
            } else {
                0
            },
        }
    }

    fn on_receive(&self, call: Arc<dyn Fn() + Send + Sync>) {
        *self.on_receive.lock() = Some(call);
    }

    fn receive(&self, handler: &mut dyn FnMut(&[u8], bool)) -> bool {
        let mut receiver = self.receiver.lock();
        loop {
            if let Some(packet) = receiver.take() {
                drop(receiver);
                packet.read(handler);
                receiver = self.receiver.lock();
                receiver.give_back(packet);
                if receiver.returned >= REFILL_BATCH {
                    self.tell(receiver);
                }
                return true;
            }
            receiver.queue.set_interrupts(true);
            if !receiver.queue.has_used() {
                self.tell(receiver);
                return false;
            }
            receiver.queue.set_interrupts(false);
        }
    }

    fn send(&self, outgoing: Outgoing, pieces: &mut dyn Iterator<Item = &[u8]>) -> bool {
        let mut sender = self.sender.lock();
        sender.collect();
        let Some(mut pages) = sender.store.copy(self.header, pieces) else {
            return false;
        };
        let (header, packet) = pages.first.bytes_mut().split_at_mut(self.header);
        encode(outgoing, Version::of(packet), header);
        if pages.count() > sender.queue.free_descriptors() {
            sender.store.keep(pages);
            return false;
        }
        let parts = pages.into_parts();
        sender
            .queue
            .push(parts.map(|(page, used)| Part::Buffer(page, used)), []);
        true
    }

    fn flush(&self) {
        if self.sender.lock().queue.needs_notification() {
            (self.send_notifier.0)();
        }
    }
}

impl Network {
    /// Gives the device all the buffers that it can have.
    fn fill(&self) {
        let mut receiver = self.receiver.lock();
        receiver.fill();
        receiver.queue.set_interrupts(true);
        self.tell(receiver);
    }

    /// Tells the device of the buffers that it has again, which takes it long, so that nobody has to wait for the queue meanwhile.
    fn tell(&self, mut receiver: SpinLockGuard<'_, Receiver>) {
        receiver.returned = 0;
        let is_wanted = receiver.queue.needs_notification();
        drop(receiver);
        if is_wanted {
            (self.receive_notifier.0)();
        }
    }

    /// An interrupt came: asks for no more until somebody has looked.
    fn notice(&self) {
        self.transport.acknowledge_interrupt();
        self.receiver.lock().queue.set_interrupts(false);
        let call = self.on_receive.lock().clone();
        if let Some(call) = call {
            call();
        }
    }
}

impl Sender {
    /// Takes back the pages of packets that have left.
    fn collect(&mut self) {
        let store = &mut self.store;
        let mut keep = |part| {
            if let Part::Buffer(page, _) = part {
                store.keep_page(page);
            }
        };
        while self.queue.pop(&mut keep).is_some() {}
    }
}

/// Writes the header of section 5.1.6.
fn encode(outgoing: Outgoing, version: Option<Version>, header: &mut [u8]) {
    header.fill(0);
    if let Some(checksum) = outgoing.checksum {
        header[0] = NEEDS_CHECKSUM;
        header[6..8].copy_from_slice(&checksum.start.to_le_bytes());
        header[8..10].copy_from_slice(&checksum.offset.to_le_bytes());
    }
    if let Some((headers, size)) = outgoing.segments {
        header[1] = match version {
            Some(Version::V6) => SEGMENT_TCP6,
            _ => SEGMENT_TCP4,
        };
        header[2..4].copy_from_slice(&headers.to_le_bytes());
        header[4..6].copy_from_slice(&size.to_le_bytes());
    }
}

/// A locally administered address.
fn random_mac() -> [u8; 6] {
    let mut mac = [0; 6];
    crate::random::fill(&mut mac);
    mac[0] = mac[0] & !1 | 2;
    mac
}
