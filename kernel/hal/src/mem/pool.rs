//! The pool of physical pages that everything draws from: frames, the kernel heap, page tables, buffers of devices.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use super::buddy::{Buddy, Link};
use crate::arch;
use crate::cpu::MAX_CPUS;
use crate::sync::SpinLock;

/// Bytes of bookkeeping for one page number.
pub(crate) const BYTES_PER_PAGE: usize = size_of::<AtomicU32>() + size_of::<Link>() + size_of::<u8>();

static POOL: SpinLock<Option<Buddy>> = SpinLock::new(None);
/// Shares of each page, for [`super::Frame`].
static COUNTS: AtomicPtr<AtomicU32> = AtomicPtr::new(core::ptr::null_mut());
static LIMIT: AtomicUsize = AtomicUsize::new(0);
static TOTAL: AtomicUsize = AtomicUsize::new(0);
static FREE: AtomicUsize = AtomicUsize::new(0);
/// Pages that only [`Need::Kernel`] may take.
static RESERVE: AtomicUsize = AtomicUsize::new(0);
static RECLAIM: SpinLock<Option<Reclaim>> = SpinLock::new(None);
/// Pages of the kernel's heap.
pub(crate) static HEAP: AtomicUsize = AtomicUsize::new(0);
/// Pages that drivers and their devices take turns with.
pub(crate) static DEVICES: AtomicUsize = AtomicUsize::new(0);

/// What becomes of an allocation that cannot be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Whoever asks can tell: it leaves the reserve to others.
    Ordinary,
    /// The kernel cannot go on.
    Kernel,
}

/// The reserve of a machine of so many pages: the kernel's objects of a system call or a burst of packets fit in.
fn reserve_of(total: usize) -> usize {
    (total / 128).clamp(16, 512)
}

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
    let total = TOTAL.fetch_add(count, Ordering::Relaxed) + count;
    RESERVE.store(reserve_of(total), Ordering::Relaxed);
    release_run(start, count);
}

/// Free pages that a CPU keeps at hand, so that most allocations touch neither the shared lock nor the buddies.
struct Cache {
    pages: [u32; CACHE_SIZE],
    count: usize,
}

const CACHE_SIZE: usize = 32;
/// Pages that go from the pool to a cache or back at once.
const REFILL: usize = CACHE_SIZE / 2;

static CACHES: [SpinLock<Cache>; MAX_CPUS] = [const {
    SpinLock::new(Cache {
        pages: [0; CACHE_SIZE],
        count: 0,
    })
}; MAX_CPUS];

/// Takes consecutive pages; asks the page cache to shrink when there are none.
pub(crate) fn allocate(count: usize, need: Need) -> Option<usize> {
    take(count, need).or_else(|| take_harder(count, need))
}

#[inline]
fn take(count: usize, need: Need) -> Option<usize> {
    arch::prepare_memory();
    if count != 1 {
        return take_run(count, need);
    }
    let mut cache = CACHES[arch::current_cpu()].lock();
    if cache.count == 0 {
        refill(&mut cache, need);
    }
    cache.count = cache.count.checked_sub(1)?;
    let page = cache.pages[cache.count] as usize;
    Some(page)
}

#[cold]
fn refill(cache: &mut Cache, need: Need) {
    let mut pool = POOL.lock();
    let Some(buddy) = pool.as_mut() else { return };
    let available = available(buddy, need);
    // A small machine keeps its last pages where every CPU and every size can have them.
    let wanted = REFILL.min(buddy.free_pages() / 64).max(1).min(available);
    while cache.count < wanted
        && let Some(page) = buddy.allocate(1)
    {
        cache.pages[cache.count] = page as u32;
        cache.count += 1;
    }
    FREE.store(buddy.free_pages(), Ordering::Relaxed);
}

/// Free pages that may be taken for a need.
fn available(buddy: &Buddy, need: Need) -> usize {
    match need {
        Need::Ordinary => buddy.free_pages().saturating_sub(RESERVE.load(Ordering::Relaxed)),
        Need::Kernel => buddy.free_pages(),
    }
}

fn take_run(count: usize, need: Need) -> Option<usize> {
    let mut pool = POOL.lock();
    let buddy = pool.as_mut()?;
    if available(buddy, need) < count {
        return None;
    }
    let start = buddy.allocate(count);
    FREE.store(buddy.free_pages(), Ordering::Relaxed);
    start
}

/// Takes consecutive pages if there are such; nothing is given up for it.
pub(crate) fn allocate_at_once(count: usize, need: Need) -> Option<usize> {
    take(count, need)
}

#[cold]
fn take_harder(count: usize, need: Need) -> Option<usize> {
    /// Pages asked for at once, so that the next allocations find some.
    const BATCH: usize = 32;
    drain();
    take(count, need).or_else(|| {
        let reclaim = (*RECLAIM.lock())?;
        if reclaim(count.max(BATCH)) == 0 {
            return None;
        }
        drain();
        take(count, need)
    })
}

/// How many pages should be freed for memory not to be short; 0 as long as it is not.
///
/// It is short when free pages come near the reserve, which is before an allocation fails. Who holds no lock and can free more than an allocation in
/// need frees looks here, and so does who asks for what it can do without.
#[inline]
pub fn shortage() -> usize {
    let reserve = RESERVE.load(Ordering::Relaxed);
    if FREE.load(Ordering::Relaxed) >= 2 * reserve {
        return 0;
    }
    measure_shortage(reserve)
}

#[cold]
fn measure_shortage(reserve: usize) -> usize {
    // Pages at hand of a CPU that frees much are missing in the pool.
    drain();
    let free = FREE.load(Ordering::Relaxed);
    if free >= 2 * reserve { 0 } else { 3 * reserve - free }
}

/// Whether only the reserve is left, so that an ordinary allocation fails.
#[inline]
pub fn is_used_up() -> bool {
    FREE.load(Ordering::Relaxed) <= RESERVE.load(Ordering::Relaxed)
}

/// Whether so little of the reserve is left that the kernel's next objects may find none: what there is to say has to be said now.
#[inline]
pub fn is_desperate() -> bool {
    FREE.load(Ordering::Relaxed) < RESERVE.load(Ordering::Relaxed) / 4
}

/// Gives the pages of all caches back to the pool.
fn drain() {
    for cache in &CACHES {
        let mut cache = cache.lock();
        let count = core::mem::take(&mut cache.count);
        release_all(&cache.pages[..count]);
    }
}

fn release_all(pages: &[u32]) {
    let mut pool = POOL.lock();
    if let Some(buddy) = pool.as_mut() {
        for &page in pages {
            buddy.release(page as usize, 1);
        }
        FREE.store(buddy.free_pages(), Ordering::Relaxed);
    }
}

/// Gives consecutive pages back.
#[inline]
pub(crate) fn release(start: usize, count: usize) {
    if count == 1 {
        let mut cache = CACHES[arch::current_cpu()].lock();
        if cache.count == CACHE_SIZE {
            cache.count = CACHE_SIZE - REFILL;
            release_all(&cache.pages[CACHE_SIZE - REFILL..]);
        }
        let count = cache.count;
        cache.pages[count] = start as u32;
        cache.count = count + 1;
    } else {
        release_run(start, count);
    }
}

fn release_run(start: usize, count: usize) {
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

/// Whether a page has shares, for models of devices.
#[cfg(test)]
pub(crate) fn is_taken(number: usize) -> bool {
    number < LIMIT.load(Ordering::Relaxed) && count(number).load(Ordering::Relaxed) != 0
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
    // A cache that is locked may be so by who asks.
    let cached = CACHES[..arch::cpu_count()].iter().filter_map(|cache| cache.try_lock());
    let cached: usize = cached.map(|cache| cache.count).sum();
    Usage {
        total,
        used: total.saturating_sub(FREE.load(Ordering::Relaxed) + cached),
    }
}

/// Pages of the kernel's heap.
pub fn heap_pages() -> usize {
    HEAP.load(Ordering::Relaxed)
}

/// Pages that drivers and their devices take turns with.
pub fn device_pages() -> usize {
    DEVICES.load(Ordering::Relaxed)
}

/// Frees about as many pages as it is given and returns how many.
type Reclaim = fn(usize) -> usize;

/// Sets whom to ask for pages when there are none left: the function frees about as many as it is given and returns how many.
///
/// It is called from within any allocation, so it takes locks only with `try_lock` and allocates nothing.
pub fn set_reclaim(reclaim: fn(usize) -> usize) {
    *RECLAIM.lock() = Some(reclaim);
}
