//! Disks, whatever they hang on.
//!
//! A [`Disk`] is read in whole pages and never blocks. What all drivers share is here: requests that wait for room, that fail and are tried
//! again, that are not answered in time. A driver (virtio-blk, virtio-scsi, `NVMe`, AHCI) implements [`Driver`] and is reached through a
//! [`Channel`].

mod channel;
mod driver;
mod figures;
mod request;

#[cfg(test)]
pub(crate) mod tests;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

pub(crate) use channel::{Channel, Place};
pub(crate) use driver::{Driver, Outcome, Read, Reason, Reset, Verdict};
pub(crate) use figures::Counter;
pub use figures::Figures;
pub(crate) use request::Unit;

use crate::mem::{Frame, PAGE_SIZE};
use crate::sync::SpinLock;

/// Called once with whether all pages were read.
pub type Done = Box<dyn FnOnce(bool) + Send>;

const SECOND: u64 = 1_000_000_000;
/// How often a request is sent before it has failed.
const TRIES: u8 = 3;
/// How long a disk may take to answer before its request is sent again, in nanoseconds. As long as Linux waits.
static PATIENCE: AtomicU64 = AtomicU64::new(30 * SECOND);

/// Sets how long a disk may take to answer before its request is sent again; 30 seconds unless set. After three tries a request has failed.
pub fn set_patience(seconds: u32) {
    PATIENCE.store(u64::from(seconds.max(1)) * SECOND, Ordering::Relaxed);
}

fn patience() -> u64 {
    PATIENCE.load(Ordering::Relaxed)
}

/// Called when [`Disk::watch`] should be called before the time that it said.
static ATTENTION: SpinLock<Option<fn()>> = SpinLock::new(None);

/// Sets what to call when [`Disk::watch`] should be called before the time that it said.
pub fn set_attention_handler(handler: fn()) {
    *ATTENTION.lock() = Some(handler);
}

fn call_attention() {
    let handler = *ATTENTION.lock();
    if let Some(handler) = handler {
        handler();
    }
}

/// By what a disk is spoken to: programs know disks by names that tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// virtio-blk.
    Virtio,
    /// virtio-scsi or AHCI.
    Scsi,
    /// `NVMe`: which controller it is, and the namespace.
    Nvme(u32, u32),
}

/// A disk. Clones are the same one.
#[derive(Clone)]
pub struct Disk {
    channel: Arc<Channel>,
    unit: Arc<Unit>,
}

impl Disk {
    pub(crate) fn new(channel: &Arc<Channel>, unit: Unit) -> Self {
        Self {
            channel: channel.clone(),
            unit: Arc::new(unit),
        }
    }

    /// What it is and where, as in `nvme 00:04.0 namespace 1`.
    pub fn name(&self) -> &str {
        &self.unit.name
    }

    /// By what it is spoken to.
    pub fn protocol(&self) -> Protocol {
        self.unit.protocol
    }

    /// What was read from it so far.
    pub fn figures(&self) -> Figures {
        self.unit.counter.get(crate::time::monotonic())
    }

    /// Bytes of the disk's own blocks.
    pub fn block_size(&self) -> u64 {
        self.unit.block_size()
    }

    /// Bytes of the disk.
    pub fn size(&self) -> u64 {
        self.unit.size()
    }

    /// Starts to fill whole pages from the byte `offset` on, a multiple of the disk's own blocks: any multiple of [`PAGE_SIZE`] is one. Behind
    /// the end of a disk that ends inside the last page come zeroes; a page that lies outside fails. The frames hold undefined bytes until `done`
    /// was called; it is called without a lock held, from [`crate::interrupt::dispatch`], from [`Disk::watch`] or at once.
    pub fn read(&self, offset: u64, frames: &[Frame], done: Done) {
        if frames.is_empty() {
            return done(true);
        }
        let last_page = offset.checked_add(((frames.len() - 1) * PAGE_SIZE) as u64);
        let inside = offset.is_multiple_of(self.unit.block_size()) && last_page.is_some_and(|last| last < self.size());
        if inside {
            self.channel.read(&self.unit, offset, frames, done);
        } else {
            done(false);
        }
    }

    /// Looks after requests that are late: sends them again, or ends them with a failure. Returns the time of [`crate::time::monotonic`] at
    /// which to look again, or `None` when nothing is under way.
    pub fn watch(&self) -> Option<u64> {
        self.channel.watch()
    }
}
