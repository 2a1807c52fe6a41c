//! What the calls on files and directories exchange.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct stat` of x86-64.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields of stat(3type)")]
pub struct Stat {
    pub device: u64,
    pub inode: u64,
    pub links: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub padding: u32,
    pub special_device: u64,
    pub size: i64,
    pub block_size: i64,
    pub blocks: i64,
    pub accessed: [i64; 2],
    pub modified: [i64; 2],
    pub changed: [i64; 2],
    pub reserved: [i64; 3],
}

/// `struct statx_timestamp`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields of statx(2)")]
pub struct StatxTime {
    pub seconds: i64,
    pub nanoseconds: u32,
    pub reserved: i32,
}

/// `struct statx`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields of statx(2)")]
pub struct Statx {
    pub mask: u32,
    pub block_size: u32,
    pub attributes: u64,
    pub links: u32,
    pub uid: u32,
    pub gid: u32,
    pub mode: u16,
    pub padding: u16,
    pub inode: u64,
    pub size: u64,
    pub blocks: u64,
    pub attributes_mask: u64,
    pub accessed: StatxTime,
    pub created: StatxTime,
    pub changed: StatxTime,
    pub modified: StatxTime,
    pub special_device: [u32; 2],
    pub device: [u32; 2],
    pub mount: u64,
    pub direct_io_memory_alignment: u32,
    pub direct_io_offset_alignment: u32,
    pub reserved: [u64; 12],
}

/// `struct statfs` of x86-64.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields of statfs(2)")]
pub struct Statfs {
    pub file_system_type: i64,
    pub block_size: i64,
    pub blocks: u64,
    pub free_blocks: u64,
    pub available_blocks: u64,
    pub files: u64,
    pub free_files: u64,
    pub id: [i32; 2],
    pub name_length: i64,
    pub fragment_size: i64,
    pub flags: i64,
    pub reserved: [i64; 4],
}

/// `struct open_how`, for `openat2(2)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct OpenHow {
    /// `O_*` flags.
    pub flags: u64,
    /// Permission bits of a file that is created.
    pub mode: u64,
    /// `RESOLVE_*` flags.
    pub resolve: u64,
}

/// `struct flock`, for the record locks of `fcntl(2)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct RecordLock {
    /// `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
    pub kind: i16,
    /// `SEEK_SET`, `SEEK_CUR` or `SEEK_END`.
    pub whence: i16,
    /// Fills the gap.
    pub padding: i32,
    /// First byte.
    pub start: i64,
    /// Bytes; 0 for all to the end of the file, negative for those before the start.
    pub length: i64,
    /// Process that holds it.
    pub process: i32,
    /// Fills the end.
    pub padding_end: i32,
}

/// `struct f_owner_ex`, for `F_SETOWN_EX`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct FileOwner {
    /// `F_OWNER_TID`, `F_OWNER_PID` or `F_OWNER_PGRP`.
    pub kind: i32,
    /// Its number.
    pub id: i32,
}

/// The start of `struct linux_dirent64`; the name and a zero byte follow at byte 19, and the record ends at a multiple of 8.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed)]
pub struct DirectoryRecord {
    /// Inode number.
    pub inode: u64,
    /// Position after this entry.
    pub next: i64,
    /// Bytes of the whole record.
    pub length: u16,
    /// `DT_*`.
    pub kind: u8,
}

/// `struct utimbuf`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct UtimeBuffer {
    /// Last access, seconds since 1970.
    pub accessed: i64,
    /// Last change of the content.
    pub modified: i64,
}

const _: () = {
    assert!(size_of::<Stat>() == size_of::<linux_raw_sys::general::stat>());
    assert!(size_of::<Statx>() == 256);
    assert!(size_of::<Statfs>() == size_of::<linux_raw_sys::general::statfs>());
    assert!(size_of::<RecordLock>() == size_of::<linux_raw_sys::general::flock>());
    assert!(size_of::<DirectoryRecord>() == 19);
};
