//! What all devices share: negotiation (section 3.1) and their queues.

use alloc::boxed::Box;

use super::{Layout, queue::Queue};
use crate::interrupt::Handler;

const ACKNOWLEDGE: u8 = 1;
const DRIVER: u8 = 2;
const DRIVER_OK: u8 = 4;
const FEATURES_OK: u8 = 8;

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
    /// Another one, by its number.
    Other(u32),
}

impl From<u32> for Kind {
    fn from(number: u32) -> Self {
        match number {
            1 => Self::Network,
            2 => Self::Block,
            4 => Self::Entropy,
            other => Self::Other(other),
        }
    }
}

/// How a device is reached: over PCI (section 4.1) or memory-mapped (4.2).
pub(crate) trait Transport: Send + Sync {
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
    transport: Box<dyn Transport>,
    event_index: bool,
}

impl VirtioDevice {
    /// Resets a device and says that it was found.
    pub(crate) fn new(number: u32, transport: Box<dyn Transport>) -> Self {
        transport.set_status(0);
        while transport.status() != 0 {
            core::hint::spin_loop();
        }
        transport.set_status(ACKNOWLEDGE | DRIVER);
        Self {
            kind: number.into(),
            transport,
            event_index: false,
        }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Agrees on features: those of `wanted` that the device offers. `None` when it speaks only the protocol of before version 1.
    pub(super) fn negotiate(&mut self, wanted: u64) -> Option<u64> {
        let offered = self.transport.device_features();
        let features = offered & (wanted | EVENT_INDEX | VERSION_1 | ACCESS_PLATFORM);
        if features & VERSION_1 == 0 {
            return None;
        }
        self.event_index = features & EVENT_INDEX != 0;
        self.transport.set_driver_features(features);
        self.transport.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK);
        (self.transport.status() & FEATURES_OK != 0).then_some(features)
    }

    /// Sets a queue of at most `size` descriptors up.
    pub(super) fn queue(&mut self, number: u16, size: u16, handler: Handler) -> Option<(Queue, Notifier)> {
        let limit = self.transport.queue_limit(number).min(size);
        if limit == 0 {
            return None;
        }
        let size = 1 << limit.ilog2();
        let queue = Queue::new(size, self.event_index)?;
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
        self.transport
            .set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        self.transport
    }

    /// Bytes of the device's own configuration.
    pub(super) fn configuration<const N: usize>(&self, offset: usize) -> [u8; N] {
        core::array::from_fn(|index| self.transport.configuration(offset + index))
    }
}
