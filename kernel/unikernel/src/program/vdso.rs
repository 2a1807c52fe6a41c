//! Mapping the clock functions that need no system call (vdso(7)).

use alloc::sync::Arc;

use abi::Errno;
use file::{Error, Pages};
use hal::mem::{Frame, PAGE_SIZE};

use crate::memory::{AddressSpace, AreaFlags, AreaName, Backing, Place, Protection, Request};

/// The clock's data and the shared object behind it.
struct ClockPages([Frame; 2]);

impl Pages for ClockPages {
    fn page(&self, index: u64) -> file::Result<Frame> {
        let page = usize::try_from(index).ok().and_then(|index| self.0.get(index));
        page.cloned().ok_or(Error::Errno(Errno::IO))
    }

    fn size(&self) -> u64 {
        2 * PAGE_SIZE as u64
    }
}

/// Maps them; the address of the shared object, or `None` on a machine without.
pub fn map_vdso(memory: &AddressSpace) -> Result<Option<usize>, Errno> {
    let Some(pages) = hal::time::vdso() else {
        return Ok(None);
    };
    let pages: Arc<dyn Pages> = Arc::new(ClockPages(pages));
    let request = |first_page: u64, protection: Protection, name: &[u8]| Request {
        protection,
        flags: AreaFlags::empty(),
        backing: Some(Backing {
            pages: pages.clone(),
            first_page,
        }),
        name: Some(Arc::new(AreaName {
            path: name.to_vec(),
            device: 0,
            inode: 0,
        })),
    };
    let data = memory.map(Place::Hint(0), 2 * PAGE_SIZE, request(0, Protection::READ, b"[vvar]"))?;
    let object = data + PAGE_SIZE;
    memory.map(
        Place::Fixed(object),
        PAGE_SIZE,
        request(1, Protection::READ | Protection::EXECUTE, b"[vdso]"),
    )?;
    Ok(Some(object))
}
