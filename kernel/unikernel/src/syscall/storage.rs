//! What files occupy and when it is safe: `fsync`, `fallocate`, hints.

use abi::Errno;
use abi::general::FALLOC_FL_KEEP_SIZE;
use file::{FileType, OpenFile};

use super::{Call, Result, retry_ready};
use crate::process::Thread;

/// `fsync(fd)`, and `fdatasync` with `data_only`.
pub(super) async fn fsync(thread: &Thread, call: &Call, data_only: bool) -> Result {
    let file = thread.file(call.int(0))?;
    retry_ready(thread, || file.file().sync(data_only)).await?;
    Ok(0)
}

/// `syncfs(fd)`: what is written lives in memory, and the disk is never written.
pub(super) fn syncfs(thread: &Thread, call: &Call) -> Result {
    thread.file(call.int(0))?;
    Ok(0)
}

/// `sync_file_range(fd, offset, bytes, flags)`
pub(super) async fn sync_file_range(thread: &Thread, call: &Call) -> Result {
    let file = thread.file(call.int(0))?;
    let (offset, length) = (call.long(1), call.long(2));
    if call.unsigned(3) & !7 != 0 || offset < 0 || length < 0 || offset.checked_add(length).is_none() {
        return Err(Errno::INVAL.into());
    }
    check_data_file(thread, &file).await
}

/// `ESPIPE` for files that have no data of their own.
async fn check_data_file(thread: &Thread, file: &OpenFile) -> Result {
    match retry_ready(thread, || file.file().status()).await?.file_type {
        FileType::Regular | FileType::Directory | FileType::BlockDevice | FileType::Symlink => Ok(0),
        _ => Err(Errno::SPIPE.into()),
    }
}

/// `fallocate(fd, mode, offset, length)`
pub(super) async fn fallocate(thread: &Thread, call: &Call) -> Result {
    let file = thread.file(call.int(0))?;
    let (mode, offset, length) = (call.unsigned(1), call.long(2), call.long(3));
    if mode & FALLOC_FL_KEEP_SIZE == 0
        && file.flags().writes()
        && let Some(end) = offset.checked_add(length).filter(|_| offset >= 0 && length > 0)
    {
        super::file_size::check(thread, &file, end as u64).await?;
    }
    retry_ready(thread, || fs::vfs::allocate(&file, mode, offset, length)).await?;
    Ok(0)
}

/// `fadvise64(fd, offset, length, advice)`: the page cache reads ahead of itself.
pub(super) async fn fadvise64(thread: &Thread, call: &Call) -> Result {
    let file = thread.file(call.int(0))?;
    let status = retry_ready(thread, || file.file().status()).await?;
    if status.file_type == FileType::Fifo {
        return Err(Errno::SPIPE.into());
    }
    // POSIX_FADV_NORMAL to POSIX_FADV_NOREUSE
    if call.long(2) < 0 || call.unsigned(3) > 5 {
        return Err(Errno::INVAL.into());
    }
    Ok(0)
}

/// `readahead(fd, offset, count)`
pub(super) async fn readahead(thread: &Thread, call: &Call) -> Result {
    let file = thread.file(call.int(0))?;
    file.check_reads()?;
    let status = retry_ready(thread, || file.file().status()).await?;
    match status.file_type {
        FileType::Regular | FileType::BlockDevice => Ok(0),
        _ => Err(Errno::INVAL.into()),
    }
}
