//! Path resolution.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use abi::Errno;
use bitflags::bitflags;
use file::{FileType, Result, find_byte};

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

/// The last component of a path, which calls treat each in its own way. A walk names it by where it lies in the path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Last<N = Range<usize>> {
    /// A name.
    Name {
        name: N,
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

/// Where the slashes from `start` on end.
#[inline]
fn skip_slashes(path: &[u8], start: usize) -> usize {
    let mut end = start;
    while path.get(end) == Some(&b'/') {
        end += 1;
    }
    end
}

/// A resolution under way.
pub(super) struct Walk<'a> {
    context: &'a Context,
    resolve: Resolve,
    root: &'a Place,
    /// Where it stands.
    pub(super) place: Place,
    /// The path, and how much of it is done.
    path: Cow<'a, [u8]>,
    done: usize,
    links: u32,
}

impl<'a> Walk<'a> {
    /// At the beginning of a path.
    pub(super) fn new(context: &'a Context, path: &'a [u8], resolve: Resolve) -> Result<Self> {
        if path.is_empty() {
            return Err(Errno::NOENT.into());
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        let is_absolute = path[0] == b'/';
        if is_absolute && resolve.contains(Resolve::BENEATH) {
            return Err(Errno::XDEV.into());
        }
        let scoped = resolve.intersects(Resolve::BENEATH | Resolve::IN_ROOT);
        let root = if scoped { &context.base } else { &context.root };
        let start = if is_absolute { root } else { &context.base };
        Ok(Self {
            context,
            resolve,
            root,
            place: start.clone(),
            path: Cow::Borrowed(path),
            done: 0,
            links: 0,
        })
    }

    /// The name that [`Walk::find_last`] has found.
    pub(super) fn name(&self, range: &Range<usize>) -> &[u8] {
        &self.path[range.clone()]
    }

    /// Goes to the directory of the last component.
    pub(super) fn find_last(&mut self) -> Result<Last> {
        loop {
            let path = &*self.path;
            let start = skip_slashes(path, self.done);
            let rest = &path[start..];
            let name = &rest[..find_byte(rest, b'/').unwrap_or(rest.len())];
            let end = start + name.len();
            self.done = end;
            if name.is_empty() {
                return Ok(Last::Root);
            }
            let slash = end < path.len();
            let at_end = skip_slashes(path, end) == path.len();
            self.check_search()?;
            match name {
                b"." if at_end => return Ok(Last::Dot),
                b"." => {}
                b".." if at_end => return Ok(Last::DotDot),
                b".." => self.up()?,
                _ if at_end => {
                    return Ok(Last::Name {
                        name: start..end,
                        slash,
                    });
                }
                _ => {
                    let child = self.place.dentry.child(name)?;
                    if !self.enter(child, true)? && !self.place.dentry.is_directory() {
                        return Err(Errno::NOTDIR.into());
                    }
                }
            }
        }
    }

    /// Whether names may be looked up where it stands.
    fn check_search(&self) -> Result<()> {
        let inode = self.place.inode()?;
        if !self.place.dentry.is_directory() {
            return Err(Errno::NOTDIR.into());
        }
        let credentials = &self.context.credentials;
        if credentials.searches_all() {
            return Ok(());
        }
        Ok(credentials.check_ownership(FileType::Directory, inode.ownership()?, Access::EXECUTE)?)
    }

    /// Goes to the entry that the last component names, as [`Walk::enter`] does.
    pub(super) fn down(&mut self, name: &Range<usize>, follow: bool) -> Result<bool> {
        let child = self.place.dentry.child(self.name(name))?;
        self.enter(child, follow)
    }

    /// Goes to an entry of where it stands; `ENOENT` when there is none. With `follow`, a symbolic link puts its target in front of what is left of the
    /// path: true is returned, and the walk goes on from there.
    pub(super) fn enter(&mut self, child: Arc<Dentry>, follow: bool) -> Result<bool> {
        let inode = child.inode()?;
        if follow && child.has_type(FileType::Symlink) {
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
                    self.check_mount(self.root)?;
                    self.place = self.root.clone();
                }
                if target.is_empty() {
                    return Err(Errno::NOENT.into());
                }
                target.extend_from_slice(&self.path[self.done..]);
                self.path = Cow::Owned(target);
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
            if place == *self.root {
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
    pub(super) fn resolve_parent(&self, path: &[u8]) -> Result<(Place, Last<Vec<u8>>)> {
        let mut walk = Walk::new(self, path, Resolve::empty())?;
        let last = match walk.find_last()? {
            Last::Name { name, slash } => Last::Name {
                name: walk.name(&name).to_vec(),
                slash,
            },
            Last::Dot => Last::Dot,
            Last::DotDot => Last::DotDot,
            Last::Root => Last::Root,
        };
        Ok((walk.place, last))
    }
}
