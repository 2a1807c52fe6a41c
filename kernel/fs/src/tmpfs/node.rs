//! Nodes: attributes, and what every type of file has.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicBool, Ordering};

use abi::{Errno, OpenFlags};
use file::{DirectoryEntry, File, FileType, Pages, Result, Sink, Source, Status};
use hal::mem::PAGE_SIZE;
use hal::sync::{SpinLock, SpinLockGuard};
use litemap::LiteMap;

use super::Tmpfs;
use super::directory::Directory;
use super::regular::Regular;
use crate::inode::{AttributeChange, FileSystem, Inode, Link, NewInode, NewKind, Ownership, RenameMode, XattrMode};

/// Nanoseconds after which an access is noted though nothing changed since the last one.
const DAY: u64 = 86_400_000_000_000;

/// A file in memory, or what differs from a file of the lower file system.
pub struct Node {
    pub(super) this: Weak<Self>,
    pub(super) file_system: Arc<Tmpfs>,
    number: u64,
    file_type: FileType,
    special_device: u64,
    /// What it shows where it was not changed.
    pub(super) lower: Option<Arc<dyn Inode>>,
    changed: AtomicBool,
    pub(super) attributes: SpinLock<Attributes>,
    pub(super) content: Content,
    attachment: SpinLock<Option<Arc<dyn Any + Send + Sync>>>,
}

pub(super) struct Attributes {
    permissions: u16,
    uid: u32,
    gid: u32,
    pub(super) links: u32,
    /// Made without a name, so that it may get its first one.
    pub(super) linkable: bool,
    accessed: u64,
    modified: u64,
    changed: u64,
    /// `None`: as the lower inode has them.
    xattrs: Option<LiteMap<Vec<u8>, Vec<u8>>>,
}

pub(super) enum Content {
    Directory(SpinLock<Directory>),
    Regular(SpinLock<Regular>),
    Symlink(Vec<u8>),
    /// A symbolic link of the lower file system, a device, a FIFO or a socket.
    None,
}

impl Node {
    pub(super) fn create(file_system: &Arc<Tmpfs>, new: &NewInode<'_>, number: u64) -> Arc<Self> {
        let now = hal::time::realtime();
        let content = match new.kind {
            NewKind::Directory => Content::Directory(SpinLock::new(Directory::default())),
            NewKind::Regular => Content::Regular(SpinLock::new(Regular::default())),
            NewKind::Symlink(target) => Content::Symlink(target.to_vec()),
            _ => Content::None,
        };
        let special_device = match new.kind {
            NewKind::CharacterDevice(device) | NewKind::BlockDevice(device) => device,
            _ => 0,
        };
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            file_system: file_system.clone(),
            number,
            file_type: new.kind.file_type(),
            special_device,
            lower: None,
            changed: AtomicBool::new(true),
            attributes: SpinLock::new(Attributes {
                permissions: new.permissions,
                uid: new.uid,
                gid: new.gid,
                links: if matches!(new.kind, NewKind::Directory) { 2 } else { 1 },
                linkable: false,
                accessed: now,
                modified: now,
                changed: now,
                xattrs: Some(LiteMap::new()),
            }),
            content,
            attachment: SpinLock::new(None),
        })
    }

    pub(super) fn over(file_system: &Arc<Tmpfs>, lower: Arc<dyn Inode>, status: &Status) -> Arc<Self> {
        let content = match status.file_type {
            FileType::Directory => Content::Directory(SpinLock::new(Directory::default())),
            FileType::Regular => Content::Regular(SpinLock::new(Regular::over(status.size))),
            _ => Content::None,
        };
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            file_system: file_system.clone(),
            number: status.inode,
            file_type: status.file_type,
            special_device: status.special_device,
            lower: Some(lower),
            changed: AtomicBool::new(false),
            attributes: SpinLock::new(Attributes {
                permissions: status.permissions,
                uid: status.uid,
                gid: status.gid,
                links: status.links,
                linkable: false,
                accessed: status.accessed,
                modified: status.modified,
                changed: status.changed,
                xattrs: None,
            }),
            content,
            attachment: SpinLock::new(None),
        })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// To be called when it begins to differ from its lower inode.
    pub(super) fn mark_changed(&self) {
        if !self.changed.swap(true, Ordering::AcqRel)
            && let Some(this) = self.this.upgrade()
        {
            self.file_system.keep(this);
        }
    }

    /// Content or entries changed.
    pub(super) fn touch(&self) {
        let now = hal::time::realtime();
        let mut attributes = self.attributes.lock();
        (attributes.modified, attributes.changed) = (now, now);
        drop(attributes);
        self.mark_changed();
    }

    /// Adds to the number of names and returns it.
    pub(super) fn add_links(&self, change: i32) -> u32 {
        let links = {
            let mut attributes = self.attributes.lock();
            attributes.links = attributes.links.saturating_add_signed(change);
            attributes.changed = hal::time::realtime();
            attributes.links
        };
        self.mark_changed();
        links
    }

    /// Counts another name; `ENOENT` when the last one is gone, for that is the file's end.
    pub(super) fn gain_name(&self) -> core::result::Result<(), Errno> {
        {
            let mut attributes = self.attributes.lock();
            if attributes.links == 0 && !attributes.linkable {
                return Err(Errno::NOENT);
            }
            attributes.linkable = false;
            attributes.links += 1;
            attributes.changed = hal::time::realtime();
        }
        self.mark_changed();
        Ok(())
    }

    /// Whether a name leads to it.
    pub(super) fn has_name(&self) -> bool {
        self.attributes.lock().links > 0
    }

    /// The last name is gone.
    pub(super) fn unlinked(&self) {
        self.attributes.lock().links = 0;
        if self.lower.is_some() {
            self.file_system.release(self);
        }
    }

    pub(super) fn directory(&self) -> core::result::Result<SpinLockGuard<'_, Directory>, Errno> {
        match &self.content {
            Content::Directory(directory) => Ok(directory.lock()),
            _ => Err(Errno::NOTDIR),
        }
    }

    pub(super) fn regular(&self) -> Option<SpinLockGuard<'_, Regular>> {
        match &self.content {
            Content::Regular(regular) => Some(regular.lock()),
            _ => None,
        }
    }

    fn check_regular(&self) -> core::result::Result<(), Errno> {
        match self.file_type {
            FileType::Regular => Ok(()),
            FileType::Directory => Err(Errno::ISDIR),
            _ => Err(Errno::INVAL),
        }
    }

    /// Runs `act` on the extended attributes, which become its own.
    fn change_xattrs<T>(&self, act: impl FnOnce(&mut LiteMap<Vec<u8>, Vec<u8>>) -> Result<T>) -> Result<T> {
        let mut inherited = LiteMap::new();
        if let Some(lower) = &self.lower
            && self.attributes.lock().xattrs.is_none()
        {
            for name in lower.xattr_names()? {
                let value = lower.xattr(&name)?;
                inherited.insert(name, value);
            }
        }
        let result = {
            let mut attributes = self.attributes.lock();
            let result = act(attributes.xattrs.get_or_insert(inherited))?;
            attributes.changed = hal::time::realtime();
            result
        };
        self.mark_changed();
        Ok(result)
    }
}

impl Inode for Node {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn file_type(&self) -> FileType {
        self.file_type
    }

    fn status(&self) -> Result<Status> {
        let (size, blocks) = match &self.content {
            Content::Directory(directory) => (directory.lock().size(), 0),
            Content::Regular(regular) => regular.lock().size_and_blocks(),
            // As Linux's tmpfs, which keeps short targets in the inode.
            Content::Symlink(target) => (target.len() as u64, if target.len() < 128 { 0 } else { 8 }),
            Content::None => match &self.lower {
                Some(lower) => (lower.status()?.size, 0),
                None => (0, 0),
            },
        };
        let attributes = self.attributes.lock();
        Ok(Status {
            device: self.file_system.device_number,
            inode: self.number,
            file_type: self.file_type,
            permissions: attributes.permissions,
            links: attributes.links,
            uid: attributes.uid,
            gid: attributes.gid,
            special_device: self.special_device,
            size,
            block_size: PAGE_SIZE as u32,
            blocks,
            accessed: attributes.accessed,
            modified: attributes.modified,
            changed: attributes.changed,
        })
    }

    fn ownership(&self) -> Result<Ownership> {
        let attributes = self.attributes.lock();
        Ok(Ownership {
            permissions: attributes.permissions,
            uid: attributes.uid,
            gid: attributes.gid,
        })
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        self.file_system.clone()
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        Ok(self.find(name)?)
    }

    fn create(&self, name: &[u8], new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        Ok(self.create_entry(name, new)?)
    }

    fn create_unnamed(&self, new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        let node = self.file_system.create_node(new)?;
        {
            let mut attributes = node.attributes.lock();
            (attributes.links, attributes.linkable) = (0, true);
        }
        Ok(node)
    }

    fn link(&self, name: &[u8], inode: &Arc<dyn Inode>) -> Result<()> {
        self.link_entry(name, inode)
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        self.remove_entry(name, false)
    }

    fn remove_directory(&self, name: &[u8]) -> Result<()> {
        self.remove_entry(name, true)
    }

    fn rename(&self, name: &[u8], target: &Arc<dyn Inode>, new_name: &[u8], mode: RenameMode) -> Result<()> {
        let target = target.as_any().downcast_ref::<Self>().ok_or(Errno::XDEV)?;
        self.rename_entry(name, target, new_name, mode)
    }

    fn read_directory(&self, from: u64, entry: &mut dyn FnMut(DirectoryEntry<'_>) -> bool) -> Result<()> {
        self.list(from, entry)
    }

    fn follow(&self) -> Result<Link> {
        match (&self.content, &self.lower) {
            (Content::Symlink(target), _) => Ok(Link::Path(target.clone())),
            (_, Some(lower)) => lower.follow(),
            _ => Err(Errno::INVAL.into()),
        }
    }

    fn open(&self, _flags: OpenFlags) -> Result<Option<Arc<dyn File>>> {
        self.check_held()?;
        Ok(None)
    }

    fn read(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        self.check_regular()?;
        self.read_content(offset, sink)
    }

    fn write(&self, offset: u64, source: &mut dyn Source) -> Result<usize> {
        self.check_regular()?;
        Ok(self.write_content(Some(offset), source)?.0)
    }

    fn append(&self, source: &mut dyn Source) -> Result<(usize, u64)> {
        self.check_regular()?;
        self.write_content(None, source)
    }

    fn truncate(&self, size: u64) -> Result<()> {
        self.check_regular()?;
        self.set_size(size)
    }

    fn allocate(&self, mode: u32, offset: u64, length: u64) -> Result<()> {
        match self.file_type {
            FileType::Regular => self.allocate_content(mode, offset, length),
            FileType::Directory => Err(Errno::ISDIR.into()),
            _ => Err(Errno::NODEV.into()),
        }
    }

    fn seek_data(&self, offset: u64, hole: bool) -> Result<u64> {
        let regular = self.regular().ok_or(Errno::INVAL)?;
        Ok(regular.seek_data(offset, hole)?)
    }

    fn pages(&self) -> Option<Arc<dyn Pages>> {
        self.check_regular().ok()?;
        Some(self.this.upgrade()?)
    }

    fn set_attributes(&self, change: &AttributeChange) -> Result<()> {
        {
            let mut attributes = self.attributes.lock();
            let AttributeChange {
                permissions,
                uid,
                gid,
                accessed,
                modified,
            } = *change;
            attributes.permissions = permissions.unwrap_or(attributes.permissions);
            attributes.uid = uid.unwrap_or(attributes.uid);
            attributes.gid = gid.unwrap_or(attributes.gid);
            attributes.accessed = accessed.unwrap_or(attributes.accessed);
            attributes.modified = modified.unwrap_or(attributes.modified);
            attributes.changed = hal::time::realtime();
        }
        self.mark_changed();
        Ok(())
    }

    fn note_access(&self) {
        // What is only in the lower file system keeps the time that it has there.
        if !self.changed.load(Ordering::Acquire) {
            return;
        }
        let now = hal::time::realtime();
        let mut attributes = self.attributes.lock();
        let last = attributes.accessed;
        if last <= attributes.modified || last <= attributes.changed || now.saturating_sub(last) >= DAY {
            attributes.accessed = now;
        }
    }

    fn xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        let own = self
            .attributes
            .lock()
            .xattrs
            .as_ref()
            .map(|xattrs| xattrs.get(name).cloned());
        match (own, &self.lower) {
            (None, Some(lower)) => lower.xattr(name),
            (own, _) => own.flatten().ok_or(Errno::NODATA.into()),
        }
    }

    fn xattr_names(&self) -> Result<Vec<Vec<u8>>> {
        let own = self
            .attributes
            .lock()
            .xattrs
            .as_ref()
            .map(|xattrs| xattrs.keys().cloned().collect());
        match (own, &self.lower) {
            (None, Some(lower)) => lower.xattr_names(),
            (own, _) => Ok(own.unwrap_or_default()),
        }
    }

    fn set_xattr(&self, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
        self.change_xattrs(|xattrs| {
            match (mode, xattrs.contains_key(name)) {
                (XattrMode::Create, true) => return Err(Errno::EXIST.into()),
                (XattrMode::Replace, false) => return Err(Errno::NODATA.into()),
                _ => {}
            }
            xattrs.insert(name.to_vec(), value.to_vec());
            Ok(())
        })
    }

    fn remove_xattr(&self, name: &[u8]) -> Result<()> {
        self.change_xattrs(|xattrs| xattrs.remove(name).map(|_| ()).ok_or(Errno::NODATA.into()))
    }

    fn attachment(
        &self,
        make: &mut dyn FnMut() -> Option<Arc<dyn Any + Send + Sync>>,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        let mut attachment = self.attachment.lock();
        if attachment.is_none() {
            *attachment = make();
            // What stands behind it must be found again by the next who comes.
            self.mark_changed();
        }
        attachment.clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Content::Regular(regular) = &mut self.content {
            self.file_system.limits.give_pages(regular.get_mut().own_pages());
        }
        match self.lower {
            Some(_) => self.file_system.forget(self.number),
            None => self.file_system.limits.give_inode(),
        }
    }
}
