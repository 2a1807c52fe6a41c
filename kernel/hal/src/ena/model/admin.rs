//! The admin queue (AQ) and its completion queue (ACQ).

use alloc::vec::Vec;

use super::completion::phase;
use super::defs::admin;
use super::faults::AdminFault;
use super::interrupts::MANAGEMENT;
use super::state::State;
use crate::dma::reach::Reach;

/// A ring of entries of 64 bytes.
#[derive(Clone, Copy)]
pub(super) struct Ring {
    pub(super) address: u64,
    pub(super) depth: u16,
    /// Entries that the device has read or written, modulo 2^16.
    pub(super) position: u16,
}

#[derive(Default)]
pub(super) struct Admin {
    pub(super) submissions: Option<Ring>,
    pub(super) completions: Option<Ring>,
    /// Identifiers of commands that were not completed.
    pub(super) outstanding: Vec<u16>,
    /// Completions that a fault holds back.
    late: Vec<(u16, Outcome)>,
}

/// A command's words.
pub(super) type Command = [u32; admin::ENTRY_SIZE / 4];

/// What becomes of a command: status, and the words behind the common ones.
#[derive(Clone, Copy)]
pub(super) struct Outcome {
    pub(super) status: u8,
    pub(super) response: [u32; 14],
}

impl From<u8> for Outcome {
    fn from(status: u8) -> Self {
        Self {
            status,
            response: [0; 14],
        }
    }
}

impl State {
    /// The doorbell of the admin queue: how many commands there were ever, modulo 2^16.
    pub(super) fn ring_admin(&mut self, value: u32) {
        let Some((ring, completions)) = self.admin.submissions.zip(self.admin.completions) else {
            self.violate("the doorbell of an admin queue that is not set up");
            return;
        };
        let tail = value as u16;
        let new = tail.wrapping_sub(ring.position);
        let outstanding = self.admin.outstanding.len() + usize::from(new);
        let is_right = u16::try_from(value).is_ok() && new <= ring.depth;
        let what = format_args!("the admin doorbell says {value}, {} was the last", ring.position);
        if !self.demand(is_right, what) || !self.is_alive() {
            return;
        }
        let room = ring.depth.min(completions.depth);
        self.demand(
            outstanding <= usize::from(room),
            format_args!("{outstanding} admin commands at a time, while the queues have {room} entries"),
        );
        for position in (0..new).map(|count| ring.position.wrapping_add(count)) {
            self.take_command(ring, position);
        }
    }

    fn take_command(&mut self, ring: Ring, position: u16) {
        let mut bytes = [0; admin::ENTRY_SIZE];
        let at = ring.address + u64::from(position % ring.depth) * admin::ENTRY_SIZE as u64;
        self.fetch(&"the admin queue", at, &mut bytes);
        if let Some(ring) = &mut self.admin.submissions {
            ring.position = position.wrapping_add(1);
        }
        let mut command: Command = [0; admin::ENTRY_SIZE / 4];
        for (word, &bytes) in command.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(bytes);
        }
        let expected = phase(position, ring.depth);
        self.demand(
            command[0] >> 24 & 1 == expected,
            format_args!("admin command {position} has not phase {expected}"),
        );
        let identifier = command[0] as u16 & 0xfff;
        self.demand(
            !self.admin.outstanding.contains(&identifier),
            format_args!("admin command {identifier} is still outstanding"),
        );
        self.admin.outstanding.push(identifier);
        let opcode = (command[0] >> 16) as u8;
        let fault = self.faults.of_command(opcode);
        let outcome = match fault {
            Some(AdminFault::Status(status)) => Outcome::from(status),
            _ => self.carry_out(opcode, &command),
        };
        match fault {
            Some(AdminFault::Never) => {}
            Some(AdminFault::Late) => self.admin.late.push((identifier, outcome)),
            Some(AdminFault::Identifier(other)) => self.complete_command(other, outcome, 0),
            Some(AdminFault::Phase) => self.complete_command(identifier, outcome, 1),
            Some(AdminFault::Status(_)) | None => self.complete_command(identifier, outcome, 0),
        }
    }

    fn carry_out(&mut self, opcode: u8, command: &Command) -> Outcome {
        if command[0] & 0xf000 != 0 || command[0] >> 27 != 0 {
            self.violate(format_args!(
                "the first word of an admin command, {:#x}, has reserved bits",
                command[0]
            ));
            return admin::MALFORMED_REQUEST.into();
        }
        if command[0] >> 25 & 0b11 != 0 {
            self.violate(format_args!(
                "admin command with opcode {opcode} has a control buffer, which none here takes"
            ));
            return admin::MALFORMED_REQUEST.into();
        }
        match opcode {
            admin::CREATE_SQ => self.create_submission_queue(command),
            admin::DESTROY_SQ => self.destroy_submission_queue(command),
            admin::CREATE_CQ => self.create_completion_queue(command),
            admin::DESTROY_CQ => self.destroy_completion_queue(command),
            admin::GET_FEATURE => self.get_feature(command),
            admin::SET_FEATURE => self.set_feature(command),
            // Not every device counts.
            admin::GET_STATS => admin::UNSUPPORTED_OPCODE.into(),
            _ => {
                self.violate(format_args!("admin opcode {opcode} does not exist"));
                admin::BAD_OPCODE.into()
            }
        }
    }

    fn complete_command(&mut self, identifier: u16, outcome: Outcome, flip: u32) {
        self.admin.outstanding.retain(|&other| other != identifier);
        let Some((ring, head)) = self.admin.completions.zip(self.admin.submissions) else {
            return;
        };
        let mut entry = [0; admin::ENTRY_SIZE];
        let phase = phase(ring.position, ring.depth) ^ flip;
        let common = u32::from(identifier) | u32::from(outcome.status) << 16 | phase << 24;
        let head = u32::from(head.position % head.depth) << 16;
        let words = [common, head].into_iter().chain(outcome.response);
        for (bytes, word) in entry.chunks_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let at = ring.address + u64::from(ring.position % ring.depth) * admin::ENTRY_SIZE as u64;
        self.publish(&"the admin completion queue", at, &entry, 0);
        self.admin.completions = Some(Ring {
            position: ring.position.wrapping_add(1),
            ..ring
        });
        self.cause(MANAGEMENT);
    }

    /// Completes what a fault held back, the last first: no order is promised.
    pub(super) fn release_commands(&mut self) {
        while let Some((identifier, outcome)) = self.admin.late.pop() {
            self.complete_command(identifier, outcome, 0);
        }
    }
}

/// The address in two words of a command (`ena_common_mem_addr`); none when its reserved half-word is not zero.
pub(super) fn address(words: &[u32]) -> Option<u64> {
    (words[1] >> 16 == 0).then(|| u64::from(words[1]) << 32 | u64::from(words[0]))
}
