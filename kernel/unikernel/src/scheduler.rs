//! The loop of each CPU, and when a thread has had its turn.

use core::sync::atomic::{AtomicU64, Ordering};

use hal::cpu::{self, MAX_CPUS};

/// Polls before a CPU looks at its devices.
const BATCH: usize = 32;
/// Nanoseconds that a thread runs while others wait.
pub(crate) const SLICE: u64 = 4_000_000;

/// Nanoseconds after which an idle CPU looks whether the console's port takes more, while something waits for it.
const CONSOLE_GLANCE: u64 = 1_000_000;

/// When the current slice of each CPU is over.
static SLICE_END: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// Runs tasks for ever.
pub fn run() -> ! {
    let this = cpu::current();
    loop {
        crate::network::release(None);
        serve_devices();
        crate::memory::balance();
        SLICE_END[this].store(hal::time::monotonic() + SLICE, Ordering::Relaxed);
        if task::run_ready(BATCH) {
            continue;
        }
        task::set_sleeping(true);
        if !task::has_ready() {
            let mut deadline = task::next_deadline();
            if hal::console::is_sending() {
                let next = hal::time::monotonic() + CONSOLE_GLANCE;
                deadline = Some(deadline.map_or(next, |deadline| deadline.min(next)));
            }
            hal::timer::arm(deadline);
            hal::cpu::idle();
        }
        task::set_sleeping(false);
    }
}

/// Serves interrupts that came and timers that are due.
pub(crate) fn serve_devices() {
    hal::interrupt::dispatch();
    task::fire_expired(hal::time::monotonic());
}

/// Before user mode: makes sure that the CPU comes back for timers, for others that wait, and when the process has used so much more CPU time.
pub(crate) fn prepare_user_mode(cpu_time_left: Option<u64>) {
    /// Nanoseconds. Nobody is told of CPU time sooner.
    const FINEST: u64 = 100_000;
    let mut deadline = task::next_deadline();
    if let Some(left) = cpu_time_left {
        // As if all CPUs worked on it.
        let end = hal::time::monotonic() + (left / cpu::count() as u64).max(FINEST);
        deadline = Some(deadline.map_or(end, |deadline| deadline.min(end)));
    }
    if task::has_ready() {
        let end = SLICE_END[cpu::current()].load(Ordering::Relaxed);
        deadline = Some(deadline.map_or(end, |deadline| deadline.min(end)));
    }
    if net::holds() {
        let end = hal::time::monotonic() + net::HOLD;
        deadline = Some(deadline.map_or(end, |deadline| deadline.min(end)));
    }
    hal::timer::arm(deadline);
}

/// What a CPU does besides while a thread keeps it: serves devices and timers. Returns whether the thread has run long enough, for others wait; their slice
/// begins then.
pub(crate) fn look_around() -> bool {
    crate::network::release(None);
    serve_devices();
    task::has_ready() && slice_is_over()
}

/// Whether the thread that runs here has run long enough; begins the next slice when it has.
fn slice_is_over() -> bool {
    let now = hal::time::monotonic();
    let slot = &SLICE_END[cpu::current()];
    if now < slot.load(Ordering::Relaxed) {
        return false;
    }
    slot.store(now + SLICE, Ordering::Relaxed);
    true
}
