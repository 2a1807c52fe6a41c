//! Attributes of files: `access`, `chmod`, `chown`, `utimensat`, `truncate`, extended attributes.

use abi::general::{
    AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, UTIME_NOW, UTIME_OMIT, XATTR_CREATE, XATTR_REPLACE,
};
use abi::{Errno, Timespec, Timeval, UtimeBuffer};
use alloc::sync::Arc;
use alloc::vec::Vec;
use file::FileType;
use fs::XattrMode;
use fs::vfs::{Access, Capabilities, Credentials, Lookup, Time};

use super::path::{At, PERMISSIONS, follow};
use super::{Call, Result, file_size, retry_ready};
use crate::process::Thread;

/// `faccessat2(fd, path, mode, flags)`
pub(super) async fn faccessat2(thread: &Thread, descriptor: i32, path: usize, mode: u32, flags: u32) -> Result {
    let access = u8::try_from(mode)
        .ok()
        .and_then(Access::from_bits)
        .ok_or(Errno::INVAL)?;
    if flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::INVAL.into());
    }
    let mut at = At::read(thread, descriptor, path, flags & AT_EMPTY_PATH != 0).await?;
    if flags & AT_EACCESS == 0 {
        at.context.credentials = Arc::new(thread.process.with_credentials(|credentials| Credentials {
            user: credentials.uid,
            group: credentials.gid,
            groups: credentials.groups.clone(),
            capabilities: match credentials.uid {
                0 => Capabilities::from_bits_truncate(credentials.capabilities.permitted),
                _ => Capabilities::empty(),
            },
        }));
    }
    let place = at.place(thread, follow(flags & AT_SYMLINK_NOFOLLOW == 0)).await?;
    retry_ready(thread, || at.context.check_access(&place, access)).await?;
    Ok(0)
}

async fn change_mode(thread: &Thread, at: &At, lookup: Lookup, mode: u32) -> Result {
    let place = at.place(thread, lookup).await?;
    let mode = (mode & PERMISSIONS) as u16;
    retry_ready(thread, || at.context.change_mode(&place, mode)).await?;
    Ok(0)
}

/// `fchmodat2(fd, path, mode, flags)`
pub(super) async fn fchmodat2(thread: &Thread, descriptor: i32, path: usize, mode: u32, flags: u32) -> Result {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::INVAL.into());
    }
    let at = At::read(thread, descriptor, path, flags & AT_EMPTY_PATH != 0).await?;
    change_mode(thread, &at, follow(flags & AT_SYMLINK_NOFOLLOW == 0), mode).await
}

/// `fchmod(fd, mode)`
pub(super) async fn fchmod(thread: &Thread, call: &Call) -> Result {
    let at = At::descriptor(thread, call.int(0), false)?;
    change_mode(thread, &at, Lookup::empty(), call.unsigned(1)).await
}

async fn change_owner(thread: &Thread, at: &At, lookup: Lookup, uid: u32, gid: u32) -> Result {
    let place = at.place(thread, lookup).await?;
    let id = |id: u32| (id != u32::MAX).then_some(id);
    retry_ready(thread, || at.context.change_owner(&place, id(uid), id(gid))).await?;
    Ok(0)
}

/// `fchownat(fd, path, uid, gid, flags)`
pub(super) async fn fchownat(
    thread: &Thread,
    (descriptor, path): (i32, usize),
    (uid, gid): (u32, u32),
    flags: u32,
) -> Result {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::INVAL.into());
    }
    let at = At::read(thread, descriptor, path, flags & AT_EMPTY_PATH != 0).await?;
    change_owner(thread, &at, follow(flags & AT_SYMLINK_NOFOLLOW == 0), uid, gid).await
}

/// `fchown(fd, uid, gid)`
pub(super) async fn fchown(thread: &Thread, call: &Call) -> Result {
    let at = At::descriptor(thread, call.int(0), false)?;
    change_owner(thread, &at, Lookup::empty(), call.unsigned(1), call.unsigned(2)).await
}

fn time(time: Timespec) -> core::result::Result<Time, Errno> {
    match time.nanoseconds {
        now if now == i64::from(UTIME_NOW) => Ok(Time::Now),
        omit if omit == i64::from(UTIME_OMIT) => Ok(Time::Omit),
        _ => time.to_nanoseconds().map(Time::At),
    }
}

async fn change_times(thread: &Thread, at: &At, lookup: Lookup, times: [Time; 2]) -> Result {
    if times == [Time::Omit; 2] {
        return Ok(0);
    }
    let place = at.place(thread, lookup).await?;
    retry_ready(thread, || at.context.change_times(&place, times[0], times[1])).await?;
    Ok(0)
}

/// `utimensat(fd, path, times, flags)`
pub(super) async fn utimensat(thread: &Thread, call: &Call) -> Result {
    let flags = call.unsigned(3);
    let times = match call.word(2) {
        0 => [Time::Now; 2],
        address => {
            let [accessed, modified]: [Timespec; 2] = thread.memory.read(address).await?;
            [time(accessed)?, time(modified)?]
        }
    };
    // Without a path it is futimens().
    if call.word(1) == 0 && call.int(0) != AT_FDCWD {
        if flags != 0 {
            return Err(Errno::INVAL.into());
        }
        let at = At::descriptor(thread, call.int(0), false)?;
        return change_times(thread, &at, Lookup::empty(), times).await;
    }
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::INVAL.into());
    }
    let at = At::read(thread, call.int(0), call.word(1), flags & AT_EMPTY_PATH != 0).await?;
    change_times(thread, &at, follow(flags & AT_SYMLINK_NOFOLLOW == 0), times).await
}

/// `futimesat(fd, path, times)`; `utimes` is the same at `AT_FDCWD`.
pub(super) async fn futimesat(thread: &Thread, descriptor: i32, path: usize, times: usize) -> Result {
    let times = match times {
        0 => [Time::Now; 2],
        address => {
            let times: [Timeval; 2] = thread.memory.read(address).await?;
            [
                Time::At(times[0].to_nanoseconds()?),
                Time::At(times[1].to_nanoseconds()?),
            ]
        }
    };
    let at = match path {
        0 => At::descriptor(thread, descriptor, false)?,
        _ => At::read(thread, descriptor, path, false).await?,
    };
    change_times(thread, &at, Lookup::FOLLOW, times).await
}

/// `utime(path, times)`
pub(super) async fn utime(thread: &Thread, call: &Call) -> Result {
    let times = match call.word(1) {
        0 => [Time::Now; 2],
        address => {
            let times: UtimeBuffer = thread.memory.read(address).await?;
            let at = |seconds: i64| Time::At((seconds.max(0) as u64).saturating_mul(1_000_000_000));
            [at(times.accessed), at(times.modified)]
        }
    };
    let at = At::read(thread, AT_FDCWD, call.word(0), false).await?;
    change_times(thread, &at, Lookup::FOLLOW, times).await
}

/// `truncate(path, size)`
pub(super) async fn truncate(thread: &Thread, call: &Call) -> Result {
    let size = u64::try_from(call.long(1)).map_err(|_| Errno::INVAL)?;
    let at = At::read(thread, AT_FDCWD, call.word(0), false).await?;
    let place = at.place(thread, Lookup::FOLLOW).await?;
    let old = retry_ready(thread, || place.inode()?.status()).await?;
    if old.file_type == FileType::Regular {
        file_size::check_growth(thread, old.size, size)?;
    }
    retry_ready(thread, || at.context.truncate(&place, size)).await?;
    Ok(0)
}

/// `ftruncate(fd, size)`
pub(super) async fn ftruncate(thread: &Thread, call: &Call) -> Result {
    let size = u64::try_from(call.long(1)).map_err(|_| Errno::INVAL)?;
    let file = thread.file(call.int(0))?;
    file.check_writes().map_err(|_| Errno::INVAL)?;
    file_size::check(thread, &file, size).await?;
    retry_ready(thread, || file.file().truncate(size)).await?;
    Ok(0)
}

/// Bytes of the longest name of an extended attribute, and of its longest value.
const XATTR_NAME_MAX: usize = 255;
const XATTR_SIZE_MAX: usize = 65536;

/// What a call on extended attributes is about.
#[derive(Clone, Copy)]
pub(super) enum Subject {
    /// A path, following a link at its end or not.
    Path(Lookup),
    /// A descriptor.
    Descriptor,
}

impl Subject {
    async fn read(self, thread: &Thread, call: &Call) -> Result<(At, Lookup)> {
        match self {
            Self::Path(lookup) => Ok((At::read(thread, AT_FDCWD, call.word(0), false).await?, lookup)),
            Self::Descriptor => Ok((At::descriptor(thread, call.int(0), false)?, Lookup::empty())),
        }
    }
}

async fn xattr_name(thread: &Thread, address: usize) -> Result<Vec<u8>> {
    let name = thread
        .memory
        .read_string(address, XATTR_NAME_MAX + 1, Errno::RANGE)
        .await?;
    if name.is_empty() {
        return Err(Errno::RANGE.into());
    }
    Ok(name)
}

/// Gives a value to a buffer; one of size 0 asks for the length.
async fn give(thread: &Thread, value: &[u8], address: usize, size: usize) -> Result {
    if size != 0 {
        if value.len() > size {
            return Err(Errno::RANGE.into());
        }
        thread.memory.write_bytes(address, value).await?;
    }
    Ok(value.len())
}

/// `getxattr(path, name, value, size)`
pub(super) async fn getxattr(thread: &Thread, call: &Call, subject: Subject) -> Result {
    let name = xattr_name(thread, call.word(1)).await?;
    let (at, lookup) = subject.read(thread, call).await?;
    let place = at.place(thread, lookup).await?;
    let value = retry_ready(thread, || at.context.xattr(&place, &name)).await?;
    give(thread, &value, call.word(2), call.word(3)).await
}

/// `listxattr(path, list, size)`
pub(super) async fn listxattr(thread: &Thread, call: &Call, subject: Subject) -> Result {
    let (at, lookup) = subject.read(thread, call).await?;
    let place = at.place(thread, lookup).await?;
    let names = retry_ready(thread, || at.context.xattr_names(&place)).await?;
    let mut list = Vec::new();
    for name in names {
        list.extend_from_slice(&name);
        list.push(0);
    }
    give(thread, &list, call.word(1), call.word(2)).await
}

/// `setxattr(path, name, value, size, flags)`
pub(super) async fn setxattr(thread: &Thread, call: &Call, subject: Subject) -> Result {
    let mode = match call.unsigned(4) {
        0 => XattrMode::Set,
        XATTR_CREATE => XattrMode::Create,
        XATTR_REPLACE => XattrMode::Replace,
        _ => return Err(Errno::INVAL.into()),
    };
    let name = xattr_name(thread, call.word(1)).await?;
    if call.word(3) > XATTR_SIZE_MAX {
        return Err(Errno::TOOBIG.into());
    }
    let value: Vec<u8> = thread.memory.read_array(call.word(2), call.word(3)).await?;
    let (at, lookup) = subject.read(thread, call).await?;
    let place = at.place(thread, lookup).await?;
    retry_ready(thread, || at.context.set_xattr(&place, &name, &value, mode)).await?;
    Ok(0)
}

/// `removexattr(path, name)`
pub(super) async fn removexattr(thread: &Thread, call: &Call, subject: Subject) -> Result {
    let name = xattr_name(thread, call.word(1)).await?;
    let (at, lookup) = subject.read(thread, call).await?;
    let place = at.place(thread, lookup).await?;
    retry_ready(thread, || at.context.remove_xattr(&place, &name)).await?;
    Ok(0)
}
