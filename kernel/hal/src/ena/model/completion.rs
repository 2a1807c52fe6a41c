//! Completion queues of frames.

use alloc::vec::Vec;

use super::state::{Direction, State};
use crate::dma::reach::Reach;

pub(super) struct CompletionQueue {
    pub(super) address: u64,
    pub(super) depth: u16,
    /// 32-bit words of an entry.
    pub(super) words: u8,
    /// None where the driver polls.
    pub(super) vector: Option<u16>,
    /// What the first submission queue of it has.
    pub(super) direction: Option<Direction>,
    /// Entries written, modulo 2^16.
    pub(super) tail: u16,
    /// What the driver said last that it has read, modulo 2^16; it need not say it.
    pub(super) head: u16,
    /// Where its registers lie.
    pub(super) registers: usize,
}

/// Registers of a completion queue, from [`CompletionQueue::registers`] on.
pub(super) const HEAD_DB: usize = 0;
pub(super) const INTR: usize = 4;
pub(super) const NUMA: usize = 8;

impl CompletionQueue {
    pub(super) fn bytes(&self) -> usize {
        usize::from(self.depth) * self.entry_bytes()
    }

    fn entry_bytes(&self) -> usize {
        usize::from(self.words) * 4
    }
}

/// The phase of an entry that is the `position`-th ever: 1 in the first round.
pub(super) fn phase(position: u16, depth: u16) -> u32 {
    u32::from((position / depth).is_multiple_of(2))
}

impl State {
    /// The phase that the next completion of a queue has.
    pub(super) fn completion_phase(&self, number: u16) -> u32 {
        self.completions
            .get(&number)
            .map_or(0, |queue| phase(queue.tail, queue.depth))
    }

    /// Writes a completion, whose first word has the phase; its message comes with [`Self::tell_completions`].
    pub(super) fn complete(&mut self, number: u16, words: &[u32]) {
        let Some(queue) = self.completions.get_mut(&number) else {
            return;
        };
        let at = queue.address + u64::from(queue.tail % queue.depth) * queue.entry_bytes() as u64;
        queue.tail = queue.tail.wrapping_add(1);
        let entry: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.publish(&format_args!("completion queue {number}"), at, &entry, 0);
    }

    /// Sends the message of a completion queue.
    pub(super) fn tell_completions(&mut self, number: u16) {
        if let Some(vector) = self.completions.get(&number).and_then(|queue| queue.vector) {
            self.cause(vector);
        }
    }
}
