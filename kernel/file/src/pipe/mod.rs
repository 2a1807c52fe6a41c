//! Pipes and FIFOs.

mod buffer;
mod fifo;
mod transfer;

pub use buffer::{Segment, SegmentSink, SegmentSource};
pub use fifo::Fifo;
pub use transfer::{Taken, splice_into_pipe, splice_pipes, take, tee};

use abi::ioctl::FIONREAD;
use abi::{Errno, OpenFlags};
use alloc::sync::Arc;
use core::any::Any;
use hal::mem::PAGE_SIZE;
use hal::sync::SpinLock;
use task::WaitQueue;

use crate::{File, FileType, Readiness, Result, Sink, Source, Status, UserMemory, anonymous_inode};
use buffer::Buffer;

/// Pages of a new pipe, as on Linux.
const DEFAULT_SLOTS: usize = 16;
/// The most that `F_SETPIPE_SZ` gives, in pages (`/proc/sys/fs/pipe-max-size`: 1 MiB).
const MAX_SLOTS: usize = 256;
/// Bytes that are written whole or not at all.
pub const PIPE_BUF: usize = PAGE_SIZE;

/// What the ends of a pipe share.
pub struct Pipe {
    state: SpinLock<State>,
    /// Notified when there may be something to read.
    readable: WaitQueue,
    /// Notified when there may be room to write.
    writable: WaitQueue,
    inode: u64,
    owner: Owner,
}

struct State {
    buffer: Buffer,
    readers: usize,
    writers: usize,
    /// Ends that do both; they wait in the readers' queue for everything.
    duplex: usize,
    /// Bytes were taken out that may be put back. Nobody else reads meanwhile: they come before those that are there.
    taken: bool,
    /// How many ends were ever opened, so that a FIFO's opener sees a peer that has already gone again.
    readers_opened: u64,
    writers_opened: u64,
}

impl State {
    /// Whether there are bytes that may be read now.
    fn has_bytes(&self) -> bool {
        self.buffer.bytes() > 0 && !self.taken
    }

    /// Whether no bytes come besides those that are there.
    fn has_ended(&self) -> bool {
        self.writers == 0 && !self.taken
    }
}

/// Whose a pipe is, who may open it again by way of `/proc/PID/fd`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Owner {
    /// User ID.
    pub user: u32,
    /// Group ID.
    pub group: u32,
}

/// The two ends of a new pipe, for reading and for writing. With `packets` every write of up to [`PIPE_BUF`] bytes is read on its own.
pub fn pipe(packets: bool, owner: Owner) -> (Arc<PipeEnd>, Arc<PipeEnd>) {
    let pipe = Pipe::new(owner);
    let mode = if packets { OpenFlags::DIRECT } else { OpenFlags::empty() };
    (
        PipeEnd::open(&pipe, mode, None),
        PipeEnd::open(&pipe, mode | OpenFlags::WRONLY, None),
    )
}

impl Pipe {
    fn new(owner: Owner) -> Arc<Self> {
        Arc::new(Self {
            state: SpinLock::new(State {
                buffer: Buffer::new(DEFAULT_SLOTS),
                readers: 0,
                writers: 0,
                duplex: 0,
                taken: false,
                readers_opened: 0,
                writers_opened: 0,
            }),
            readable: WaitQueue::new(),
            writable: WaitQueue::new(),
            inode: anonymous_inode(),
            owner,
        })
    }

    /// Says that bytes came or writers went.
    fn notify_readers(&self) {
        self.readable.notify();
    }

    /// Says that room came or readers went.
    fn notify_writers(&self, duplex: bool) {
        self.writable.notify();
        if duplex {
            self.readable.notify();
        }
    }

    /// Bytes it holds at most (`F_GETPIPE_SZ`).
    pub fn capacity(&self) -> usize {
        self.state.lock().buffer.capacity()
    }

    /// Makes it hold `bytes`, rounded up to a power of two of pages, and returns what it is now (`F_SETPIPE_SZ`). `EPERM` beyond
    /// 1 MiB, `EBUSY` when it holds more now.
    pub fn set_capacity(&self, bytes: usize) -> core::result::Result<usize, Errno> {
        if bytes > 1 << 31 {
            return Err(Errno::INVAL);
        }
        let slots = bytes.div_ceil(PAGE_SIZE).max(1).next_power_of_two();
        if slots > MAX_SLOTS {
            return Err(Errno::PERM);
        }
        self.state.lock().buffer.set_slots(slots)?;
        self.writable.notify();
        Ok(slots * PAGE_SIZE)
    }
}

/// One end of a pipe, or both ends of a FIFO opened with `O_RDWR`.
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    reads: bool,
    writes: bool,
    /// The count of writers when it was opened: one that reads has seen no end of file until one has come.
    writers_before: u64,
    /// The same of readers.
    readers_before: u64,
    packets: bool,
    /// Of a FIFO: the file that has its attributes.
    node: Option<Arc<dyn File>>,
}

impl PipeEnd {
    fn open(pipe: &Arc<Pipe>, flags: OpenFlags, node: Option<Arc<dyn File>>) -> Arc<Self> {
        let (reads, writes) = (flags.reads(), flags.writes());
        let (writers_before, readers_before) = {
            let mut state = pipe.state.lock();
            // One that is there counts as one that has come.
            let writers_before = state.writers_opened - u64::from(state.writers > 0);
            let readers_before = state.readers_opened - u64::from(state.readers > 0);
            state.duplex += usize::from(reads && writes);
            if reads {
                state.readers += 1;
                state.readers_opened += 1;
            }
            if writes {
                state.writers += 1;
                state.writers_opened += 1;
            }
            (writers_before, readers_before)
        };
        pipe.notify_readers();
        pipe.notify_writers(false);
        Arc::new(Self {
            pipe: pipe.clone(),
            reads,
            writes,
            writers_before,
            readers_before,
            packets: flags.contains(OpenFlags::DIRECT),
            node,
        })
    }

    /// Of a FIFO: the file that has its attributes.
    pub fn node(&self) -> Option<&Arc<dyn File>> {
        self.node.as_ref()
    }

    /// The pipe.
    pub fn pipe(&self) -> &Arc<Pipe> {
        &self.pipe
    }

    /// Whether the other side has been opened since; `WouldBlock` until it has. An opener of a FIFO without `O_NONBLOCK` waits for it.
    pub fn peer_opened(&self) -> Result<()> {
        let state = self.pipe.state.lock();
        let waits_for_writer = self.reads && !self.writes;
        let waits_for_reader = self.writes && !self.reads;
        if waits_for_writer && state.writers == 0 && state.writers_opened == self.writers_before
            || waits_for_reader && state.readers == 0 && state.readers_opened == self.readers_before
        {
            return Err(crate::Error::WouldBlock);
        }
        Ok(())
    }
}

impl File for PipeEnd {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        match &self.node {
            Some(node) => node.status(),
            None => Ok(Status {
                uid: self.pipe.owner.user,
                gid: self.pipe.owner.group,
                ..Status::anonymous(self.pipe.inode, FileType::Fifo, 0o600)
            }),
        }
    }

    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        let mut state = self.pipe.state.lock();
        if !state.has_bytes() {
            return if state.has_ended() {
                Ok(0)
            } else {
                Err(crate::Error::WouldBlock)
            };
        }
        let was_full = state.buffer.is_full();
        let count = state.buffer.read(sink)?;
        let (room, duplex) = (was_full && !state.buffer.is_full(), state.duplex > 0);
        drop(state);
        if room {
            self.pipe.notify_writers(duplex);
        }
        Ok(count)
    }

    fn write(&self, _offset: u64, source: &mut dyn Source) -> Result<usize> {
        let mut state = self.pipe.state.lock();
        if state.readers == 0 {
            return Err(Errno::PIPE.into());
        }
        if source.remaining() == 0 {
            return Ok(0);
        }
        let count = state.buffer.write(source, self.packets)?;
        drop(state);
        self.pipe.notify_readers();
        Ok(count)
    }

    fn readiness(&self) -> Readiness {
        let state = self.pipe.state.lock();
        let mut ready = Readiness::empty();
        if self.reads {
            ready.set(Readiness::IN | Readiness::RDNORM, state.has_bytes());
            let writer_has_gone = state.has_ended() && state.writers_opened != self.writers_before;
            ready.set(Readiness::HUP, writer_has_gone);
        }
        if self.writes {
            ready.set(Readiness::OUT | Readiness::WRNORM, !state.buffer.is_full());
            ready.set(Readiness::ERR, state.readers == 0);
        }
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(if self.reads {
            &self.pipe.readable
        } else {
            &self.pipe.writable
        })
    }

    fn is_signal_driven(&self) -> bool {
        true
    }

    fn control(&self, command: u32, argument: usize, memory: &mut dyn UserMemory) -> Result<usize> {
        if command != FIONREAD {
            return Err(Errno::NOTTY.into());
        }
        let bytes = self.pipe.state.lock().buffer.bytes() as i32;
        memory.write(argument, &bytes.to_ne_bytes())?;
        Ok(0)
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        state.readers -= usize::from(self.reads);
        state.writers -= usize::from(self.writes);
        state.duplex -= usize::from(self.reads && self.writes);
        let (no_readers, no_writers) = (state.readers == 0, state.writers == 0);
        if no_readers && no_writers {
            // What nobody read of a FIFO is gone when all have closed it.
            state.buffer.clear();
        }
        drop(state);
        if no_writers {
            self.pipe.notify_readers();
        }
        if no_readers {
            self.pipe.notify_writers(false);
        }
    }
}

#[cfg(test)]
mod tests;
