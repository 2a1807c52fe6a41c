//! Path resolution.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use bitflags::bitflags;
use file::{FileType, Result};

use super::{Access, Context, Dentry, Place};
use crate::inode::Link;

/// Symbolic links that one resolution follows.
const MOST_LINKS: u32 = 40;
/// Bytes of the longest path, with the zero at its end.
const PATH_MAX: usize = 4096;

bitflags! {
    /// How to resolve a path.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Lookup: u32 {
        /// Follow a symbolic link at the end.
        const FOLLOW = 1;
        /// The end must be a directory.
        const DIRECTORY = 2;
        /// An empty path stands for the base (`AT_EMPTY_PATH`).
        const EMPTY = 4;
    }

    /// What a resolution must not do, with the values of `openat2(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Resolve: u64 {
        /// Cross into another mount.
        const NO_XDEV = 0x01;
        /// Follow links such as `/proc/self/exe`.
        const NO_MAGICLINKS = 0x02;
        /// Follow any symbolic link.
        const NO_SYMLINKS = 0x04;
        /// Leave the base.
        const BENEATH = 0x08;
        /// Leave the base, which also stands for `/`.
        const IN_ROOT = 0x10;
        /// Wait for anything.
        const CACHED = 0x20;
    }
}

/// The last component of a path, which calls treat each in its own way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// A name.
    Name {
        name: Vec<u8>,
        /// Whether slashes follow.
        slash: bool,
    },
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// There is none: the path is `/`.
    Root,
}

/// A resolution under way.
pub(super) struct Walk<'a> {
    context: &'a Context,
    resolve: Resolve,
    root: Place,
    /// Where it stands.
    pub(super) place: Place,
    /// The path, and how much of it is done.
    path: Vec<u8>,
    done: usize,
    links: u32,
}

impl<'a> Walk<'a> {
    /// At the beginning of a path.
    pub(super) fn new(context: &'a Context, path: &[u8], resolve: Resolve) -> Result<Self> {
        if path.is_empty() {
            return Err(Errno::NOENT.into());
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        let scoped = resolve.intersects(Resolve::BENEATH | Resolve::IN_ROOT);
        let mut walk = Self {
            context,
            resolve,
            root: if scoped {
                context.base.clone()
            } else {
                context.root.clone()
            },
            place: context.base.clone(),
            path: path.to_vec(),
            done: 0,
            links: 0,
        };
        if path[0] == b'/' {
            walk.place = walk.root.clone();
            if resolve.contains(Resolve::BENEATH) {
                return Err(Errno::XDEV.into());
            }
        }
        Ok(walk)
    }

    /// Goes to the directory of the last component.
    pub(super) fn find_last(&mut self) -> Result<Last> {
        loop {
            self.skip_slashes();
            let rest = &self.path[self.done..];
            if rest.is_empty() {
                return Ok(Last::Root);
            }
            let length = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
            let start = self.done;
            self.done += length;
            let slash = self.done < self.path.len();
            self.check_search()?;
            let at_end = !slash || self.path[self.done..].iter().all(|&byte| byte == b'/');
            let name = &self.path[start..self.done];
            match (name, at_end) {
                (b".", true) => return Ok(Last::Dot),
                (b"..", true) => return Ok(Last::DotDot),
                (_, true) => {
                    let name = name.to_vec();
                    return Ok(Last::Name { name, slash });
                }
                (b".", false) => {}
                (b"..", false) => self.up()?,
                (_, false) => {
                    let child = self.place.dentry.child(name)?;
                    if !self.enter(child, true)? && !self.place.dentry.is_directory() {
                        return Err(Errno::NOTDIR.into());
                    }
                }
            }
        }
    }

    fn skip_slashes(&mut self) {
        let rest = &self.path[self.done..];
        self.done += rest.iter().position(|&byte| byte != b'/').unwrap_or(rest.len());
    }

    /// Whether names may be looked up where it stands.
    fn check_search(&self) -> Result<()> {
        let inode = self.place.inode()?;
        if inode.file_type() != FileType::Directory {
            return Err(Errno::NOTDIR.into());
        }
        let ownership = inode.ownership()?;
        Ok(self
            .context
            .credentials
            .check_ownership(FileType::Directory, ownership, Access::EXECUTE)?)
    }

    /// Goes to an entry; `ENOENT` when there is none. With `follow`, a symbolic link puts its target in front of what is left of the path: true is returned, and
    /// the walk goes on from there.
    pub(super) fn down(&mut self, name: &[u8], follow: bool) -> Result<bool> {
        let child = self.place.dentry.child(name)?;
        self.enter(child, follow)
    }

    fn enter(&mut self, child: Arc<Dentry>, follow: bool) -> Result<bool> {
        let inode = child.inode()?;
        if follow && inode.file_type() == FileType::Symlink {
            let link = inode.follow()?;
            if self.place.mount.check_writable().is_ok() {
                inode.note_access();
            }
            self.follow(link)?;
            return Ok(true);
        }
        if child.is_mount_point() {
            let next = self.context.namespace.enter(self.place.with(child));
            self.check_mount(&next)?;
            self.place = next;
        } else {
            self.place.dentry = child;
        }
        Ok(false)
    }

    fn check_mount(&self, next: &Place) -> Result<()> {
        if self.resolve.contains(Resolve::NO_XDEV) && next.mount.id != self.place.mount.id {
            return Err(Errno::XDEV.into());
        }
        Ok(())
    }

    fn follow(&mut self, link: Link) -> Result<()> {
        self.links += 1;
        if self.links > MOST_LINKS || self.resolve.contains(Resolve::NO_SYMLINKS) {
            return Err(Errno::LOOP.into());
        }
        match link {
            Link::Path(mut target) => {
                if target.first() == Some(&b'/') {
                    if self.resolve.contains(Resolve::BENEATH) {
                        return Err(Errno::XDEV.into());
                    }
                    let root = self.root.clone();
                    self.check_mount(&root)?;
                    self.place = root;
                }
                if target.is_empty() {
                    return Err(Errno::NOENT.into());
                }
                target.extend_from_slice(&self.path[self.done..]);
                self.path = target;
                self.done = 0;
            }
            Link::Place(place) => {
                if self.resolve.contains(Resolve::NO_MAGICLINKS) {
                    return Err(Errno::LOOP.into());
                }
                if self.resolve.intersects(Resolve::BENEATH | Resolve::IN_ROOT) {
                    return Err(Errno::XDEV.into());
                }
                self.check_mount(&place)?;
                self.place = place;
            }
        }
        Ok(())
    }

    /// Goes to the directory above.
    pub(super) fn up(&mut self) -> Result<()> {
        let mut place = self.place.clone();
        loop {
            if place == self.root {
                if self.resolve.contains(Resolve::BENEATH) {
                    return Err(Errno::XDEV.into());
                }
                return Ok(());
            }
            if !Arc::ptr_eq(&place.dentry, &place.mount.root) {
                break;
            }
            match place.mount.attached() {
                Some(covered) => place = covered,
                None => return Ok(()),
            }
        }
        if let Some(parent) = place.dentry.parent() {
            place = self.context.namespace.enter(place.with(parent));
        }
        self.check_mount(&place)?;
        self.place = place;
        Ok(())
    }

    /// Goes to the end of the path, which must exist.
    pub(super) fn find_end(&mut self, lookup: Lookup) -> Result<()> {
        let mut directory = lookup.contains(Lookup::DIRECTORY);
        loop {
            match self.find_last()? {
                Last::Root | Last::Dot => {}
                Last::DotDot => self.up()?,
                Last::Name { name, slash } => {
                    directory |= slash;
                    if self.down(&name, slash || lookup.contains(Lookup::FOLLOW))? {
                        continue;
                    }
                }
            }
            if directory && !self.place.dentry.is_directory() {
                return Err(Errno::NOTDIR.into());
            }
            return Ok(());
        }
    }
}

impl Context {
    /// Where a path leads.
    pub fn resolve(&self, path: &[u8], lookup: Lookup) -> Result<Place> {
        self.resolve_within(path, lookup, Resolve::empty())
    }

    /// Where a path leads, within limits.
    pub fn resolve_within(&self, path: &[u8], lookup: Lookup, resolve: Resolve) -> Result<Place> {
        if path.is_empty() && lookup.contains(Lookup::EMPTY) {
            return Ok(self.base.clone());
        }
        let mut walk = Walk::new(self, path, resolve)?;
        walk.find_end(lookup)?;
        Ok(walk.place)
    }

    /// The directory of a path's last component, and that component.
    pub(super) fn resolve_parent(&self, path: &[u8]) -> Result<(Place, Last)> {
        let mut walk = Walk::new(self, path, Resolve::empty())?;
        let last = walk.find_last()?;
        Ok((walk.place, last))
    }
}
