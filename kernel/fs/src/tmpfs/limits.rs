//! How much a file system may hold.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use abi::Errno;
use hal::mem::{self, Frame, PAGE_SIZE};

use super::Options;

/// Pages that files of all file systems in memory have.
static WRITTEN: AtomicUsize = AtomicUsize::new(0);

/// How many pages hold what was written to files, or to shared memory.
pub fn written_pages() -> usize {
    WRITTEN.load(Ordering::Relaxed)
}

/// Counters of pages and inodes, each with its limit.
pub(super) struct Limits {
    most_pages: u64,
    pages: AtomicU64,
    most_inodes: u64,
    inodes: AtomicU64,
}

impl Limits {
    pub(super) fn new(options: &Options) -> Self {
        let half = mem::usage().total as u64 / 2;
        Self {
            most_pages: match options.size {
                None => half,
                Some(0) => u64::MAX,
                Some(size) => size.div_ceil(PAGE_SIZE as u64),
            },
            pages: AtomicU64::new(0),
            most_inodes: options.inodes.filter(|&most| most > 0).unwrap_or(u64::MAX),
            inodes: AtomicU64::new(0),
        }
    }

    /// A new page of zeroes. `ENOSPC` at the limit, `ENOMEM` when memory is short: what is written cannot be given back.
    pub(super) fn take_page(&self) -> Result<Frame, Errno> {
        take(&self.pages, self.most_pages)?;
        let Some(frame) = Frame::allocate_free() else {
            self.pages.fetch_sub(1, Ordering::Relaxed);
            return Err(Errno::NOMEM);
        };
        WRITTEN.fetch_add(1, Ordering::Relaxed);
        frame.fill(0, PAGE_SIZE, 0);
        Ok(frame)
    }

    /// Pages were freed.
    pub(super) fn give_pages(&self, count: u64) {
        self.pages.fetch_sub(count, Ordering::Relaxed);
        WRITTEN.fetch_sub(count as usize, Ordering::Relaxed);
    }

    pub(super) fn take_inode(&self) -> Result<(), Errno> {
        take(&self.inodes, self.most_inodes)
    }

    pub(super) fn give_inode(&self) {
        self.inodes.fetch_sub(1, Ordering::Relaxed);
    }

    /// All pages, and those that are free; zeroes without a limit.
    pub(super) fn pages(&self) -> (u64, u64) {
        let used = self.pages.load(Ordering::Relaxed);
        match self.most_pages {
            u64::MAX => (0, 0),
            most => (most, most.saturating_sub(used)),
        }
    }

    /// Whether so many more pages are allowed.
    pub(super) fn allows_pages(&self, count: u64) -> bool {
        count <= self.most_pages.saturating_sub(self.pages.load(Ordering::Relaxed))
    }

    /// All inodes, and those that are free; zeroes without a limit.
    pub(super) fn inodes(&self) -> (u64, u64) {
        match self.most_inodes {
            u64::MAX => (0, 0),
            most => (most, most.saturating_sub(self.inodes.load(Ordering::Relaxed))),
        }
    }
}

fn take(counter: &AtomicU64, most: u64) -> Result<(), Errno> {
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            (used < most).then_some(used + 1)
        })
        .map(|_| ())
        .map_err(|_| Errno::NOSPC)
}
