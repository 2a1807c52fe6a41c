//! Commands (sections 5 and, in the NVM Command Set Specification 1.0, 3.2) and completions (section 3.3.3.2).

use crate::block::{Outcome, Reason};

/// Bytes of a submission queue entry.
pub(super) const SIZE: usize = 64;

/// A submission queue entry: command double words 0 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Command(pub(super) [u32; SIZE / 4]);

/// What `Identify` is asked for (`CNS`, section 5.17.1).
#[derive(Clone, Copy)]
pub(super) enum Identify {
    Namespace = 0x00,
    Controller = 0x01,
    ActiveNamespaces = 0x02,
}

/// A queue of completions or submissions, as the commands that create them describe it.
#[derive(Clone, Copy)]
pub(super) struct QueueShape {
    pub(super) number: u16,
    pub(super) entries: u16,
    pub(super) address: u64,
}

const CREATE_SUBMISSION_QUEUE: u8 = 0x01;
const CREATE_COMPLETION_QUEUE: u8 = 0x05;
const IDENTIFY: u8 = 0x06;
const ABORT: u8 = 0x08;
const SET_FEATURES: u8 = 0x09;
const FEATURE_NUMBER_OF_QUEUES: u32 = 0x07;
/// Of the NVM command set.
const READ: u8 = 0x02;

const PHYSICALLY_CONTIGUOUS: u32 = 1 << 0;
const INTERRUPTS_ENABLED: u32 = 1 << 1;

impl Command {
    fn new(opcode: u8, namespace: u32) -> Self {
        let mut words = [0; SIZE / 4];
        words[0] = u32::from(opcode);
        words[1] = namespace;
        Self(words)
    }

    /// With the command identifier that the completion will carry.
    pub(super) fn with_identifier(mut self, identifier: u16) -> Self {
        self.0[0] = self.0[0] & 0xffff | u32::from(identifier) << 16;
        self
    }

    fn with_data(mut self, first: u64, second: u64) -> Self {
        self.0[6..10].copy_from_slice(&[first as u32, (first >> 32) as u32, second as u32, (second >> 32) as u32]);
        self
    }

    /// `Identify` into a page at `address`.
    pub(super) fn identify(what: Identify, namespace: u32, address: u64) -> Self {
        let mut command = Self::new(IDENTIFY, namespace).with_data(address, 0);
        command.0[10] = what as u32;
        command
    }

    /// `Set Features`, Number of Queues: one queue of each kind for I/O.
    pub(super) fn one_queue_pair() -> Self {
        let mut command = Self::new(SET_FEATURES, 0);
        // The numbers in double word 11 count from zero.
        command.0[10] = FEATURE_NUMBER_OF_QUEUES;
        command
    }

    /// `Create I/O Completion Queue` with an interrupt by message number `message`.
    pub(super) fn create_completion_queue(queue: QueueShape, message: u16) -> Self {
        let mut command = Self::new(CREATE_COMPLETION_QUEUE, 0).with_data(queue.address, 0);
        command.0[10] = u32::from(queue.number) | u32::from(queue.entries - 1) << 16;
        command.0[11] = u32::from(message) << 16 | INTERRUPTS_ENABLED | PHYSICALLY_CONTIGUOUS;
        command
    }

    /// `Create I/O Submission Queue` whose completions go to the completion queue of the same number.
    pub(super) fn create_submission_queue(queue: QueueShape) -> Self {
        let mut command = Self::new(CREATE_SUBMISSION_QUEUE, 0).with_data(queue.address, 0);
        command.0[10] = u32::from(queue.number) | u32::from(queue.entries - 1) << 16;
        command.0[11] = u32::from(queue.number) << 16 | PHYSICALLY_CONTIGUOUS;
        command
    }

    /// `Abort` of a command in a submission queue.
    pub(super) fn abort(queue: u16, identifier: u16) -> Self {
        let mut command = Self::new(ABORT, 0);
        command.0[10] = u32::from(queue) | u32::from(identifier) << 16;
        command
    }

    /// `Read` of `blocks` blocks, at least one, into what two Physical Region Pages (section 4.1.1) say.
    pub(super) fn read(namespace: u32, block: u64, blocks: u32, pages: (u64, u64)) -> Self {
        let mut command = Self::new(READ, namespace).with_data(pages.0, pages.1);
        command.0[10] = block as u32;
        command.0[11] = (block >> 32) as u32;
        command.0[12] = blocks - 1;
        command
    }
}

/// A completion queue entry, as far as it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Completion {
    pub(super) identifier: u16,
    /// Status Code (bits 7:0), Status Code Type (10:8), More (13), Do Not Retry (14).
    pub(super) status: u16,
}

impl Completion {
    /// From double word 3; the lowest bit of its upper half is the phase.
    pub(super) fn decode(word: u32) -> Self {
        Self {
            identifier: word as u16,
            status: (word >> 17) as u16,
        }
    }

    /// Status Code Type and Status Code.
    fn code(self) -> u16 {
        self.status & 0x7ff
    }

    pub(super) fn succeeded(self) -> bool {
        self.code() == 0
    }

    /// What it means for a read.
    pub(super) fn outcome(self) -> Outcome {
        const DO_NOT_RETRY: u16 = 1 << 14;
        if self.succeeded() {
            return Outcome::Done;
        }
        let code = u32::from(self.code());
        let reason = Reason(
            match code {
                0x002 => "invalid field in command",
                0x004 => "data transfer error",
                0x005 => "power is lost",
                0x006 => "internal error",
                0x007 => "abort requested",
                0x00b => "invalid namespace or format",
                0x080 => "LBA out of range",
                0x082 => "namespace not ready",
                0x281 => "unrecovered read error",
                0x286 => "access denied",
                0x287 => "deallocated block",
                _ => "NVMe status",
            },
            code,
        );
        if self.status & DO_NOT_RETRY != 0 {
            Outcome::Failed(reason)
        } else {
            Outcome::Retry(reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_encoded_as_the_specification_has_them() {
        let read = Command::read(3, 0x1_0000_0002, 8, (0x1000, 0x2_0000_2000)).with_identifier(0x55);
        let mut expected = [0; 16];
        expected[0] = 0x0055_0002;
        expected[1] = 3;
        expected[6] = 0x1000;
        expected[8] = 0x2000;
        expected[9] = 2;
        expected[10] = 2;
        expected[11] = 1;
        expected[12] = 7;
        assert_eq!(read.0, expected);

        let shape = QueueShape {
            number: 1,
            entries: 64,
            address: 0x7000,
        };
        let completion = Command::create_completion_queue(shape, 2);
        assert_eq!(
            (completion.0[0], completion.0[6], completion.0[10], completion.0[11]),
            (5, 0x7000, 63 << 16 | 1, 2 << 16 | 0b11)
        );
        let submission = Command::create_submission_queue(shape);
        assert_eq!(
            (submission.0[0], submission.0[10], submission.0[11]),
            (1, 63 << 16 | 1, 1 << 16 | 1)
        );
        assert_eq!(Command::abort(1, 9).0[10], 9 << 16 | 1);
        let identify = Command::identify(Identify::ActiveNamespaces, 4, 0x3000);
        assert_eq!((identify.0[0], identify.0[1], identify.0[10]), (6, 4, 2));
        assert_eq!(Command::one_queue_pair().0[10..12], [7, 0]);
    }

    #[test]
    fn completions_say_whether_to_try_again() {
        assert_eq!(
            Completion::decode(0x0001_0007),
            Completion {
                identifier: 7,
                status: 0
            }
        );
        let status = |status: u32| Completion::decode(status << 17).outcome();
        assert_eq!(status(0), Outcome::Done);
        assert_eq!(status(0x281), Outcome::Retry(Reason("unrecovered read error", 0x281)));
        assert_eq!(status(0x4281), Outcome::Failed(Reason("unrecovered read error", 0x281)));
        assert!(matches!(status(0x4080), Outcome::Failed(Reason("LBA out of range", _))));
    }
}
