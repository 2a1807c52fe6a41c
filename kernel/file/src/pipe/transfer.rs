//! Moving bytes between pipes and other files without user memory: `splice(2)`, `tee(2)`.

use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use hal::mem::PAGE_SIZE;

use super::{PipeEnd, Segment, SegmentSink, SegmentSource};
use crate::{Error, Result, Sink, Source};

/// Takes at most `limit` bytes out of a pipe, gives them to `write` and puts back what it did not write. 0 at the end of the stream.
pub fn splice_from_pipe(
    from: &PipeEnd,
    limit: usize,
    write: impl FnOnce(&mut dyn Source) -> Result<usize>,
) -> Result<usize> {
    let mut segments = take(from, limit)?;
    if segments.is_empty() {
        return Ok(0);
    }
    let result = write(&mut SegmentSource::new(&segments));
    let mut written = *result.as_ref().unwrap_or(&0);
    for segment in &mut segments {
        let part = written.min(segment.length());
        segment.skip(part);
        written -= part;
    }
    put_back(from, segments);
    result
}

/// Adds at most `limit` bytes that `read` produces to a pipe.
pub fn splice_into_pipe(
    into: &PipeEnd,
    limit: usize,
    read: impl FnOnce(&mut dyn Sink) -> Result<usize>,
) -> Result<usize> {
    let room = free_slots(into)? * PAGE_SIZE;
    let mut sink = SegmentSink::new(limit.min(room));
    let count = read(&mut sink)?;
    add(into, sink.into_segments());
    Ok(count)
}

/// Moves at most `limit` bytes from one pipe to another. `EINVAL` when they are the same.
pub fn splice_pipes(from: &PipeEnd, into: &PipeEnd, limit: usize) -> Result<usize> {
    check_different(from, into)?;
    let slots = free_slots(into)?;
    let mut segments = take(from, limit)?;
    if segments.len() > slots {
        put_back(from, segments.split_off(slots));
    }
    let count = segments.iter().map(Segment::length).sum();
    notify_taken(from);
    add(into, segments);
    Ok(count)
}

/// Copies at most `limit` bytes from one pipe to another and leaves them in the first. `EINVAL` when they are the same.
pub fn tee(from: &PipeEnd, into: &PipeEnd, limit: usize) -> Result<usize> {
    check_different(from, into)?;
    let slots = free_slots(into)?;
    let mut segments = {
        let mut state = from.pipe.state.lock();
        if state.buffer.bytes() == 0 && state.writers > 0 {
            return Err(Error::WouldBlock);
        }
        state.buffer.peek(limit)
    };
    segments.truncate(slots);
    let count = segments.iter().map(Segment::length).sum();
    add(into, segments);
    Ok(count)
}

fn check_different(from: &PipeEnd, into: &PipeEnd) -> core::result::Result<(), Errno> {
    if Arc::ptr_eq(&from.pipe, &into.pipe) {
        Err(Errno::INVAL)
    } else {
        Ok(())
    }
}

/// How many pages a writer may add; at least one.
fn free_slots(into: &PipeEnd) -> Result<usize> {
    let state = into.pipe.state.lock();
    if state.readers == 0 {
        return Err(Errno::PIPE.into());
    }
    match state.buffer.free_slots() {
        0 => Err(Error::WouldBlock),
        slots => Ok(slots),
    }
}

fn take(from: &PipeEnd, limit: usize) -> Result<Vec<Segment>> {
    let mut state = from.pipe.state.lock();
    if state.buffer.bytes() == 0 && state.writers > 0 {
        return Err(Error::WouldBlock);
    }
    Ok(state.buffer.take(limit))
}

fn put_back(from: &PipeEnd, segments: Vec<Segment>) {
    from.pipe.state.lock().buffer.put_back(segments);
    notify_taken(from);
}

fn notify_taken(from: &PipeEnd) {
    let duplex = from.pipe.state.lock().duplex > 0;
    from.pipe.notify_writers(duplex);
}

fn add(into: &PipeEnd, segments: Vec<Segment>) {
    if !segments.is_empty() {
        into.pipe.state.lock().buffer.extend(segments);
        into.pipe.notify_readers();
    }
}
