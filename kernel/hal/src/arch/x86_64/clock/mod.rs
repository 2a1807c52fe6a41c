//! Time from the time stamp counter.

mod kvm;
mod refine;

use core::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};

pub(super) use refine::due as refine_due;
pub(crate) use refine::refine as refine_clock;

use super::features::{Features, features};
use super::instructions::{cpuid_count, in8, out8, time_stamp};
use super::{apic, vdso};
use crate::sync::SpinLock;

/// Nanoseconds for each 2^32 ticks of the counter.
static MULTIPLIER: AtomicU64 = AtomicU64::new(0);
/// The same, as it was told or measured.
static MEASURED: AtomicU64 = AtomicU64::new(0);
/// By how much the clock is to be faster than that, in 2^-16 parts of a million.
static RATE: AtomicI64 = AtomicI64::new(0);
/// The counter and the monotonic clock at one moment.
static BASE_STAMP: AtomicU64 = AtomicU64::new(0);
static BASE_TIME: AtomicU64 = AtomicU64::new(0);
/// Odd while the three above change.
static SEQUENCE: AtomicU64 = AtomicU64::new(0);
/// The wall clock at boot, nanoseconds since 1970; wraps when it is set to less time than has passed.
static BOOT_TIME: AtomicU64 = AtomicU64::new(0);
/// Held by who changes the clocks.
static CHANGE: SpinLock<()> = SpinLock::new(());

const SECOND: u64 = 1_000_000_000;
/// How long the counter is measured where nobody tells its frequency.
const MEASURE_NANOSECONDS: u64 = 1_000_000;

#[inline]
pub(crate) fn monotonic_nanoseconds() -> u64 {
    loop {
        let sequence = SEQUENCE.load(Ordering::Acquire);
        let time = time_at(time_stamp());
        fence(Ordering::Acquire);
        if sequence & 1 == 0 && sequence == SEQUENCE.load(Ordering::Relaxed) {
            return time;
        }
    }
}

/// The monotonic clock at a time stamp, as long as the base does not change meanwhile.
#[inline]
fn time_at(stamp: u64) -> u64 {
    // Another CPU's counter may be a little behind the base.
    let ticks = stamp.saturating_sub(BASE_STAMP.load(Ordering::Relaxed));
    scale(ticks, MULTIPLIER.load(Ordering::Relaxed)) + BASE_TIME.load(Ordering::Relaxed)
}

/// Ticks of the counter in a second.
pub(super) fn frequency() -> u64 {
    match MULTIPLIER.load(Ordering::Relaxed) {
        0 => 0,
        multiplier => ((u128::from(SECOND) << 32) / u128::from(multiplier)) as u64,
    }
}

#[inline]
fn scale(ticks: u64, multiplier: u64) -> u64 {
    ((u128::from(ticks) * u128::from(multiplier)) >> 32) as u64
}

#[inline]
pub(crate) fn ticks() -> u64 {
    time_stamp()
}

pub(crate) fn nanoseconds_of_ticks(ticks: u64) -> u64 {
    scale(ticks, MULTIPLIER.load(Ordering::Relaxed))
}

pub(crate) fn realtime_nanoseconds() -> u64 {
    BOOT_TIME.load(Ordering::Relaxed).wrapping_add(monotonic_nanoseconds())
}

/// Sets the wall clock.
pub(crate) fn set_realtime_nanoseconds(now: u64) {
    let _guard = CHANGE.lock();
    BOOT_TIME.store(now.wrapping_sub(monotonic_nanoseconds()), Ordering::Relaxed);
    publish();
}

/// Moves the wall clock.
pub(crate) fn adjust_realtime_nanoseconds(by: i64) {
    let _guard = CHANGE.lock();
    BOOT_TIME.fetch_add(by.cast_unsigned(), Ordering::Relaxed);
    publish();
}

/// What the time stamp counter shows at a time of the monotonic clock.
pub(super) fn time_stamp_at(nanoseconds: u64) -> u64 {
    let wait = nanoseconds.saturating_sub(monotonic_nanoseconds());
    let ticks = (u128::from(wait) << 32) / u128::from(MULTIPLIER.load(Ordering::Relaxed));
    time_stamp().saturating_add(u64::try_from(ticks).unwrap_or(u64::MAX))
}

/// Lets the clock go on from now at the speed that was measured, in nanoseconds for each 2^32 ticks.
fn set_speed(measured: u64) {
    let _guard = CHANGE.lock();
    MEASURED.store(measured, Ordering::Relaxed);
    change_speed();
}

/// Lets the clock go on from now faster than measured, by so many 2^-16 parts of a million.
pub(crate) fn set_clock_rate(rate: i64) {
    let _guard = CHANGE.lock();
    RATE.store(rate, Ordering::Relaxed);
    change_speed();
}

/// With [`CHANGE`] held.
fn change_speed() {
    let measured = MEASURED.load(Ordering::Relaxed);
    let more = i128::from(measured) * i128::from(RATE.load(Ordering::Relaxed)) / (1_000_000 << 16);
    let base = time_stamp();
    go_on(base, time_at(base), measured.saturating_add_signed(more as i64));
}

/// Lets the clock go on from a moment at another speed. With [`CHANGE`] held.
fn go_on(base_stamp: u64, base_time: u64, multiplier: u64) {
    SEQUENCE.fetch_add(1, Ordering::AcqRel);
    fence(Ordering::Release);
    BASE_STAMP.store(base_stamp, Ordering::Relaxed);
    BASE_TIME.store(base_time, Ordering::Relaxed);
    MULTIPLIER.store(multiplier, Ordering::Relaxed);
    SEQUENCE.fetch_add(1, Ordering::AcqRel);
    publish();
}

/// Tells user mode of a change.
fn publish() {
    vdso::publish(vdso::Clock {
        base_stamp: BASE_STAMP.load(Ordering::Relaxed),
        base_time: BASE_TIME.load(Ordering::Relaxed),
        multiplier: MULTIPLIER.load(Ordering::Relaxed),
        realtime_offset: BOOT_TIME.load(Ordering::Relaxed),
    });
}

/// Finds the counter's frequency and the time of day.
pub(super) fn initialize() {
    let start = time_stamp();
    let kvm = kvm::ask();
    let told = kvm
        .as_ref()
        .map(|told| u128::from(told.clock.speed()))
        .or_else(|| told_frequency().map(|frequency| (u128::from(SECOND) << 32) / u128::from(frequency)));
    apic::start_counting();
    let (first_count, first_stamp) = sample(apic::ticks);
    let (ticks, nanoseconds) = measure();
    let (last_count, last_stamp) = sample(apic::ticks);
    let multiplier = told.unwrap_or_else(|| (u128::from(nanoseconds) << 32) / u128::from(ticks.max(1)));
    apic::end_counting(
        last_count - first_count,
        scale(last_stamp - first_stamp, multiplier as u64),
    );
    let boot_time = match kvm {
        Some(told) => told.began + told.clock.at(start),
        None => real_time_clock() * SECOND,
    };
    BOOT_TIME.store(boot_time, Ordering::Relaxed);
    vdso::initialize();
    BASE_STAMP.store(start, Ordering::Relaxed);
    set_speed(multiplier as u64);
    if told.is_none() {
        refine::start();
    }
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

/// Counter ticks and nanoseconds of a short wait, by the power management timer, by the timer chip of the first PCs where there is none, or by the
/// interrupt controller's timer where that chip is missing as well.
fn measure() -> (u64, u64) {
    if let Some(measured) = refine::measure(MEASURE_NANOSECONDS) {
        return measured;
    }
    // The chip wraps after 55 ms, which is no long time to wait for a processor on a busy host.
    const TRIES: usize = 4;
    const SHORT: u64 = 40_000_000;
    for _ in 0..TRIES {
        let before = apic::ticks();
        let measured = measure_by_chip();
        if apic::usual_nanoseconds(apic::ticks() - before) < SHORT {
            return measured;
        }
    }
    measure_by_chip()
}

fn measure_by_chip() -> (u64, u64) {
    // SAFETY: the ports of the timer chip. Channel 0, both bytes, mode 2: counts down from 65536 again and again; its interrupt is masked.
    unsafe {
        out8(PIT_COMMAND, 0x34);
        out8(PIT_CHANNEL_0, 0);
        out8(PIT_CHANNEL_0, 0);
    }
    let read = || {
        // SAFETY: as above.
        let [low, high] = unsafe {
            out8(PIT_COMMAND, 0);
            [in8(PIT_CHANNEL_0), in8(PIT_CHANNEL_0)]
        };
        u64::from(u16::from_le_bytes([low, high]))
    };
    let wanted = PIT_FREQUENCY * MEASURE_NANOSECONDS / SECOND;
    let (first, start) = sample(read);
    for _ in 0..100_000 {
        let (now, end) = sample(read);
        let elapsed = (first.wrapping_sub(now)) & 0xffff;
        if elapsed >= wanted {
            return (end - start, elapsed * SECOND / PIT_FREQUENCY);
        }
        if now == 0xffff && first == 0xffff {
            break;
        }
    }
    let (first, start) = sample(apic::ticks);
    loop {
        let (now, end) = sample(apic::ticks);
        let elapsed = apic::usual_nanoseconds(now - first);
        if elapsed >= MEASURE_NANOSECONDS {
            return (end - start, elapsed);
        }
    }
}

/// What `read` gives and the time stamp of that moment: of several tries the one that was disturbed least.
fn sample(read: impl Fn() -> u64) -> (u64, u64) {
    let mut best = (u64::MAX, (0, 0));
    for _ in 0..4 {
        let before = time_stamp();
        let value = read();
        let took = time_stamp() - before;
        if took < best.0 {
            best = (took, (value, before + took / 2));
        }
    }
    best.1
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
    last.map_or(0, decode_real_time_clock)
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
