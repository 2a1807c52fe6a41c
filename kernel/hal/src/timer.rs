//! This CPU's timer.

use crate::arch;

/// Lets an interrupt come at a time of [`crate::time::monotonic`], in nanoseconds, at the latest; `None` when none is needed. It may come
/// early: for a time that was set before, or when the time is far away. It ends user mode and [`crate::cpu::idle`]; whoever still waits
/// arms the timer again.
pub fn arm(deadline: Option<u64>) {
    arch::arm_timer(deadline);
}
