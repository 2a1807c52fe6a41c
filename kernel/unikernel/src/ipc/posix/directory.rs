//! The file system of queues: one directory.

use abi::Errno;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use file::{DirectoryEntry, FileType, Result, Status};
use fs::vfs::{Context, Mount, MountFlags, Place};
use fs::{AttributeChange, FileSystem, Inode, NewInode, NewKind, Statistics, allocate_device_number};
use hal::sync::SpinLock;

use super::limits::{Attributes, Share};
use super::node::{Node, Ownership};
use super::queue::Queue;
use crate::process::Process;

/// `MQUEUE_MAGIC`
const MAGIC: u32 = 0x1980_0202;
/// The directory's inode number, below those of all queues.
const TOP: u64 = 1;
/// Bytes of the longest name.
const NAME_MAX: usize = 255;

/// The file system.
pub(super) struct Mqueue {
    pub(super) device: u64,
}

impl FileSystem for Mqueue {
    fn name(&self) -> &'static str {
        "mqueue"
    }

    fn statistics(&self) -> Statistics {
        Statistics {
            magic: MAGIC,
            block_size: 4096,
            name_length: NAME_MAX as u32,
            ..Statistics::default()
        }
    }
}

struct State {
    /// The queues that have names, in the order in which they were made.
    queues: Vec<(Box<[u8]>, Arc<Node>)>,
    last: u64,
    ownership: Ownership,
}

/// Its directory.
pub struct Directory {
    file_system: Arc<Mqueue>,
    state: SpinLock<State>,
}

impl Directory {
    /// The one that there is.
    pub fn get() -> Arc<Self> {
        static DIRECTORY: SpinLock<Option<Arc<Directory>>> = SpinLock::new(None);
        let new = || {
            Arc::new(Self {
                file_system: Arc::new(Mqueue {
                    device: allocate_device_number(),
                }),
                state: SpinLock::new(State {
                    queues: Vec::new(),
                    last: TOP,
                    ownership: Ownership::new(0, 0, 0o1777),
                }),
            })
        };
        DIRECTORY.lock().get_or_insert_with(new).clone()
    }

    /// A context in which names lead to queues, wherever this is mounted.
    pub fn context(context: &Context) -> Context {
        let top = Place::top(&Mount::new(Self::get(), b"mqueue", MountFlags::empty()));
        Context {
            root: top.clone(),
            base: top,
            ..context.clone()
        }
    }

    /// Makes a queue. `EEXIST` when the name is taken, and what [`Share::take`] has against it.
    pub fn make(
        &self,
        name: &[u8],
        new: &NewInode<'_>,
        attributes: Attributes,
        process: &Process,
    ) -> core::result::Result<Arc<dyn Inode>, Errno> {
        let mut state = self.state.lock();
        if state.find(name).is_some() {
            return Err(Errno::EXIST);
        }
        let share = Share::take(process, attributes)?;
        state.last += 1;
        let queue = Queue::new(attributes, Some(share));
        let node = Node::new(&self.file_system, state.last, new, queue);
        state.queues.push((name.into(), node.clone()));
        Ok(node)
    }
}

impl State {
    fn find(&self, name: &[u8]) -> Option<usize> {
        self.queues.iter().position(|(other, _)| **other == *name)
    }
}

impl Inode for Directory {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn file_type(&self) -> FileType {
        FileType::Directory
    }

    fn status(&self) -> Result<Status> {
        /// Bytes that Linux counts for each queue.
        const ENTRY: u64 = 20;
        let state = self.state.lock();
        let status = state
            .ownership
            .status(self.file_system.device, TOP, FileType::Directory);
        Ok(Status {
            links: 2,
            size: state.queues.len() as u64 * ENTRY,
            ..status
        })
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        self.file_system.clone()
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        if name.len() > NAME_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        let state = self.state.lock();
        let place = state.find(name).ok_or(Errno::NOENT)?;
        Ok(state.queues[place].1.clone())
    }

    // Most come and go without a path.
    fn caches_names(&self) -> bool {
        false
    }

    fn create(&self, name: &[u8], new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        if !matches!(new.kind, NewKind::Regular) {
            return Err(Errno::PERM.into());
        }
        let process = crate::describe::running_process().ok_or(Errno::PERM)?;
        Ok(self.make(name, new, Attributes::usual(), &process)?)
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        let mut state = self.state.lock();
        let place = state.find(name).ok_or(Errno::NOENT)?;
        let (_, node) = state.queues.remove(place);
        drop(state);
        node.unlink();
        Ok(())
    }

    fn read_directory(&self, from: u64, entry: &mut dyn FnMut(DirectoryEntry<'_>) -> bool) -> Result<()> {
        let queues = {
            let state = self.state.lock();
            // The inode numbers are the order, too.
            let first = state.queues.partition_point(|(_, node)| node.number <= from);
            state.queues[first..].to_vec()
        };
        for (name, node) in &queues {
            let fits = entry(DirectoryEntry {
                inode: node.number,
                next: node.number,
                file_type: FileType::Regular,
                name,
            });
            if !fits {
                break;
            }
        }
        Ok(())
    }

    fn set_attributes(&self, change: &AttributeChange) -> Result<()> {
        self.state.lock().ownership.apply(change);
        Ok(())
    }
}
