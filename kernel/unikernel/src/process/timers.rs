//! Timers that send signals: `setitimer(2)` and `timer_create(2)`.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Poll;

use abi::Errno;
use hal::sync::SpinLock;
use litemap::LiteMap;
use task::{Deadline, WaitQueue};

use super::{Limit, Process, Resource};
use crate::signal::{Info, Signal};

/// Timers that a process may have.
const LIMIT: usize = 4096;

/// Nanoseconds that a timer lets pass between two expirations that it sends: those in between count as overruns, so that no interval, however
/// short, keeps a CPU busy with it.
const SHORTEST_INTERVAL: u64 = 100_000;

/// What a timer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The time that passes. Absolute times are meant on the clock of the day, or on the monotonic one.
    Passing {
        /// On the clock of the day.
        realtime: bool,
    },
    /// The CPUs' time that the process uses.
    Process,
    /// The part of it in user mode.
    ProcessUser,
    /// The CPUs' time that one thread uses.
    Thread(i32),
}

impl Clock {
    /// What a process has used by it; `None` for time that passes.
    fn used(self, process: &Process) -> Option<u64> {
        match self {
            Self::Passing { .. } => None,
            Self::Process => {
                let (user, system) = process.cpu_times();
                Some(user + system)
            }
            Self::ProcessUser => Some(process.cpu_times().0),
            Self::Thread(tid) => {
                let (user, system) = process.thread(tid).map_or((0, 0), |thread| thread.cpu_time.get());
                Some(user + system)
            }
        }
    }

    /// Nanoseconds on it, monotonic where time passes.
    fn now(self, process: &Process) -> u64 {
        self.used(process).unwrap_or_else(hal::time::monotonic)
    }
}

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
    clock: Clock,
    notification: Notification,
    state: SpinLock<State>,
    changed: WaitQueue,
}

#[derive(Default)]
struct State {
    deadline: Option<u64>,
    /// Whether the deadline is one of the clock of the day, wherever that is set to, and not of [`Clock::now`].
    on_realtime: bool,
    interval: u64,
    /// Expirations that the last signal that was taken stands for, beyond the first.
    overruns: u32,
    /// Whether the task that waits for it runs.
    running: bool,
    deleted: bool,
}

impl State {
    /// How it is set, at a time of [`Clock::now`].
    fn setting(&self, now: u64) -> Setting {
        let now = if self.on_realtime { hal::time::realtime() } else { now };
        Setting {
            // A timer that is due and has not fired yet is still armed.
            value: self.deadline.map_or(0, |deadline| deadline.saturating_sub(now).max(1)),
            interval: self.interval,
        }
    }
}

/// The timers of a process.
pub struct Timers {
    all: SpinLock<LiteMap<u64, Arc<Timer>>>,
    /// Whether one counts CPU time and may be armed, or that time is limited.
    watches_cpu_time: AtomicBool,
}

/// The interval timers of `setitimer(2)`, kept under numbers beyond those that `timer_create` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Interval {
    /// `ITIMER_REAL`, which sends `SIGALRM`.
    Real = u64::MAX - 2,
    /// `ITIMER_VIRTUAL`, which sends `SIGVTALRM`.
    Virtual,
    /// `ITIMER_PROF`, which sends `SIGPROF`.
    Profile,
}

impl Interval {
    fn parts(self) -> (Clock, Signal) {
        match self {
            Self::Real => (Clock::Passing { realtime: false }, Signal::ALRM),
            Self::Virtual => (Clock::ProcessUser, Signal::VTALRM),
            Self::Profile => (Clock::Process, Signal::PROF),
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            all: SpinLock::default(),
            // The limit may have been there before the process.
            watches_cpu_time: AtomicBool::new(true),
        }
    }
}

impl Timers {
    /// A new timer's number. `notification` is given that number, which is the value that a signal carries by default.
    pub fn create(&self, clock: Clock, notification: impl FnOnce(u64) -> Notification) -> Result<u64, Errno> {
        let mut timers = self.all.lock();
        if timers.len() >= LIMIT {
            return Err(Errno::AGAIN);
        }
        let id = (0..=LIMIT as u64)
            .find(|id| !timers.contains_key(id))
            .ok_or(Errno::AGAIN)?;
        timers.insert(id, Timer::new(id, clock, notification(id)));
        Ok(id)
    }

    /// A timer that `create` made.
    pub fn get(&self, id: u64) -> Result<Arc<Timer>, Errno> {
        if id > LIMIT as u64 {
            return Err(Errno::INVAL);
        }
        self.all.lock().get(&id).cloned().ok_or(Errno::INVAL)
    }

    /// A signal was taken: that of a timer tells what `timer_getoverrun(2)` does from now on.
    pub fn note_taken(&self, info: &Info) {
        if let Some((id, overruns)) = info.of_timer()
            && let Ok(timer) = self.get(u64::from(id))
        {
            timer.state.lock().overruns = overruns;
        }
    }

    /// One of the process's interval timers.
    pub fn interval(&self, interval: Interval) -> Arc<Timer> {
        let (clock, signal) = interval.parts();
        let notification = Notification::Signal {
            signal,
            code: Info::KERNEL,
            value: 0,
            thread: None,
        };
        let id = interval as u64;
        let mut timers = self.all.lock();
        timers
            .entry(id)
            .or_insert_with(|| Timer::new(id, clock, notification))
            .clone()
    }

    /// Deletes a timer.
    pub fn delete(&self, id: u64) -> Result<(), Errno> {
        let timer = self.get(id)?;
        self.all.lock().remove(&id);
        timer.stop();
        Ok(())
    }

    /// Deletes the timers that do not survive `execve(2)`.
    pub fn clear(&self) {
        let mut created = Vec::new();
        self.all.lock().retain(|&id, timer| {
            let stays = id > LIMIT as u64;
            if !stays {
                created.push(timer.clone());
            }
            stays
        });
        for timer in created {
            timer.stop();
        }
    }

    /// Lets timers of CPU time expire that are due. Returns how much of it may pass until the next is, when there is one.
    fn count_cpu_time(&self, process: &Process) -> Option<u64> {
        let timers: Vec<_> = self.all.lock().values().cloned().collect();
        timers.iter().filter_map(|timer| timer.count(process)).min()
    }
}

impl Process {
    /// Does what follows from the CPU time that was used: timers expire, and the limit takes effect. Returns how much of it may pass until the
    /// next look, when there has to be one.
    pub fn count_cpu_time(&self) -> Option<u64> {
        let watches = &self.timers.watches_cpu_time;
        if !watches.load(Ordering::Acquire) {
            return None;
        }
        let count = || {
            let timers = self.timers.count_cpu_time(self);
            [timers, self.count_to_limit()].into_iter().flatten().min()
        };
        count().or_else(|| {
            watches.store(false, Ordering::SeqCst);
            // What was armed meanwhile counts.
            let left = count();
            if left.is_some() {
                watches.store(true, Ordering::SeqCst);
            }
            left
        })
    }

    /// Looks at the CPU time of the process from now on, whenever it goes to user mode.
    pub fn watch_cpu_time(&self) {
        self.timers.watches_cpu_time.store(true, Ordering::SeqCst);
        // Threads that are in user mode come back for it.
        for thread in self.threads() {
            thread.interrupt();
        }
    }

    /// Sends `SIGXCPU` for each second beyond the soft limit, and ends the process at the hard one (`getrlimit(2)`).
    fn count_to_limit(&self) -> Option<u64> {
        const SECOND: u64 = 1_000_000_000;
        let limit = self.limits.lock().get(Resource::Cpu);
        if limit.soft == Limit::INFINITY {
            return None;
        }
        let (user, system) = self.cpu_times();
        let seconds = (user + system) / SECOND;
        let signal = match () {
            () if seconds >= limit.hard => Some(Signal::KILL),
            () if seconds >= limit.soft.max(1) => Some(Signal::XCPU),
            () => None,
        };
        let mut soft = limit.soft;
        if let Some(signal) = signal {
            // As Linux: the next is due a second later.
            soft = seconds + 1;
            self.limits.lock().set_soft(Resource::Cpu, soft);
            let info = Info::kernel(signal);
            if signal == Signal::KILL {
                self.send_from_outside(signal, info);
            } else {
                self.send(signal, info);
            }
        }
        Some(
            soft.min(limit.hard)
                .saturating_mul(SECOND)
                .saturating_sub(user + system),
        )
    }
}

impl Drop for Timers {
    /// What waits for the timers of a process ends with it, however far away the next expiration is.
    fn drop(&mut self) {
        for timer in self.all.lock().values() {
            timer.stop();
        }
    }
}

impl Timer {
    fn new(id: u64, clock: Clock, notification: Notification) -> Arc<Self> {
        Arc::new(Self {
            id,
            clock,
            notification,
            state: SpinLock::new(State::default()),
            changed: WaitQueue::new(),
        })
    }

    fn stop(&self) {
        self.state.lock().deleted = true;
        self.changed.notify();
    }

    fn counts_cpu_time(&self) -> bool {
        !matches!(self.clock, Clock::Passing { .. })
    }

    /// How it is set now.
    pub fn get(&self, process: &Process) -> Setting {
        let now = self.clock.now(process);
        self.state.lock().setting(now)
    }

    /// Expirations that the last signal stands for, beyond the first.
    pub fn overruns(&self) -> u32 {
        self.state.lock().overruns
    }

    /// Arms it to expire after `new.value`, or at that time of its clock, or disarms it; returns how it was set.
    pub fn set(self: &Arc<Self>, process: &Arc<Process>, new: Setting, absolute: bool) -> Setting {
        let now = self.clock.now(process);
        let deadline = match new.value {
            0 => None,
            time if absolute => Some(time),
            duration => Some(now.saturating_add(duration)),
        };
        let (before, start) = {
            let mut state = self.state.lock();
            // What it was set to until this call: an expiration or another thread's call may have come just before.
            let before = state.setting(now);
            state.deadline = deadline;
            state.on_realtime = absolute && self.clock == Clock::Passing { realtime: true };
            state.interval = new.interval;
            state.overruns = 0;
            let start = deadline.is_some() && !state.running && !self.counts_cpu_time();
            state.running |= start;
            (before, start)
        };
        if self.counts_cpu_time() && deadline.is_some() {
            process.watch_cpu_time();
        }
        self.changed.notify();
        if start {
            task::spawn(self.clone().run(Arc::downgrade(process)));
        }
        before
    }

    async fn run(self: Arc<Self>, process: Weak<Process>) {
        let mut rested = 0;
        loop {
            let ticket = self.changed.ticket();
            let (deadline, interval) = {
                let mut state = self.state.lock();
                let Some(deadline) = state.deadline.filter(|_| !state.deleted) else {
                    state.running = false;
                    return;
                };
                let deadline = if state.on_realtime {
                    Deadline::Realtime(deadline)
                } else {
                    Deadline::Monotonic(deadline)
                };
                (deadline, state.interval)
            };
            let earliest = if (1..SHORTEST_INTERVAL).contains(&interval) {
                rested
            } else {
                0
            };
            let mut changed = pin!(self.changed.wait(ticket));
            let mut sleep = pin!(async {
                task::sleep_until(earliest).await;
                task::sleep_until(deadline).await;
            });
            let expired = poll_fn(|context| {
                if changed.as_mut().poll(context).is_ready() {
                    return Poll::Ready(false);
                }
                sleep.as_mut().poll(context).map(|()| true)
            })
            .await;
            if expired {
                let Some(process) = process.upgrade() else { return };
                let (Deadline::Monotonic(time) | Deadline::Realtime(time)) = deadline;
                self.expire(&process, time, deadline.now());
                rested = hal::time::monotonic() + SHORTEST_INTERVAL;
            }
        }
    }

    /// Expires when that is due by the CPU time that was used. Returns how much is left until it is the next time.
    fn count(&self, process: &Process) -> Option<u64> {
        let used = self.clock.used(process)?;
        let deadline = self.state.lock().deadline?;
        if deadline <= used {
            self.expire(process, deadline, used);
        }
        Some(self.state.lock().deadline?.saturating_sub(used))
    }

    fn expire(&self, process: &Process, deadline: u64, now: u64) {
        // Until the signal is sent: who stops the timer finds it pending, or it never comes.
        let mut state = self.state.lock();
        if state.deleted || state.deadline != Some(deadline) {
            return;
        }
        let mut missed = 0;
        state.deadline = match state.interval {
            0 => None,
            interval => {
                missed = now.saturating_sub(deadline) / interval;
                Some(deadline.saturating_add((missed + 1).saturating_mul(interval)))
            }
        };
        let missed = i32::try_from(missed).unwrap_or(i32::MAX).cast_unsigned();
        let Notification::Signal {
            signal,
            code,
            value,
            thread,
        } = self.notification
        else {
            return;
        };
        let info = match code {
            Info::TIMER => Info::timer(signal, self.id as u32, missed, value),
            code => Info::new(signal, code, &[]),
        };
        // One signal at a time: what waits to be taken counts the expirations meanwhile.
        let more = missed.saturating_add(1);
        match thread {
            None => {
                if !process.pending.add_overruns(self.id as u32, more) {
                    process.send(signal, info);
                }
            }
            Some(tid) => {
                if let Some(thread) = process.thread(tid)
                    && !thread.pending.add_overruns(self.id as u32, more)
                {
                    thread.send(signal, info);
                }
            }
        }
    }
}
