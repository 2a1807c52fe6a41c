//! Timers that send signals: `setitimer(2)` and `timer_create(2)`.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use abi::Errno;
use hal::sync::SpinLock;
use task::WaitQueue;

use super::Process;
use crate::signal::{Info, Signal};

/// Timers that a process may have.
const LIMIT: usize = 4096;

/// What happens when a timer expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notification {
    /// Nothing: the timer is only read.
    None,
    /// A signal for the process, or for one thread.
    Signal {
        /// Which.
        signal: Signal,
        /// Where it comes from (`si_code`).
        code: i32,
        /// What it carries (`si_value`).
        value: u64,
        /// The thread, or `None` for the process.
        thread: Option<i32>,
    },
}

/// Times in nanoseconds: until the next expiration (0 when it is not armed) and between expirations (0 for a timer that expires once).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Until the next expiration.
    pub value: u64,
    /// Between expirations.
    pub interval: u64,
}

/// A timer.
pub struct Timer {
    id: u64,
    /// Whether absolute times are meant on the real-time clock.
    pub realtime: bool,
    notification: Notification,
    state: SpinLock<State>,
    changed: WaitQueue,
}

#[derive(Default)]
struct State {
    deadline: Option<u64>,
    interval: u64,
    /// Expirations that the last signal stands for, beyond the first.
    overruns: u32,
    /// Whether the task that waits for it runs.
    running: bool,
    deleted: bool,
}

/// The timers of a process.
#[derive(Default)]
pub struct Timers(SpinLock<BTreeMap<u64, Arc<Timer>>>);

/// The number under which the interval timer of `setitimer(ITIMER_REAL)` is kept, beyond those that `timer_create` gives.
const REAL_INTERVAL: u64 = u64::MAX;

impl Timers {
    /// A new timer's number. `notification` is given that number, which is the value that a signal carries by default.
    pub fn create(&self, realtime: bool, notification: impl FnOnce(u64) -> Notification) -> Result<u64, Errno> {
        let mut timers = self.0.lock();
        if timers.len() >= LIMIT {
            return Err(Errno::AGAIN);
        }
        let id = (0..=LIMIT as u64)
            .find(|id| !timers.contains_key(id))
            .ok_or(Errno::AGAIN)?;
        timers.insert(id, Timer::new(id, realtime, notification(id)));
        Ok(id)
    }

    /// A timer that `create` made.
    pub fn get(&self, id: u64) -> Result<Arc<Timer>, Errno> {
        if id == REAL_INTERVAL {
            return Err(Errno::INVAL);
        }
        self.0.lock().get(&id).cloned().ok_or(Errno::INVAL)
    }

    /// The process's interval timer in real time, which sends `SIGALRM`.
    pub fn real_interval(&self) -> Arc<Timer> {
        let notification = Notification::Signal {
            signal: Signal::ALRM,
            code: Info::KERNEL,
            value: 0,
            thread: None,
        };
        let mut timers = self.0.lock();
        timers
            .entry(REAL_INTERVAL)
            .or_insert_with(|| Timer::new(REAL_INTERVAL, false, notification))
            .clone()
    }

    /// Deletes a timer.
    pub fn delete(&self, id: u64) -> Result<(), Errno> {
        let timer = self.get(id)?;
        self.0.lock().remove(&id);
        timer.stop();
        Ok(())
    }

    /// Deletes the timers that do not survive `execve(2)`.
    pub fn clear(&self) {
        let mut all = core::mem::take(&mut *self.0.lock());
        if let Some(real) = all.remove(&REAL_INTERVAL) {
            self.0.lock().insert(REAL_INTERVAL, real);
        }
        for timer in all.values() {
            timer.stop();
        }
    }
}

impl Timer {
    fn new(id: u64, realtime: bool, notification: Notification) -> Arc<Self> {
        Arc::new(Self {
            id,
            realtime,
            notification,
            state: SpinLock::new(State::default()),
            changed: WaitQueue::new(),
        })
    }

    fn stop(&self) {
        self.state.lock().deleted = true;
        self.changed.notify();
    }

    /// How it is set now.
    pub fn get(&self) -> Setting {
        let state = self.state.lock();
        let now = hal::time::monotonic();
        Setting {
            // A timer that is due and has not fired yet is still armed.
            value: state.deadline.map_or(0, |deadline| deadline.saturating_sub(now).max(1)),
            interval: state.interval,
        }
    }

    /// Expirations that the last signal stands for, beyond the first.
    pub fn overruns(&self) -> u32 {
        self.state.lock().overruns
    }

    /// Arms it for a deadline on the monotonic clock, or disarms it; returns how it was set.
    pub fn set(self: &Arc<Self>, process: &Arc<Process>, deadline: Option<u64>, interval: u64) -> Setting {
        let before = self.get();
        let start = {
            let mut state = self.state.lock();
            state.deadline = deadline;
            state.interval = interval;
            state.overruns = 0;
            let start = deadline.is_some() && !state.running;
            state.running |= start;
            start
        };
        self.changed.notify();
        if start {
            task::spawn(self.clone().run(Arc::downgrade(process)));
        }
        before
    }

    async fn run(self: Arc<Self>, process: Weak<Process>) {
        loop {
            let ticket = self.changed.ticket();
            let deadline = {
                let mut state = self.state.lock();
                if state.deleted || state.deadline.is_none() {
                    state.running = false;
                    return;
                }
                state.deadline.unwrap_or(u64::MAX)
            };
            let mut changed = pin!(self.changed.wait(ticket));
            let mut sleep = pin!(task::sleep_until(deadline));
            let expired = poll_fn(|context| {
                if changed.as_mut().poll(context).is_ready() {
                    return Poll::Ready(false);
                }
                sleep.as_mut().poll(context).map(|()| true)
            })
            .await;
            if expired {
                let Some(process) = process.upgrade() else { return };
                self.expire(&process, deadline);
            }
        }
    }

    fn expire(&self, process: &Process, deadline: u64) {
        let overruns = {
            let mut state = self.state.lock();
            if state.deleted || state.deadline != Some(deadline) {
                return;
            }
            let mut missed = 0;
            state.deadline = match state.interval {
                0 => None,
                interval => {
                    missed = (hal::time::monotonic() - deadline) / interval;
                    Some(deadline + (missed + 1) * interval)
                }
            };
            state.overruns = u32::try_from(missed).unwrap_or(u32::MAX);
            state.overruns
        };
        let Notification::Signal {
            signal,
            code,
            value,
            thread,
        } = self.notification
        else {
            return;
        };
        let info = Info::new(
            signal,
            code,
            &[u64::from(self.id as u32) | u64::from(overruns) << 32, value],
        );
        match thread {
            None => {
                process.send(signal, info);
            }
            Some(tid) => {
                if let Some(thread) = process.thread(tid) {
                    thread.send(signal, info);
                }
            }
        }
    }
}
