//! Disks as file systems want them, and the task that looks after what they do not answer.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use fs::{BlockDevice, Transfer};
use hal::block::Disk;
use hal::boot::Boot;
use hal::mem::{Frame, PAGE_SIZE};
use task::WaitQueue;

/// Whether [`watch`] knows that requests are under way.
static WATCHED: AtomicBool = AtomicBool::new(false);
/// Notified when there is something new to watch.
static NEWS: WaitQueue = WaitQueue::new();

/// A disk below a file system.
struct Device(Disk);

impl BlockDevice for Device {
    fn block_count(&self) -> u64 {
        self.0.size().div_ceil(PAGE_SIZE as u64)
    }

    fn read(&self, first_block: u64, frames: &[Frame]) -> Transfer {
        let transfer = Transfer::new();
        let done = transfer.clone();
        let call = Box::new(move |succeeded| done.finish(succeeded));
        match first_block.checked_mul(PAGE_SIZE as u64) {
            Some(offset) => self.0.read(offset, frames, call),
            None => call(false),
        }
        if !WATCHED.swap(true, Ordering::Relaxed) {
            NEWS.notify();
        }
        transfer
    }
}

/// The disks for file systems, in their order, watched from now on.
pub(super) fn block_devices(boot: &Boot, disks: &[Disk]) -> Vec<Arc<dyn BlockDevice>> {
    // As Linux spells the time after which a disk is late: `nvme_core.io_timeout` and its like are one here.
    let patience = boot.arguments().find_map(|word| word.strip_prefix("disk.timeout="));
    if let Some(seconds) = patience.and_then(|seconds| seconds.parse().ok()) {
        hal::block::set_patience(seconds);
    }
    crate::describe::disks::set(disks);
    if !disks.is_empty() {
        hal::block::set_attention_handler(|| NEWS.notify());
        task::spawn(watch(disks.to_vec()));
    }
    let device = |disk: &Disk| Arc::new(Device(disk.clone())) as Arc<dyn BlockDevice>;
    disks.iter().map(device).collect()
}

/// Looks after requests that are late, as long as there are any under way.
async fn watch(disks: Vec<Disk>) {
    loop {
        let ticket = NEWS.ticket();
        WATCHED.store(true, Ordering::Relaxed);
        let mut next = disks.iter().filter_map(Disk::watch).min();
        if next.is_none() {
            WATCHED.store(false, Ordering::Relaxed);
            // A request may have begun between the look and the note.
            next = disks.iter().filter_map(Disk::watch).min();
        }
        task::until(next, NEWS.wait(ticket)).await;
    }
}
