//! The requests of one controller: waiting, under way, late.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use super::request::Request;
use super::{Done, Driver, Outcome, Reason, Reset, TRIES, Unit, Verdict, patience};
use crate::interrupt::Handler;
use crate::mem::Frame;
use crate::sync::SpinLock;
use crate::{console, time};

/// Messages of a channel after which only every 2^n-th is shown.
const MESSAGES: u32 = 8;

/// A controller and the requests of its disks.
pub(crate) struct Channel {
    name: String,
    driver: Box<dyn Driver>,
    state: SpinLock<State>,
    messages: AtomicU32,
}

struct State {
    waiting: VecDeque<Request>,
    /// By tag.
    running: Box<[Slot]>,
    free: Vec<u16>,
    health: Health,
}

enum Slot {
    Free,
    /// Under way, late from the given time on.
    Running(Request, u64),
    /// Nobody waits for it any more, but the device may still write to its pages.
    Lost(#[expect(dead_code, reason = "held, not looked at")] Vec<Frame>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Working,
    /// In a reset, which goes on at the given time.
    Resetting(u64),
    Gone,
}

/// Requests that have ended, for when no lock is held.
type Ended = Vec<(Request, bool)>;

impl Channel {
    /// A channel in front of a driver; `name` is for messages.
    pub(crate) fn new(name: String, driver: Box<dyn Driver>) -> Arc<Self> {
        let depth = driver.depth();
        Arc::new(Self {
            name,
            driver,
            state: SpinLock::new(State {
                waiting: VecDeque::new(),
                running: (0..depth).map(|_| Slot::Free).collect(),
                free: (0..depth).rev().collect(),
                health: Health::Working,
            }),
            messages: AtomicU32::new(0),
        })
    }

    pub(super) fn read(&self, unit: &Arc<Unit>, offset: u64, frames: &[Frame], done: Done) {
        let most = self.driver.most_frames().max(1);
        let pieces = Request::pieces(unit, offset, frames, most, done);
        let mut state = self.state.lock();
        if state.health == Health::Gone {
            drop(state);
            return pieces.for_each(|request| request.finish(false));
        }
        state.waiting.extend(pieces);
        state.fill(&*self.driver);
        drop(state);
        self.driver.ring();
    }

    /// Takes what the device has done: its interrupt came, or somebody looks without one.
    pub(crate) fn serve(&self) {
        // A device that works says so by what it has done; another is asked, which takes longer.
        let mut suspicious = true;
        while let Some((tag, outcome)) = self.driver.collect() {
            suspicious = outcome != Outcome::Done;
            let mut state = self.state.lock();
            let mut ended = Ended::new();
            if let Some(request) = state.take(tag) {
                self.end(&mut state, request, outcome, &mut ended);
            }
            let started = state.fill(&*self.driver);
            drop(state);
            if started {
                self.driver.ring();
            }
            finish(ended);
        }
        if suspicious && self.driver.has_failed() {
            self.begin_reset("has failed");
        }
    }

    /// Ends a request, or lets it be sent again.
    fn end(&self, state: &mut State, request: Request, outcome: Outcome, ended: &mut Ended) {
        match outcome {
            Outcome::Done => ended.push((request, true)),
            Outcome::Retry(_) if request.tries < TRIES => state.waiting.push_front(request),
            Outcome::Retry(reason) | Outcome::Failed(reason) => {
                self.report_failure(&request, reason);
                ended.push((request, false));
            }
        }
    }

    fn report_failure(&self, request: &Request, reason: Reason) {
        let (name, length, offset) = (&request.unit.name, request.length, request.offset);
        self.say(format_args!(
            "disk {name} cannot read {length} bytes from byte {offset} on: {reason}"
        ));
    }

    /// See [`super::Disk::watch`].
    pub(super) fn watch(&self) -> Option<u64> {
        self.serve();
        let now = time::monotonic();
        let health = self.state.lock().health;
        match health {
            Health::Resetting(next) if next <= now => self.reset(false),
            Health::Working => self.look_for_late(now),
            _ => {}
        }
        self.state.lock().next_look()
    }

    fn look_for_late(&self, now: u64) {
        let mut ended = Ended::new();
        let mut broken = false;
        let mut state = self.state.lock();
        for tag in 0..state.running.len() as u16 {
            if !matches!(&state.running[usize::from(tag)], Slot::Running(_, late) if *late <= now) {
                continue;
            }
            let verdict = if broken {
                Verdict::TryAgain
            } else {
                self.driver.late(tag)
            };
            broken |= verdict == Verdict::Reset;
            let Slot::Running(request, late) = &mut state.running[usize::from(tag)] else {
                continue;
            };
            self.report_late(request, now);
            let is_over = now >= request.deadline || (verdict != Verdict::Wait && request.tries >= TRIES);
            if verdict == Verdict::Wait && !is_over {
                *late = request.deadline.min(now + patience());
                continue;
            }
            match state.lose(tag) {
                Some(request) if is_over => ended.push((request, false)),
                other => other.into_iter().for_each(|request| state.waiting.push_front(request)),
            }
        }
        for (request, _) in &ended {
            self.report_failure(request, Reason("no answer", u32::from(request.tries)));
        }
        // Those that found no room because everything under way is lost.
        while let Some(at) = state.waiting.iter().position(|request| request.deadline <= now) {
            if let Some(request) = state.waiting.remove(at) {
                self.report_failure(&request, Reason("no room to ask", u32::from(request.tries)));
                ended.push((request, false));
            }
        }
        let started = !broken && state.fill(&*self.driver);
        drop(state);
        if broken {
            self.begin_reset("does not answer");
        } else if started {
            self.driver.ring();
        }
        finish(ended);
    }

    fn report_late(&self, request: &Request, now: u64) {
        self.say(format_args!(
            "disk {} has not answered a read at byte {} for {} s",
            request.unit.name,
            request.offset,
            (now - request.asked) / 1_000_000_000
        ));
    }

    fn begin_reset(&self, why: &str) {
        let mut state = self.state.lock();
        if state.health != Health::Working {
            return;
        }
        state.health = Health::Resetting(0);
        drop(state);
        self.say(format_args!("disk controller {} {why}; resetting it", self.name));
        self.reset(true);
        super::call_attention();
    }

    fn reset(&self, first: bool) {
        let result = self.driver.reset(first);
        let mut ended = Ended::new();
        let mut state = self.state.lock();
        match result {
            Reset::Continue(next) => state.health = Health::Resetting(next),
            Reset::Done => {
                state.health = Health::Working;
                for tag in 0..state.running.len() as u16 {
                    if let Some(request) = state.take(tag) {
                        self.end(&mut state, request, Outcome::Retry(Reason("reset", 0)), &mut ended);
                    }
                }
                state.fill(&*self.driver);
                drop(state);
                self.driver.ring();
            }
            Reset::Failed => {
                state.health = Health::Gone;
                let waiting = core::mem::take(&mut state.waiting);
                ended.extend(waiting.into_iter().map(|request| (request, false)));
                for tag in 0..state.running.len() as u16 {
                    ended.extend(state.lose(tag).map(|request| (request, false)));
                }
                drop(state);
                self.say(format_args!(
                    "disk controller {} cannot be made to work again: what is not in memory is lost",
                    self.name
                ));
            }
        }
        finish(ended);
    }

    fn say(&self, text: core::fmt::Arguments<'_>) {
        let count = self.messages.fetch_add(1, Ordering::Relaxed) + 1;
        if count <= MESSAGES || count.is_power_of_two() {
            console::write_line(text);
        }
    }
}

/// Ends requests with no lock held: whoever waits for them may ask for more at once.
fn finish(ended: Ended) {
    for (request, succeeded) in ended {
        request.finish(succeeded);
    }
}

impl State {
    /// Prepares waiting requests while there is room; whether there were any.
    fn fill(&mut self, driver: &dyn Driver) -> bool {
        let mut started = false;
        while self.health == Health::Working
            && let Some(request) = self.waiting.front_mut()
            && let Some(&tag) = self.free.last()
        {
            if !driver.start(tag, &request.read()) {
                break;
            }
            started = true;
            request.tries += 1;
            self.free.pop();
            if let Some(request) = self.waiting.pop_front() {
                self.running[usize::from(tag)] = Slot::Running(request, time::monotonic() + patience());
            }
        }
        started
    }

    /// The device has returned a tag: what was under way with it, when somebody waits for it.
    fn take(&mut self, tag: u16) -> Option<Request> {
        let slot = core::mem::replace(self.running.get_mut(usize::from(tag))?, Slot::Free);
        if !matches!(slot, Slot::Free) {
            self.free.push(tag);
        }
        match slot {
            Slot::Running(request, _) => Some(request),
            Slot::Lost(_) | Slot::Free => None,
        }
    }

    /// Gives a request up, while the device still has it.
    fn lose(&mut self, tag: u16) -> Option<Request> {
        let slot = self.running.get_mut(usize::from(tag))?;
        match core::mem::replace(slot, Slot::Free) {
            Slot::Running(request, _) => {
                *slot = Slot::Lost(request.frames.clone());
                Some(request)
            }
            other => {
                *slot = other;
                None
            }
        }
    }

    fn next_look(&self) -> Option<u64> {
        let running = self.running.iter().filter_map(|slot| match slot {
            Slot::Running(_, late) => Some(*late),
            _ => None,
        });
        let waiting = self.waiting.iter().map(|request| request.deadline);
        let reset = match self.health {
            Health::Resetting(next) => Some(next),
            _ => None,
        };
        running.chain(waiting).chain(reset).min()
    }
}

/// Where the handler of a driver's interrupt finds the channel, once that exists.
#[derive(Clone, Default)]
pub(crate) struct Place(Arc<SpinLock<Option<Arc<Channel>>>>);

impl Place {
    /// A handler that serves the channel.
    pub(crate) fn handler(&self) -> Handler {
        let place = self.clone();
        Arc::new(move || {
            let channel = place.0.lock().clone();
            if let Some(channel) = channel {
                channel.serve();
            }
        })
    }

    /// Puts the channel in.
    pub(crate) fn put(&self, channel: &Arc<Channel>) {
        *self.0.lock() = Some(channel.clone());
    }
}
