//! The reverse map against a model: whatever was mapped, moved and unmapped, the pages of a file are found where they are, and nowhere else.

use alloc::sync::Arc;
use alloc::vec::Vec;

use file::{Error, Pages};
use fs::{MappedPage, Reason};
use hal::mem::{Frame, PAGE_SIZE};
use hal::user::Access;
use proptest::prelude::*;

use super::{AddressSpace, AreaFlags, Attempt, Backing, Place, Protection, Request, reverse};

const PAGES: u64 = 24;
const FILES: usize = 3;
const BASE: usize = 0x10_0000_0000;
/// Chances for two threads to get into each other's way.
const ROUNDS: usize = 5_000;
/// Pages of addresses that the steps play with.
const SLOTS: usize = 40;

/// A file whose pages are all in memory.
struct Fixed(Vec<Frame>);

impl Fixed {
    fn new() -> Arc<Self> {
        let frame = || Frame::allocate_zeroed().expect("memory");
        Arc::new(Self((0..PAGES).map(|_| frame()).collect()))
    }
}

impl Pages for Fixed {
    fn page(&self, index: u64) -> file::Result<Frame> {
        self.0.get(index as usize).cloned().ok_or(Error::Errno(abi::Errno::IO))
    }

    fn size(&self) -> u64 {
        PAGES * PAGE_SIZE as u64
    }
}

#[derive(Clone, Debug)]
enum Step {
    Map {
        file: usize,
        slot: usize,
        first: u64,
        count: usize,
    },
    Unmap {
        slot: usize,
        count: usize,
    },
    Protect {
        slot: usize,
        count: usize,
        write: bool,
    },
    Move {
        slot: usize,
        count: usize,
        to: usize,
    },
    Touch {
        slot: usize,
        write: bool,
    },
    Reclaim {
        file: usize,
        page: u64,
    },
    Replace {
        file: usize,
        page: u64,
        count: u64,
    },
    Cut {
        file: usize,
        page: u64,
    },
    /// The other address space becomes a copy of this one.
    Fork,
}

fn step() -> impl Strategy<Value = Step> {
    let (slot, count, file) = (0..SLOTS - 8, 1..8_usize, 0..FILES);
    prop_oneof![
        3 => (file.clone(), slot.clone(), 0..PAGES - 8, count.clone())
            .prop_map(|(file, slot, first, count)| Step::Map { file, slot, first, count }),
        1 => (slot.clone(), count.clone()).prop_map(|(slot, count)| Step::Unmap { slot, count }),
        1 => (slot.clone(), count.clone(), any::<bool>())
            .prop_map(|(slot, count, write)| Step::Protect { slot, count, write }),
        1 => (slot.clone(), count, slot).prop_map(|(slot, count, to)| Step::Move { slot, count, to }),
        8 => (0..SLOTS, any::<bool>()).prop_map(|(slot, write)| Step::Touch { slot, write }),
        3 => (file.clone(), 0..PAGES).prop_map(|(file, page)| Step::Reclaim { file, page }),
        1 => (file.clone(), 0..PAGES, 1..6_u64).prop_map(|(file, page, count)| Step::Replace { file, page, count }),
        1 => (file, 0..PAGES).prop_map(|(file, page)| Step::Cut { file, page }),
        1 => Just(Step::Fork),
    ]
}

fn at(slot: usize) -> usize {
    BASE + slot * PAGE_SIZE
}

/// What the model knows of a page of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    file: usize,
    page: u64,
    write: bool,
    /// Nothing is there, the file's page is, or a copy.
    present: Option<bool>,
    /// What was last written here, as long as the copy is there.
    value: u8,
}

struct Model {
    space: Arc<AddressSpace>,
    slots: [Option<Slot>; SLOTS],
}

impl Model {
    fn apply(&mut self, files: &[Arc<Fixed>], step: &Step, written: &mut u8) {
        let Self { space, slots } = self;
        match *step {
            Step::Map {
                file,
                slot,
                first,
                count,
            } => {
                let request = Request {
                    protection: Protection::READ | Protection::WRITE,
                    flags: AreaFlags::empty(),
                    backing: Some(Backing {
                        pages: files[file].clone(),
                        first_page: first,
                    }),
                    name: None,
                };
                space
                    .map(Place::Fixed(at(slot)), count * PAGE_SIZE, request)
                    .expect("it fits");
                for offset in 0..count {
                    slots[slot + offset] = Some(Slot {
                        file,
                        page: first + offset as u64,
                        write: true,
                        present: None,
                        value: 0,
                    });
                }
            }
            Step::Unmap { slot, count } => {
                space.unmap(at(slot), count * PAGE_SIZE).expect("a range");
                slots[slot..slot + count].fill(None);
            }
            Step::Protect { slot, count, write } => {
                let mut protection = Protection::READ;
                protection.set(Protection::WRITE, write);
                let whole = slots[slot..slot + count].iter().all(Option::is_some);
                assert_eq!(space.protect(at(slot), count * PAGE_SIZE, protection).is_ok(), whole);
                if whole {
                    slots[slot..slot + count]
                        .iter_mut()
                        .flatten()
                        .for_each(|page| page.write = write);
                }
            }
            Step::Move { slot, count, to } => {
                let (from, length) = (at(slot), count * PAGE_SIZE);
                if space.remap(from, length, length, true, Some(at(to)), false).is_ok() {
                    let moved: Vec<_> = slots[slot..slot + count].to_vec();
                    slots[slot..slot + count].fill(None);
                    slots[to..to + count].copy_from_slice(&moved);
                }
            }
            Step::Touch { slot, write } => {
                let attempt = if write { Attempt::Write } else { Attempt::Read };
                let worked = space.fault(at(slot), attempt).is_ok();
                let allowed = slots[slot].as_mut().filter(|page| page.write || !write);
                assert_eq!(worked, allowed.is_some());
                if let Some(page) = allowed {
                    page.present = Some(page.present == Some(true) || write);
                    if write {
                        let mapping = space.table.lookup(at(slot)).expect("it is present");
                        assert!(mapping.access.contains(Access::WRITE));
                        *written = written.wrapping_add(1).max(1);
                        page.value = *written;
                        mapping.frame.write(0, &[*written]);
                    }
                }
            }
            _ => {}
        }
    }

    /// What [`fs`] does to all address spaces.
    fn lose(&mut self, file: usize, pages: core::ops::Range<u64>, copies: bool) {
        for slot in self.slots.iter_mut().flatten() {
            if slot.file == file && pages.contains(&slot.page) && (copies || slot.present == Some(false)) {
                slot.present = None;
                slot.value = 0;
            }
        }
    }

    fn check(&self, files: &[Arc<Fixed>]) {
        let mut resident = (0, 0);
        for (number, slot) in self.slots.iter().enumerate() {
            let found = self.space.table.lookup(at(number));
            let expected = slot.and_then(|slot| slot.present);
            assert_eq!(
                found.as_ref().map(|mapping| mapping.own),
                expected,
                "slot {number}: {slot:?}"
            );
            if let (Some(mapping), Some(slot)) = (found, slot) {
                resident.0 += 1;
                resident.1 += usize::from(mapping.own);
                assert_eq!(mapping.frame == files[slot.file].0[slot.page as usize], !mapping.own);
                let mut value = [0];
                mapping.frame.read(0, &mut value);
                assert_eq!(value, [slot.value], "slot {number}");
            }
        }
        assert_eq!((self.space.resident(), self.space.resident_own()), resident);
    }
}

/// A child that is forked while a file is cut, once both is done.
fn forked_while_a_file_is_cut() -> Arc<AddressSpace> {
    let file = Fixed::new();
    let space = AddressSpace::new(super::STACK_LIMIT).expect("memory");
    let backing = Backing {
        pages: file.clone(),
        first_page: 0,
    };
    let request = Request {
        protection: Protection::READ,
        flags: AreaFlags::empty(),
        backing: Some(backing),
        name: None,
    };
    let slots = 0..PAGES as usize;
    space
        .map(Place::Fixed(at(0)), slots.len() * PAGE_SIZE, request)
        .expect("it fits");
    slots.for_each(|slot| space.fault(at(slot), Attempt::Read).expect("it is mapped"));
    let barrier = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            barrier.wait();
            reverse::unmap(file.identity(), 0..u64::MAX, Reason::Cut);
        });
        barrier.wait();
        space.duplicate().expect("memory")
    })
}

#[test]
fn a_child_that_is_forked_while_a_file_is_cut_has_none_of_its_pages() {
    for round in 0..ROUNDS {
        let child = forked_while_a_file_is_cut();
        let has_none = (0..SLOTS).all(|slot| child.table.lookup(at(slot)).is_none());
        assert!(has_none, "round {round}");
    }
}

#[test]
fn a_child_that_is_forked_while_a_file_is_cut_counts_the_pages_that_it_has() {
    for round in 0..ROUNDS {
        let child = forked_while_a_file_is_cut();
        let present = (0..SLOTS)
            .filter(|&slot| child.table.lookup(at(slot)).is_some())
            .count();
        assert_eq!(child.resident(), present, "round {round}");
    }
}

proptest! {
    #[test]
    fn pages_of_files_are_found_wherever_they_are_mapped(steps in prop::collection::vec((0..2_usize, step()), 1..60)) {
        let files: Vec<_> = (0..FILES).map(|_| Fixed::new()).collect();
        let space = || AddressSpace::new(super::STACK_LIMIT).expect("memory");
        let mut models = [space(), space()].map(|space| Model { space, slots: [None; SLOTS] });
        let mut written = 0;
        for (which, step) in steps {
            match step {
                Step::Fork => {
                    let Model { space, slots } = &models[which];
                    let copy = Model { space: space.duplicate().expect("memory"), slots: *slots };
                    models[1 - which] = copy;
                }
                Step::Reclaim { file, page } => {
                    let pages = [MappedPage { index: page, frame: files[file].0[page as usize].clone(), spare: false }];
                    reverse::age(files[file].identity(), &pages);
                    models.iter_mut().for_each(|model| model.lose(file, page..page + 1, false));
                    // One share is the file's, one the batch's: the cache may have it.
                    prop_assert_eq!(pages[0].frame.shares(), 2);
                }
                Step::Replace { file, page, count } => {
                    reverse::unmap(files[file].identity(), page..page + count, Reason::Replaced);
                    models.iter_mut().for_each(|model| model.lose(file, page..page + count, false));
                }
                Step::Cut { file, page } => {
                    reverse::unmap(files[file].identity(), page..u64::MAX, Reason::Cut);
                    models.iter_mut().for_each(|model| model.lose(file, page..u64::MAX, true));
                }
                step => models[which].apply(&files, &step, &mut written),
            }
            models.iter().for_each(|model| model.check(&files));
        }
        let identities: Vec<_> = files.iter().map(|file| file.identity()).collect();
        drop(models);
        for (file, identity) in files.iter().zip(identities) {
            prop_assert!(!reverse::is_known(identity), "an address space that is gone is still listed");
            prop_assert_eq!(Arc::strong_count(file), 1);
            prop_assert!(file.0.iter().all(|frame| frame.shares() == 1));
        }
    }
}
