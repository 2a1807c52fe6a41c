//! Pages from anywhere that lie one behind the other in a window of addresses, for large objects of the kernel: after a while free memory is in
//! pieces, and no number of free pages is a promise that two of them are neighbours.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::PAGE_SIZE;
use super::pool::{self, Need};
use crate::arch;
use crate::sync::SpinLock;

/// Pages of the window: 64 MiB of addresses.
const PAGES: usize = 1 << 14;
/// Pages given back after one round of telling the CPUs.
const BATCH: usize = 64;

/// The addresses that are taken, a bit each.
static TAKEN: SpinLock<[u64; PAGES / 64]> = SpinLock::new([0; PAGES / 64]);
/// The first address; 0 before the first use.
static START: AtomicUsize = AtomicUsize::new(0);

/// `count` pages; `None` when memory or the window is used up.
pub(super) fn allocate(count: usize) -> Option<*mut u8> {
    let first = {
        let mut taken = TAKEN.lock();
        if START.load(Ordering::Relaxed) == 0 {
            START.store(arch::reserve_window(PAGES), Ordering::Relaxed);
        }
        // One more stays unmapped, so that a run past the end faults.
        let first = find(&taken[..], count.checked_add(1)?)?;
        mark(&mut taken[..], first, count + 1, true);
        first
    };
    let start = START.load(Ordering::Relaxed) + first * PAGE_SIZE;
    for index in 0..count {
        let page = pool::allocate(1, Need::Kernel);
        let mapped = page.is_some_and(|page| arch::map_data(start + index * PAGE_SIZE, page));
        if !mapped {
            if let Some(page) = page {
                pool::release(page, 1);
            }
            unmap(start, index);
            mark(&mut TAKEN.lock()[..], first, count + 1, false);
            return None;
        }
    }
    Some(core::ptr::with_exposed_provenance_mut(start))
}

/// Takes pages back; false when they are not from here.
pub(super) fn release(start: *mut u8, count: usize) -> bool {
    let window = START.load(Ordering::Relaxed);
    let Some(offset) = start.addr().checked_sub(window).filter(|_| window != 0) else {
        return false;
    };
    let first = offset / PAGE_SIZE;
    if first >= PAGES {
        return false;
    }
    unmap(start.addr(), count);
    mark(&mut TAKEN.lock()[..], first, count + 1, false);
    true
}

/// Takes the pages out of the window, and gives them back once no CPU remembers where they were.
fn unmap(start: usize, count: usize) {
    let mut pages = [0; BATCH];
    for first in (0..count).step_by(BATCH) {
        let part = BATCH.min(count - first);
        for (index, page) in pages[..part].iter_mut().enumerate() {
            *page = arch::unmap_data(start + (first + index) * PAGE_SIZE);
        }
        arch::synchronize();
        pages[..part].iter().for_each(|&page| pool::release(page, 1));
    }
}

fn is_taken(taken: &[u64], index: usize) -> bool {
    taken[index / 64] >> (index % 64) & 1 != 0
}

/// The first of `count` free places in a row.
fn find(taken: &[u64], count: usize) -> Option<usize> {
    let mut length = 0;
    for index in 0..taken.len() * 64 {
        length = if is_taken(taken, index) { 0 } else { length + 1 };
        if length == count {
            return Some(index + 1 - count);
        }
    }
    None
}

fn mark(taken: &mut [u64], first: usize, count: usize, used: bool) {
    for index in first..first + count {
        let bit = 1 << (index % 64);
        if used {
            taken[index / 64] |= bit;
        } else {
            taken[index / 64] &= !bit;
        }
    }
}
