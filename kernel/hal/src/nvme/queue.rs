//! A submission queue and the completion queue that answers it (section 3.3.1).

use core::sync::atomic::Ordering;

use super::command::{self, Command, Completion, QueueShape};
use super::register;
use crate::bus::Registers;
use crate::dma::Shared;

/// Bytes of a completion queue entry.
const COMPLETION: usize = 16;

/// A pair of queues of the same number.
pub(super) struct Pair {
    number: u16,
    entries: u16,
    submissions: Shared,
    completions: Shared,
    /// The next place to submit to, and what the controller was told of it.
    tail: u16,
    told: u16,
    /// The next place where a completion comes, and what the controller was told of it.
    head: u16,
    acknowledged: u16,
    /// The value of the phase bit of new completions.
    phase: u32,
    /// The two doorbells.
    doorbells: Registers,
    stride: usize,
}

impl Pair {
    /// A pair of `entries` places each; the caller keeps one of them free. `None` when memory is used up.
    pub(super) fn new(number: u16, entries: u16, registers: Registers, stride: usize) -> Option<Self> {
        Some(Self {
            number,
            entries,
            submissions: Shared::allocate(usize::from(entries) * command::SIZE)?,
            completions: Shared::allocate(usize::from(entries) * COMPLETION)?,
            tail: 0,
            told: 0,
            head: 0,
            acknowledged: 0,
            phase: 1,
            doorbells: registers.part(register::DOORBELLS + 2 * usize::from(number) * stride, 2 * stride)?,
            stride,
        })
    }

    /// Begins anew, for a controller that was reset.
    pub(super) fn clear(&mut self) {
        self.submissions.clear();
        self.completions.clear();
        (self.tail, self.told) = (0, 0);
        (self.head, self.acknowledged, self.phase) = (0, 0, 1);
    }

    /// The submission queue, then the completion queue.
    pub(super) fn shapes(&self) -> (QueueShape, QueueShape) {
        let shape = |memory: &Shared| QueueShape {
            number: self.number,
            entries: self.entries,
            address: memory.address(0),
        };
        (shape(&self.submissions), shape(&self.completions))
    }

    /// Puts a command in place. The caller has fewer than `entries` under way.
    pub(super) fn push(&mut self, command: &Command) {
        let at = usize::from(self.tail) * command::SIZE;
        for (index, &word) in command.0.iter().enumerate() {
            self.submissions.set32(at + index * 4, word, Ordering::Relaxed);
        }
        self.tail = (self.tail + 1) % self.entries;
    }

    /// Tells the controller of the commands in place.
    pub(super) fn ring(&mut self) {
        if self.told != self.tail {
            self.told = self.tail;
            core::sync::atomic::fence(Ordering::SeqCst);
            self.doorbells.write32(0, u32::from(self.tail));
        }
    }

    /// The next completion.
    pub(super) fn pop(&mut self) -> Option<Completion> {
        let word = self
            .completions
            .get32(usize::from(self.head) * COMPLETION + 12, Ordering::Acquire);
        if word >> 16 & 1 != self.phase {
            return None;
        }
        self.head += 1;
        if self.head == self.entries {
            self.head = 0;
            self.phase ^= 1;
        }
        Some(Completion::decode(word))
    }

    /// Tells the controller which completions were taken.
    pub(super) fn acknowledge(&mut self) {
        if self.acknowledged == self.head {
            return;
        }
        self.acknowledged = self.head;
        self.doorbells.write32(self.stride, u32::from(self.head));
    }
}
