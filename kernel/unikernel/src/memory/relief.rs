//! Giving memory back before it is used up, and what happens when nothing is left to give.
//!
//! What can fail does so first: objects that system calls make, and what is written to files, pipes and sockets, stop at two reserves of free pages.
//! The application's own pages stop at one. The rest is for what the kernel cannot do without. Where a CPU holds no lock it tops free
//! pages up to three reserves ([`balance`]): pages of files go, mapped or not, then names of files that nobody uses. An allocation that fails in between
//! is tried again after [`relieve`]. A page that the application wants and that cannot be had ends a process, or the guest.

use abi::Errno;
use core::sync::atomic::{AtomicU64, Ordering};

use hal::sync::SpinLock;

use super::reverse;

/// Names of files that are let go of at a time.
const NAMES: usize = 64;
/// How long nobody looks for more after nothing was found, in nanoseconds.
const PAUSE: u64 = 5_000_000;

/// What memory is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A page of a file, which can be given back.
    File,
    /// Anything that stays.
    Lasting,
}

/// One CPU at a time looks for memory: what it finds is for the others, too.
static SEARCH: SpinLock<()> = SpinLock::new(());
/// When the next look may find something.
static AGAIN: AtomicU64 = AtomicU64::new(0);

/// Tops free pages up when they have become few. Cheap when they have not; to be called without any lock.
#[inline]
pub fn balance() {
    if hal::mem::shortage() > 0 {
        top_up();
    }
}

#[cold]
fn top_up() {
    let desperate = hal::mem::is_desperate();
    if !desperate && hal::time::monotonic() < AGAIN.load(Ordering::Relaxed) {
        return;
    }
    let Some(_guard) = SEARCH.try_lock() else { return };
    let comes = crate::system::is_making_room();
    if free(hal::mem::shortage(), Use::Lasting) > 0 {
        return;
    }
    AGAIN.store(hal::time::monotonic() + PAUSE, Ordering::Relaxed);
    if hal::mem::is_desperate() && !comes {
        // What ends the guest otherwise is an object of the kernel's that finds no room, in the middle of something.
        crate::system::make_room("an object of the kernel's");
    }
}

/// Frees memory for an allocation that has failed, and says whether it may succeed now. To be called without any lock.
pub fn relieve(what_for: Use) -> bool {
    let _guard = SEARCH.lock();
    match hal::mem::shortage() {
        // Another CPU was faster.
        0 => true,
        wanted => free(wanted, what_for) > 0,
    }
}

/// As [`relieve`], once those have ended that are about to end for others.
pub async fn relieve_in_time(what_for: Use) -> bool {
    /// Nanoseconds.
    const GLANCE: u64 = 1_000_000;
    loop {
        // Asked first: its memory may be there right after the look at what is free.
        let comes = crate::system::is_making_room();
        if relieve(what_for) {
            return true;
        }
        if !comes {
            return false;
        }
        task::sleep_until(hal::time::monotonic() + GLANCE).await;
    }
}

/// Frees memory for a page of the application that there is none for: when nothing else helps, by the end of a process, or of the guest.
pub async fn find_page(what_for: Use) {
    if !relieve_in_time(what_for).await {
        crate::system::make_room("a page of the application");
    }
}

/// Runs an operation on files that waits for data on its way, and for memory that others give back, but for nothing else.
pub async fn finish<T>(operation: impl FnMut() -> file::Result<T>) -> Result<T, Errno> {
    let relieve = async || {
        find_page(Use::File).await;
        Ok(())
    };
    file::finish_with(relieve, operation).await
}

/// Frees up to `wanted` pages, or some names of files; 0 when there is nothing more.
fn free(wanted: usize, what_for: Use) -> usize {
    // The last pages of files are those of the code that runs: to take them for good makes the guest crawl before it ends.
    let kept = match what_for {
        Use::File => 0,
        Use::Lasting => (hal::mem::usage().total / 32).min(64),
    };
    let cached = fs::resident_pages();
    // More than that where there is much: each time the other CPUs have to be told.
    let batch = wanted + (cached / 16).min(64);
    let pages = fs::reclaim_mapped(batch.min(cached.saturating_sub(kept)), &mut reverse::age);
    if pages >= wanted {
        return pages;
    }
    pages + fs::vfs::shrink_dentries(NAMES)
}
