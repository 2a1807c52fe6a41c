//! The controller: its start and reset (section 3.5), and reads through its one pair of I/O queues.
//!
//! One pair, because all interrupts of devices go to the first CPU and what is read stays in the page cache: more of them would only take memory.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use super::command::{Command, Identify};
use super::queue::Pair;
use super::register::{self, Capabilities};
use crate::block::{Driver, Outcome, Read, Reset, Verdict};
use crate::bus::Registers;
use crate::dma::Shared;
use crate::mem::PAGE_SIZE;
use crate::sync::SpinLock;
use crate::time;

/// Entries of the admin queues.
const ADMIN_ENTRIES: u16 = 8;
/// Reads under way at a time.
const DEPTH: u16 = 32;
/// The most pages of a read: 256 KiB.
const MOST_FRAMES: usize = 64;
/// Bytes of a read's list of pages.
const LIST: usize = MOST_FRAMES * size_of::<u64>();
const IO_QUEUE: u16 = 1;
/// How long an admin command may take, in nanoseconds.
const ADMIN_TIME: u64 = 5_000_000_000;
/// How long an `Abort` may take before the controller counts as dead.
const ABORT_TIME: u64 = 100_000_000;
/// How often a reset is looked after.
const RESET_STEP: u64 = 10_000_000;
/// The most namespaces that are looked at.
const MOST_NAMESPACES: usize = 64;

/// A part of the controller's storage that is addressed by itself.
pub(super) struct Namespace {
    pub(super) number: u32,
    pub(super) block_shift: u8,
    pub(super) blocks: u64,
}

pub(super) struct Controller {
    registers: Registers,
    capabilities: Capabilities,
    message: u16,
    most_frames: AtomicU32,
    depth: u16,
    admin: SpinLock<Admin>,
    io: SpinLock<Pair>,
    /// Lists of the pages that reads go to, one for each tag.
    lists: Shared,
}

struct Admin {
    pair: Pair,
    /// Where data of admin commands goes.
    page: Shared,
    identifier: u16,
    /// When a reset has taken too long.
    deadline: u64,
    step: Step,
}

/// What a reset waits for.
#[derive(Clone, Copy)]
enum Step {
    Disabled,
    Ready,
}

impl Controller {
    /// Starts the controller, with completions of reads raising message `message`.
    pub(super) fn start(registers: Registers, message: u16) -> Result<(Self, Vec<Namespace>), &'static str> {
        let no_memory = "finds no memory";
        let capabilities = Capabilities::from(registers.read64(register::CAP));
        if registers.read32(register::CSTS) == register::GONE {
            return Err("does not answer");
        }
        if !capabilities.takes_small_pages {
            return Err("knows no pages of 4 KiB");
        }
        let entries = capabilities.queue_entries.min(u32::from(DEPTH) * 2) as u16;
        if entries < 2 {
            return Err("has queues of no use");
        }
        let stride = capabilities.doorbell_stride;
        let controller = Self {
            registers,
            capabilities,
            message,
            most_frames: AtomicU32::new(MOST_FRAMES as u32),
            depth: DEPTH.min(entries - 1),
            admin: SpinLock::new(Admin {
                pair: Pair::new(0, ADMIN_ENTRIES, registers, stride).ok_or(no_memory)?,
                page: Shared::allocate(PAGE_SIZE).ok_or(no_memory)?,
                identifier: 0,
                deadline: 0,
                step: Step::Disabled,
            }),
            io: SpinLock::new(Pair::new(IO_QUEUE, entries, registers, stride).ok_or(no_memory)?),
            lists: Shared::allocate(usize::from(DEPTH) * LIST).ok_or(no_memory)?,
        };
        let mut admin = controller.admin.lock();
        controller.disable(&mut admin);
        loop {
            match controller.advance(&mut admin) {
                Reset::Done => break,
                Reset::Failed => return Err("does not become ready"),
                Reset::Continue(_) => core::hint::spin_loop(),
            }
        }
        let namespaces = controller.namespaces(&mut admin).ok_or("does not say what it has")?;
        drop(admin);
        Ok((controller, namespaces))
    }

    fn disable(&self, admin: &mut Admin) {
        self.registers.write32(register::CC, 0);
        admin.step = Step::Disabled;
        admin.deadline = time::monotonic() + self.capabilities.ready_time;
    }

    /// Goes on with a start, as far as the controller is.
    fn advance(&self, admin: &mut Admin) -> Reset {
        let now = time::monotonic();
        let status = self.registers.read32(register::CSTS);
        if status == register::GONE {
            return Reset::Failed;
        }
        let ready = status & register::CSTS_READY != 0;
        match admin.step {
            Step::Disabled if !ready => {
                admin.pair.clear();
                self.io.lock().clear();
                let (submissions, completions) = admin.pair.shapes();
                let last = u32::from(ADMIN_ENTRIES - 1);
                self.registers.write32(register::AQA, last << 16 | last);
                self.registers.write64(register::ASQ, submissions.address);
                self.registers.write64(register::ACQ, completions.address);
                let configuration = register::CC_ENTRY_SIZES | register::CC_ENABLE;
                self.registers.write32(register::CC, configuration);
                admin.step = Step::Ready;
                admin.deadline = now + self.capabilities.ready_time;
            }
            Step::Ready if status & register::CSTS_FATAL != 0 => return Reset::Failed,
            Step::Ready if ready => {
                return match self.create_queues(admin) {
                    Some(()) => Reset::Done,
                    None => Reset::Failed,
                };
            }
            _ => {}
        }
        if now > admin.deadline {
            return Reset::Failed;
        }
        Reset::Continue(now + RESET_STEP)
    }

    fn create_queues(&self, admin: &mut Admin) -> Option<()> {
        admin.execute(Command::one_queue_pair(), ADMIN_TIME)?;
        let (submissions, completions) = self.io.lock().shapes();
        admin.execute(Command::create_completion_queue(completions, self.message), ADMIN_TIME)?;
        admin.execute(Command::create_submission_queue(submissions), ADMIN_TIME)
    }

    /// Asks for the namespaces with something to read.
    fn namespaces(&self, admin: &mut Admin) -> Option<Vec<Namespace>> {
        let address = admin.page.address(0);
        admin.execute(Command::identify(Identify::Controller, 0, address), ADMIN_TIME)?;
        let mut answer = [0; PAGE_SIZE];
        admin.page.read(0, &mut answer);
        let pages = most_pages(answer[77]).min(MOST_FRAMES);
        self.most_frames.store(pages as u32, Ordering::Relaxed);
        let count = u32::from_le_bytes([answer[516], answer[517], answer[518], answer[519]]);
        let list = Command::identify(Identify::ActiveNamespaces, 0, address);
        let numbers: Vec<u32> = if admin.execute(list, ADMIN_TIME).is_some() {
            admin.page.read(0, &mut answer);
            let words = answer.as_chunks::<4>().0.iter().map(|&bytes| u32::from_le_bytes(bytes));
            words.take_while(|&number| number != 0).take(MOST_NAMESPACES).collect()
        } else {
            // Before version 1.1 of the specification there was no list.
            (1..=count).take(MOST_NAMESPACES).collect()
        };
        let mut found = Vec::new();
        for number in numbers {
            let command = Command::identify(Identify::Namespace, number, address);
            if admin.execute(command, ADMIN_TIME).is_some() {
                admin.page.read(0, &mut answer);
                found.extend(namespace(number, &answer));
            }
        }
        Some(found)
    }

    /// The two pointers of a read (section 4.1.1): to the first page, and to the second or to a list of the others.
    fn pages(&self, tag: u16, read: &Read<'_>) -> (u64, u64) {
        let first = read.frames[0].address();
        match read.frames.get(1..) {
            None | Some([]) => (first, 0),
            Some([second]) => (first, second.address()),
            Some(others) => {
                let list = usize::from(tag) * LIST;
                for (index, frame) in others.iter().enumerate() {
                    self.lists
                        .set64(list + index * size_of::<u64>(), frame.address(), Ordering::Relaxed);
                }
                (first, self.lists.address(list))
            }
        }
    }
}

impl Admin {
    /// Carries a command out and waits; `None` when it failed or took longer than `patience` nanoseconds.
    fn execute(&mut self, command: Command, patience: u64) -> Option<()> {
        self.identifier = self.identifier.wrapping_add(1);
        self.pair.push(&command.with_identifier(self.identifier));
        self.pair.ring();
        let deadline = time::monotonic() + patience;
        loop {
            if let Some(completion) = self.pair.pop() {
                self.pair.acknowledge();
                // Another identifier is that of a command that had taken too long.
                if completion.identifier == self.identifier {
                    return completion.succeeded().then_some(());
                }
            } else if time::monotonic() > deadline {
                return None;
            }
            core::hint::spin_loop();
        }
    }
}

/// The most pages of a transfer, from `MDTS` of `Identify Controller`: a power of two of pages, 0 for no limit.
fn most_pages(limit: u8) -> usize {
    match limit {
        0 | 16.. => usize::MAX,
        limit => 1 << limit,
    }
}

/// A namespace from the answer to `Identify Namespace` (NVM Command Set Specification, section 4.1.5.1); `None` for one that is empty, or has
/// blocks that are not of 512 to 4096 bytes or carry metadata.
fn namespace(number: u32, answer: &[u8; PAGE_SIZE]) -> Option<Namespace> {
    let blocks = u64::from_le_bytes(*answer.first_chunk()?);
    // Bits 3:0 of FLBAS, with bits 6:5 above them.
    let format = usize::from(answer[26] & 0xf | answer[26] >> 1 & 0x30);
    let at = 128 + format * 4;
    let metadata = u16::from_le_bytes([answer[at], answer[at + 1]]);
    let block_shift = answer[at + 2];
    (blocks != 0 && metadata == 0 && (9..=12).contains(&block_shift)).then_some(Namespace {
        number,
        block_shift,
        blocks,
    })
}

impl Driver for Controller {
    fn depth(&self) -> u16 {
        self.depth
    }

    fn most_frames(&self) -> usize {
        self.most_frames.load(Ordering::Relaxed) as usize
    }

    fn start(&self, tag: u16, read: &Read<'_>) -> bool {
        let command = Command::read(read.unit.number, read.block, read.blocks, self.pages(tag, read));
        self.io.lock().push(&command.with_identifier(tag));
        true
    }

    fn ring(&self) {
        self.io.lock().ring();
    }

    fn collect(&self) -> Option<(u16, Outcome)> {
        let mut io = self.io.lock();
        let Some(completion) = io.pop() else {
            io.acknowledge();
            return None;
        };
        Some((completion.identifier, completion.outcome()))
    }

    fn has_failed(&self) -> bool {
        let status = self.registers.read32(register::CSTS);
        status == register::GONE || status & register::CSTS_FATAL != 0
    }

    fn late(&self, tag: u16) -> Verdict {
        if self.has_failed() {
            return Verdict::Reset;
        }
        // Who answers to this works: then it is the medium that is slow, and a reset would cure nothing.
        let mut admin = self.admin.lock();
        match admin.execute(Command::abort(IO_QUEUE, tag), ABORT_TIME) {
            Some(()) => Verdict::TryAgain,
            None => Verdict::Reset,
        }
    }

    fn reset(&self, first: bool) -> Reset {
        let mut admin = self.admin.lock();
        if first {
            self.disable(&mut admin);
        }
        self.advance(&mut admin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_read_in_their_formats() {
        let mut answer = [0; PAGE_SIZE];
        answer[0] = 100;
        answer[130] = 9;
        answer[134] = 12;
        let found = namespace(3, &answer).expect("a namespace");
        assert_eq!((found.number, found.blocks, found.block_shift), (3, 100, 9));
        answer[26] = 1;
        assert_eq!(namespace(3, &answer).map(|found| found.block_shift), Some(12));
        answer[132] = 8;
        assert!(namespace(3, &answer).is_none(), "metadata");
        answer[26] = 2;
        assert!(namespace(3, &answer).is_none(), "blocks of one byte");
        answer[..8].fill(0);
        answer[26] = 0;
        assert!(namespace(3, &answer).is_none(), "empty");
    }

    #[test]
    fn the_longest_transfer_is_a_power_of_two_of_pages() {
        assert_eq!(most_pages(0), usize::MAX);
        assert_eq!(most_pages(5), 32);
        assert_eq!(most_pages(255), usize::MAX);
    }
}
