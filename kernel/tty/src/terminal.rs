//! A terminal: what programs have open, whatever stands at its other end.

use abi::general::{SIGTTIN, SIGTTOU, SIGWINCH, TOSTOP, VMIN};
use abi::{Errno, OpenFlags, WindowSize};
use alloc::sync::Arc;
use file::{Error, File, Readiness, Result, Sink, Source};
use hal::sync::SpinLock;
use task::WaitQueue;

use crate::Jobs;
use crate::slave::Slave;
use crate::state::State;

/// Bytes that are written at once.
const CHUNK: usize = 256;

/// A serial line at the other end of a terminal.
pub trait Line: Send + Sync {
    /// The next byte that came in.
    fn receive(&self) -> Option<u8>;

    /// Bytes that it takes now. When there is room after there was none, [`Terminal::drained`] is to be called.
    fn room(&self) -> usize;

    /// Sends bytes, not more than there is room for.
    fn send(&self, bytes: &[u8]);
}

/// A terminal.
pub struct Terminal {
    /// Its device number.
    number: u64,
    /// What is at the other end; `None` for the master of a pseudo-terminal.
    pub(crate) line: Option<&'static dyn Line>,
    pub(crate) jobs: &'static dyn Jobs,
    pub(crate) state: SpinLock<State>,
    /// Notified when there may be something to read, or room to write, on this side.
    pub(crate) slaves: WaitQueue,
    /// The same on the master's side.
    pub(crate) master: WaitQueue,
}

/// How a read goes on that does not find all that it waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It waits.
    Waits,
    /// It must not.
    None,
    /// It has waited long enough.
    Spent,
}

impl Terminal {
    /// A terminal on a serial line.
    pub fn on_line(number: u64, line: &'static dyn Line, size: WindowSize, jobs: &'static dyn Jobs) -> Arc<Self> {
        let mut state = State::default();
        state.size = size;
        Self::with(number, Some(line), state, jobs)
    }

    pub(crate) fn with(
        number: u64,
        line: Option<&'static dyn Line>,
        mut state: State,
        jobs: &'static dyn Jobs,
    ) -> Arc<Self> {
        const SPEED: u32 = 38400;
        state.speeds = [SPEED; 2];
        Arc::new(Self {
            number,
            line,
            jobs,
            state: SpinLock::new(state),
            slaves: WaitQueue::new(),
            master: WaitQueue::new(),
        })
    }

    /// Its device number (`st_rdev`).
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Opens it. A session leader without a terminal gets it as its own, unless `O_NOCTTY` says otherwise.
    pub fn open(self: &Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn File>> {
        let administers = self.jobs.caller().is_none_or(|caller| caller.administers);
        {
            let mut state = self.state.lock();
            if state.hung_up || state.locked {
                return Err(Errno::IO.into());
            }
            if state.exclusive && state.open > 0 && !administers {
                return Err(Errno::BUSY.into());
            }
            state.open += 1;
            state.deserted = false;
        }
        if !flags.contains(OpenFlags::NOCTTY) {
            self.opened(flags.reads());
        }
        Ok(Arc::new(Slave::new(self, flags.reads())))
    }

    pub(crate) fn closed(&self) {
        let deserted = {
            let mut state = self.state.lock();
            state.open -= 1;
            state.deserted = state.open == 0;
            if state.deserted {
                state.exclusive = false;
            }
            state.deserted
        };
        if deserted {
            self.master.notify();
        }
    }

    /// Takes in what was typed: to be called when bytes came in on the line.
    pub fn collect(&self) {
        let (signals, foreground) = {
            let mut state = self.state.lock();
            match state.feed(self.line) {
                Some(signals) => (signals, state.foreground),
                // Who waits would look again for nothing, and look here.
                None => return,
            }
        };
        for signal in signals {
            self.jobs.signal(foreground, signal);
        }
        self.slaves.notify();
        self.master.notify();
    }

    /// The line takes bytes again.
    pub fn drained(&self) {
        self.state.lock().send(self.line);
        self.slaves.notify();
    }

    /// Changes the window's size, which is told to the process group in the foreground.
    pub fn resize(&self, size: WindowSize) {
        let foreground = {
            let mut state = self.state.lock();
            if core::mem::replace(&mut state.size, size) == size {
                return;
            }
            state.foreground
        };
        self.jobs.signal(foreground, SIGWINCH);
    }

    /// Reads what was typed.
    pub(crate) fn read(self: &Arc<Self>, sink: &mut dyn Sink, patience: Patience) -> Result<usize> {
        self.check_foreground(SIGTTIN)?;
        if self.line.is_some() {
            self.collect();
        }
        let wanted = sink.remaining();
        let mut state = self.state.lock();
        if state.hung_up || wanted == 0 {
            return Ok(0);
        }
        if !state.discipline.satisfies(wanted) {
            self.check_patience(&state, patience)?;
        }
        let count = state.discipline.read(|bytes| sink.write(bytes))?;
        drop(state);
        // There may be room for what waits.
        self.collect();
        Ok(count)
    }

    /// Whether a read has to be content with less than it waits for.
    fn check_patience(self: &Arc<Self>, state: &State, patience: Patience) -> Result<()> {
        let discipline = &state.discipline;
        if discipline.is_canonical() {
            return Err(Error::WouldBlock);
        }
        let available = discipline.readable();
        let time = discipline.patience();
        if patience == Patience::Spent || patience == Patience::None && available > 0 {
            return Ok(());
        }
        if discipline.character(VMIN) > 0
            && available > 0
            && let Some(time) = time
        {
            let deadline = state.heard.saturating_add(time);
            if hal::time::monotonic() >= deadline {
                return Ok(());
            }
            let terminal = self.clone();
            task::spawn(async move {
                task::sleep_until(deadline).await;
                terminal.slaves.notify();
            });
        }
        Err(Error::WouldBlock)
    }

    /// How long a read waits for a first byte, in nanoseconds; `None` without a limit.
    pub(crate) fn read_limit(&self) -> Option<u64> {
        let state = self.state.lock();
        let time = state.discipline.patience()?;
        (state.discipline.character(VMIN) == 0).then_some(time)
    }

    /// Takes what a program writes.
    pub(crate) fn write(&self, source: &mut dyn Source) -> Result<usize> {
        let stops = self.state.lock().discipline.local(TOSTOP);
        if stops {
            self.check_foreground(SIGTTOU)?;
        }
        let mut done = 0;
        let mut state = self.state.lock();
        if state.hung_up {
            return Err(Errno::IO.into());
        }
        let mut chunk = [0; CHUNK];
        while source.remaining() > 0 {
            let room = state.room().min(CHUNK);
            if room == 0 && done == 0 {
                return Err(Error::WouldBlock);
            }
            match source.read(&mut chunk[..room]) {
                Ok(0) => break,
                Ok(count) => {
                    state.write(&chunk[..count]);
                    state.send(self.line);
                    done += count;
                }
                Err(fault) if done == 0 => return Err(fault.into()),
                Err(_) => break,
            }
        }
        drop(state);
        self.master.notify();
        Ok(done)
    }

    /// What this side is ready for.
    pub(crate) fn readiness(&self) -> Readiness {
        const READABLE: Readiness = Readiness::IN.union(Readiness::RDNORM);
        const WRITABLE: Readiness = Readiness::OUT.union(Readiness::WRNORM);
        if self.line.is_some() {
            self.collect();
        }
        let state = self.state.lock();
        if state.hung_up {
            return READABLE | WRITABLE | Readiness::ERR | Readiness::HUP;
        }
        let mut ready = Readiness::empty();
        ready.set(READABLE, state.discipline.is_readable());
        ready.set(WRITABLE, state.room() > 0);
        ready
    }

    /// Does something with the state that may let bytes go on in either direction.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = {
            let mut state = self.state.lock();
            let result = change(&mut state);
            state.send(self.line);
            result
        };
        self.collect();
        self.slaves.notify();
        self.master.notify();
        result
    }
}
