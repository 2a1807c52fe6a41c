//! SCSI: commands and what devices answer (SPC-4, SBC-3), whatever carries them.

use crate::block::{Outcome, Reason};

/// The longest command.
pub(crate) const COMMAND_LENGTH: usize = 16;
/// A command descriptor block.
pub(crate) type Command = [u8; COMMAND_LENGTH];

const INQUIRY: u8 = 0x12;
const READ_CAPACITY_10: u8 = 0x25;
const READ_10: u8 = 0x28;
const READ_16: u8 = 0x88;
const SERVICE_ACTION_IN_16: u8 = 0x9e;
const READ_CAPACITY_16: u8 = 0x10;

/// Bytes that each command asks for.
pub(crate) const INQUIRY_LENGTH: usize = 36;
pub(crate) const CAPACITY_10_LENGTH: usize = 8;
pub(crate) const CAPACITY_16_LENGTH: usize = 32;

/// `INQUIRY` (SPC-4, 6.6): what kind of device it is.
pub(crate) fn inquiry() -> Command {
    let mut command = Command::default();
    command[0] = INQUIRY;
    command[4] = INQUIRY_LENGTH as u8;
    command
}

/// `READ CAPACITY (10)` (SBC-3, 5.15).
pub(crate) fn read_capacity_10() -> Command {
    let mut command = Command::default();
    command[0] = READ_CAPACITY_10;
    command
}

/// `READ CAPACITY (16)` (SBC-3, 5.16).
pub(crate) fn read_capacity_16() -> Command {
    let mut command = Command::default();
    command[0] = SERVICE_ACTION_IN_16;
    command[1] = READ_CAPACITY_16;
    command[10..14].copy_from_slice(&(CAPACITY_16_LENGTH as u32).to_be_bytes());
    command
}

/// `READ (10)` (SBC-3, 5.11) where it reaches, which all devices know; else `READ (16)` (5.13).
pub(crate) fn read(block: u64, blocks: u32) -> Command {
    let mut command = Command::default();
    match (u32::try_from(block), u16::try_from(blocks)) {
        (Ok(block), Ok(blocks)) => {
            command[0] = READ_10;
            command[2..6].copy_from_slice(&block.to_be_bytes());
            command[7..9].copy_from_slice(&blocks.to_be_bytes());
        }
        _ => {
            command[0] = READ_16;
            command[2..10].copy_from_slice(&block.to_be_bytes());
            command[10..14].copy_from_slice(&blocks.to_be_bytes());
        }
    }
    command
}

/// Whether the answer to `INQUIRY` is that of something with blocks to read: a disk or a CD, and there.
pub(crate) fn is_disk(inquiry: &[u8]) -> bool {
    const DIRECT_ACCESS: u8 = 0x00;
    const CD: u8 = 0x05;
    // The upper bits say whether a device is connected.
    inquiry.first().is_some_and(|&kind| kind == DIRECT_ACCESS || kind == CD)
}

/// Blocks and the binary logarithm of their size, from the answer to `READ CAPACITY (10)`; `None` when it makes no sense or the disk is larger than the answer can say.
pub(crate) fn capacity_10(answer: &[u8]) -> Option<(u64, u8)> {
    let last = u32::from_be_bytes(answer.get(0..4)?.try_into().ok()?);
    let size = u32::from_be_bytes(answer.get(4..8)?.try_into().ok()?);
    (last != u32::MAX).then_some((u64::from(last) + 1, block_shift(size)?))
}

/// The same from the answer to `READ CAPACITY (16)`.
pub(crate) fn capacity_16(answer: &[u8]) -> Option<(u64, u8)> {
    let last = u64::from_be_bytes(answer.get(0..8)?.try_into().ok()?);
    let size = u32::from_be_bytes(answer.get(8..12)?.try_into().ok()?);
    Some((last.checked_add(1)?, block_shift(size)?))
}

fn block_shift(size: u32) -> Option<u8> {
    (size.is_power_of_two() && (512..=4096).contains(&size)).then(|| size.ilog2() as u8)
}

/// What a status (SAM-5, 5.3.1) and the sense data beside it (SPC-4, 4.5) mean for a request.
pub(crate) fn outcome(status: u8, sense: &[u8]) -> Outcome {
    const GOOD: u8 = 0x00;
    const CHECK_CONDITION: u8 = 0x02;
    match status {
        GOOD => Outcome::Done,
        CHECK_CONDITION => match SenseKey::of(sense) {
            Some(key) => key.outcome(),
            None => Outcome::Retry(Reason("check condition without sense data", u32::from(status))),
        },
        // Busy, task set full, task aborted and what else may pass.
        other => Outcome::Retry(Reason("status", u32::from(other))),
    }
}

/// Sense key, additional sense code and its qualifier.
struct SenseKey {
    key: u8,
    code: u16,
}

impl SenseKey {
    fn of(sense: &[u8]) -> Option<Self> {
        let at = |index: usize| sense.get(index).copied().unwrap_or(0);
        let (key, code, qualifier) = match sense.first()? & 0x7f {
            0x70 | 0x71 => (at(2), at(12), at(13)),
            0x72 | 0x73 => (at(1), at(2), at(3)),
            _ => return None,
        };
        Some(Self {
            key: key & 0xf,
            code: u16::from_be_bytes([code, qualifier]),
        })
    }

    fn outcome(self) -> Outcome {
        // The key and both codes, as in 3/11/00 for an unrecovered read error.
        let number = u32::from(self.key) << 16 | u32::from(self.code);
        match self.key {
            // Recovered: the bytes are there.
            0x1 => Outcome::Done,
            0x2 => Outcome::Retry(Reason("not ready", number)),
            0x3 => Outcome::Failed(Reason("medium error", number)),
            0x4 => Outcome::Retry(Reason("hardware error", number)),
            0x5 => Outcome::Failed(Reason("illegal request", number)),
            0x6 => Outcome::Retry(Reason("unit attention", number)),
            0xb => Outcome::Retry(Reason("aborted command", number)),
            _ => Outcome::Failed(Reason("sense key", number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_encoded_as_the_specification_has_them() {
        assert_eq!(inquiry()[..6], [0x12, 0, 0, 0, 36, 0]);
        assert_eq!(read_capacity_10()[..10], [0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            read_capacity_16(),
            [0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0]
        );
        assert_eq!(read(0x0102_0304, 0x0506)[..10], [0x28, 0, 1, 2, 3, 4, 0, 5, 6, 0]);
        assert_eq!(
            read(0x01_0000_0000, 8),
            [0x88, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0]
        );
        assert_eq!(read(1, 0x1_0000)[0], 0x88);
    }

    #[test]
    fn capacities_count_from_the_last_block() {
        assert_eq!(capacity_10(&[0, 0, 0, 99, 0, 0, 8, 0]), Some((100, 11)));
        assert_eq!(capacity_10(&[0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0]), None);
        assert_eq!(capacity_10(&[0, 0, 0, 99, 0, 0, 2, 1]), None);
        assert_eq!(capacity_10(&[0, 0, 0]), None);
        let mut answer = [0; 32];
        answer[3] = 1;
        answer[10] = 0x10;
        assert_eq!(capacity_16(&answer), Some((0x1_0000_0001, 12)));
        answer[..8].fill(0xff);
        assert_eq!(capacity_16(&answer), None);
    }

    #[test]
    fn only_connected_disks_and_cds_are_disks() {
        assert!(is_disk(&[0x00]));
        assert!(is_disk(&[0x05]));
        assert!(!is_disk(&[0x7f]), "not there");
        assert!(!is_disk(&[0x20]), "not connected");
        assert!(!is_disk(&[0x01]), "a tape");
        assert!(!is_disk(&[]));
    }

    #[test]
    fn sense_data_says_whether_to_try_again() {
        assert_eq!(outcome(0, &[]), Outcome::Done);
        let fixed = |key: u8| [0xf0, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0x01];
        assert_eq!(
            outcome(2, &fixed(6)),
            Outcome::Retry(Reason("unit attention", 0x06_2901))
        );
        assert_eq!(
            outcome(2, &[0x72, 3, 0x11, 0, 0, 0, 0, 0]),
            Outcome::Failed(Reason("medium error", 0x03_1100))
        );
        assert_eq!(outcome(2, &fixed(1)), Outcome::Done, "recovered");
        assert!(matches!(outcome(2, &[]), Outcome::Retry(_)));
        assert!(matches!(outcome(2, &[0x70]), Outcome::Failed(_)), "cut short: no sense");
        assert!(matches!(outcome(8, &[]), Outcome::Retry(_)), "busy");
    }
}
