//! Which page tables each CPU uses, and telling the others when entries of theirs change.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

use super::features::{Features, features};
use super::instructions::{invalidate_page, read_root, write_root};
use super::{apic, cpu_count, current_cpu, paging};
use crate::cpu::MAX_CPUS;
use crate::mem::PAGE_SIZE;

/// The user root in each CPU's use, 0 for none.
static ACTIVE: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
/// How many flushes others have asked of each CPU, and how many it has done.
static ASKED: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
static DONE: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// More pages than this are flushed by dropping all user translations.
const SINGLE_PAGES: usize = 32;

/// Makes a user root the one that this CPU uses.
#[inline]
pub(crate) fn activate(root: u64) {
    let active = &ACTIVE[current_cpu()];
    if active.load(Ordering::Relaxed) != root {
        // Announced first: whoever changes an entry from now on sees this CPU.
        active.store(root, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        // SAFETY: a user root has the kernel's half, and lives until `deactivate`.
        unsafe { write_root(root) };
    }
}

/// Makes sure that no CPU uses a root any more.
pub(crate) fn deactivate(root: u64) {
    let this = current_cpu();
    if ACTIVE[this].load(Ordering::Relaxed) == root {
        leave();
    }
    ask_others(root, true);
}

/// Switches this CPU to the kernel's own root.
fn leave() {
    // SAFETY: the kernel's root.
    unsafe { write_root(paging::kernel_root()) };
    ACTIVE[current_cpu()].store(0, Ordering::SeqCst);
}

/// Drops the translations of a range of a root on all CPUs; returns when none has them.
pub(crate) fn flush(root: u64, range: Range<usize>) {
    fence(Ordering::SeqCst);
    if ACTIVE[current_cpu()].load(Ordering::Relaxed) == root {
        if range.len() / PAGE_SIZE <= SINGLE_PAGES {
            range.step_by(PAGE_SIZE).for_each(invalidate_page);
        } else {
            drop_translations();
        }
    }
    ask_others(root, false);
}

/// Pages that this CPU has mapped, and how many those will be when it next drops its translations; see [`note_mappings`].
static MAPPED: [AtomicUsize; MAX_CPUS] = [const { AtomicUsize::new(0) }; MAX_CPUS];
static NEXT_DROP: [AtomicUsize; MAX_CPUS] = [const { AtomicUsize::new(FEWEST_MAPPED) }; MAX_CPUS];
const FEWEST_MAPPED: usize = 256;

/// Called when user pages have been mapped. QEMU's emulator gives its translations more room only when all of them are dropped, which
/// nothing else here does: a large program would thrash in the 256 that it starts with.
#[inline]
pub(crate) fn note_mappings(pages: usize) {
    if !features().contains(Features::EMULATED) {
        return;
    }
    let this = current_cpu();
    let mapped = MAPPED[this].load(Ordering::Relaxed) + pages;
    MAPPED[this].store(mapped, Ordering::Relaxed);
    if mapped >= NEXT_DROP[this].load(Ordering::Relaxed) {
        NEXT_DROP[this].store(mapped + (mapped / 4).max(FEWEST_MAPPED), Ordering::Relaxed);
        drop_translations();
    }
}

/// Drops this CPU's translations of user pages; the kernel's are global.
fn drop_translations() {
    // SAFETY: the root that is in use.
    unsafe { write_root(read_root()) };
}

/// Roots that are about to be freed: a CPU that finds its own here on a flush leaves it.
static LEAVING: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

fn ask_others(root: u64, leaving: bool) {
    let count = cpu_count();
    if count == 1 {
        return;
    }
    let this = current_cpu();
    if leaving {
        LEAVING[this].store(root, Ordering::SeqCst);
    }
    let mut waiting = [0; MAX_CPUS];
    for other in (0..count).filter(|&other| other != this) {
        if ACTIVE[other].load(Ordering::SeqCst) == root {
            waiting[other] = ASKED[other].fetch_add(1, Ordering::SeqCst) + 1;
            apic::send(other, apic::FLUSH_VECTOR);
        }
    }
    for other in 0..count {
        while DONE[other].load(Ordering::Acquire) < waiting[other] {
            spin_wait();
        }
    }
    if leaving {
        LEAVING[this].store(0, Ordering::SeqCst);
    }
}

/// Returns after every other CPU has passed a memory barrier.
pub(crate) fn synchronize() {
    fence(Ordering::SeqCst);
    let this = current_cpu();
    let mut waiting = [0; MAX_CPUS];
    for other in (0..cpu_count()).filter(|&other| other != this) {
        waiting[other] = ASKED[other].fetch_add(1, Ordering::SeqCst) + 1;
        apic::send(other, apic::FLUSH_VECTOR);
    }
    for (done, waiting) in DONE.iter().zip(waiting) {
        while done.load(Ordering::Acquire) < waiting {
            spin_wait();
        }
    }
}

/// Does the flushes that others have asked of this CPU.
#[inline]
pub(super) fn serve() {
    let this = current_cpu();
    let asked = ASKED[this].load(Ordering::Acquire);
    if asked == DONE[this].load(Ordering::Relaxed) {
        return;
    }
    let active = ACTIVE[this].load(Ordering::Relaxed);
    if active != 0 && LEAVING.iter().any(|root| root.load(Ordering::SeqCst) == active) {
        leave();
    } else {
        drop_translations();
    }
    DONE[this].store(asked, Ordering::Release);
}

/// Called while a CPU waits for another: serves the others, so that two that wait for each other both go on.
#[inline]
pub(crate) fn spin_wait() {
    if cpu_count() > 1 {
        serve();
    }
    core::hint::spin_loop();
}
