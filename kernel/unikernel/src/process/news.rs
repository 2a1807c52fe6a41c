//! What a parent learns of its children, and what it asks for.

use bitflags::bitflags;

use super::ExitStatus;
use crate::signal::Signal;

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The process has ended.
    Ended(ExitStatus),
    /// It was stopped.
    Stopped(Signal),
    /// It goes on after a stop.
    Continued,
}

impl Event {
    pub(super) fn kind(self) -> Kinds {
        match self {
            Self::Ended(_) => Kinds::ENDED,
            Self::Stopped(_) => Kinds::STOPPED,
            Self::Continued => Kinds::CONTINUED,
        }
    }

    /// `si_code` and `si_status` of its `SIGCHLD`.
    pub fn code_and_status(self) -> (i32, i32) {
        const EXITED: i32 = 1;
        const KILLED: i32 = 2;
        const STOPPED: i32 = 5;
        const CONTINUED: i32 = 6;
        match self {
            Self::Ended(ExitStatus::Code(code)) => (EXITED, i32::from(code)),
            Self::Ended(ExitStatus::Signal(signal)) => (KILLED, i32::from(signal.number())),
            Self::Stopped(signal) => (STOPPED, i32::from(signal.number())),
            Self::Continued => (CONTINUED, i32::from(Signal::CONT.number())),
        }
    }

    /// As `wait(2)` encodes it.
    pub fn wait_status(self) -> i32 {
        const STOPPED: i32 = 0x7f;
        const CONTINUED: i32 = 0xffff;
        match self {
            Self::Ended(ExitStatus::Code(code)) => i32::from(code) << 8,
            Self::Ended(ExitStatus::Signal(signal)) => i32::from(signal.number()),
            Self::Stopped(signal) => i32::from(signal.number()) << 8 | STOPPED,
            Self::Continued => CONTINUED,
        }
    }
}

/// News of a child.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// The child.
    pub pid: i32,
    /// Its real user ID.
    pub uid: u32,
    /// What happened.
    pub event: Event,
    /// Nanoseconds that it and its children used, in user mode and in the kernel.
    pub times: (u64, u64),
}

/// Which children a wait is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    Any,
    /// One.
    Process(i32),
    /// Those of a process group.
    Group(i32),
}

bitflags! {
    /// Kinds of [`Event`]s.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Kinds: u8 {
        /// Ends.
        const ENDED = 1;
        /// Stops.
        const STOPPED = 2;
        /// Continuations.
        const CONTINUED = 4;
    }
}

/// What to wait for, and how.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Of which children.
    pub which: Which,
    /// For what.
    pub kinds: Kinds,
    /// Leave the news there for another wait (`WNOWAIT`).
    pub keep: bool,
    /// Children with an exit signal other than `SIGCHLD`: only those, or also those.
    pub clones: Option<Clones>,
}

/// What a wait makes of children whose exit signal is not `SIGCHLD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clones {
    /// `__WCLONE`
    Only,
    /// `__WALL`
    Too,
}

/// What a look at the children found.
pub enum Found {
    /// News.
    News(Report),
    /// No child could ever have any.
    Nobody,
    /// There is none yet.
    Nothing,
}
