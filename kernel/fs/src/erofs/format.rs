//! The layout on disk, with the names of Linux's `fs/erofs/erofs_fs.h`. All numbers are little-endian.

use zerocopy::{FromBytes, Immutable, KnownLayout, little_endian::U16, little_endian::U32, little_endian::U64};

use crate::crc32::Crc32;

/// Where the superblock begins on the disk.
pub(super) const SUPERBLOCK_OFFSET: u64 = 1024;
/// The first field of the superblock.
pub(super) const MAGIC: u32 = 0xe0f5_e1e2;
/// The superblock carries a checksum.
pub(super) const FEATURE_COMPAT_CHECKSUM: u32 = 0x1;
/// Concerns compressed files only, which are refused one by one.
pub(super) const FEATURE_INCOMPAT_ZERO_PADDING: u32 = 0x1;
/// Bytes of the unit in which inode numbers count.
pub(super) const SLOT: u64 = 32;
/// Bytes of the header of an inode's extended attributes.
pub(super) const XATTR_HEADER: u64 = 12;

/// Data begins at a block and fills whole blocks.
pub(super) const LAYOUT_FLAT_PLAIN: u16 = 0;
/// As plain, except that the last part lies right after the inode.
pub(super) const LAYOUT_FLAT_INLINE: u16 = 2;

#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Superblock {
    pub(super) magic: U32,
    pub(super) checksum: U32,
    pub(super) feature_compat: U32,
    pub(super) block_size_bits: u8,
    pub(super) extension_slots: u8,
    pub(super) root_nid: U16,
    pub(super) inodes: U64,
    pub(super) build_time: U64,
    pub(super) build_time_nanoseconds: U32,
    pub(super) blocks: U32,
    pub(super) meta_block: U32,
    pub(super) xattr_block: U32,
    pub(super) uuid: [u8; 16],
    pub(super) volume_name: [u8; 16],
    pub(super) feature_incompat: U32,
    pub(super) compression_algorithms: U16,
    pub(super) extra_devices: U16,
    pub(super) device_table_slot: U16,
    pub(super) directory_block_bits: u8,
    pub(super) xattr_prefix_count: u8,
    pub(super) xattr_prefix_start: U32,
    pub(super) packed_nid: U64,
    pub(super) reserved: [u8; 24],
}

#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct CompactInode {
    pub(super) format: U16,
    pub(super) xattr_count: U16,
    pub(super) mode: U16,
    pub(super) links: U16,
    pub(super) size: U32,
    pub(super) reserved: U32,
    /// First block, or device number.
    pub(super) union: U32,
    pub(super) number: U32,
    pub(super) uid: U16,
    pub(super) gid: U16,
    pub(super) reserved2: U32,
}

#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct ExtendedInode {
    pub(super) format: U16,
    pub(super) xattr_count: U16,
    pub(super) mode: U16,
    pub(super) reserved: U16,
    pub(super) size: U64,
    /// First block, or device number.
    pub(super) union: U32,
    pub(super) number: U32,
    pub(super) uid: U32,
    pub(super) gid: U32,
    pub(super) modified: U64,
    pub(super) modified_nanoseconds: U32,
    pub(super) links: U32,
    pub(super) reserved2: [u8; 16],
}

/// An entry of a directory's block. The names follow the entries, each up to where the next begins.
#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Dirent {
    pub(super) nid: U64,
    pub(super) name_offset: U16,
    pub(super) file_type: u8,
    pub(super) reserved: u8,
}

#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct XattrEntry {
    pub(super) name_length: u8,
    pub(super) name_index: u8,
    pub(super) value_size: U16,
}

/// What an attribute's name begins with, by its index.
pub(super) fn xattr_prefix(index: u8) -> Option<&'static [u8]> {
    Some(match index {
        1 => b"user.",
        2 => b"system.posix_acl_access",
        3 => b"system.posix_acl_default",
        4 => b"trusted.",
        6 => b"security.",
        _ => return None,
    })
}

/// CRC-32C as the superblock has it: started with ones, not inverted at the end.
pub(super) fn checksum(bytes: impl Iterator<Item = u8>) -> u32 {
    static CRC: Crc32 = Crc32::of(0x82f6_3b78);
    bytes.fold(u32::MAX, |sum, byte| CRC.add(sum, byte))
}
