//! Memory as a device reaches it, for models of devices on the host.

use alloc::vec::Vec;
use core::fmt;
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

/// Whether two ranges, by address and length, have bytes in common.
pub(crate) fn overlap(one: (u64, usize), other: (u64, usize)) -> bool {
    one.0 < other.0 + other.1 as u64 && other.0 < one.0 + one.1 as u64
}

/// A range that a device was given for good: a ring, a buffer to receive into.
pub(crate) struct Region<N> {
    /// What it is; made into words only for a note, as there are many buffers.
    pub(crate) name: N,
    pub(crate) address: u64,
    pub(crate) length: usize,
}

/// A model of a device, which reaches only memory that somebody owns, and is given none twice.
pub(crate) trait Reach {
    /// What its ranges are called.
    type Name: fmt::Display;

    /// Writes down what the driver did wrong.
    fn note(&mut self, what: &dyn fmt::Display);

    /// All ranges that the device has.
    fn regions(&self) -> Vec<Region<Self::Name>>;

    /// Bits of an address.
    fn address_bits(&self) -> u32 {
        u64::BITS
    }

    /// Checks a range that the device is given; what is wrong is written down.
    fn check_range(&mut self, what: &dyn fmt::Display, address: u64, length: usize, alignment: u64) -> bool {
        if !address.is_multiple_of(alignment) {
            self.note(&format_args!(
                "{what} at {address:#x} is not aligned to {alignment} bytes"
            ));
            return false;
        }
        if u128::from(address) + length as u128 > 1 << self.address_bits() {
            self.note(&format_args!(
                "{what} at {address:#x} has more address bits than the device"
            ));
            return false;
        }
        if address < PAGE_SIZE as u64 || !is_owned(address, length) {
            self.note(&format_args!(
                "{what} at {address:#x}, {length} bytes, lies in memory that nobody owns"
            ));
            return false;
        }
        true
    }

    /// As [`Self::check_range`], and the range overlaps no other that the device has.
    fn check_new_range(&mut self, what: &dyn fmt::Display, address: u64, length: usize, alignment: u64) -> bool {
        if !self.check_range(what, address, length, alignment) {
            return false;
        }
        let mut regions = self.regions().into_iter();
        let other = regions.find(|other| overlap((address, length), (other.address, other.length)));
        if let Some(other) = other {
            self.note(&format_args!("{what} at {address:#x} overlaps {}", other.name));
            return false;
        }
        true
    }

    /// Reads memory; zeroes, and a note, where nobody owns it.
    fn fetch(&mut self, what: &dyn fmt::Display, address: u64, into: &mut [u8]) -> bool {
        into.fill(0);
        let is_right = self.check_range(what, address, into.len(), 1);
        if is_right {
            read(address, into);
        }
        is_right
    }

    /// Writes memory; nothing, and a note, where nobody owns it.
    fn store(&mut self, what: &dyn fmt::Display, address: u64, bytes: &[u8]) -> bool {
        let is_right = self.check_range(what, address, bytes.len(), 1);
        if is_right {
            write(address, bytes);
        }
        is_right
    }

    /// Writes an entry of a queue, the word that says that it is there at last.
    fn publish(&mut self, what: &dyn fmt::Display, address: u64, entry: &[u8], word: usize) {
        let written = self.store(what, address, &entry[..word])
            && self.store(what, address + word as u64 + 4, &entry[word + 4..]);
        if written {
            self.store(what, address + word as u64, &entry[word..word + 4]);
        }
    }
}
