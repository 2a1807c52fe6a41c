//! Partitions of a disk: the GUID partition table, which tells what each holds by a type.
//!
//! Only the first copy of the table is read: who enlarges a disk leaves the second one where it was. Nothing on the disk is believed.
//! UEFI Specification 2.11, section 5.3.

mod format;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec;
use core::fmt;

use abi::Errno;
use hal::mem::{Frame, PAGE_SIZE};
use zerocopy::FromBytes;

use crate::block::{BlockDevice, Transfer};
use crate::cache::CachedPages;
use format::{Entry, Guid, Header, SECTOR};

/// What partitions with the root file system of an architecture have as their type: Discoverable Partitions Specification.
const ROOT_TYPES: [(&str, Guid); 2] = [
    ("x86_64", format::guid(0x4f68_bce3_e8cd_4db1_96e7_fbca_f984_b709)),
    ("aarch64", format::guid(0xb921_b045_1df0_41c3_af44_4c6f_280d_3fae)),
];

/// Why a disk's partitions cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum PartitionError {
    /// The table cannot be read.
    Unreadable(Errno),
    /// The table contradicts itself.
    Damaged,
    /// It lists no root partition for this architecture.
    NoRoot,
    /// The root partition does not begin at a block, or leaves the disk.
    Misplaced,
}

impl fmt::Display for PartitionError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(errno) => write!(out, "its partition table cannot be read ({errno:?})"),
            Self::Damaged => write!(out, "its partition table is damaged; write the image to it again"),
            Self::NoRoot => write!(
                out,
                "none of its partitions is a root partition for {}",
                hal::cpu::ARCHITECTURE
            ),
            Self::Misplaced => write!(
                out,
                "its root partition does not begin at a multiple of {PAGE_SIZE} bytes or ends behind the disk; write the image to it again"
            ),
        }
    }
}

/// The root partition of a disk; the disk itself when it has no partition table.
pub async fn find_root(disk: Arc<dyn BlockDevice>) -> Result<Arc<dyn BlockDevice>, PartitionError> {
    let cache = CachedPages::of_device(disk.clone());
    let mut sector = [0; SECTOR];
    if disk.block_count() == 0 {
        return Ok(disk);
    }
    read(&cache, SECTOR as u64, &mut sector).await?;
    let Some(header) = Header::read(&mut sector) else {
        return Ok(disk);
    };
    let header = header.ok_or(PartitionError::Damaged)?;
    let mut entries = vec![0; header.entry_count * header.entry_size];
    read(&cache, header.entries_offset, &mut entries).await?;
    if format::crc32(&entries) != header.entries_checksum {
        return Err(PartitionError::Damaged);
    }
    let (_, wanted) = ROOT_TYPES
        .iter()
        .find(|(architecture, _)| *architecture == hal::cpu::ARCHITECTURE)
        .ok_or(PartitionError::NoRoot)?;
    let found = entries
        .chunks_exact(header.entry_size)
        .filter_map(|entry| Entry::read_from_prefix(entry).ok())
        .find(|(entry, _)| entry.kind == *wanted)
        .ok_or(PartitionError::NoRoot)?;
    Partition::new(disk, &found.0)
        .map(|partition| Arc::new(partition) as Arc<dyn BlockDevice>)
        .ok_or(PartitionError::Misplaced)
}

async fn read(cache: &CachedPages, offset: u64, into: &mut [u8]) -> Result<(), PartitionError> {
    file::finish(|| cache.read_exact(offset, into))
        .await
        .map_err(PartitionError::Unreadable)
}

/// A part of a disk as a disk.
struct Partition {
    disk: Arc<dyn BlockDevice>,
    first: u64,
    count: u64,
}

impl Partition {
    /// `None` when it does not begin at a block of the disk or is not within it.
    fn new(disk: Arc<dyn BlockDevice>, entry: &Entry) -> Option<Self> {
        const SECTORS: u64 = (PAGE_SIZE / SECTOR) as u64;
        let (first, end) = (entry.first.get(), entry.last.get().checked_add(1)?);
        if !first.is_multiple_of(SECTORS) || end <= first || end > disk.block_count().saturating_mul(SECTORS) {
            return None;
        }
        Some(Self {
            disk,
            first: first / SECTORS,
            count: (end - first) / SECTORS,
        })
    }
}

impl BlockDevice for Partition {
    fn block_count(&self) -> u64 {
        self.count
    }

    fn read(&self, first_block: u64, frames: &[Frame]) -> Transfer {
        let end = first_block.checked_add(frames.len() as u64);
        if end.is_none_or(|end| end > self.count) {
            let transfer = Transfer::new();
            transfer.finish(false);
            return transfer;
        }
        self.disk.read(self.first + first_block, frames)
    }
}
