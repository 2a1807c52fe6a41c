//! Memory as a device reaches it, for models of devices on the host.

use core::ops::Range;

use crate::arch;
use crate::mem::{PAGE_SIZE, pool};

/// Reads bytes at a physical address. Panics at the first page, which belongs to nobody.
pub(crate) fn read(address: u64, into: &mut [u8]) {
    for_pages(address, into.len(), |at, range| {
        let part = &mut into[range];
        // SAFETY: `place` checked the range; drivers and models take turns.
        unsafe { arch::copy_memory(part.as_mut_ptr(), place(at, part.len()), part.len()) }
    });
}

/// Writes bytes at a physical address. Panics at the first page.
pub(crate) fn write(address: u64, bytes: &[u8]) {
    for_pages(address, bytes.len(), |at, range| {
        let part = &bytes[range];
        // SAFETY: as above.
        unsafe { arch::copy_memory(place(at, part.len()), part.as_ptr(), part.len()) }
    });
}

/// Calls `each` with the address and the bytes of every part of a range that lies in one page.
fn for_pages(address: u64, length: usize, mut each: impl FnMut(u64, Range<usize>)) {
    let mut at = 0;
    while at < length {
        let in_page = PAGE_SIZE - (address as usize + at) % PAGE_SIZE;
        let end = length.min(at + in_page);
        each(address + at as u64, at..end);
        at = end;
    }
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
