//! `read` and `write`, with vectors and on sockets. Pipes, sockets and cached files are ready most of the time, so that a call ends with its first
//! attempt, which needs no future.

use abi::{Errno, IoVector};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::pin::pin;
use file::{File, OpenFile};
use hal::user::{self, UserContext};
use net::{Domain, SocketFile};
use task::WaitQueue;
use zerocopy::{FromZeros, IntoBytes};

use super::{MAX_TRANSFER, Place, advance, descriptor, one, raise, read_segments, to_segment, waiting, write_segments};
use crate::memory::{Segment, UserBuffers};
use crate::process::{Thread, parked};
use crate::signal::Signal;
use crate::syscall::turn::TURN;
use crate::syscall::{Call, Error, Progress, Result};

/// A `read` or `write` that goes on.
pub struct Transfer {
    file: Arc<OpenFile>,
    write: bool,
    segments: Segments,
    /// Bytes that are done.
    done: usize,
    /// Its place in the file's queue before the attempt, when the file was not ready and there is no time limit.
    ticket: Option<u64>,
}

/// Most transfers have one piece, which needs no memory of the heap.
enum Segments {
    One([Segment; 1]),
    Several(Vec<Segment>),
}

impl Segments {
    fn all(&self) -> &[Segment] {
        match self {
            Self::One(segment) => segment,
            Self::Several(segments) => segments,
        }
    }
}

/// Pieces of the vectors that are looked at here; longer ones are left.
const FEW: usize = 8;

/// `read(fd, buffer, count)`, `write(fd, buffer, count)`
pub(in crate::syscall) fn begin<'a>(thread: &Thread, call: &Call, write: bool) -> Progress<'a> {
    let opened = descriptor(thread, call).and_then(|file| Ok((file, one(call.word(1), call.word(2))?)));
    match opened {
        Ok((file, segment)) => Transfer::begin(thread, file, write, &segment),
        Err(errno) => Progress::Over(Err(errno.into())),
    }
}

/// `readv(fd, vectors, count)`, `writev(fd, vectors, count)`
pub(in crate::syscall) fn begin_vectors<'a>(thread: &Thread, call: &Call, write: bool) -> Progress<'a> {
    let file = match descriptor(thread, call) {
        Ok(file) => file,
        Err(errno) => return Progress::Over(Err(errno.into())),
    };
    let mut vectors = [IoVector::new_zeroed(); FEW];
    let Some(vectors) = vectors.get_mut(..call.word(2)).filter(|vectors| !vectors.is_empty()) else {
        return Progress::Waits;
    };
    if user::copy_from_user(call.word(1), vectors.as_mut_bytes()).is_err() {
        return Progress::Waits;
    }
    let mut segments = [Segment::default(); FEW];
    let mut left = MAX_TRANSFER;
    for (segment, vector) in segments.iter_mut().zip(&*vectors) {
        match to_segment(vector, &mut left) {
            Ok(found) => *segment = found,
            Err(errno) => return Progress::Over(Err(errno.into())),
        }
    }
    Transfer::begin(thread, file, write, &segments[..vectors.len()])
}

/// `recvfrom` and `sendto` without flags and address, which are `read` and `write` of a socket; nothing for others.
pub(in crate::syscall) fn begin_message<'a>(thread: &Thread, call: &Call, write: bool) -> Progress<'a> {
    // A datagram may have no bytes.
    if call.unsigned(3) != 0 || call.word(4) != 0 || call.word(2) == 0 {
        return Progress::Waits;
    }
    match descriptor(thread, call) {
        Ok(file)
            if file.downcast::<SocketFile>().is_some_and(|socket| {
                if write {
                    socket.domain() != Domain::Unix
                } else {
                    // Who wants more at a time may have to wait again.
                    socket.least() == 1
                }
            }) =>
        {
            match one(call.word(1), call.word(2)) {
                Ok(segment) => Transfer::begin(thread, file, write, &segment),
                Err(errno) => Progress::Over(Err(errno.into())),
            }
        }
        // What is written to those of Unix takes along who sends.
        _ => Progress::Waits,
    }
}

/// How far a first attempt has come.
enum Attempt {
    Over(Result),
    /// So many bytes are done; the ticket as in [`Transfer`].
    Onward(usize, Option<u64>),
}

impl Transfer {
    fn begin<'a>(thread: &Thread, file: Arc<OpenFile>, write: bool, segments: &[Segment]) -> Progress<'a> {
        let (done, ticket) = match attempt(thread, &file, write, segments) {
            Attempt::Over(result) => return Progress::Over(result),
            Attempt::Onward(done, ticket) => (done, ticket),
        };
        let segments = match *segments {
            [segment] => Segments::One([segment]),
            _ => Segments::Several(segments.to_vec()),
        };
        Progress::Transfer(Self {
            file,
            write,
            segments,
            done,
            ticket,
        })
    }

    /// Waits for what it takes to transfer the rest.
    pub async fn finish(&mut self, thread: &Thread, context: &mut UserContext) -> Result {
        while let Some(ticket) = self.ticket.take() {
            if let Some(queue) = self.file.file().wait_queue() {
                thread.wait_notified(context, queue, ticket).await?;
            }
            match attempt(thread, &self.file, self.write, self.segments.all()) {
                Attempt::Over(result) => return result,
                Attempt::Onward(done, ticket) => (self.done, self.ticket) = (done, ticket),
            }
        }
        parked(context, pin!(self.rest(thread))).await
    }

    async fn rest(&mut self, thread: &Thread) -> Result {
        let waiting = waiting(&self.file, self.write);
        let segments = match &mut self.segments {
            Segments::One(segment) => &mut segment[..],
            Segments::Several(segments) => segments,
        };
        advance(segments, self.done);
        let place = Place::Onward(self.done);
        if self.write {
            write_segments(thread, &self.file, segments, place, waiting).await
        } else {
            read_segments(thread, &self.file, segments, place, waiting).await
        }
    }
}

/// Tries to transfer all.
fn attempt(thread: &Thread, file: &OpenFile, write: bool, segments: &[Segment]) -> Attempt {
    if write && file.is_seekable() {
        // How far it may grow is looked up first.
        return Attempt::Onward(0, None);
    }
    let total = super::length(segments);
    let mut buffers = UserBuffers::first(segments, TURN);
    let ticket = file.file().wait_queue().map(WaitQueue::ticket);
    let result = if write {
        file.write(&mut buffers)
    } else {
        file.read(&mut buffers)
    };
    match result {
        Ok(count) => {
            // Streams give what they have, which may be more than memory let them.
            let is_all = || !write && !file.is_seekable() && buffers.fault().is_none() && count >= file.file().least();
            if count == 0 || count == total || is_all() {
                return Attempt::Over(Ok(count));
            }
            Attempt::Onward(count, None)
        }
        Err(file::Error::WouldBlock) if file.is_nonblocking() => Attempt::Over(Err(Errno::AGAIN.into())),
        Err(file::Error::WouldBlock) => Attempt::Onward(0, ticket.filter(|_| file.file().time_limit(write).is_none())),
        Err(file::Error::Interrupted) => Attempt::Over(Err(Error::INTERRUPTED)),
        Err(file::Error::Errno(errno)) if errno != Errno::NOMEM => {
            if write && errno == Errno::PIPE {
                raise(thread, Signal::PIPE);
            }
            Attempt::Over(Err(errno.into()))
        }
        Err(_) => Attempt::Onward(0, None),
    }
}
