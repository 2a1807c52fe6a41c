//! File systems: what the application finds under its paths.
//!
//! - [`Inode`] is what every file system implements; [`erofs`] is the image's,
//!   read through the page cache ([`CachedPages`]) from a [`BlockDevice`]: a whole disk, or its root partition ([`find_root`]).
//! - [`tmpfs`] keeps files in memory, alone or over a read-only file system.
//! - [`dev`], [`proc`] and [`sys`] are what Linux programs expect in the directories of these names; [`mount_standard`] mounts them.
//! - [`inotify`] tells who watches files what happens to them.
//! - [`vfs`] has what names mean: path lookup, permissions, mounts.
//!
//! Nothing here blocks. An operation that needs data from the disk returns [`file::Error::Pending`] before it has changed anything;
//! the caller awaits the completion and calls again.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod block;
mod cache;
mod capabilities;
mod crc32;
pub mod dev;
pub mod erofs;
mod generated;
mod inode;
pub mod inotify;
mod mapping;
mod partition;
pub mod proc;
mod standard;
pub mod sys;
mod text;
pub mod tmpfs;
pub mod vfs;

pub use block::{BlockDevice, Transfer};
pub use cache::{Age, CachedPages, MappedPage, reclaim, reclaim_mapped, resident_pages};
pub use capabilities::{FILE_CAPABILITIES, FileCapabilities};
pub use inode::{
    AttributeChange, FileSystem, Inode, Link, NewInode, NewKind, Ownership, RenameMode, Statistics, XattrMode,
    allocate_device_number,
};
pub use mapping::{Reason, Unmap, set_unmap};
pub use partition::{PartitionError, find_root};
pub use standard::{mount_at, mount_standard};
pub use text::Running;

#[cfg(test)]
mod judge;
#[cfg(test)]
mod testing;
