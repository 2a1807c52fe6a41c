//! A port and the disk behind it.

use core::sync::atomic::{AtomicBool, Ordering};

use super::command::{self, HEADER, REGION, Shape, TABLE};
use super::register::{hba, port, port_range};
use super::wait;
use crate::block::{Driver, Outcome, Read, Reason, Reset, Verdict};
use crate::bus::Registers;
use crate::dma::Shared;
use crate::mem::PAGE_SIZE;
use crate::sync::SpinLock;
use crate::time;

/// Commands at a time. The disk works on one after the other: more of them only spare the time from one to the next.
const DEPTH: u16 = 8;
/// The most pages of a read: 256 KiB.
const MOST_FRAMES: usize = 64;

/// Where things are in the memory that a port shares with its disk: the list of commands, frames from the disk, and the commands' tables.
const LIST: usize = 0;
const RECEIVED: usize = 0x400;
const TABLES: usize = 0x800;
const TABLE_LENGTH: usize = TABLE + MOST_FRAMES * REGION;
const LENGTH: usize = TABLES + DEPTH as usize * TABLE_LENGTH;

const MILLISECOND: u64 = 1_000_000;
/// How long a port may take to stop (section 10.1.2), in nanoseconds.
const STOP_TIME: u64 = 500 * MILLISECOND;
/// How long a disk may take to come back after a reset, and to answer `IDENTIFY DEVICE`.
const START_TIME: u64 = 10_000 * MILLISECOND;

pub(super) struct Port {
    controller: Registers,
    registers: Registers,
    number: u8,
    memory: Shared,
    inner: SpinLock<Inner>,
    /// Commands stopped and could not be made to go on.
    stuck: AtomicBool,
}

struct Inner {
    /// Bits of commands that are prepared, that the disk has, and that it has done.
    prepared: u32,
    issued: u32,
    done: u32,
    /// The command that failed, and why.
    failed: Option<(u16, Reason)>,
    /// Bytes that each command is to read.
    lengths: [u32; DEPTH as usize],
    /// What a reset waits for, and until when.
    step: Step,
    deadline: u64,
}

#[derive(Clone, Copy)]
enum Step {
    /// The link is held in reset until this time.
    Link(u64),
    Device,
}

impl Port {
    /// Starts the port after a reset of its controller.
    pub(super) fn start(controller: Registers, number: u8) -> Result<(Self, Shape), &'static str> {
        let registers = port_range(controller, number).ok_or("has no registers")?;
        let this = Self {
            controller,
            registers,
            number,
            memory: Shared::allocate(LENGTH).ok_or("finds no memory")?,
            inner: SpinLock::new(Inner {
                prepared: 0,
                issued: 0,
                done: 0,
                failed: None,
                lengths: [0; DEPTH as usize],
                step: Step::Device,
                deadline: 0,
            }),
            stuck: AtomicBool::new(false),
        };
        if !this.stop() {
            return Err("does not stop");
        }
        registers.write64(port::COMMAND_LIST, this.memory.address(LIST));
        registers.write64(port::RECEIVED_FIS, this.memory.address(RECEIVED));
        this.change_command(0, port::POWER | port::RECEIVE);
        if !wait(START_TIME, || this.is_present() && !this.is_busy()) {
            return Err("has a device that does not become ready");
        }
        if registers.read32(port::SIGNATURE) != port::DISK {
            return Err("has something that is no disk");
        }
        this.run();
        let shape = this.identify()?;
        registers.write32(port::INTERRUPT_ENABLE, port::INTERRUPTS);
        Ok((this, shape))
    }

    fn identify(&self) -> Result<Shape, &'static str> {
        let page = Shared::allocate(512).ok_or("finds no memory")?;
        self.prepare(0, command::identify(), [(page.address(0), 512)].into_iter());
        self.registers.write32(port::COMMAND_ISSUE, 1);
        let answered = wait(START_TIME, || {
            let failed = self.registers.read32(port::INTERRUPT_STATUS) & port::ERRORS != 0;
            failed || self.registers.read32(port::COMMAND_ISSUE) & 1 == 0
        });
        let failed = self.registers.read32(port::INTERRUPT_STATUS) & port::ERRORS != 0;
        if !answered || failed || self.registers.read32(port::TASK_FILE) & port::ERROR != 0 {
            return Err("has a disk that does not identify itself");
        }
        self.clear_status();
        let mut identity = [0; 512];
        page.read(0, &mut identity);
        command::shape(&identity)
            .ok_or("has a disk without 48-bit addresses, or with blocks of a size that is not supported")
    }

    fn change_command(&self, clear: u32, set: u32) {
        let value = self.registers.read32(port::COMMAND);
        self.registers.write32(port::COMMAND, value & !clear | set);
    }

    fn is_present(&self) -> bool {
        self.registers.read32(port::SATA_STATUS) & 0xf == port::DEVICE_PRESENT
    }

    fn is_busy(&self) -> bool {
        self.registers.read32(port::TASK_FILE) & port::BUSY != 0
    }

    /// Stops commands, then the reception of frames (section 10.1.2); whether they stopped.
    fn stop(&self) -> bool {
        self.stop_commands() && {
            self.change_command(port::RECEIVE, 0);
            wait(STOP_TIME, || self.registers.read32(port::COMMAND) & port::RECEIVES == 0)
        }
    }

    fn stop_commands(&self) -> bool {
        self.change_command(port::START, 0);
        wait(STOP_TIME, || self.registers.read32(port::COMMAND) & port::RUNS == 0)
    }

    fn clear_status(&self) {
        self.registers.write32(port::SATA_ERROR, u32::MAX);
        self.registers.write32(port::INTERRUPT_STATUS, u32::MAX);
        self.controller.write32(hba::INTERRUPT_STATUS, 1 << self.number);
    }

    fn run(&self) {
        self.clear_status();
        self.change_command(0, port::START);
    }

    /// Writes a command with the regions that it reads into.
    fn prepare(&self, slot: u16, frame: [u32; command::FRAME], regions: impl ExactSizeIterator<Item = (u64, usize)>) {
        let table = TABLES + usize::from(slot) * TABLE_LENGTH;
        let write = |at: usize, words: &[u32]| {
            for (index, &word) in words.iter().enumerate() {
                self.memory.set32(at + index * 4, word, Ordering::Relaxed);
            }
        };
        let header = command::header(regions.len(), self.memory.address(table));
        write(LIST + usize::from(slot) * HEADER, &header);
        write(table, &frame);
        for (index, (address, length)) in regions.enumerate() {
            write(table + TABLE + index * REGION, &command::region(address, length));
        }
    }

    /// Bytes that a command has read, as the controller counts them.
    fn bytes_read(&self, slot: u16) -> u32 {
        self.memory
            .get32(LIST + usize::from(slot) * HEADER + 4, Ordering::Acquire)
    }

    /// Looks what the disk has done.
    fn look(&self, inner: &mut Inner) {
        let status = self.registers.read32(port::INTERRUPT_STATUS);
        if status != 0 {
            self.registers.write32(port::INTERRUPT_STATUS, status);
            self.controller.write32(hba::INTERRUPT_STATUS, 1 << self.number);
        }
        let still = self.registers.read32(port::COMMAND_ISSUE);
        inner.done |= inner.issued & !still;
        inner.issued &= still;
        if status & port::ERRORS != 0 {
            self.handle_error(inner);
        }
    }

    /// Finds out which command failed and lets the others go on (section 6.2.2.1).
    fn handle_error(&self, inner: &mut Inner) {
        let task_file = self.registers.read32(port::TASK_FILE);
        let current = (self.registers.read32(port::COMMAND) >> 8 & 0x1f) as u16;
        if let Some(slot) = failed_slot(inner.issued, current) {
            inner.issued &= !(1 << slot);
            inner.failed = Some((slot, reason(task_file)));
        }
        if !self.stop_commands() || self.is_busy() {
            return self.stuck.store(true, Ordering::Relaxed);
        }
        self.run();
        if inner.issued != 0 {
            self.registers.write32(port::COMMAND_ISSUE, inner.issued);
        }
    }
}

/// Which of the commands that were issued has failed, when the port names `current`. QEMU names the first slot whatever it does: then it is the first
/// that was issued, as it takes them in order.
fn failed_slot(issued: u32, current: u16) -> Option<u16> {
    match issued {
        0 => None,
        _ if current < DEPTH && issued >> current & 1 != 0 => Some(current),
        _ => Some(issued.trailing_zeros() as u16),
    }
}

/// Why a command failed, from the task file (ACS-3, 6.2).
fn reason(task_file: u32) -> Reason {
    let error = task_file >> 8 & 0xff;
    let text = match error {
        _ if task_file & port::ERROR == 0 => "interface error",
        _ if error & 1 << 6 != 0 => "uncorrectable data",
        _ if error & 1 << 7 != 0 => "interface CRC error",
        _ if error & 1 << 4 != 0 => "ID not found",
        _ if error & 1 << 2 != 0 => "command aborted",
        _ => "ATA error",
    };
    Reason(text, error)
}

impl Driver for Port {
    fn depth(&self) -> u16 {
        DEPTH
    }

    fn most_frames(&self) -> usize {
        MOST_FRAMES
    }

    fn start(&self, tag: u16, read: &Read<'_>) -> bool {
        let Ok(blocks) = u16::try_from(read.blocks) else {
            return false;
        };
        let mut inner = self.inner.lock();
        let mut left = read.bytes();
        let regions = read.frames.iter().map(|frame| {
            let length = left.min(PAGE_SIZE);
            left -= length;
            (frame.address(), length)
        });
        self.prepare(tag, command::read(read.block, blocks), regions);
        inner.lengths[usize::from(tag)] = read.bytes() as u32;
        inner.prepared |= 1 << tag;
        true
    }

    fn ring(&self) {
        let mut inner = self.inner.lock();
        let prepared = core::mem::take(&mut inner.prepared);
        if prepared != 0 {
            inner.issued |= prepared;
            core::sync::atomic::fence(Ordering::SeqCst);
            self.registers.write32(port::COMMAND_ISSUE, prepared);
        }
    }

    fn collect(&self) -> Option<(u16, Outcome)> {
        let mut inner = self.inner.lock();
        if inner.done == 0 && inner.failed.is_none() {
            self.look(&mut inner);
        }
        if let Some((tag, reason)) = inner.failed.take() {
            return Some((tag, Outcome::Retry(reason)));
        }
        if inner.done == 0 {
            return None;
        }
        let tag = inner.done.trailing_zeros() as u16;
        inner.done &= !(1 << tag);
        let read = self.bytes_read(tag);
        let outcome = if read == inner.lengths[usize::from(tag)] {
            Outcome::Done
        } else {
            Outcome::Retry(Reason("data is missing", read))
        };
        Some((tag, outcome))
    }

    fn has_failed(&self) -> bool {
        self.stuck.load(Ordering::Relaxed) || !self.is_present()
    }

    fn late(&self, _tag: u16) -> Verdict {
        // The commands behind it wait as well, and only a reset takes it back.
        Verdict::Reset
    }

    fn reset(&self, first: bool) -> Reset {
        let now = time::monotonic();
        let mut inner = self.inner.lock();
        if first {
            (inner.prepared, inner.issued, inner.done) = (0, 0, 0);
            inner.failed = None;
            self.stop_commands();
            self.registers.write32(port::SATA_CONTROL, port::RESET_LINK);
            inner.step = Step::Link(now + MILLISECOND);
            inner.deadline = now + START_TIME;
        }
        match inner.step {
            Step::Link(until) if now >= until => {
                self.registers.write32(port::SATA_CONTROL, 0);
                inner.step = Step::Device;
            }
            Step::Device if self.is_present() => {
                // The device is busy until its first frame, which needs a cleared error register.
                self.registers.write32(port::SATA_ERROR, u32::MAX);
                if !self.is_busy() {
                    self.stuck.store(false, Ordering::Relaxed);
                    self.run();
                    return Reset::Done;
                }
            }
            _ => {}
        }
        if now > inner.deadline {
            return Reset::Failed;
        }
        Reset::Continue(now + MILLISECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_failed_is_found_though_the_port_names_another() {
        assert_eq!(failed_slot(0b110, 2), Some(2));
        assert_eq!(failed_slot(0b110, 0), Some(1));
        assert_eq!(failed_slot(0, 0), None);
    }

    #[test]
    fn the_task_file_says_why_a_command_failed() {
        assert_eq!(reason(0x4041), Reason("uncorrectable data", 0x40));
        assert_eq!(reason(0x0441), Reason("command aborted", 0x04));
        assert_eq!(reason(0x0050), Reason("interface error", 0));
    }
}
