//! Clocks, in nanoseconds.

use crate::arch;
use crate::mem::Frame;
use crate::sync::SpinLock;

static SET: SpinLock<Option<fn()>> = SpinLock::new(None);

/// Time since boot; never goes back.
pub fn monotonic() -> u64 {
    arch::monotonic_nanoseconds()
}

/// A counter that is cheaper to read than a clock.
#[inline]
pub fn ticks() -> u64 {
    arch::ticks()
}

/// Nanoseconds that a number of ticks take, as far as is known now.
pub fn of_ticks(ticks: u64) -> u64 {
    arch::nanoseconds_of_ticks(ticks)
}

/// Time since 1970-01-01 00:00 UTC, as far as the machine knows it.
pub fn realtime() -> u64 {
    arch::realtime_nanoseconds()
}

/// Calls `handler` whenever [`realtime`] was set, which is more than to be moved little by little.
pub fn on_realtime_set(handler: fn()) {
    *SET.lock() = Some(handler);
}

/// Makes the clocks faster from now on by so many 2⁻¹⁶ parts of a million than the machine's own.
pub fn set_rate(rate: i64) {
    arch::set_clock_rate(rate);
}

/// Sets what [`realtime`] shows.
pub fn set_realtime(now: u64) {
    arch::set_realtime_nanoseconds(now);
    realtime_was_set();
}

/// Sets what [`realtime`] shows to so many nanoseconds more.
pub(crate) fn step_realtime(by: i64) {
    arch::adjust_realtime_nanoseconds(by);
    realtime_was_set();
}

fn realtime_was_set() {
    let handler = *SET.lock();
    if let Some(handler) = handler {
        handler();
    }
}

/// Moves what [`realtime`] shows by so many nanoseconds.
pub(crate) fn adjust_realtime(by: i64) {
    arch::adjust_realtime_nanoseconds(by);
}

/// The two pages that user mode reads clocks with, to be mapped one behind the other: data (read), then a shared object (read and
/// execute) that the auxiliary vector's `AT_SYSINFO_EHDR` names. `None` where there are none.
pub fn vdso() -> Option<[Frame; 2]> {
    arch::vdso_pages()
}

/// Moves the host's clock ahead, for tests of time-outs.
#[cfg(not(target_os = "none"))]
pub fn advance(nanoseconds: u64) {
    arch::CLOCK_OFFSET.fetch_add(nanoseconds, core::sync::atomic::Ordering::Relaxed);
}

/// Seconds from 1970-01-01 to a day of the Gregorian calendar; month and day count from 1.
pub(crate) fn seconds_since_1970(year: u64, month: u64, day: u64) -> u64 {
    // Years that begin in March put the leap day last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    (days - 719_468) * 86_400
}

#[cfg(test)]
mod tests {
    use super::seconds_since_1970;

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        assert_eq!(seconds_since_1970(1970, 1, 1), 0);
        assert_eq!(seconds_since_1970(2000, 2, 29), 951_782_400);
        assert_eq!(seconds_since_1970(2026, 11, 23), 1_795_392_000);
    }
}
