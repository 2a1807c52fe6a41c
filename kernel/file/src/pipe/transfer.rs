//! Moving bytes between pipes and other files without user memory: `splice(2)`, `tee(2)`.

use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use hal::mem::PAGE_SIZE;
use hal::sync::SpinLockGuard;

use super::{PipeEnd, Segment, SegmentSink, State};
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
    if add(&mut into.pipe.state.lock(), sink.into_segments()) > 0 {
        into.pipe.notify_readers();
    }
    Ok(count)
}

/// Moves at most `limit` bytes from one pipe to another. `EINVAL` when they are the same.
pub fn splice_pipes(from: &PipeEnd, into: &PipeEnd, limit: usize) -> Result<usize> {
    let (mut source, mut target) = lock_both(from, into)?;
    let slots = free_slots(&target)?;
    check_content(&source)?;
    let mut segments = source.buffer.take(limit);
    if segments.len() > slots {
        source.buffer.put_back(segments.split_off(slots));
    }
    let count = add(&mut target, segments);
    let duplex = source.duplex > 0;
    drop((source, target));
    from.pipe.notify_writers(duplex);
    if count > 0 {
        into.pipe.notify_readers();
    }
    Ok(count)
}

/// Copies at most `limit` bytes from one pipe to another and leaves them in the first. `EINVAL` when they are the same.
pub fn tee(from: &PipeEnd, into: &PipeEnd, limit: usize) -> Result<usize> {
    let (mut source, mut target) = lock_both(from, into)?;
    let slots = free_slots(&target)?;
    check_content(&source)?;
    let mut segments = source.buffer.peek(limit);
    segments.truncate(slots);
    let count = add(&mut target, segments);
    drop((source, target));
    if count > 0 {
        into.pipe.notify_readers();
    }
    Ok(count)
}

impl PipeEnd {
    /// Bytes that a write may add for sure; `WouldBlock` when there is no room.
    pub fn room(&self) -> Result<usize> {
        free_slots(&self.pipe.state.lock()).map(|slots| slots * PAGE_SIZE)
    }
}

/// Locks two pipes in an order that all keep, so that who moves bytes at the same time does not mix them up.
fn lock_both<'a>(
    from: &'a PipeEnd,
    into: &'a PipeEnd,
) -> core::result::Result<(SpinLockGuard<'a, State>, SpinLockGuard<'a, State>), Errno> {
    match Arc::as_ptr(&from.pipe).cmp(&Arc::as_ptr(&into.pipe)) {
        Ordering::Equal => Err(Errno::INVAL),
        Ordering::Less => {
            let source = from.pipe.state.lock();
            Ok((source, into.pipe.state.lock()))
        }
        Ordering::Greater => {
            let target = into.pipe.state.lock();
            Ok((from.pipe.state.lock(), target))
        }
    }
}

/// How many pages a writer may add; at least one.
fn free_slots(into: &State) -> Result<usize> {
    if into.readers == 0 {
        return Err(Errno::PIPE.into());
    }
    match into.buffer.free_slots() {
        0 => Err(Error::WouldBlock),
        slots => Ok(slots),
    }
}

/// `WouldBlock` for a pipe that has nothing to read and may get more.
fn check_content(from: &State) -> Result<()> {
    if !from.has_bytes() && !from.has_ended() {
        return Err(Error::WouldBlock);
    }
    Ok(())
}

/// What was taken out of a pipe; what is left of it at the end is put back, and readers and writers go on.
pub struct Taken<'a> {
    from: &'a PipeEnd,
    segments: Vec<Segment>,
}

/// Takes at most `limit` bytes out of a pipe; none at the end of the stream.
pub fn take(from: &PipeEnd, limit: usize) -> Result<Taken<'_>> {
    let mut state = from.pipe.state.lock();
    check_content(&state)?;
    let segments = state.buffer.take(limit);
    state.taken = true;
    Ok(Taken { from, segments })
}

impl Taken<'_> {
    /// The bytes. Those that are used are to be skipped.
    pub fn segments(&mut self) -> &mut [Segment] {
        &mut self.segments
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let pipe = &self.from.pipe;
        let mut state = pipe.state.lock();
        state.buffer.put_back(core::mem::take(&mut self.segments));
        state.taken = false;
        let (readable, duplex) = (state.has_bytes() || state.has_ended(), state.duplex > 0);
        drop(state);
        if readable {
            pipe.notify_readers();
        }
        pipe.notify_writers(duplex);
    }
}

/// Adds bytes and returns how many.
fn add(into: &mut State, segments: Vec<Segment>) -> usize {
    let count = segments.iter().map(Segment::length).sum();
    into.buffer.extend(segments);
    count
}
