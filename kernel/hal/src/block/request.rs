//! Requests on their way.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use super::figures::Counter;
use super::{Done, Protocol, Read, TRIES, patience};
use crate::mem::{Frame, PAGE_SIZE};
use crate::sync::SpinLock;
use crate::time;

/// One of the disks behind a channel.
pub(crate) struct Unit {
    /// What the driver calls it: a namespace, a target and logical unit.
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    /// The binary logarithm of its blocks' size: 9 to 12.
    pub(crate) block_shift: u8,
    /// How many blocks it has.
    pub(crate) blocks: u64,
    pub(crate) counter: Counter,
}

impl Unit {
    pub(crate) fn block_size(&self) -> u64 {
        1 << self.block_shift
    }

    pub(crate) fn size(&self) -> u64 {
        self.blocks.saturating_mul(self.block_size())
    }
}

/// A share of a read that goes out in one piece.
pub(super) struct Request {
    pub(super) unit: Arc<Unit>,
    /// First byte, and how many.
    pub(super) offset: u64,
    pub(super) length: usize,
    pub(super) frames: Vec<Frame>,
    pub(super) whole: Arc<Whole>,
    /// How often it was sent.
    pub(super) tries: u8,
    /// When it was asked for.
    pub(super) asked: u64,
    /// When it has failed, whatever happens.
    pub(super) deadline: u64,
}

impl Request {
    /// Cuts a read into pieces of at most `most` pages.
    pub(super) fn pieces(
        unit: &Arc<Unit>,
        offset: u64,
        frames: &[Frame],
        most: usize,
        done: Done,
    ) -> impl Iterator<Item = Self> {
        let asked = time::monotonic();
        let deadline = asked + patience() * u64::from(TRIES);
        let whole = Arc::new(Whole {
            failed: AtomicBool::new(false),
            done: SpinLock::new(Some(done)),
        });
        frames.chunks(most).enumerate().map(move |(index, chunk)| {
            let offset = offset + (index * most * PAGE_SIZE) as u64;
            let length = ((chunk.len() * PAGE_SIZE) as u64).min(unit.size() - offset);
            unit.counter.begin(asked);
            Self {
                unit: unit.clone(),
                offset,
                length: length as usize,
                frames: chunk.to_vec(),
                whole: whole.clone(),
                tries: 0,
                asked,
                deadline,
            }
        })
    }

    pub(super) fn read(&self) -> Read<'_> {
        Read {
            unit: &self.unit,
            block: self.offset >> self.unit.block_shift,
            blocks: (self.length >> self.unit.block_shift) as u32,
            frames: &self.frames,
        }
    }

    /// Ends it.
    pub(super) fn finish(self, succeeded: bool) {
        let filled = self.length % PAGE_SIZE;
        if let Some(last) = self.frames.last()
            && succeeded
            && filled != 0
        {
            last.fill(filled, PAGE_SIZE - filled, 0);
        }
        self.unit.counter.end(self.length, self.asked, time::monotonic());
        self.whole.failed.fetch_or(!succeeded, Ordering::Release);
    }
}

/// A read of one or several requests: `done` is called when the last of them goes.
pub(super) struct Whole {
    failed: AtomicBool,
    done: SpinLock<Option<Done>>,
}

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some(done) = self.done.get_mut().take() {
            done(!*self.failed.get_mut());
        }
    }
}
