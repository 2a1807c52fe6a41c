//! `fcntl(2)` and `flock(2)`.

use abi::general::{
    DN_MULTISHOT, F_ADD_SEALS, F_DUPFD, F_DUPFD_CLOEXEC, F_GET_SEALS, F_GETFD, F_GETFL, F_GETLK, F_GETOWN, F_GETOWN_EX,
    F_GETOWNER_UIDS, F_GETPIPE_SZ, F_GETSIG, F_NOTIFY, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_RDLCK, F_SETFD,
    F_SETFL, F_SETLK, F_SETLKW, F_SETOWN, F_SETOWN_EX, F_SETPIPE_SZ, F_SETSIG, F_UNLCK, F_WRLCK, FD_CLOEXEC, LOCK_EX,
    LOCK_MAND, LOCK_NB, LOCK_SH, LOCK_UN, SEEK_CUR, SEEK_END, SEEK_SET,
};
use abi::{Errno, OpenFlags, RecordLock};
use alloc::sync::Arc;
use file::OpenFile;
use file::lock::{self, FileId, Lock, Owner};
use file::pipe::PipeEnd;

use super::{Call, Error, Result, descriptor, memory_file, retry_ready, signal_driven};
use crate::process::Thread;

/// `fcntl(fd, command, argument)`
pub(super) async fn fcntl(thread: &Thread, call: &Call) -> Result {
    let descriptors = thread.files();
    let (number, command, argument) = (call.int(0), call.unsigned(1), call.word(2));
    let file = descriptors.get_any(number)?;
    match command {
        F_DUPFD => return descriptor::duplicate_from(thread, file, argument, false),
        F_DUPFD_CLOEXEC => return descriptor::duplicate_from(thread, file, argument, true),
        F_GETFD => return Ok(usize::from(descriptors.close_on_exec(number)?)),
        F_SETFD => {
            descriptors.set_close_on_exec(number, argument as u32 & FD_CLOEXEC != 0)?;
            return Ok(0);
        }
        F_GETFL => return Ok(file.flags().bits() as usize),
        // The rest is not for O_PATH.
        _ if file.is_path() => return Err(Errno::BADF.into()),
        _ => {}
    }
    match command {
        F_SETFL => {
            let flags = OpenFlags::from_bits_retain(argument as u32);
            signal_driven::set_asynchronous(&file, number, flags.contains(OpenFlags::ASYNC));
            file.set_flags(flags);
            Ok(0)
        }
        F_GETLK | F_SETLK | F_SETLKW => record_lock(thread, call, &file, Owner::Process(thread.process.pid)).await,
        F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW => {
            record_lock(thread, call, &file, Owner::Description(file.lock_owner())).await
        }
        F_SETOWN => signal_driven::set_owner(thread, &file, argument as i32),
        F_GETOWN => Ok(signal_driven::owner(&file) as usize),
        F_SETOWN_EX => signal_driven::set_owner_by_kind(thread, &file, argument).await,
        F_GETOWN_EX => signal_driven::owner_by_kind(thread, &file, argument).await,
        F_GETOWNER_UIDS => signal_driven::owner_uids(thread, &file, argument).await,
        F_SETSIG => signal_driven::set_signal(&file, argument),
        F_GETSIG => Ok(signal_driven::signal(&file)),
        F_SETPIPE_SZ => Ok(pipe_end(&file)?.pipe().set_capacity(argument)?),
        F_GETPIPE_SZ => Ok(pipe_end(&file)?.pipe().capacity()),
        F_GET_SEALS => memory_file::seals(&file),
        F_ADD_SEALS => memory_file::add_seals(&file, argument),
        // Nobody is told of anything in this way, so that there is nothing to end; inotify has replaced it.
        F_NOTIFY if argument as u32 & !DN_MULTISHOT == 0 => Ok(0),
        _ => Err(Errno::INVAL.into()),
    }
}

fn pipe_end(file: &OpenFile) -> core::result::Result<&PipeEnd, Errno> {
    file.downcast().ok_or(Errno::BADF)
}

/// The commands on record locks.
async fn record_lock(thread: &Thread, call: &Call, file: &Arc<OpenFile>, owner: Owner) -> Result {
    let (command, address) = (call.unsigned(1), call.word(2));
    let mut request: RecordLock = thread.memory.read(address).await?;
    if !matches!(owner, Owner::Process(_)) && request.process != 0 {
        return Err(Errno::INVAL.into());
    }
    let (first, last) = range(thread, file, &request).await?;
    let kind = request.kind as u32;
    let id = retry_ready(thread, || file.lock_id()).await?;
    let wanted = Lock {
        owner,
        exclusive: kind == F_WRLCK,
        first,
        last,
    };
    match (command, kind) {
        (F_GETLK | F_OFD_GETLK, F_RDLCK | F_WRLCK) => {
            match lock::find_conflict(id, &wanted) {
                None => request.kind = F_UNLCK as i16,
                Some(held) => {
                    request.kind = if held.exclusive { F_WRLCK } else { F_RDLCK } as i16;
                    request.whence = SEEK_SET as i16;
                    request.start = held.first as i64;
                    request.length = if held.last == u64::MAX {
                        0
                    } else {
                        held.last - held.first + 1
                    } as i64;
                    request.process = if let Owner::Process(pid) = held.owner { pid } else { -1 };
                }
            }
            thread.memory.write(address, &request).await?;
            Ok(0)
        }
        (F_GETLK | F_OFD_GETLK, _) => Err(Errno::INVAL.into()),
        (_, F_UNLCK) => {
            lock::release(id, owner, first, last);
            Ok(0)
        }
        (_, F_RDLCK | F_WRLCK) => {
            if wanted.exclusive {
                file.check_writes()?;
            } else {
                file.check_reads()?;
            }
            acquire(thread, id, wanted, matches!(command, F_SETLKW | F_OFD_SETLKW)).await?;
            let now = thread.files().get_any(call.int(0));
            if matches!(owner, Owner::Process(_)) && !now.is_ok_and(|now| Arc::ptr_eq(&now, file)) {
                // Nobody would release the lock of a descriptor that was closed meanwhile.
                thread.process.note_closed(file);
                return Err(Errno::BADF.into());
            }
            Ok(0)
        }
        _ => Err(Errno::INVAL.into()),
    }
}

/// First and last byte of a request.
async fn range(thread: &Thread, file: &OpenFile, request: &RecordLock) -> Result<(u64, u64)> {
    let base = match request.whence as u32 {
        SEEK_SET => 0,
        SEEK_CUR => file.position() as i64,
        SEEK_END => retry_ready(thread, || file.file().status()).await?.size as i64,
        _ => return Err(Errno::INVAL.into()),
    };
    let start = base.checked_add(request.start).ok_or(Errno::OVERFLOW)?;
    let (first, end) = match request.length {
        0 => (start, None),
        length if length > 0 => (start, Some(start.checked_add(length - 1).ok_or(Errno::OVERFLOW)?)),
        length => (start.checked_add(length).ok_or(Errno::INVAL)?, Some(start - 1)),
    };
    let first = u64::try_from(first).map_err(|_| Errno::INVAL)?;
    Ok((first, end.map_or(u64::MAX, |end| end as u64)))
}

/// Takes a lock, waiting for others to release theirs if asked to.
async fn acquire(thread: &Thread, id: FileId, wanted: Lock, waits: bool) -> Result {
    loop {
        let ticket = lock::released().ticket();
        match lock::acquire(id, wanted) {
            Ok(()) => return Ok(0),
            Err(file::Error::WouldBlock) if waits => thread.wait(lock::released().wait(ticket)).await?,
            Err(file::Error::Errno(errno)) => return Err(errno.into()),
            Err(_) => return Err(Error::Errno(Errno::AGAIN)),
        }
    }
}

/// `flock(fd, operation)`
pub(super) async fn flock(thread: &Thread, call: &Call) -> Result {
    let file = thread.file(call.int(0))?;
    let operation = call.unsigned(1);
    let id = retry_ready(thread, || file.lock_id()).await?;
    let owner = Owner::Whole(file.lock_owner());
    let exclusive = match operation & !LOCK_NB {
        LOCK_SH => false,
        LOCK_EX => true,
        LOCK_UN => {
            lock::release(id, owner, 0, u64::MAX);
            return Ok(0);
        }
        // Linux took the mandatory locks away and lets the request for one succeed.
        other if other & LOCK_MAND != 0 => return Ok(0),
        _ => return Err(Errno::INVAL.into()),
    };
    let wanted = Lock {
        owner,
        exclusive,
        first: 0,
        last: u64::MAX,
    };
    acquire(thread, id, wanted, operation & LOCK_NB == 0).await
}
