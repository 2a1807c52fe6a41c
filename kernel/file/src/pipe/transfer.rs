//! Moving bytes between pipes and other files without user memory: `splice(2)`, `tee(2)`.

use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use hal::mem::PAGE_SIZE;

use super::{PipeEnd, Segment, SegmentSink};
use crate::{Error, Result, Sink};

/// Adds at most `limit` bytes that `read` produces to a pipe.
pub fn splice_into_pipe(
    into: &PipeEnd,
    limit: usize,
    read: impl FnOnce(&mut dyn Sink) -> Result<usize>,
) -> Result<usize> {
    let room = into.room()?;
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

impl PipeEnd {
    /// Bytes that a write may add for sure; `WouldBlock` when there is no room.
    pub fn room(&self) -> Result<usize> {
        free_slots(self).map(|slots| slots * PAGE_SIZE)
    }
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

/// Takes at most `limit` bytes out of a pipe; none at the end of the stream. What is not used is [`put_back`].
pub fn take(from: &PipeEnd, limit: usize) -> Result<Vec<Segment>> {
    let mut state = from.pipe.state.lock();
    if state.buffer.bytes() == 0 && state.writers > 0 {
        return Err(Error::WouldBlock);
    }
    Ok(state.buffer.take(limit))
}

/// Puts back what [`take`] took out and nobody used, and lets writers go on.
pub fn put_back(from: &PipeEnd, segments: Vec<Segment>) {
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
