//! `/dev/null`, `/dev/zero`, `/dev/full`, `/dev/random` and `/dev/urandom`.

use alloc::sync::Arc;
use core::any::Any;

use abi::Errno;
use file::{File, FileType, Pages, Result, Sink, Source, Status};

use crate::tmpfs::{Options, Tmpfs};

/// Bytes that a random device makes at once.
const CHUNK: usize = 256;

/// Which device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Zero,
    Full,
    Random,
}

/// A device without hardware.
pub(super) struct MemoryDevice(Kind);

impl MemoryDevice {
    pub(super) fn new(kind: Kind) -> Self {
        Self(kind)
    }
}

/// Takes all bytes of a source.
fn swallow(source: &mut dyn Source) -> Result<usize> {
    let mut chunk = [0; CHUNK];
    let mut done = 0;
    while source.remaining() > 0 {
        match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(fault) if done == 0 => return Err(fault.into()),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// Fills a sink with what `make` puts into each chunk.
fn fill(sink: &mut dyn Sink, mut make: impl FnMut(&mut [u8])) -> Result<usize> {
    let mut chunk = [0; CHUNK];
    let mut done = 0;
    while sink.remaining() > 0 {
        let part = sink.remaining().min(CHUNK);
        make(&mut chunk[..part]);
        match sink.write(&chunk[..part]) {
            Ok(count) => {
                done += count;
                if count < part {
                    break;
                }
            }
            Err(fault) if done == 0 => return Err(fault.into()),
            Err(_) => break,
        }
    }
    Ok(done)
}

impl File for MemoryDevice {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        Ok(Status::anonymous(0, FileType::CharacterDevice, 0o666))
    }

    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        match self.0 {
            Kind::Null => Ok(0),
            Kind::Zero | Kind::Full => fill(sink, |_| {}),
            Kind::Random => fill(sink, hal::random::fill),
        }
    }

    fn write(&self, _offset: u64, source: &mut dyn Source) -> Result<usize> {
        match self.0 {
            // Nothing is looked at: a write of bytes that cannot be reached succeeds, too.
            Kind::Null | Kind::Zero => Ok(source.remaining()),
            Kind::Full => Err(Errno::NOSPC.into()),
            // The pool needs no help.
            Kind::Random => swallow(source),
        }
    }

    fn append(&self, source: &mut dyn Source) -> Result<(usize, u64)> {
        Ok((self.write(0, source)?, 0))
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn stays_at_start(&self) -> bool {
        true
    }

    fn pages(&self) -> Option<Arc<dyn Pages>> {
        if self.0 != Kind::Zero {
            return None;
        }
        // Each mapping is memory of its own, as with `MAP_ANONYMOUS`.
        let (file_system, _) = Tmpfs::create(&Options::default());
        let memory = file_system.memory_file(0o600, false).ok()?;
        memory.truncate(i64::MAX as u64).ok()?;
        memory.pages()
    }
}
