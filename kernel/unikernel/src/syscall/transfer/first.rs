//! `read` and `write`. Pipes, sockets and cached files are ready most of the time, so that a call ends with its first attempt, which needs no future.

use abi::Errno;
use alloc::sync::Arc;
use core::pin::pin;
use file::OpenFile;
use hal::user::UserContext;
use task::WaitQueue;

use super::{Place, advance, descriptor, one, raise, read_segments, waiting, write_segments};
use crate::memory::{Segment, UserBuffers};
use crate::process::{Thread, parked};
use crate::signal::Signal;
use crate::syscall::{Call, Error, Progress, Result};

/// A `read` or `write` that goes on.
pub struct Transfer {
    file: Arc<OpenFile>,
    write: bool,
    segment: Segment,
    /// Bytes that are done.
    done: usize,
    /// Its place in the file's queue before the attempt, when the file was not ready and there is no time limit.
    ticket: Option<u64>,
}

/// `read(fd, buffer, count)`, `write(fd, buffer, count)`
pub(in crate::syscall) fn begin<'a>(thread: &Thread, call: &Call, write: bool) -> Progress<'a> {
    let opened = descriptor(thread, call).and_then(|file| Ok((file, one(call.word(1), call.word(2))?)));
    let (file, [segment]) = match opened {
        Ok(opened) => opened,
        Err(errno) => return Progress::Over(Err(errno.into())),
    };
    let mut transfer = Transfer {
        file,
        write,
        segment,
        done: 0,
        ticket: None,
    };
    match transfer.attempt(thread) {
        Some(result) => Progress::Over(result),
        None => Progress::Transfer(transfer),
    }
}

impl Transfer {
    /// Tries to transfer all; nothing when more is to be done.
    fn attempt(&mut self, thread: &Thread) -> Option<Result> {
        let file = &*self.file;
        if self.write && file.is_seekable() {
            // How far it may grow is looked up first.
            return None;
        }
        let segments = [self.segment];
        let mut buffers = UserBuffers::new(&segments);
        let ticket = file.file().wait_queue().map(WaitQueue::ticket);
        let result = if self.write {
            file.write(&mut buffers)
        } else {
            file.read(&mut buffers)
        };
        match result {
            Ok(count) => {
                // Streams give what they have, which may be more than memory let them.
                let is_all = !self.write && !file.is_seekable() && buffers.fault().is_none();
                if count == 0 || count == self.segment.length || is_all {
                    return Some(Ok(count));
                }
                self.done = count;
                None
            }
            Err(file::Error::WouldBlock) if file.is_nonblocking() => Some(Err(Errno::AGAIN.into())),
            Err(file::Error::WouldBlock) => {
                self.ticket = ticket.filter(|_| file.file().time_limit(self.write).is_none());
                None
            }
            Err(file::Error::Interrupted) => Some(Err(Error::INTERRUPTED)),
            Err(file::Error::Errno(errno)) if errno != Errno::NOMEM => {
                if self.write && errno == Errno::PIPE {
                    raise(thread, Signal::PIPE);
                }
                Some(Err(errno.into()))
            }
            Err(_) => None,
        }
    }

    /// Waits for what it takes to transfer the rest.
    pub async fn finish(&mut self, thread: &Thread, context: &mut UserContext) -> Result {
        while let Some(ticket) = self.ticket.take() {
            if let Some(queue) = self.file.file().wait_queue() {
                thread.wait_notified(context, queue, ticket).await?;
            }
            if let Some(result) = self.attempt(thread) {
                return result;
            }
        }
        parked(context, pin!(self.rest(thread))).await
    }

    async fn rest(&self, thread: &Thread) -> Result {
        let waiting = waiting(&self.file, self.write);
        let mut segments = [self.segment];
        advance(&mut segments, self.done);
        let place = Place::Onward(self.done);
        if self.write {
            write_segments(thread, &self.file, &mut segments, place, waiting).await
        } else {
            read_segments(thread, &self.file, &mut segments, place, waiting).await
        }
    }
}
