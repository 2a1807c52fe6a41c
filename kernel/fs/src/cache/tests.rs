//! Readahead, reclaim and failures of the page cache.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::Errno;
use file::{BytesSink, Error, Pages};
use hal::mem::PAGE_SIZE;

use super::CachedPages;
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
fn reclaim_spares_what_is_used_mapped_or_under_way() {
    let disk = disk();
    let file = cache(&disk, 0, 64 * PAGE_SIZE as u64);
    let mapped = disk.wait(|| file.page(3)).unwrap();
    let resident = file.resident();
    assert!(resident >= 16);
    // The first pass only takes the mark of page 3 away.
    assert_eq!(file.shrink(usize::MAX, None), resident - 1);
    assert_eq!(file.shrink(usize::MAX, None), 0);
    assert_eq!(file.resident(), 1);

    let mut unmapped = Vec::new();
    let mut mapping = Some(mapped);
    let freed = file.shrink(
        usize::MAX,
        Some(&mut |_, index| {
            unmapped.push(index);
            mapping = None;
        }),
    );
    assert_eq!((freed, unmapped, file.resident()), (1, vec![3], 0));

    let under_way = file.page(3);
    assert!(matches!(under_way, Err(Error::Pending(_))));
    assert_eq!(file.shrink(usize::MAX, None), 0);
    disk.serve();
    assert!(file.shrink(usize::MAX, None) > 0);
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
