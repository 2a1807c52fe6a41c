//! Files in memory: tmpfs, alone or over a read-only file system.
//!
//! Over a lower file system it is what Linux's overlayfs is with a tmpfs as its upper layer. Since nothing of it outlives the guest, it needs no
//! copies and no markers in a second file system: a [`Node`] of a lower inode keeps what differs from it, a page, a name, an attribute at a
//! time. So a write to a large file of the image costs the pages written, a directory of the image is renamed at once, hard links
//! and mappings stay the same file before and after the first write, and inode numbers never change.

mod directory;
mod limits;
mod node;
mod regular;
mod seals;
#[cfg(test)]
mod tests;

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU64, Ordering};

use abi::Errno;
use file::Result;
use hal::mem::PAGE_SIZE;
use hal::sync::SpinLock;
use hashbrown::HashMap;

use crate::inode::{FileSystem, Inode, NewInode, NewKind, Statistics};
use limits::Limits;
pub use limits::written_pages;
pub use node::Node;
pub use seals::Seals;

const TMPFS_MAGIC: u32 = 0x0102_1994;
const OVERLAY_MAGIC: u32 = 0x794c_7630;
/// The number of the first new inode over a lower file system, above all of its own.
const FIRST_OVER_LOWER: u64 = 1 << 32;

/// A file system in memory.
pub struct Tmpfs {
    this: Weak<Self>,
    name: &'static str,
    device_number: u64,
    limits: Limits,
    /// Whether files that were written at run time may be executed.
    executes_written: bool,
    next_inode: AtomicU64,
    /// The nodes of lower inodes, by number.
    nodes: SpinLock<HashMap<u64, Known>>,
}

/// A node that stands for a lower inode.
enum Known {
    /// As long as somebody uses it: it could be made again.
    Unchanged(Weak<Node>),
    /// For ever: it differs from the lower inode.
    Changed(Arc<Node>),
}

/// Options of a mount. The default is half of memory and no other limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Bytes that files may take (`size=`); `None` for half of memory, 0 for no limit.
    pub size: Option<u64>,
    /// Inodes that there may be (`nr_inodes=`); `None` or 0 for no limit.
    pub inodes: Option<u64>,
    /// Permission bits of the top directory (`mode=`); `None` for 1777.
    pub permissions: Option<u16>,
    /// Owner of the top directory (`uid=`).
    pub uid: u32,
    /// Group of the top directory (`gid=`).
    pub gid: u32,
    /// Whether files that were written at run time may be executed, or mapped to be. What `lower` holds always may.
    pub executes_written: bool,
}

impl Tmpfs {
    /// An empty file system and its top directory.
    pub fn create(options: &Options) -> (Arc<Self>, Arc<dyn Inode>) {
        Self::create_named("tmpfs", options)
    }

    /// As [`Tmpfs::create`], under another name in `/proc/mounts`.
    pub fn create_named(name: &'static str, options: &Options) -> (Arc<Self>, Arc<dyn Inode>) {
        let file_system = Self::new(name, options, 1);
        let root = NewInode {
            kind: NewKind::Directory,
            permissions: options.permissions.unwrap_or(0o1777),
            uid: options.uid,
            gid: options.gid,
        };
        // Counted as on Linux; a limit leaves room for it at the least.
        let _ = file_system.limits.take_inode();
        let root = Node::create(&file_system, &root, file_system.number());
        (file_system, root)
    }

    /// A file system that shows `lower`, a directory, and keeps what is changed in memory.
    pub fn over(lower: &Arc<dyn Inode>, options: &Options) -> Result<(Arc<Self>, Arc<dyn Inode>)> {
        let file_system = Self::new("overlay", options, FIRST_OVER_LOWER);
        let root = file_system.wrap(lower.clone())?;
        Ok((file_system, root))
    }

    fn new(name: &'static str, options: &Options, first_inode: u64) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            name,
            device_number: crate::inode::allocate_device_number(),
            limits: Limits::new(options),
            executes_written: options.executes_written,
            next_inode: AtomicU64::new(first_inode),
            nodes: SpinLock::new(HashMap::new()),
        })
    }

    /// A regular file without a name (`memfd_create(2)`), sealable or not.
    pub fn memory_file(&self, permissions: u16, sealable: bool) -> Result<Arc<dyn Inode>> {
        let new = NewInode {
            kind: NewKind::Regular,
            permissions,
            uid: 0,
            gid: 0,
        };
        let node = self.create_node(&new)?;
        if sealable {
            node.allow_seals();
        }
        Ok(node)
    }

    fn number(&self) -> u64 {
        self.next_inode.fetch_add(1, Ordering::Relaxed)
    }

    fn create_node(&self, new: &NewInode<'_>) -> Result<Arc<Node>> {
        self.limits.take_inode()?;
        let this = self.this.upgrade().ok_or(Errno::IO)?;
        Ok(Node::create(&this, new, self.number()))
    }

    /// The node of a lower inode: the same as long as it is in use or changed.
    fn wrap(&self, lower: Arc<dyn Inode>) -> Result<Arc<Node>> {
        let status = lower.status()?;
        let this = self.this.upgrade().ok_or(Errno::IO)?;
        let mut nodes = self.nodes.lock();
        let known = match nodes.get(&status.inode) {
            Some(Known::Changed(node)) => Some(node.clone()),
            Some(Known::Unchanged(node)) => node.upgrade(),
            None => None,
        };
        if let Some(node) = known {
            return Ok(node);
        }
        let node = Node::over(&this, lower, &status);
        nodes.insert(status.inode, Known::Unchanged(Arc::downgrade(&node)));
        Ok(node)
    }

    /// Keeps a node that differs from its lower inode, unless its last name went meanwhile.
    fn keep(&self, node: Arc<Node>) {
        let mut nodes = self.nodes.lock();
        if node.has_name() {
            nodes.insert(node.number(), Known::Changed(node));
        }
    }

    /// Lets go of a node that no name leads to any more; it lives on while it is open.
    fn release(&self, node: &Node) {
        let known = self.nodes.lock().remove(&node.number());
        // Outside of the lock, which the node's end takes.
        drop(known);
    }

    /// A node of a lower inode has ended.
    fn forget(&self, number: u64) {
        let mut nodes = self.nodes.lock();
        if matches!(nodes.get(&number), Some(Known::Unchanged(node)) if node.strong_count() == 0) {
            nodes.remove(&number);
        }
    }
}

impl FileSystem for Tmpfs {
    fn name(&self) -> &'static str {
        self.name
    }

    fn statistics(&self) -> Statistics {
        let (blocks, free_blocks) = self.limits.pages();
        let (inodes, free_inodes) = self.limits.inodes();
        Statistics {
            magic: if self.name == "overlay" {
                OVERLAY_MAGIC
            } else {
                TMPFS_MAGIC
            },
            block_size: PAGE_SIZE as u32,
            blocks,
            free_blocks,
            inodes,
            free_inodes,
            name_length: 255,
        }
    }
}
