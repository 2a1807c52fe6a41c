//! How a system call ends without a result.

use abi::Errno;
use alloc::boxed::Box;
use alloc::sync::Arc;

use crate::process::Thread;
use hal::user::UserContext;
use task::Completion;

/// How a system call ends without a result.
pub enum Error {
    /// The application gets this number.
    Errno(Errno),
    /// A signal came while the call waited; what the application sees depends on the signal's handler.
    Interrupted(Restart),
    /// What is left to do needs the caller's registers, and no wait. Boxed, because only rare calls end so.
    Registers(Box<RegisterChange>),
}

/// The rest of a call that needs the caller's registers, such as the copy that `clone(2)` makes of them.
pub type RegisterChange = dyn FnOnce(&Arc<Thread>, &mut UserContext) -> Outcome + Send;

/// What becomes of the registers.
pub enum Outcome {
    /// This value is the call's result.
    Return(usize),
    /// This value is the call's result, once this has happened; only the thread's end comes before.
    ReturnAfter(Completion, usize),
    /// The call fails.
    Fail(Errno),
    /// They are as they should be, the result register included.
    Replaced,
}

/// What becomes of an interrupted call, as in Linux's `ERESTART…` codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Again, whatever ran (`ERESTARTNOINTR`).
    Always,
    /// Again, unless a handler without `SA_RESTART` ran: then `EINTR` (`ERESTARTSYS`).
    UnlessHandler,
    /// Again only when no handler ran (`ERESTARTNOHAND`).
    WithoutHandler,
    /// The same, for what is left of the time until this deadline of `hal::time::monotonic` (`ERESTART_RESTARTBLOCK`).
    Until(u64),
}

/// The result of a system call.
pub type Result<T = usize> = core::result::Result<T, Error>;

impl Error {
    /// `EINTR` after a handler without `SA_RESTART`, else the call starts again: what most waiting calls do.
    pub const INTERRUPTED: Self = Self::Interrupted(Restart::UnlessHandler);
    /// `EINTR` after any handler, as calls with a time-out do.
    pub const INTERRUPTED_ONCE: Self = Self::Interrupted(Restart::WithoutHandler);

    /// `EINTR` after any handler, else the call goes on until a deadline.
    pub const fn interrupted_until(deadline: u64) -> Self {
        Self::Interrupted(Restart::Until(deadline))
    }

    /// Ends a call with a change of the caller's registers.
    pub fn registers(change: impl FnOnce(&Arc<Thread>, &mut UserContext) -> Outcome + Send + 'static) -> Self {
        Self::Registers(Box::new(change))
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}
