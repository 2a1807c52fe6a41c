//! What all devices share: negotiation (section 3.1) and their queues.

use alloc::boxed::Box;
use alloc::string::String;

use super::{Layout, queue::Queue};
use crate::interrupt::Handler;
use crate::mem::PAGE_SIZE;
use crate::time;

const ACKNOWLEDGE: u8 = 1;
const DRIVER: u8 = 2;
const DRIVER_OK: u8 = 4;
const FEATURES_OK: u8 = 8;

/// How long a device may take to forget its former driver, in nanoseconds.
const RESET_TIME: u64 = 1_000_000_000;

/// Feature, before version 1: parts of a request may be cut anywhere (2.7.4.3).
const ANY_LAYOUT: u64 = 1 << 27;
/// Feature: descriptor events (2.7.10).
const EVENT_INDEX: u64 = 1 << 29;
/// Feature: this version of the specification.
const VERSION_1: u64 = 1 << 32;
/// Feature: the device reaches memory through the platform's own translation.
const ACCESS_PLATFORM: u64 = 1 << 33;

/// What a device is (section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Network card.
    Network,
    /// Disk.
    Block,
    /// Source of entropy.
    Entropy,
    /// Adapter that SCSI disks hang on.
    Scsi,
    /// Another one, by its number.
    Other(u32),
}

impl From<u32> for Kind {
    fn from(number: u32) -> Self {
        match number {
            1 => Self::Network,
            2 => Self::Block,
            4 => Self::Entropy,
            8 => Self::Scsi,
            other => Self::Other(other),
        }
    }
}

/// How a device is reached: over PCI (section 4.1) or memory-mapped (4.2).
pub(crate) trait Transport: Send + Sync {
    /// Whether it is the interface of before version 1, which dictates the queues' sizes and layouts.
    fn is_legacy(&self) -> bool {
        false
    }
    fn set_status(&self, status: u8);
    fn status(&self) -> u8;
    fn device_features(&self) -> u64;
    fn set_driver_features(&self, features: u64);
    /// The most descriptors of a queue; 0 when there is no such queue.
    fn queue_limit(&self, queue: u16) -> u16;
    /// Puts a queue in place, with interrupts going to `handler`, and says how to notify the device of it.
    ///
    /// # Safety
    /// The layout is that of a queue that is never freed.
    unsafe fn enable_queue(&mut self, queue: u16, layout: Layout, handler: Handler) -> Option<Notifier>;
    /// A byte of the device's own configuration.
    fn configuration(&self, offset: usize) -> u8;
    /// Lets the device raise its interrupt line again, where it has one.
    fn acknowledge_interrupt(&self);
}

/// Tells the device of new requests in one queue.
pub(crate) struct Notifier(pub(crate) Box<dyn Fn() + Send + Sync>);

/// A device that was found, not yet driven.
pub struct VirtioDevice {
    kind: Kind,
    place: String,
    transport: Box<dyn Transport>,
    event_index: bool,
}

impl VirtioDevice {
    /// Resets a device and says that it was found; `None` when it does not react. `place` is where it is, for messages.
    pub(crate) fn new(number: u32, place: String, transport: Box<dyn Transport>) -> Option<Self> {
        transport.set_status(0);
        let deadline = time::monotonic() + RESET_TIME;
        while transport.status() != 0 {
            if time::monotonic() > deadline {
                return None;
            }
            core::hint::spin_loop();
        }
        transport.set_status(ACKNOWLEDGE | DRIVER);
        Some(Self {
            kind: number.into(),
            place,
            transport,
            event_index: false,
        })
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it is: its address on the PCI bus or in memory.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Whether it speaks the protocol of before version 1.
    pub(super) fn is_legacy(&self) -> bool {
        self.transport.is_legacy()
    }

    /// Whether the device offers all of these features.
    pub(super) fn offers(&mut self, features: u64) -> bool {
        self.transport.device_features() & features == features
    }

    /// Agrees on features: those of `wanted` that the device offers. `None` when it does not agree.
    pub(super) fn negotiate(&mut self, wanted: u64) -> Option<u64> {
        let offered = self.transport.device_features();
        let features = offered & (wanted | EVENT_INDEX | ANY_LAYOUT | VERSION_1 | ACCESS_PLATFORM);
        self.event_index = features & EVENT_INDEX != 0;
        if self.transport.is_legacy() {
            let features = features & u64::from(u32::MAX);
            self.transport.set_driver_features(features);
            return Some(features);
        }
        let features = features & !ANY_LAYOUT;
        if features & VERSION_1 == 0 {
            return None;
        }
        self.transport.set_driver_features(features);
        self.transport.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK);
        (self.transport.status() & FEATURES_OK != 0).then_some(features)
    }

    /// Sets a queue up whose requests take at most `limit` descriptors at a time.
    pub(super) fn queue(&mut self, number: u16, limit: u16, handler: Handler) -> Option<(Queue, Notifier)> {
        let offered = self.transport.queue_limit(number);
        let limit = limit.min(offered);
        if limit == 0 || (self.transport.is_legacy() && !offered.is_power_of_two()) {
            return None;
        }
        let queue = if self.transport.is_legacy() {
            Queue::new(offered, limit, PAGE_SIZE, self.event_index)?
        } else {
            let size = 1 << limit.ilog2();
            Queue::new(size, size, 4, self.event_index)?
        };
        // SAFETY: drivers live in statics of the kernel; a queue that is dropped on the way there leaks its rings below.
        let notifier = unsafe { self.transport.enable_queue(number, queue.layout(), handler) };
        match notifier {
            Some(notifier) => Some((queue, notifier)),
            None => {
                self.fail();
                None
            }
        }
    }

    /// Gives the device up: it reaches no memory after this.
    pub(super) fn fail(&self) {
        self.transport.set_status(0);
    }

    /// Starts it and leaves what is needed afterwards.
    pub(super) fn start(self) -> Box<dyn Transport> {
        let agreed = if self.transport.is_legacy() { 0 } else { FEATURES_OK };
        self.transport.set_status(ACKNOWLEDGE | DRIVER | agreed | DRIVER_OK);
        self.transport
    }

    /// Bytes of the device's own configuration.
    pub(super) fn configuration<const N: usize>(&self, offset: usize) -> [u8; N] {
        core::array::from_fn(|index| self.transport.configuration(offset + index))
    }
}
