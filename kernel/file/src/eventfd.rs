//! Counters to wait for (`eventfd(2)`).

use abi::Errno;
use alloc::sync::Arc;
use core::any::Any;
use hal::sync::SpinLock;
use task::WaitQueue;

use crate::buffer::{get_record, put_record};
use crate::{Error, File, FileType, Readiness, Result, Sink, Source, Status, anonymous_inode};

/// The highest count.
const MAXIMUM: u64 = u64::MAX - 1;

/// A counter to wait for.
pub struct EventFd {
    state: SpinLock<State>,
    semaphore: bool,
    queue: WaitQueue,
    inode: u64,
}

struct State {
    count: u64,
    /// A write found no room, so the next read tells.
    starved: bool,
}

impl EventFd {
    /// With a first count. A read takes the whole count, of a `semaphore` it takes 1.
    pub fn new(count: u32, semaphore: bool) -> Arc<Self> {
        Arc::new(Self {
            state: SpinLock::new(State {
                count: u64::from(count),
                starved: false,
            }),
            semaphore,
            queue: WaitQueue::new(),
            inode: anonymous_inode(),
        })
    }
}

impl EventFd {
    /// Counts one more, as the kernel does of itself; at the highest count nothing is lost that a reader could tell.
    pub fn increment(&self) {
        let mut state = self.state.lock();
        state.count = (state.count + 1).min(MAXIMUM);
        drop(state);
        self.queue.notify();
    }
}

impl File for EventFd {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        Ok(Status::anonymous(self.inode, FileType::Anonymous, 0o600))
    }

    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        if sink.remaining() < 8 {
            return Err(Errno::INVAL.into());
        }
        let mut state = self.state.lock();
        let taken = match state.count {
            0 => return Err(Error::WouldBlock),
            _ if self.semaphore => 1,
            count => count,
        };
        put_record(sink, &taken.to_ne_bytes())?;
        let tell = core::mem::take(&mut state.starved) || state.count == MAXIMUM;
        state.count -= taken;
        drop(state);
        if tell {
            self.queue.notify();
        }
        Ok(8)
    }

    fn write(&self, _offset: u64, source: &mut dyn Source) -> Result<usize> {
        if source.remaining() < 8 {
            return Err(Errno::INVAL.into());
        }
        let mut bytes = [0; 8];
        get_record(source, &mut bytes)?;
        let added = u64::from_ne_bytes(bytes);
        if added == u64::MAX {
            return Err(Errno::INVAL.into());
        }
        let mut state = self.state.lock();
        if added > MAXIMUM - state.count {
            state.starved = true;
            return Err(Error::WouldBlock);
        }
        state.count += added;
        drop(state);
        self.queue.notify();
        Ok(8)
    }

    fn readiness(&self) -> Readiness {
        let count = self.state.lock().count;
        let mut ready = Readiness::empty();
        ready.set(Readiness::IN, count > 0);
        ready.set(Readiness::OUT, count < MAXIMUM);
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn anonymous_name(&self) -> &'static str {
        "anon_inode:[eventfd]"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BytesSink, BytesSource};

    fn read(file: &EventFd) -> Result<u64> {
        let mut bytes = [0; 8];
        file.read(0, &mut BytesSink::new(&mut bytes))?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn write(file: &EventFd, value: u64) -> Result<usize> {
        file.write(0, &mut BytesSource::new(&value.to_ne_bytes()))
    }

    #[test]
    fn a_read_takes_the_sum_of_the_writes() {
        let file = EventFd::new(3, false);
        write(&file, 4).unwrap();
        assert_eq!(read(&file).unwrap(), 7);
        assert!(matches!(read(&file), Err(Error::WouldBlock)));
        assert_eq!(file.readiness(), Readiness::OUT);
    }

    #[test]
    fn a_semaphore_gives_one_at_a_time() {
        let file = EventFd::new(2, true);
        assert_eq!((read(&file).unwrap(), read(&file).unwrap()), (1, 1));
        assert!(matches!(read(&file), Err(Error::WouldBlock)));
    }

    #[test]
    fn the_count_does_not_overflow() {
        let file = EventFd::new(0, false);
        write(&file, u64::MAX - 1).unwrap();
        assert_eq!(file.readiness(), Readiness::IN);
        let ticket = file.queue.ticket();
        assert!(matches!(write(&file, 1), Err(Error::WouldBlock)));
        assert!(matches!(write(&file, u64::MAX), Err(Error::Errno(Errno::INVAL))));
        read(&file).unwrap();
        assert_ne!(file.queue.ticket(), ticket, "who waits to write hears of the read");
        assert!(write(&file, 1).is_ok());
    }

    #[test]
    fn short_buffers_are_refused() {
        let file = EventFd::new(1, false);
        let result = file.read(0, &mut BytesSink::new(&mut [0; 7]));
        assert!(matches!(result, Err(Error::Errno(Errno::INVAL))));
    }
}
