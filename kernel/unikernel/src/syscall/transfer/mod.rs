//! Reading and writing: `read`, `write`, their vector and offset forms, `lseek`.

mod first;

pub(super) use first::{Transfer, begin, begin_message, begin_vectors};

use abi::general::{RWF_APPEND, RWF_DSYNC, RWF_HIPRI, RWF_NOWAIT, RWF_SYNC};
use abi::{Errno, IoVector};
use alloc::sync::Arc;
use alloc::vec::Vec;

use file::OpenFile;

use super::turn::{TURN, Turns};
use super::{Call, Error, Result, Waiting, retry, retry_ready};
use crate::memory::{Segment, UserBuffers};
use crate::process::Thread;
use crate::signal::{Info, Signal};
use hal::user::USER_END;

/// The most bytes that one call transfers, as on Linux.
pub(super) const MAX_TRANSFER: usize = 0x7fff_f000;
/// Bytes that are written in one piece, so that what two writers append is not mixed; the rest of a longer write may come after another's.
const WHOLE: usize = 16 << 20;
/// The most pieces of a vector (`IOV_MAX`).
const MAX_VECTORS: usize = 1024;

/// Where in a file a call reads or writes.
#[derive(Clone, Copy)]
enum Place {
    /// At the position, which moves.
    Position,
    /// There too, in a call that has come so many bytes far.
    Onward(usize),
    /// At an offset.
    Offset(u64),
    /// At the end (`RWF_APPEND`).
    End,
}

impl Place {
    /// How many bytes of the call are done.
    fn done(self) -> usize {
        match self {
            Self::Onward(done) => done,
            _ => 0,
        }
    }
}

fn length(segments: &[Segment]) -> usize {
    segments.iter().map(|segment| segment.length).sum()
}

/// How a call may wait for a file.
pub(super) fn waiting(file: &OpenFile, write: bool) -> Waiting {
    let nonblocking = file.is_nonblocking();
    Waiting {
        nonblocking,
        deadline: file
            .file()
            .time_limit(write)
            .filter(|_| !nonblocking)
            .map(|limit| hal::time::monotonic().saturating_add(limit)),
    }
}

/// Takes the first `count` bytes off.
pub(super) fn advance(segments: &mut [Segment], mut count: usize) {
    for segment in segments {
        let part = segment.length.min(count);
        segment.address += part;
        segment.length -= part;
        count -= part;
        if count == 0 {
            break;
        }
    }
}

async fn read_segments(
    thread: &Thread,
    file: &OpenFile,
    segments: &mut [Segment],
    place: Place,
    mut waiting: Waiting,
) -> Result {
    let mut done = place.done();
    let total: usize = done + length(segments);
    check_end(place, total)?;
    let has_enough = |done: usize| !file.is_seekable() && done >= file.file().least();
    waiting.nonblocking |= done > 0 && has_enough(done);
    let mut timed_out = false;
    let mut turns = Turns::default();
    loop {
        let mut fault = None;
        let result = retry(thread, &**file.file(), waiting, || {
            let mut sink = UserBuffers::first(segments, TURN);
            let read = match place {
                Place::Offset(offset) => file.read_at(offset + done as u64, &mut sink),
                _ if timed_out => file.file().read_early(&mut sink, true),
                _ => file.read(&mut sink),
            };
            fault = sink.fault();
            read
        })
        .await;
        match result {
            // What has come may be enough now that the time is over.
            Err(Error::Errno(Errno::AGAIN)) if waiting.deadline.is_some() && done == 0 && !timed_out => {
                timed_out = true;
            }
            Ok(count) => {
                done += count;
                // Streams give what they have when that is enough, and it may be more than memory let them; files are read on to the end.
                if count == 0 || done == total || (fault.is_none() && has_enough(done)) {
                    return Ok(done);
                }
                waiting.nonblocking |= has_enough(done);
                advance(segments, count);
                if !turns.after(thread, count).await {
                    return Ok(done);
                }
            }
            Err(_) if done > 0 => return Ok(done),
            Err(error) => return Err(error),
        }
    }
}

async fn write_segments(
    thread: &Thread,
    file: &OpenFile,
    segments: &mut [Segment],
    place: Place,
    waiting: Waiting,
) -> Result {
    let mut done = place.done();
    let mut total: usize = done + length(segments);
    check_end(place, total)?;
    if file.is_seekable() && file.flags().writes() {
        total = limit(thread, file, segments, place, total).await?;
    }
    let mut turns = Turns::default();
    loop {
        let result = retry(thread, &**file.file(), waiting, || {
            let mut source = UserBuffers::first(segments, WHOLE);
            match place {
                Place::Offset(offset) => file.write_at(offset + done as u64, &mut source),
                Place::Position | Place::Onward(_) => file.write(&mut source),
                Place::End => {
                    file.check_writes()?;
                    file.file().append(&mut source).map(|(count, _)| count)
                }
            }
        })
        .await;
        if let Err(Error::Errno(Errno::PIPE)) = result {
            raise(thread, Signal::PIPE);
        }
        match result {
            // To who writes a file, memory is the disk.
            Err(Error::Errno(Errno::NOMEM)) if done == 0 && file.is_seekable() => return Err(Errno::NOSPC.into()),
            Ok(count) => {
                done += count;
                if count == 0 || done == total {
                    return Ok(done);
                }
                advance(segments, count);
                if !turns.after(thread, count).await {
                    return Ok(done);
                }
            }
            Err(_) if done > 0 => return Ok(done),
            Err(error) => return Err(error),
        }
    }
}

/// Cuts a write off at what the file may grow to, and returns how many bytes remain of `total`.
async fn limit(thread: &Thread, file: &OpenFile, segments: &mut [Segment], place: Place, total: usize) -> Result {
    let offset = match place {
        Place::Offset(offset) => Some(offset),
        Place::Position | Place::Onward(_) => None,
        Place::End => Some(retry_ready(thread, || file.file().status()).await?.size),
    };
    let room = super::file_size::room(thread, file, offset, total).await?;
    let mut left = room;
    for segment in segments {
        segment.length = segment.length.min(left);
        left -= segment.length;
    }
    Ok(room)
}

/// Sends a thread the signal for what its call does: `SIGPIPE` when nobody reads, `SIGXFSZ` when a file would get too large.
pub(super) fn raise(thread: &Thread, signal: Signal) {
    let uid = thread.process.with_credentials(|credentials| credentials.uid);
    let info = Info::from_process(signal, Info::USER, thread.process.pid, uid);
    thread.send(signal, info);
}

/// `EFAULT` for a buffer that leaves user memory, before anything of it is transferred.
fn check_user(address: usize, length: usize) -> core::result::Result<(), Errno> {
    match address.checked_add(length) {
        Some(end) if end <= USER_END => Ok(()),
        _ => Err(Errno::FAULT),
    }
}

fn one(address: usize, length: usize) -> core::result::Result<[Segment; 1], Errno> {
    check_user(address, length)?;
    Ok([Segment {
        address,
        length: length.min(MAX_TRANSFER),
    }])
}

/// A piece of a vector, cut off at what is left of what one call transfers.
fn to_segment(vector: &IoVector, left: &mut usize) -> core::result::Result<Segment, Errno> {
    if isize::try_from(vector.length).is_err() {
        return Err(Errno::INVAL);
    }
    check_user(vector.base, vector.length)?;
    let length = vector.length.min(*left);
    *left -= length;
    Ok(Segment {
        address: vector.base,
        length,
    })
}

/// Reads the `struct iovec` of a call and cuts them off at what one call transfers.
pub(super) async fn read_vectors(
    thread: &Thread,
    address: usize,
    count: usize,
) -> core::result::Result<Vec<Segment>, Errno> {
    if count > MAX_VECTORS {
        return Err(Errno::INVAL);
    }
    let vectors: Vec<IoVector> = thread.memory.read_array(address, count).await?;
    let mut left = MAX_TRANSFER;
    vectors.iter().map(|vector| to_segment(vector, &mut left)).collect()
}

fn descriptor(thread: &Thread, call: &Call) -> core::result::Result<Arc<OpenFile>, Errno> {
    thread.files().get(call.int(0))
}

/// `readv(fd, vectors, count)`
pub(super) async fn readv(thread: &Thread, call: &Call) -> Result {
    let file = descriptor(thread, call)?;
    let mut segments = read_vectors(thread, call.word(1), call.word(2)).await?;
    read_segments(thread, &file, &mut segments, Place::Position, waiting(&file, false)).await
}

/// `writev(fd, vectors, count)`
pub(super) async fn writev(thread: &Thread, call: &Call) -> Result {
    let file = descriptor(thread, call)?;
    let mut segments = read_vectors(thread, call.word(1), call.word(2)).await?;
    write_segments(thread, &file, &mut segments, Place::Position, waiting(&file, true)).await
}

/// The offset argument of the `p…` calls.
fn offset(call: &Call) -> core::result::Result<u64, Errno> {
    u64::try_from(call.long(3)).map_err(|_| Errno::INVAL)
}

/// `EINVAL` for a transfer that leaves what offsets can say.
fn check_end(place: Place, total: usize) -> core::result::Result<(), Errno> {
    match place {
        Place::Offset(offset) if offset + total as u64 > i64::MAX as u64 => Err(Errno::INVAL),
        _ => Ok(()),
    }
}

/// `pread64(fd, buffer, count, offset)`
pub(super) async fn pread(thread: &Thread, call: &Call) -> Result {
    let place = Place::Offset(offset(call)?);
    let file = descriptor(thread, call)?;
    let mut segments = one(call.word(1), call.word(2))?;
    read_segments(thread, &file, &mut segments, place, waiting(&file, false)).await
}

/// `pwrite64(fd, buffer, count, offset)`
pub(super) async fn pwrite(thread: &Thread, call: &Call) -> Result {
    let place = Place::Offset(offset(call)?);
    let file = descriptor(thread, call)?;
    let mut segments = one(call.word(1), call.word(2))?;
    write_segments(thread, &file, &mut segments, place, waiting(&file, true)).await
}

/// `preadv(fd, vectors, count, offset)`
pub(super) async fn preadv(thread: &Thread, call: &Call) -> Result {
    let place = Place::Offset(offset(call)?);
    let file = descriptor(thread, call)?;
    let mut segments = read_vectors(thread, call.word(1), call.word(2)).await?;
    read_segments(thread, &file, &mut segments, place, waiting(&file, false)).await
}

/// `pwritev(fd, vectors, count, offset)`
pub(super) async fn pwritev(thread: &Thread, call: &Call) -> Result {
    let place = Place::Offset(offset(call)?);
    let file = descriptor(thread, call)?;
    let mut segments = read_vectors(thread, call.word(1), call.word(2)).await?;
    write_segments(thread, &file, &mut segments, place, waiting(&file, true)).await
}

/// Place and waiting of `preadv2` and `pwritev2`. Flags that cannot be honoured are `EOPNOTSUPP`, as on Linux.
fn second_form(file: &OpenFile, call: &Call, allowed: u32, write: bool) -> Result<(Place, Waiting)> {
    let flags = call.unsigned(5);
    // What waits for a disk cannot promise not to.
    if flags & !allowed != 0 || flags & RWF_NOWAIT != 0 && file.is_seekable() {
        return Err(Errno::OPNOTSUPP.into());
    }
    let mut waiting = waiting(file, write);
    waiting.nonblocking |= flags & RWF_NOWAIT != 0;
    let place = match call.long(3) {
        _ if flags & RWF_APPEND != 0 => Place::End,
        -1 => Place::Position,
        offset => Place::Offset(u64::try_from(offset).map_err(|_| Errno::INVAL)?),
    };
    Ok((place, waiting))
}

/// `preadv2(fd, vectors, count, offset, _, flags)`
pub(super) async fn preadv2(thread: &Thread, call: &Call) -> Result {
    let file = descriptor(thread, call)?;
    let (place, waiting) = second_form(&file, call, RWF_HIPRI | RWF_NOWAIT, false)?;
    let mut segments = read_vectors(thread, call.word(1), call.word(2)).await?;
    read_segments(thread, &file, &mut segments, place, waiting).await
}

/// `pwritev2(fd, vectors, count, offset, _, flags)`
pub(super) async fn pwritev2(thread: &Thread, call: &Call) -> Result {
    let file = descriptor(thread, call)?;
    let allowed = RWF_HIPRI | RWF_NOWAIT | RWF_APPEND | RWF_SYNC | RWF_DSYNC;
    let (place, waiting) = second_form(&file, call, allowed, true)?;
    let mut segments = read_vectors(thread, call.word(1), call.word(2)).await?;
    let count = write_segments(thread, &file, &mut segments, place, waiting).await?;
    let flags = call.unsigned(5);
    if flags & (RWF_SYNC | RWF_DSYNC) != 0 {
        super::retry_ready(thread, || file.file().sync(flags & RWF_SYNC == 0)).await?;
    }
    Ok(count)
}

/// `lseek(fd, offset, whence)`
pub(super) async fn lseek(thread: &Thread, call: &Call) -> Result {
    let file = thread.files().get(call.int(0))?;
    let position = super::retry_ready(thread, || file.seek(call.long(1), call.unsigned(2))).await?;
    Ok(position as usize)
}

/// Reads into vectors or writes from them, as the access mode of the end of a pipe says (`vmsplice(2)`).
pub(super) async fn vectors(
    thread: &Thread,
    file: &OpenFile,
    address: usize,
    count: usize,
    nonblocking: bool,
) -> Result {
    let mut segments = read_vectors(thread, address, count).await?;
    let writes = file.flags().writes();
    let mut waiting = waiting(file, writes);
    waiting.nonblocking |= nonblocking;
    if writes {
        write_segments(thread, file, &mut segments, Place::Position, waiting).await
    } else {
        read_segments(thread, file, &mut segments, Place::Position, waiting).await
    }
}
