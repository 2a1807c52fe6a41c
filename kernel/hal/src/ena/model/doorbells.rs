//! Registers of queues of frames.

use super::completion::{HEAD_DB, INTR, NUMA};
use super::defs::{admin, eth_io};
use super::state::{Direction, State};

impl State {
    /// A store to a register of a queue.
    pub(super) fn store_queue_register(&mut self, offset: usize, value: u32) {
        if self.ring_phc(offset, value) {
            return;
        }
        let doorbell = self.submissions.iter().find(|(_, queue)| queue.doorbell == offset);
        if let Some((&(direction, number), _)) = doorbell {
            if value > u32::from(u16::MAX) {
                self.violate(format_args!(
                    "the doorbell of {direction} queue {number} says {value:#x}"
                ));
            } else if self.is_alive() {
                match direction {
                    Direction::Tx => self.ring_transmit(number, value as u16),
                    Direction::Rx => self.ring_receive(number, value as u16),
                }
            }
            return;
        }
        let completions = self
            .completions
            .iter()
            .find(|(_, queue)| (queue.registers..queue.registers + 16).contains(&offset));
        let Some((&number, queue)) = completions else {
            self.violate(format_args!(
                "a store at {offset:#x}, which is no register that can be written"
            ));
            return;
        };
        match offset - queue.registers {
            HEAD_DB => self.store_head(number, value),
            INTR => self.unmask(number, value),
            NUMA => {
                self.demand(
                    value & eth_io::NUMA_NODE_CFG_REG_RESERVED == 0,
                    format_args!("NUMA node {value:#x} of completion queue {number} has reserved bits"),
                );
            }
            _ => self.violate(format_args!(
                "a store at {offset:#x}, which is no register that can be written"
            )),
        }
    }

    /// What the driver says that it has read of a completion queue.
    fn store_head(&mut self, number: u16, value: u32) {
        let Some(queue) = self.completions.get_mut(&number) else {
            return;
        };
        let (head, tail) = (queue.head, queue.tail);
        let new = value as u16;
        if u16::try_from(value).is_ok() && new.wrapping_sub(head) <= tail.wrapping_sub(head) {
            queue.head = new;
        } else {
            self.violate(format_args!(
                "the head of completion queue {number} says {value}, {head} was the last and {tail} were written"
            ));
        }
    }

    fn unmask(&mut self, number: u16, value: u32) {
        let has_moderation = self.configuration.features & 1 << admin::INTERRUPT_MODERATION != 0;
        self.demand(
            has_moderation
                || value & eth_io::INTR_REG_DELAYS_MASK == 0
                || value & eth_io::INTR_REG_NO_MODERATION_UPDATE != 0,
            format_args!("interrupt control {value:#x} has delays, and the device no moderation"),
        );
        let vector = self.completions.get(&number).and_then(|queue| queue.vector);
        let what = format_args!("a completion queue that is polled, {number}, is unmasked");
        let is_unmasking = value & eth_io::INTR_REG_INTR_UNMASK != 0;
        if is_unmasking && self.demand(vector.is_some(), what) {
            self.set_open(vector.unwrap_or_default(), true);
        }
    }
}
