//! Where a process stands among the names of files.

use alloc::sync::Arc;

use file::Shareable;
use fs::vfs::{Capabilities, Context, Namespace, Place};

use super::{Credentials, Process};

/// What `chroot(2)`, `chdir(2)` and `umask(2)` change. Processes and threads may share it (`CLONE_FS`).
pub struct Paths {
    /// The mounted file systems.
    pub namespace: Arc<Namespace>,
    places: Shareable<Places>,
}

/// The places and the mask of [`Paths`].
#[derive(Clone)]
pub struct Places {
    /// What `/` means.
    pub root: Place,
    /// The working directory.
    pub working: Place,
    /// Permission bits that new files do not get.
    pub umask: u16,
}

impl Paths {
    /// At the top of all names.
    pub fn new(namespace: Arc<Namespace>) -> Self {
        let root = namespace.root();
        Self {
            namespace,
            places: Shareable::new(Places {
                working: root.clone(),
                root,
                umask: 0o022,
            }),
        }
    }

    /// The same for another process or thread, or a copy.
    pub(super) fn for_another(&self, share: bool) -> Self {
        Self {
            namespace: self.namespace.clone(),
            places: if share {
                self.places.share()
            } else {
                Shareable::new(self.places())
            },
        }
    }

    /// From now on what changes here does so for nobody else.
    pub(super) fn unshare(&self) {
        self.places.unshare(Places::clone);
    }

    /// Takes what `other` has in the place of its own.
    pub(super) fn become_copy_of(&self, other: &Self) {
        drop(self.places.replace(other.places()));
    }

    /// What it has in common with those who share it, and with nobody else.
    pub fn identity(&self) -> usize {
        self.places.identity()
    }

    /// As they are now.
    pub fn places(&self) -> Places {
        self.places.with(|places| places.clone())
    }

    /// Changes them.
    pub fn update<T>(&self, change: impl FnOnce(&mut Places) -> T) -> T {
        self.places.with(change)
    }
}

impl Process {
    /// To look up paths: relative ones begin at `base`, or at the working directory when that is `None`.
    pub fn context(&self, base: Option<Place>) -> Context {
        self.context_at(&self.paths, base)
    }

    /// The same for a thread whose paths these are.
    pub(super) fn context_at(&self, paths: &Paths, base: Option<Place>) -> Context {
        let places = paths.places();
        Context {
            namespace: paths.namespace.clone(),
            base: base.unwrap_or(places.working),
            root: places.root,
            credentials: self.file_credentials(),
            umask: places.umask,
        }
    }
}

impl Credentials {
    /// Who this is for file systems.
    pub(super) fn for_files(&self) -> fs::vfs::Credentials {
        fs::vfs::Credentials {
            user: self.fsuid,
            group: self.fsgid,
            groups: self.groups.clone(),
            capabilities: Capabilities::from_bits_truncate(self.capabilities.effective),
        }
    }
}
