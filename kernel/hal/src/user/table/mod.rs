//! User page tables of four levels.

mod entry;
mod tables;
#[cfg(test)]
mod tests;

use core::ops::Range;
use core::sync::atomic::Ordering;

pub use self::tables::table_pages;

use self::entry::{Entry, OWN, access_of, change_rights, is_mapped, rights, take, takes_away, was_reachable};
use self::tables::{SLOTS, USER_SLOTS, free, new_table, slot};
use super::{Access, USER_END};
use crate::arch;
use crate::arch::entry::{ACCESSED, ADDRESS, DIRTY, PRESENT, USER, WRITE, index};
use crate::mem::{Frame, PAGE_SIZE};
use crate::sync::SpinLock;

/// No memory for a page table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// A page that is mapped.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The page; a share of its own.
    pub frame: Frame,
    /// What user mode may do with it.
    pub access: Access,
    /// Whether it was used since it was mapped.
    pub accessed: bool,
    /// Whether it was written through this mapping since it was mapped.
    pub dirty: bool,
    /// Whether it is the address space's own, as [`PageTable::map_own`] has it.
    pub own: bool,
}

/// A page that a range holds, for [`PageTable::scan_range`].
#[derive(Clone, Copy, Debug)]
pub struct Present {
    /// Where it is mapped.
    pub address: usize,
    /// How many shares of it there are.
    pub shares: u32,
    /// As [`Mapping`] has it.
    pub accessed: bool,
    /// As [`Mapping`] has it.
    pub dirty: bool,
    /// As [`Mapping`] has it.
    pub own: bool,
}

/// A page that may be taken out of a page table, for [`PageTable::age`].
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Where it is mapped.
    pub address: usize,
    /// The page.
    pub frame: &'a Frame,
    /// Whether it stays this time, used or not.
    pub spare: bool,
}

/// The user half of an address space. It owns one share of each page that it maps.
///
/// Every change is visible on all CPUs when the method returns: a page that was unmapped can no longer be reached.
pub struct PageTable {
    /// Physical address of the root.
    root: u64,
    /// Held while tables are walked or changed.
    lock: SpinLock<()>,
}

/// Pages whose shares are given up together, after one round of telling the CPUs.
const BATCH: usize = 64;
/// Bytes that one entry of the lowest table of tables covers.
const TABLE_SPAN: usize = SLOTS * PAGE_SIZE;

impl PageTable {
    /// An empty one; `None` without memory for its root.
    pub fn new() -> Option<Self> {
        let root = new_table()?;
        arch::share_kernel_half(root);
        Some(Self {
            root,
            lock: SpinLock::new(()),
        })
    }

    /// Makes it the one that this CPU uses for user memory.
    #[inline]
    pub fn activate(&self) {
        arch::activate(self.root);
    }

    /// Maps `frame` at `address`, which is a multiple of the page size below [`USER_END`]. A page mapped there before is replaced; the result
    /// then says whether that was the address space's own.
    pub fn map(&self, address: usize, frame: Frame, access: Access) -> Result<Option<bool>, OutOfMemory> {
        self.set(address, frame, rights(access))
    }

    /// As [`PageTable::map`], for a page that is the address space's own and no file's.
    pub fn map_own(&self, address: usize, frame: Frame, access: Access) -> Result<Option<bool>, OutOfMemory> {
        self.set(address, frame, rights(access) | OWN)
    }

    /// Maps those frames of neighbouring pages, the first at `address`, in whose places nothing is mapped, and says how many those are. The pages
    /// lie in one table, which covers 2 MiB. What was mapped is taken out of `frames`.
    ///
    /// # Panics
    ///
    /// When they lie in two.
    pub fn map_missing(
        &self,
        address: usize,
        frames: &mut [Option<Frame>],
        access: Access,
    ) -> Result<usize, OutOfMemory> {
        check(address);
        let first = index(address, 0);
        assert!(
            first + frames.len() <= 512,
            "{address:#x} and what follows lies in two tables"
        );
        let bits = rights(access);
        let mut count = 0;
        {
            let _guard = self.lock.lock();
            let table = self.lowest_table(address)?;
            for (number, frame) in frames.iter_mut().enumerate() {
                let entry = slot(table, first + number);
                if !is_mapped(entry.load(Ordering::Acquire))
                    && let Some(frame) = frame.take()
                {
                    entry.store(frame.into_address() | bits, Ordering::Release);
                    count += 1;
                }
            }
        }
        arch::note_mappings(count);
        Ok(count)
    }

    fn set(&self, address: usize, frame: Frame, bits: u64) -> Result<Option<bool>, OutOfMemory> {
        check(address);
        let old = {
            let _guard = self.lock.lock();
            let entry = self.entry_or_make(address)?;
            entry.swap(frame.into_address() | bits, Ordering::AcqRel)
        };
        arch::note_mappings(1);
        if !is_mapped(old) {
            return Ok(None);
        }
        self.flush(old, address);
        drop(take(old));
        Ok(Some(old & OWN != 0))
    }

    /// Makes the tables that the pages of a range need to be mapped from `to` on instead, so that mapping them there cannot fail.
    pub fn prepare_move(&self, from: Range<usize>, to: usize) -> Result<(), OutOfMemory> {
        let start = from.start;
        let mut result = Ok(());
        let _guard = self.lock.lock();
        self.walk(from, |address, _| {
            let place = to + (address - start);
            check(place);
            result = self.entry_or_make(place).map(|_| ());
            result.is_ok()
        });
        result
    }

    /// Takes a page out and gives its share to the caller.
    pub fn unmap(&self, address: usize) -> Option<Frame> {
        check(address);
        let old = {
            let _guard = self.lock.lock();
            self.entry(address)?.swap(0, Ordering::AcqRel)
        };
        if !is_mapped(old) {
            return None;
        }
        self.flush(old, address);
        Some(take(old))
    }

    /// Changes what user mode may do with a page; without effect where none is mapped.
    pub fn protect(&self, address: usize, access: Access) {
        check(address);
        let old = {
            let _guard = self.lock.lock();
            let Some(entry) = self.entry(address) else { return };
            change_rights(entry, access)
        };
        if let Some(old) = old
            && takes_away(old, access)
        {
            self.flush(old, address);
        }
    }

    /// What is mapped at an address.
    pub fn lookup(&self, address: usize) -> Option<Mapping> {
        check(address);
        let _guard = self.lock.lock();
        let entry = self.entry(address)?.load(Ordering::Acquire);
        if !is_mapped(entry) {
            return None;
        }
        let own = core::mem::ManuallyDrop::new(take(entry));
        Some(Mapping {
            frame: Frame::clone(&own),
            access: access_of(entry),
            accessed: entry & ACCESSED != 0,
            dirty: entry & DIRTY != 0,
            own: entry & OWN != 0,
        })
    }

    /// Takes all pages of a range out. `visit` gets the address, the share and whether the page was the address space's own, in order of
    /// address, after no CPU can reach the page any more.
    pub fn unmap_range(&self, range: Range<usize>, visit: impl FnMut(usize, Frame, bool)) {
        self.unmap_where(range, |_| true, visit);
    }

    /// As [`PageTable::unmap_range`], for pages of files only.
    pub fn unmap_files(&self, range: Range<usize>, visit: impl FnMut(usize, Frame, bool)) {
        self.unmap_where(range, |entry| entry & OWN == 0, visit);
    }

    fn unmap_where(&self, range: Range<usize>, which: impl Fn(u64) -> bool, mut visit: impl FnMut(usize, Frame, bool)) {
        let mut at = range.start;
        while at < range.end {
            let mut batch = [(0usize, 0u64); BATCH];
            let mut count = 0;
            {
                let _guard = self.lock.lock();
                at = self.walk(at..range.end, |address, entry| {
                    if which(entry.load(Ordering::Acquire)) {
                        batch[count] = (address, entry.swap(0, Ordering::AcqRel));
                        count += 1;
                    }
                    count < BATCH
                });
            }
            let taken = &batch[..count];
            if let (Some(first), Some(last)) = (taken.first(), taken.last()) {
                self.flush_range(
                    first.0..last.0 + PAGE_SIZE,
                    taken.iter().any(|&(_, old)| was_reachable(old)),
                );
            }
            for &(address, old) in taken {
                visit(address, take(old), old & OWN != 0);
            }
        }
    }

    /// Takes away all pages and the tables that lead to them, once nothing runs in it any more: without a flush for each part.
    pub fn clear(&self) {
        let _guard = self.lock.lock();
        let slots = || (0..USER_SLOTS).map(|number| slot(self.root, number));
        for entry in slots() {
            if entry.load(Ordering::Relaxed) & PRESENT != 0 {
                entry.fetch_and(!PRESENT, Ordering::AcqRel);
            }
        }
        arch::deactivate(self.root);
        for entry in slots() {
            let table = entry.load(Ordering::Relaxed) & ADDRESS;
            if table != 0 {
                entry.store(0, Ordering::Release);
                free(table, 2);
            }
        }
    }

    /// Changes what user mode may do with the pages of a range that are mapped.
    pub fn protect_range(&self, range: Range<usize>, access: Access) {
        let mut changed = false;
        {
            let _guard = self.lock.lock();
            self.walk(range.clone(), |_, entry| {
                if let Some(old) = change_rights(entry, access) {
                    changed |= takes_away(old, access) && was_reachable(old);
                }
                true
            });
        }
        self.flush_range(range, changed);
    }

    /// Shows the pages of a range that are mapped.
    pub fn scan_range(&self, range: Range<usize>, mut visit: impl FnMut(Present)) {
        let _guard = self.lock.lock();
        self.walk(range, |address, entry| {
            let value = entry.load(Ordering::Acquire);
            let share = core::mem::ManuallyDrop::new(take(value));
            visit(Present {
                address,
                shares: share.shares(),
                accessed: value & ACCESSED != 0,
                dirty: value & DIRTY != 0,
                own: value & OWN != 0,
            });
            true
        });
    }

    /// Gives candidates a second chance: a page that was used since the last look loses the mark of it and stays, as does one that is to be
    /// spared; another is taken out. An address at which another page is mapped is left alone. Returns how many pages went, which no CPU can
    /// reach any more.
    pub fn age(&self, candidates: &[Candidate<'_>]) -> usize {
        let mut total = 0;
        for batch in candidates.chunks(BATCH) {
            let mut gone = [0; BATCH];
            let mut count = 0;
            let mut stale: Option<Range<usize>> = None;
            let guard = self.lock.lock();
            for candidate in batch {
                check(candidate.address);
                let Some(entry) = self.entry(candidate.address) else {
                    continue;
                };
                let old = entry.load(Ordering::Acquire);
                if !is_mapped(old) || old & ADDRESS != candidate.frame.address() {
                    continue;
                }
                let mut old = entry.fetch_and(!ACCESSED, Ordering::AcqRel);
                if old & ACCESSED == 0 && !candidate.spare {
                    old = entry.swap(0, Ordering::AcqRel);
                    gone[count] = old;
                    count += 1;
                }
                if was_reachable(old) {
                    let first = stale
                        .as_ref()
                        .map_or(candidate.address, |range| range.start.min(candidate.address));
                    let last = stale.map_or(0, |range| range.end).max(candidate.address + PAGE_SIZE);
                    stale = Some(first..last);
                }
            }
            // With the lock: to others, an entry without the mark is one that no CPU remembers.
            if let Some(range) = stale {
                arch::flush(self.root, range);
            }
            drop(guard);
            gone[..count].iter().for_each(|&entry| drop(take(entry)));
            total += count;
        }
        total
    }

    /// Maps into `child` what is mapped here, for `fork(2)`, and returns how many pages that are, and how many of them are the address
    /// space's own. They lose [`Access::WRITE`] on both sides, so that the next write copies them.
    pub fn copy_range(&self, child: &Self, range: Range<usize>) -> Result<(usize, usize), OutOfMemory> {
        let mut result = Ok(());
        let (mut pages, mut own_pages) = (0, 0);
        let mut changed = false;
        {
            let _guard = self.lock.lock();
            let _child_guard = child.lock.lock();
            self.walk(range.clone(), |address, entry| {
                let copy = match child.entry_or_make(address) {
                    Ok(copy) => copy,
                    Err(error) => {
                        result = Err(error);
                        return false;
                    }
                };
                let mut old = entry.load(Ordering::Acquire);
                if old & WRITE != 0 {
                    old = entry.fetch_and(!WRITE, Ordering::AcqRel) & !WRITE;
                    changed = true;
                }
                let own = core::mem::ManuallyDrop::new(take(old));
                let frame = Frame::clone(&own);
                copy.store(
                    frame.into_address() | old & !(ADDRESS | ACCESSED | DIRTY),
                    Ordering::Release,
                );
                pages += 1;
                own_pages += usize::from(old & OWN != 0);
                true
            });
        }
        self.flush_range(range, changed);
        result.map(|()| (pages, own_pages))
    }

    /// The entry of a page, when its table exists.
    fn entry(&self, address: usize) -> Option<&'static Entry> {
        let mut table = self.root;
        for level in (1..4).rev() {
            let value = slot(table, index(address, level)).load(Ordering::Acquire);
            if value & PRESENT == 0 {
                return None;
            }
            table = value & ADDRESS;
        }
        Some(slot(table, index(address, 0)))
    }

    fn entry_or_make(&self, address: usize) -> Result<&'static Entry, OutOfMemory> {
        Ok(slot(self.lowest_table(address)?, index(address, 0)))
    }

    /// The table with the entry of a page, made when it does not exist.
    fn lowest_table(&self, address: usize) -> Result<u64, OutOfMemory> {
        let mut table = self.root;
        for level in (1..4).rev() {
            let entry = slot(table, index(address, level));
            let mut value = entry.load(Ordering::Acquire);
            if value & PRESENT == 0 {
                value = new_table().ok_or(OutOfMemory)? | PRESENT | WRITE | USER;
                entry.store(value, Ordering::Release);
            }
            table = value & ADDRESS;
        }
        Ok(table)
    }

    /// Visits the mapped pages of a range in order until `visit` returns false; the address to go on from.
    fn walk(&self, range: Range<usize>, mut visit: impl FnMut(usize, &Entry) -> bool) -> usize {
        assert!(
            range.end <= USER_END && range.start.is_multiple_of(PAGE_SIZE),
            "{range:x?}"
        );
        let mut at = range.start;
        'next: while at < range.end {
            let mut table = self.root;
            for level in (1..4).rev() {
                let value = slot(table, index(at, level)).load(Ordering::Acquire);
                if value & PRESENT == 0 {
                    let span = PAGE_SIZE << (9 * level);
                    at = (at / span + 1) * span;
                    continue 'next;
                }
                table = value & ADDRESS;
            }
            let end = range.end.min((at / TABLE_SPAN + 1) * TABLE_SPAN);
            while at < end {
                let entry = slot(table, index(at, 0));
                let here = at;
                at += PAGE_SIZE;
                if is_mapped(entry.load(Ordering::Acquire)) && !visit(here, entry) {
                    return at;
                }
            }
        }
        at
    }

    fn flush(&self, old: u64, address: usize) {
        if was_reachable(old) {
            arch::flush(self.root, address..address + PAGE_SIZE);
        }
    }

    fn flush_range(&self, range: Range<usize>, needed: bool) {
        if needed {
            arch::flush(self.root, range);
        }
    }
}

fn check(address: usize) {
    assert!(
        address < USER_END && address.is_multiple_of(PAGE_SIZE),
        "{address:#x} is no user page"
    );
}

impl Drop for PageTable {
    fn drop(&mut self) {
        arch::deactivate(self.root);
        free(self.root, 3);
    }
}
