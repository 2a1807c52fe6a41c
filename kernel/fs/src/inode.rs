//! What every file system offers.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::vfs::Place;
use abi::{Errno, OpenFlags};
use file::{DirectoryEntry, File, FileType, Pages, Result, Sink, Source, Status};

/// A file's device and inode numbers, nobody else's as long as somebody keeps the inode.
pub(crate) type FileId = (u64, u64);

/// The numbers of an inode's file.
pub(crate) fn file_id(inode: &dyn Inode) -> Result<FileId> {
    let status = inode.status()?;
    Ok((status.device, status.inode))
}

/// A file of a file system, independent of its names.
///
/// Permissions are checked by the callers in [`crate::vfs`]; an inode checks only what concerns its file system. An operation that changes something
/// changes everything or nothing, so a caller repeats it after [`file::Error::Pending`].
pub trait Inode: Any + Send + Sync {
    /// For what the trait does not cover.
    fn as_any(&self) -> &dyn Any;

    /// Its type, which never changes.
    fn file_type(&self) -> FileType;

    /// What `stat(2)` reports.
    fn status(&self) -> Result<Status>;

    /// The part of [`Inode::status`] that permissions are checked with, at each step of a path.
    fn ownership(&self) -> Result<Ownership> {
        let status = self.status()?;
        Ok(Ownership {
            permissions: status.permissions,
            uid: status.uid,
            gid: status.gid,
        })
    }

    /// The file system that it is part of.
    fn file_system(&self) -> Arc<dyn FileSystem>;

    // Directories.

    /// The entry `name`, which is neither `.` nor `..`.
    fn lookup(&self, _name: &[u8]) -> Result<Arc<dyn Inode>> {
        Err(Errno::NOTDIR.into())
    }

    /// Whether what [`Inode::lookup`] finds stays true until the directory is changed through this interface.
    fn caches_names(&self) -> bool {
        true
    }

    /// Whether what it shows is gone, as a process may be whose directory is still open. Nothing is in it then.
    fn is_gone(&self) -> bool {
        false
    }

    /// Makes a new file. `EEXIST` when the name is taken.
    fn create(&self, _name: &[u8], _new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        Err(Errno::PERM.into())
    }

    /// Makes a regular file without a name, in the file system of this directory (`O_TMPFILE`).
    fn create_unnamed(&self, _new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        Err(Errno::OPNOTSUPP.into())
    }

    /// Gives `inode`, which is of the same file system, another name in this directory.
    fn link(&self, _name: &[u8], _inode: &Arc<dyn Inode>) -> Result<()> {
        Err(Errno::PERM.into())
    }

    /// Removes a name that is not a directory's.
    fn unlink(&self, _name: &[u8]) -> Result<()> {
        Err(Errno::PERM.into())
    }

    /// Removes an empty directory.
    fn remove_directory(&self, _name: &[u8]) -> Result<()> {
        Err(Errno::PERM.into())
    }

    /// Moves an entry to `new_name` of `target`, a directory of the same file system that does not lie below the entry.
    fn rename(&self, _name: &[u8], _target: &Arc<dyn Inode>, _new_name: &[u8], _mode: RenameMode) -> Result<()> {
        Err(Errno::PERM.into())
    }

    /// Gives the entries without `.` and `..` from position `from` on (0 at first), until `entry` returns false for one that does not fit.
    /// An error may come after some entries were given: they stand.
    fn read_directory(&self, _from: u64, _entry: &mut dyn FnMut(DirectoryEntry<'_>) -> bool) -> Result<()> {
        Err(Errno::NOTDIR.into())
    }

    // Symbolic links.

    /// Where a symbolic link leads.
    fn follow(&self) -> Result<Link> {
        Err(Errno::INVAL.into())
    }

    // Content.

    /// A file of its own for each `open(2)`, for inodes whose content is made at that moment. `None`: the operations below serve all.
    fn open(&self, _flags: OpenFlags) -> Result<Option<Arc<dyn File>>> {
        Ok(None)
    }

    /// Reads from `offset` on.
    fn read(&self, _offset: u64, _sink: &mut dyn Sink) -> Result<usize> {
        Err(Errno::INVAL.into())
    }

    /// Writes from `offset` on.
    fn write(&self, _offset: u64, _source: &mut dyn Source) -> Result<usize> {
        Err(Errno::INVAL.into())
    }

    /// Writes at the end and returns the number of bytes and the offset after them.
    fn append(&self, _source: &mut dyn Source) -> Result<(usize, u64)> {
        Err(Errno::INVAL.into())
    }

    /// Sets the size of a regular file.
    fn truncate(&self, _size: u64) -> Result<()> {
        Err(Errno::INVAL.into())
    }

    /// `fallocate(2)` with the flags `FALLOC_FL_*`.
    fn allocate(&self, _mode: u32, _offset: u64, _length: u64) -> Result<()> {
        Err(Errno::OPNOTSUPP.into())
    }

    /// The first offset from `offset` on that holds data (`SEEK_DATA`) or, with `hole`, that does not (`SEEK_HOLE`).
    fn seek_data(&self, offset: u64, hole: bool) -> Result<u64> {
        let size = self.status()?.size;
        match () {
            () if offset >= size => Err(Errno::NXIO.into()),
            () if hole => Ok(size),
            () => Ok(offset),
        }
    }

    /// The pages for `mmap(2)`, the same object at each call.
    fn pages(&self) -> Option<Arc<dyn Pages>> {
        None
    }

    // Attributes.

    /// Changes attributes.
    fn set_attributes(&self, _change: &AttributeChange) -> Result<()> {
        Err(Errno::PERM.into())
    }

    /// Takes note that it was read, mapped or followed: its access time is set as on a Linux mount with `relatime`, where the file system keeps one.
    fn note_access(&self) {}

    /// The value of an extended attribute.
    fn xattr(&self, _name: &[u8]) -> Result<Vec<u8>> {
        Err(Errno::OPNOTSUPP.into())
    }

    /// The names of all extended attributes.
    fn xattr_names(&self) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }

    /// Sets an extended attribute.
    fn set_xattr(&self, _name: &[u8], _value: &[u8], _mode: XattrMode) -> Result<()> {
        Err(Errno::OPNOTSUPP.into())
    }

    /// Removes an extended attribute.
    fn remove_xattr(&self, _name: &[u8]) -> Result<()> {
        Err(Errno::OPNOTSUPP.into())
    }

    /// What stands behind a FIFO or a Unix socket, made by `make` when nothing does yet. `None` where there is no place for it.
    fn attachment(
        &self,
        _make: &mut dyn FnMut() -> Option<Arc<dyn Any + Send + Sync>>,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}

/// A file system as a whole.
pub trait FileSystem: Send + Sync {
    /// Its name in `/proc/mounts`.
    fn name(&self) -> &'static str;

    /// What `statfs(2)` reports.
    fn statistics(&self) -> Statistics;
}

/// Whose a file is, and who may do what with it.
#[derive(Clone, Copy, Debug)]
pub struct Ownership {
    /// Permission bits.
    pub permissions: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What `statfs(2)` reports of a file system. Zeroes where there is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    /// `f_type`, as `linux/magic.h` has it.
    pub magic: u32,
    /// Bytes of a block.
    pub block_size: u32,
    /// Blocks in total.
    pub blocks: u64,
    /// Blocks that are free.
    pub free_blocks: u64,
    /// Inodes in total.
    pub inodes: u64,
    /// Inodes that are free.
    pub free_inodes: u64,
    /// Bytes of the longest name.
    pub name_length: u32,
}

/// What a new file begins with.
#[derive(Clone, Copy, Debug)]
pub struct NewInode<'a> {
    /// Type, and what belongs to it.
    pub kind: NewKind<'a>,
    /// Permission bits, with the umask applied.
    pub permissions: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// The type of a new file.
#[derive(Clone, Copy, Debug)]
pub enum NewKind<'a> {
    /// Regular file.
    Regular,
    /// Directory.
    Directory,
    /// Symbolic link to a path.
    Symlink(&'a [u8]),
    /// FIFO.
    Fifo,
    /// Unix socket.
    Socket,
    /// Character device of a number.
    CharacterDevice(u64),
    /// Block device of a number.
    BlockDevice(u64),
}

impl NewKind<'_> {
    /// The type that `stat(2)` will report.
    pub fn file_type(&self) -> FileType {
        match self {
            Self::Regular => FileType::Regular,
            Self::Directory => FileType::Directory,
            Self::Symlink(_) => FileType::Symlink,
            Self::Fifo => FileType::Fifo,
            Self::Socket => FileType::Socket,
            Self::CharacterDevice(_) => FileType::CharacterDevice,
            Self::BlockDevice(_) => FileType::BlockDevice,
        }
    }
}

/// Attributes to set; `None` leaves one as it is. Every change sets the time of change.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttributeChange {
    /// Permission bits.
    pub permissions: Option<u16>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Time of last access, nanoseconds since 1970.
    pub accessed: Option<u64>,
    /// Time of the last change of the content.
    pub modified: Option<u64>,
}

/// What a rename does with a target that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameMode {
    /// Replaces it.
    Replace,
    /// Fails with `EEXIST`.
    NoReplace,
    /// Swaps the two.
    Exchange,
}

/// Whether an extended attribute has to exist before it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XattrMode {
    /// Either way.
    Set,
    /// It must not (`XATTR_CREATE`).
    Create,
    /// It must (`XATTR_REPLACE`).
    Replace,
}

/// Where a symbolic link leads.
pub enum Link {
    /// To a path.
    Path(Vec<u8>),
    /// To a place, whatever its path (`/proc/self/exe`).
    Place(Place),
}

/// A device number (`st_dev`) for a file system that has no device, as Linux numbers them: major 0.
pub fn allocate_device_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let minor = NEXT.fetch_add(1, Ordering::Relaxed);
    (minor & 0xff) | ((minor & !0xff) << 12)
}
