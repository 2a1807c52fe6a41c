//! Open files without a path as links lead to them: `/proc/self/fd/1` of a pipe.

use alloc::sync::Arc;
use core::any::Any;

use abi::{Errno, OpenFlags};
use file::{File, FileType, OpenFile, Pages, Readiness, Result, Sink, Source, Status, UserMemory};
use task::WaitQueue;

use crate::inode::{FileSystem, Inode, Statistics};
use crate::vfs::Place;

const ANONYMOUS_INODE_MAGIC: u32 = 0x0904_1934;

/// An open file as an inode, so that it can be opened again.
pub(super) struct Anonymous(Arc<OpenFile>, FileType);

impl Anonymous {
    /// A place for an open file, named as Linux does.
    pub(super) fn place(file: &Arc<OpenFile>) -> Result<Place> {
        let status = file.file().status()?;
        let name = match status.file_type {
            FileType::Fifo => alloc::format!("pipe:[{}]", status.inode),
            FileType::Socket => alloc::format!("socket:[{}]", status.inode),
            _ => file.file().anonymous_name().into(),
        };
        let inode = Arc::new(Self(file.clone(), status.file_type));
        Ok(Place::anonymous(inode, name.as_bytes()))
    }
}

impl Inode for Anonymous {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn file_type(&self) -> FileType {
        self.1
    }

    fn status(&self) -> Result<Status> {
        self.0.file().status()
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        Arc::new(AnonymousFileSystem)
    }

    fn open(&self, _flags: OpenFlags) -> Result<Option<Arc<dyn File>>> {
        match self.1 {
            FileType::Socket => Err(Errno::NXIO.into()),
            _ => Ok(Some(Arc::new(Again(self.0.clone())))),
        }
    }
}

struct AnonymousFileSystem;

impl FileSystem for AnonymousFileSystem {
    fn name(&self) -> &'static str {
        "anon_inodefs"
    }

    fn statistics(&self) -> Statistics {
        Statistics {
            magic: ANONYMOUS_INODE_MAGIC,
            block_size: 4096,
            name_length: 255,
            ..Statistics::default()
        }
    }
}

/// A file that was opened again: it stays open until both are closed.
struct Again(Arc<OpenFile>);

impl File for Again {
    fn as_any(&self) -> &dyn Any {
        self.0.file().as_any()
    }

    fn status(&self) -> Result<Status> {
        self.0.file().status()
    }

    fn read(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        self.0.file().read(offset, sink)
    }

    fn write(&self, offset: u64, source: &mut dyn Source) -> Result<usize> {
        self.0.file().write(offset, source)
    }

    fn append(&self, source: &mut dyn Source) -> Result<(usize, u64)> {
        self.0.file().append(source)
    }

    fn is_seekable(&self) -> bool {
        self.0.file().is_seekable()
    }

    fn readiness(&self) -> Readiness {
        self.0.file().readiness()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        self.0.file().wait_queue()
    }

    fn pages(&self) -> Option<Arc<dyn Pages>> {
        self.0.file().pages()
    }

    fn control(&self, command: u32, argument: usize, memory: &mut dyn UserMemory) -> Result<usize> {
        self.0.file().control(command, argument, memory)
    }
}
