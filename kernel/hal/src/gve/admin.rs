//! The admin queue: commands one at a time, in one page.

use core::sync::atomic::{Ordering, fence};

use super::command::{Command, WORDS};
use super::failure::Failure;
use super::register::{self, BigEndian};
use crate::dma::Shared;
use crate::mem::PAGE_SIZE;
use crate::time;

const ENTRIES: usize = PAGE_SIZE / (4 * WORDS);
/// How long a command may take, in nanoseconds.
const PATIENCE: u64 = 2_000_000_000;
/// Statuses (`gve_adminq_statuses`).
const UNSET: u32 = 0;
const PASSED: u32 = 1;

pub(super) struct AdminQueue {
    registers: BigEndian,
    commands: Shared,
    /// Commands so far.
    count: u32,
}

impl AdminQueue {
    /// `None` when memory is used up.
    pub(super) fn new(registers: BigEndian) -> Option<Self> {
        Some(Self {
            registers,
            commands: Shared::allocate(PAGE_SIZE)?,
            count: 0,
        })
    }

    /// Begins anew, with a device that was reset.
    pub(super) fn begin(&mut self, revision: u8) {
        self.commands.clear();
        self.count = 0;
        let address = self.commands.address(0);
        if revision == 0 {
            let page = address / PAGE_SIZE as u64;
            self.registers.write(register::ADMINQ_PFN, page as u32);
        } else {
            self.registers.write16(register::ADMINQ_LENGTH, PAGE_SIZE as u16);
            self.registers
                .write(register::ADMINQ_BASE_ADDRESS_HI, (address >> 32) as u32);
            self.registers.write(register::ADMINQ_BASE_ADDRESS_LO, address as u32);
            self.registers
                .write(register::DRIVER_STATUS, register::DRIVER_STATUS_RUN);
        }
    }

    /// Carries a command out and waits until it is.
    pub(super) fn execute(&mut self, command: Command) -> Result<(), Failure> {
        let at = self.count as usize % ENTRIES * (4 * WORDS);
        for (index, word) in command.words.iter().enumerate() {
            self.commands.set32(at + index * 4, word.to_be(), Ordering::Relaxed);
        }
        self.count = self.count.wrapping_add(1);
        fence(Ordering::SeqCst);
        self.registers.write(register::ADMINQ_DOORBELL, self.count);
        let deadline = time::monotonic() + PATIENCE;
        while self.registers.read(register::ADMINQ_EVENT_COUNTER) != self.count {
            if time::monotonic() > deadline {
                return Err(Failure::Silent(command.name));
            }
            core::hint::spin_loop();
        }
        match u32::from_be(self.commands.get32(at + 4, Ordering::Acquire)) {
            PASSED => Ok(()),
            UNSET => Err(Failure::Nonsense(command.name)),
            status => Err(Failure::Refused(command.name, status)),
        }
    }
}
