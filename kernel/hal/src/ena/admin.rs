//! The admin queue: commands one at a time, and their answers.

use core::sync::atomic::{Ordering, fence};

use super::command::{self, Answer, Command};
use super::descriptor;
use super::failure::Failure;
use super::register;
use crate::bus::Registers;
use crate::dma::Shared;
use crate::time;

/// Entries of either ring.
const ENTRIES: u16 = 32;
/// How long a command may take, in nanoseconds, when the device does not say.
const PATIENCE: u64 = 3_000_000_000;

pub(super) struct AdminQueue {
    registers: Registers,
    submissions: Shared,
    completions: Shared,
    /// Commands so far: also the next place, and its phase.
    count: u16,
    patience: u64,
}

impl AdminQueue {
    /// `None` when memory is used up.
    pub(super) fn new(registers: Registers) -> Option<Self> {
        let length = usize::from(ENTRIES) * command::SIZE;
        Some(Self {
            registers,
            submissions: Shared::allocate(length)?,
            completions: Shared::allocate(length)?,
            count: 0,
            patience: PATIENCE,
        })
    }

    /// Where the rings are.
    pub(super) fn addresses(&self) -> [u64; 2] {
        [self.submissions.address(0), self.completions.address(0)]
    }

    /// Begins anew, for a device that was reset. Its interrupts stay off: answers are waited for.
    pub(super) fn begin(&mut self) {
        self.submissions.clear();
        self.completions.clear();
        self.count = 0;
        let caps = register::queue_caps(ENTRIES, command::SIZE);
        self.registers.write64(register::AQ_BASE, self.submissions.address(0));
        self.registers.write64(register::ACQ_BASE, self.completions.address(0));
        self.registers.write32(register::AQ_CAPS, caps);
        self.registers.write32(register::ACQ_CAPS, caps);
    }

    /// Sets how long a command may take, in nanoseconds; `None` for the usual time.
    pub(super) fn set_patience(&mut self, patience: Option<u64>) {
        self.patience = patience.unwrap_or(PATIENCE);
    }

    /// Carries a command out and waits for the answer.
    pub(super) fn execute(&mut self, command: Command) -> Result<Answer, Failure> {
        let identifier = u32::from(self.count % ENTRIES);
        let phase = descriptor::phase(self.count, ENTRIES);
        let at = identifier as usize * command::SIZE;
        for (index, &word) in command.words.iter().enumerate().rev() {
            let word = if index == 0 {
                word | identifier | phase << 24
            } else {
                word
            };
            self.submissions.set32(at + index * 4, word, Ordering::Relaxed);
        }
        self.count = self.count.wrapping_add(1);
        fence(Ordering::SeqCst);
        self.registers.write32(register::AQ_DOORBELL, self.count.into());
        let deadline = time::monotonic() + self.patience;
        let status = loop {
            let word = self.completions.get32(at, Ordering::Acquire);
            if word >> 24 & 1 == phase {
                break word;
            }
            if time::monotonic() > deadline {
                return Err(Failure::Silent(command.name));
            }
            core::hint::spin_loop();
        };
        if status & 0xfff != identifier {
            return Err(Failure::Nonsense(command.name));
        }
        match (status >> 16) as u8 {
            0 => {
                let name = command.name;
                let words = core::array::from_fn(|index| self.completions.get32(at + index * 4, Ordering::Relaxed));
                Ok(Answer { name, words })
            }
            refused => Err(Failure::Refused(command.name, refused)),
        }
    }
}
