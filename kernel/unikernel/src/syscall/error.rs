//! How a system call ends without a result.

use abi::Errno;

/// How a system call ends without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The application gets this number.
    Errno(Errno),
    /// A signal came while the call waited; what the application sees depends on the signal's handler.
    Interrupted(Restart),
}

/// What becomes of an interrupted call, as in Linux's `ERESTART…` codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Again, unless a handler without `SA_RESTART` ran: then `EINTR` (`ERESTARTSYS`).
    UnlessHandler,
    /// Again in any case (`ERESTARTNOINTR`).
    Always,
    /// Again only when no handler ran (`ERESTARTNOHAND`).
    WithoutHandler,
}

/// The result of a system call.
pub type Result<T = usize> = core::result::Result<T, Error>;

impl Error {
    /// `EINTR` after a handler without `SA_RESTART`, else the call starts again: what most waiting calls do.
    pub const INTERRUPTED: Self = Self::Interrupted(Restart::UnlessHandler);
    /// `EINTR` after any handler, as calls with a time-out do.
    pub const INTERRUPTED_ONCE: Self = Self::Interrupted(Restart::WithoutHandler);
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}
