//! Keeping the clock of the day: `adjtimex(2)`, `clock_adjtime(2)`.

use abi::{ClockModes as Modes, Errno, Timex};
use linux_raw_sys::general as linux;

use super::{Call, Result};
use crate::discipline;
use crate::process::{Capability, Thread};

const NANOSECONDS: i64 = 1_000_000_000;

pub(super) async fn adjtimex(thread: &Thread, address: usize) -> Result {
    let record = thread.memory.read::<Timex>(address).await?;
    adjust(thread, address, record).await
}

/// `clock_adjtime(clock, record)`
pub(super) async fn clock_adjtime(thread: &Thread, call: &Call) -> Result {
    const DEVICE: i32 = 3;
    const GONE: i32 = linux::CLOCK_SGI_CYCLE as i32;
    const TAI: i32 = linux::CLOCK_TAI as i32;
    let record = thread.memory.read::<Timex>(call.word(1)).await?;
    match call.int(0) {
        0 => adjust(thread, call.word(1), record).await,
        // What is a clock, or one of CPU time. Devices that are clocks there are none.
        clock if clock < 0 && clock & 7 != DEVICE => Err(Errno::OPNOTSUPP.into()),
        clock if (1..=TAI).contains(&clock) && clock != GONE => Err(Errno::OPNOTSUPP.into()),
        _ => Err(Errno::INVAL.into()),
    }
}

async fn adjust(thread: &Thread, address: usize, mut record: Timex) -> Result {
    /// What the calls return of a clock that can be trusted, and of one that cannot.
    const OK: usize = 0;
    const ERROR: usize = 5;
    check(&record, thread.process.can(Capability::SYS_TIME))?;
    if Modes::from_bits_retain(record.modes).contains(Modes::SETOFFSET) {
        let unit = unit(&record);
        let by = i128::from(record.time[0]) * i128::from(NANOSECONDS) + i128::from(record.time[1] * unit);
        let time = i128::from(hal::time::realtime()) + by;
        // Up to where nanoseconds are a signed number.
        let time = i64::try_from(time).ok().filter(|&time| time >= 0).ok_or(Errno::INVAL)?;
        hal::time::set_realtime(time.cast_unsigned());
        discipline::clear();
    }
    let is_kept = discipline::serve(&mut record);
    thread.memory.write(address, &record).await?;
    Ok(if is_kept { OK } else { ERROR })
}

/// Nanoseconds of the unit of a time to set.
fn unit(record: &Timex) -> i64 {
    let has_nanoseconds = Modes::from_bits_retain(record.modes).contains(Modes::NANO);
    if has_nanoseconds { 1 } else { 1000 }
}

/// As `ntp_validate_timex` has it.
fn check(record: &Timex, is_privileged: bool) -> core::result::Result<(), Errno> {
    let modes = Modes::from_bits_retain(record.modes);
    if modes.contains(Modes::ADJTIME) {
        if !modes.contains(Modes::OFFSET) {
            return Err(Errno::INVAL);
        }
        if !modes.contains(Modes::NANO) && !is_privileged {
            return Err(Errno::PERM);
        }
    } else {
        if record.modes != 0 && !is_privileged {
            return Err(Errno::PERM);
        }
        if modes.contains(Modes::TICK) && !(9000..=11_000).contains(&record.tick) {
            return Err(Errno::INVAL);
        }
    }
    if modes.contains(Modes::SETOFFSET) {
        if !is_privileged {
            return Err(Errno::PERM);
        }
        if !(0..NANOSECONDS / unit(record)).contains(&record.time[1]) {
            return Err(Errno::INVAL);
        }
    }
    let too_much = i64::MAX / 65_536;
    if modes.contains(Modes::FREQUENCY) && !(-too_much..=too_much).contains(&record.frequency) {
        return Err(Errno::INVAL);
    }
    Ok(())
}
