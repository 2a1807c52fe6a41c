//! Queues of frames: how they come and go.

use alloc::vec::Vec;

use super::admin::{Command, Outcome, address};
use super::completion::{CompletionQueue, HEAD_DB, INTR, NUMA};
use super::defs::{admin, eth_io};
use super::descriptors::Meta;
use super::interrupts::MANAGEMENT;
use super::receive::Posted;
use super::state::{Direction, State};
use super::transmit::Transmission;
use crate::dma::reach::Reach;

pub(super) struct SubmissionQueue {
    /// None where its entries lie in the device.
    pub(super) address: Option<u64>,
    /// Where its entries lie in BAR 2, otherwise.
    pub(super) llq_offset: usize,
    pub(super) depth: u16,
    pub(super) completions: u16,
    /// Whether each packet must ask for its completion.
    pub(super) on_demand: bool,
    /// Entries that the device has read, modulo 2^16.
    pub(super) head: u16,
    /// Where its doorbell lies.
    pub(super) doorbell: usize,
    /// TX: the stored metadata.
    pub(super) meta: Option<Meta>,
    /// TX: what was not completed, the oldest first.
    pub(super) outstanding: Vec<Transmission>,
    /// RX: buffers to receive into.
    pub(super) posted: Vec<Posted>,
}

impl SubmissionQueue {
    pub(super) fn bytes(&self) -> usize {
        usize::from(self.depth) * eth_io::DESC_SIZE
    }
}

/// Registers of queues lie from here on, 16 bytes for each.
const QUEUE_REGISTERS: usize = 0x1000;
/// As many places for them.
const PLACES: usize = 0x200;

impl State {
    /// Where the registers of a new queue lie.
    fn place(&mut self) -> usize {
        self.created += 1;
        QUEUE_REGISTERS + self.created % PLACES * 16
    }

    pub(super) fn create_completion_queue(&mut self, command: &Command) -> Outcome {
        let caps_1 = command[1] as u8;
        let words = (command[1] >> 8) as u8;
        let depth = (command[1] >> 16) as u16;
        let is_interrupting = caps_1 & 1 << 5 != 0;
        let limit = self.configuration.tx_depth.max(self.configuration.rx_depth);
        let vector = command[2] as u16;
        let fits = self.demand(
            caps_1 & !(1 << 5) == 0,
            format_args!("CREATE_CQ: cq_caps_1 {caps_1:#x} has reserved bits"),
        ) & self.demand(
            [eth_io::TX_CDESC_WORDS, eth_io::RX_CDESC_WORDS].contains(&words),
            format_args!("CREATE_CQ: entries of {words} words; 2 (TX) or 4 (RX) without time stamps"),
        ) & self.demand(
            depth.is_power_of_two() && u32::from(depth) <= limit,
            format_args!("CREATE_CQ: {depth} entries, no power of two up to {limit}"),
        ) & self.demand(
            !is_interrupting || command[2] < u32::from(self.configuration.vectors) && vector != MANAGEMENT,
            format_args!("CREATE_CQ: message {} is not one for queues", command[2]),
        );
        let Some(base) = address(&command[3..]).filter(|_| fits) else {
            self.demand(!fits, "CREATE_CQ: the address has reserved bits");
            return admin::ILLEGAL_PARAMETER.into();
        };
        let length = usize::from(depth) * usize::from(words) * 4;
        if !self.check_new_range(&"CREATE_CQ: the queue", base, length, u64::from(words) * 4) {
            return admin::ILLEGAL_PARAMETER.into();
        }
        let most = 2 * self.configuration.queues as usize;
        if !self.demand(
            self.completions.len() < most,
            format_args!("CREATE_CQ: more than {most} queues"),
        ) {
            return admin::RESOURCE_ALLOCATION_FAILURE.into();
        }
        let number = (0..u16::MAX)
            .find(|number| !self.completions.contains_key(number))
            .unwrap_or(0);
        let registers = self.place();
        self.completions.insert(
            number,
            CompletionQueue {
                address: base,
                depth,
                words,
                vector: is_interrupting.then_some(vector),
                direction: None,
                tail: 0,
                head: 0,
                registers,
            },
        );
        let mut outcome = Outcome::from(admin::SUCCESS);
        outcome.response[0] = u32::from(number) | u32::from(depth) << 16;
        outcome.response[1] = (registers + NUMA) as u32;
        outcome.response[2] = (registers + HEAD_DB) as u32;
        outcome.response[3] = (registers + INTR) as u32;
        outcome
    }

    pub(super) fn destroy_completion_queue(&mut self, command: &Command) -> Outcome {
        let number = command[1] as u16;
        self.demand(command[1] >> 16 == 0, "DESTROY_CQ: reserved bits");
        let is_used = self.submissions.values().any(|queue| queue.completions == number);
        if !self.demand(
            !is_used,
            format_args!("DESTROY_CQ: a submission queue still has completion queue {number}"),
        ) {
            return admin::RESOURCE_BUSY.into();
        }
        let removed = self.completions.remove(&number);
        if !self.demand(
            removed.is_some(),
            format_args!("DESTROY_CQ: there is no completion queue {number}"),
        ) {
            return admin::ILLEGAL_PARAMETER.into();
        }
        let vector = removed.and_then(|queue| queue.vector);
        if let Some(vector) = vector.filter(|_| !self.completions.values().any(|queue| queue.vector == vector)) {
            self.set_open(vector, false);
        }
        admin::SUCCESS.into()
    }

    pub(super) fn create_submission_queue(&mut self, command: &Command) -> Outcome {
        let identity = command[1] as u8;
        let caps_2 = (command[1] >> 16) as u8;
        let caps_3 = (command[1] >> 24) as u8;
        let (completions, depth) = (command[2] as u16, (command[2] >> 16) as u16);
        let placement = caps_2 & 0xf;
        let policy = caps_2 >> 4 & 7;
        let Some(direction) = Direction::of_identity(identity) else {
            self.violate(format_args!("CREATE_SQ: sq_identity {identity:#x} has no direction"));
            return admin::ILLEGAL_PARAMETER.into();
        };
        let is_llq = placement == admin::PLACEMENT_POLICY_DEV;
        let limit = match direction {
            Direction::Tx if is_llq => self.settings.llq.map_or(u32::MAX, |llq| llq.depth),
            Direction::Tx => self.configuration.tx_depth,
            Direction::Rx => self.configuration.rx_depth,
        };
        let reserved =
            u32::from(identity & 0x1f) | command[1] & 0xff00 | u32::from(caps_2 & 0x80) | u32::from(caps_3 & 0xfe);
        let fits = self.demand(
            reserved | command[5] | command[6] | command[7] | command[8] == 0,
            "CREATE_SQ: reserved fields, or a place for the head that no policy here asks for",
        ) & self.demand(
            [admin::COMPLETION_POLICY_DESC, admin::COMPLETION_POLICY_DESC_ON_DEMAND].contains(&policy),
            format_args!("CREATE_SQ: completion policy {policy}"),
        ) & self.demand(
            caps_3 & 1 != 0,
            "CREATE_SQ: the device needs queues that are contiguous",
        ) & self.demand(
            placement == admin::PLACEMENT_POLICY_HOST || is_llq && direction == Direction::Tx,
            format_args!("CREATE_SQ: placement {placement} of a queue for {direction}"),
        ) & self.demand(
            !is_llq || self.settings.llq.is_some(),
            "CREATE_SQ: a low latency queue before the feature LLQ was set",
        ) & self.demand(
            depth.is_power_of_two() && u32::from(depth) <= limit,
            format_args!("CREATE_SQ: {depth} entries, no power of two up to {limit}"),
        ) & self.check_completions_of(direction, completions, depth);
        if !fits {
            return admin::ILLEGAL_PARAMETER.into();
        }
        let Some(base) = address(&command[3..]) else {
            self.violate("CREATE_SQ: the address has reserved bits");
            return admin::ILLEGAL_PARAMETER.into();
        };
        let has_memory = if is_llq {
            self.demand(base == 0, "CREATE_SQ: an address for a queue in the device")
        } else {
            self.check_new_range(
                &"CREATE_SQ: the queue",
                base,
                usize::from(depth) * eth_io::DESC_SIZE,
                4096,
            )
        };
        if !has_memory {
            return admin::ILLEGAL_PARAMETER.into();
        }
        self.add_submission_queue(direction, (!is_llq).then_some(base), depth, completions, policy)
    }

    fn check_completions_of(&mut self, direction: Direction, number: u16, depth: u16) -> bool {
        let Some(queue) = self.completions.get(&number) else {
            self.violate(format_args!("CREATE_SQ: there is no completion queue {number}"));
            return false;
        };
        let (words, room, other) = (queue.words, queue.depth, queue.direction);
        let expected = match direction {
            Direction::Tx => eth_io::TX_CDESC_WORDS,
            Direction::Rx => eth_io::RX_CDESC_WORDS,
        };
        self.demand(
            words == expected,
            format_args!("CREATE_SQ: completions of {words} words for {direction}, which has {expected}"),
        ) & self.demand(
            other.is_none(),
            format_args!("CREATE_SQ: completion queue {number} has a submission queue"),
        ) & self.demand(
            room >= depth,
            format_args!("CREATE_SQ: {depth} entries, and room for {room} completions"),
        )
    }

    fn add_submission_queue(
        &mut self,
        direction: Direction,
        address: Option<u64>,
        depth: u16,
        completions: u16,
        policy: u8,
    ) -> Outcome {
        let most = self.configuration.queues as usize;
        let existing = self.submissions.keys().filter(|key| key.0 == direction).count();
        if !self.demand(
            existing < most,
            format_args!("CREATE_SQ: more than {most} queues for {direction}"),
        ) {
            return admin::RESOURCE_ALLOCATION_FAILURE.into();
        }
        let llq_offset = match (address, self.settings.llq) {
            (None, Some(llq)) => self.llq_memory.allocate(usize::from(depth) * llq.entry_size),
            _ => 0,
        };
        let free = (0..u16::MAX).find(|&number| !self.submissions.contains_key(&(direction, number)));
        let number = free.unwrap_or(0);
        let doorbell = self.place();
        self.submissions.insert(
            (direction, number),
            SubmissionQueue {
                address,
                llq_offset,
                depth,
                completions,
                on_demand: policy == admin::COMPLETION_POLICY_DESC_ON_DEMAND,
                head: 0,
                doorbell,
                meta: None,
                outstanding: Vec::new(),
                posted: Vec::new(),
            },
        );
        if let Some(queue) = self.completions.get_mut(&completions) {
            queue.direction = Some(direction);
        }
        let mut outcome = Outcome::from(admin::SUCCESS);
        outcome.response[0] = number.into();
        outcome.response[1] = doorbell as u32;
        outcome.response[2] = llq_offset as u32;
        outcome
    }

    pub(super) fn destroy_submission_queue(&mut self, command: &Command) -> Outcome {
        let number = command[1] as u16;
        let identity = (command[1] >> 16) as u8;
        self.demand(
            command[1] >> 24 == 0 && identity.trailing_zeros() >= 5,
            "DESTROY_SQ: reserved bits",
        );
        let queue =
            Direction::of_identity(identity).and_then(|direction| self.submissions.remove(&(direction, number)));
        let Some(queue) = queue else {
            self.violate(format_args!(
                "DESTROY_SQ: there is no queue {number} of direction {}",
                identity >> 5
            ));
            return admin::ILLEGAL_PARAMETER.into();
        };
        if let Some(completions) = self.completions.get_mut(&queue.completions) {
            completions.direction = None;
        }
        admin::SUCCESS.into()
    }
}
