//! What a mapping is made of: the pages of an open file, or memory that several mappings share.

use abi::Errno;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use file::Pages;
use fs::vfs::{MountFlags, OpenInode};
use hal::mem::{Frame, PAGE_SIZE};
use hal::sync::SpinLock;

use super::Result;
use super::memory_file::{HeldSeals, hold_seals, is_sealed_against_writes};
use crate::memory::{AreaName, Backing, Protection};
use crate::process::Thread;

/// An open file that is about to be mapped.
pub(super) struct Opened {
    pub(super) backing: Backing,
    pub(super) name: Arc<AreaName>,
    /// To be kept until the file is mapped.
    pub(super) seals: Option<HeldSeals>,
}

/// The file behind a descriptor, for a mapping from `offset` on.
pub(super) fn open(
    thread: &Thread,
    descriptor: i32,
    protection: Protection,
    shared: bool,
    offset: u64,
) -> Result<Opened> {
    let open = thread.files().get(descriptor)?;
    let flags = open.flags();
    let writes = shared && protection.contains(Protection::WRITE);
    if !flags.reads() || writes && !flags.writes() {
        return Err(Errno::ACCES.into());
    }
    let mut path = Vec::new();
    if let Some(inode) = open.downcast::<OpenInode>() {
        if protection.contains(Protection::EXECUTE) && inode.place().mount.flags().contains(MountFlags::NO_EXECUTE) {
            return Err(Errno::PERM.into());
        }
        path = inode.place().path(&thread.paths().places().root);
    }
    let mut pages = open.file().pages().ok_or(Errno::NODEV)?;
    if protection.contains(Protection::EXECUTE) && !pages.is_executable() {
        return Err(Errno::PERM.into());
    }
    let seals = if shared { hold_seals(&open) } else { None };
    let is_sealed = shared && is_sealed_against_writes(&open);
    if is_sealed && writes {
        return Err(Errno::PERM.into());
    }
    if is_sealed || shared && !flags.writes() {
        pages = Arc::new(ReadOnly(pages));
    }
    let status = open.file().status().map_err(|_| Errno::NODEV)?;
    let name = Arc::new(AreaName {
        path,
        device: status.device,
        inode: status.inode,
    });
    open.note_access();
    let first_page = offset / PAGE_SIZE as u64;
    Ok(Opened {
        backing: Backing { pages, first_page },
        name,
        seals,
    })
}

/// A file that is not written to by new mappings: `mprotect` does not make its shared mappings writable.
struct ReadOnly(Arc<dyn Pages>);

impl Pages for ReadOnly {
    fn page(&self, index: u64) -> file::Result<Frame> {
        self.0.page(index)
    }

    fn cached_pages(&self, first: u64, into: &mut [Option<Frame>]) {
        self.0.cached_pages(first, into);
    }

    fn is_executable(&self) -> bool {
        self.0.is_executable()
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn identity(&self) -> usize {
        self.0.identity()
    }
}

/// Memory for a shared anonymous mapping.
pub(super) fn anonymous(size: usize) -> (Backing, Arc<AreaName>) {
    let pages = Arc::new(SharedMemory {
        size,
        pages: SpinLock::new(BTreeMap::new()),
    });
    let name = Arc::new(AreaName {
        path: b"/dev/zero (deleted)".to_vec(),
        device: 1,
        inode: Arc::as_ptr(&pages).addr() as u64 >> 4,
    });
    (Backing { pages, first_page: 0 }, name)
}

/// The memory of a System V segment, perhaps for reading only.
pub(super) fn segment(pages: Arc<dyn Pages>, id: i32, reads_only: bool) -> (Backing, Arc<AreaName>) {
    let pages = if reads_only { Arc::new(ReadOnly(pages)) } else { pages };
    let name = Arc::new(AreaName {
        path: b"/SYSV (deleted)".to_vec(),
        device: 1,
        inode: id as u64,
    });
    (Backing { pages, first_page: 0 }, name)
}

/// Zeroes at first, the same pages for every mapping.
struct SharedMemory {
    size: usize,
    pages: SpinLock<BTreeMap<u64, Frame>>,
}

impl Pages for SharedMemory {
    fn page(&self, index: u64) -> file::Result<Frame> {
        if index >= (self.size / PAGE_SIZE) as u64 {
            return Err(Errno::IO.into());
        }
        let mut pages = self.pages.lock();
        if let Some(frame) = pages.get(&index) {
            return Ok(frame.clone());
        }
        let frame = Frame::allocate_zeroed().ok_or(Errno::NOMEM)?;
        pages.insert(index, frame.clone());
        Ok(frame)
    }

    fn writable_page(&self, index: u64) -> file::Result<Frame> {
        self.page(index)
    }

    fn is_writable(&self) -> bool {
        true
    }

    fn size(&self) -> u64 {
        self.size as u64
    }
}
