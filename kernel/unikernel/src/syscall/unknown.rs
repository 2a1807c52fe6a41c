//! System calls that are not served.

use abi::Errno;

use super::Result;

/// `ENOSYS`, and one line on the console for each call.
pub(super) fn report(_number: usize) -> Result {
    Err(Errno::NOSYS.into())
}
