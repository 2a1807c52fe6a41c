//! The areas of an address space: in order, disjoint, joined where they continue each other.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Weak;
use alloc::vec::Vec;
use core::ops::Range;

use hal::mem::PAGE_SIZE;
use hal::user::USER_END;

use super::area::{Area, AreaFlags};
use super::layout::Layout;
use super::{AddressSpace, page_align_up, reverse};

/// The lowest address that may be mapped (`vm.mmap_min_addr`).
pub(super) const MIN_ADDRESS: usize = 0x10000;
/// Free pages between a stack and the mapping below it.
pub(super) const STACK_GAP: usize = 256 * PAGE_SIZE;

/// Mappings that ask for low addresses (`MAP_32BIT`) end here at the most, so that code reaches them by signed 32-bit addresses.
const LOW_END: usize = 0x8000_0000;

/// What lies where.
pub(super) struct Areas {
    pub(super) areas: BTreeMap<usize, Area>,
    /// Bytes of all areas.
    pub(super) size: usize,
    pub(super) break_start: usize,
    pub(super) break_end: usize,
    /// Where a search for free addresses begins: nothing fits above it below the mapping base.
    search_top: usize,
    /// New areas stay in memory (`MCL_FUTURE`).
    pub(super) lock_new: bool,
    /// The identity of each file that areas show, with the starts of those areas.
    files: BTreeSet<(usize, usize)>,
    /// Whose they are.
    space: Weak<AddressSpace>,
}

/// The end of a range, if it lies in user memory.
pub(super) fn checked_end(start: usize, length: usize) -> Option<usize> {
    start.checked_add(length).filter(|&end| end <= USER_END)
}

impl Areas {
    pub(super) fn new(space: Weak<AddressSpace>, mmap_base: usize) -> Self {
        Self {
            areas: BTreeMap::new(),
            size: 0,
            break_start: 0,
            break_end: 0,
            search_top: mmap_base,
            lock_new: false,
            files: BTreeSet::new(),
            space,
        }
    }

    /// The areas that show a file.
    pub(super) fn showing(&self, file: usize) -> impl Iterator<Item = (Range<usize>, &Area)> {
        self.files
            .range((file, 0)..=(file, usize::MAX))
            .filter_map(|&(_, start)| {
                let area = self.areas.get(&start)?;
                Some((start..area.end, area))
            })
    }

    fn shows(&self, file: usize) -> bool {
        self.files.range((file, 0)..=(file, usize::MAX)).next().is_some()
    }

    fn put(&mut self, start: usize, area: Area) {
        if let Some(backing) = &area.backing {
            let file = backing.pages.identity();
            if !self.shows(file) {
                reverse::register(file, &self.space);
            }
            self.files.insert((file, start));
        }
        self.areas.insert(start, area);
    }

    fn take(&mut self, start: usize) -> Option<Area> {
        let area = self.areas.remove(&start)?;
        if let Some(backing) = &area.backing {
            let file = backing.pages.identity();
            self.files.remove(&(file, start));
            if !self.shows(file) {
                reverse::unregister(file, &self.space);
            }
        }
        Some(area)
    }

    /// Takes over where the heap lies and where the search for free addresses begins.
    pub(super) fn copy_borders(&mut self, other: &Self) {
        self.break_start = other.break_start;
        self.break_end = other.break_end;
        self.search_top = other.search_top;
    }

    pub(super) fn overlaps(&self, range: Range<usize>) -> bool {
        self.areas
            .range(..range.end)
            .next_back()
            .is_some_and(|(_, area)| area.end > range.start)
    }

    pub(super) fn covers(&self, range: &Range<usize>) -> bool {
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
    pub(super) fn splits(&self, range: &Range<usize>) -> bool {
        self.areas
            .range(..range.start)
            .next_back()
            .is_some_and(|(_, area)| area.end > range.end)
    }

    /// The start of a free range: at `hint` if that is free, else as high as possible below the mapping base.
    pub(super) fn find(&mut self, hint: usize, length: usize, layout: &Layout) -> Option<usize> {
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

    /// The start of a free range at low addresses: at `hint` if that is free, else as low as possible.
    pub(super) fn find_low(&self, hint: usize, length: usize, layout: &Layout) -> Option<usize> {
        let end_of = |start: usize| start.checked_add(length).filter(|&end| end <= LOW_END);
        let hint = page_align_up(hint)?;
        if hint >= MIN_ADDRESS && end_of(hint).is_some_and(|end| !self.overlaps(hint..end)) {
            return Some(hint);
        }
        let mut start = layout.low_base;
        let below = self.areas.range(..start).next_back();
        start = below.map_or(start, |(_, area)| area.end.max(start));
        for (&next, area) in self.areas.range(start..LOW_END) {
            if end_of(start)? <= next {
                break;
            }
            start = area.end;
        }
        end_of(start).map(|_| start)
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
        end.checked_sub(length).filter(|&start| start >= MIN_ADDRESS)
    }

    /// Makes `at` a border between areas.
    fn split(&mut self, at: usize) {
        if let Some((&start, area)) = self.areas.range_mut(..at).next_back()
            && area.end > at
        {
            let tail = area.split_off(start, at);
            self.put(at, tail);
        }
    }

    /// Forgets all areas in a range; whether there were any.
    pub(super) fn cut_out(&mut self, range: Range<usize>) -> bool {
        if range.is_empty() || !self.overlaps(range.clone()) {
            return false;
        }
        self.split(range.start);
        self.split(range.end);
        while let Some((&start, area)) = self.areas.range(range.clone()).next() {
            self.size -= area.end - start;
            self.take(start);
        }
        self.search_top = self.search_top.max(range.end);
        true
    }

    /// Adds an area where nothing is, and joins it with its neighbours where they are alike.
    pub(super) fn insert(&mut self, start: usize, area: Area) {
        self.size += area.end - start;
        self.put(start, area);
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
            self.take(end);
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
            self.take(start);
            if let Some(previous) = self.areas.get_mut(&before) {
                previous.end = end;
            }
        }
    }

    /// Changes all areas of a range that is covered, splitting at its borders and joining again.
    pub(super) fn update(&mut self, range: Range<usize>, mut change: impl FnMut(&mut Area)) {
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
        if let Some(area) = self.take(start) {
            self.size += start - page;
            self.put(page, area);
        }
        true
    }
}

impl Drop for Areas {
    fn drop(&mut self) {
        let mut last = None;
        for &(file, _) in &self.files {
            if last != Some(file) {
                reverse::unregister(file, &self.space);
                last = Some(file);
            }
        }
    }
}
