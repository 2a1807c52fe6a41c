//! Paths: how names lead to inodes, who may do what, and what the calls on paths mean, as Linux defines them (`path_resolution(7)`).
//!
//! Everything starts at a [`Context`]: who asks, and from where.

mod allocate;
mod attributes;
mod change;
mod children;
mod credentials;
mod dentry;
mod mount;
mod open;
mod open_inode;
mod rename;
mod walk;

use alloc::sync::Arc;

pub use allocate::allocate;
pub use attributes::Time;
pub use credentials::{Access, Capabilities, Credentials};
pub(crate) use dentry::kept_bytes;
pub use dentry::{Dentry, shrink_dentries};
pub use mount::{Device, Mount, MountFlags, Namespace, Place};
pub use open::OpenRequest;
pub use open_inode::OpenInode;
pub use walk::{Lookup, Resolve};

/// Who asks, and from where. The operations on paths are its methods.
#[derive(Clone)]
pub struct Context {
    /// The mounted file systems.
    pub namespace: Arc<Namespace>,
    /// What `/` means.
    pub root: Place,
    /// Where relative paths begin: the working directory, or what a directory's descriptor stands for.
    pub base: Place,
    /// Who asks.
    pub credentials: Arc<Credentials>,
    /// Permission bits that new files do not get.
    pub umask: u16,
}

#[cfg(test)]
mod tests;
