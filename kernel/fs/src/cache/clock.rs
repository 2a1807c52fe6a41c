//! The clock of one file's pages: what was not used since the hand last passed goes.

use alloc::vec::Vec;

use file::Pages;
use hal::mem::Frame;

use super::CachedPages;
use super::pages::State;

/// A page that address spaces may map, to be taken out of them.
#[derive(Debug)]
pub struct MappedPage {
    /// Its number in the file.
    pub index: u64,
    /// The page.
    pub frame: Frame,
    /// Whether it stays this time, because it was read by other means since the last look.
    pub spare: bool,
}

/// Takes the marks of use of a file's pages off in all address spaces, and those pages that had none out of them, save those to be spared. The
/// file is given by its [`Pages::identity`].
pub type Age<'a> = dyn FnMut(usize, &[MappedPage]) + 'a;

/// How mapped pages are given a second chance.
pub(super) struct Aging<'a> {
    /// What does it.
    pub(super) age: &'a mut Age<'a>,
    /// Pages that are looked at together. It never grows: there may be no memory for it.
    pub(super) batch: Vec<MappedPage>,
}

impl CachedPages {
    /// Frees up to `wanted` pages that were not used since the last pass, going on where that ended. Pages that are mapped go only with `aging`.
    /// Returns how many were freed, and whether the pass came to the end of the file.
    pub(super) fn shrink(&self, wanted: usize, mut aging: Option<&mut Aging<'_>>) -> (usize, bool) {
        let mut freed = 0;
        loop {
            let finished = {
                // Held by a caller further up when memory runs out while this very file is being read.
                let Some(mut state) = self.state.try_lock() else {
                    return (freed, true);
                };
                state.pass(wanted, &mut freed, aging.as_mut().map(|aging| &mut aging.batch))
            };
            if let Some(aging) = &mut aging
                && !aging.batch.is_empty()
            {
                (aging.age)(self.identity(), &aging.batch);
                if let Some(mut state) = self.state.try_lock() {
                    freed += state.take_unmapped(&aging.batch);
                }
                aging.batch.clear();
            }
            if finished || freed >= wanted {
                return (freed, finished);
            }
        }
    }
}

impl State {
    /// Moves the hand on until enough is freed, the batch of mapped pages is full, or the file ends; true in the last case.
    fn pass(&mut self, wanted: usize, freed: &mut usize, mut batch: Option<&mut Vec<MappedPage>>) -> bool {
        loop {
            let collected = batch.as_ref().map_or(0, |batch| batch.len());
            let full = batch.as_ref().is_some_and(|batch| batch.len() == batch.capacity());
            if *freed + collected >= wanted || full {
                return false;
            }
            let Some((&index, slot)) = self.slots.range_mut(self.hand..).next() else {
                self.hand = 0;
                return true;
            };
            self.hand = index + 1;
            if slot.is_loading() {
                continue;
            }
            let used = core::mem::take(&mut slot.referenced);
            if slot.frame.shares() == 1 {
                if !used {
                    self.slots.remove(&index);
                    *freed += 1;
                }
            } else if let Some(batch) = &mut batch {
                batch.push(MappedPage {
                    index,
                    frame: slot.frame.clone(),
                    spare: used,
                });
            }
        }
    }

    /// Removes those pages of a batch that nobody maps any more; returns how many.
    fn take_unmapped(&mut self, batch: &[MappedPage]) -> usize {
        let mut freed = 0;
        for page in batch.iter().filter(|page| !page.spare) {
            // One share is the slot's, one the batch's.
            let alone = |frame: &Frame| *frame == page.frame && frame.shares() == 2;
            if self.slots.get(&page.index).is_some_and(|slot| alone(&slot.frame)) {
                self.slots.remove(&page.index);
                freed += 1;
            }
        }
        freed
    }
}
