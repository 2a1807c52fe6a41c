//! A queue as a file.

use abi::{Errno, OpenFlags};
use alloc::format;
use alloc::sync::Arc;
use core::any::Any;

use file::{File, FileType, Readiness, Result, Sink, Status};
use fs::{AttributeChange, FileSystem, Inode, NewInode};
use hal::sync::SpinLock;
use task::WaitQueue;

use super::directory::Mqueue;
use super::queue::Queue;

/// Whose a file is, and when it was used.
#[derive(Clone, Copy)]
pub(super) struct Ownership {
    uid: u32,
    gid: u32,
    permissions: u16,
    accessed: u64,
    modified: u64,
    changed: u64,
}

impl Ownership {
    pub(super) fn new(uid: u32, gid: u32, permissions: u16) -> Self {
        let now = hal::time::realtime();
        Self {
            uid,
            gid,
            permissions,
            accessed: now,
            modified: now,
            changed: now,
        }
    }

    pub(super) fn apply(&mut self, change: &AttributeChange) {
        self.uid = change.uid.unwrap_or(self.uid);
        self.gid = change.gid.unwrap_or(self.gid);
        self.permissions = change.permissions.unwrap_or(self.permissions);
        self.accessed = change.accessed.unwrap_or(self.accessed);
        self.modified = change.modified.unwrap_or(self.modified);
        self.changed = hal::time::realtime();
    }

    pub(super) fn status(&self, device: u64, inode: u64, file_type: FileType) -> Status {
        Status {
            device,
            permissions: self.permissions,
            uid: self.uid,
            gid: self.gid,
            accessed: self.accessed,
            modified: self.modified,
            changed: self.changed,
            ..Status::anonymous(inode, file_type, 0)
        }
    }
}

/// The inode of a queue.
pub(super) struct Node {
    file_system: Arc<Mqueue>,
    pub(super) number: u64,
    ownership: SpinLock<Ownership>,
    links: SpinLock<u32>,
    queue: Arc<Queue>,
}

impl Node {
    pub(super) fn new(file_system: &Arc<Mqueue>, number: u64, new: &NewInode<'_>, queue: Queue) -> Arc<Self> {
        Arc::new(Self {
            file_system: file_system.clone(),
            number,
            ownership: SpinLock::new(Ownership::new(new.uid, new.gid, new.permissions)),
            links: SpinLock::new(1),
            queue: Arc::new(queue),
        })
    }

    /// Its name was removed.
    pub(super) fn unlink(&self) {
        *self.links.lock() = 0;
    }
}

impl Inode for Node {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn file_type(&self) -> FileType {
        FileType::Regular
    }

    fn status(&self) -> Result<Status> {
        /// As Linux has it.
        const SIZE: u64 = 80;
        let ownership = *self.ownership.lock();
        Ok(Status {
            links: *self.links.lock(),
            size: SIZE,
            ..ownership.status(self.file_system.device, self.number, FileType::Regular)
        })
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        self.file_system.clone()
    }

    fn open(&self, _flags: OpenFlags) -> Result<Option<Arc<dyn File>>> {
        Ok(Some(Arc::new(QueueFile(self.queue.clone()))))
    }

    fn set_attributes(&self, change: &AttributeChange) -> Result<()> {
        self.ownership.lock().apply(change);
        Ok(())
    }
}

/// A queue that was opened.
pub(super) struct QueueFile(Arc<Queue>);

impl QueueFile {
    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.0
    }
}

impl File for QueueFile {
    fn as_any(&self) -> &dyn Any {
        self
    }

    /// Not asked for: the inode has it.
    fn status(&self) -> Result<Status> {
        Err(Errno::INVAL.into())
    }

    fn read(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let (_, bytes) = self.0.filling();
        let (kind, signal, process) = self.0.told();
        let line = format!("QSIZE:{bytes:<10} NOTIFY:{kind:<5} SIGNO:{signal:<5} NOTIFY_PID:{process:<6}\n");
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| line.as_bytes().get(offset..));
        Ok(sink.write(rest.unwrap_or_default())?)
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn readiness(&self) -> Readiness {
        let (messages, _) = self.0.filling();
        let mut ready = Readiness::empty();
        ready.set(Readiness::IN | Readiness::RDNORM, messages > 0);
        ready.set(
            Readiness::OUT | Readiness::WRNORM,
            messages < self.0.attributes.messages,
        );
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.changed)
    }
}
