//! What the calls of System V's objects have in common.

use abi::Errno;
use alloc::sync::Arc;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Result;
use crate::ipc::{Object, PRIVATE, Permissions, Registry, Wish};
use crate::process::{Credentials, Thread};

pub(super) const IPC_CREAT: u32 = 0o1000;
pub(super) const IPC_EXCL: u32 = 0o2000;
pub(super) const IPC_NOWAIT: u32 = 0o4000;

pub(super) const IPC_RMID: i32 = 0;
pub(super) const IPC_SET: i32 = 1;
pub(super) const IPC_STAT: i32 = 2;
pub(super) const IPC_INFO: i32 = 3;

/// `struct ipc64_perm`
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Owner {
    pub(super) key: i32,
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) creator: u32,
    pub(super) creator_group: u32,
    pub(super) mode: u32,
    sequence: u32,
    padding: u32,
    unused: [u64; 2],
}

impl Owner {
    pub(super) fn of(permissions: &Permissions) -> Self {
        Self {
            key: permissions.key,
            user: permissions.user,
            group: permissions.group,
            creator: permissions.creator,
            creator_group: permissions.creator_group,
            mode: permissions.mode,
            ..Self::default()
        }
    }
}

/// The object of a key, one that is made, or why there is none: what `shmget(2)`, `semget(2)` and `msgget(2)` do alike.
pub(super) fn find_or_make<T: Object>(
    thread: &Thread,
    registry: &Registry<T>,
    key: i32,
    flags: u32,
    permissions: impl Fn(&T) -> Permissions,
    make: impl Fn(&Credentials) -> core::result::Result<Arc<T>, Errno>,
) -> Result<(Arc<T>, bool)> {
    let credentials = thread.process.credentials();
    let exclusive = flags & IPC_EXCL != 0;
    let (found, is_new) = registry.find_or_add(key, exclusive, || {
        if key != PRIVATE && flags & IPC_CREAT == 0 {
            return Err(Errno::NOENT);
        }
        make(&credentials)
    })?;
    if is_new {
        return Ok((found, true));
    }
    if exclusive && flags & IPC_CREAT != 0 {
        return Err(Errno::EXIST.into());
    }
    // Any permission bit that is asked for, of whichever class.
    let wish = Wish((flags >> 6 | flags >> 3 | flags) & 7);
    permissions(&found).check(&credentials, wish)?;
    Ok((found, false))
}
