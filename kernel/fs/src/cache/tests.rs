//! Readahead, reclaim and failures of the page cache.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::Errno;
use file::{BytesSink, Error, Pages};
use hal::mem::{Frame, PAGE_SIZE};

use super::clock::Aging;
use super::{Age, CachedPages, MappedPage};
use crate::block::BlockDevice;
use crate::testing::MemoryDisk;

const PAGES: u64 = 200;

fn disk() -> Arc<MemoryDisk> {
    let byte = |place: usize| (place / PAGE_SIZE) as u8;
    MemoryDisk::new((0..PAGES as usize * PAGE_SIZE).map(byte).collect())
}

fn cache(disk: &Arc<MemoryDisk>, first_block: u64, size: u64) -> Arc<CachedPages> {
    CachedPages::new(disk.clone() as Arc<dyn BlockDevice>, first_block, size, None)
}

#[test]
fn a_sequential_reader_waits_for_few_reads() {
    let disk = disk();
    let file = cache(&disk, 0, PAGES * PAGE_SIZE as u64);
    let mut done = 0;
    let mut chunk = vec![0; PAGE_SIZE];
    while done < file.size() {
        let count = disk.wait(|| file.read(done, &mut BytesSink::new(&mut chunk))).unwrap();
        assert!(
            chunk[..count]
                .iter()
                .all(|&byte| u64::from(byte) == done / PAGE_SIZE as u64)
        );
        done += count as u64;
    }
    // 128 KiB at a time.
    assert!(disk.reads.load(Ordering::Relaxed) <= PAGES as usize / 32 + 2);
}

#[test]
fn what_lies_behind_the_end_does_not_show() {
    let disk = disk();
    let file = cache(&disk, 7, 5000);
    let page = disk.wait(|| file.page(1)).unwrap();
    let mut bytes = [1; PAGE_SIZE];
    page.read(0, &mut bytes);
    assert_eq!((bytes[903], bytes[904], bytes[PAGE_SIZE - 1]), (8, 0, 0));
    assert!(matches!(file.page(2), Err(Error::Errno(Errno::IO))));
}

#[test]
fn a_read_that_fails_is_an_error_and_can_be_tried_again() {
    let disk = disk();
    let file = cache(&disk, PAGES - 1, 3 * PAGE_SIZE as u64);
    for _ in 0..2 {
        let before = disk.reads.load(Ordering::Relaxed);
        assert!(matches!(disk.wait(|| file.page(1)), Err(Error::Errno(Errno::IO))));
        assert!(disk.reads.load(Ordering::Relaxed) > before);
    }
}

#[test]
fn a_bad_block_fails_its_own_page_and_no_other() {
    const BAD: u64 = 70;
    let disk = disk();
    disk.bad.store(BAD as usize, Ordering::Relaxed);
    let file = cache(&disk, 0, PAGES * PAGE_SIZE as u64);
    for index in 0..PAGES {
        let page = disk.wait(|| file.page(index));
        if index == BAD {
            assert!(matches!(page, Err(Error::Errno(Errno::IO))));
            continue;
        }
        let mut byte = [0];
        page.unwrap().read(0, &mut byte);
        assert_eq!(u64::from(byte[0]), index);
    }
}

/// One whole round of a file's clock; how many pages went. `age` is called with pages that are mapped.
fn round<'a>(file: &CachedPages, age: Option<&'a mut Age<'a>>) -> usize {
    let mut aging = age.map(|age| Aging {
        age,
        batch: Vec::with_capacity(4),
    });
    let (freed, finished) = file.shrink(usize::MAX, aging.as_mut());
    assert!(finished);
    freed
}

#[test]
fn reclaim_spares_what_is_used_mapped_or_under_way() {
    let disk = disk();
    let file = cache(&disk, 0, 64 * PAGE_SIZE as u64);
    let mapped = disk.wait(|| file.page(3)).unwrap();
    let resident = file.resident();
    assert!(resident >= 16);
    // The first round only takes the mark of page 3 away.
    assert_eq!(round(&file, None), resident - 1);
    assert_eq!(round(&file, None), 0);
    assert_eq!(file.resident(), 1);

    let mut unmapped = Vec::new();
    let mut mapping = Some(mapped);
    let mut age = |identity, pages: &[MappedPage]| {
        assert_eq!(identity, file.identity());
        unmapped.extend(pages.iter().map(|page| (page.index, page.spare)));
        mapping = None;
    };
    assert_eq!(round(&file, Some(&mut age)), 1);
    assert_eq!((unmapped, file.resident()), (vec![(3, false)], 0));

    let under_way = file.page(3);
    assert!(matches!(under_way, Err(Error::Pending(_))));
    assert_eq!(round(&file, None), 0);
    disk.serve();
    assert!(round(&file, None) > 0);
}

#[test]
fn the_clock_goes_on_where_it_stopped() {
    let disk = disk();
    let file = cache(&disk, 0, 64 * PAGE_SIZE as u64);
    for index in 0..8 {
        disk.wait(|| file.page(index)).unwrap();
    }
    round(&file, None);
    assert_eq!(file.resident(), 8);
    assert_eq!(file.shrink(3, None), (3, false));
    // Read in meanwhile with its neighbours, behind the hand: they stay, though they have the lowest numbers.
    disk.wait(|| file.page(0)).unwrap();
    assert_eq!(file.shrink(3, None), (3, false));
    let left: Vec<_> = (0..8).filter(|&index| file.cached_page(index).is_some()).collect();
    assert_eq!(left, [0, 1, 2, 6, 7]);
}

#[test]
fn pages_that_are_in_memory_are_found_together() {
    let disk = disk();
    let file = cache(&disk, 7, 40 * PAGE_SIZE as u64 - 100);
    disk.wait(|| file.page(33)).unwrap();
    let under_way = file.page(3);
    assert!(matches!(under_way, Err(Error::Pending(_))));
    let reads = disk.reads.load(Ordering::Relaxed);
    let mut found = [const { None }; 10];
    file.cached_pages(31, &mut found);
    assert!(found[0].is_none() && found[9].is_none());
    let bytes = |page: &Option<Frame>, at: usize| {
        let mut byte = [0];
        page.as_ref().unwrap().read(at, &mut byte);
        byte[0]
    };
    for (place, page) in found[1..9].iter().enumerate() {
        assert_eq!(bytes(page, 0), 7 + 32 + place as u8);
    }
    assert_eq!(bytes(&found[8], PAGE_SIZE - 100), 0, "what lies behind the end shows");
    assert_eq!(disk.reads.load(Ordering::Relaxed), reads);
}

#[test]
fn a_mapped_page_that_was_read_as_well_is_spared_once() {
    let disk = disk();
    let file = cache(&disk, 0, 16 * PAGE_SIZE as u64);
    let _mapped: Vec<_> = (0..10).map(|index| disk.wait(|| file.page(index)).unwrap()).collect();
    let mut rounds = Vec::new();
    for _ in 0..2 {
        let mut seen = Vec::new();
        let mut age = |_, pages: &[MappedPage]| {
            assert!(pages.len() <= 4);
            seen.extend(pages.iter().map(|page| page.spare));
        };
        round(&file, Some(&mut age));
        rounds.push(seen);
    }
    assert_eq!(rounds, [vec![true; 10], vec![false; 10]]);
    // Still held, so still there.
    assert_eq!(file.resident(), 10);
}

#[test]
fn a_short_tail_is_read_from_where_it_lies() {
    let disk = disk();
    let device = CachedPages::of_device(disk.clone());
    let tail = 9 * PAGE_SIZE as u64 + 100;
    let file = CachedPages::new(disk.clone(), 4, PAGE_SIZE as u64 + 50, Some((device, tail)));
    let mut bytes = [0; 60];
    let count = disk
        .wait(|| file.read(PAGE_SIZE as u64, &mut BytesSink::new(&mut bytes)))
        .unwrap();
    assert_eq!((count, bytes[49], bytes[50]), (50, 9, 0));
    assert_eq!(file.resident(), 0);
    let page = disk.wait(|| file.page(1)).unwrap();
    page.read(0, &mut bytes);
    assert_eq!((bytes[49], bytes[50]), (9, 0));
}
