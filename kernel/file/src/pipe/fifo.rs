//! Pipes with a name.

use abi::{Errno, OpenFlags};
use alloc::sync::Arc;

use super::{Owner, Pipe, PipeEnd};
use crate::File;

/// What the inode of a FIFO holds: the pipe that all its openers share.
pub struct Fifo(Arc<Pipe>);

impl Fifo {
    /// An empty one.
    #[expect(clippy::new_without_default, reason = "each is a pipe of its own")]
    pub fn new() -> Self {
        Self(Pipe::new(Owner::default()))
    }

    /// Opens an end, or both with `O_RDWR`. `node` has the attributes that `fstat(2)` reports. `ENXIO` for a writer with `O_NONBLOCK`
    /// when nobody reads. Without `O_NONBLOCK` the caller waits for [`PipeEnd::peer_opened`].
    pub fn open(&self, flags: OpenFlags, node: Arc<dyn File>) -> Result<Arc<PipeEnd>, Errno> {
        let only_writes = flags.writes() && !flags.reads();
        if only_writes && flags.contains(OpenFlags::NONBLOCK) && self.0.state.lock().readers == 0 {
            return Err(Errno::NXIO);
        }
        Ok(PipeEnd::open(&self.0, flags.difference(OpenFlags::DIRECT), Some(node)))
    }
}
