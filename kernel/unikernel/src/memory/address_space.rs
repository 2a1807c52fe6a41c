//! Address spaces: which ranges of addresses mean what.

use abi::Errno;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use hal::mem::PAGE_SIZE;
use hal::sync::SpinLock;

use super::area::{Area, AreaFlags, AreaName, Backing, Protection};
use super::layout::Layout;
use hal::user::{Access, PageTable, USER_END};

/// Areas that an address space may have (`vm.max_map_count`).
pub(super) const MAX_AREAS: usize = 65530;
/// The lowest address that may be mapped (`vm.mmap_min_addr`).
pub(super) const MIN_ADDRESS: usize = 0x10000;
/// Free pages between a stack and the mapping below it.
const STACK_GAP: usize = 256 * PAGE_SIZE;

/// The memory that the threads of a process see.
pub struct AddressSpace {
    pub(super) table: PageTable,
    pub(super) inner: SpinLock<Inner>,
    /// Pages that are present.
    pub(super) resident: AtomicUsize,
    /// The most there have been.
    pub(super) peak: AtomicUsize,
    /// Where things are put.
    pub layout: Layout,
}

pub(super) struct Inner {
    pub(super) areas: BTreeMap<usize, Area>,
    /// Bytes of all areas.
    pub(super) size: usize,
    break_start: usize,
    break_end: usize,
    /// Where a search for free addresses begins: nothing fits above it below the mapping base.
    search_top: usize,
}

/// Where a new area goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this address if free, else anywhere; 0 for anywhere.
    Hint(usize),
    /// Here, in place of what is there (`MAP_FIXED`).
    Fixed(usize),
    /// Here, if nothing is there (`MAP_FIXED_NOREPLACE`).
    FixedNoReplace(usize),
}

/// What a new area is.
pub struct Request {
    /// What the application may do.
    pub protection: Protection,
    /// How it behaves.
    pub flags: AreaFlags,
    /// The file behind it.
    pub backing: Option<Backing>,
    /// Its name for `/proc`.
    pub name: Option<Arc<AreaName>>,
}

impl Request {
    /// Private anonymous memory.
    pub fn anonymous(protection: Protection) -> Self {
        Self {
            protection,
            flags: AreaFlags::empty(),
            backing: None,
            name: None,
        }
    }
}

/// Rounds up to whole pages; `None` on overflow.
pub fn page_align_up(value: usize) -> Option<usize> {
    Some(value.checked_add(PAGE_SIZE - 1)? & !(PAGE_SIZE - 1))
}

impl AddressSpace {
    /// An empty one; `None` without memory for its tables.
    pub fn new() -> Option<Self> {
        Self::with_layout(Layout::random())
    }

    pub(super) fn with_layout(layout: Layout) -> Option<Self> {
        Some(Self {
            table: PageTable::new()?,
            inner: SpinLock::new(Inner {
                areas: BTreeMap::new(),
                size: 0,
                break_start: 0,
                break_end: 0,
                search_top: layout.mmap_base,
            }),
            resident: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            layout,
        })
    }

    /// Its page table, to run a thread in it.
    pub fn table(&self) -> &PageTable {
        &self.table
    }

    /// Makes it the one that copies to and from user memory reach.
    pub fn activate(&self) {
        self.table.activate();
    }

    /// Adds an area of `length` bytes and returns its start.
    pub fn map(&self, place: Place, length: usize, request: Request) -> Result<usize, Errno> {
        let length = page_align_up(length).filter(|&length| length > 0).ok_or(Errno::NOMEM)?;
        let mut inner = self.inner.lock();
        let start = match place {
            Place::Hint(hint) => inner.find(hint, length, &self.layout).ok_or(Errno::NOMEM)?,
            Place::Fixed(start) | Place::FixedNoReplace(start) => {
                let end = checked_end(start, length).ok_or(Errno::NOMEM)?;
                if start < MIN_ADDRESS {
                    return Err(Errno::PERM);
                }
                if matches!(place, Place::FixedNoReplace(_)) && inner.overlaps(start..end) {
                    return Err(Errno::EXIST);
                }
                start
            }
        };
        if inner.areas.len() + 2 > MAX_AREAS {
            return Err(Errno::NOMEM);
        }
        self.remove(&mut inner, start..start + length);
        inner.insert(
            start,
            Area {
                end: start + length,
                protection: request.protection,
                flags: request.flags,
                backing: request.backing,
                name: request.name,
            },
        );
        Ok(start)
    }

    /// Takes away all that lies in a range.
    pub fn unmap(&self, start: usize, length: usize) -> Result<(), Errno> {
        let range = checked_range(start, length).ok_or(Errno::INVAL)?;
        let mut inner = self.inner.lock();
        if inner.areas.len() + 1 > MAX_AREAS && inner.splits(&range) {
            return Err(Errno::NOMEM);
        }
        self.remove(&mut inner, range);
        Ok(())
    }

    /// Changes the protection of a range, all of which must be mapped.
    pub fn protect(&self, start: usize, length: usize, protection: Protection) -> Result<(), Errno> {
        if length == 0 {
            return Ok(());
        }
        let range = checked_range(start, length).ok_or(Errno::NOMEM)?;
        let mut inner = self.inner.lock();
        if !inner.covers(&range) {
            return Err(Errno::NOMEM);
        }
        if inner.areas.len() + 2 > MAX_AREAS {
            return Err(Errno::NOMEM);
        }
        let mut has_file = false;
        for (_, area) in inner.areas.range(..range.end).rev() {
            if area.end <= range.start {
                break;
            }
            let Some(backing) = &area.backing else { continue };
            has_file = true;
            // A shared mapping of a file that cannot be written stays so, and no file that must not be executed becomes code.
            let read_only = area.flags.contains(AreaFlags::SHARED) && !backing.pages.is_writable();
            let data_only = || !backing.pages.is_executable();
            if protection.contains(Protection::WRITE) && read_only
                || protection.contains(Protection::EXECUTE) && data_only()
            {
                return Err(Errno::ACCES);
            }
        }
        inner.update(range.clone(), |area| area.protection = protection);
        self.table.protect_range(range, present_access(protection, has_file));
        Ok(())
    }

    /// Changes the flags of a range, all of which must be mapped.
    pub fn set_flags(&self, start: usize, length: usize, flags: AreaFlags, set: bool) -> Result<(), Errno> {
        let range = checked_range(start, length).ok_or(Errno::NOMEM)?;
        let mut inner = self.inner.lock();
        if !inner.covers(&range) {
            return Err(Errno::NOMEM);
        }
        inner.update(range, |area| area.flags.set(flags, set));
        Ok(())
    }

    /// Drops the pages of a range: private memory reads as zero, or as the file, again (`MADV_DONTNEED`).
    pub fn discard(&self, start: usize, length: usize) -> Result<(), Errno> {
        let range = checked_range(start, length).ok_or(Errno::NOMEM)?;
        let inner = self.inner.lock();
        self.drop_pages(range.clone());
        if inner.covers(&range) {
            Ok(())
        } else {
            Err(Errno::NOMEM)
        }
    }

    /// Whether all of a range is mapped.
    pub fn is_mapped(&self, start: usize, length: usize) -> bool {
        checked_range(start, length).is_some_and(|range| self.inner.lock().covers(&range))
    }

    /// Whether the page at an address is there.
    pub fn is_present(&self, address: usize) -> bool {
        self.table.lookup(address & !(PAGE_SIZE - 1)).is_some()
    }

    /// Sets where the heap starts, after loading a program.
    pub fn set_break_start(&self, start: usize) {
        let mut inner = self.inner.lock();
        inner.break_start = start;
        inner.break_end = start;
    }

    /// `brk(2)`: moves the end of the heap, or tells it when it cannot be moved.
    pub fn set_break(&self, end: usize, limit: u64) -> usize {
        let mut inner = self.inner.lock();
        let (start, old) = (inner.break_start, inner.break_end);
        if end < start || end >= USER_END || (end - start) as u64 > limit {
            return old;
        }
        let (Some(old_page), Some(new_page)) = (page_align_up(old), page_align_up(end)) else {
            return old;
        };
        if new_page < old_page {
            self.remove(&mut inner, new_page..old_page);
        } else if new_page > old_page {
            if inner.overlaps(old_page..new_page + STACK_GAP) {
                return old;
            }
            inner.insert(
                old_page,
                Area {
                    end: new_page,
                    protection: Protection::READ | Protection::WRITE,
                    flags: AreaFlags::HEAP,
                    backing: None,
                    name: None,
                },
            );
        }
        inner.break_end = end;
        end
    }

    /// `mremap(2)`: resizes an area, moving it when `may_move` or to `fixed`.
    pub fn remap(
        &self,
        old: usize,
        old_length: usize,
        new_length: usize,
        may_move: bool,
        fixed: Option<usize>,
        keep: bool,
    ) -> Result<usize, Errno> {
        let old_length = page_align_up(old_length).ok_or(Errno::INVAL)?;
        let new_length = page_align_up(new_length)
            .filter(|&length| length > 0)
            .ok_or(Errno::INVAL)?;
        let range = checked_range(old, old_length.max(PAGE_SIZE)).ok_or(Errno::FAULT)?;
        let mut inner = self.inner.lock();
        let (&area_start, area) = inner.areas.range(..=old).next_back().ok_or(Errno::FAULT)?;
        if area.end < range.end {
            return Err(Errno::FAULT);
        }
        let mut moved = area.clone();
        if let Some(backing) = &mut moved.backing {
            backing.first_page += ((old - area_start) / PAGE_SIZE) as u64;
        }
        if old_length == 0 && !moved.flags.contains(AreaFlags::SHARED) {
            return Err(Errno::INVAL);
        }
        if fixed.is_none() && new_length <= old_length {
            self.remove(&mut inner, old + new_length..old + old_length);
            return Ok(old);
        }
        if fixed.is_none() && !keep && old_length != 0 {
            let end = checked_end(old, new_length).ok_or(Errno::NOMEM)?;
            if area.end == range.end && !inner.overlaps(range.end..end) {
                let mut added = moved.clone();
                if let Some(backing) = &mut added.backing {
                    backing.first_page += (old_length / PAGE_SIZE) as u64;
                }
                added.end = end;
                inner.insert(range.end, added);
                return Ok(old);
            }
        }
        if !may_move {
            return Err(Errno::NOMEM);
        }
        if inner.areas.len() + 3 > MAX_AREAS {
            return Err(Errno::NOMEM);
        }
        let new = match fixed {
            Some(new) => {
                let end = checked_end(new, new_length).ok_or(Errno::INVAL)?;
                if new % PAGE_SIZE != 0 || new < MIN_ADDRESS || (new < range.end && range.start < end) {
                    return Err(Errno::INVAL);
                }
                self.remove(&mut inner, new..end);
                new
            }
            None => inner.find(0, new_length, &self.layout).ok_or(Errno::NOMEM)?,
        };
        moved.end = new + new_length;
        let (protection, has_file) = (moved.protection, moved.backing.is_some());
        inner.insert(new, moved);
        let mut pages = Vec::new();
        let end = old + old_length.min(new_length);
        self.table
            .unmap_range(old..end, |address, frame, _| pages.push((address, frame)));
        self.resident.fetch_sub(pages.len(), Ordering::Relaxed);
        for (address, frame) in pages {
            let access = present_access(protection, has_file);
            if self.table.map(new + (address - old), frame, access).is_ok() {
                self.resident.fetch_add(1, Ordering::Relaxed);
            }
        }
        if keep {
            self.drop_pages(old..old + old_length);
        } else if old_length > 0 {
            self.remove(&mut inner, old..old + old_length);
        }
        Ok(new)
    }

    /// Shows every area, lowest first, until `visit` returns false.
    pub fn visit_areas(&self, from: usize, mut visit: impl FnMut(Range<usize>, &Area) -> bool) {
        for (&start, area) in self.inner.lock().areas.range(from..) {
            if !visit(start..area.end, area) {
                break;
            }
        }
    }

    /// The area that holds an address.
    pub fn area_at(&self, address: usize) -> Option<(usize, Area)> {
        let inner = self.inner.lock();
        let (&start, area) = inner.areas.range(..=address).next_back()?;
        (address < area.end).then(|| (start, area.clone()))
    }

    /// Bytes of all areas.
    pub fn size(&self) -> usize {
        self.inner.lock().size
    }

    /// Pages that are present.
    pub fn resident(&self) -> usize {
        self.resident.load(Ordering::Relaxed)
    }

    /// The most pages that were present at a time.
    pub fn peak_resident(&self) -> usize {
        self.peak.load(Ordering::Relaxed).max(self.resident())
    }

    fn remove(&self, inner: &mut Inner, range: Range<usize>) {
        if inner.cut_out(range.clone()) {
            self.drop_pages(range);
        }
    }

    fn drop_pages(&self, range: Range<usize>) {
        let mut count = 0;
        self.table.unmap_range(range, |_, _, _| count += 1);
        self.resident.fetch_sub(count, Ordering::Relaxed);
    }
}

/// What may be done at once with pages that are present when their protection changes. The rest comes back page by page with a fault, which
/// knows whether a page is still shared, and whether a file may still be executed.
fn present_access(protection: Protection, has_file: bool) -> Access {
    let mut access = protection.access() - Access::WRITE;
    if has_file {
        access -= Access::EXECUTE;
    }
    access
}

fn checked_end(start: usize, length: usize) -> Option<usize> {
    start.checked_add(length).filter(|&end| end <= USER_END)
}

/// A range of whole pages in user memory that is not empty.
fn checked_range(start: usize, length: usize) -> Option<Range<usize>> {
    let end = checked_end(start, page_align_up(length)?)?;
    (start.is_multiple_of(PAGE_SIZE) && start < end).then_some(start..end)
}

impl Inner {
    /// Takes over where the heap lies and where the search for free addresses begins.
    pub(super) fn copy_borders(&mut self, other: &Self) {
        self.break_start = other.break_start;
        self.break_end = other.break_end;
        self.search_top = other.search_top;
    }

    fn overlaps(&self, range: Range<usize>) -> bool {
        self.areas
            .range(..range.end)
            .next_back()
            .is_some_and(|(_, area)| area.end > range.start)
    }

    fn covers(&self, range: &Range<usize>) -> bool {
        let mut end = range.end;
        for (&start, area) in self.areas.range(..range.end).rev() {
            if area.end < end {
                return false;
            }
            if start <= range.start {
                return true;
            }
            end = start;
        }
        false
    }

    /// Whether taking a range away leaves one area in two.
    fn splits(&self, range: &Range<usize>) -> bool {
        self.areas
            .range(..range.start)
            .next_back()
            .is_some_and(|(_, area)| area.end > range.end)
    }

    /// The start of a free range: at `hint` if that is free, else as high as possible below the mapping base.
    fn find(&mut self, hint: usize, length: usize, layout: &Layout) -> Option<usize> {
        let hint = page_align_up(hint)?;
        if hint >= MIN_ADDRESS && checked_end(hint, length).is_some_and(|end| !self.overlaps(hint..end)) {
            return Some(hint);
        }
        let start = self
            .find_below(self.search_top, length)
            .or_else(|| self.find_below(layout.mmap_base, length));
        if let Some(start) = start {
            // Smaller holes above stay unused until something up there is unmapped.
            self.search_top = start;
            return Some(start);
        }
        // Above the base, below the stack, as a last resort.
        self.find_below(USER_END, length)
    }

    fn find_below(&self, top: usize, length: usize) -> Option<usize> {
        let mut end = top;
        for (&start, area) in self.areas.range(..top).rev() {
            let floor = area.end;
            if end > floor && end - floor >= length {
                return Some(end - length);
            }
            let gap = if area.flags.contains(AreaFlags::GROWS_DOWN) {
                STACK_GAP
            } else {
                0
            };
            end = end.min(start.saturating_sub(gap));
        }
        (end >= MIN_ADDRESS + length).then(|| end - length)
    }

    /// Makes `at` a border between areas.
    fn split(&mut self, at: usize) {
        if let Some((&start, area)) = self.areas.range_mut(..at).next_back()
            && area.end > at
        {
            let tail = area.split_off(start, at);
            self.areas.insert(at, tail);
        }
    }

    /// Forgets all areas in a range; whether there were any.
    fn cut_out(&mut self, range: Range<usize>) -> bool {
        if range.is_empty() || !self.overlaps(range.clone()) {
            return false;
        }
        self.split(range.start);
        self.split(range.end);
        while let Some((&start, area)) = self.areas.range(range.clone()).next() {
            self.size -= area.end - start;
            self.areas.remove(&start);
        }
        self.search_top = self.search_top.max(range.end);
        true
    }

    /// Adds an area where nothing is, and joins it with its neighbours where they are alike.
    fn insert(&mut self, start: usize, area: Area) {
        self.size += area.end - start;
        self.areas.insert(start, area);
        self.merge(start);
    }

    /// Joins the area at `start` with the one after it and the one before it.
    fn merge(&mut self, start: usize) {
        let Some(area) = self.areas.get(&start) else { return };
        let end = area.end;
        if let Some(next) = self.areas.get(&end)
            && area.continues_with(start, next)
        {
            let next_end = next.end;
            self.areas.remove(&end);
            if let Some(area) = self.areas.get_mut(&start) {
                area.end = next_end;
            }
        }
        let Some((&before, previous)) = self.areas.range(..start).next_back() else {
            return;
        };
        let Some(area) = self.areas.get(&start) else { return };
        if previous.end == start && previous.continues_with(before, area) {
            let end = area.end;
            self.areas.remove(&start);
            if let Some(previous) = self.areas.get_mut(&before) {
                previous.end = end;
            }
        }
    }

    /// Changes all areas of a range that is covered, splitting at its borders and joining again.
    fn update(&mut self, range: Range<usize>, mut change: impl FnMut(&mut Area)) {
        self.split(range.start);
        self.split(range.end);
        let mut starts = Vec::new();
        for (&start, area) in self.areas.range_mut(range.clone()) {
            change(area);
            starts.push(start);
        }
        for start in starts {
            self.merge(start);
        }
        self.merge(range.end);
    }

    /// Lets a stack grow down to the page of `address`: the area that then holds it.
    pub(super) fn grow_stack(&mut self, address: usize, limit: usize) -> bool {
        let page = address & !(PAGE_SIZE - 1);
        let Some((&start, area)) = self.areas.range(address..).next() else {
            return false;
        };
        if !area.flags.contains(AreaFlags::GROWS_DOWN) || area.end - page > limit {
            return false;
        }
        let below = self
            .areas
            .range(..page)
            .next_back()
            .map_or(MIN_ADDRESS, |(_, area)| area.end);
        if page < below + STACK_GAP {
            return false;
        }
        if let Some(area) = self.areas.remove(&start) {
            self.size += start - page;
            self.areas.insert(page, area);
        }
        true
    }
}
