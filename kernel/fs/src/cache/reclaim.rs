//! Giving memory back.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use file::Pages;
use hal::mem::Frame;
use hal::sync::SpinLock;

use super::CachedPages;

/// Pages to free at once when an allocation fails.
const BATCH: usize = 32;

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

/// A page, for which others are given up when memory is used up.
pub(crate) fn allocate() -> Option<Frame> {
    Frame::allocate().or_else(|| {
        reclaim(BATCH);
        Frame::allocate()
    })
}

/// Frees up to `count` pages of the cache that can be read again and are not mapped, least recently used first, and returns how many. It may be called
/// with any lock of this crate held.
pub fn reclaim(count: usize) -> usize {
    walk(count, &mut |cache, wanted| cache.shrink(wanted, None))
}

/// As [`reclaim()`], and frees mapped pages too: `unmap` has to take page number `index` of a file out of all address spaces. For callers that hold no
/// lock of an address space.
pub fn reclaim_mapped(count: usize, unmap: &mut dyn FnMut(&Arc<dyn Pages>, u64)) -> usize {
    let freed = reclaim(count);
    freed + walk(count - freed, &mut |cache, wanted| cache.shrink(wanted, Some(unmap)))
}

/// Goes round the caches, twice at most: the first round may only take the marks of use away.
fn walk(count: usize, shrink: &mut dyn FnMut(&CachedPages, usize) -> usize) -> usize {
    let mut freed = 0;
    // The list may be locked by a caller further up whose allocation led here.
    let rounds = CACHES.try_lock().map_or(0, |caches| 2 * caches.0.len());
    for _ in 0..rounds {
        if freed >= count {
            break;
        }
        let Some(cache) = next() else {
            continue;
        };
        freed += shrink(&cache, count - freed);
    }
    freed
}

fn next() -> Option<Arc<CachedPages>> {
    let mut caches = CACHES.try_lock()?;
    let (list, hand) = &mut *caches;
    if list.is_empty() {
        return None;
    }
    *hand = (*hand + 1) % list.len();
    list[*hand].upgrade()
}
