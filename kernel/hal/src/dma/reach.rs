//! Memory as a device reaches it, for models of devices on the host.

use crate::arch;
use crate::mem::{PAGE_SIZE, pool};

/// Reads bytes at a physical address, inside one page.
pub(crate) fn read(address: u64, into: &mut [u8]) {
    // SAFETY: `place` checked the range; drivers and models take turns.
    unsafe { arch::copy_memory(into.as_mut_ptr(), place(address, into.len()), into.len()) }
}

/// Writes bytes at a physical address, inside one page.
pub(crate) fn write(address: u64, bytes: &[u8]) {
    // SAFETY: as above.
    unsafe { arch::copy_memory(place(address, bytes.len()), bytes.as_ptr(), bytes.len()) }
}

fn place(address: u64, length: usize) -> *mut u8 {
    let offset = address as usize % PAGE_SIZE;
    assert!(
        address >= PAGE_SIZE as u64 && offset + length <= PAGE_SIZE,
        "a device reaches {address:#x}"
    );
    arch::page_pointer(address as usize / PAGE_SIZE).wrapping_add(offset)
}

/// Whether somebody owns all the pages of a range: a device that reaches others reaches memory that was given back, or none at all.
pub(crate) fn is_owned(address: u64, length: usize) -> bool {
    let Some(end) = address.checked_add(length as u64) else {
        return false;
    };
    let pages = address as usize / PAGE_SIZE..(end as usize).div_ceil(PAGE_SIZE);
    pages.into_iter().all(pool::is_taken)
}
