//! Paths in user memory, and opening them.

pub(super) mod first;

pub(super) use first::{at_once, with_path};

use abi::general::{
    AT_FDCWD, O_ACCMODE, RESOLVE_BENEATH, RESOLVE_CACHED, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
};
use abi::{Errno, OpenFlags, OpenHow};
use alloc::sync::Arc;
use alloc::vec::Vec;
use file::OpenFile;
use file::pipe::PipeEnd;
use fs::vfs::{Context, Lookup, OpenInode, OpenRequest, Place, Resolve};

use super::{Call, Result, Waiting, retry, retry_ready};
use crate::process::Thread;

/// Bytes of the longest path, with its terminating zero.
const PATH_MAX: usize = 4096;

/// Permission bits that `open(2)` and `chmod(2)` take.
pub(super) const PERMISSIONS: u32 = 0o7777;

/// A path relative to a descriptor, as the `…at` calls take it.
pub(super) struct At {
    /// From where the path leads.
    pub(super) context: Context,
    /// The path; empty when the descriptor itself is meant.
    pub(super) path: Vec<u8>,
    /// The file of the descriptor, when that itself is meant.
    pub(super) file: Option<Arc<OpenFile>>,
}

/// The place that a descriptor was opened at; `None` for files without a name.
pub(super) fn place_of(file: &OpenFile) -> Option<Place> {
    let place = |inode: &OpenInode| inode.place().clone();
    file.downcast().map(place).or_else(|| {
        let node = file.downcast::<PipeEnd>()?.node()?;
        node.as_any().downcast_ref().map(place)
    })
}

impl At {
    /// Reads the path at `address`; it begins at `descriptor`, which may be `AT_FDCWD`. With `empty` (`AT_EMPTY_PATH`) an empty path means the
    /// descriptor itself.
    pub(super) async fn read(thread: &Thread, descriptor: i32, address: usize, empty: bool) -> Result<Self> {
        let path = thread.memory.read_string(address, PATH_MAX, Errno::NAMETOOLONG).await?;
        if path.is_empty() && !empty {
            return Err(Errno::NOENT.into());
        }
        if descriptor == AT_FDCWD || path.first() == Some(&b'/') {
            return Ok(Self {
                context: thread.context(None),
                path,
                file: None,
            });
        }
        let file = thread.files().get_any(descriptor)?;
        let place = place_of(&file);
        if path.is_empty() {
            return Ok(Self {
                context: thread.context(place),
                path,
                file: Some(file),
            });
        }
        Ok(Self {
            context: thread.context(Some(place.ok_or(Errno::NOTDIR)?)),
            path,
            file: None,
        })
    }

    /// Of a descriptor alone, as the `f…` calls take it. `O_PATH` counts only with `path_too`.
    pub(super) fn descriptor(thread: &Thread, descriptor: i32, path_too: bool) -> Result<Self> {
        let file = if path_too {
            thread.files().get_any(descriptor)?
        } else {
            thread.file(descriptor)?
        };
        Ok(Self {
            context: thread.context(place_of(&file)),
            path: Vec::new(),
            file: Some(file),
        })
    }

    /// Where the path leads. `EINVAL` for a descriptor of a file without a name.
    pub(super) async fn place(&self, thread: &Thread, lookup: Lookup) -> Result<Place> {
        match &self.file {
            Some(file) => Ok(place_of(file).ok_or(Errno::INVAL)?),
            None => {
                let lookup = lookup | Lookup::EMPTY;
                retry_ready(thread, || self.context.resolve(&self.path, lookup)).await
            }
        }
    }
}

/// [`Lookup::FOLLOW`] or nothing.
pub(super) fn follow(follow: bool) -> Lookup {
    if follow { Lookup::FOLLOW } else { Lookup::empty() }
}

async fn open_file(thread: &Thread, at: &At, request: OpenRequest) -> Result {
    let flags = request.flags;
    // The file must not be made when there is no number for it.
    let number = thread.files().reserve(thread.descriptor_limit())?;
    let cached_only = request.resolve.contains(Resolve::CACHED);
    let file = retry_ready(thread, || match at.context.open(&at.path, request) {
        Err(file::Error::Pending(_)) if cached_only => Err(Errno::AGAIN.into()),
        result => result,
    })
    .await?;
    if let Some(end) = file.as_any().downcast_ref::<PipeEnd>()
        && !flags.contains(OpenFlags::NONBLOCK)
    {
        retry(thread, &*file, Waiting::default(), || end.peer_opened()).await?;
    }
    let status = if flags.contains(OpenFlags::PATH) {
        flags
    } else {
        flags | OpenFlags::LARGEFILE
    };
    Ok(number.open(file, status) as usize)
}

/// What `O_PATH` leaves of the other flags.
const WITH_PATH: OpenFlags = OpenFlags::DIRECTORY
    .union(OpenFlags::NOFOLLOW)
    .union(OpenFlags::PATH)
    .union(OpenFlags::CLOEXEC);

/// `openat(descriptor, path, flags, mode)`; `open` and `creat` are special cases. Unknown flags are ignored, as on Linux.
pub(super) async fn openat(thread: &Thread, descriptor: i32, path: usize, flags: u32, mode: u32) -> Result {
    let mut flags = OpenFlags::from_bits_truncate(flags);
    if flags.contains(OpenFlags::PATH) {
        flags &= WITH_PATH;
    }
    let at = At::read(thread, descriptor, path, false).await?;
    let creates = flags.intersects(OpenFlags::CREAT | OpenFlags::TMPFILE);
    let request = OpenRequest {
        flags,
        mode: if creates { mode & PERMISSIONS } else { 0 } as u16,
        resolve: Resolve::empty(),
    };
    open_file(thread, &at, request).await
}

/// `openat2(descriptor, path, how, size)`
pub(super) async fn openat2(thread: &Thread, call: &Call) -> Result {
    let how = read_how(thread, call.word(2), call.word(3)).await?;
    let flags = u32::try_from(how.flags)
        .ok()
        .and_then(OpenFlags::from_bits)
        .ok_or(Errno::INVAL)?;
    if flags.contains(OpenFlags::PATH) && !WITH_PATH.contains(flags) {
        return Err(Errno::INVAL.into());
    }
    let creates = flags.intersects(OpenFlags::CREAT | OpenFlags::TMPFILE);
    if how.mode & !u64::from(PERMISSIONS) != 0 || how.mode != 0 && !creates || flags.bits() & O_ACCMODE == O_ACCMODE {
        return Err(Errno::INVAL.into());
    }
    let resolve = resolve_flags(how.resolve)?;
    let at = At::read(thread, call.int(0), call.word(1), false).await?;
    let request = OpenRequest {
        flags,
        mode: how.mode as u16,
        resolve,
    };
    open_file(thread, &at, request).await
}

fn resolve_flags(bits: u64) -> core::result::Result<Resolve, Errno> {
    let known = RESOLVE_NO_XDEV
        | RESOLVE_NO_MAGICLINKS
        | RESOLVE_NO_SYMLINKS
        | RESOLVE_BENEATH
        | RESOLVE_IN_ROOT
        | RESOLVE_CACHED;
    let both = u64::from(RESOLVE_BENEATH | RESOLVE_IN_ROOT);
    if bits & !u64::from(known) != 0 || bits & both == both {
        return Err(Errno::INVAL);
    }
    Resolve::from_bits(bits).ok_or(Errno::INVAL)
}

/// Reads `struct open_how` of any version: what this one does not know must be zero.
async fn read_how(thread: &Thread, address: usize, size: usize) -> Result<OpenHow> {
    let known = size_of::<OpenHow>();
    if size < known {
        return Err(Errno::INVAL.into());
    }
    if size > 4096 {
        return Err(Errno::TOOBIG.into());
    }
    let how: OpenHow = thread.memory.read(address).await?;
    let rest: Vec<u8> = thread.memory.read_array(address + known, size - known).await?;
    if rest.iter().any(|&byte| byte != 0) {
        return Err(Errno::TOOBIG.into());
    }
    Ok(how)
}
