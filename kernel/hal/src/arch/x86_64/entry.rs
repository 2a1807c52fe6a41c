//! The format of page-table entries (Intel SDM volume 3, section 4.5). The host backend uses it too.

pub(crate) const PRESENT: u64 = 1;
pub(crate) const WRITE: u64 = 1 << 1;
pub(crate) const USER: u64 = 1 << 2;
pub(crate) const ACCESSED: u64 = 1 << 5;
pub(crate) const DIRTY: u64 = 1 << 6;
pub(crate) const NO_EXECUTE: u64 = 1 << 63;
/// The physical address in an entry.
pub(crate) const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// The index of `address` in a table of `level`, 0 for the one whose entries are pages.
#[inline]
pub(crate) const fn index(address: usize, level: usize) -> usize {
    address >> (12 + 9 * level) & 511
}
