//! Timers to wait for (`timerfd_create(2)`).

use abi::general::{CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_REALTIME_ALARM};
use abi::{Errno, IntervalTimer, Timespec};
use alloc::sync::Arc;
use core::any::Any;
use core::future::Future;
use core::pin::pin;
use core::task::Poll;
use hal::sync::SpinLock;
use hal::time::{monotonic, realtime};
use task::{REALTIME_SET, WaitQueue, sleep_until};

use crate::buffer::put_record;
use crate::{Error, File, FileType, Readiness, Result, Sink, Status, anonymous_inode};

/// A timer as a file: reading it gives the number of expirations since the last read.
pub struct TimerFd {
    shared: Arc<Shared>,
    follows_realtime: bool,
    inode: u64,
}

struct Shared {
    state: SpinLock<State>,
    /// Notified when the timer expires.
    queue: WaitQueue,
    /// Notified when the driver has to look at the state again.
    changed: WaitQueue,
}

/// What became of a deadline.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Expiration {
    #[default]
    Ahead,
    /// It has passed, wherever the clock goes after that. Others of the interval are counted by [`State::catch_up`].
    Seen,
    /// Who waits was told, too.
    Told,
}

#[derive(Default)]
struct State {
    /// Time of the next expiration, or of the one that was seen; on the clock of the day when `on_realtime`, else since boot.
    deadline: Option<u64>,
    interval: u64,
    expiration: Expiration,
    /// Expirations that were counted and that nobody has read.
    count: u64,
    on_realtime: bool,
    /// The mark of [`REALTIME_SET`] of a timer that is cancelled when the clock is set.
    cancel_after: Option<u64>,
    /// A task waits for the deadline; it looks again at this time since boot, or when told.
    driver: Option<u64>,
    closed: bool,
}

impl State {
    fn now(&self) -> u64 {
        if self.on_realtime { realtime() } else { monotonic() }
    }

    /// Sees an expiration that is due.
    fn look(&mut self) {
        if !self.has_expired() && self.deadline.is_some_and(|deadline| deadline <= self.now()) {
            self.expiration = Expiration::Seen;
            self.count += 1;
        }
    }

    fn has_expired(&self) -> bool {
        self.expiration != Expiration::Ahead
    }

    /// Goes on to the next expiration of an interval when one was seen, and counts those up to now. As on Linux, when the clock went back the
    /// one that was seen is to come again, and does not count.
    fn catch_up(&mut self) {
        let Some(deadline) = self.deadline.filter(|_| self.has_expired() && self.interval > 0) else {
            return;
        };
        let passed = self
            .now()
            .checked_sub(deadline)
            .map_or(0, |late| 1 + late / self.interval);
        self.deadline = Some(deadline.saturating_add(passed.saturating_mul(self.interval)));
        self.count = self.count.saturating_add(passed) - 1;
        self.expiration = Expiration::Ahead;
    }

    /// Reads the expirations that nobody has read.
    fn read(&mut self, sink: &mut dyn Sink) -> Result<usize> {
        self.catch_up();
        if self.count == 0 {
            return Err(Error::WouldBlock);
        }
        put_record(sink, &self.count.to_ne_bytes())?;
        self.forget_expirations();
        Ok(8)
    }

    /// A timer that has expired once is not armed after this.
    fn forget_expirations(&mut self) {
        if self.has_expired() {
            self.deadline = None;
        }
        self.expiration = Expiration::Ahead;
        self.count = 0;
    }

    fn is_cancelled(&self) -> bool {
        self.cancel_after.is_some_and(|mark| mark != REALTIME_SET.ticket())
    }

    /// Time since boot of the next expiration, unless one was seen.
    fn wake_at(&self) -> Option<u64> {
        let deadline = self.deadline.filter(|_| !self.has_expired())?;
        Some(monotonic().saturating_add(deadline.saturating_sub(self.now())))
    }

    fn setting(&mut self) -> IntervalTimer {
        self.look();
        self.catch_up();
        let deadline = self.deadline.filter(|_| !self.has_expired());
        let left = deadline.map_or(0, |deadline| deadline.saturating_sub(self.now()));
        IntervalTimer {
            interval: Timespec::from_nanoseconds(self.interval),
            value: Timespec::from_nanoseconds(left),
        }
    }
}

impl TimerFd {
    /// A timer that is not armed. `EINVAL` for clocks that timers cannot follow. The alarm clocks are those they wake a sleeping machine for;
    /// this one never sleeps.
    pub fn new(clock: u32) -> core::result::Result<Arc<Self>, Errno> {
        let follows_realtime = match clock {
            CLOCK_REALTIME | CLOCK_REALTIME_ALARM => true,
            CLOCK_MONOTONIC | CLOCK_BOOTTIME | CLOCK_BOOTTIME_ALARM => false,
            _ => return Err(Errno::INVAL),
        };
        Ok(Arc::new(Self {
            shared: Arc::new(Shared {
                state: SpinLock::default(),
                queue: WaitQueue::new(),
                changed: WaitQueue::new(),
            }),
            follows_realtime,
            inode: anonymous_inode(),
        }))
    }

    /// Time to the next expiration, and the interval.
    pub fn setting(&self) -> IntervalTimer {
        let mut state = self.shared.state.lock();
        let setting = state.setting();
        self.drive(state);
        setting
    }

    /// Arms the timer, or disarms it with a value of zero, and returns the setting before. `absolute` makes the value a time of its clock. With
    /// `cancel_on_set` reads of an absolute timer of the clock of the day fail with `ECANCELED` once that clock was set.
    pub fn set(
        &self,
        new: &IntervalTimer,
        absolute: bool,
        cancel_on_set: bool,
    ) -> core::result::Result<IntervalTimer, Errno> {
        let (value, interval) = (new.value.to_nanoseconds()?, new.interval.to_nanoseconds()?);
        let mut state = self.shared.state.lock();
        let old = state.setting();
        state.forget_expirations();
        state.on_realtime = absolute && self.follows_realtime;
        state.interval = interval;
        state.deadline = match value {
            0 => None,
            _ if absolute => Some(value),
            _ => Some(monotonic().saturating_add(value)),
        };
        state.cancel_after = (cancel_on_set && state.on_realtime).then(|| REALTIME_SET.ticket());
        state.look();
        self.drive(state);
        self.shared.queue.notify();
        Ok(old)
    }

    /// Makes somebody wait for the deadline.
    fn drive(&self, mut state: hal::sync::SpinLockGuard<'_, State>) {
        let Some(wake_at) = state.wake_at() else { return };
        match state.driver {
            None => {
                state.driver = Some(wake_at);
                drop(state);
                task::spawn(drive(self.shared.clone()));
            }
            Some(planned) if wake_at < planned => {
                drop(state);
                self.shared.changed.notify();
            }
            // The driver looks before that deadline anyway.
            Some(_) => {}
        }
    }
}

/// Waits for deadlines and tells of expirations until the file is closed.
async fn drive(shared: Arc<Shared>) {
    loop {
        let (changed, clock) = (shared.changed.ticket(), REALTIME_SET.ticket());
        let (wake_at, tell, follows_clock) = {
            let mut state = shared.state.lock();
            if state.closed {
                return;
            }
            state.look();
            let wake_at = state.wake_at();
            state.driver = Some(wake_at.unwrap_or(u64::MAX));
            let tell = state.expiration == Expiration::Seen;
            if tell {
                state.expiration = Expiration::Told;
            }
            (wake_at, tell, state.on_realtime)
        };
        if tell {
            shared.queue.notify();
        }
        let mut deadline = wake_at.map(sleep_until);
        let mut change = pin!(shared.changed.wait(changed));
        let mut clock_set = pin!(REALTIME_SET.wait(clock));
        core::future::poll_fn(|context| {
            let slept = deadline
                .as_mut()
                .is_some_and(|sleep| pin!(sleep).poll(context).is_ready());
            if slept || change.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            if follows_clock && clock_set.as_mut().poll(context).is_ready() {
                shared.queue.notify();
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

impl File for TimerFd {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        Ok(Status::anonymous(self.inode, FileType::Anonymous, 0o600))
    }

    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        if sink.remaining() < 8 {
            return Err(Errno::INVAL.into());
        }
        let mut state = self.shared.state.lock();
        state.look();
        let read = if state.is_cancelled() {
            state.cancel_after = Some(REALTIME_SET.ticket());
            // As on Linux also those of an interval that would follow: who is told so sets the timer again.
            state.forget_expirations();
            Err(Errno::CANCELED.into())
        } else {
            state.read(sink)
        };
        self.drive(state);
        read
    }

    fn readiness(&self) -> Readiness {
        let mut state = self.shared.state.lock();
        state.look();
        if state.is_cancelled() || state.count > 0 {
            Readiness::IN
        } else {
            Readiness::empty()
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.shared.queue)
    }

    fn anonymous_name(&self) -> &'static str {
        "anon_inode:[timerfd]"
    }
}

impl Drop for TimerFd {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.changed.notify();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BytesSink;
    use std::sync::{Mutex, MutexGuard};
    use task::realtime_was_set;

    const SECOND: u64 = 1_000_000_000;

    /// The clock is one for all tests.
    fn alone() -> MutexGuard<'static, ()> {
        static LOCK: Mutex<()> = Mutex::new(());
        LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn read(file: &TimerFd) -> Result<u64> {
        let mut bytes = [0; 8];
        file.read(0, &mut BytesSink::new(&mut bytes))?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn setting(value: u64, interval: u64) -> IntervalTimer {
        IntervalTimer {
            interval: Timespec::from_nanoseconds(interval),
            value: Timespec::from_nanoseconds(value),
        }
    }

    fn pass(time: u64) {
        hal::time::advance(time);
        task::fire_expired(monotonic());
        while task::run_ready(64) {}
    }

    #[test]
    fn a_relative_timer_expires_once() {
        let _alone = alone();
        let timer = TimerFd::new(CLOCK_MONOTONIC).unwrap();
        timer.set(&setting(50 * SECOND, 0), false, false).unwrap();
        while task::run_ready(64) {}
        let ticket = timer.shared.queue.ticket();
        pass(40 * SECOND);
        assert!(matches!(read(&timer), Err(Error::WouldBlock)));
        assert!(timer.setting().value.seconds < 11);
        pass(20 * SECOND);
        assert_ne!(timer.shared.queue.ticket(), ticket, "who waits hears of the expiration");
        assert_eq!(timer.readiness(), Readiness::IN);
        assert_eq!(timer.setting().value, Timespec::default());
        assert_eq!(read(&timer).unwrap(), 1);
        assert!(matches!(read(&timer), Err(Error::WouldBlock)));
    }

    #[test]
    fn an_interval_counts_what_nobody_read_and_goes_on() {
        let _alone = alone();
        let timer = TimerFd::new(CLOCK_BOOTTIME).unwrap();
        let first = monotonic() + 10 * SECOND;
        timer.set(&setting(first, 100 * SECOND), true, false).unwrap();
        while task::run_ready(64) {}
        pass(350 * SECOND);
        assert_eq!(read(&timer).unwrap(), 4);
        let left = timer.setting().value.seconds;
        assert!((50..=60).contains(&left), "{left} s to the next");
        let ticket = timer.shared.queue.ticket();
        pass(70 * SECOND);
        assert_ne!(timer.shared.queue.ticket(), ticket);
        assert_eq!(read(&timer).unwrap(), 1);
    }

    #[test]
    fn an_earlier_deadline_replaces_a_later_one() {
        let _alone = alone();
        let timer = TimerFd::new(CLOCK_REALTIME).unwrap();
        timer.set(&setting(1000 * SECOND, 0), false, false).unwrap();
        while task::run_ready(64) {}
        let old = timer.set(&setting(10 * SECOND, 0), false, false).unwrap();
        assert!(old.value.seconds >= 998);
        while task::run_ready(64) {}
        let ticket = timer.shared.queue.ticket();
        pass(11 * SECOND);
        assert_ne!(timer.shared.queue.ticket(), ticket);
        assert_eq!(read(&timer).unwrap(), 1);
        timer.set(&setting(10 * SECOND, 0), false, false).unwrap();
        timer.set(&setting(0, 0), false, false).unwrap();
        pass(20 * SECOND);
        assert!(matches!(read(&timer), Err(Error::WouldBlock)));
    }

    #[test]
    fn setting_the_clock_cancels() {
        let _alone = alone();
        let timer = TimerFd::new(CLOCK_REALTIME).unwrap();
        timer.set(&setting(realtime() + 10 * SECOND, 0), true, true).unwrap();
        realtime_was_set();
        assert_eq!(timer.readiness(), Readiness::IN);
        assert!(matches!(read(&timer), Err(Error::Errno(Errno::CANCELED))));
        assert!(matches!(read(&timer), Err(Error::WouldBlock)));
    }

    /// Lets time pass on both clocks.
    fn pass_on_both(time: u64) {
        hal::time::set_realtime(realtime() + time);
        pass(time);
    }

    /// A timer that is to expire in ten seconds by the clock of the day; its driver waits for that.
    fn in_ten_seconds(interval: u64, cancel_on_set: bool) -> Arc<TimerFd> {
        let timer = TimerFd::new(CLOCK_REALTIME).unwrap();
        let setting = setting(realtime() + 10 * SECOND, interval);
        timer.set(&setting, true, cancel_on_set).unwrap();
        while task::run_ready(64) {}
        timer
    }

    fn set_clock_back(time: u64) {
        hal::time::set_realtime(realtime() - time);
        realtime_was_set();
        while task::run_ready(64) {}
    }

    #[test]
    fn an_expiration_stays_one_after_the_clock_went_back() {
        let _alone = alone();
        let timer = in_ten_seconds(0, false);
        pass_on_both(11 * SECOND);
        set_clock_back(11 * SECOND);
        assert_eq!(timer.readiness(), Readiness::IN);
        assert_eq!(timer.setting().value, Timespec::default());
        assert_eq!(read(&timer).unwrap(), 1);
        pass_on_both(11 * SECOND);
        assert!(matches!(read(&timer), Err(Error::WouldBlock)), "it expires once");
    }

    #[test]
    fn an_interval_comes_again_after_the_clock_went_back() {
        let _alone = alone();
        let timer = in_ten_seconds(100 * SECOND, false);
        for _ in 0..2 {
            let ticket = timer.shared.queue.ticket();
            pass_on_both(11 * SECOND);
            assert_ne!(timer.shared.queue.ticket(), ticket, "who waits hears of the expiration");
            set_clock_back(11 * SECOND);
            assert_eq!(timer.readiness(), Readiness::IN);
            assert!(matches!(read(&timer), Err(Error::WouldBlock)));
            assert_eq!(timer.readiness(), Readiness::empty());
        }
    }

    #[test]
    fn what_was_counted_is_read_after_the_clock_went_back() {
        let _alone = alone();
        let timer = in_ten_seconds(100 * SECOND, false);
        pass_on_both(250 * SECOND);
        let left = timer.setting().value.seconds;
        assert!((50..=60).contains(&left), "{left} s to the next");
        set_clock_back(250 * SECOND);
        assert_eq!(read(&timer).unwrap(), 3);
    }

    #[test]
    fn cancelling_takes_the_expirations_along() {
        let _alone = alone();
        let timer = in_ten_seconds(100 * SECOND, true);
        pass_on_both(11 * SECOND);
        realtime_was_set();
        assert!(matches!(read(&timer), Err(Error::Errno(Errno::CANCELED))));
        pass_on_both(1000 * SECOND);
        assert!(matches!(read(&timer), Err(Error::WouldBlock)), "nor does it go on");
    }

    #[test]
    fn the_driver_ends_with_the_file() {
        let _alone = alone();
        let timer = TimerFd::new(CLOCK_MONOTONIC).unwrap();
        timer.set(&setting(3600 * SECOND, 0), false, false).unwrap();
        while task::run_ready(64) {}
        let shared = Arc::downgrade(&timer.shared);
        drop(timer);
        while task::run_ready(64) {}
        assert!(shared.upgrade().is_none());
    }

    #[test]
    fn other_clocks_and_bad_times_are_refused() {
        assert_eq!(TimerFd::new(2).err(), Some(Errno::INVAL));
        let timer = TimerFd::new(CLOCK_MONOTONIC).unwrap();
        let bad = IntervalTimer {
            value: Timespec {
                seconds: 0,
                nanoseconds: -1,
            },
            ..IntervalTimer::default()
        };
        assert_eq!(timer.set(&bad, false, false).err(), Some(Errno::INVAL));
    }
}
