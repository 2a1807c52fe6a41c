//! What a mapping is made of: the pages of an open file, or memory that several mappings share.

use abi::Errno;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use file::Pages;
use hal::mem::{Frame, PAGE_SIZE};
use hal::sync::SpinLock;

use super::Result;
use crate::memory::{AreaName, Backing, Protection};
use crate::process::Thread;

/// The file behind a descriptor, for a mapping from `offset` on.
pub(super) fn open(
    _thread: &Thread,
    _descriptor: i32,
    _protection: Protection,
    _shared: bool,
    _offset: u64,
) -> Result<(Backing, Arc<AreaName>)> {
    Err(Errno::NODEV.into())
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
