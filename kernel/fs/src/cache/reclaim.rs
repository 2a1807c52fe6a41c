//! Giving memory back.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use hal::sync::SpinLock;

use super::CachedPages;
use super::clock::{Age, Aging};

/// Mapped pages that are looked at together: each time, the CPUs are told once.
const AGING_BATCH: usize = 64;

/// Every cache that holds pages, and where the clock's hand stands.
static CACHES: SpinLock<(Vec<Weak<CachedPages>>, usize)> = SpinLock::new((Vec::new(), 0));

pub(super) fn register(cache: Weak<CachedPages>) {
    let mut caches = CACHES.lock();
    // Dead entries go when the list would have to grow.
    if caches.0.len() == caches.0.capacity() {
        caches.0.retain(|cache| cache.strong_count() > 0);
        caches.1 = 0;
    }
    caches.0.push(cache);
}

/// Frees up to `count` pages of the cache that can be read again and are not mapped, those first that were not used for longest, and returns how
/// many. It may be called with any lock held, and allocates nothing.
pub fn reclaim(count: usize) -> usize {
    walk(count, None)
}

/// As [`reclaim()`], and frees mapped pages too, which `age` takes out of the address spaces. For callers that hold no lock.
pub fn reclaim_mapped<'a>(count: usize, age: &'a mut Age<'a>) -> usize {
    let mut batch = Vec::new();
    if batch.try_reserve_exact(AGING_BATCH).is_err() {
        return reclaim(count);
    }
    walk(count, Some(&mut Aging { age, batch }))
}

/// Goes round the caches, twice at most: the first round may only take the marks of use away.
fn walk(count: usize, mut aging: Option<&mut Aging<'_>>) -> usize {
    let mut freed = 0;
    // The list may be locked by a caller further up whose allocation led here.
    let rounds = CACHES.try_lock().map_or(0, |caches| 2 * caches.0.len() + 1);
    for _ in 0..rounds {
        let Some(cache) = current() else { continue };
        let (more, finished) = cache.shrink(count - freed, aging.as_deref_mut());
        freed += more;
        if freed >= count {
            break;
        }
        if finished {
            advance();
        }
    }
    freed
}

/// The cache under the hand. Entries of caches that are gone are passed over.
fn current() -> Option<Arc<CachedPages>> {
    let mut caches = CACHES.try_lock()?;
    let (list, hand) = &mut *caches;
    for _ in 0..list.len() {
        *hand %= list.len();
        match list[*hand].upgrade() {
            Some(cache) => return Some(cache),
            None => *hand += 1,
        }
    }
    None
}

fn advance() {
    if let Some(mut caches) = CACHES.try_lock() {
        caches.1 += 1;
    }
}
