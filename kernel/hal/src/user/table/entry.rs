//! What an entry of the lowest table says of a page.

use core::sync::atomic::{AtomicU64, Ordering, fence};

use crate::arch;
use crate::arch::entry::{ACCESSED, ADDRESS, DIRTY, NO_EXECUTE, PRESENT, USER, WRITE};
use crate::mem::Frame;
use crate::user::Access;

/// One of any level.
pub(super) type Entry = AtomicU64;

fn flags(access: Access) -> u64 {
    let writable_code = Access::WRITE | Access::EXECUTE;
    assert!(
        !access.contains(writable_code) || access.contains(Access::WRITE_AND_EXECUTE),
        "a page may be written or executed, not both"
    );
    let mut flags = PRESENT | USER;
    if access.contains(Access::WRITE) {
        flags |= WRITE;
    }
    if !access.contains(Access::EXECUTE) {
        flags |= NO_EXECUTE;
    }
    flags & arch::entry_mask()
}

/// A page without rights stays mapped for the kernel's books but user mode cannot reach it: it is not present, and this bit says so.
const NO_ACCESS: u64 = 1 << 9;

/// The page is part of no file: what the address space loses with it is lost.
pub(super) const OWN: u64 = 1 << 10;

pub(super) fn rights(access: Access) -> u64 {
    if access.is_empty() { NO_ACCESS } else { flags(access) }
}

pub(super) fn is_mapped(entry: u64) -> bool {
    entry & (PRESENT | NO_ACCESS) != 0
}

pub(super) fn access_of(entry: u64) -> Access {
    let mut access = Access::empty();
    if entry & PRESENT != 0 {
        access |= Access::READ;
        access.set(Access::WRITE, entry & WRITE != 0);
        access.set(Access::EXECUTE, entry & NO_EXECUTE == 0);
    }
    access
}

/// Whether a CPU may remember the translation: it marks the entry first.
pub(super) fn was_reachable(old: u64) -> bool {
    old & (PRESENT | ACCESSED) == PRESENT | ACCESSED
}

/// Whether `access` allows less than the entry did.
pub(super) fn takes_away(old: u64, access: Access) -> bool {
    !access.contains(access_of(old))
}

/// Sets the rights of a mapped page and gives the entry as it was.
pub(super) fn change_rights(entry: &Entry, access: Access) -> Option<u64> {
    let keep = ADDRESS | ACCESSED | DIRTY | OWN;
    entry
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| {
            is_mapped(old).then_some(old & keep | rights(access))
        })
        .ok()
}

/// The share that a mapped entry holds.
pub(super) fn take(entry: u64) -> Frame {
    fence(Ordering::Acquire);
    // SAFETY: the entry holds the share of a frame that was given up to it; callers take it once, after removing the entry, or forget it.
    unsafe { Frame::from_address(entry & ADDRESS) }
}
