//! Watching files: `inotify_init1`, `inotify_add_watch`, `inotify_rm_watch`.

use abi::{Errno, OpenFlags};
use alloc::sync::Arc;
use fs::inotify::{Events, Inotify, watch};
use fs::vfs::{Access, Lookup};

use super::path::At;
use super::{Call, Result, retry_ready};
use crate::process::Thread;

/// `inotify_init1(flags)`; `inotify_init()` is the same without flags.
pub(super) fn init1(thread: &Thread, bits: u32) -> Result {
    let flags = super::events::flags(bits, OpenFlags::NONBLOCK | OpenFlags::CLOEXEC)?;
    let user = thread.process.with_credentials(|credentials| credentials.uid);
    thread.install_new(Inotify::new(user)?, flags)
}

/// `inotify_add_watch(fd, path, mask)`
pub(super) async fn add_watch(thread: &Thread, call: &Call) -> Result {
    let mask = Events::from_bits(call.unsigned(2)).ok_or(Errno::INVAL)?;
    if mask.is_empty() {
        return Err(Errno::INVAL.into());
    }
    let file = thread.file(call.int(0))?;
    if mask.contains(Events::MASK_ADD | Events::MASK_CREATE) {
        return Err(Errno::INVAL.into());
    }
    let instance: Arc<Inotify> = file.downcast_arc().ok_or(Errno::INVAL)?;
    let mut lookup = Lookup::empty();
    lookup.set(Lookup::FOLLOW, !mask.contains(Events::NO_FOLLOW));
    lookup.set(Lookup::DIRECTORY, mask.contains(Events::ONLY_DIRECTORY));
    let at = At::read(thread, abi::general::AT_FDCWD, call.word(1), false).await?;
    let place = at.place(thread, lookup).await?;
    let inode = place.inode()?;
    let number = retry_ready(thread, || {
        at.context.credentials.check(&inode.status()?, Access::READ)?;
        watch(&instance, inode, mask)
    })
    .await?;
    Ok(number as usize)
}

/// `inotify_rm_watch(fd, number)`
pub(super) fn rm_watch(thread: &Thread, call: &Call) -> Result {
    let file = thread.file(call.int(0))?;
    let instance = file.downcast::<Inotify>().ok_or(Errno::INVAL)?;
    instance.remove(call.int(1))?;
    Ok(0)
}
