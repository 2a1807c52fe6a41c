//! Clocks, in nanoseconds.

use crate::arch;

/// Time since boot; never goes back.
pub fn monotonic() -> u64 {
    arch::monotonic_nanoseconds()
}

/// Time since 1970-01-01 00:00 UTC, as far as the machine knows it.
pub fn realtime() -> u64 {
    arch::realtime_nanoseconds()
}

/// Moves the host's clock ahead, for tests of time-outs.
#[cfg(not(target_os = "none"))]
pub fn advance(nanoseconds: u64) {
    arch::CLOCK_OFFSET.fetch_add(nanoseconds, core::sync::atomic::Ordering::Relaxed);
}
