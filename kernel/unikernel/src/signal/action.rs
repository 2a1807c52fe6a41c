//! What a signal does.

use bitflags::bitflags;
use hal::sync::SpinLock;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Signal, SignalSet};

bitflags! {
    /// `sa_flags`
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ActionFlags: u64 {
        /// `SA_NOCLDSTOP`
        const NO_CHILD_STOP = 1;
        /// `SA_NOCLDWAIT`
        const NO_CHILD_WAIT = 2;
        /// `SA_SIGINFO`
        const INFO = 4;
        /// `SA_RESTORER`
        const RESTORER = 0x0400_0000;
        /// `SA_ONSTACK`
        const ON_STACK = 0x0800_0000;
        /// `SA_RESTART`
        const RESTART = 0x1000_0000;
        /// `SA_NODEFER`
        const NO_DEFER = 0x4000_0000;
        /// `SA_RESETHAND`
        const RESET = 0x8000_0000;
        /// Whatever else the application sets.
        const _ = !0;
    }
}

/// The kernel's `struct sigaction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Action {
    /// The handler, or 0 for the default (`SIG_DFL`) and 1 to ignore (`SIG_IGN`).
    pub handler: usize,
    flags: u64,
    /// What the handler returns to.
    pub restorer: usize,
    mask: u64,
}

/// What becomes of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Nothing.
    Ignore,
    /// What the signal itself says.
    Default(DefaultAction),
    /// The application's handler.
    Handler,
}

/// What a signal does of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// Ends the process.
    Terminate,
    /// Ends the process; on Linux with a core file, here with a crash report.
    Crash,
    /// Nothing.
    Ignore,
    /// Stops the process.
    Stop,
    /// Continues it.
    Continue,
}

impl Action {
    /// `SIG_DFL`
    pub const DEFAULT: usize = 0;
    /// `SIG_IGN`
    pub const IGNORE: usize = 1;

    /// Its flags.
    pub fn flags(&self) -> ActionFlags {
        ActionFlags::from_bits_retain(self.flags)
    }

    /// Signals blocked while the handler runs.
    pub fn mask(&self) -> SignalSet {
        SignalSet::from_bits(self.mask)
    }

    /// What it makes of a signal.
    pub fn disposition(&self, signal: Signal) -> Disposition {
        match self.handler {
            Self::IGNORE => Disposition::Ignore,
            Self::DEFAULT => Disposition::Default(DefaultAction::of(signal)),
            _ => Disposition::Handler,
        }
    }
}

impl Disposition {
    /// Whether it has no effect at all.
    pub fn ignores(self) -> bool {
        matches!(
            self,
            Self::Ignore | Self::Default(DefaultAction::Ignore | DefaultAction::Continue)
        )
    }
}

impl DefaultAction {
    /// As `signal(7)` lists them.
    pub fn of(signal: Signal) -> Self {
        match signal {
            Signal::CHLD | Signal::URG | Signal::WINCH => Self::Ignore,
            Signal::CONT => Self::Continue,
            Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU => Self::Stop,
            Signal::QUIT
            | Signal::ILL
            | Signal::TRAP
            | Signal::ABRT
            | Signal::BUS
            | Signal::FPE
            | Signal::SEGV
            | Signal::XCPU
            | Signal::XFSZ
            | Signal::SYS => Self::Crash,
            _ => Self::Terminate,
        }
    }
}

/// The actions of a process, which its threads share.
pub struct Actions(SpinLock<[Action; Signal::MAX as usize]>);

impl Default for Actions {
    fn default() -> Self {
        Self(SpinLock::new([Action::default(); Signal::MAX as usize]))
    }
}

impl Actions {
    /// The action of a signal.
    pub fn get(&self, signal: Signal) -> Action {
        self.0.lock()[usize::from(signal.number()) - 1]
    }

    /// Sets the action of a signal and returns the one before.
    pub fn set(&self, signal: Signal, mut action: Action) -> Action {
        action.mask = action.mask().without(SignalSet::UNSTOPPABLE).bits();
        core::mem::replace(&mut self.0.lock()[usize::from(signal.number()) - 1], action)
    }

    /// Back to the default where there was a handler, as `execve(2)` does.
    pub fn reset_handlers(&self) {
        for action in self.0.lock().iter_mut() {
            if action.handler != Action::IGNORE {
                *action = Action::default();
            }
        }
    }

    /// A copy for a new process.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(SpinLock::new(*self.0.lock()))
    }
}
