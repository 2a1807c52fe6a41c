//! Why an operation gave no result.

use abi::Errno;
use task::Completion;

use crate::Fault;

/// Why an operation on a file gave no result: an error for the application, or something to wait for before asking again.
#[derive(Debug)]
pub enum Error {
    /// What the application gets.
    Errno(Errno),
    /// The file is not ready. A blocking caller waits on its wait queue and asks again, a non-blocking one gets `EAGAIN`.
    WouldBlock,
    /// The caller was sent a signal instead, and asks again once it was handled: a terminal is another process group's.
    Interrupted,
    /// User memory was not reachable before anything was transferred. The caller makes it present and asks again, or reports `EFAULT`.
    Fault(Fault),
    /// There is no memory for a page of a file, which could be given back again. The caller gives others back and asks again.
    Shortage,
    /// Data that is on its way, such as a page from the disk. The caller waits, without letting signals interrupt, and asks again.
    Pending(Completion),
}

/// The result of an operation on a file.
pub type Result<T> = core::result::Result<T, Error>;

/// Runs an operation that only ever waits for data on its way, as often as it asks for that. `EIO` when it asks for anything else, `ENOMEM`
/// when there is no memory for a page.
pub async fn finish<T>(operation: impl FnMut() -> Result<T>) -> core::result::Result<T, Errno> {
    finish_with(async || Err(Errno::NOMEM), operation).await
}

/// As [`finish()`], for who can give pages of files back: `relieve` does so on [`Error::Shortage`], or gives the error.
pub async fn finish_with<T>(
    mut relieve: impl AsyncFnMut() -> core::result::Result<(), Errno>,
    mut operation: impl FnMut() -> Result<T>,
) -> core::result::Result<T, Errno> {
    loop {
        match operation() {
            Ok(value) => return Ok(value),
            Err(Error::Pending(completion)) => completion.await,
            Err(Error::Shortage) => relieve().await?,
            Err(Error::Errno(errno)) => return Err(errno),
            Err(Error::WouldBlock | Error::Interrupted | Error::Fault(_)) => return Err(Errno::IO),
        }
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
