//! The tables that page tables consist of.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::entry::{Entry, is_mapped, take};
use crate::arch;
use crate::arch::entry::{ADDRESS, PRESENT};
use crate::mem::{Frame, PAGE_SIZE};

/// Slots of a table.
pub(super) const SLOTS: usize = 512;

/// Slots of the root that are not the kernel's, which has the upper half.
pub(super) const USER_SLOTS: usize = 256;

/// Pages that all page tables consist of.
static TABLE_PAGES: AtomicUsize = AtomicUsize::new(0);

/// How many pages the page tables of all address spaces take.
pub fn table_pages() -> usize {
    TABLE_PAGES.load(Ordering::Relaxed)
}

/// A table without entries: its physical address.
pub(super) fn new_table() -> Option<u64> {
    let frame = Frame::allocate_zeroed()?;
    TABLE_PAGES.fetch_add(1, Ordering::Relaxed);
    Some(frame.into_address())
}

/// The entries of the table at a physical address.
#[inline]
fn entries(table: u64) -> &'static [Entry; SLOTS] {
    let pointer = arch::page_pointer((table / PAGE_SIZE as u64) as usize).cast::<[Entry; SLOTS]>();
    // SAFETY: tables are whole pages that live as long as the page table, are reached under its lock, and the CPU changes
    // entries atomically; the reference is not kept beyond the walk.
    unsafe { &*pointer }
}

/// The entry at `slot` of the table at a physical address.
#[inline]
pub(super) fn slot(table: u64, slot: usize) -> &'static Entry {
    // Always one of them: the remainder saves the check.
    &entries(table)[slot % SLOTS]
}

/// Ends all shares that a table of `level` and those below it hold.
pub(super) fn free(table: u64, level: usize) {
    let slots = if level == 3 { USER_SLOTS } else { SLOTS };
    let load = |entry: &Entry| entry.load(Ordering::Relaxed);
    for group in entries(table)[..slots].chunks_exact(8) {
        // Most of a table is empty, which one look at several tells.
        if group.iter().fold(0, |all, entry| all | load(entry)) == 0 {
            continue;
        }
        for entry in group.iter().map(load) {
            if level == 0 && is_mapped(entry) {
                drop(take(entry));
            } else if level > 0 && entry & PRESENT != 0 {
                free(entry & ADDRESS, level - 1);
            }
        }
    }
    release_table(table);
}

/// Frees a table that nothing leads to any more.
fn release_table(table: u64) {
    // SAFETY: `new_table` made it of a frame, and it is in no CPU's use any more.
    drop(unsafe { Frame::from_address(table) });
    TABLE_PAGES.fetch_sub(1, Ordering::Relaxed);
}
