//! Locks.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::arch;

/// The lock behind [`SpinLock`].
pub struct RawSpinLock(AtomicBool);

#[expect(clippy::inline_always, reason = "a call would cost as much as the lock")]
// SAFETY: `lock` returns only after it alone has changed the flag from false to true, and `unlock` sets it to false again.
unsafe impl lock_api::RawMutex for RawSpinLock {
    const INIT: Self = Self(AtomicBool::new(false));

    // A guard must not cross an await or reach another CPU.
    type GuardMarker = lock_api::GuardNoSend;

    #[inline(always)]
    fn lock(&self) {
        if !self.try_lock() {
            self.lock_contended();
        }
    }

    #[inline(always)]
    fn try_lock(&self) -> bool {
        self.0
            .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    #[inline(always)]
    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}

impl RawSpinLock {
    #[cold]
    fn lock_contended(&self) {
        while !lock_api::RawMutex::try_lock(self) {
            while self.0.load(Ordering::Relaxed) {
                arch::spin_wait();
            }
        }
    }
}

/// A mutual exclusion lock that spins. Interrupts are off in the kernel, so there is one kind; its guard is not `Send`,
/// so a future that holds one across an `await` does not compile as a task.
pub type SpinLock<T> = lock_api::Mutex<RawSpinLock, T>;

/// What [`SpinLock::lock`] returns.
pub type SpinLockGuard<'a, T> = lock_api::MutexGuard<'a, RawSpinLock, T>;
