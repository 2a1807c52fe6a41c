//! Moving bytes between files without user memory: `sendfile`, `splice`, `tee`, `vmsplice`, `copy_file_range`.

use abi::general::{SPLICE_F_GIFT, SPLICE_F_MORE, SPLICE_F_MOVE, SPLICE_F_NONBLOCK};
use abi::{Errno, OpenFlags};
use file::pipe::{self, PipeEnd, Segment, SegmentSink, SegmentSource};
use file::{FileType, OpenFile};
use hal::user;

use super::transfer::{MAX_TRANSFER, raise, waiting};
use super::turn::Turns;
use super::{Call, Error, Progress, Result, Waiting, file_size, retry, retry_ready};
use crate::process::Thread;
use crate::signal::Signal;

/// Bytes that are in flight at a time.
const STEP: usize = 64 << 10;

/// Where a file is read or written: at an offset in user memory, which is updated, or at its position.
struct Place {
    address: usize,
    offset: Option<u64>,
}

impl Place {
    async fn read(thread: &Thread, address: usize) -> Result<Self> {
        let offset = match address {
            0 => None,
            _ => {
                let offset: i64 = thread.memory.read(address).await?;
                Some(u64::try_from(offset).map_err(|_| Errno::INVAL)?)
            }
        };
        Ok(Self { address, offset })
    }

    fn advance(&mut self, file: &OpenFile, count: usize) {
        match &mut self.offset {
            Some(offset) => *offset += count as u64,
            None => file.set_position(file.position() + count as u64),
        }
    }

    async fn store(&self, thread: &Thread) -> Result<()> {
        if let Some(offset) = self.offset {
            thread.memory.write(self.address, &offset).await?;
        }
        Ok(())
    }

    fn of(&self, file: &OpenFile) -> u64 {
        self.offset.unwrap_or_else(|| file.position())
    }
}

/// Writes segments whole, unless an error or a wait that is not allowed comes between; returns how much was written.
async fn write_all(
    thread: &Thread,
    file: &OpenFile,
    place: &mut Place,
    segments: &mut [Segment],
    waiting: Waiting,
) -> (usize, Result<()>) {
    let mut done = 0;
    loop {
        let first = segments.iter().position(|segment| segment.length() > 0);
        let Some(first) = first else { return (done, Ok(())) };
        let rest = &mut segments[first..];
        let result = retry(thread, &**file.file(), waiting, || {
            let mut source = SegmentSource::new(rest);
            match place.offset {
                Some(offset) => file.write_at(offset, &mut source),
                None => file.write(&mut source),
            }
        })
        .await;
        match result {
            Ok(mut count) => {
                done += count;
                if let Some(offset) = &mut place.offset {
                    *offset += count as u64;
                }
                for segment in rest {
                    let part = segment.length().min(count);
                    segment.skip(part);
                    count -= part;
                }
            }
            Err(error) => {
                if matches!(error, Error::Errno(Errno::PIPE)) {
                    raise(thread, Signal::PIPE);
                }
                return (done, Err(error));
            }
        }
    }
}

/// Copies from a file with positions to any file, in steps.
async fn copy(thread: &Thread, from: (&OpenFile, &mut Place), into: (&OpenFile, &mut Place), count: usize) -> Result {
    let (input, input_place) = from;
    let (output, output_place) = into;
    let waiting = waiting(output, true);
    let count = file_size::room(thread, output, output_place.offset, count).await?;
    let mut done = 0;
    let mut turns = Turns::default();
    while done < count {
        let limit = STEP.min(count - done);
        let offset = input_place.of(input);
        let read = retry_ready(thread, || {
            let mut sink = SegmentSink::new(limit);
            input.read_at(offset, &mut sink)?;
            Ok(sink.into_segments())
        })
        .await;
        let mut segments = match read {
            Ok(segments) if segments.is_empty() => break,
            Ok(segments) => segments,
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        };
        let (written, result) = write_all(thread, output, output_place, &mut segments, waiting).await;
        input_place.advance(input, written);
        done += written;
        match result {
            Ok(()) => {}
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
        if !turns.after(thread, written).await {
            break;
        }
    }
    Ok(done)
}

/// `sendfile` of what is in memory to where nothing is waited for, as servers send files.
pub(super) fn begin_sendfile<'a>(thread: &Thread, call: &Call) -> Progress<'a> {
    Progress::at_once(send_at_once(thread, call))
}

/// Nothing has happened when it gives nothing.
fn send_at_once(thread: &Thread, call: &Call) -> Option<Result> {
    let (output, input) = (thread.file(call.int(0)).ok()?, thread.file(call.int(1)).ok()?);
    let count = call.word(3);
    let is_plain = input.is_seekable() && !output.is_seekable() && !output.flags().contains(OpenFlags::APPEND);
    if !is_plain || !output.is_nonblocking() || !input.flags().reads() || !output.flags().writes() {
        return None;
    }
    if count == 0 || count > STEP {
        return None;
    }
    let address = call.word(2);
    let offset = match address {
        0 => input.position(),
        _ => {
            let mut bytes = [0; size_of::<u64>()];
            user::copy_from_user(address, &mut bytes).ok()?;
            // Whether it can be written is found out before bytes are on their way.
            user::copy_to_user(address, &bytes).ok()?;
            i64::from_le_bytes(bytes).try_into().ok()?
        }
    };
    let mut sink = SegmentSink::new(count);
    input.read_at(offset, &mut sink).ok()?;
    let segments = sink.into_segments();
    if segments.iter().map(Segment::length).sum::<usize>() < count {
        return None;
    }
    let done = match output.write(&mut SegmentSource::new(&segments)) {
        Ok(done) => done,
        Err(file::Error::WouldBlock) => return Some(Err(Errno::AGAIN.into())),
        Err(file::Error::Errno(errno)) if errno != Errno::NOMEM => {
            if errno == Errno::PIPE {
                raise(thread, Signal::PIPE);
            }
            return Some(Err(errno.into()));
        }
        Err(_) => return None,
    };
    let end = offset + done as u64;
    if address == 0 {
        input.set_position(end);
    } else if user::copy_to_user(address, &end.to_le_bytes()).is_err() {
        return Some(Err(Errno::FAULT.into()));
    }
    Some(Ok(done))
}

/// `sendfile(out, in, offset, count)`
pub(super) async fn sendfile(thread: &Thread, call: &Call) -> Result {
    let (output, input) = (thread.file(call.int(0))?, thread.file(call.int(1))?);
    input.check_reads()?;
    output.check_writes()?;
    let mut place = Place::read(thread, call.word(2)).await?;
    if !input.is_seekable() {
        let errno = if place.offset.is_some() {
            Errno::SPIPE
        } else {
            Errno::INVAL
        };
        return Err(errno.into());
    }
    if output.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::INVAL.into());
    }
    let mut end = Place {
        address: 0,
        offset: None,
    };
    let count = call.word(3).min(MAX_TRANSFER);
    let done = copy(thread, (&input, &mut place), (&output, &mut end), count).await?;
    place.store(thread).await?;
    Ok(done)
}

/// `copy_file_range(in, in_offset, out, out_offset, count, flags)`
pub(super) async fn copy_file_range(thread: &Thread, call: &Call) -> Result {
    if call.unsigned(5) != 0 {
        return Err(Errno::INVAL.into());
    }
    let (input, output) = (thread.file(call.int(0))?, thread.file(call.int(2))?);
    for file in [&input, &output] {
        match retry_ready(thread, || file.file().status()).await?.file_type {
            FileType::Regular => {}
            FileType::Directory => return Err(Errno::ISDIR.into()),
            _ => return Err(Errno::INVAL.into()),
        }
    }
    input.check_reads()?;
    output.check_writes()?;
    if output.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::BADF.into());
    }
    let mut from = Place::read(thread, call.word(1)).await?;
    let mut into = Place::read(thread, call.word(3)).await?;
    let count = call.word(4).min(MAX_TRANSFER);
    if input.lock_id().ok() == output.lock_id().ok() {
        let (first, second) = (from.of(&input), into.of(&output));
        if first.abs_diff(second) < count as u64 {
            return Err(Errno::INVAL.into());
        }
    }
    let done = copy(thread, (&input, &mut from), (&output, &mut into), count).await?;
    from.store(thread).await?;
    into.store(thread).await?;
    Ok(done)
}

fn check_flags(flags: u32) -> core::result::Result<(), Errno> {
    // Moving pages is only a hint, and so is that more is to come.
    if flags & !(SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT) == 0 {
        Ok(())
    } else {
        Err(Errno::INVAL)
    }
}

fn pipe_waiting(file: &OpenFile, flags: u32) -> Waiting {
    Waiting {
        nonblocking: file.is_nonblocking() || flags & SPLICE_F_NONBLOCK != 0,
        deadline: None,
    }
}

/// `splice(in, in_offset, out, out_offset, count, flags)`
pub(super) async fn splice(thread: &Thread, call: &Call) -> Result {
    let (count, flags) = (call.word(4).min(MAX_TRANSFER), call.unsigned(5));
    check_flags(flags)?;
    let (input, output) = (thread.file(call.int(0))?, thread.file(call.int(2))?);
    input.check_reads()?;
    output.check_writes()?;
    if count == 0 {
        return Ok(0);
    }
    let (from, into) = (input.downcast::<PipeEnd>(), output.downcast::<PipeEnd>());
    if from.is_some() && call.word(1) != 0 || into.is_some() && call.word(3) != 0 {
        return Err(Errno::SPIPE.into());
    }
    let result = match (from, into) {
        (Some(from), Some(into)) => between_pipes(thread, (&input, from), (&output, into), count, flags).await,
        (Some(from), None) => out_of_pipe(thread, call, (&input, from), &output, count, flags).await,
        (None, Some(into)) => into_pipe(thread, call, &input, (&output, into), count, flags).await,
        (None, None) => Err(Errno::INVAL.into()),
    };
    if matches!(result, Err(Error::Errno(Errno::PIPE))) {
        raise(thread, Signal::PIPE);
    }
    result
}

/// Waits on the pipe that is not ready: full or empty.
async fn between_pipes(
    thread: &Thread,
    (input, from): (&OpenFile, &PipeEnd),
    (output, into): (&OpenFile, &PipeEnd),
    count: usize,
    flags: u32,
) -> Result {
    loop {
        // Wait for room first, so that nothing is taken before it can be put.
        retry(thread, into, pipe_waiting(output, flags), || into.room().map(|_| ())).await?;
        let moved = retry(thread, from, pipe_waiting(input, flags), || {
            match pipe::splice_pipes(from, into, count) {
                // The room has gone meanwhile: look again.
                Err(file::Error::WouldBlock) if into.room().is_err() => Ok(None),
                result => result.map(Some),
            }
        })
        .await?;
        if let Some(moved) = moved {
            return Ok(moved);
        }
    }
}

async fn out_of_pipe(
    thread: &Thread,
    call: &Call,
    (input, from): (&OpenFile, &PipeEnd),
    output: &OpenFile,
    count: usize,
    flags: u32,
) -> Result {
    if output.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::INVAL.into());
    }
    let mut place = Place::read(thread, call.word(3)).await?;
    if place.offset.is_some() {
        output.check_seeks()?;
    }
    let count = file_size::room(thread, output, place.offset, count).await?;
    let mut taken = retry(thread, from, pipe_waiting(input, flags), || pipe::take(from, count)).await?;
    let (done, result) = write_all(thread, output, &mut place, taken.segments(), waiting(output, true)).await;
    drop(taken);
    if done == 0 {
        result?;
    }
    place.store(thread).await?;
    Ok(done)
}

async fn into_pipe(
    thread: &Thread,
    call: &Call,
    input: &OpenFile,
    (output, into): (&OpenFile, &PipeEnd),
    count: usize,
    flags: u32,
) -> Result {
    let mut place = Place::read(thread, call.word(1)).await?;
    if place.offset.is_some() {
        input.check_seeks()?;
    }
    let room = retry(thread, into, pipe_waiting(output, flags), || into.room()).await?;
    let limit = count.min(room);
    let mut reading = waiting(input, false);
    reading.nonblocking |= flags & SPLICE_F_NONBLOCK != 0;
    let done = retry(thread, &**input.file(), reading, || {
        pipe::splice_into_pipe(into, limit, |sink| match place.offset {
            Some(offset) => input.read_at(offset, sink),
            None => input.read(sink),
        })
    })
    .await?;
    if let Some(offset) = &mut place.offset {
        *offset += done as u64;
    }
    place.store(thread).await?;
    Ok(done)
}

/// `tee(in, out, count, flags)`
pub(super) async fn tee(thread: &Thread, call: &Call) -> Result {
    let (count, flags) = (call.word(2).min(MAX_TRANSFER), call.unsigned(3));
    check_flags(flags)?;
    let (input, output) = (thread.file(call.int(0))?, thread.file(call.int(1))?);
    input.check_reads()?;
    output.check_writes()?;
    let (Some(from), Some(into)) = (input.downcast::<PipeEnd>(), output.downcast::<PipeEnd>()) else {
        return Err(Errno::INVAL.into());
    };
    if count == 0 {
        return Ok(0);
    }
    retry(thread, into, pipe_waiting(&output, flags), || into.room().map(|_| ())).await?;
    retry(thread, from, pipe_waiting(&input, flags), || {
        pipe::tee(from, into, count)
    })
    .await
}

/// `vmsplice(fd, vectors, count, flags)`: copies, as the pages could be changed under the reader.
pub(super) async fn vmsplice(thread: &Thread, call: &Call) -> Result {
    check_flags(call.unsigned(3))?;
    let file = thread.file(call.int(0))?;
    file.downcast::<PipeEnd>().ok_or(Errno::BADF)?;
    let nonblocking = call.unsigned(3) & SPLICE_F_NONBLOCK != 0;
    super::transfer::vectors(thread, &file, call.word(1), call.word(2), nonblocking).await
}
