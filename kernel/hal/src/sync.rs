//! Locks.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::arch;

/// The lock behind [`SpinLock`].
pub struct RawSpinLock(AtomicBool);

// SAFETY: `lock` returns only after it alone has changed the flag from false to true, and `unlock` sets it to false again.
unsafe impl lock_api::RawMutex for RawSpinLock {
    const INIT: Self = Self(AtomicBool::new(false));

    // A guard must not cross an await or reach another CPU.
    type GuardMarker = lock_api::GuardNoSend;

    #[inline]
    fn lock(&self) {
        while !self.try_lock() {
            while self.0.load(Ordering::Relaxed) {
                arch::spin_wait();
            }
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.0
            .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    #[inline]
    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A mutual exclusion lock that spins. Interrupts are off in the kernel, so there is one kind; its guard is not `Send`,
/// so a future that holds one across an `await` does not compile as a task.
pub type SpinLock<T> = lock_api::Mutex<RawSpinLock, T>;

/// What [`SpinLock::lock`] returns.
pub type SpinLockGuard<'a, T> = lock_api::MutexGuard<'a, RawSpinLock, T>;
