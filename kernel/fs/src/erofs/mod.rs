//! EROFS, read-only and uncompressed: the root file system of the image.
//!
//! Layouts `FLAT_PLAIN` and `FLAT_INLINE`, compact and extended inodes, inline and shared extended attributes, blocks of 4 KiB. Nothing on
//! the disk is believed: an image that contradicts itself gives `EUCLEAN` where it does, never a panic or an endless loop.

mod directory;
mod format;
mod inode;
mod xattr;

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use core::fmt;

use abi::Errno;
use file::{Error, Result};
use hal::mem::PAGE_SIZE;
use hal::sync::SpinLock;
use hashbrown::HashMap;
use zerocopy::FromBytes;

use crate::block::BlockDevice;
use crate::cache::CachedPages;
use crate::inode::{FileSystem, Inode, Statistics};
pub use inode::ErofsInode;

/// A mounted EROFS file system.
pub struct Erofs {
    device: Arc<dyn BlockDevice>,
    /// The device by blocks: inodes, directories and short tails are read through it.
    metadata: Arc<CachedPages>,
    device_number: u64,
    meta_start: u64,
    xattr_start: u64,
    root_nid: u64,
    blocks: u64,
    inode_count: u64,
    build_time: u64,
    inodes: SpinLock<HashMap<u64, Weak<ErofsInode>>>,
}

/// Why a disk could not be mounted.
#[derive(Debug)]
pub enum MountError {
    /// It could not be read, or contradicts itself.
    Unreadable(Errno),
    /// It holds something else.
    NoErofs,
    /// The superblock's checksum does not match its content.
    Checksum,
    /// Blocks of another size than 4 KiB, as a power of two.
    BlockSize(u8),
    /// It uses features that this kernel does not know.
    Features(u32),
    /// It says that it has more blocks than the disk.
    CutShort {
        /// Blocks that the superblock says.
        expected: u64,
        /// Blocks of the disk.
        found: u64,
    },
}

impl fmt::Display for MountError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(errno) => write!(out, "the disk cannot be read ({errno:?})"),
            Self::NoErofs => write!(
                out,
                "the disk holds no EROFS file system; was the image built completely?"
            ),
            Self::Checksum => write!(
                out,
                "the checksum of the disk's superblock is wrong: the image is damaged, build it again"
            ),
            Self::BlockSize(bits) => write!(
                out,
                "the disk's file system has blocks of 2^{bits} bytes, this kernel reads 4096 (mkfs.erofs -b4096)"
            ),
            Self::Features(bits) => write!(
                out,
                "the disk's file system uses features that this kernel does not know ({bits:#x}): build it uncompressed and on one device"
            ),
            Self::CutShort { expected, found } => write!(
                out,
                "the disk is cut short: its file system has {expected} blocks, the disk {found}"
            ),
        }
    }
}

impl Erofs {
    /// Reads the superblock of a disk whose first byte is the file system's first.
    pub async fn mount(device: Arc<dyn BlockDevice>) -> core::result::Result<Arc<Self>, MountError> {
        let metadata = CachedPages::of_device(device.clone());
        let mut block = Box::new([0u8; PAGE_SIZE]);
        file::finish(|| metadata.read_exact(0, block.as_mut_slice()))
            .await
            .map_err(MountError::Unreadable)?;
        let covered = &mut block[format::SUPERBLOCK_OFFSET as usize..];
        let (superblock, _) = format::Superblock::read_from_prefix(covered).map_err(|_| MountError::NoErofs)?;
        if superblock.magic.get() != format::MAGIC {
            return Err(MountError::NoErofs);
        }
        if superblock.block_size_bits != 12 || superblock.directory_block_bits != 0 {
            return Err(MountError::BlockSize(superblock.block_size_bits));
        }
        let unknown = superblock.feature_incompat.get() & !format::FEATURE_INCOMPAT_ZERO_PADDING;
        if unknown != 0 {
            return Err(MountError::Features(unknown));
        }
        if superblock.feature_compat.get() & format::FEATURE_COMPAT_CHECKSUM != 0 {
            covered[4..8].fill(0);
            if format::checksum(covered.iter().copied()) != superblock.checksum.get() {
                return Err(MountError::Checksum);
            }
        }
        let (expected, found) = (u64::from(superblock.blocks.get()), device.block_count());
        if expected > found {
            return Err(MountError::CutShort { expected, found });
        }
        Ok(Arc::new(Self {
            device,
            metadata,
            device_number: crate::inode::allocate_device_number(),
            meta_start: u64::from(superblock.meta_block.get()) * PAGE_SIZE as u64,
            xattr_start: u64::from(superblock.xattr_block.get()) * PAGE_SIZE as u64,
            root_nid: u64::from(superblock.root_nid.get()),
            blocks: expected,
            inode_count: superblock.inodes.get(),
            build_time: nanoseconds(superblock.build_time.get(), superblock.build_time_nanoseconds.get()),
            inodes: SpinLock::new(HashMap::new()),
        }))
    }

    /// The top directory.
    pub fn root(self: &Arc<Self>) -> Result<Arc<dyn Inode>> {
        Ok(self.inode(self.root_nid)?)
    }

    /// The inode number `nid`: the same object as long as somebody holds it.
    fn inode(self: &Arc<Self>, nid: u64) -> Result<Arc<ErofsInode>> {
        if let Some(inode) = self.inodes.lock().get(&nid).and_then(Weak::upgrade) {
            return Ok(inode);
        }
        let loaded = Arc::new(ErofsInode::load(self, nid)?);
        let mut inodes = self.inodes.lock();
        if let Some(inode) = inodes.get(&nid).and_then(Weak::upgrade) {
            return Ok(inode);
        }
        inodes.insert(nid, Arc::downgrade(&loaded));
        drop(inodes);
        Ok(loaded)
    }

    fn forget(&self, nid: u64) {
        let mut inodes = self.inodes.lock();
        // Somebody may have loaded it anew in the meantime.
        if inodes.get(&nid).is_some_and(|inode| inode.strong_count() == 0) {
            inodes.remove(&nid);
        }
    }
}

impl FileSystem for Erofs {
    fn name(&self) -> &'static str {
        "erofs"
    }

    fn statistics(&self) -> Statistics {
        Statistics {
            magic: format::MAGIC,
            block_size: PAGE_SIZE as u32,
            blocks: self.blocks,
            free_blocks: 0,
            inodes: self.inode_count,
            free_inodes: 0,
            name_length: 255,
        }
    }
}

/// What a self-contradicting image gives.
fn corrupt() -> Error {
    Errno::UCLEAN.into()
}

fn nanoseconds(seconds: u64, nanoseconds: u32) -> u64 {
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(nanoseconds))
}
