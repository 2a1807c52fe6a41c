//! `stat(2)`, `statx(2)`, `statfs(2)`.

pub(super) mod first;

use abi::general::{
    AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO,
    S_IFLNK, S_IFREG, S_IFSOCK, STATX__RESERVED, STATX_ATTR_MOUNT_ROOT, STATX_BASIC_STATS, STATX_MNT_ID,
};
use abi::{Errno, Stat, Statfs, Statx, StatxTime};
use alloc::sync::Arc;
use file::{FileType, OpenFile, Status};
use fs::vfs::{Lookup, MountFlags, Place};

use super::path::{At, follow, place_of};
use super::{Call, Result, retry_ready};
use crate::process::Thread;

const NANOSECONDS: u64 = 1_000_000_000;
/// `STATX_TYPE` to `STATX_BLOCKS`, and where the file is mounted.
const MASK_WITH_MOUNT: u32 = STATX_BASIC_STATS | STATX_MNT_ID;

fn mode(status: &Status) -> u32 {
    let kind = match status.file_type {
        FileType::Regular => S_IFREG,
        FileType::Directory => S_IFDIR,
        FileType::Symlink => S_IFLNK,
        FileType::CharacterDevice => S_IFCHR,
        FileType::BlockDevice => S_IFBLK,
        FileType::Fifo => S_IFIFO,
        FileType::Socket => S_IFSOCK,
        FileType::Anonymous => 0,
    };
    kind | u32::from(status.permissions)
}

fn to_stat(status: &Status) -> Stat {
    let time = |time: u64| [(time / NANOSECONDS) as i64, (time % NANOSECONDS) as i64];
    Stat {
        device: status.device,
        inode: status.inode,
        links: u64::from(status.links),
        mode: mode(status),
        uid: status.uid,
        gid: status.gid,
        special_device: status.special_device,
        size: status.size as i64,
        block_size: i64::from(status.block_size),
        blocks: status.blocks as i64,
        accessed: time(status.accessed),
        modified: time(status.modified),
        changed: time(status.changed),
        ..Stat::default()
    }
}

/// Major and minor number of a device.
fn split_device(device: u64) -> [u32; 2] {
    let major = (device >> 8 & 0xfff) | (device >> 32 & 0xffff_f000);
    let minor = (device & 0xff) | (device >> 12 & 0xffff_ff00);
    [major as u32, minor as u32]
}

fn to_statx(status: &Status, place: Option<&Place>) -> Statx {
    let time = |time: u64| StatxTime {
        seconds: (time / NANOSECONDS) as i64,
        nanoseconds: (time % NANOSECONDS) as u32,
        reserved: 0,
    };
    let is_mount_root = place.is_some_and(|place| Arc::ptr_eq(&place.dentry, &place.mount.root));
    Statx {
        mask: if place.is_some() {
            MASK_WITH_MOUNT
        } else {
            STATX_BASIC_STATS
        },
        block_size: status.block_size,
        attributes: if is_mount_root {
            u64::from(STATX_ATTR_MOUNT_ROOT)
        } else {
            0
        },
        links: status.links,
        uid: status.uid,
        gid: status.gid,
        mode: mode(status) as u16,
        inode: status.inode,
        size: status.size,
        blocks: status.blocks,
        attributes_mask: u64::from(STATX_ATTR_MOUNT_ROOT),
        accessed: time(status.accessed),
        changed: time(status.changed),
        modified: time(status.modified),
        special_device: split_device(status.special_device),
        device: split_device(status.device),
        mount: place.map_or(0, |place| place.mount.id),
        ..Statx::default()
    }
}

/// The status of what a path or a descriptor means.
async fn status(thread: &Thread, at: &At, lookup: Lookup) -> Result<(Status, Option<Place>)> {
    if let Some(file) = &at.file {
        let status = retry_ready(thread, || file.file().status()).await?;
        return Ok((status, place_of(file)));
    }
    let lookup = lookup | Lookup::EMPTY;
    retry_ready(thread, || {
        let place = at.context.resolve(&at.path, lookup)?;
        Ok((place.inode()?.status()?, Some(place)))
    })
    .await
}

async fn write(thread: &Thread, at: &At, lookup: Lookup, address: usize) -> Result {
    let (status, _) = status(thread, at, lookup).await?;
    thread.memory.write(address, &to_stat(&status)).await?;
    Ok(0)
}

/// `stat(path, buffer)`, and `lstat`, which does not follow a link at the end.
pub(super) async fn stat(thread: &Thread, call: &Call, follows: bool) -> Result {
    let at = At::read(thread, abi::general::AT_FDCWD, call.word(0), false).await?;
    write(thread, &at, follow(follows), call.word(1)).await
}

/// `fstat(fd, buffer)`
pub(super) async fn fstat(thread: &Thread, call: &Call) -> Result {
    let file = thread.files().get_any(call.int(0))?;
    write_file(thread, &file, call.word(1)).await
}

async fn write_file(thread: &Thread, file: &OpenFile, address: usize) -> Result {
    let status = retry_ready(thread, || file.file().status()).await?;
    thread.memory.write(address, &to_stat(&status)).await?;
    Ok(0)
}

/// `newfstatat(fd, path, buffer, flags)`
pub(super) async fn newfstatat(thread: &Thread, call: &Call) -> Result {
    let flags = call.unsigned(3);
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT) != 0 {
        return Err(Errno::INVAL.into());
    }
    let empty = flags & AT_EMPTY_PATH != 0;
    // What C libraries call for fstat().
    if empty && call.int(0) >= 0 && is_empty(thread, call.word(1)).await? {
        let file = thread.files().get_any(call.int(0))?;
        return write_file(thread, &file, call.word(2)).await;
    }
    let at = At::read(thread, call.int(0), call.word(1), empty).await?;
    write(thread, &at, follow(flags & AT_SYMLINK_NOFOLLOW == 0), call.word(2)).await
}

/// Whether a path is empty; newer programs pass a null pointer for that.
async fn is_empty(thread: &Thread, address: usize) -> Result<bool> {
    Ok(address == 0 || thread.memory.read::<u8>(address).await? == 0)
}

/// `statx(fd, path, flags, mask, buffer)`
pub(super) async fn statx(thread: &Thread, call: &Call) -> Result {
    let (flags, mask) = (call.unsigned(2), call.unsigned(3));
    let known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE;
    if mask & STATX__RESERVED != 0 || flags & !known != 0 || flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE {
        return Err(Errno::INVAL.into());
    }
    let empty = flags & AT_EMPTY_PATH != 0;
    let at = if empty && call.int(0) >= 0 && is_empty(thread, call.word(1)).await? {
        At::descriptor(thread, call.int(0), true)?
    } else {
        At::read(thread, call.int(0), call.word(1), empty).await?
    };
    let (status, place) = status(thread, &at, follow(flags & AT_SYMLINK_NOFOLLOW == 0)).await?;
    thread
        .memory
        .write(call.word(4), &to_statx(&status, place.as_ref()))
        .await?;
    Ok(0)
}

/// `f_flags`: the flags are valid (`ST_VALID`).
const FLAGS_VALID: i64 = 0x20;
/// `ST_RELATIME`: access times are not kept at each access.
const RELATIVE_ACCESS_TIMES: i64 = 0x1000;

fn to_statfs(place: &Place) -> Statfs {
    let statistics = place.mount.file_system.statistics();
    let flags = place.mount.flags() & MountFlags::all();
    Statfs {
        file_system_type: i64::from(statistics.magic),
        block_size: i64::from(statistics.block_size),
        blocks: statistics.blocks,
        free_blocks: statistics.free_blocks,
        available_blocks: statistics.free_blocks,
        files: statistics.inodes,
        free_files: statistics.free_inodes,
        name_length: i64::from(statistics.name_length),
        fragment_size: i64::from(statistics.block_size),
        flags: i64::from(flags.bits()) | FLAGS_VALID | RELATIVE_ACCESS_TIMES,
        ..Statfs::default()
    }
}

/// `statfs(path, buffer)`
pub(super) async fn statfs(thread: &Thread, call: &Call) -> Result {
    let at = At::read(thread, abi::general::AT_FDCWD, call.word(0), false).await?;
    let place = at.place(thread, Lookup::FOLLOW).await?;
    thread.memory.write(call.word(1), &to_statfs(&place)).await?;
    Ok(0)
}

/// `fstatfs(fd, buffer)`
pub(super) async fn fstatfs(thread: &Thread, call: &Call) -> Result {
    let file = thread.files().get_any(call.int(0))?;
    let statfs = match place_of(&file) {
        Some(place) => to_statfs(&place),
        None => {
            let status = retry_ready(thread, || file.file().status()).await?;
            Statfs {
                // PIPEFS_MAGIC, SOCKFS_MAGIC, ANON_INODE_FS_MAGIC
                file_system_type: match status.file_type {
                    FileType::Fifo => 0x5049_5045,
                    FileType::Socket => 0x534f_434b,
                    _ => 0x0904_1934,
                },
                block_size: 4096,
                name_length: 255,
                fragment_size: 4096,
                flags: FLAGS_VALID,
                ..Statfs::default()
            }
        }
    };
    thread.memory.write(call.word(1), &statfs).await?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::split_device;

    #[test]
    fn device_numbers_split_as_in_the_c_library() {
        assert_eq!(split_device(0x0805), [8, 5]);
        // makedev(0x12345, 0x6789a)
        assert_eq!(split_device(0x0001_2000_6783_459a), [0x12345, 0x6789a]);
    }
}
