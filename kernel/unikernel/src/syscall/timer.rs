//! Timers that send signals.

use alloc::sync::Arc;

use abi::{Errno, IntervalTimer, Timespec, Timeval};
use linux_raw_sys::general as linux;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::time::CpuClock;
use super::{Call, Result};
use crate::process::{Clock, Interval, Notification, Setting, Thread, Timer};
use crate::signal::{Info, Signal};

/// Nanoseconds of the smallest time that `struct itimerval` holds.
const MICROSECOND: u64 = 1000;

/// `struct itimerval`
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct IntervalValue {
    interval: Timeval,
    value: Timeval,
}

impl IntervalValue {
    fn new(setting: Setting) -> Self {
        Self {
            interval: Timeval::from_nanoseconds(setting.interval),
            // A timer that is armed shows more than nothing.
            value: Timeval::from_nanoseconds(setting.value.next_multiple_of(MICROSECOND)),
        }
    }
}

fn record(setting: Setting) -> IntervalTimer {
    IntervalTimer {
        interval: Timespec::from_nanoseconds(setting.interval),
        value: Timespec::from_nanoseconds(setting.value),
    }
}

pub(super) fn alarm(thread: &Thread, call: &Call) -> usize {
    const SECOND: u64 = 1_000_000_000;
    let new = Setting {
        value: u64::from(call.unsigned(0)) * SECOND,
        interval: 0,
    };
    let timer = thread.process.timers.interval(Interval::Real);
    let old = timer.set(&thread.process, new, false);
    old.value.div_ceil(SECOND) as usize
}

fn interval(thread: &Thread, kind: u32) -> Result<Arc<Timer>> {
    let interval = match kind {
        linux::ITIMER_REAL => Interval::Real,
        linux::ITIMER_VIRTUAL => Interval::Virtual,
        linux::ITIMER_PROF => Interval::Profile,
        _ => return Err(Errno::INVAL.into()),
    };
    Ok(thread.process.timers.interval(interval))
}

pub(super) async fn setitimer(thread: &Thread, call: &Call) -> Result {
    let timer = interval(thread, call.unsigned(0))?;
    let new = match call.word(1) {
        0 => IntervalValue::default(),
        address => thread.memory.read::<IntervalValue>(address).await?,
    };
    let mut new = Setting {
        value: new.value.to_nanoseconds()?,
        interval: new.interval.to_nanoseconds()?,
    };
    if new.value == 0 && call.unsigned(0) == linux::ITIMER_REAL {
        // Those of CPU time keep it.
        new.interval = 0;
    }
    let old = timer.set(&thread.process, new, false);
    if call.word(2) != 0 {
        thread.memory.write(call.word(2), &IntervalValue::new(old)).await?;
    }
    Ok(0)
}

pub(super) async fn getitimer(thread: &Thread, call: &Call) -> Result {
    let timer = interval(thread, call.unsigned(0))?;
    let now = IntervalValue::new(timer.get(&thread.process));
    thread.memory.write(call.word(1), &now).await?;
    Ok(0)
}

/// `struct sigevent`, as far as it matters.
#[derive(Clone, Copy, FromBytes, IntoBytes)]
#[repr(C)]
pub(super) struct Event {
    pub(super) value: u64,
    pub(super) signal: i32,
    pub(super) notify: i32,
    thread: i32,
    padding: i32,
}

pub(super) async fn timer_create(thread: &Thread, call: &Call) -> Result {
    let clock = match call.unsigned(0) {
        linux::CLOCK_REALTIME | linux::CLOCK_TAI | linux::CLOCK_REALTIME_ALARM => Clock::Passing { realtime: true },
        linux::CLOCK_MONOTONIC | linux::CLOCK_BOOTTIME | linux::CLOCK_BOOTTIME_ALARM => {
            Clock::Passing { realtime: false }
        }
        linux::CLOCK_PROCESS_CPUTIME_ID => Clock::Process,
        linux::CLOCK_THREAD_CPUTIME_ID => Clock::Thread(thread.tid),
        _ => match CpuClock::parse(thread, call.int(0))? {
            CpuClock::Process(target) if Arc::ptr_eq(&target, &thread.process) => Clock::Process,
            CpuClock::Process(_) => return Err(Errno::INVAL.into()),
            CpuClock::Thread(target) => Clock::Thread(target.tid),
        },
    };
    let event = match call.word(1) {
        0 => None,
        address => Some(thread.memory.read::<Event>(address).await?),
    };
    let code = Info::TIMER;
    let notification = match event {
        None => None,
        Some(event) => Some(match event.notify as u32 {
            linux::SIGEV_NONE => Notification::None,
            linux::SIGEV_SIGNAL => Notification::Signal {
                signal: Signal::new(event.signal)?,
                code,
                value: event.value,
                thread: None,
            },
            linux::SIGEV_THREAD_ID => {
                thread.process.thread(event.thread).ok_or(Errno::INVAL)?;
                Notification::Signal {
                    signal: Signal::new(event.signal)?,
                    code,
                    value: event.value,
                    thread: Some(event.thread),
                }
            }
            _ => return Err(Errno::INVAL.into()),
        }),
    };
    let id = thread.process.timers.create(clock, |id| {
        notification.unwrap_or(Notification::Signal {
            signal: Signal::ALRM,
            code,
            value: id,
            thread: None,
        })
    })?;
    match thread.memory.write(call.word(2), &(id as i32)).await {
        Ok(()) => Ok(0),
        Err(errno) => {
            thread.process.timers.delete(id)?;
            Err(errno.into())
        }
    }
}

pub(super) async fn timer_settime(thread: &Thread, call: &Call) -> Result {
    let timer = thread.process.timers.get(u64::from(call.unsigned(0)))?;
    let new = thread.memory.read::<IntervalTimer>(call.word(2)).await?;
    let new = Setting {
        value: new.value.to_nanoseconds()?,
        interval: new.interval.to_nanoseconds()?,
    };
    let absolute = call.unsigned(1) & linux::TIMER_ABSTIME != 0;
    let old = timer.set(&thread.process, new, absolute);
    if call.word(3) != 0 {
        thread.memory.write(call.word(3), &record(old)).await?;
    }
    Ok(0)
}

pub(super) async fn timer_gettime(thread: &Thread, call: &Call) -> Result {
    let timer = thread.process.timers.get(u64::from(call.unsigned(0)))?;
    thread
        .memory
        .write(call.word(1), &record(timer.get(&thread.process)))
        .await?;
    Ok(0)
}

pub(super) fn timer_getoverrun(thread: &Thread, call: &Call) -> Result {
    Ok(thread.process.timers.get(u64::from(call.unsigned(0)))?.overruns() as usize)
}

pub(super) fn timer_delete(thread: &Thread, call: &Call) -> Result {
    thread.process.timers.delete(u64::from(call.unsigned(0)))?;
    Ok(0)
}
