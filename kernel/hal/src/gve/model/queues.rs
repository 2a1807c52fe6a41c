//! Queues of frames, as the device has them, and their end: `DESTROY_TX_QUEUE` and `DESTROY_RX_QUEUE`.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::admin::Outcome;
use super::defs::admin;
use super::fields::be32;
use super::pages::Parts;
use super::state::State;

/// What queues of both directions have.
#[derive(Clone, Copy)]
pub(super) struct Common {
    /// Where its doorbell lies in BAR 2, in words.
    pub(super) doorbell: usize,
    pub(super) counter: u32,
    /// The notification block.
    pub(super) block: u32,
    pub(super) resources: u64,
    /// The list of pages that its buffers are in, unless they are anywhere.
    pub(super) list: Option<u32>,
    pub(super) depth: u16,
    /// TX: descriptors. RX: what the device writes of received frames.
    pub(super) ring: u64,
    pub(super) ring_bytes: usize,
    /// TX of DQO: completions. RX: buffers.
    pub(super) second: u64,
    /// 0 where there is none.
    pub(super) second_bytes: usize,
}

/// A packet that the device took and did not complete.
pub(super) struct Transmission {
    /// DQO: its tag.
    pub(super) tag: u16,
    /// How many descriptors there were ever, with its last, modulo 2^32.
    pub(super) end: u32,
    pub(super) parts: Parts,
    /// What lay there when it was taken.
    pub(super) bytes: Vec<u8>,
    /// DQO: whether it missed the fast path, and waits to be sent another way.
    pub(super) is_missed: bool,
}

pub(super) struct Transmitter {
    pub(super) common: Common,
    /// Descriptors taken, modulo 2^32.
    pub(super) head: u32,
    /// GQI: descriptors completed. DQO: descriptors that the driver was told that the device has fetched.
    pub(super) done: u32,
    /// DQO: the last descriptor that asked for that.
    pub(super) last_event: Option<u32>,
    /// DQO: completions written, modulo 2^32, and entries for them.
    pub(super) completed: u32,
    pub(super) completion_depth: u16,
    /// The oldest first.
    pub(super) outstanding: Vec<Transmission>,
    /// DQO: tags that a fault has told to be completed: the driver may take them for free.
    pub(super) lies: Vec<u16>,
}

impl Transmitter {
    /// The driver is told that the packet with a tag is completed, which is not true: from now on it may do as if it were.
    pub(super) fn lie(&mut self, tag: u16) {
        self.outstanding.retain(|other| other.tag != tag);
        self.lies.push(tag);
    }
}

/// A buffer to receive into.
#[derive(Clone, Copy)]
pub(super) struct Posted {
    /// DQO: what the driver calls it.
    pub(super) identifier: u16,
    /// An address; GQI with page lists: an offset.
    pub(super) address: u64,
}

pub(super) struct Receiver {
    pub(super) common: Common,
    pub(super) buffer_size: usize,
    /// Buffers taken, modulo 2^32.
    pub(super) head: u32,
    /// Descriptors of received frames written, modulo 2^32.
    pub(super) completed: u32,
    /// The oldest first.
    pub(super) posted: VecDeque<Posted>,
    /// DQO: buffers that a fault has told to be used: the driver may post them again.
    pub(super) lies: Vec<u16>,
}

impl State {
    /// `DESTROY_TX_QUEUE`.
    pub(super) fn destroy_transmitter(&mut self, parameters: &[u8]) -> Outcome {
        let number = be32(parameters, 0);
        let queue = self.transmitters.remove(&number);
        self.destroy("DESTROY_TX_QUEUE", number, queue.map(|queue| queue.common))
    }

    /// `DESTROY_RX_QUEUE`.
    pub(super) fn destroy_receiver(&mut self, parameters: &[u8]) -> Outcome {
        let number = be32(parameters, 0);
        let queue = self.receivers.remove(&number);
        self.destroy("DESTROY_RX_QUEUE", number, queue.map(|queue| queue.common))
    }

    fn destroy(&mut self, name: &str, number: u32, queue: Option<Common>) -> Outcome {
        let Some(queue) = queue else {
            self.violate(format_args!("{name}: there is no queue {number}"));
            return Err(admin::ERROR_NOT_FOUND);
        };
        if let Some(list) = queue.list.and_then(|list| self.page_lists.get_mut(&list)) {
            list.is_used = false;
        }
        Ok(())
    }
}
