//! Mounted file systems.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use abi::{Errno, OpenFlags};
use bitflags::bitflags;
use file::{File, FileType, Result};
use hal::sync::SpinLock;
use hashbrown::HashMap;

use super::Dentry;
use crate::inode::{FileSystem, Inode};

bitflags! {
    /// What a mount forbids, with the values of `mount(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MountFlags: u32 {
        /// Nothing changes.
        const READ_ONLY = 1;
        /// Set-user-ID bits have no effect.
        const NO_SUID = 2;
        /// Devices do not open.
        const NO_DEVICES = 4;
        /// Nothing is executed, nor mapped to be.
        const NO_EXECUTE = 8;
    }
}

/// A file system at its place.
pub struct Mount {
    /// Its number in `/proc/self/mountinfo`.
    pub id: u64,
    /// Its top.
    pub root: Arc<Dentry>,
    /// What is mounted.
    pub file_system: Arc<dyn FileSystem>,
    /// The first column of `/proc/mounts`.
    pub source: Vec<u8>,
    flags: AtomicU32,
    /// What it covers; `None` for the first of all, and once it is unmounted.
    attached: SpinLock<Option<Place>>,
}

impl Mount {
    /// A mount that is not attached anywhere.
    pub fn new(root: Arc<dyn Inode>, source: &[u8], flags: MountFlags) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            file_system: root.file_system(),
            root: Dentry::top(root, b"/"),
            source: source.to_vec(),
            flags: AtomicU32::new(flags.bits()),
            attached: SpinLock::new(None),
        })
    }

    /// What it forbids.
    pub fn flags(&self) -> MountFlags {
        MountFlags::from_bits_truncate(self.flags.load(Ordering::Relaxed))
    }

    /// Changes what it forbids (`MS_REMOUNT`).
    pub fn set_flags(&self, flags: MountFlags) {
        self.flags.store(flags.bits(), Ordering::Relaxed);
    }

    /// What it covers.
    pub fn attached(&self) -> Option<Place> {
        self.attached.lock().clone()
    }

    /// `EROFS` when nothing may be changed.
    pub(super) fn check_writable(&self) -> core::result::Result<(), Errno> {
        if self.flags().contains(MountFlags::READ_ONLY) {
            return Err(Errno::ROFS);
        }
        Ok(())
    }
}

/// A place in the tree of all names.
#[derive(Clone)]
pub struct Place {
    /// The mounted file system.
    pub mount: Arc<Mount>,
    /// The name in it.
    pub dentry: Arc<Dentry>,
}

impl Place {
    /// The top of a mount.
    pub fn top(mount: &Arc<Mount>) -> Self {
        Self {
            dentry: mount.root.clone(),
            mount: mount.clone(),
        }
    }

    /// A place for a file that has none, such as a pipe: `name` is only for show.
    pub fn anonymous(inode: Arc<dyn Inode>, name: &[u8]) -> Self {
        let mount = Mount::new(inode.clone(), b"none", MountFlags::empty());
        Self {
            mount,
            dentry: Dentry::top(inode, name),
        }
    }

    /// What lies there.
    pub fn inode(&self) -> core::result::Result<&Arc<dyn Inode>, Errno> {
        self.dentry.inode()
    }

    /// Takes note of an access to what lies there.
    pub(super) fn note_access(&self) {
        if let Ok(inode) = self.inode()
            && self.mount.check_writable().is_ok()
        {
            inode.note_access();
        }
    }

    pub(super) fn with(&self, dentry: Arc<Dentry>) -> Self {
        Self {
            mount: self.mount.clone(),
            dentry,
        }
    }

    /// The absolute path as seen from `root`. A name that was removed ends in ` (deleted)`, as in `/proc`; a place that cannot be reached from `root`
    /// begins with `(unreachable)`, as in `getcwd(2)`.
    pub fn path(&self, root: &Place) -> Vec<u8> {
        // An object outside of all directories has a name for show: `pipe:[1]`.
        let name = self.dentry.name();
        if *name != *b"/" && self.dentry.parent().is_none() {
            return name.into_vec();
        }
        let mut names: Vec<_> = Vec::new();
        let mut place = self.clone();
        let mut reached = true;
        while place != *root {
            let up = match place.dentry.parent() {
                Some(parent) if !Arc::ptr_eq(&place.dentry, &place.mount.root) => {
                    names.push(place.dentry.name());
                    Some(place.with(parent))
                }
                _ => place.mount.attached(),
            };
            let Some(up) = up else {
                reached = false;
                break;
            };
            place = up;
        }
        let mut path = Vec::new();
        if !reached {
            path.extend_from_slice(b"(unreachable)");
        }
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if names.is_empty() {
            path.push(b'/');
        }
        if self.dentry.is_removed() {
            path.extend_from_slice(b" (deleted)");
        }
        path
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mount, &other.mount) && Arc::ptr_eq(&self.dentry, &other.dentry)
    }
}

/// Opens the device behind a device node.
pub type Device = Arc<dyn Fn(OpenFlags) -> Result<Arc<dyn File>> + Send + Sync>;

/// All mounts, and the devices that device nodes lead to.
pub struct Namespace {
    mounts: SpinLock<Vec<Arc<Mount>>>,
    devices: SpinLock<HashMap<u64, Device>>,
}

impl Namespace {
    /// One with a single mount.
    pub fn new(root: &Arc<Mount>) -> Arc<Self> {
        let mounts = alloc::vec![root.clone()];
        Arc::new(Self {
            mounts: SpinLock::new(mounts),
            devices: SpinLock::new(HashMap::new()),
        })
    }

    /// The top of everything.
    pub fn root(&self) -> Place {
        self.enter(Place::top(&self.mounts.lock()[0]))
    }

    /// All mounts, in the order in which they were made.
    pub fn mounts(&self) -> Vec<Arc<Mount>> {
        self.mounts.lock().clone()
    }

    /// Mounts over a place. `ENOTDIR` when exactly one of the two is a directory.
    pub fn mount(&self, over: &Place, mount: &Arc<Mount>) -> core::result::Result<(), Errno> {
        let over = self.enter(over.clone());
        if over.dentry.is_directory() != mount.root.is_directory() {
            return Err(Errno::NOTDIR);
        }
        over.dentry.count_mount(true);
        *mount.attached.lock() = Some(over);
        self.mounts.lock().push(mount.clone());
        Ok(())
    }

    /// Takes away the mount whose top a place is. `EINVAL` when it is not one, `EBUSY` when something is mounted inside.
    pub fn unmount(&self, top: &Place) -> core::result::Result<(), Errno> {
        let attached = top.mount.attached().ok_or(Errno::INVAL)?;
        if !Arc::ptr_eq(&top.dentry, &top.mount.root) {
            return Err(Errno::INVAL);
        }
        let mut mounts = self.mounts.lock();
        let covered = |mount: &Arc<Mount>| {
            mount
                .attached()
                .is_some_and(|over| Arc::ptr_eq(&over.mount, &top.mount))
        };
        if mounts.iter().any(covered) {
            return Err(Errno::BUSY);
        }
        mounts.retain(|mount| !Arc::ptr_eq(mount, &top.mount));
        drop(mounts);
        attached.dentry.count_mount(false);
        *top.mount.attached.lock() = None;
        Ok(())
    }

    /// What lies at a place after all that is mounted over it.
    pub(super) fn enter(&self, mut place: Place) -> Place {
        while place.dentry.is_mount_point() {
            let mounts = self.mounts.lock();
            let over = mounts.iter().find(|mount| mount.attached().as_ref() == Some(&place));
            match over {
                Some(mount) => place = Place::top(mount),
                None => break,
            }
        }
        place
    }

    /// Makes a character device openable by its number (`st_rdev`).
    pub fn register_device(&self, number: u64, device: Device) {
        self.devices.lock().insert(number, device);
    }

    /// The device of a device node; `ENXIO` when there is none.
    pub(super) fn device(&self, file_type: FileType, number: u64) -> core::result::Result<Device, Errno> {
        match file_type {
            FileType::CharacterDevice => self.devices.lock().get(&number).cloned().ok_or(Errno::NXIO),
            _ => Err(Errno::NXIO),
        }
    }
}
