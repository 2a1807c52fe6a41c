//! Directories and names: `getcwd`, `chdir`, `mkdir`, `getdents64`, `unlink`, `rename`, `link`, `symlink`, `mknod`.

use abi::general::{
    AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, DT_BLK, DT_CHR, DT_DIR, DT_FIFO, DT_LNK, DT_REG, DT_SOCK,
    DT_UNKNOWN, RENAME_EXCHANGE, RENAME_NOREPLACE, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK,
};
use abi::{DirectoryRecord, Errno};
use alloc::vec::Vec;
use core::mem::offset_of;
use file::FileType;
use fs::vfs::{Access, Lookup, Place};
use fs::{NewKind, RenameMode};
use zerocopy::IntoBytes;

use super::path::{At, PERMISSIONS, follow};
use super::{Call, Result, retry_ready};
use crate::process::{Capability, Thread};

/// `getcwd(buffer, size)`
pub(super) async fn getcwd(thread: &Thread, call: &Call) -> Result {
    let places = thread.paths().places();
    if places.working.dentry.is_removed() {
        return Err(Errno::NOENT.into());
    }
    let mut path = places.working.path(&places.root);
    path.push(0);
    if path.len() > call.word(1) {
        return Err(Errno::RANGE.into());
    }
    thread.memory.write_bytes(call.word(0), &path).await?;
    Ok(path.len())
}

async fn enter(thread: &Thread, at: &At, lookup: Lookup) -> Result<Place> {
    let place = at.place(thread, lookup).await?;
    if !place.dentry.is_directory() {
        return Err(Errno::NOTDIR.into());
    }
    retry_ready(thread, || {
        let status = place.inode()?.status()?;
        Ok(at.context.credentials.check(&status, Access::EXECUTE)?)
    })
    .await?;
    Ok(place)
}

/// `chdir(path)`
pub(super) async fn chdir(thread: &Thread, call: &Call) -> Result {
    let at = At::read(thread, AT_FDCWD, call.word(0), false).await?;
    let place = enter(thread, &at, Lookup::FOLLOW | Lookup::DIRECTORY).await?;
    thread.paths().update(|places| places.working = place);
    Ok(0)
}

/// `fchdir(fd)`
pub(super) async fn fchdir(thread: &Thread, call: &Call) -> Result {
    let at = At::descriptor(thread, call.int(0), true)?;
    let place = match enter(thread, &at, Lookup::empty()).await {
        Err(super::Error::Errno(Errno::INVAL)) => return Err(Errno::NOTDIR.into()),
        result => result?,
    };
    thread.paths().update(|places| places.working = place);
    Ok(0)
}

/// `chroot(path)`
pub(super) async fn chroot(thread: &Thread, call: &Call) -> Result {
    let at = At::read(thread, AT_FDCWD, call.word(0), false).await?;
    let place = enter(thread, &at, Lookup::FOLLOW | Lookup::DIRECTORY).await?;
    if !thread.process.can(Capability::SYS_CHROOT) {
        return Err(Errno::PERM.into());
    }
    thread.paths().update(|places| places.root = place);
    Ok(0)
}

/// `umask(mask)`
pub(super) fn umask(thread: &Thread, call: &Call) -> usize {
    let mask = (call.unsigned(0) & 0o777) as u16;
    let old = thread
        .paths()
        .update(|places| core::mem::replace(&mut places.umask, mask));
    usize::from(old)
}

/// `mkdirat(fd, path, mode)`
pub(super) async fn mkdirat(thread: &Thread, descriptor: i32, path: usize, mode: u32) -> Result {
    let at = At::read(thread, descriptor, path, false).await?;
    let mode = (mode & PERMISSIONS) as u16;
    retry_ready(thread, || at.context.make_directory(&at.path, mode)).await?;
    Ok(0)
}

/// `mknodat(fd, path, mode, device)`
pub(super) async fn mknodat(thread: &Thread, descriptor: i32, path: usize, mode: u32, device: u64) -> Result {
    let kind = match mode & S_IFMT {
        0 | S_IFREG => NewKind::Regular,
        S_IFIFO => NewKind::Fifo,
        S_IFSOCK => NewKind::Socket,
        S_IFCHR => NewKind::CharacterDevice(device),
        S_IFBLK => NewKind::BlockDevice(device),
        S_IFDIR => return Err(Errno::PERM.into()),
        _ => return Err(Errno::INVAL.into()),
    };
    let at = At::read(thread, descriptor, path, false).await?;
    let permissions = (mode & PERMISSIONS) as u16;
    retry_ready(thread, || at.context.make_node(&at.path, kind, permissions)).await?;
    Ok(0)
}

/// `unlinkat(fd, path, flags)`
pub(super) async fn unlinkat(thread: &Thread, descriptor: i32, path: usize, flags: u32) -> Result {
    if flags & !AT_REMOVEDIR != 0 {
        return Err(Errno::INVAL.into());
    }
    let at = At::read(thread, descriptor, path, false).await?;
    retry_ready(thread, || match flags {
        0 => at.context.unlink(&at.path),
        _ => at.context.remove_directory(&at.path),
    })
    .await?;
    Ok(0)
}

/// `renameat2(old fd, old path, new fd, new path, flags)`
pub(super) async fn renameat2(
    thread: &Thread,
    (from, from_path): (i32, usize),
    (to, to_path): (i32, usize),
    flags: u32,
) -> Result {
    let mode = match flags {
        0 => RenameMode::Replace,
        RENAME_NOREPLACE => RenameMode::NoReplace,
        RENAME_EXCHANGE => RenameMode::Exchange,
        _ => return Err(Errno::INVAL.into()),
    };
    let from = At::read(thread, from, from_path, false).await?;
    let to = At::read(thread, to, to_path, false).await?;
    retry_ready(thread, || from.context.rename(&from.path, &to.context, &to.path, mode)).await?;
    Ok(0)
}

/// `linkat(old fd, old path, new fd, new path, flags)`
pub(super) async fn linkat(
    thread: &Thread,
    (from, from_path): (i32, usize),
    (to, to_path): (i32, usize),
    flags: u32,
) -> Result {
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::INVAL.into());
    }
    let from = At::read(thread, from, from_path, flags & AT_EMPTY_PATH != 0).await?;
    let to = At::read(thread, to, to_path, false).await?;
    let place = match from.place(thread, follow(flags & AT_SYMLINK_FOLLOW != 0)).await {
        // A file without a name is of no file system.
        Err(super::Error::Errno(Errno::INVAL)) => return Err(Errno::XDEV.into()),
        result => result?,
    };
    retry_ready(thread, || to.context.make_link(&place, &to.path)).await?;
    Ok(0)
}

/// `symlinkat(target, fd, path)`
pub(super) async fn symlinkat(thread: &Thread, target: usize, descriptor: i32, path: usize) -> Result {
    let target = thread.memory.read_string(target, 4096, Errno::NAMETOOLONG).await?;
    if target.is_empty() {
        return Err(Errno::NOENT.into());
    }
    let at = At::read(thread, descriptor, path, false).await?;
    retry_ready(thread, || at.context.make_symlink(&target, &at.path)).await?;
    Ok(0)
}

/// `readlinkat(fd, path, buffer, size)`
pub(super) async fn readlinkat(thread: &Thread, descriptor: i32, path: usize, buffer: usize, size: i32) -> Result {
    let size = usize::try_from(size)
        .ok()
        .filter(|&size| size > 0)
        .ok_or(Errno::INVAL)?;
    let at = At::read(thread, descriptor, path, true).await?;
    if at.path.is_empty() && descriptor == AT_FDCWD {
        return Err(Errno::NOENT.into());
    }
    let place = at.place(thread, Lookup::empty()).await?;
    let target = retry_ready(thread, || at.context.read_link(&place)).await;
    let target = match target {
        // An empty path to what is no link.
        Err(super::Error::Errno(Errno::INVAL)) if at.path.is_empty() => return Err(Errno::NOENT.into()),
        result => result?,
    };
    let length = target.len().min(size);
    thread.memory.write_bytes(buffer, &target[..length]).await?;
    Ok(length)
}

fn kind(file_type: FileType) -> u8 {
    let kind = match file_type {
        FileType::Regular => DT_REG,
        FileType::Directory => DT_DIR,
        FileType::Symlink => DT_LNK,
        FileType::CharacterDevice => DT_CHR,
        FileType::BlockDevice => DT_BLK,
        FileType::Fifo => DT_FIFO,
        FileType::Socket => DT_SOCK,
        FileType::Anonymous => DT_UNKNOWN,
    };
    kind as u8
}

/// The most bytes of entries that one call gives.
const MAX_ENTRIES: usize = 256 << 10;

/// How a directory's entries are told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// `struct linux_dirent64`: the file's type before its name.
    Dirent64,
    /// `struct linux_dirent`, of `getdents(2)`: the type in the last byte.
    Dirent,
}

/// `getdents64(fd, buffer, size)` and `getdents`
pub(super) async fn getdents(thread: &Thread, call: &Call, layout: Layout) -> Result {
    let file = thread.file(call.int(0))?;
    let size = (call.unsigned(2) as usize).min(MAX_ENTRIES);
    let mut records: Vec<u8> = Vec::new();
    let mut full = false;
    retry_ready(thread, || {
        records.clear();
        full = false;
        file.read_directory(&mut |entry| {
            let start = records.len();
            // The type has its byte in both, at different places.
            let used = size_of::<DirectoryRecord>() + entry.name.len() + 1;
            let length = used.next_multiple_of(8);
            if start + length > size {
                full = true;
                return false;
            }
            let record = DirectoryRecord {
                inode: entry.inode,
                next: entry.next as i64,
                length: length as u16,
                kind: kind(entry.file_type),
            };
            let head = match layout {
                Layout::Dirent64 => record.as_bytes(),
                Layout::Dirent => &record.as_bytes()[..offset_of!(DirectoryRecord, kind)],
            };
            records.extend_from_slice(head);
            records.extend_from_slice(entry.name);
            records.resize(start + length, 0);
            if layout == Layout::Dirent {
                records[start + length - 1] = record.kind;
            }
            true
        })
    })
    .await?;
    if records.is_empty() && full {
        return Err(Errno::INVAL.into());
    }
    thread.memory.write_bytes(call.word(1), &records).await?;
    Ok(records.len())
}
