//! From a file to the address spaces that show it, so that its pages can be taken out of all of them.
//!
//! Files are known by [`file::Pages::identity`]. For each, the list below has the address spaces, and each address space has the areas; so a fault
//! costs nothing, and `mmap(2)` and `munmap(2)` two steps in trees.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Range;

use fs::{MappedPage, Reason};
use hal::mem::PAGE_SIZE;
use hal::sync::SpinLock;
use hal::user::Candidate;
use litemap::LiteMap;

use super::{AddressSpace, Area, AreaFlags};

static SPACES: SpinLock<LiteMap<usize, Vec<Weak<AddressSpace>>>> = SpinLock::new(LiteMap::new());

/// Takes note that an address space shows a file, which it has not done before.
pub(super) fn register(file: usize, space: &Weak<AddressSpace>) {
    SPACES.lock().entry(file).or_default().push(space.clone());
}

/// Takes note that an address space shows a file no more.
pub(super) fn unregister(file: usize, space: &Weak<AddressSpace>) {
    let mut spaces = SPACES.lock();
    if let Some(list) = spaces.get_mut(&file) {
        list.retain(|known| !known.ptr_eq(space));
        if list.is_empty() {
            spaces.remove(&file);
        }
    }
}

#[cfg(test)]
pub(super) fn is_known(file: usize) -> bool {
    SPACES.lock().contains_key(&file)
}

fn showing(file: usize) -> Vec<Arc<AddressSpace>> {
    let spaces = SPACES.lock();
    spaces
        .get(&file)
        .map_or_else(Vec::new, |list| list.iter().filter_map(Weak::upgrade).collect())
}

/// Takes pages of a file out of all address spaces, as [`fs::set_unmap`] asks for. To be called without a lock of an address space.
pub fn unmap(file: usize, pages: Range<u64>, reason: Reason) {
    let mut spaces = showing(file);
    let mut done = 0;
    while done < spaces.len() {
        for space in &spaces[done..] {
            space.unmap_file(file, &pages, reason);
        }
        done = spaces.len();
        // A child that was forked meanwhile has what its parent had before.
        let mut more = showing(file);
        more.retain(|space| !spaces.iter().any(|known| Arc::ptr_eq(known, space)));
        spaces.append(&mut more);
    }
}

/// Gives pages of a file a second chance in all address spaces, as [`fs::reclaim_mapped`] asks for. To be called without a lock.
pub(super) fn age(file: usize, pages: &[MappedPage]) {
    for space in showing(file) {
        space.age_file(file, pages);
    }
}

/// How often all of a file is shown from its beginning on.
pub fn attachments(file: usize) -> usize {
    let begins =
        |(_, area): &(Range<usize>, &Area)| area.backing.as_ref().is_some_and(|backing| backing.first_page == 0);
    let count = |space: &Arc<AddressSpace>| space.inner.lock().showing(file).filter(begins).count();
    showing(file).iter().map(count).sum()
}

/// Whether memory shows the file and writes to it, or could be let to (`mprotect(2)`).
pub fn is_shared_writable(file: usize) -> bool {
    let writes = |(_, area): (Range<usize>, &Area)| {
        let backing = area.backing.as_ref();
        area.flags.contains(AreaFlags::SHARED) && backing.is_some_and(|backing| backing.pages.is_writable())
    };
    showing(file)
        .iter()
        .any(|space| space.inner.lock().showing(file).any(writes))
}

impl AddressSpace {
    /// Takes away what of a file is shown at `start`, up to `length` bytes from its beginning on.
    pub fn detach(&self, start: usize, length: usize, file: usize) {
        let mut inner = self.inner.lock();
        let parts = inner.showing(file).filter(|(range, area)| {
            let distance = range.start.wrapping_sub(start);
            distance < length && area.page_index(range.start, range.start) == (distance / PAGE_SIZE) as u64
        });
        let parts: Vec<_> = parts.map(|(range, _)| range).collect();
        for part in parts {
            self.remove(&mut inner, part);
        }
    }

    fn unmap_file(&self, file: usize, pages: &Range<u64>, reason: Reason) {
        let inner = self.inner.lock();
        for (range, area) in inner.showing(file) {
            let first_page = area.page_index(range.start, range.start);
            let address = |page: u64| {
                let distance = usize::try_from(page.saturating_sub(first_page)).unwrap_or(usize::MAX);
                range
                    .start
                    .saturating_add(distance.saturating_mul(PAGE_SIZE))
                    .min(range.end)
            };
            let part = address(pages.start)..address(pages.end);
            match reason {
                Reason::Replaced => self.table.unmap_files(part, |_, _, own| self.count_gone(1, own)),
                Reason::Cut => self.drop_pages(part),
            }
        }
    }

    fn age_file(&self, file: usize, pages: &[MappedPage]) {
        let inner = self.inner.lock();
        for (range, area) in inner.showing(file) {
            let first_page = area.page_index(range.start, range.start);
            let stays = area.flags.contains(AreaFlags::LOCKED);
            let count = (range.len() / PAGE_SIZE) as u64;
            let candidates: Vec<_> = pages
                .iter()
                .filter_map(|page| {
                    let distance = page
                        .index
                        .checked_sub(first_page)
                        .filter(|&distance| distance < count)?;
                    Some(Candidate {
                        address: range.start + distance as usize * PAGE_SIZE,
                        frame: &page.frame,
                        spare: page.spare || stays,
                    })
                })
                .collect();
            self.count_gone(self.table.age(&candidates), false);
        }
    }
}
