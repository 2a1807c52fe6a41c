//! This CPU's timer.

use crate::arch;

/// Lets an interrupt come at a time of [`crate::time::monotonic`], in nanoseconds, instead of the time set before; `None` for no time. It
/// ends user mode and [`crate::cpu::idle`]. It may come early when the time is far away.
pub fn arm(deadline: Option<u64>) {
    arch::arm_timer(deadline);
}
