//! Mappings of files, which the kernel keeps and this crate makes stale.

use core::ops::Range;

use hal::sync::SpinLock;

/// Why pages go out of the address spaces that map them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Others have taken their place: copies that an address space has made of the old ones stay.
    Replaced,
    /// The file ends before them: copies go as well.
    Cut,
}

/// Takes the pages of a range out of every address space that maps them, so that the next access asks for them again. The file is given by
/// its [`file::Pages::identity`].
pub type Unmap = fn(usize, Range<u64>, Reason);

static UNMAP: SpinLock<Option<Unmap>> = SpinLock::new(None);

/// Says how mapped pages become unmapped: called when a file is cut, and when a page of the image is replaced by one that was written. It is
/// called by operations on files, never by those of [`Pages`], so a fault may hold its address space's lock.
pub fn set_unmap(unmap: Unmap) {
    *UNMAP.lock() = Some(unmap);
}

pub(crate) fn unmap(file: usize, range: Range<u64>, reason: Reason) {
    let unmap = *UNMAP.lock();
    if let Some(unmap) = unmap {
        unmap(file, range, reason);
    }
}
