//! `open(2)`.

use alloc::sync::Arc;

use abi::{Errno, OpenFlags};
use file::pipe::Fifo;
use file::{File, FileType, Result};

use super::attributes::drop_set_ids;
use super::walk::{Last, Walk};
use super::{Access, Context, Dentry, Lookup, MountFlags, OpenInode, Place, Resolve};
use crate::inode::{Inode, NewKind};
use crate::inotify::{self, Events};
use crate::text::Writing;

/// How to open a path: `struct open_how` of `openat2(2)`, with flags that are known.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenRequest {
    /// `O_*`.
    pub flags: OpenFlags,
    /// Permission bits of a new file, before the umask.
    pub mode: u16,
    /// `RESOLVE_*`.
    pub resolve: Resolve,
}

/// `O_TMPFILE` has a bit of its own and that of `O_DIRECTORY`.
const UNNAMED: OpenFlags = OpenFlags::TMPFILE.union(OpenFlags::DIRECTORY);

impl Context {
    /// Opens a path. An [`OpenInode`], or for a FIFO an end of its pipe: then the caller may have to wait for the other end.
    pub fn open(&self, path: &[u8], request: OpenRequest) -> Result<Arc<dyn File>> {
        let OpenRequest { flags, mode, resolve } = request;
        let mut lookup = Lookup::FOLLOW;
        lookup.set(Lookup::FOLLOW, !flags.contains(OpenFlags::NOFOLLOW));
        lookup.set(Lookup::DIRECTORY, flags.contains(OpenFlags::DIRECTORY));
        if flags.contains(OpenFlags::PATH) {
            let place = self.resolve_within(path, lookup, resolve)?;
            return Ok(OpenInode::path_only(&place)?);
        }
        if flags.contains(OpenFlags::TMPFILE) {
            if !flags.contains(UNNAMED) || flags.contains(OpenFlags::CREAT) || !flags.writes() {
                return Err(Errno::INVAL.into());
            }
            let directory = self.resolve_within(path, lookup, resolve)?;
            return self.open_unnamed(&directory, mode);
        }
        if flags.contains(OpenFlags::CREAT | OpenFlags::DIRECTORY) {
            return Err(Errno::INVAL.into());
        }
        if flags.contains(OpenFlags::CREAT) {
            return self.open_or_create(path, request);
        }
        let place = self.resolve_within(path, lookup, resolve)?;
        self.open_place(&place, flags, false)
    }

    fn open_or_create(&self, path: &[u8], request: OpenRequest) -> Result<Arc<dyn File>> {
        let OpenRequest { flags, mode, resolve } = request;
        let exclusive = flags.contains(OpenFlags::EXCL);
        let follow = !exclusive && !flags.contains(OpenFlags::NOFOLLOW);
        let mut walk = Walk::new(self, path, resolve)?;
        let mut created = false;
        loop {
            match walk.find_last()? {
                Last::Root | Last::Dot => {}
                Last::DotDot => walk.up()?,
                Last::Name { slash: true, .. } => return Err(Errno::ISDIR.into()),
                Last::Name { name, .. } => {
                    let directory = walk.place.clone();
                    let (dentry, is_new) = self.find_or_create(&directory, walk.name(&name), mode)?;
                    if is_new {
                        walk.place = directory.with(dentry);
                        created = true;
                    } else if walk.enter(dentry, follow)? {
                        continue;
                    } else if !exclusive {
                        self.check_foreign(&directory, &walk.place)?;
                    }
                }
            }
            break;
        }
        if exclusive && !created {
            return Err(Errno::EXIST.into());
        }
        if walk.place.dentry.is_directory() {
            return Err(Errno::ISDIR.into());
        }
        self.open_place(&walk.place, flags, created)
    }

    /// `EACCES` for somebody else's special file in a directory like `/tmp`, which the caller meant to make.
    fn check_foreign(&self, directory: &Place, found: &Place) -> Result<()> {
        const SHARED: u16 = 0o1002;
        let (above, inode) = (directory.inode()?.status()?, found.inode()?);
        let usual = [FileType::Regular, FileType::Fifo, FileType::Directory].contains(&inode.file_type());
        if usual || above.permissions & SHARED != SHARED {
            return Ok(());
        }
        let owner = inode.status()?.uid;
        if owner != above.uid && owner != self.credentials.user {
            return Err(Errno::ACCES.into());
        }
        Ok(())
    }

    /// The entry `name`, or a new regular file (true). Who looked for it again might not find it any more.
    fn find_or_create(&self, directory: &Place, name: &[u8], mode: u16) -> Result<(Arc<Dentry>, bool)> {
        // Most files that are opened for writing exist, or were just looked for.
        let found = directory.dentry.child(name)?;
        if found.exists() {
            return Ok((found, false));
        }
        let mut children = directory.dentry.lock();
        let found = directory.dentry.child_locked(&mut children, name)?;
        if found.exists() {
            return Ok((found, false));
        }
        directory.mount.check_writable()?;
        self.check_create(directory)?;
        let inode = directory.inode()?;
        let new = self.new_inode(&inode.status()?, NewKind::Regular, mode & 0o7777 & !self.umask);
        let created = inode.create(name, &new)?;
        inotify::entry(&**inode, name, &*created, Events::CREATE);
        let dentry = directory.dentry.created(&mut children, name, created);
        drop(children);
        dentry.keep();
        Ok((dentry, true))
    }

    fn open_unnamed(&self, directory: &Place, mode: u16) -> Result<Arc<dyn File>> {
        directory.mount.check_writable()?;
        let inode = directory.inode()?;
        if inode.file_type() != FileType::Directory {
            return Err(Errno::NOTDIR.into());
        }
        let status = inode.status()?;
        self.credentials.check(&status, Access::WRITE | Access::EXECUTE)?;
        let new = self.new_inode(&status, NewKind::Regular, mode & 0o7777 & !self.umask);
        let created = inode.create_unnamed(&new)?;
        let mut name = directory.path(&self.root);
        if name.last() != Some(&b'/') {
            name.push(b'/');
        }
        name.extend_from_slice(alloc::format!("#{} (deleted)", created.status()?.inode).as_bytes());
        let place = directory.with(Dentry::top(created, &name));
        let writing = Some(Writing::new(&**place.inode()?)?);
        Ok(OpenInode::with_inode(
            &place,
            &self.credentials,
            OpenFlags::RDWR,
            writing,
        )?)
    }

    /// Opens a file that no path leads to (`memfd_create(2)`); `name` is what `/proc/self/fd` shows. As on Linux it may be run meanwhile.
    pub fn open_memory_file(&self, inode: Arc<dyn Inode>, name: &[u8]) -> Result<Arc<dyn File>> {
        let place = Place::anonymous(inode, name);
        Ok(OpenInode::with_inode(&place, &self.credentials, OpenFlags::RDWR, None)?)
    }

    /// Opens what lies at a place, such as a handle made with `O_PATH`. `created`: by this very call, so that permissions do not matter.
    pub fn open_place(&self, place: &Place, flags: OpenFlags, created: bool) -> Result<Arc<dyn File>> {
        let inode = place.inode()?;
        let file_type = inode.file_type();
        let truncates = flags.contains(OpenFlags::TRUNC) && file_type == FileType::Regular;
        if !created {
            self.check_open(place, flags)?;
        }
        if flags.contains(OpenFlags::DIRECTORY) && file_type != FileType::Directory {
            return Err(Errno::NOTDIR.into());
        }
        let special = matches!(
            file_type,
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Fifo | FileType::Socket
        );
        if (truncates || flags.writes()) && !special {
            place.mount.check_writable()?;
        }
        let writing = (file_type == FileType::Regular && (truncates || flags.writes()))
            .then(|| Writing::new(&**inode))
            .transpose()?;
        let opened: Result<Arc<dyn File>> = match file_type {
            FileType::Socket => Err(Errno::NXIO.into()),
            _ if let Some(file) = inode.open(flags)? => Ok(OpenInode::with_file(place, file, flags)?),
            FileType::Fifo => open_fifo(place, inode, flags),
            FileType::CharacterDevice | FileType::BlockDevice => {
                let number = inode.status()?.special_device;
                let device = self.namespace.device(file_type, number)?;
                Ok(OpenInode::with_file(place, device(flags)?, flags)?)
            }
            _ => {
                if truncates && !created {
                    drop_set_ids(&self.credentials, &**inode)?;
                    inode.truncate(0)?;
                    inotify::happened(&place.dentry, Events::MODIFY);
                }
                let writing = writing.filter(|_| flags.writes());
                Ok(OpenInode::with_inode(place, &self.credentials, flags, writing)?)
            }
        };
        let file = opened?;
        inotify::happened(&place.dentry, Events::OPEN);
        Ok(file)
    }

    /// Whether the caller may open what lies at a place.
    fn check_open(&self, place: &Place, flags: OpenFlags) -> Result<()> {
        let inode = place.inode()?;
        let mut access = match flags.access() {
            OpenFlags::WRONLY => Access::WRITE,
            mode if mode.is_empty() => Access::READ,
            _ => Access::READ | Access::WRITE,
        };
        access.set(
            Access::WRITE,
            access.contains(Access::WRITE) || flags.contains(OpenFlags::TRUNC),
        );
        match inode.file_type() {
            FileType::Symlink => return Err(Errno::LOOP.into()),
            FileType::Directory if access.contains(Access::WRITE) => return Err(Errno::ISDIR.into()),
            FileType::CharacterDevice | FileType::BlockDevice
                if place.mount.flags().contains(MountFlags::NO_DEVICES) =>
            {
                return Err(Errno::ACCES.into());
            }
            _ => {}
        }
        let status = inode.status()?;
        self.credentials.check(&status, access)?;
        if flags.contains(OpenFlags::NOATIME) && !self.credentials.owns(&status) {
            return Err(Errno::PERM.into());
        }
        Ok(())
    }
}

/// Opens an end of the pipe behind a FIFO; the node keeps the pipe as long as it has openers.
fn open_fifo(place: &Place, inode: &Arc<dyn Inode>, flags: OpenFlags) -> Result<Arc<dyn File>> {
    let attachment = inode
        .attachment(&mut || Some(Arc::new(Fifo::new())))
        .and_then(|attachment| attachment.downcast::<Fifo>().ok())
        .ok_or(Errno::NXIO)?;
    let node: Arc<dyn File> = OpenInode::path_only(place)?;
    Ok(attachment.open(flags, node)?)
}
