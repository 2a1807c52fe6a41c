//! Network cards (section 5.1).

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::device::{Kind, Notifier, Transport, VirtioDevice};
use super::queue::{Part, Queue};
use crate::dma::Buffer;
use crate::mem::PAGE_SIZE;
use crate::network::{Card, ETHERNET_MTU, LEAST_MTU, Offloads, Outgoing, Store, Version, queue_size};
use crate::sync::SpinLock;

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
    /// The device cuts TCP over IPv4 into segments.
    pub(super) const HOST_TSO4: u64 = 1 << 11;
    /// The device cuts TCP over IPv6 into segments.
    pub(super) const HOST_TSO6: u64 = 1 << 12;
}

/// Bytes of the header before each packet (5.1.6), and of what it was before version 1 (5.1.6.1).
const HEADER: usize = 12;
const LEGACY_HEADER: usize = 10;
const NEEDS_CHECKSUM: u8 = 1;
const CHECKSUM_VALID: u8 = 2;
const SEGMENT_TCP4: u8 = 1;
const SEGMENT_TCP6: u8 = 4;

/// Bytes of a receive buffer: two to a page hold the largest Ethernet packet each.
const RECEIVE_BUFFER: usize = PAGE_SIZE / 2;
/// The most bytes after the Ethernet header that can be cut: the largest packet of either version.
const LARGEST_PACKET: usize = 65_535;
/// Buffers given back to the device before it is told of them.
const REFILL_BATCH: u32 = 16;

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

struct Receiver {
    queue: Queue,
    /// Buffers given back since the device was last told.
    returned: u32,
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
    let wanted = feature::CSUM | feature::GUEST_CSUM | feature::MTU | feature::MAC;
    let wanted = wanted | feature::HOST_TSO4 | feature::HOST_TSO6;
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
    let size = queue_size();
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
    send_queue.set_interrupts(false);
    let card = Arc::new(Network {
        mac,
        mtu: mtu.clamp(LEAST_MTU, ETHERNET_MTU),
        features,
        header: if device.is_legacy() { LEGACY_HEADER } else { HEADER },
        receiver: SpinLock::new(Receiver {
            queue: receive_queue,
            returned: 0,
        }),
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
            let mut buffer = None;
            let Some((_, written)) = receiver.queue.pop(|part| {
                if let Part::Buffer(part, _) = part {
                    buffer = Some(part);
                }
            }) else {
                receiver.queue.set_interrupts(true);
                if receiver.queue.has_used() {
                    receiver.queue.set_interrupts(false);
                    continue;
                }
                self.tell(&mut receiver);
                return false;
            };
            let Some(buffer) = buffer else { continue };
            drop(receiver);
            let bytes = &buffer.bytes()[..written.min(buffer.len())];
            if let Some((header, packet)) = bytes.split_at_checked(self.header) {
                handler(packet, header[0] & (NEEDS_CHECKSUM | CHECKSUM_VALID) != 0);
            }
            receiver = self.receiver.lock();
            let length = buffer.len();
            receiver.queue.push([], [Part::Buffer(buffer, length)]);
            receiver.returned += 1;
            if receiver.returned >= REFILL_BATCH {
                self.tell(&mut receiver);
            }
            return true;
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
        while receiver.queue.free_descriptors() >= 2 {
            let Some(page) = Buffer::page() else { break };
            let (first, second) = page.split(RECEIVE_BUFFER);
            for half in [first, second] {
                receiver.queue.push([], [Part::Buffer(half, RECEIVE_BUFFER)]);
            }
        }
        receiver.queue.set_interrupts(true);
        self.tell(&mut receiver);
    }

    fn tell(&self, receiver: &mut Receiver) {
        receiver.returned = 0;
        if receiver.queue.needs_notification() {
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
