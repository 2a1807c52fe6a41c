//! Mappings of files, which the kernel keeps and this crate makes stale.

use alloc::sync::Arc;
use core::ops::Range;

use file::Pages;
use hal::sync::SpinLock;

/// Takes the pages of a range out of every address space that maps them, so that the next access asks for them again. The object is the
/// one that [`file::File::pages`] returned: compare with `Arc::ptr_eq` or by address.
pub type Unmap = fn(&Arc<dyn Pages>, Range<u64>);

static UNMAP: SpinLock<Option<Unmap>> = SpinLock::new(None);

/// Says how mapped pages become unmapped: called when a file is cut, and when a page of the image is replaced by one that was written. It is
/// called by operations on files, never by those of [`Pages`], so a fault may hold its address space's lock.
pub fn set_unmap(unmap: Unmap) {
    *UNMAP.lock() = Some(unmap);
}

pub(crate) fn unmap(pages: &Arc<dyn Pages>, range: Range<u64>) {
    let unmap = *UNMAP.lock();
    if let Some(unmap) = unmap {
        unmap(pages, range);
    }
}
