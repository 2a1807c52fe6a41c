//! Time from the time stamp counter.

use core::sync::atomic::{AtomicU64, Ordering};

use super::apic;
use super::features::{Features, features};
use super::instructions::{cpuid_count, in8, out8, time_stamp};

/// Nanoseconds for each 2^32 ticks of the counter.
static MULTIPLIER: AtomicU64 = AtomicU64::new(0);
/// The counter at boot.
static START: AtomicU64 = AtomicU64::new(0);
/// The wall clock at boot, nanoseconds since 1970.
static BOOT_TIME: AtomicU64 = AtomicU64::new(0);

const SECOND: u64 = 1_000_000_000;
/// How long the counter is measured where nobody tells its frequency.
const MEASURE_NANOSECONDS: u64 = 2_000_000;

#[inline]
pub(crate) fn monotonic_nanoseconds() -> u64 {
    let ticks = time_stamp().wrapping_sub(START.load(Ordering::Relaxed));
    ((u128::from(ticks) * u128::from(MULTIPLIER.load(Ordering::Relaxed))) >> 32) as u64
}

pub(crate) fn realtime_nanoseconds() -> u64 {
    BOOT_TIME.load(Ordering::Relaxed) + monotonic_nanoseconds()
}

/// What the time stamp counter shows at a time of the monotonic clock.
pub(super) fn time_stamp_at(nanoseconds: u64) -> u64 {
    let ticks = (u128::from(nanoseconds) << 32) / u128::from(MULTIPLIER.load(Ordering::Relaxed));
    START
        .load(Ordering::Relaxed)
        .saturating_add(u64::try_from(ticks).unwrap_or(u64::MAX))
}

/// Finds the counter's frequency and the time of day.
pub(super) fn initialize() {
    START.store(time_stamp(), Ordering::Relaxed);
    let ticks_per_second = told_frequency();
    apic::start_measure();
    let (ticks, nanoseconds) = measure();
    apic::end_measure(nanoseconds);
    let multiplier = match ticks_per_second {
        Some(frequency) => (u128::from(SECOND) << 32) / u128::from(frequency),
        None => (u128::from(nanoseconds) << 32) / u128::from(ticks.max(1)),
    };
    MULTIPLIER.store(multiplier as u64, Ordering::Relaxed);
    BOOT_TIME.store(real_time_clock() * SECOND, Ordering::Relaxed);
}

/// The frequency as the hypervisor or the CPU tells it, in ticks per second.
fn told_frequency() -> Option<u64> {
    if features().contains(Features::HYPERVISOR) && cpuid_count(0x4000_0000, 0).eax >= 0x4000_0010 {
        let kilohertz = cpuid_count(0x4000_0010, 0).eax;
        if kilohertz != 0 {
            return Some(u64::from(kilohertz) * 1000);
        }
    }
    if cpuid_count(0, 0).eax >= 0x15 {
        let leaf = cpuid_count(0x15, 0);
        if leaf.eax != 0 && leaf.ebx != 0 && leaf.ecx != 0 {
            return Some(u64::from(leaf.ecx) * u64::from(leaf.ebx) / u64::from(leaf.eax));
        }
    }
    None
}

const PIT_FREQUENCY: u64 = 1_193_182;
const PIT_CHANNEL_0: u16 = 0x40;
const PIT_COMMAND: u16 = 0x43;

/// Counter ticks and nanoseconds of a short wait, by the timer chip of the first PCs, or by the interrupt controller's timer where that
/// chip is missing.
fn measure() -> (u64, u64) {
    // SAFETY: the ports of the timer chip.
    let read = || unsafe {
        out8(PIT_COMMAND, 0);
        let low = in8(PIT_CHANNEL_0);
        u16::from_le_bytes([low, in8(PIT_CHANNEL_0)])
    };
    // SAFETY: as above. Channel 0, both bytes, mode 2: counts down from 65536 again and again; its interrupt line is masked.
    unsafe {
        out8(PIT_COMMAND, 0x34);
        out8(PIT_CHANNEL_0, 0);
        out8(PIT_CHANNEL_0, 0);
    }
    let wanted = (PIT_FREQUENCY * MEASURE_NANOSECONDS / SECOND) as u16;
    let (first, start) = (read(), time_stamp());
    for _ in 0..100_000 {
        let (now, end) = (read(), time_stamp());
        let elapsed = first.wrapping_sub(now);
        if elapsed >= wanted {
            return (end - start, u64::from(elapsed) * SECOND / PIT_FREQUENCY);
        }
        if now == u16::MAX && first == u16::MAX {
            break;
        }
    }
    apic::wait(MEASURE_NANOSECONDS)
}

/// Seconds since 1970 by the battery-backed clock.
fn real_time_clock() -> u64 {
    let read = || {
        // SAFETY: the ports of the clock; the index keeps non-maskable interrupts as they are.
        let register = |number: u8| unsafe {
            out8(0x70, number);
            in8(0x71)
        };
        if register(0x0a) & 0x80 != 0 {
            return None;
        }
        Some([0, 2, 4, 7, 8, 9, 0x0b].map(register))
    };
    // The clock may tick between two registers: two equal readings are a true one.
    let mut last = None;
    for _ in 0..10_000 {
        let now = read();
        if now.is_some() && now == last {
            break;
        }
        last = now;
    }
    last.map_or(0, |registers| decode_real_time_clock(registers))
}

/// Registers 0, 2, 4, 7, 8, 9 and B of the clock as seconds since 1970.
fn decode_real_time_clock([second, minute, hour, day, month, year, status]: [u8; 7]) -> u64 {
    let binary = status & 4 != 0;
    let value = |byte: u8| u64::from(if binary { byte } else { byte / 16 * 10 + byte % 16 });
    let hours = value(hour & 0x7f);
    let hours = if status & 2 == 0 {
        hours % 12 + if hour & 0x80 != 0 { 12 } else { 0 }
    } else {
        hours
    };
    crate::time::seconds_since_1970(2000 + value(year), value(month), value(day))
        + hours * 3600
        + value(minute) * 60
        + value(second)
}
