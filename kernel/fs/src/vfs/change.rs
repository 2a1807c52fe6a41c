//! Making and removing names.

use alloc::sync::Arc;
use core::any::Any;

use abi::Errno;
use file::{FileType, Result, Status};

use super::children::Children;
use super::walk::Last;
use super::{Access, Capabilities, Context, Dentry, Lookup, Place};
use crate::inode::{Inode, NewInode, NewKind};
use crate::inotify::{self, Events};

const SET_GROUP_ID: u16 = 0o2000;
const STICKY: u16 = 0o1000;
/// Bytes of the longest symbolic link.
const LONGEST_LINK: usize = 4095;

/// Makes an entry of a directory.
type Make<'a> = &'a mut dyn FnMut(&Place, &[u8]) -> Result<Arc<dyn Inode>>;

impl Context {
    /// `mkdir(2)`.
    pub fn make_directory(&self, path: &[u8], mode: u16) -> Result<()> {
        self.make(path, NewKind::Directory, mode & 0o1777 & !self.umask)
    }

    /// `mknod(2)`.
    pub fn make_node(&self, path: &[u8], kind: NewKind<'_>, mode: u16) -> Result<()> {
        let device = matches!(kind, NewKind::CharacterDevice(_) | NewKind::BlockDevice(_));
        if device && !self.credentials.can(Capabilities::MKNOD) {
            return Err(Errno::PERM.into());
        }
        self.make(path, kind, mode & 0o7777 & !self.umask)
    }

    /// `symlink(2)`.
    pub fn make_symlink(&self, target: &[u8], path: &[u8]) -> Result<()> {
        match target.len() {
            0 => Err(Errno::NOENT.into()),
            1..=LONGEST_LINK => self.make(path, NewKind::Symlink(target), 0o777),
            _ => Err(Errno::NAMETOOLONG.into()),
        }
    }

    /// What `bind(2)` does for a Unix socket: makes a node that leads to it. Nobody finds the node before it does, and what becomes of its
    /// name then does not matter.
    pub fn make_socket(&self, path: &[u8], socket: &Arc<dyn Any + Send + Sync>) -> Result<()> {
        self.make_entry(path, false, &mut |directory, name| {
            let inode = self.create(directory, name, NewKind::Socket, 0o777 & !self.umask)?;
            inode.attachment(&mut || Some(socket.clone()));
            Ok(inode)
        })
    }

    fn make(&self, path: &[u8], kind: NewKind<'_>, permissions: u16) -> Result<()> {
        self.make_entry(path, kind.file_type() == FileType::Directory, &mut |directory, name| {
            self.create(directory, name, kind, permissions)
        })
    }

    fn create(&self, directory: &Place, name: &[u8], kind: NewKind<'_>, permissions: u16) -> Result<Arc<dyn Inode>> {
        self.check_create(directory)?;
        let directory = directory.inode()?;
        let new = self.new_inode(&directory.status()?, kind, permissions);
        directory.create(name, &new)
    }

    /// Makes a name that is free; `make` also checks what remains to be checked.
    fn make_entry(&self, path: &[u8], is_directory: bool, make: Make<'_>) -> Result<()> {
        let (parent, last) = self.resolve_parent(path)?;
        let Last::Name { name, slash } = last else {
            return Err(Errno::EXIST.into());
        };
        let dentry = {
            let mut children = parent.dentry.lock();
            let found = parent.dentry.child_locked(&mut children, &name)?;
            if found.exists() {
                return Err(Errno::EXIST.into());
            }
            if slash && !is_directory {
                return Err(Errno::NOENT.into());
            }
            parent.mount.check_writable()?;
            let inode = make(&parent, &name)?;
            inotify::entry(&**parent.inode()?, &name, &*inode, Events::CREATE);
            parent.dentry.created(&mut children, &name, inode)
        };
        dentry.keep();
        Ok(())
    }

    /// `EACCES` unless names may be made in a directory; `ENOENT` when it was removed.
    pub(super) fn check_create(&self, directory: &Place) -> Result<()> {
        if directory.dentry.is_removed() {
            return Err(Errno::NOENT.into());
        }
        let status = directory.inode()?.status()?;
        Ok(self.credentials.check(&status, Access::WRITE | Access::EXECUTE)?)
    }

    /// What a new file in a directory begins with.
    pub(super) fn new_inode<'n>(&self, directory: &Status, kind: NewKind<'n>, mut permissions: u16) -> NewInode<'n> {
        let mut gid = self.credentials.group;
        if directory.permissions & SET_GROUP_ID != 0 {
            gid = directory.gid;
            match kind {
                NewKind::Directory => permissions |= SET_GROUP_ID,
                // Nobody makes a program that runs as a group that is not theirs.
                _ if permissions & 0o2010 == 0o2010
                    && !self.credentials.is_member(gid)
                    && !self.credentials.can(Capabilities::FSETID) =>
                {
                    permissions &= !SET_GROUP_ID;
                }
                _ => {}
            }
        }
        NewInode {
            kind,
            permissions,
            uid: self.credentials.user,
            gid,
        }
    }

    /// `link(2)`, from what lies at a place.
    pub fn make_link(&self, from: &Place, path: &[u8]) -> Result<()> {
        let inode = from.inode()?.clone();
        self.make_entry(path, false, &mut |directory, name| {
            if !Arc::ptr_eq(&directory.mount, &from.mount) {
                return Err(Errno::XDEV.into());
            }
            self.check_link_source(&inode)?;
            self.check_create(directory)?;
            if inode.file_type() == FileType::Directory {
                return Err(Errno::PERM.into());
            }
            directory.inode()?.link(name, &inode)?;
            inotify::happened_to(&*inode, Events::ATTRIB);
            Ok(inode.clone())
        })
    }

    /// Whether the caller may give a file another name, as with `fs.protected_hardlinks`: somebody else's file only when they could also
    /// read and change it.
    fn check_link_source(&self, inode: &Arc<dyn Inode>) -> Result<()> {
        let status = inode.status()?;
        let privileged = status.permissions & 0o4000 != 0 || status.permissions & 0o2010 == 0o2010;
        let harmless = status.file_type == FileType::Regular
            && !privileged
            && self.credentials.check(&status, Access::READ | Access::WRITE).is_ok();
        if harmless || self.credentials.owns(&status) {
            return Ok(());
        }
        Err(Errno::PERM.into())
    }

    /// `link(2)` between two paths; `lookup` says whether a symbolic link at `from` is followed.
    pub fn link(&self, from: &[u8], lookup: Lookup, to: &Context, path: &[u8]) -> Result<()> {
        let from = self.resolve(from, lookup)?;
        to.make_link(&from, path)
    }

    /// `unlink(2)`.
    pub fn unlink(&self, path: &[u8]) -> Result<()> {
        let (parent, last) = self.resolve_parent(path)?;
        let Last::Name { name, slash } = last else {
            return Err(Errno::ISDIR.into());
        };
        self.remove(&parent, &name, |victim| match (slash, victim.is_directory()) {
            (true, true) => Err(Errno::ISDIR),
            (true, false) => Err(Errno::NOTDIR),
            _ => Ok(false),
        })
    }

    /// `rmdir(2)`.
    pub fn remove_directory(&self, path: &[u8]) -> Result<()> {
        let (parent, last) = self.resolve_parent(path)?;
        match last {
            Last::Name { name, .. } => self.remove(&parent, &name, |_| Ok(true)),
            Last::Dot => Err(Errno::INVAL.into()),
            Last::DotDot => Err(Errno::NOTEMPTY.into()),
            Last::Root => Err(Errno::BUSY.into()),
        }
    }

    /// Removes an entry; `kind` objects or says whether a directory is wanted.
    fn remove(
        &self,
        parent: &Place,
        name: &[u8],
        kind: impl FnOnce(&Dentry) -> core::result::Result<bool, Errno>,
    ) -> Result<()> {
        parent.mount.check_writable()?;
        // Dropped after the lock: with it may go the last share of the file.
        let _victim = {
            let mut children = parent.dentry.lock();
            let victim = parent.dentry.child_locked(&mut children, name)?;
            victim.inode()?;
            let directory = kind(&victim)?;
            self.check_delete(parent, &victim, directory)?;
            if victim.is_mount_point() {
                return Err(Errno::BUSY.into());
            }
            if directory {
                // Nothing is made in a directory while it goes.
                let inside = victim.lock();
                parent.inode()?.remove_directory(name)?;
                victim.remove(&mut children);
                let names = Dentry::forget_all(&inside);
                drop(inside);
                drop(names);
            } else {
                parent.inode()?.unlink(name)?;
                victim.remove(&mut children);
                inotify::happened_to(&**victim.inode()?, Events::ATTRIB);
            }
            victim.tell_end();
            inotify::entry(&**parent.inode()?, name, &**victim.inode()?, Events::DELETE);
            victim
        };
        Ok(())
    }

    /// Whether the caller may take a name away, as a directory or as another file.
    pub(super) fn check_delete(&self, parent: &Place, victim: &Dentry, directory: bool) -> Result<()> {
        let victim = victim.inode()?;
        let above = parent.inode()?.status()?;
        self.credentials.check(&above, Access::WRITE | Access::EXECUTE)?;
        if above.permissions & STICKY != 0 {
            let user = self.credentials.user;
            let status = victim.status()?;
            if user != status.uid && user != above.uid && !self.credentials.can(Capabilities::FOWNER) {
                return Err(Errno::PERM.into());
            }
        }
        match (directory, victim.file_type() == FileType::Directory) {
            (true, false) => Err(Errno::NOTDIR.into()),
            (false, true) => Err(Errno::ISDIR.into()),
            _ => Ok(()),
        }
    }

    /// Locks two directories in an order that all keep: the one above first, as who removes the one below does. No directory moves meanwhile.
    pub(super) fn lock_both<R>(
        first: &Arc<Dentry>,
        second: &Arc<Dentry>,
        act: impl FnOnce(&mut Children, Option<&mut Children>) -> R,
    ) -> R {
        if Arc::ptr_eq(first, second) {
            return act(&mut first.lock(), None);
        }
        let in_order = Arc::as_ptr(first) < Arc::as_ptr(second);
        if second.is_within(first) || in_order && !first.is_within(second) {
            let mut one = first.lock();
            let mut two = second.lock();
            act(&mut one, Some(&mut two))
        } else {
            let mut two = second.lock();
            let mut one = first.lock();
            act(&mut one, Some(&mut two))
        }
    }
}
