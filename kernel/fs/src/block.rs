//! Where file systems read their blocks from.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use hal::mem::Frame;
use task::Completion;

/// A disk that is read in blocks of one page.
pub trait BlockDevice: Send + Sync {
    /// Blocks of [`hal::mem::PAGE_SIZE`] bytes that the disk has.
    fn block_count(&self) -> u64;

    /// Starts to read the blocks from `first_block` on, one into each frame. The frames must not be looked at before the transfer has
    /// ended. A range that leaves the disk ends with a failure.
    fn read(&self, first_block: u64, frames: &[Frame]) -> Transfer;
}

/// A read that is under way. Clones share it.
#[derive(Clone, Debug)]
pub struct Transfer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    completion: Completion,
    failed: AtomicBool,
}

impl Transfer {
    /// One that has just started.
    #[expect(
        clippy::new_without_default,
        reason = "a default transfer would be one that nobody ends"
    )]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            completion: Completion::new(),
            failed: AtomicBool::new(false),
        }))
    }

    /// Ends it: with all data in place, or not.
    pub fn finish(&self, succeeded: bool) {
        self.0.failed.store(!succeeded, Ordering::Release);
        self.0.completion.complete();
    }

    /// Whether it succeeded; `None` while it is under way.
    pub fn succeeded(&self) -> Option<bool> {
        self.0
            .completion
            .is_complete()
            .then(|| !self.0.failed.load(Ordering::Acquire))
    }

    /// Its end, to wait for.
    pub fn completion(&self) -> Completion {
        self.0.completion.clone()
    }
}
