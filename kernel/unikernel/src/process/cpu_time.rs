//! The CPUs' time that a thread uses.

use core::sync::atomic::{AtomicU64, Ordering, fence};

/// The time of one thread, in nanoseconds of the monotonic clock. The CPU that the thread runs on writes it, all read it.
#[derive(Default)]
pub struct CpuTime {
    /// Of the turns that are over.
    total: AtomicU64,
    /// The part of it, and of the turn that goes on, in user mode.
    user: AtomicU64,
    /// When the turn that goes on began; 0 while there is none.
    turn_since: AtomicU64,
    /// Since when the thread is in user mode; 0 while it is not.
    user_since: AtomicU64,
    /// Odd while the others change, so that no reader sees time go backwards.
    sequence: AtomicU64,
}

impl CpuTime {
    /// A CPU takes the thread up.
    pub(super) fn begin_turn(&self) {
        self.turn_since.store(hal::time::monotonic(), Ordering::Relaxed);
    }

    /// The CPU leaves the thread. Returns how long that took.
    pub(super) fn end_turn(&self) -> u64 {
        self.end(&self.turn_since, &self.total)
    }

    /// The thread goes to user mode.
    pub(super) fn enter_user(&self) {
        self.user_since.store(hal::time::monotonic(), Ordering::Relaxed);
    }

    /// The thread is back in the kernel.
    pub(super) fn leave_user(&self) {
        self.end(&self.user_since, &self.user);
    }

    /// Nanoseconds in user mode and in the kernel until now.
    pub fn get(&self) -> (u64, u64) {
        loop {
            let sequence = self.sequence.load(Ordering::Acquire);
            let now = hal::time::monotonic();
            let total = until(now, &self.turn_since, &self.total);
            let user = until(now, &self.user_since, &self.user).min(total);
            fence(Ordering::Acquire);
            if sequence & 1 == 0 && sequence == self.sequence.load(Ordering::Relaxed) {
                return (user, total - user);
            }
            core::hint::spin_loop();
        }
    }

    fn end(&self, since: &AtomicU64, sum: &AtomicU64) -> u64 {
        let passed = hal::time::monotonic() - since.load(Ordering::Relaxed);
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        since.store(0, Ordering::Relaxed);
        sum.store(sum.load(Ordering::Relaxed) + passed, Ordering::Relaxed);
        self.sequence.store(sequence + 2, Ordering::Release);
        passed
    }
}

fn until(now: u64, since: &AtomicU64, sum: &AtomicU64) -> u64 {
    let going_on = match since.load(Ordering::Relaxed) {
        0 => 0,
        since => now.saturating_sub(since),
    };
    sum.load(Ordering::Relaxed) + going_on
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_counts() {
        let time = CpuTime::default();
        assert_eq!(time.get(), (0, 0));
        time.begin_turn();
        while time.get().1 == 0 {}
        time.enter_user();
        while time.get().0 == 0 {}
        time.leave_user();
        let (user, system) = time.get();
        let spent = time.end_turn();
        assert!(user > 0 && system > 0 && spent >= user + system);
        let (last_user, last_system) = time.get();
        assert_eq!((last_user, last_user + last_system), (user, spent));
        assert_eq!(time.get(), (last_user, last_system), "time stands still without a turn");
    }
}
