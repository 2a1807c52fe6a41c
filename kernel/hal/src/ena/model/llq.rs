//! Low latency queues: their feature, and the memory in BAR 2 that the driver writes entries to.

use alloc::collections::BTreeMap;

use super::admin::Outcome;
use super::defs::{admin, eth_io};
use super::state::{Direction, State};

/// Bytes of BAR 2.
pub(super) const LENGTH: usize = 1 << 20;

/// What the driver chose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Llq {
    pub(super) depth: u32,
    pub(super) entry_size: usize,
    pub(super) before_header: usize,
    /// Descriptors in an entry after the first.
    pub(super) per_entry: usize,
    /// Whether each packet brings its metadata.
    pub(super) no_meta_caching: bool,
    /// Entries between two doorbells.
    pub(super) burst: Option<u16>,
}

impl Llq {
    /// Bytes of the header that fit.
    pub(super) fn header_room(&self) -> usize {
        self.entry_size - self.before_header * eth_io::DESC_SIZE
    }
}

#[derive(Default)]
pub(super) struct LlqMemory {
    /// What was written and not read by the device.
    bytes: BTreeMap<usize, u8>,
    /// Where the next queue goes. It is never used again before a reset.
    next: usize,
}

impl LlqMemory {
    pub(super) fn allocate(&mut self, length: usize) -> usize {
        let start = self.next;
        self.next += length;
        start
    }
}

impl State {
    pub(super) fn llq_feature(&self) -> Outcome {
        let mut outcome = Outcome::from(admin::SUCCESS);
        let Some(offer) = self.configuration.llq else {
            return admin::UNSUPPORTED_OPCODE.into();
        };
        let recommended = 1 << offer.entry_sizes.trailing_zeros();
        let pair = |low: u16, high: u16| u32::from(low) | u32::from(high) << 16;
        let version = 1;
        let words = [
            offer.queues,
            offer.depth,
            pair(admin::INLINE_HEADER, 0),
            pair(offer.entry_sizes, 0),
            pair(offer.descs_before_header, 0),
            pair(offer.strides, 0),
            version | recommended << 8 | (offer.depth / 2) << 16,
            pair(offer.accelerations, offer.burst_bytes),
        ];
        outcome.response[..words.len()].copy_from_slice(&words);
        outcome
    }

    pub(super) fn set_llq(&mut self, data: &[u32]) -> bool {
        let Some(offer) = self.configuration.llq else {
            return false;
        };
        let supported = [data[2], data[3], data[4], data[5]]
            .iter()
            .any(|word| word & 0xffff != 0);
        let [location, size, before, stride] = [2, 3, 4, 5].map(|at| (data[at] >> 16) as u16);
        let accelerations = data[7] as u16;
        let mut choose = |name: &str, offered: u16, chosen: u16| {
            self.demand(
                chosen.is_power_of_two() && chosen & offered != 0,
                format_args!("SET_FEATURE: LLQ {name} {chosen:#x} is not one of {offered:#x}"),
            )
        };
        let is_right = choose("header location", admin::INLINE_HEADER, location)
            & choose("entry size", offer.entry_sizes, size)
            & choose("descriptors before the header", offer.descs_before_header, before)
            & choose("stride", offer.strides, stride)
            & self.demand(
                !supported && data[0] == 0 && data[1] == 0 && data[6] == 0 && data[7] >> 16 == 0,
                "SET_FEATURE: LLQ has fields that are the device's to say",
            )
            & self.demand(
                accelerations & !(admin::DISABLE_META_CACHING | admin::LIMIT_TX_BURST) == 0
                    && accelerations & offer.accelerations == offer.accelerations,
                format_args!(
                    "SET_FEATURE: LLQ accelerations {accelerations:#x}, and {:#x} must be",
                    offer.accelerations
                ),
            )
            & self.demand(
                !self.submissions.keys().any(|key| key.0 == Direction::Tx),
                "SET_FEATURE: LLQ while there are queues for TX",
            );
        if !is_right {
            return false;
        }
        let entry_size = match size {
            admin::LIST_ENTRY_SIZE_128B => 128,
            admin::LIST_ENTRY_SIZE_192B => 192,
            _ => 256,
        };
        let limits_burst = offer.accelerations & admin::LIMIT_TX_BURST != 0;
        self.settings.llq = Some(Llq {
            depth: if entry_size > 128 { offer.depth / 2 } else { offer.depth },
            entry_size,
            before_header: before.into(),
            per_entry: if stride == admin::MULTIPLE_DESCS_PER_ENTRY {
                entry_size / eth_io::DESC_SIZE
            } else {
                1
            },
            no_meta_caching: offer.accelerations & admin::DISABLE_META_CACHING != 0,
            burst: limits_burst.then(|| (usize::from(offer.burst_bytes) / entry_size) as u16),
        });
        true
    }

    /// A store to BAR 2.
    pub(super) fn store_llq(&mut self, offset: usize, size: usize, value: u64) {
        let Some(llq) = self.settings.llq else {
            self.violate(format_args!(
                "a store at {offset:#x} of BAR 2, while there are no low latency queues"
            ));
            return;
        };
        let is_inside = self.submissions.values().any(|queue| {
            let length = usize::from(queue.depth) * llq.entry_size;
            queue.address.is_none() && (queue.llq_offset..queue.llq_offset + length).contains(&offset)
        });
        if self.demand(
            is_inside,
            format_args!("a store at {offset:#x} of BAR 2, where no queue is"),
        ) {
            for (index, byte) in value.to_le_bytes().into_iter().take(size).enumerate() {
                self.llq_memory.bytes.insert(offset + index, byte);
            }
        }
    }

    /// Takes what the driver wrote to an entry; it is gone then.
    pub(super) fn take_llq(&mut self, offset: usize, into: &mut [u8]) -> bool {
        let mut is_whole = true;
        for (index, byte) in into.iter_mut().enumerate() {
            let written = self.llq_memory.bytes.remove(&(offset + index));
            *byte = written.unwrap_or(0);
            is_whole &= written.is_some();
        }
        self.demand(
            is_whole,
            format_args!("the doorbell came before all bytes at {offset:#x} of BAR 2 were written"),
        )
    }
}
