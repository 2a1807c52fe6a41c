//! The inodes of generated file systems.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use abi::{Errno, OpenFlags};
use file::{DirectoryEntry, File, FileType, Result, Status};

use super::open::GeneratedFile;
use super::{Generated, Reader, Target, Writer};
use crate::inode::{FileSystem, Inode, Link, NewInode};

/// The entries of a generated directory.
pub(crate) trait Directory: Any + Send + Sync {
    /// The entry `name`.
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>>;

    /// All names, in an order in which those that stay keep their places to one another.
    fn names(&self) -> Vec<Vec<u8>>;

    /// Whether the names never change.
    fn is_fixed(&self) -> bool {
        false
    }

    /// Whether what it shows is gone.
    fn is_gone(&self) -> bool {
        false
    }
}

/// A file, directory or link of a generated file system.
pub(crate) struct GeneratedInode {
    file_system: Arc<Generated>,
    number: u64,
    owner: (u32, u32),
    permissions: u16,
    made: u64,
    body: Body,
}

enum Body {
    Directory(Box<dyn Directory>),
    File(Reader, Option<Writer>),
    Link(Target),
}

impl GeneratedInode {
    fn with_body(
        file_system: &Arc<Generated>,
        number: u64,
        owner: (u32, u32),
        permissions: u16,
        body: Body,
    ) -> Arc<dyn Inode> {
        Arc::new(Self {
            file_system: file_system.clone(),
            number,
            owner,
            permissions,
            made: hal::time::realtime(),
            body,
        })
    }

    pub(crate) fn directory(
        file_system: &Arc<Generated>,
        number: u64,
        owner: (u32, u32),
        permissions: u16,
        directory: Box<dyn Directory>,
    ) -> Arc<dyn Inode> {
        Self::with_body(file_system, number, owner, permissions, Body::Directory(directory))
    }

    pub(crate) fn file(
        file_system: &Arc<Generated>,
        number: u64,
        read: Reader,
        write: Option<Writer>,
    ) -> Arc<dyn Inode> {
        let permissions = if write.is_some() { 0o644 } else { 0o444 };
        Self::owned_file(file_system, number, (0, 0), permissions, read, write)
    }

    pub(crate) fn owned_file(
        file_system: &Arc<Generated>,
        number: u64,
        owner: (u32, u32),
        permissions: u16,
        read: Reader,
        write: Option<Writer>,
    ) -> Arc<dyn Inode> {
        Self::with_body(file_system, number, owner, permissions, Body::File(read, write))
    }

    /// What makes the entries, if this is a directory of such.
    pub(crate) fn directory_of<T: Directory>(&self) -> Option<&T> {
        let Body::Directory(directory) = &self.body else {
            return None;
        };
        let directory: &dyn Any = &**directory;
        directory.downcast_ref()
    }

    pub(crate) fn link(file_system: &Arc<Generated>, number: u64, target: Target) -> Arc<dyn Inode> {
        Self::owned_link(file_system, number, (0, 0), target)
    }

    pub(crate) fn owned_link(
        file_system: &Arc<Generated>,
        number: u64,
        owner: (u32, u32),
        target: Target,
    ) -> Arc<dyn Inode> {
        Self::with_body(file_system, number, owner, 0o777, Body::Link(target))
    }
}

impl Inode for GeneratedInode {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn file_type(&self) -> FileType {
        match self.body {
            Body::Directory(_) => FileType::Directory,
            Body::File(..) => FileType::Regular,
            Body::Link(_) => FileType::Symlink,
        }
    }

    fn status(&self) -> Result<Status> {
        Ok(Status {
            device: self.file_system.device_number,
            inode: self.number,
            file_type: self.file_type(),
            permissions: self.permissions,
            links: if matches!(self.body, Body::Directory(_)) { 2 } else { 1 },
            uid: self.owner.0,
            gid: self.owner.1,
            special_device: 0,
            size: match self.body {
                Body::File(..) => self.file_system.file_size,
                _ => 0,
            },
            block_size: 1024,
            blocks: 0,
            accessed: self.made,
            modified: self.made,
            changed: self.made,
        })
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        self.file_system.clone()
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        match &self.body {
            Body::Directory(directory) => directory.lookup(name),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    fn caches_names(&self) -> bool {
        matches!(&self.body, Body::Directory(directory) if directory.is_fixed())
    }

    fn is_gone(&self) -> bool {
        matches!(&self.body, Body::Directory(directory) if directory.is_gone())
    }

    fn create(&self, _name: &[u8], _new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        Err(Errno::NOENT.into())
    }

    fn read_directory(&self, from: u64, entry: &mut dyn FnMut(DirectoryEntry<'_>) -> bool) -> Result<()> {
        let Body::Directory(directory) = &self.body else {
            return Err(Errno::NOTDIR.into());
        };
        for (place, name) in directory.names().iter().enumerate().skip(from as usize) {
            // A process or a descriptor may have gone since.
            let Ok(inode) = directory.lookup(name) else {
                continue;
            };
            let fits = entry(DirectoryEntry {
                inode: inode.status()?.inode,
                next: place as u64 + 1,
                file_type: inode.file_type(),
                name,
            });
            if !fits {
                break;
            }
        }
        Ok(())
    }

    fn follow(&self) -> Result<Link> {
        match &self.body {
            Body::Link(target) => target(),
            _ => Err(Errno::INVAL.into()),
        }
    }

    fn open(&self, _flags: OpenFlags) -> Result<Option<Arc<dyn File>>> {
        match &self.body {
            Body::File(read, write) => Ok(Some(GeneratedFile::open(read.clone(), write.clone()))),
            _ => Ok(None),
        }
    }

    fn truncate(&self, _size: u64) -> Result<()> {
        match self.body {
            Body::File(..) => Ok(()),
            _ => Err(Errno::INVAL.into()),
        }
    }
}
