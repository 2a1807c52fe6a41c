//! The pool of physical pages that everything draws from: frames, the kernel heap, page tables, buffers of devices.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use super::buddy::{Buddy, Link};
use crate::arch;
use crate::sync::SpinLock;

/// Bytes of bookkeeping for one page number.
pub(crate) const BYTES_PER_PAGE: usize = size_of::<AtomicU32>() + size_of::<Link>() + size_of::<u8>();

static POOL: SpinLock<Option<Buddy>> = SpinLock::new(None);
/// Shares of each page, for [`super::Frame`].
static COUNTS: AtomicPtr<AtomicU32> = AtomicPtr::new(core::ptr::null_mut());
static LIMIT: AtomicUsize = AtomicUsize::new(0);
static TOTAL: AtomicUsize = AtomicUsize::new(0);
static FREE: AtomicUsize = AtomicUsize::new(0);
static RECLAIM: SpinLock<Option<fn(usize) -> usize>> = SpinLock::new(None);

/// Sets the pool up for page numbers below `limit`, all of them taken.
///
/// # Safety
/// `memory` is aligned to 8, points to `limit * BYTES_PER_PAGE` bytes that belong to the pool from now on, and this is called once.
pub(crate) unsafe fn initialize(memory: *mut u8, limit: usize) {
    let links = memory.cast::<Link>();
    // SAFETY: the three tables lie one behind the other in the caller's memory, in the order of their alignment; each is
    // written before it is borrowed.
    let buddy = unsafe {
        let counts = links.add(limit).cast::<AtomicU32>();
        let orders = counts.add(limit).cast::<u8>();
        arch::fill_memory(memory, 0, limit * BYTES_PER_PAGE);
        COUNTS.store(counts, Ordering::Release);
        Buddy::new(
            core::slice::from_raw_parts_mut(links, limit),
            core::slice::from_raw_parts_mut(orders, limit),
        )
    };
    LIMIT.store(limit, Ordering::Release);
    *POOL.lock() = Some(buddy);
}

/// Adds pages to the pool for the first time.
///
/// # Safety
/// The pages are memory that nothing else uses.
pub(crate) unsafe fn donate(start: usize, count: usize) {
    TOTAL.fetch_add(count, Ordering::Relaxed);
    release(start, count);
}

/// Takes consecutive pages; asks the page cache to shrink when there are none.
pub(crate) fn allocate(count: usize) -> Option<usize> {
    take(count).or_else(|| {
        let reclaim = (*RECLAIM.lock())?;
        if reclaim(count) == 0 {
            return None;
        }
        take(count)
    })
}

fn take(count: usize) -> Option<usize> {
    arch::prepare_memory();
    let mut pool = POOL.lock();
    let buddy = pool.as_mut()?;
    let start = buddy.allocate(count);
    FREE.store(buddy.free_pages(), Ordering::Relaxed);
    start
}

/// Gives consecutive pages back.
pub(crate) fn release(start: usize, count: usize) {
    let mut pool = POOL.lock();
    if let Some(buddy) = pool.as_mut() {
        buddy.release(start, count);
        FREE.store(buddy.free_pages(), Ordering::Relaxed);
    }
}

/// The share count of a page.
#[inline]
pub(crate) fn count(number: usize) -> &'static AtomicU32 {
    assert!(number < LIMIT.load(Ordering::Relaxed), "page {number:#x} is no memory");
    // SAFETY: `initialize` made a table of `LIMIT` entries that lives for ever.
    unsafe { &*COUNTS.load(Ordering::Relaxed).add(number) }
}

/// Pages of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Pages that the allocator manages.
    pub total: usize,
    /// Pages that are handed out.
    pub used: usize,
}

/// How much physical memory there is and how much of it is in use.
pub fn usage() -> Usage {
    arch::prepare_memory();
    let total = TOTAL.load(Ordering::Relaxed);
    Usage {
        total,
        used: total.saturating_sub(FREE.load(Ordering::Relaxed)),
    }
}

/// Sets whom to ask for pages when there are none left: the function frees about as many as it is given and returns how many.
///
/// It is called from within any allocation, so it takes locks only with `try_lock` and allocates nothing.
pub fn set_reclaim(reclaim: fn(usize) -> usize) {
    *RECLAIM.lock() = Some(reclaim);
}
