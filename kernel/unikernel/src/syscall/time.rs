//! Clocks and sleeping.

use alloc::sync::Arc;

use abi::{Errno, Timespec, Timeval};
use linux_raw_sys::general as linux;
use task::Deadline;

use super::wait::deadline_of_wait;
use super::{Call, Error, Result, Stop};
use crate::process::{Capability, Process, Thread, family};

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// A clock of CPU time that is named by a number (`clock_getcpuclockid(3)`).
pub(super) enum CpuClock {
    /// Of a process.
    Process(Arc<Process>),
    /// Of one of its threads.
    Thread(Arc<Thread>),
}

impl CpuClock {
    /// From `~number << 3`, and in the low bits 4 for a thread, 0 to 2 for which time.
    pub(super) fn parse(thread: &Thread, clock: i32) -> Result<Self> {
        if clock >= 0 || clock & 3 == 3 {
            return Err(Errno::INVAL.into());
        }
        let number = !(clock >> 3);
        let process = &thread.process;
        if clock & 4 != 0 {
            let tid = if number == 0 { thread.tid } else { number };
            Ok(Self::Thread(process.thread(tid).ok_or(Errno::INVAL)?))
        } else if number == 0 || number == process.pid {
            Ok(Self::Process(process.clone()))
        } else {
            Ok(Self::Process(family::find(number).ok_or(Errno::INVAL)?))
        }
    }
}

fn read_clock(thread: &Thread, clock: i32) -> Result<u64> {
    const REALTIME: i32 = linux::CLOCK_REALTIME as i32;
    const MONOTONIC: i32 = linux::CLOCK_MONOTONIC as i32;
    const PROCESS: i32 = linux::CLOCK_PROCESS_CPUTIME_ID as i32;
    const THREAD: i32 = linux::CLOCK_THREAD_CPUTIME_ID as i32;
    const MONOTONIC_RAW: i32 = linux::CLOCK_MONOTONIC_RAW as i32;
    const REALTIME_COARSE: i32 = linux::CLOCK_REALTIME_COARSE as i32;
    const MONOTONIC_COARSE: i32 = linux::CLOCK_MONOTONIC_COARSE as i32;
    const BOOT: i32 = linux::CLOCK_BOOTTIME as i32;
    const REALTIME_ALARM: i32 = linux::CLOCK_REALTIME_ALARM as i32;
    const BOOT_ALARM: i32 = linux::CLOCK_BOOTTIME_ALARM as i32;
    const TAI: i32 = linux::CLOCK_TAI as i32;
    let sum = |(user, system)| user + system;
    Ok(match clock {
        REALTIME | REALTIME_COARSE | TAI | REALTIME_ALARM => hal::time::realtime(),
        MONOTONIC | MONOTONIC_RAW | MONOTONIC_COARSE | BOOT | BOOT_ALARM => hal::time::monotonic(),
        THREAD => sum(thread.cpu_time.get()),
        PROCESS => sum(thread.process.cpu_times()),
        clock => match CpuClock::parse(thread, clock)? {
            CpuClock::Process(target) => sum(target.cpu_times()),
            CpuClock::Thread(target) => sum(target.cpu_time.get()),
        },
    })
}

pub(super) async fn clock_gettime(thread: &Thread, call: &Call) -> Result {
    let now = Timespec::from_nanoseconds(read_clock(thread, call.int(0))?);
    thread.memory.write(call.word(1), &now).await?;
    Ok(0)
}

pub(super) async fn clock_settime(thread: &Thread, call: &Call) -> Result {
    let clock = call.int(0);
    // What can be read and not set is refused as what is no clock at all, but for those of CPU time.
    let sets = clock == linux::CLOCK_REALTIME as i32;
    if !sets && CpuClock::parse(thread, clock).is_err() {
        return Err(Errno::INVAL.into());
    }
    let now = thread.memory.read::<Timespec>(call.word(1)).await?.to_nanoseconds()?;
    if !sets {
        return Err(Errno::PERM.into());
    }
    set_realtime(thread, now)
}

pub(super) async fn settimeofday(thread: &Thread, call: &Call) -> Result {
    // The time zone has no effect, as on Linux where the hardware's clock is in UTC.
    match call.word(0) {
        0 if thread.process.can(Capability::SYS_TIME) => Ok(0),
        0 => Err(Errno::PERM.into()),
        address => {
            let now = thread.memory.read::<Timeval>(address).await?.to_nanoseconds()?;
            set_realtime(thread, now)
        }
    }
}

fn set_realtime(thread: &Thread, now: u64) -> Result {
    if !thread.process.can(Capability::SYS_TIME) {
        return Err(Errno::PERM.into());
    }
    hal::time::set_realtime(now);
    crate::discipline::clear();
    Ok(0)
}

pub(super) async fn clock_getres(thread: &Thread, call: &Call) -> Result {
    read_clock(thread, call.int(0))?;
    let coarse = [linux::CLOCK_REALTIME_COARSE, linux::CLOCK_MONOTONIC_COARSE].contains(&call.unsigned(0));
    if call.word(1) != 0 {
        let resolution = Timespec::from_nanoseconds(if coarse { 4_000_000 } else { 1 });
        thread.memory.write(call.word(1), &resolution).await?;
    }
    Ok(0)
}

pub(super) async fn gettimeofday(thread: &Thread, call: &Call) -> Result {
    if call.word(0) != 0 {
        thread
            .memory
            .write(call.word(0), &Timeval::from_nanoseconds(hal::time::realtime()))
            .await?;
    }
    if call.word(1) != 0 {
        // The time zone, which nobody uses: UTC.
        thread.memory.write(call.word(1), &[0_i32; 2]).await?;
    }
    Ok(0)
}

pub(super) async fn time(thread: &Thread, call: &Call) -> Result {
    let seconds = hal::time::realtime() / SECOND;
    if call.word(0) != 0 {
        thread.memory.write(call.word(0), &seconds).await?;
    }
    Ok(seconds as usize)
}

pub(super) async fn nanosleep(thread: &Thread, call: &Call) -> Result {
    sleep_for(thread, call.word(0), call.word(1)).await
}

/// The bits of a negative number that say what kind of clock it is, and those of a device's (`CLOCKFD`).
const CLOCK_KIND: u32 = 7;
const CLOCK_OF_DEVICE: u32 = 3;

pub(super) async fn clock_nanosleep(thread: &Thread, call: &Call) -> Result {
    let clock = call.unsigned(0);
    let absolute = call.unsigned(1) & linux::TIMER_ABSTIME != 0;
    let time = || async { thread.memory.read::<Timespec>(call.word(2)).await?.to_nanoseconds() };
    match clock {
        linux::CLOCK_REALTIME | linux::CLOCK_TAI | linux::CLOCK_REALTIME_ALARM if absolute => {
            sleep(thread, Deadline::Realtime(time().await?), None).await
        }
        linux::CLOCK_REALTIME
        | linux::CLOCK_TAI
        | linux::CLOCK_MONOTONIC
        | linux::CLOCK_BOOTTIME
        | linux::CLOCK_REALTIME_ALARM
        | linux::CLOCK_BOOTTIME_ALARM => {
            if absolute {
                sleep(thread, Deadline::Monotonic(time().await?), None).await
            } else {
                sleep_for(thread, call.word(2), call.word(3)).await
            }
        }
        // A clock that is a device has no alarms here either, whether it is open or not.
        clock if (clock as i32) < 0 && clock & CLOCK_KIND == CLOCK_OF_DEVICE => Err(Errno::OPNOTSUPP.into()),
        clock => {
            read_clock(thread, clock as i32)?;
            // Its own time does not go on while it sleeps.
            Err(match CpuClock::parse(thread, clock as i32) {
                Ok(CpuClock::Thread(target)) if target.tid == thread.tid => Errno::INVAL.into(),
                _ => Errno::OPNOTSUPP.into(),
            })
        }
    }
}

/// Sleeps for the time at `time`.
async fn sleep_for(thread: &Thread, time: usize, left: usize) -> Result {
    // A null pointer is no time here.
    let deadline = deadline_of_wait(thread, time).await?.ok_or(Errno::FAULT)?;
    sleep(thread, Deadline::Monotonic(deadline), Some(left)).await
}

/// Sleeps; an interrupted relative sleep tells how much was left.
async fn sleep(thread: &Thread, deadline: Deadline, left: Option<usize>) -> Result {
    match thread.wait_until(Some(deadline), core::future::pending::<()>()).await {
        Err(Stop::Signal) => {
            if let Some(left) = left.filter(|&address| address != 0) {
                let rest = Timespec::from_nanoseconds(deadline.left());
                thread.memory.write(left, &rest).await?;
            }
            Err(match (left, deadline) {
                (Some(_), Deadline::Monotonic(deadline)) => Error::interrupted_until(deadline),
                _ => Error::INTERRUPTED_ONCE,
            })
        }
        Ok(()) | Err(Stop::TimedOut) => Ok(0),
    }
}
