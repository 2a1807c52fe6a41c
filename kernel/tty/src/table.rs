//! The pseudo-terminals that there are.

use abi::{Errno, OpenFlags};
use alloc::sync::Arc;
use alloc::vec::Vec;
use file::{File, Result};
use hal::sync::SpinLock;

use crate::master::Master;
use crate::state::State;
use crate::{Jobs, Terminal};

/// The first terminal of `/dev/pts`.
const PTS: u64 = 136 << 8;
/// Pseudo-terminals that there may be (`kernel.pty.max`).
const LIMIT: usize = 4096;

/// The pseudo-terminals of the machine, by their numbers in `/dev/pts`.
pub struct Terminals {
    pub(crate) jobs: &'static dyn Jobs,
    /// By their numbers, with gaps; the last is none.
    pairs: SpinLock<Vec<Option<Arc<Pair>>>>,
}

/// A pseudo-terminal and the attributes of its file.
pub(crate) struct Pair {
    pub(crate) index: u32,
    pub(crate) terminal: Arc<Terminal>,
    pub(crate) attributes: SpinLock<Attributes>,
}

/// Attributes of a file.
#[derive(Clone, Copy)]
pub(crate) struct Attributes {
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) permissions: u16,
    /// Times of access, of change of the content and of the attributes, as of when it was made or changed by hand.
    pub(crate) times: [u64; 3],
}

impl Terminals {
    /// None yet.
    pub fn new(jobs: &'static dyn Jobs) -> Arc<Self> {
        Arc::new(Self {
            jobs,
            pairs: SpinLock::new(Vec::new()),
        })
    }

    /// Opens the controlling terminal of the caller (`/dev/tty`).
    pub(crate) fn open_own(&self, flags: OpenFlags) -> Result<Arc<dyn File>> {
        crate::slave::open_own(self.jobs, flags)
    }

    /// Makes a pseudo-terminal and opens its master (`/dev/ptmx`). `ENOSPC` when there are too many.
    pub(crate) fn open_master(self: &Arc<Self>) -> Result<Arc<dyn File>> {
        /// The group of terminals on every distribution, and the mode that lets it write to them, as container engines mount `/dev/pts`.
        const GROUP: u32 = 5;
        const PERMISSIONS: u16 = 0o620;
        let user = self.jobs.caller().map_or(0, |caller| caller.user);
        let mut pairs = self.pairs.lock();
        let index = pairs.iter().position(Option::is_none).unwrap_or(pairs.len());
        if index == LIMIT {
            return Err(Errno::NOSPC.into());
        }
        if index == pairs.len() {
            pairs.push(None);
        }
        let mut state = State::default();
        state.locked = true;
        let number = PTS | index as u64 & 0xff | (index as u64 & !0xff) << 12;
        let terminal = Terminal::with(number, None, state, self.jobs);
        let short = index as u32;
        pairs[index] = Some(Arc::new(Pair {
            index: short,
            terminal: terminal.clone(),
            attributes: SpinLock::new(Attributes {
                user,
                group: GROUP,
                permissions: PERMISSIONS,
                times: [hal::time::realtime(); 3],
            }),
        }));
        Ok(Arc::new(Master::new(self, terminal, short)))
    }

    /// A pseudo-terminal by its number.
    pub(crate) fn get(&self, index: u32) -> Option<Arc<Pair>> {
        self.pairs.lock().get(index as usize)?.clone()
    }

    /// Those that there are from a number on, ascending.
    pub(crate) fn from(&self, index: u32) -> Vec<Arc<Pair>> {
        self.pairs
            .lock()
            .iter()
            .skip(index as usize)
            .flatten()
            .cloned()
            .collect()
    }

    pub(crate) fn remove(&self, index: u32) {
        let mut pairs = self.pairs.lock();
        let _removed = pairs.get_mut(index as usize).and_then(Option::take);
        while pairs.last().is_some_and(Option::is_none) {
            pairs.pop();
        }
    }
}
