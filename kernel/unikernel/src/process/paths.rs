//! Where a process stands among the names of files.

use alloc::sync::Arc;

use fs::vfs::{Capabilities, Context, Namespace, Place};
use hal::sync::SpinLock;

use super::{Credentials, Process};

/// What `chroot(2)`, `chdir(2)` and `umask(2)` change. Processes may share it (`CLONE_FS`).
pub struct Paths {
    /// The mounted file systems.
    pub namespace: Arc<Namespace>,
    places: SpinLock<Places>,
}

impl Clone for Paths {
    fn clone(&self) -> Self {
        Self {
            namespace: self.namespace.clone(),
            places: SpinLock::new(self.places()),
        }
    }
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
            places: SpinLock::new(Places {
                working: root.clone(),
                root,
                umask: 0o022,
            }),
        }
    }

    /// As they are now.
    pub fn places(&self) -> Places {
        self.places.lock().clone()
    }

    /// Changes them.
    pub fn update<T>(&self, change: impl FnOnce(&mut Places) -> T) -> T {
        change(&mut self.places.lock())
    }
}

impl Process {
    /// To look up paths: relative ones begin at `base`, or at the working directory when that is `None`.
    pub fn context(&self, base: Option<Place>) -> Context {
        let places = self.paths.places();
        Context {
            namespace: self.paths.namespace.clone(),
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
