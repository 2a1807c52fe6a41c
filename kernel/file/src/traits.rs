//! What every open file can do.

use abi::Errno;
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};
use hal::mem::Frame;
use task::WaitQueue;

use crate::{Error, Fault, Readiness, Result, Sink, Source};

/// An object behind a file descriptor. No operation blocks: see [`Error`].
///
/// A file does not know its position or its status flags: the open file description holds them and passes offsets. Streams ignore offsets.
pub trait File: Any + Send + Sync {
    /// For what the trait does not cover, such as the calls of sockets.
    fn as_any(&self) -> &dyn Any;

    /// What `fstat(2)` reports.
    fn status(&self) -> Result<Status>;

    /// Reads from `offset` on; 0 bytes at the end. With an error nothing counts as read, whatever the sink has taken.
    fn read(&self, _offset: u64, _sink: &mut dyn Sink) -> Result<usize> {
        Err(Errno::INVAL.into())
    }

    /// What a read gives that may not wait, or (`timed_out`) has waited for as long as [`File::time_limit`] says, after [`File::read`] has found
    /// that it would block: what a terminal has that is less than was asked for.
    fn read_early(&self, _sink: &mut dyn Sink, _timed_out: bool) -> Result<usize> {
        Err(Error::WouldBlock)
    }

    /// Writes from `offset` on. With an error nothing counts as written, whatever the source has given.
    fn write(&self, _offset: u64, _source: &mut dyn Source) -> Result<usize> {
        Err(Errno::INVAL.into())
    }

    /// Writes at the end and returns the number of bytes and the offset after them (`O_APPEND`).
    fn append(&self, source: &mut dyn Source) -> Result<(usize, u64)> {
        let end = self.status()?.size;
        let written = self.write(end, source)?;
        Ok((written, end + written as u64))
    }

    /// Whether it has positions and `lseek(2)` works: true for regular files, directories and block devices, false for pipes, sockets
    /// and the like.
    fn is_seekable(&self) -> bool {
        false
    }

    /// Whether its position is 0 whatever is read, written or sought: true for devices that are the same everywhere.
    fn stays_at_start(&self) -> bool {
        false
    }

    /// The first offset from `offset` on that holds data (`SEEK_DATA`) or, with `hole`, that does not (`SEEK_HOLE`). `ENXIO` behind the
    /// end. A file that knows no holes is data up to its end.
    fn seek_data(&self, offset: u64, hole: bool) -> Result<u64> {
        let size = self.status()?.size;
        if offset >= size {
            return Err(Errno::NXIO.into());
        }
        Ok(if hole { size } else { offset })
    }

    /// What the file is ready for now.
    fn readiness(&self) -> Readiness {
        Readiness::IN | Readiness::OUT | Readiness::RDNORM | Readiness::WRNORM
    }

    /// Notified when the readiness may have changed; `None` for files that are always ready, which epoll refuses.
    fn wait_queue(&self) -> Option<&WaitQueue> {
        None
    }

    /// Whether it tells by a signal that it is ready, when `O_ASYNC` is set: pipes, sockets, terminals and inotify do.
    fn is_signal_driven(&self) -> bool {
        false
    }

    /// Bytes that a blocking read of a stream waits for: `SO_RCVLOWAT` of sockets.
    fn least(&self) -> usize {
        1
    }

    /// Nanoseconds after which a blocking read, or `write`, gives up: `SO_RCVTIMEO` and `SO_SNDTIMEO` of sockets, `VTIME` of terminals.
    fn time_limit(&self, _write: bool) -> Option<u64> {
        None
    }

    /// The pages to map with `mmap(2)`; `None` when it cannot be mapped.
    fn pages(&self) -> Option<Arc<dyn Pages>> {
        None
    }

    /// Gives the entries of a directory from position `from` on (0 at first) until `entry` returns false for one that does not fit.
    fn read_directory(&self, _from: u64, _entry: &mut dyn FnMut(DirectoryEntry<'_>) -> bool) -> Result<()> {
        Err(Errno::NOTDIR.into())
    }

    /// Device-specific control.
    fn control(&self, _command: u32, _argument: usize, _memory: &mut dyn UserMemory) -> Result<usize> {
        Err(Errno::NOTTY.into())
    }

    /// Takes note that it was read or mapped, for its access time.
    fn note_access(&self) {}

    /// Sets the size.
    fn truncate(&self, _size: u64) -> Result<()> {
        Err(Errno::INVAL.into())
    }

    /// Brings what was written to the device (`fsync(2)`; `fdatasync(2)` with `data_only`). `EINVAL` for files that have none.
    fn sync(&self, _data_only: bool) -> Result<()> {
        Err(Errno::INVAL.into())
    }

    /// What `/proc/PID/fd` shows of a file that no path leads to.
    fn anonymous_name(&self) -> &'static str {
        "anon_inode:[unknown]"
    }

    /// Adds the lines that `/proc/PID/fdinfo` has only of this kind of file.
    fn describe(&self, _out: &mut String) {}

    /// The last descriptor of an open file description was closed.
    fn close(&self) {}
}

/// The user memory of the calling thread.
pub trait UserMemory {
    /// Copies out of user memory, all or nothing.
    fn read(&mut self, address: usize, into: &mut [u8]) -> core::result::Result<(), Fault>;

    /// Copies into user memory, all or nothing as far as the caller may rely on.
    fn write(&mut self, address: usize, bytes: &[u8]) -> core::result::Result<(), Fault>;
}

/// The cached content of a file, page by page. Mappings and reads share it.
pub trait Pages: Send + Sync {
    /// The page number `index`, for reading. [`Error::Pending`] while it comes from the disk; `EIO` past the end of the file.
    fn page(&self, index: u64) -> Result<Frame>;

    /// The page for a shared mapping that writes.
    fn writable_page(&self, _index: u64) -> Result<Frame> {
        Err(Error::Errno(Errno::ACCES))
    }

    /// The pages from number `first` on that are in memory, without starting a read. The places of those that are not stay as they are.
    fn cached_pages(&self, _first: u64, _into: &mut [Option<Frame>]) {}

    /// The page if it is in memory, without starting a read.
    fn cached_page(&self, index: u64) -> Option<Frame> {
        let mut page = [None];
        self.cached_pages(index, &mut page);
        let [page] = page;
        page
    }

    /// Whether [`Pages::writable_page`] may succeed: the file was opened for writing on a writable file system.
    fn is_writable(&self) -> bool {
        false
    }

    /// Whether what it holds may be executed. What was written at run time may not, unless its file system says otherwise. To be asked after
    /// a page was had: the answer is then true of that page.
    fn is_executable(&self) -> bool {
        true
    }

    /// Frees the pages of a range of bytes, which reads as zeroes then. To be called without a lock of an address space.
    fn punch(&self, _range: core::ops::Range<u64>) -> Result<()> {
        Err(Error::Errno(Errno::OPNOTSUPP))
    }

    /// Bytes of the file.
    fn size(&self) -> u64;

    /// A number that objects share which show the same pages, and others do not have as long as one of them lives. Mappings are found by it.
    fn identity(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
}

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// Regular file.
    Regular,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// Character device.
    CharacterDevice,
    /// Block device.
    BlockDevice,
    /// Pipe.
    Fifo,
    /// Socket.
    Socket,
    /// None, as eventfd, timerfd and epoll have it: `stat(2)` reports a mode without a type.
    Anonymous,
}

/// An entry of a directory.
#[derive(Clone, Copy, Debug)]
pub struct DirectoryEntry<'a> {
    /// Inode number.
    pub inode: u64,
    /// The position after this entry.
    pub next: u64,
    /// Its type.
    pub file_type: FileType,
    /// Its name, without a slash.
    pub name: &'a [u8],
}

/// The device number of files that have no name: pipes, sockets, eventfd and the like.
const ANONYMOUS_DEVICE: u64 = 0x0e;

/// What `stat(2)` reports.
#[derive(Clone, Debug)]
pub struct Status {
    /// Number of the file system.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Type.
    pub file_type: FileType,
    /// Permission bits, including set-user-ID, set-group-ID and sticky.
    pub permissions: u16,
    /// Hard links.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of the device, for devices.
    pub special_device: u64,
    /// Bytes.
    pub size: u64,
    /// Bytes of a good transfer.
    pub block_size: u32,
    /// 512-byte blocks allocated.
    pub blocks: u64,
    /// Last access, nanoseconds since 1970.
    pub accessed: u64,
    /// Last change of the content.
    pub modified: u64,
    /// Last change of the attributes.
    pub changed: u64,
}

impl Status {
    /// Of a file without a name, whose number comes from [`anonymous_inode`].
    pub fn anonymous(inode: u64, file_type: FileType, permissions: u16) -> Self {
        let now = hal::time::realtime();
        Self {
            device: ANONYMOUS_DEVICE,
            inode,
            file_type,
            permissions,
            links: 1,
            uid: 0,
            gid: 0,
            special_device: 0,
            size: 0,
            block_size: 4096,
            blocks: 0,
            accessed: now,
            modified: now,
            changed: now,
        }
    }
}

/// A number for [`Status::anonymous`] that no other file has.
pub fn anonymous_inode() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
