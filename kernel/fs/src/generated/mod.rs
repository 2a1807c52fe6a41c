//! File systems whose content is made at the moment it is read: `/proc` and `/sys`.

mod inode;
mod open;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use file::Result;
use hal::sync::SpinLock;

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
        self.file_of(name, 0o444, read)
    }

    /// Adds a file that `read` makes, with these permissions.
    pub(crate) fn file_of(
        self,
        name: &str,
        permissions: u16,
        read: impl Fn(&mut Vec<u8>) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let number = self.number(name);
        let inode = GeneratedInode::owned_file(&self.file_system, number, (0, 0), permissions, Arc::new(read), None);
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
    pub(crate) fn folder(self, name: &str, fill: impl FnOnce(Self) -> Self + Send + 'static) -> Self {
        let mut path = self.path.clone();
        path.push(b'/');
        path.extend_from_slice(name.as_bytes());
        let inode = Self::new(&self.file_system, &path).filled_by(fill).finish();
        self.entry(name, inode)
    }

    /// The directory with what `fill` adds.
    pub(crate) fn filled_by(self, fill: impl FnOnce(Self) -> Self + Send + 'static) -> Filling {
        Filling {
            file_system: self.file_system.clone(),
            number: self.number(""),
            content: SpinLock::new(Content::Due(self, Box::new(fill))),
        }
    }

    /// Adds an entry.
    pub(crate) fn entry(mut self, name: &str, inode: Arc<dyn Inode>) -> Self {
        self.entries.push((name.as_bytes().to_vec(), inode));
        self
    }
}

/// A directory that is filled when somebody first looks into it: most programs look into few.
pub(crate) struct Filling {
    file_system: Arc<Generated>,
    number: u64,
    content: SpinLock<Content>,
}

enum Content {
    Due(Folder, Box<dyn FnOnce(Folder) -> Folder + Send>),
    Filled(Arc<Folder>),
    /// Only while it is being filled.
    Taken,
}

impl Filling {
    /// The directory.
    pub(crate) fn finish(self) -> Arc<dyn Inode> {
        let (file_system, number) = (self.file_system.clone(), self.number);
        GeneratedInode::directory(&file_system, number, (0, 0), 0o555, Box::new(self))
    }

    fn folder(&self) -> Arc<Folder> {
        let mut content = self.content.lock();
        let filled = match core::mem::replace(&mut *content, Content::Taken) {
            Content::Due(folder, fill) => Arc::new(fill(folder)),
            Content::Filled(folder) => folder,
            Content::Taken => unreachable!("the lock is held while it is filled"),
        };
        *content = Content::Filled(filled.clone());
        filled
    }
}

impl Directory for Filling {
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        self.folder()
            .entries
            .iter()
            .find(|(entry, _)| entry == name)
            .map(|(_, inode)| inode.clone())
            .ok_or(Errno::NOENT.into())
    }

    fn names(&self) -> Vec<Vec<u8>> {
        self.folder().entries.iter().map(|(name, _)| name.clone()).collect()
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
