//! The CPUs' time that a thread uses.

use core::sync::atomic::{AtomicU64, Ordering, fence};

/// The time of one thread. The CPU that the thread runs on writes it, all read it.
#[derive(Default)]
pub struct CpuTime {
    /// Nanoseconds of the turns that are over.
    total: AtomicU64,
    /// When the turn that goes on began; 0 while there is none.
    turn_since: AtomicU64,
    /// In user mode, in ticks: both are looked at with each system call.
    user: AtomicU64,
    /// Since when the thread is in user mode, in ticks; 0 while it is not.
    user_since: AtomicU64,
    /// Odd while the others change, so that no reader sees time go backwards.
    sequence: AtomicU64,
}

impl CpuTime {
    /// A CPU takes the thread up. Returns when, in nanoseconds.
    pub(super) fn begin_turn(&self) -> u64 {
        let now = hal::time::monotonic();
        self.turn_since.store(now, Ordering::Relaxed);
        now
    }

    /// The CPU leaves the thread. Returns how long that took, in nanoseconds.
    pub(super) fn end_turn(&self) -> u64 {
        self.end(&self.turn_since, &self.total, hal::time::monotonic())
    }

    /// The thread goes to user mode.
    #[inline]
    pub(super) fn enter_user(&self) {
        self.user_since.store(hal::time::ticks(), Ordering::Relaxed);
    }

    /// The thread is back in the kernel.
    #[inline]
    pub(super) fn leave_user(&self) {
        self.end(&self.user_since, &self.user, hal::time::ticks());
    }

    /// Ticks in user mode, of a thread that is in the kernel.
    pub fn user_ticks(&self) -> u64 {
        self.user.load(Ordering::Relaxed)
    }

    /// Ticks in user mode until now.
    pub fn user_ticks_until_now(&self) -> u64 {
        self.read(|| until(hal::time::ticks(), &self.user_since, &self.user))
    }

    /// Nanoseconds in user mode and in the kernel until now.
    pub fn get(&self) -> (u64, u64) {
        let (total, user) = self.read(|| {
            let total = until(hal::time::monotonic(), &self.turn_since, &self.total);
            (total, until(hal::time::ticks(), &self.user_since, &self.user))
        });
        let user = hal::time::of_ticks(user).min(total);
        (user, total - user)
    }

    /// What `look` finds while nothing changes.
    fn read<T>(&self, look: impl Fn() -> T) -> T {
        loop {
            let sequence = self.sequence.load(Ordering::Acquire);
            let found = look();
            fence(Ordering::Acquire);
            if sequence & 1 == 0 && sequence == self.sequence.load(Ordering::Relaxed) {
                return found;
            }
            core::hint::spin_loop();
        }
    }

    #[inline]
    fn end(&self, since: &AtomicU64, sum: &AtomicU64, now: u64) -> u64 {
        // Another CPU's counter may be a little behind.
        let passed = now.saturating_sub(since.load(Ordering::Relaxed));
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
