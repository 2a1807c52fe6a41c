//! Files for tests.

use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicUsize, Ordering};
use hal::sync::SpinLock;

use crate::{File, FileType, Result, Sink, Source, Status};

/// A seekable file in memory.
#[derive(Default)]
pub(crate) struct Memory {
    content: SpinLock<Vec<u8>>,
    closed: AtomicUsize,
}

impl Memory {
    pub(crate) fn set(&self, content: &[u8]) {
        *self.content.lock() = content.to_vec();
    }

    pub(crate) fn get(&self) -> Vec<u8> {
        self.content.lock().clone()
    }

    pub(crate) fn closed(&self) -> usize {
        self.closed.load(Ordering::Relaxed)
    }
}

impl File for Memory {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        Ok(Status {
            size: self.content.lock().len() as u64,
            ..Status::anonymous(1, FileType::Regular, 0o600)
        })
    }

    fn read(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let content = self.content.lock();
        Ok(sink.write(content.get(offset as usize..).unwrap_or_default())?)
    }

    fn write(&self, offset: u64, source: &mut dyn Source) -> Result<usize> {
        let mut content = self.content.lock();
        let end = offset as usize + source.remaining();
        if content.len() < end {
            content.resize(end, 0);
        }
        Ok(source.read(&mut content[offset as usize..end])?)
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn close(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }
}
