//! What each CPU does, and has done.

use core::sync::atomic::{AtomicI32, AtomicU64, Ordering, fence};

use hal::cpu::{self, MAX_CPUS};

use crate::process::{Thread, family};

/// A CPU, on cache lines of its own. It alone writes, all read.
#[repr(align(64))]
struct Cpu {
    /// The thread that it runs, and its process; 0 for none.
    tid: AtomicI32,
    pid: AtomicI32,
    /// Nanoseconds that it spent on threads that it has left, and ticks in user mode of these.
    total: AtomicU64,
    user: AtomicU64,
    /// When it took up the thread that it runs, and that one's ticks in user mode then; 0 without one.
    since: AtomicU64,
    user_before: AtomicU64,
    /// Odd while the four above change. Each turn is two changes.
    sequence: AtomicU64,
}

static CPUS: [Cpu; MAX_CPUS] = [const {
    Cpu {
        tid: AtomicI32::new(0),
        pid: AtomicI32::new(0),
        total: AtomicU64::new(0),
        user: AtomicU64::new(0),
        since: AtomicU64::new(0),
        user_before: AtomicU64::new(0),
        sequence: AtomicU64::new(0),
    }
}; MAX_CPUS];

fn all() -> &'static [Cpu] {
    &CPUS[..cpu::count()]
}

fn this() -> &'static Cpu {
    &CPUS[cpu::current()]
}

/// A CPU's time with a thread.
pub(crate) struct Turn(&'static Cpu);

/// To be called when this CPU turns to a thread, so that `/proc/self` knows who asks.
#[inline]
pub(crate) fn begin_turn(thread: &Thread, now: u64) -> Turn {
    let this = this();
    this.change(|| {
        this.since.store(now, Ordering::Relaxed);
        this.user_before.store(thread.cpu_time.user_ticks(), Ordering::Relaxed);
    });
    this.pid.store(thread.process.pid, Ordering::Relaxed);
    // Whoever interrupts a thread changes what the thread looks at before this, and reads it after.
    this.tid.store(thread.tid, Ordering::SeqCst);
    Turn(this)
}

impl Turn {
    /// To be called when the CPU has left the thread after so many nanoseconds.
    #[inline]
    pub(crate) fn end(self, thread: &Thread, spent: u64) {
        let this = self.0;
        this.change(|| {
            let user = thread.cpu_time.user_ticks() - this.user_before.load(Ordering::Relaxed);
            this.since.store(0, Ordering::Relaxed);
            this.total
                .store(this.total.load(Ordering::Relaxed) + spent, Ordering::Relaxed);
            this.user
                .store(this.user.load(Ordering::Relaxed) + user, Ordering::Relaxed);
        });
        this.pid.store(0, Ordering::Relaxed);
        this.tid.store(0, Ordering::SeqCst);
    }
}

/// The process and the thread that this CPU runs; zeroes for none.
pub(super) fn current() -> (i32, i32) {
    let this = this();
    (this.pid.load(Ordering::Relaxed), this.tid.load(Ordering::Relaxed))
}

/// Whether a CPU runs a thread.
pub(super) fn runs(tid: i32) -> bool {
    all().iter().any(|cpu| cpu.tid.load(Ordering::Relaxed) == tid)
}

/// Makes the CPU that runs a thread look at it again.
pub(crate) fn interrupt_where_running(tid: i32) {
    for (number, other) in all().iter().enumerate() {
        if other.tid.load(Ordering::SeqCst) == tid && number != cpu::current() {
            cpu::kick(number);
        }
    }
}

/// How often CPUs turned to threads.
pub(super) fn turns() -> u64 {
    all()
        .iter()
        .map(|cpu| cpu.sequence.load(Ordering::Relaxed).div_ceil(4))
        .sum()
}

/// Nanoseconds that each CPU was in user mode, in the kernel for threads, and idle.
pub(super) fn times() -> impl Iterator<Item = [u64; 3]> {
    let now = hal::time::monotonic();
    all().iter().map(move |cpu| {
        let (total, user) = cpu.used(now);
        let user = hal::time::of_ticks(user).min(total);
        [user, total - user, now.saturating_sub(total)]
    })
}

impl Cpu {
    fn change(&self, change: impl FnOnce()) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        change();
        self.sequence.store(sequence + 2, Ordering::Release);
    }

    /// Nanoseconds for threads, and ticks in user mode, until now.
    fn used(&self, now: u64) -> (u64, u64) {
        loop {
            let sequence = self.sequence.load(Ordering::Acquire);
            let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
            let (mut total, mut user) = (read(&self.total), read(&self.user));
            let (since, before) = (read(&self.since), read(&self.user_before));
            if since != 0 {
                total += now.saturating_sub(since);
                // One that is about to end is in the kernel.
                let thread = family::find_thread(self.tid.load(Ordering::Relaxed));
                user += thread.map_or(0, |thread| {
                    thread.cpu_time.user_ticks_until_now().saturating_sub(before)
                });
            }
            fence(Ordering::Acquire);
            if sequence & 1 == 0 && sequence == self.sequence.load(Ordering::Relaxed) {
                return (total, user);
            }
            core::hint::spin_loop();
        }
    }
}
