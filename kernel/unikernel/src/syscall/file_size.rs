//! How large a process may make files (`RLIMIT_FSIZE`).

use abi::{Errno, OpenFlags};
use file::{FileType, OpenFile, Status};

use super::transfer::raise;
use super::{Result, retry_ready};
use crate::process::{Limit, Resource, Thread};
use crate::signal::Signal;

/// The limit, when there is one, and the file, when it is of the kind that is limited.
async fn limited(thread: &Thread, file: &OpenFile) -> Result<Option<(u64, Status)>> {
    let limit = thread.process.limits.lock().get(Resource::FileSize).soft;
    if limit == Limit::INFINITY {
        return Ok(None);
    }
    let status = retry_ready(thread, || file.file().status()).await?;
    Ok((status.file_type == FileType::Regular).then_some((limit, status)))
}

fn refuse(thread: &Thread) -> Errno {
    raise(thread, Signal::XFSZ);
    Errno::FBIG
}

/// How many of `count` bytes may be written at `offset`, or where the file is written next. When it is none, the thread gets `SIGXFSZ` and
/// the call `EFBIG`.
pub(super) async fn room(thread: &Thread, file: &OpenFile, offset: Option<u64>, count: usize) -> Result<usize> {
    if count == 0 || !file.is_seekable() {
        return Ok(count);
    }
    let Some((limit, status)) = limited(thread, file).await? else {
        return Ok(count);
    };
    let offset = match offset {
        _ if file.flags().contains(OpenFlags::APPEND) => status.size,
        Some(offset) => offset,
        None => file.position(),
    };
    match usize::try_from(limit.saturating_sub(offset)).unwrap_or(usize::MAX) {
        0 => Err(refuse(thread).into()),
        room => Ok(count.min(room)),
    }
}

/// Whether a file may be given a size.
pub(super) async fn check(thread: &Thread, file: &OpenFile, size: u64) -> Result<()> {
    match limited(thread, file).await? {
        Some((limit, status)) if size > status.size && size > limit => Err(refuse(thread).into()),
        _ => Ok(()),
    }
}

/// As [`check`], for a file of `old` bytes that need not be open.
pub(super) fn check_growth(thread: &Thread, old: u64, size: u64) -> Result<()> {
    let limit = thread.process.limits.lock().get(Resource::FileSize).soft;
    if size > old && size > limit {
        return Err(refuse(thread).into());
    }
    Ok(())
}
