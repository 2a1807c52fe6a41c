//! Names in memory: what lookups found, or found missing, so that they need not look again.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use abi::Errno;
use file::{Error, FileType, Result};
use hal::sync::{SpinLock, SpinLockGuard};

use super::children::Children;
use crate::inode::Inode;
use crate::inotify;

/// A name in a directory and what it stands for; nothing, when it is known not to exist.
///
/// The lock on a directory's children is the lock on the directory: who changes entries, or looks one up in the file system, holds it.
pub struct Dentry {
    inode: Option<Arc<dyn Inode>>,
    /// Whether lookups in it are remembered: where the inode allows it, and the directory itself is found again. Else nobody would find those names.
    caches_names: bool,
    /// Of the inode, which never changes; asked at each step of a path.
    file_type: Option<FileType>,
    position: SpinLock<Position>,
    children: SpinLock<Children>,
    /// The name was removed.
    removed: AtomicBool,
    /// File systems that are mounted here.
    mounts: AtomicUsize,
    used: AtomicBool,
    /// Its slot in the cache plus one; 0 when it has none.
    slot: AtomicUsize,
}

struct Position {
    parent: Option<Arc<Dentry>>,
    name: Box<[u8]>,
}

impl Dentry {
    /// The top of a file system, or an object that has a name only for show.
    pub fn top(inode: Arc<dyn Inode>, name: &[u8]) -> Arc<Self> {
        Arc::new(Self::new(Some(inode), None, name))
    }

    fn new(inode: Option<Arc<dyn Inode>>, parent: Option<Arc<Dentry>>, name: &[u8]) -> Self {
        Self {
            caches_names: inode.as_ref().is_some_and(|inode| inode.caches_names())
                && parent.as_ref().is_none_or(|parent| parent.caches_names),
            file_type: inode.as_ref().map(|inode| inode.file_type()),
            inode,
            position: SpinLock::new(Position {
                parent,
                name: name.into(),
            }),
            children: SpinLock::new(Children::new()),
            removed: AtomicBool::new(false),
            mounts: AtomicUsize::new(0),
            used: AtomicBool::new(false),
            slot: AtomicUsize::new(0),
        }
    }

    /// What the name stands for; `ENOENT` when it does not exist.
    pub fn inode(&self) -> core::result::Result<&Arc<dyn Inode>, Errno> {
        self.inode.as_ref().ok_or(Errno::NOENT)
    }

    /// Whether the name exists.
    pub fn exists(&self) -> bool {
        self.inode.is_some()
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.has_type(FileType::Directory)
    }

    /// Whether it is a file of this type.
    pub fn has_type(&self, file_type: FileType) -> bool {
        self.file_type == Some(file_type)
    }

    /// Whether the name was removed since; the file may live on.
    pub fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }

    /// The directory that it is in; `None` at the top of a file system.
    pub fn parent(&self) -> Option<Arc<Dentry>> {
        self.position.lock().parent.clone()
    }

    /// Its name; at the top of a file system `/`.
    pub fn name(&self) -> Box<[u8]> {
        self.position.lock().name.clone()
    }

    /// Whether it is `other` or lies below it.
    pub(super) fn is_within(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        self.ancestor_below(other).is_some() || Arc::ptr_eq(self, other)
    }

    /// The entry of `other` that leads to this one, when this one lies below.
    pub(super) fn ancestor_below(self: &Arc<Self>, other: &Arc<Self>) -> Option<Arc<Self>> {
        let mut current = self.clone();
        loop {
            let parent = current.parent()?;
            if Arc::ptr_eq(&parent, other) {
                return Some(current);
            }
            current = parent;
        }
    }

    pub(super) fn is_mount_point(&self) -> bool {
        self.mounts.load(Ordering::Acquire) > 0
    }

    pub(super) fn count_mount(&self, mounted: bool) {
        if mounted {
            self.mounts.fetch_add(1, Ordering::AcqRel);
        } else {
            self.mounts.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Locks the directory.
    pub(super) fn lock(&self) -> SpinLockGuard<'_, Children> {
        self.children.lock()
    }

    /// The entry `name`, which may turn out not to exist. `EACCES` and the like are the caller's to check.
    pub(super) fn child(self: &Arc<Self>, name: &[u8]) -> Result<Arc<Dentry>> {
        let found = self.child_locked(&mut self.lock(), name)?;
        found.keep();
        Ok(found)
    }

    /// Keeps the name in memory when nobody uses it, for the next lookup. To be called without any lock.
    pub(super) fn keep(self: &Arc<Self>) {
        // Most names are there already.
        if self.slot.load(Ordering::Relaxed) != 0 {
            return;
        }
        if let Some(parent) = self.parent().filter(|parent| parent.caches_names) {
            let mut cache = CACHE.lock();
            // Who removes either marks it before it looks here, so that one of both finds what the other has done.
            if self.is_removed() || parent.is_removed() {
                return;
            }
            let displaced = cache.insert(self);
            drop(cache);
            drop(displaced);
        }
    }

    /// As [`Dentry::child`], for who has locked the directory.
    pub(super) fn child_locked(self: &Arc<Self>, children: &mut Children, name: &[u8]) -> Result<Arc<Dentry>> {
        if self.caches_names
            && let Some(found) = children.get(name)
        {
            found.used.store(true, Ordering::Relaxed);
            return Ok(found);
        }
        let directory = self.inode()?;
        if name.len() > 255 {
            return Err(Errno::NAMETOOLONG.into());
        }
        let inode = match directory.lookup(name) {
            Ok(inode) => Some(inode),
            Err(Error::Errno(Errno::NOENT)) => None,
            Err(error) => return Err(error),
        };
        let found = Arc::new(Self::new(inode, Some(self.clone()), name));
        if self.caches_names {
            children.insert(name, &found);
        }
        Ok(found)
    }

    /// Puts a name in the place of one that was known not to exist, or is gone.
    fn insert(children: &mut Children, name: &[u8], dentry: &Arc<Dentry>) {
        if let Some(former) = children.insert(name, dentry) {
            CACHE.lock().forget(&former);
        }
    }

    /// Takes note of a new entry of a directory that the caller has locked.
    pub(super) fn created(
        self: &Arc<Self>,
        children: &mut Children,
        name: &[u8],
        inode: Arc<dyn Inode>,
    ) -> Arc<Dentry> {
        let created = Arc::new(Self::new(Some(inode), Some(self.clone()), name));
        Self::insert(children, name, &created);
        created
    }

    /// Takes note that an entry is gone from a directory that the caller has locked.
    pub(super) fn remove(&self, children: &mut Children) {
        children.remove(&self.position.lock().name);
        self.removed.store(true, Ordering::Release);
        // The name must not keep the file's content in memory.
        CACHE.lock().forget(self);
    }

    /// Keeps the names of a directory that goes no longer: each has a share of it. The caller drops them without its lock.
    #[must_use]
    pub(super) fn forget_all(children: &Children) -> Vec<Arc<Dentry>> {
        let names: Vec<_> = children.used().collect();
        let mut cache = CACHE.lock();
        for name in &names {
            cache.forget(name);
        }
        names
    }

    /// Tells who watches the file that it ends, unless it is still open by this name: then it ends with the last share.
    pub(super) fn tell_end(self: &Arc<Self>) {
        if Arc::strong_count(self) == 1 {
            self.tell_if_ended();
        }
    }

    fn tell_if_ended(&self) {
        if let Some(inode) = self.inode.as_ref().filter(|_| inotify::is_used() && self.is_removed())
            && inode.status().is_ok_and(|status| status.links == 0)
        {
            inotify::ended(&**inode);
        }
    }

    /// Takes note that it has moved to another name, in a directory that the caller has locked as well as the old one.
    pub(super) fn moved(self: &Arc<Self>, parent: &Arc<Dentry>, name: &[u8], children: &mut Children) {
        Self::insert(children, name, self);
        let mut position = self.position.lock();
        position.name = name.into();
        position.parent = Some(parent.clone());
    }
}

impl Drop for Dentry {
    fn drop(&mut self) {
        self.tell_if_ended();
        let Position { parent, name } = core::mem::replace(
            self.position.get_mut(),
            Position {
                parent: None,
                name: Box::default(),
            },
        );
        let mut parent = parent;
        if let Some(directory) = &parent
            // Its lock may be held further up; then the next lookup of the name cleans up.
            && let Some(mut children) = directory.children.try_lock()
            && children.is_unused(&name)
        {
            children.remove(&name);
        }
        // One by one, not each parent from its child's drop: paths may be deeper than the stack.
        while let Some(mut last) = parent.take().and_then(Arc::into_inner) {
            parent = last.position.get_mut().parent.take();
            let name = core::mem::take(&mut last.position.get_mut().name);
            if let Some(directory) = &parent
                && let Some(mut children) = directory.children.try_lock()
                && children.is_unused(&name)
            {
                children.remove(&name);
            }
        }
    }
}

/// The names that stay in memory though nobody uses them, each with a slot that a clock's hand goes over.
struct Cache {
    names: Vec<Arc<Dentry>>,
    hand: usize,
}

static CACHE: SpinLock<Cache> = SpinLock::new(Cache {
    names: Vec::new(),
    hand: 0,
});

/// What the names that stay take of the heap, without what they stand for, in bytes: at least so much goes with them.
pub(crate) fn kept_bytes() -> usize {
    // A name is in its dentry and in its directory; both are of the smallest sizes of the heap. And there is its slot.
    const NAMES: usize = 2 * 16 + 2 * size_of::<(Box<[u8]>, usize)>();
    const EACH: usize = size_of::<Dentry>() + 2 * size_of::<usize>() + NAMES;
    CACHE.lock().names.len() * EACH
}

/// How many names may stay: about 2 % of memory, with their inodes.
fn capacity() -> usize {
    (hal::mem::usage().total / 8).clamp(64, 65_536)
}

impl Cache {
    /// Keeps a name and gives the one that it displaces, which the caller drops without any lock.
    #[must_use]
    fn insert(&mut self, dentry: &Arc<Dentry>) -> Option<Arc<Dentry>> {
        if dentry.slot.load(Ordering::Relaxed) != 0 {
            return None;
        }
        let full = self.names.len() >= capacity();
        let displaced = full.then(|| self.take_victim()).flatten();
        self.names.push(dentry.clone());
        dentry.slot.store(self.names.len(), Ordering::Relaxed);
        displaced
    }

    /// Takes out a name that nobody uses, nor has used since the hand last passed.
    fn take_victim(&mut self) -> Option<Arc<Dentry>> {
        for _ in 0..2 * self.names.len() {
            self.hand = (self.hand + 1) % self.names.len();
            let dentry = &self.names[self.hand];
            if !dentry.used.swap(false, Ordering::Relaxed) && Arc::strong_count(dentry) == 1 {
                return Some(self.take(self.hand));
            }
        }
        None
    }

    /// Takes out the name in a slot. The last one gets it.
    fn take(&mut self, slot: usize) -> Arc<Dentry> {
        const KEPT: usize = 64;
        let taken = self.names.swap_remove(slot);
        // Somebody may be finding it in its directory at this moment.
        taken.slot.store(0, Ordering::Relaxed);
        if let Some(moved) = self.names.get(slot) {
            moved.slot.store(slot + 1, Ordering::Relaxed);
        }
        if self.names.capacity() > KEPT && self.names.len() < self.names.capacity() / 4 {
            self.names.shrink_to(KEPT.max(2 * self.names.len()));
        }
        taken
    }

    fn forget(&mut self, dentry: &Dentry) {
        if let Some(slot) = dentry.slot.load(Ordering::Relaxed).checked_sub(1) {
            // The caller holds a share, so this is not the last.
            self.take(slot);
        }
    }
}

/// Lets go of up to `count` names that nobody uses, and of what their inodes have cached. To be called without any lock. Returns how many.
pub fn shrink_dentries(count: usize) -> usize {
    for done in 0..count {
        let victim = CACHE.lock().take_victim();
        if victim.is_none() {
            return done;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::inode::{NewInode, NewKind};
    use crate::tmpfs::{Options, Tmpfs};

    #[test]
    fn the_cache_knows_each_names_slot_and_gives_room_back() {
        let (_, root) = Tmpfs::create(&Options::default());
        let names: Vec<_> = (0..1000)
            .map(|number| Dentry::top(root.clone(), &[number as u8]))
            .collect();
        let mut cache = Cache {
            names: Vec::new(),
            hand: 0,
        };
        for name in &names {
            assert!(cache.insert(name).is_none() && cache.insert(name).is_none());
        }
        for name in names.iter().step_by(3) {
            cache.forget(name);
            cache.forget(name);
        }
        assert_eq!(cache.names.len(), 666);
        for (slot, name) in cache.names.iter().enumerate() {
            assert_eq!(name.slot.load(Ordering::Relaxed), slot + 1);
        }
        names[1].used.store(true, Ordering::Relaxed);
        let kept = names[2].clone();
        drop(names);
        while cache.take_victim().is_some() {}
        assert!(cache.names.len() == 1 && Arc::ptr_eq(&cache.names[0], &kept));
        assert_eq!(kept.slot.load(Ordering::Relaxed), 1);
        assert!(cache.names.capacity() <= 64);
    }

    const REGULAR: NewInode<'_> = NewInode {
        kind: NewKind::Regular,
        permissions: 0o644,
        uid: 0,
        gid: 0,
    };

    #[test]
    fn a_name_that_is_removed_just_when_it_is_kept_does_not_stay() {
        // Long enough for the others to come to the cache.
        const PAUSE: Duration = Duration::from_millis(1);
        let (_, root) = Tmpfs::create(&Options::default());
        let top = &Dentry::top(root.clone(), b"/");
        for round in 0..12_u32 {
            let name = round.to_ne_bytes();
            root.create(&name, &REGULAR).unwrap();
            let removed = std::thread::scope(|scope| {
                let cache = CACHE.lock();
                scope.spawn(|| top.child(&name).map(drop));
                let find = || top.lock().get(&name);
                let dentry = loop {
                    match find() {
                        Some(dentry) => break dentry,
                        None => std::thread::yield_now(),
                    }
                };
                std::thread::sleep(PAUSE);
                let victim = dentry.clone();
                scope.spawn(move || victim.remove(&mut top.lock()));
                while !dentry.is_removed() {
                    std::thread::yield_now();
                }
                std::thread::sleep(PAUSE);
                drop(cache);
                Arc::downgrade(&dentry)
            });
            assert!(removed.upgrade().is_none(), "round {round}");
        }
    }

    #[test]
    fn names_that_were_not_found_in_a_removed_directory_do_not_keep_it() {
        let (_, root) = Tmpfs::create(&Options::default());
        let top = Dentry::top(root.clone(), b"/");
        let directory = NewInode {
            kind: NewKind::Directory,
            ..REGULAR
        };
        root.create(b"directory", &directory).unwrap();
        let directory = top.child(b"directory").unwrap();
        directory.remove(&mut top.lock());
        let missing = Arc::downgrade(&directory.child(b"missing").unwrap());
        assert!(missing.upgrade().is_none());
    }
}
