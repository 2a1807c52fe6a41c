//! Who watches what.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use abi::Errno;
use file::Result;
use hal::mem::PAGE_SIZE;
use hal::sync::SpinLock;

use super::{Events, Inotify};
use crate::inode::{FileId, Inode, file_id};
use crate::vfs::Dentry;

/// Instances that a user may have (`fs.inotify.max_user_instances`).
pub const MAX_INSTANCES: usize = 128;
/// Events that may wait in an instance (`fs.inotify.max_queued_events`).
pub const MAX_QUEUED: usize = 16_384;
/// Bytes that a watch takes, with the inode that it keeps.
const WATCH_SIZE: usize = 1024;

struct Watch {
    instance: Arc<Inotify>,
    number: i32,
    mask: Events,
    /// Kept for its number.
    _inode: Arc<dyn Inode>,
}

impl Watch {
    fn is_of(&self, instance: &Inotify) -> bool {
        core::ptr::eq(Arc::as_ptr(&self.instance), instance)
    }
}

#[derive(Default)]
struct Table {
    /// A watch keeps its inode, so its file's numbers are nobody else's.
    watches: BTreeMap<FileId, Vec<Watch>>,
    /// How many instances and watches each user has.
    users: BTreeMap<u32, Use>,
}

#[derive(Default)]
struct Use {
    instances: usize,
    watches: usize,
}

static TABLE: SpinLock<Table> = SpinLock::new(Table {
    watches: BTreeMap::new(),
    users: BTreeMap::new(),
});

/// Watches in the table.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Watches that a user may have (`fs.inotify.max_user_watches`): what 1 % of memory holds, in Linux's bounds.
pub fn max_watches() -> usize {
    (hal::mem::usage().total * PAGE_SIZE / 100 / WATCH_SIZE).clamp(8192, 1 << 20)
}

/// Whether anything is watched. An event at the very moment of a first watch may be before or after it.
#[inline]
pub(crate) fn is_used() -> bool {
    COUNT.load(Ordering::Relaxed) > 0
}

/// What is left to do when the table's lock is free: who to wake, and what to drop.
#[derive(Default)]
struct Later {
    wake: Vec<Arc<Inotify>>,
    ended: Vec<Watch>,
}

impl Later {
    fn run(self) {
        for instance in &self.wake {
            instance.wake();
        }
    }
}

impl Table {
    /// Takes a watch out, and tells its instance so.
    fn take(&mut self, file: FileId, which: impl Fn(&Watch) -> bool, later: &mut Later) -> bool {
        let Some(watches) = self.watches.get_mut(&file) else {
            return false;
        };
        let before = later.ended.len();
        later.ended.extend(watches.extract_if(.., |watch| which(watch)));
        if watches.is_empty() {
            self.watches.remove(&file);
        }
        for watch in &later.ended[before..] {
            COUNT.fetch_sub(1, Ordering::Relaxed);
            if let Some(user) = self.users.get_mut(&watch.instance.user) {
                user.watches -= 1;
            }
            watch.instance.forget(watch.number);
            later.wake.push(watch.instance.clone());
        }
        later.ended.len() > before
    }

    /// Tells those who watch a file of events.
    fn tell(&mut self, file: FileId, events: Events, name: (&[u8], u32), removed: bool, later: &mut Later) {
        let mut once = false;
        for watch in self.watches.get_mut(&file).into_iter().flatten() {
            let excluded = removed && watch.mask.contains(Events::EXCLUDE_REMOVED);
            if excluded || !watch.mask.intersects(events & Events::ALL) {
                continue;
            }
            watch.instance.push(watch.number, events, name.1, name.0);
            later.wake.push(watch.instance.clone());
            if watch.mask.contains(Events::ONE_SHOT) {
                // Its one event is told; the mark for its end.
                watch.mask = Events::IGNORED;
                once = true;
            }
        }
        if once {
            self.take(file, |watch| watch.mask == Events::IGNORED, later);
        }
    }

    fn user(&mut self, user: u32) -> &mut Use {
        self.users.entry(user).or_default()
    }
}

/// Watches a file, or changes what a watch of it is for; returns its number. `ENOSPC` when the user has too many,
/// `EEXIST` with [`Events::MASK_CREATE`] for a file that is watched.
pub fn watch(instance: &Arc<Inotify>, inode: &Arc<dyn Inode>, mask: Events) -> Result<i32> {
    let file = file_id(&**inode)?;
    let kept = mask & Events::KEPT;
    let mut table = TABLE.lock();
    let known = table
        .watches
        .get_mut(&file)
        .and_then(|watches| watches.iter_mut().find(|watch| watch.is_of(instance)));
    if let Some(known) = known {
        if mask.contains(Events::MASK_CREATE) {
            return Err(Errno::EXIST.into());
        }
        known.mask = if mask.contains(Events::MASK_ADD) {
            known.mask | kept
        } else {
            kept
        };
        return Ok(known.number);
    }
    let user = table.user(instance.user);
    if user.watches >= max_watches() {
        return Err(Errno::NOSPC.into());
    }
    user.watches += 1;
    let number = instance.add(file);
    table.watches.entry(file).or_default().push(Watch {
        instance: instance.clone(),
        number,
        mask: kept,
        _inode: inode.clone(),
    });
    COUNT.fetch_add(1, Ordering::Relaxed);
    Ok(number)
}

pub(super) fn add_instance(user: u32) -> core::result::Result<(), Errno> {
    let mut table = TABLE.lock();
    let user = table.user(user);
    if user.instances >= MAX_INSTANCES {
        return Err(Errno::MFILE);
    }
    user.instances += 1;
    Ok(())
}

/// Ends an instance and its watches.
pub(super) fn remove_instance(instance: &Inotify) {
    let mut later = Later::default();
    {
        let mut table = TABLE.lock();
        for (_, file) in instance.watches() {
            table.take(file, |watch| watch.is_of(instance), &mut later);
        }
        let user = table.user(instance.user);
        user.instances -= 1;
        if user.instances == 0 {
            table.users.remove(&instance.user);
        }
    }
    later.run();
}

/// Ends a watch by its number.
pub(super) fn remove(instance: &Inotify, number: i32) -> core::result::Result<(), Errno> {
    let mut later = Later::default();
    let found = {
        let mut table = TABLE.lock();
        let file = instance.watched(number).ok_or(Errno::INVAL)?;
        table.take(file, |watch| watch.is_of(instance), &mut later)
    };
    later.run();
    if found { Ok(()) } else { Err(Errno::INVAL) }
}

/// The watches of an instance: number, file and mask.
pub(super) fn masks(instance: &Inotify) -> Vec<(i32, FileId, Events)> {
    let table = TABLE.lock();
    let mask = |file: &FileId| {
        let watches = table.watches.get(file)?;
        Some(watches.iter().find(|watch| watch.is_of(instance))?.mask)
    };
    // The newest first, as on Linux.
    let all = instance.watches().into_iter().rev();
    all.filter_map(|(number, file)| Some((number, file, mask(&file)?)))
        .collect()
}

/// Tells of events at a file; `entry` is the name of the entry that they are about, and a cookie.
#[cold]
pub(super) fn tell(inode: &dyn Inode, events: Events, entry: Option<(&[u8], u32)>) {
    let mut later = Later::default();
    if let Ok(file) = file_id(inode) {
        TABLE
            .lock()
            .tell(file, events, entry.unwrap_or_default(), false, &mut later);
    }
    later.run();
}

/// Tells of events at a file to those who watch its directory, then to those who watch itself.
#[cold]
pub(super) fn tell_file(dentry: &Dentry, events: Events) {
    let Ok(inode) = dentry.inode() else { return };
    let events = super::with_type(events, &**inode);
    let removed = dentry.is_removed() && events.intersects(Events::THROUGH_FILE);
    let above = dentry.parent().and_then(|parent| file_id(&**parent.inode().ok()?).ok());
    let (own, name) = (file_id(&**inode), dentry.name());
    let mut later = Later::default();
    {
        let mut table = TABLE.lock();
        if let Some(above) = above {
            table.tell(above, events, (&name, 0), removed, &mut later);
        }
        if let Ok(own) = own {
            table.tell(own, events, Default::default(), removed, &mut later);
        }
    }
    later.run();
}

/// A file has ended, and all watches of it with it.
#[cold]
pub(super) fn end(inode: &dyn Inode) {
    let mut later = Later::default();
    if let Ok(file) = file_id(inode) {
        let mut table = TABLE.lock();
        table.tell(file, Events::DELETE_SELF, Default::default(), false, &mut later);
        table.take(file, |_| true, &mut later);
    }
    later.run();
}
