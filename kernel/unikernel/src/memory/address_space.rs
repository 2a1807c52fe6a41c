//! Address spaces: which ranges of addresses mean what.

use abi::Errno;
use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use hal::mem::PAGE_SIZE;
use hal::sync::SpinLock;

use super::area::{Area, AreaFlags, AreaName, Backing, Protection};
use super::areas::{Areas, MIN_ADDRESS, STACK_GAP, checked_end};
use super::bounds::Bounds;
use super::layout::Layout;
use hal::user::{Access, PageTable, USER_END};

/// Areas that an address space may have (`vm.max_map_count`).
static MAX_AREAS: AtomicUsize = AtomicUsize::new(65530);

/// How many areas an address space may have.
pub fn max_areas() -> usize {
    MAX_AREAS.load(Ordering::Relaxed)
}

/// Changes it.
pub fn set_max_areas(count: usize) {
    MAX_AREAS.store(count, Ordering::Relaxed);
}

/// The memory that the threads of a process see.
pub struct AddressSpace {
    pub(super) table: PageTable,
    pub(super) inner: SpinLock<Areas>,
    /// Pages that are present.
    pub(super) resident: AtomicUsize,
    /// Of those, the ones that are part of no file.
    pub(super) own: AtomicUsize,
    /// The most there have been.
    pub(super) peak: AtomicUsize,
    /// Threads that have it and do not end.
    users: AtomicUsize,
    /// The most bytes that a stack grows to (`RLIMIT_STACK`).
    pub stack_limit: AtomicUsize,
    /// The commands of `membarrier(2)` that it is registered for.
    pub barriers: AtomicU32,
    /// Where things are put.
    pub layout: Layout,
}

/// Where a new area goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this address if free, else anywhere; 0 for anywhere.
    Hint(usize),
    /// Below 2 GiB (`MAP_32BIT`): at this address if free, else anywhere there.
    Low(usize),
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
    /// An empty one with a stack of this size at the most; `None` without memory for its tables.
    pub fn new(stack_limit: usize) -> Option<Arc<Self>> {
        Self::with_layout(Layout::random(stack_limit), stack_limit)
    }

    /// The same, with its parts at these places.
    pub fn with_layout(layout: Layout, stack_limit: usize) -> Option<Arc<Self>> {
        let table = PageTable::new()?;
        Some(Arc::new_cyclic(|this| Self {
            table,
            inner: SpinLock::new(Areas::new(this.clone(), layout.mmap_base)),
            resident: AtomicUsize::new(0),
            own: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            users: AtomicUsize::new(0),
            barriers: AtomicU32::new(0),
            stack_limit: AtomicUsize::new(stack_limit),
            layout,
        }))
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
            Place::Low(hint) => inner.find_low(hint, length, &self.layout).ok_or(Errno::NOMEM)?,
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
        if inner.areas.len() + 2 > max_areas() {
            return Err(Errno::NOMEM);
        }
        self.remove(&mut inner, start..start + length);
        let mut flags = request.flags;
        flags.set(AreaFlags::LOCKED, flags.contains(AreaFlags::LOCKED) || inner.lock_new);
        inner.insert(
            start,
            Area {
                end: start + length,
                protection: request.protection,
                flags,
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
        if inner.areas.len() + 1 > max_areas() && inner.splits(&range) {
            return Err(Errno::NOMEM);
        }
        self.remove(&mut inner, range);
        Ok(())
    }

    /// Takes note of a thread that has it.
    pub fn begin_use(&self) {
        self.users.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes note of a thread that ends. With the last all that there is goes away, whoever still knows of it.
    pub fn end_use(&self) {
        if self.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut inner = self.inner.lock();
            inner.cut_out(0..USER_END);
            self.table.clear();
            self.resident.store(0, Ordering::Relaxed);
            self.own.store(0, Ordering::Relaxed);
        }
    }

    /// Takes away all that there is.
    pub fn clear(&self) {
        self.remove(&mut self.inner.lock(), 0..USER_END);
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
        if inner.areas.len() + 2 > max_areas() {
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

    /// Changes the areas of a range as far as it is mapped, splitting them at its borders.
    pub(super) fn update_mapped(&self, range: Range<usize>, change: impl FnMut(&mut Area)) {
        self.inner.lock().update(range, change);
    }

    /// Drops the pages of a range: private memory reads as zero, or as the file, again (`MADV_DONTNEED`). `allows` says of each area whether that may
    /// be; `EINVAL` with the first that it may not, `ENOMEM` when not all of the range is mapped.
    pub fn discard(&self, start: usize, length: usize, allows: impl Fn(&Area) -> bool) -> Result<(), Errno> {
        let range = checked_range(start, length).ok_or(Errno::NOMEM)?;
        let inner = self.inner.lock();
        let first = inner
            .areas
            .range(..=start)
            .next_back()
            .map_or(start, |(&first, _)| first);
        for (&area_start, area) in inner.areas.range(first..range.end) {
            if area.end <= range.start {
                continue;
            }
            if !allows(area) {
                return Err(Errno::INVAL);
            }
            self.drop_pages(area_start.max(range.start)..area.end.min(range.end));
        }
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
    pub fn set_break(&self, end: usize, bounds: Bounds) -> usize {
        let (start, old) = {
            let inner = self.inner.lock();
            (inner.break_start, inner.break_end)
        };
        if end < start || end >= USER_END {
            return old;
        }
        let (Some(old_page), Some(new_page)) = (page_align_up(old), page_align_up(end)) else {
            return old;
        };
        let growth = new_page.saturating_sub(old_page);
        if growth > 0 && self.check_growth(bounds, growth, true, 0..0).is_err() {
            return old;
        }
        let mut inner = self.inner.lock();
        if inner.break_end != old {
            return inner.break_end;
        }
        if new_page < old_page {
            self.remove(&mut inner, new_page..old_page);
        } else if new_page > old_page {
            if inner.overlaps(old_page..new_page + STACK_GAP) {
                return old;
            }
            let mut flags = AreaFlags::HEAP;
            flags.set(AreaFlags::LOCKED, inner.lock_new);
            inner.insert(
                old_page,
                Area {
                    end: new_page,
                    protection: Protection::READ | Protection::WRITE,
                    flags,
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
        if inner.areas.len() + 3 > max_areas() {
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
        let end = old + old_length.min(new_length);
        // Before anything is taken away: a page that finds no place would be lost.
        self.table.prepare_move(old..end, new).map_err(|_| Errno::NOMEM)?;
        let access = present_access(moved.protection, moved.backing.is_some());
        inner.insert(new, moved);
        self.table.unmap_range(old..end, |address, frame, own| {
            let place = new + (address - old);
            let mapped = if own {
                self.table.map_own(place, frame, access)
            } else {
                self.table.map(place, frame, access)
            };
            if mapped.is_err() {
                self.count_gone(1, own);
            }
        });
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

    /// Of the pages that are present, those that are part of no file.
    pub fn resident_own(&self) -> usize {
        self.own.load(Ordering::Relaxed)
    }

    /// The most pages that were present at a time.
    pub fn peak_resident(&self) -> usize {
        self.peak.load(Ordering::Relaxed).max(self.resident())
    }

    pub(super) fn remove(&self, inner: &mut Areas, range: Range<usize>) {
        if inner.cut_out(range.clone()) {
            self.drop_pages(range);
        }
    }

    pub(super) fn drop_pages(&self, range: Range<usize>) {
        self.table.unmap_range(range, |_, _, own| self.count_gone(1, own));
    }

    /// Takes note that pages are no longer present.
    pub(super) fn count_gone(&self, count: usize, own: bool) {
        self.resident.fetch_sub(count, Ordering::Relaxed);
        if own {
            self.own.fetch_sub(count, Ordering::Relaxed);
        }
    }

    /// Takes note of pages that are present now.
    pub(super) fn count_present(&self, pages: usize, own: bool) {
        let resident = self.resident.fetch_add(pages, Ordering::Relaxed) + pages;
        self.peak.fetch_max(resident, Ordering::Relaxed);
        if own {
            self.own.fetch_add(pages, Ordering::Relaxed);
        }
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

/// A range of whole pages in user memory that is not empty.
pub(super) fn checked_range(start: usize, length: usize) -> Option<Range<usize>> {
    let end = checked_end(start, page_align_up(length)?)?;
    (start.is_multiple_of(PAGE_SIZE) && start < end).then_some(start..end)
}
