//! Paths as far as they go without a future: most names, and what is asked about them, are in memory.

use abi::general::AT_FDCWD;
use abi::{Errno, OpenFlags};
use file::FileType;
use fs::vfs::{Context, Lookup};
use hal::user;

use crate::process::Thread;
use crate::syscall::{Progress, Result};

/// Bytes of the paths that are looked at here, with their terminating zero; longer ones are left.
const SHORT: usize = 128;

/// What `look` finds by the path at `address`. Nothing when the path, or what it leads to, is not in memory, or the path begins at a descriptor:
/// nothing has happened then.
pub(in crate::syscall) fn with_path<T>(
    thread: &Thread,
    descriptor: i32,
    address: usize,
    look: impl FnOnce(&Context, &[u8]) -> file::Result<T>,
) -> Option<Result<T>> {
    let mut buffer = [0; SHORT];
    let length = thread.memory.try_read_string(address, &mut buffer)?;
    let path = buffer.get(..length)?;
    if path.is_empty() || descriptor != AT_FDCWD && path[0] != b'/' {
        return None;
    }
    at_once(look(&thread.context(None), path))
}

/// The result of an operation on files, unless it has to be tried again later.
pub(in crate::syscall) fn at_once<T>(result: file::Result<T>) -> Option<Result<T>> {
    match result {
        Ok(value) => Some(Ok(value)),
        Err(file::Error::Errno(errno)) => Some(Err(errno.into())),
        Err(_) => None,
    }
}

/// `openat` of a file or directory that exists.
pub(in crate::syscall) fn openat<'a>(thread: &Thread, descriptor: i32, path: usize, flags: u32) -> Progress<'a> {
    let flags = OpenFlags::from_bits_truncate(flags);
    // These make something, or no file, and are rare.
    let left = OpenFlags::CREAT | OpenFlags::TMPFILE | OpenFlags::TRUNC | OpenFlags::PATH;
    if flags.intersects(left) {
        return Progress::Waits;
    }
    let mut lookup = Lookup::empty();
    lookup.set(Lookup::FOLLOW, !flags.contains(OpenFlags::NOFOLLOW));
    lookup.set(Lookup::DIRECTORY, flags.contains(OpenFlags::DIRECTORY));
    let limit = thread.descriptor_limit();
    let opened = with_path(thread, descriptor, path, |context, path| {
        // As on Linux, the number comes before the file.
        let number = thread.files().reserve(limit)?;
        let place = context.resolve(path, lookup)?;
        // Of the others some wait for what opens them as well.
        if !place.dentry.has_type(FileType::Regular) && !place.dentry.is_directory() {
            return Ok(None);
        }
        let file = context.open_place(&place, flags, false)?;
        Ok(Some(number.open(file, flags | OpenFlags::LARGEFILE)))
    });
    let result = match opened {
        None | Some(Ok(None)) => return Progress::Waits,
        Some(Ok(Some(number))) => Ok(number as usize),
        Some(Err(error)) => Err(error),
    };
    Progress::Over(result)
}

/// `readlinkat`
pub(in crate::syscall) fn readlinkat<'a>(
    thread: &Thread,
    descriptor: i32,
    path: usize,
    buffer: usize,
    size: i32,
) -> Progress<'a> {
    let Some(size) = usize::try_from(size).ok().filter(|&size| size > 0) else {
        return Progress::Over(Err(Errno::INVAL.into()));
    };
    let target = with_path(thread, descriptor, path, |context, path| {
        context.read_link(&context.resolve(path, Lookup::empty())?)
    });
    Progress::at_once(target.and_then(|target| match target {
        Ok(target) => {
            let length = target.len().min(size);
            user::copy_to_user(buffer, &target[..length]).ok()?;
            Some(Ok(length))
        }
        Err(error) => Some(Err(error)),
    }))
}
