//! File systems whose content is made at the moment it is read: `/proc` and `/sys`.

mod inode;
mod open;

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use file::Result;

use crate::inode::{FileSystem, Inode, Link, Statistics};
pub(crate) use inode::{Directory, GeneratedInode};

/// Makes the content of a file.
pub(crate) type Reader = Arc<dyn Fn(&mut Vec<u8>) -> Result<()> + Send + Sync>;
/// Takes what is written to a file.
pub(crate) type Writer = Arc<dyn Fn(&[u8]) -> Result<()> + Send + Sync>;
/// Says where a link leads.
pub(crate) type Target = Arc<dyn Fn() -> Result<Link> + Send + Sync>;

/// A file system of generated files.
pub(crate) struct Generated {
    name: &'static str,
    magic: u32,
    device_number: u64,
    /// What `stat(2)` says of every file's size.
    file_size: u64,
}

impl Generated {
    pub(crate) fn new(name: &'static str, magic: u32, file_size: u64) -> Arc<Self> {
        Arc::new(Self {
            name,
            magic,
            device_number: crate::inode::allocate_device_number(),
            file_size,
        })
    }
}

impl FileSystem for Generated {
    fn name(&self) -> &'static str {
        self.name
    }

    fn statistics(&self) -> Statistics {
        Statistics {
            magic: self.magic,
            block_size: 4096,
            name_length: 255,
            ..Statistics::default()
        }
    }
}

/// A directory in the making: entries that stay for ever.
pub(crate) struct Folder {
    file_system: Arc<Generated>,
    path: Vec<u8>,
    entries: Vec<(Vec<u8>, Arc<dyn Inode>)>,
}

impl Folder {
    pub(crate) fn new(file_system: &Arc<Generated>, path: &[u8]) -> Self {
        Self {
            file_system: file_system.clone(),
            path: path.to_vec(),
            entries: Vec::new(),
        }
    }

    fn number(&self, name: &str) -> u64 {
        number(&self.path, name.as_bytes())
    }

    /// Adds a file that `read` makes.
    pub(crate) fn file(self, name: &str, read: impl Fn(&mut Vec<u8>) -> Result<()> + Send + Sync + 'static) -> Self {
        let inode = GeneratedInode::file(&self.file_system, self.number(name), Arc::new(read), None);
        self.entry(name, inode)
    }

    /// Adds a file whose content never changes.
    pub(crate) fn text(self, name: &str, text: &'static str) -> Self {
        self.file(name, move |out| {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        })
    }

    /// Adds a file that is written, too.
    pub(crate) fn writable(
        self,
        name: &str,
        read: impl Fn(&mut Vec<u8>) -> Result<()> + Send + Sync + 'static,
        write: impl Fn(&[u8]) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let number = self.number(name);
        let inode = GeneratedInode::file(&self.file_system, number, Arc::new(read), Some(Arc::new(write)));
        self.entry(name, inode)
    }

    /// Adds a symbolic link to a path.
    pub(crate) fn link(self, name: &str, target: &'static str) -> Self {
        let target: Target = Arc::new(move || Ok(Link::Path(target.as_bytes().to_vec())));
        let inode = GeneratedInode::link(&self.file_system, self.number(name), target);
        self.entry(name, inode)
    }

    /// Adds a directory that `fill` fills.
    pub(crate) fn folder(self, name: &str, fill: impl FnOnce(Self) -> Self) -> Self {
        let mut path = self.path.clone();
        path.push(b'/');
        path.extend_from_slice(name.as_bytes());
        let inode = fill(Self::new(&self.file_system, &path)).finish();
        self.entry(name, inode)
    }

    /// Adds an entry.
    pub(crate) fn entry(mut self, name: &str, inode: Arc<dyn Inode>) -> Self {
        self.entries.push((name.as_bytes().to_vec(), inode));
        self
    }

    /// The directory.
    pub(crate) fn finish(self) -> Arc<dyn Inode> {
        let number = number(&self.path, b"");
        let file_system = self.file_system.clone();
        GeneratedInode::directory(&file_system, number, (0, 0), 0o555, alloc::boxed::Box::new(self))
    }
}

impl Directory for Folder {
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        self.entries
            .iter()
            .find(|(entry, _)| entry == name)
            .map(|(_, inode)| inode.clone())
            .ok_or(Errno::NOENT.into())
    }

    fn names(&self) -> Vec<Vec<u8>> {
        self.entries.iter().map(|(name, _)| name.clone()).collect()
    }

    fn is_fixed(&self) -> bool {
        true
    }
}

/// An inode number that a name always gets: FNV-1a over its path.
pub(crate) fn number(path: &[u8], name: &[u8]) -> u64 {
    let hash = path
        .iter()
        .chain(b"/")
        .chain(name)
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    // Programs of 32 bits and shell scripts live easier with short ones.
    hash >> 24 | 1
}
