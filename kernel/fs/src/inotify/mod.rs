//! Watching files for what happens to them (`inotify(7)`).
//!
//! [`Inotify`] is what the application reads; the table has who watches what. [`crate::vfs`] tells of each event by the functions at the end of this page,
//! which cost one load as long as nobody watches anything.

mod instance;
mod table;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::general::{
    IN_ACCESS, IN_ATTRIB, IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_DONT_FOLLOW,
    IN_EXCL_UNLINK, IN_IGNORED, IN_ISDIR, IN_MASK_ADD, IN_MASK_CREATE, IN_MODIFY, IN_MOVE_SELF, IN_MOVED_FROM,
    IN_MOVED_TO, IN_ONESHOT, IN_ONLYDIR, IN_OPEN, IN_Q_OVERFLOW, IN_UNMOUNT,
};
use bitflags::bitflags;
use file::FileType;

use crate::inode::Inode;
use crate::vfs::Dentry;

pub use instance::Inotify;
pub(crate) use table::is_used;
pub use table::{MAX_INSTANCES, MAX_QUEUED, max_watches, watch};

bitflags! {
    /// What happened to a file, and how to watch for it, with the values of `inotify(7)`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Events: u32 {
        /// It was read.
        const ACCESS = IN_ACCESS;
        /// Its content changed.
        const MODIFY = IN_MODIFY;
        /// Its attributes changed, the number of its names among them.
        const ATTRIB = IN_ATTRIB;
        /// It was closed by who could write.
        const CLOSE_WRITE = IN_CLOSE_WRITE;
        /// It was closed by who could not write.
        const CLOSE_NOWRITE = IN_CLOSE_NOWRITE;
        /// It was opened.
        const OPEN = IN_OPEN;
        /// An entry of the directory went to another name.
        const MOVED_FROM = IN_MOVED_FROM;
        /// An entry of the directory came from another name.
        const MOVED_TO = IN_MOVED_TO;
        /// The directory has a new entry.
        const CREATE = IN_CREATE;
        /// The directory lost an entry.
        const DELETE = IN_DELETE;
        /// It ended: it has no names left, and nobody has it open.
        const DELETE_SELF = IN_DELETE_SELF;
        /// It moved.
        const MOVE_SELF = IN_MOVE_SELF;

        /// Its file system was unmounted.
        const UNMOUNT = IN_UNMOUNT;
        /// Events were lost, for the queue was full.
        const OVERFLOW = IN_Q_OVERFLOW;
        /// The watch has ended.
        const IGNORED = IN_IGNORED;
        /// What it happened to is a directory.
        const DIRECTORY = IN_ISDIR;

        /// Watch only what is a directory.
        const ONLY_DIRECTORY = IN_ONLYDIR;
        /// Watch a symbolic link itself.
        const NO_FOLLOW = IN_DONT_FOLLOW;
        /// Tell nothing of what was done to entries after they were removed.
        const EXCLUDE_REMOVED = IN_EXCL_UNLINK;
        /// Fail for what is watched already.
        const MASK_CREATE = IN_MASK_CREATE;
        /// Add to the events of what is watched already.
        const MASK_ADD = IN_MASK_ADD;
        /// End with the first event.
        const ONE_SHOT = IN_ONESHOT;
    }
}

impl Events {
    /// All that can happen to a file.
    pub const ALL: Self = Self::from_bits_retain(abi::general::IN_ALL_EVENTS);
    /// What a watch keeps of the mask it was made with.
    const KEPT: Self = Self::ALL.union(Self::ONE_SHOT).union(Self::EXCLUDE_REMOVED);
    /// What is done through an open file, which may have no name any more.
    const THROUGH_FILE: Self = Self::ACCESS
        .union(Self::MODIFY)
        .union(Self::OPEN)
        .union(Self::CLOSE_WRITE)
        .union(Self::CLOSE_NOWRITE);
}

fn with_type(events: Events, inode: &dyn Inode) -> Events {
    match inode.file_type() {
        FileType::Directory => events | Events::DIRECTORY,
        _ => events,
    }
}

/// Something was done to the file at `dentry`: for those who watch it, and those who watch the directory that it is or was in.
#[inline]
pub(crate) fn happened(dentry: &Dentry, events: Events) {
    if is_used() {
        table::tell_file(dentry, events);
    }
}

/// Something was done to the file itself, whatever its name.
#[inline]
pub(crate) fn happened_to(inode: &dyn Inode, events: Events) {
    if is_used() {
        table::tell(inode, with_type(events, inode), None);
    }
}

/// A directory has got an entry, or lost it.
#[inline]
pub(crate) fn entry(directory: &dyn Inode, name: &[u8], entry: &dyn Inode, events: Events) {
    if is_used() {
        table::tell(directory, with_type(events, entry), Some((name, 0)));
    }
}

/// A file has no name any more and is not open: its watches end.
#[inline]
pub(crate) fn ended(inode: &dyn Inode) {
    if is_used() {
        table::end(inode);
    }
}

/// An entry has moved; `replaced` lost its name by that.
#[inline]
pub(crate) fn moved(
    from: (&Arc<dyn Inode>, &[u8]),
    to: (&Arc<dyn Inode>, &[u8]),
    moved: &dyn Inode,
    replaced: Option<&dyn Inode>,
) {
    static COOKIE: AtomicU32 = AtomicU32::new(0);
    if !is_used() {
        return;
    }
    let cookie = COOKIE.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    table::tell(&**from.0, with_type(Events::MOVED_FROM, moved), Some((from.1, cookie)));
    table::tell(&**to.0, with_type(Events::MOVED_TO, moved), Some((to.1, cookie)));
    if let Some(replaced) = replaced {
        happened_to(replaced, Events::ATTRIB);
    }
    // A directory is not called one when the event is about itself alone: Linux does so.
    table::tell(moved, Events::MOVE_SELF, None);
}
