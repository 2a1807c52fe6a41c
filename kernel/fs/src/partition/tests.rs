//! Against tables that `sgdisk` makes.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use abi::Errno;
use hal::mem::{Frame, PAGE_SIZE};

use super::format::{crc32, guid};
use super::{PartitionError, find_root};
use crate::block::BlockDevice;
use crate::testing::{Folder, MemoryDisk};

const MIB: usize = 1 << 20;
/// sgdisk's name of the type, for the architecture that the tests run on.
const ROOT: &str = if cfg!(target_arch = "x86_64") { "8304" } else { "8305" };

/// A disk of 4 MiB whose every page begins with its number, partitioned by `sgdisk`.
fn disk(options: &[&str]) -> Vec<u8> {
    let folder = Folder::new();
    let path = folder.path().join("disk");
    let mut bytes = vec![0; 4 * MIB];
    for (number, page) in bytes.chunks_mut(PAGE_SIZE).enumerate() {
        page[..8].copy_from_slice(&(number as u64).to_le_bytes());
    }
    fs::write(&path, &bytes).unwrap();
    let output = Command::new("sgdisk")
        .args(["--clear", "--set-alignment=1"])
        .args(options)
        .arg(&path)
        .output()
        .expect("sgdisk of gdisk is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    fs::read(path).unwrap()
}

fn find(bytes: Vec<u8>) -> Result<(Arc<MemoryDisk>, Arc<dyn BlockDevice>), PartitionError> {
    let disk = MemoryDisk::new(bytes);
    let found = disk.run(find_root(disk.clone()))?;
    Ok((disk, found))
}

/// The number that a block of a device begins with; `None` when it cannot be read.
fn number(disk: &MemoryDisk, device: &dyn BlockDevice, block: u64) -> Option<u64> {
    let frame = Frame::allocate().unwrap();
    let transfer = device.read(block, std::slice::from_ref(&frame));
    disk.serve();
    let mut bytes = [0; 8];
    frame.read(0, &mut bytes);
    transfer.succeeded().unwrap().then_some(u64::from_le_bytes(bytes))
}

#[test]
fn the_root_partition_is_found_by_its_type_among_others() {
    let root = format!("--typecode=2:{ROOT}");
    let (disk, found) = find(disk(&[
        "--new=1:40:2047",
        "--typecode=1:ef02",
        "--new=3:2048:4095",
        "--typecode=3:8300",
        "--new=2:4096:6143",
        &root,
    ]))
    .unwrap();

    assert_eq!(found.block_count(), MIB as u64 / PAGE_SIZE as u64);
    assert_eq!(number(&disk, &*found, 0), Some(2 * MIB as u64 / PAGE_SIZE as u64));
    assert_eq!(
        number(&disk, &*found, 255),
        Some(2 * MIB as u64 / PAGE_SIZE as u64 + 255)
    );
    assert_eq!(number(&disk, &*found, 256), None, "the block is behind the partition");
    assert_eq!(number(&disk, &*found, u64::MAX), None);
}

#[test]
fn a_disk_without_a_table_is_the_root_itself() {
    let (disk, found) = find(vec![7; 3 * PAGE_SIZE]).unwrap();
    assert_eq!(found.block_count(), 3);
    assert_eq!(number(&disk, &*found, 2), Some(0x0707_0707_0707_0707));
    assert_eq!(find(Vec::new()).unwrap().1.block_count(), 0);
}

#[test]
fn a_disk_without_a_root_partition_is_refused() {
    let other = disk(&["--new=1:2048:4095", "--typecode=1:8300"]);
    assert_eq!(find(other).err(), Some(PartitionError::NoRoot));
}

#[test]
fn a_root_partition_off_the_blocks_or_off_the_disk_is_refused() {
    let root = format!("--typecode=1:{ROOT}");
    assert_eq!(
        find(disk(&["--new=1:2049:4095", &root])).err(),
        Some(PartitionError::Misplaced)
    );
    let mut cut = disk(&["--new=1:2048:6143", &root]);
    cut.truncate(2 * MIB);
    assert_eq!(find(cut).err(), Some(PartitionError::Misplaced));
}

#[test]
fn a_damaged_table_is_refused_wherever_a_bit_is_wrong() {
    let root = format!("--typecode=1:{ROOT}");
    let whole = disk(&["--new=1:2048:4095", &root]);
    assert!(find(whole.clone()).is_ok());
    // The header behind its signature, and the first entry.
    for place in (512 + 8..512 + 92).chain(1024..1024 + 128) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        assert_eq!(find(damaged).err(), Some(PartitionError::Damaged), "byte {place}");
    }
}

#[test]
fn a_table_that_asks_for_too_much_is_refused() {
    let root = format!("--typecode=1:{ROOT}");
    let whole = disk(&["--new=1:2048:4095", &root]);
    for (offset, value) in [
        (512 + 80, u32::MAX.to_le_bytes()),
        (512 + 84, 0_u32.to_le_bytes()),
        (512 + 84, u32::MAX.to_le_bytes()),
        (512 + 12, 20_u32.to_le_bytes()),
        (512 + 12, u32::MAX.to_le_bytes()),
    ] {
        let mut table = whole.clone();
        table[offset..offset + 4].copy_from_slice(&value);
        seal(&mut table);
        assert_eq!(
            find(table).err(),
            Some(PartitionError::Damaged),
            "{value:?} at {offset}"
        );
    }
    let mut table = whole;
    table[512 + 72..512 + 80].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    seal(&mut table);
    assert_eq!(find(table).err(), Some(PartitionError::Unreadable(Errno::IO)));
}

/// Makes the header's checksum right.
fn seal(disk: &mut [u8]) {
    let header = &mut disk[512..512 + 92];
    header[16..20].fill(0);
    let sum = crc32(header);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
}

#[test]
fn checksum_and_guid_are_what_the_standards_say() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    // The EFI system partition's type, from the specification's own table of bytes.
    assert_eq!(
        guid(0xc12a_7328_f81f_11d2_ba4b_00a0_c93e_c93b),
        [
            0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b
        ]
    );
}
