//! Measuring the counter again over longer and longer times, against the power management timer.
//!
//! A measurement is as precise as it is long, and nobody wants to wait for it at boot: so the kernel comes back to it when it handles
//! interrupts anyway.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{SECOND, monotonic_nanoseconds, sample, scale, set_speed};
use crate::acpi;
use crate::arch::x86_64::instructions::in32;
use crate::sync::SpinLock;

/// Ticks of the power management timer in a second.
const FREQUENCY: u64 = 3_579_545;
/// The timer's bits that every machine has; it wraps after 4.7 seconds.
const MASK: u64 = 0xff_ffff;
/// The lengths of the measurements in nanoseconds; longer ones only as long as the timer has not wrapped.
const LENGTHS: [u64; 3] = [50_000_000, 500_000_000, 4_000_000_000];
const LATEST: u64 = 4_600_000_000;

/// Time of the monotonic clock at which to come back; `u64::MAX` for never.
static NEXT: AtomicU64 = AtomicU64::new(u64::MAX);
static START: SpinLock<Option<Start>> = SpinLock::new(None);

#[derive(Clone, Copy)]
struct Start {
    port: u16,
    timer: u64,
    stamp: u64,
    step: usize,
}

fn read(port: u16) -> u64 {
    // SAFETY: the timer's port, which the firmware names; reading it has no effect.
    u64::from(unsafe { in32(port) }) & MASK
}

/// Counter ticks and nanoseconds of a wait of at least so many nanoseconds; `None` when there is no such timer, or it stands still. However long
/// somebody else has the processor meanwhile, the timer does not wrap.
pub(super) fn measure(nanoseconds: u64) -> Option<(u64, u64)> {
    let port = acpi::timer_port()?;
    let wanted = (nanoseconds * FREQUENCY).div_ceil(SECOND);
    let (first, start) = sample(|| read(port));
    for _ in 0..100_000 {
        let (now, end) = sample(|| read(port));
        let elapsed = now.wrapping_sub(first) & MASK;
        if elapsed >= wanted {
            return Some((end - start, elapsed * SECOND / FREQUENCY));
        }
    }
    None
}

/// When [`refine`] has something to do, in nanoseconds of the monotonic clock; `u64::MAX` for never.
#[inline]
pub(in crate::arch::x86_64) fn due() -> u64 {
    NEXT.load(Ordering::Relaxed)
}

/// Begins the measurement.
pub(super) fn start() {
    let Some(port) = acpi::timer_port() else { return };
    let (timer, stamp) = sample(|| read(port));
    *START.lock() = Some(Start {
        port,
        timer,
        stamp,
        step: 0,
    });
    NEXT.store(monotonic_nanoseconds() + LENGTHS[0], Ordering::Relaxed);
}

/// Corrects the clock's speed when the next measurement is due. Cheap when it is not.
#[inline]
pub(crate) fn refine() {
    let next = NEXT.load(Ordering::Relaxed);
    if next != u64::MAX && monotonic_nanoseconds() >= next {
        correct();
    }
}

#[cold]
fn correct() {
    let Some(mut guard) = START.try_lock() else { return };
    let Some(start) = guard.as_mut() else { return };
    let (timer, stamp) = sample(|| read(start.port));
    let now = monotonic_nanoseconds();
    let elapsed = (timer.wrapping_sub(start.timer) & MASK) * SECOND / FREQUENCY;
    let ticks = stamp - start.stamp;
    start.step += 1;
    let next = LENGTHS
        .get(start.step)
        .map_or(u64::MAX, |length| now - elapsed + length);
    NEXT.store(next, Ordering::Relaxed);
    let estimate = scale(ticks, super::MULTIPLIER.load(Ordering::Relaxed));
    if estimate > LATEST || elapsed == 0 {
        // It came too late: the timer has wrapped.
        return NEXT.store(u64::MAX, Ordering::Relaxed);
    }
    let multiplier = ((u128::from(elapsed) << 32) / u128::from(ticks.max(1))) as u64;
    set_speed(multiplier);
}
