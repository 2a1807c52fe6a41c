//! Open generated files.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;

use abi::Errno;
use file::{File, FileType, Result, Sink, Source, Status};
use hal::sync::SpinLock;

use super::{Reader, Writer};

/// Bytes that are written at once.
const LONGEST_WRITE: usize = 4096;

/// A generated file as one opening of it sees it: made anew by each read from the start, so that a reader gets one state from there to the end.
pub(super) struct GeneratedFile {
    read: Reader,
    write: Option<Writer>,
    content: SpinLock<Option<Vec<u8>>>,
}

impl GeneratedFile {
    pub(super) fn open(read: Reader, write: Option<Writer>) -> Arc<dyn File> {
        Arc::new(Self {
            read,
            write,
            content: SpinLock::new(None),
        })
    }
}

impl File for GeneratedFile {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        Ok(Status::anonymous(0, FileType::Regular, 0o444))
    }

    fn read(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let kept = self.content.lock().take().filter(|_| offset > 0);
        let content = if let Some(content) = kept {
            content
        } else {
            let mut content = Vec::new();
            (self.read)(&mut content)?;
            content
        };
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| content.get(offset..))
            .unwrap_or_default();
        let result = if rest.is_empty() { Ok(0) } else { sink.write(rest) };
        *self.content.lock() = Some(content);
        Ok(result?)
    }

    fn write(&self, _offset: u64, source: &mut dyn Source) -> Result<usize> {
        let write = self.write.as_ref().ok_or(Errno::INVAL)?;
        let mut bytes = vec![0; source.remaining().min(LONGEST_WRITE)];
        let count = source.read(&mut bytes)?;
        write(&bytes[..count])?;
        Ok(count)
    }

    fn append(&self, source: &mut dyn Source) -> Result<(usize, u64)> {
        let count = self.write(0, source)?;
        Ok((count, count as u64))
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn truncate(&self, _size: u64) -> Result<()> {
        Ok(())
    }
}
