//! The status of files whose names and attributes are in memory, without a future.

use abi::general::{AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW};
use hal::user;
use zerocopy::IntoBytes;

use super::to_stat;
use crate::process::Thread;
use crate::syscall::path::{at_once, follow, with_path};
use crate::syscall::{Call, Progress, Result};
use file::Status;

fn give<'a>(status: Option<Result<Status>>, address: usize) -> Progress<'a> {
    Progress::at_once(status.and_then(|status| match status {
        Ok(status) => {
            user::copy_to_user(address, to_stat(&status).as_bytes()).ok()?;
            Some(Ok(0))
        }
        Err(error) => Some(Err(error)),
    }))
}

fn of_path<'a>(thread: &Thread, descriptor: i32, path: usize, follows: bool, address: usize) -> Progress<'a> {
    let status = with_path(thread, descriptor, path, |context, path| {
        context.resolve(path, follow(follows))?.inode()?.status()
    });
    give(status, address)
}

/// `stat` and `lstat`.
pub(in crate::syscall) fn stat<'a>(thread: &Thread, call: &Call, follows: bool) -> Progress<'a> {
    of_path(thread, abi::general::AT_FDCWD, call.word(0), follows, call.word(1))
}

fn of_descriptor<'a>(thread: &Thread, descriptor: i32, address: usize) -> Progress<'a> {
    match thread.files().get_any(descriptor) {
        Ok(file) => give(at_once(file.file().status()), address),
        Err(errno) => Progress::Over(Err(errno.into())),
    }
}

/// `fstat`
pub(in crate::syscall) fn fstat<'a>(thread: &Thread, call: &Call) -> Progress<'a> {
    of_descriptor(thread, call.int(0), call.word(1))
}

/// `newfstatat`
pub(in crate::syscall) fn newfstatat<'a>(thread: &Thread, call: &Call) -> Progress<'a> {
    let (descriptor, path, flags) = (call.int(0), call.word(1), call.unsigned(3));
    // What C libraries call for fstat().
    if flags == AT_EMPTY_PATH
        && descriptor >= 0
        && (path == 0 || thread.memory.try_read_string(path, &mut [1]) == Some(0))
    {
        return of_descriptor(thread, descriptor, call.word(2));
    }
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0 {
        return Progress::Waits;
    }
    of_path(thread, descriptor, path, flags & AT_SYMLINK_NOFOLLOW == 0, call.word(2))
}
