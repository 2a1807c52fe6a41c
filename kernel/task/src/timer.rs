//! Timers, ordered by deadline. Whoever drives the machine's timer looks at [`next_deadline`] and calls [`fire_expired`].

use alloc::collections::BTreeMap;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};

use hal::sync::SpinLock;
use hal::time::{monotonic, realtime};

use crate::WaitQueue;

/// Pending timers by (deadline, number): the number tells timers of one deadline apart.
static TIMERS: SpinLock<BTreeMap<(u64, u64), Waker>> = SpinLock::new(BTreeMap::new());
/// The earliest deadline, so that a look costs no lock.
static EARLIEST: AtomicU64 = AtomicU64::new(u64::MAX);
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);
/// Notified when the clock of the day was set.
pub static REALTIME_SET: WaitQueue = WaitQueue::new();

/// A moment to wait for, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// On `hal::time::monotonic`.
    Monotonic(u64),
    /// On `hal::time::realtime`, wherever that is set to meanwhile.
    Realtime(u64),
}

impl From<u64> for Deadline {
    /// On the monotonic clock.
    fn from(time: u64) -> Self {
        Self::Monotonic(time)
    }
}

impl Deadline {
    /// What its clock shows.
    pub fn now(self) -> u64 {
        match self {
            Self::Monotonic(_) => monotonic(),
            Self::Realtime(_) => realtime(),
        }
    }

    /// How long it is until then, as far as is known now.
    pub fn left(self) -> u64 {
        let (Self::Monotonic(time) | Self::Realtime(time)) = self;
        time.saturating_sub(self.now())
    }

    /// The same moment on the monotonic clock, as far as is known now.
    fn on_monotonic(self) -> u64 {
        match self {
            Self::Monotonic(time) => time,
            Self::Realtime(_) => monotonic().saturating_add(self.left()),
        }
    }
}

/// The deadline that comes first, in nanoseconds of `hal::time::monotonic`.
pub fn next_deadline() -> Option<u64> {
    Some(EARLIEST.load(Ordering::Acquire)).filter(|&deadline| deadline != u64::MAX)
}

/// Wakes every task whose deadline is not after `now`.
pub fn fire_expired(now: u64) {
    while EARLIEST.load(Ordering::Acquire) <= now {
        let expired = {
            let mut timers = TIMERS.lock();
            let expired = timers
                .first_entry()
                .filter(|entry| entry.key().0 <= now)
                .map(alloc::collections::btree_map::OccupiedEntry::remove);
            publish_earliest(&timers);
            expired
        };
        match expired {
            Some(waker) => waker.wake(),
            None => return,
        }
    }
}

/// Lets all who sleep look at the clocks again, after the clock of the day was set.
pub fn realtime_was_set() {
    let timers = {
        let mut timers = TIMERS.lock();
        let all = core::mem::take(&mut *timers);
        publish_earliest(&timers);
        all
    };
    timers.into_values().for_each(Waker::wake);
    REALTIME_SET.notify();
}

/// Ends at a moment; a number is one of `hal::time::monotonic`.
pub fn sleep_until(deadline: impl Into<Deadline>) -> Sleep {
    Sleep {
        deadline: deadline.into(),
        key: None,
    }
}

/// What [`sleep_until`] returns. Dropping it takes the timer back.
#[derive(Debug)]
pub struct Sleep {
    deadline: Deadline,
    key: Option<(u64, u64)>,
}

/// What a future gives, or `None` when it has given nothing until a time of `hal::time::monotonic`, in nanoseconds. `None` for no time waits for ever.
pub async fn until<T>(deadline: Option<u64>, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut sleep = pin!(deadline.map(sleep_until));
    poll_fn(|context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        match sleep.as_mut().as_pin_mut().map(|sleep| sleep.poll(context)) {
            Some(Poll::Ready(())) => Poll::Ready(None),
            _ => Poll::Pending,
        }
    })
    .await
}

fn publish_earliest(timers: &BTreeMap<(u64, u64), Waker>) {
    EARLIEST.store(
        timers.first_key_value().map_or(u64::MAX, |(key, _)| key.0),
        Ordering::Release,
    );
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.deadline.left() == 0 {
            return Poll::Ready(());
        }
        let old = self.key;
        let number = old.map_or_else(|| NEXT_NUMBER.fetch_add(1, Ordering::Relaxed), |(_, number)| number);
        let mut timers = TIMERS.lock();
        // Under the lock: who sets the clock after this finds the timer there.
        let key = (self.deadline.on_monotonic(), number);
        if let Some(old) = old.filter(|&old| old != key) {
            timers.remove(&old);
        }
        self.key = Some(key);
        timers.insert(key, context.waker().clone());
        publish_earliest(&timers);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let mut timers = TIMERS.lock();
            timers.remove(&key);
            publish_earliest(&timers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{run_ready, spawn};

    #[test]
    fn a_sleep_ends_at_its_deadline_and_not_before() {
        let deadline = hal::time::monotonic() + 3_600_000_000_000;
        let ended = crate::Completion::new();
        let end = ended.clone();
        spawn(async move {
            sleep_until(deadline).await;
            end.complete();
        });
        while run_ready(16) {}
        fire_expired(deadline - 1);
        while run_ready(16) {}
        assert!(!ended.is_complete());
        hal::time::advance(3_600_000_000_000);
        fire_expired(hal::time::monotonic());
        while run_ready(16) {}
        assert!(ended.is_complete());
    }

    #[test]
    fn a_sleep_to_a_time_of_day_follows_the_clock_when_it_is_set() {
        const MINUTE: u64 = 60_000_000_000;
        let set = |time| {
            hal::time::set_realtime(time);
            realtime_was_set();
            while run_ready(16) {}
        };
        let deadline = realtime() + 5 * MINUTE;
        let ended = crate::Completion::new();
        let end = ended.clone();
        spawn(async move {
            sleep_until(Deadline::Realtime(deadline)).await;
            end.complete();
        });
        while run_ready(16) {}
        set(deadline - 60 * MINUTE);
        fire_expired(monotonic() + 6 * MINUTE);
        while run_ready(16) {}
        assert!(!ended.is_complete());
        set(deadline);
        assert!(ended.is_complete());
    }

    #[test]
    fn a_future_that_is_not_ready_in_time_gives_nothing() {
        let mut context = Context::from_waker(Waker::noop());
        let past = Some(hal::time::monotonic());
        let ready = pin!(until(past, async { 7 })).poll(&mut context);
        assert_eq!(ready, Poll::Ready(Some(7)));
        let late = pin!(until(past, core::future::pending::<()>())).poll(&mut context);
        assert_eq!(late, Poll::Ready(None));
        let endless = pin!(until(None, core::future::pending::<()>())).poll(&mut context);
        assert!(endless.is_pending());
    }

    #[test]
    fn a_dropped_sleep_leaves_no_timer() {
        let mut sleep = alloc::boxed::Box::pin(sleep_until(u64::MAX - 1));
        let mut context = Context::from_waker(Waker::noop());
        assert!(sleep.as_mut().poll(&mut context).is_pending());
        let key = sleep.key.expect("a polled sleep has a timer");
        drop(sleep);
        assert!(!TIMERS.lock().contains_key(&key));
    }
}
