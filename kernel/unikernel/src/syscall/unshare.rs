//! `unshare(2)`.

use abi::Errno;
use linux_raw_sys::general as linux;

use super::{Call, Result};
use crate::process::Thread;

/// What threads of a process share and nothing can part.
const TOGETHER: u32 = linux::CLONE_THREAD | linux::CLONE_SIGHAND | linux::CLONE_VM;
/// Namespaces are not served, and of what is undone of semaphores each process has its own.
const SERVED: u32 = TOGETHER | linux::CLONE_FILES | linux::CLONE_FS | linux::CLONE_SYSVSEM;

/// `unshare(flags)`
pub(super) fn unshare(thread: &Thread, call: &Call) -> Result {
    let flags = call.unsigned(0);
    if flags & !SERVED != 0 || flags & TOGETHER != 0 && thread.process.thread_count() > 1 {
        return Err(Errno::INVAL.into());
    }
    if flags & linux::CLONE_FILES != 0 {
        thread.unshare_files();
    }
    if flags & linux::CLONE_FS != 0 {
        thread.unshare_paths();
    }
    Ok(0)
}
