//! The host as a machine: memory from the allocator, time from the operating system, one thread as one CPU.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::alloc::{Layout, alloc_zeroed};
use std::sync::OnceLock;
use std::time::Instant;

use crate::mem::PAGE_SIZE;

/// Bytes of the arena that stands in for physical memory.
const ARENA_SIZE: usize = 256 << 20;

fn arena() -> usize {
    static ARENA: OnceLock<usize> = OnceLock::new();
    *ARENA.get_or_init(|| {
        let layout = Layout::from_size_align(ARENA_SIZE, PAGE_SIZE).expect("a constant layout");
        // SAFETY: the layout has a size that is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        assert!(!start.is_null(), "the host has no memory for the arena");
        start as usize
    })
}

/// The pages that the frame allocator may hand out, as (first page number, count).
pub(crate) fn usable_memory() -> (usize, usize) {
    (1, ARENA_SIZE / PAGE_SIZE - 1)
}

/// Where the kernel sees a physical page.
pub(crate) fn page_pointer(number: usize) -> *mut u8 {
    debug_assert!(number < ARENA_SIZE / PAGE_SIZE);
    (arena() + number * PAGE_SIZE) as *mut u8
}

static NEXT_CPU: AtomicUsize = AtomicUsize::new(0);
std::thread_local! {
    static CPU: usize = NEXT_CPU.fetch_add(1, Ordering::Relaxed) % crate::cpu::MAX_CPUS;
}

pub(crate) fn current_cpu() -> usize {
    CPU.with(|cpu| *cpu)
}

pub(crate) fn cpu_count() -> usize {
    1
}

pub(crate) fn kick_cpu(_cpu: usize) {}

/// Called while a CPU waits for a lock.
pub(crate) fn spin_wait() {
    std::thread::yield_now();
}

/// Nanoseconds added to the host's clock by tests.
pub(crate) static CLOCK_OFFSET: AtomicU64 = AtomicU64::new(0);

pub(crate) fn monotonic_nanoseconds() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64 + CLOCK_OFFSET.load(Ordering::Relaxed)
}

pub(crate) fn realtime_nanoseconds() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}
