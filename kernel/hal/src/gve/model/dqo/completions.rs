//! Completions of packets, in any order, and of descriptors.

use super::super::defs::{admin, dqo};
use super::super::faults::CompletionFault;
use super::super::state::State;
use crate::dma::reach::Reach;

/// The generation of the completion that is the `position`-th ever: 1 in the first round.
pub(super) fn generation(position: u32, depth: u16) -> bool {
    (position / u32::from(depth)).is_multiple_of(2)
}

impl State {
    /// Tells that the device has fetched the descriptors up to one.
    pub(super) fn report_fetched(&mut self, number: u32, end: u32) {
        let Some(queue) = self.transmitters.get_mut(&number) else {
            return;
        };
        queue.done = end;
        let index = end % u32::from(queue.common.depth);
        self.complete_dqo(number, dqo::COMPL_TYPE_DESC, index as u16, CompletionFault::None);
    }

    /// Completes a packet.
    pub(in super::super) fn finish_dqo(&mut self, number: u32, end: u32) {
        let fault = self.faults.sent.pop_front().unwrap_or(CompletionFault::None);
        let Some(queue) = self.transmitters.get_mut(&number) else {
            return;
        };
        let block = queue.common.block;
        let Some(at) = queue.outstanding.iter().position(|other| other.end == end) else {
            return;
        };
        let tag = queue.outstanding[at].tag;
        if fault == CompletionFault::Miss {
            queue.outstanding[at].is_missed = true;
            if self.is_capable(admin::CAPABILITY_ALT_MISS_COMPL) {
                let tag = tag | dqo::ALT_MISS_COMPL_BIT;
                self.complete_dqo(number, dqo::COMPL_TYPE_PKT, tag, CompletionFault::None);
            } else {
                self.complete_dqo(number, dqo::COMPL_TYPE_MISS, tag, CompletionFault::None);
            }
        } else if fault != CompletionFault::Lose {
            let transmission = queue.outstanding.remove(at);
            self.check_unchanged(number, &transmission);
            self.complete_dqo(number, dqo::COMPL_TYPE_PKT, tag, fault);
            if fault == CompletionFault::Twice {
                self.complete_dqo(number, dqo::COMPL_TYPE_PKT, tag, CompletionFault::None);
            }
        }
        self.cause(block);
    }

    /// Sends the packets that missed the fast path another way.
    pub(in super::super) fn reinject(&mut self) {
        let numbers: alloc::vec::Vec<u32> = self.transmitters.keys().copied().collect();
        for number in numbers {
            while let Some(queue) = self.transmitters.get_mut(&number)
                && let Some(at) = queue.outstanding.iter().position(|other| other.is_missed)
            {
                let block = queue.common.block;
                let transmission = queue.outstanding.remove(at);
                self.check_unchanged(number, &transmission);
                self.complete_dqo(
                    number,
                    dqo::COMPL_TYPE_REINJECTION,
                    transmission.tag,
                    CompletionFault::None,
                );
                self.cause(block);
            }
        }
    }

    /// Completes what no packet asked for.
    pub(in super::super) fn complete_nothing(&mut self, number: u32, kind: u8, value: u16) {
        let is_packet = kind == dqo::COMPL_TYPE_PKT || kind == dqo::COMPL_TYPE_REINJECTION;
        if let Some(queue) = self.transmitters.get_mut(&number).filter(|_| is_packet) {
            queue.lie(value);
        }
        self.complete_dqo(number, kind, value, CompletionFault::None);
        if let Some(block) = self.transmitters.get(&number).map(|queue| queue.common.block) {
            self.cause(block);
        }
    }

    /// Writes a completion of any type, whether there was a packet or not.
    fn complete_dqo(&mut self, number: u32, kind: u8, value: u16, fault: CompletionFault) {
        let Some(queue) = self.transmitters.get_mut(&number) else {
            return;
        };
        let (position, depth, start) = (queue.completed, queue.completion_depth, queue.common.second);
        queue.completed = position.wrapping_add(1);
        let mut generation = generation(position, depth);
        let (mut told, mut kind, mut value) = (number as u16, kind, value);
        match fault {
            CompletionFault::Queue(other) => told = other,
            CompletionFault::Type(other) => kind = other,
            CompletionFault::Identifier(other) => {
                queue.lie(other);
                value = other;
            }
            CompletionFault::Twice => queue.lie(value),
            CompletionFault::Generation => generation = !generation,
            _ => {}
        }
        let word = told & 0x7ff
            | u16::from(kind & 7) << dqo::TX_COMPL_TYPE_SHIFT
            | u16::from(generation) << dqo::TX_COMPL_GENERATION_SHIFT;
        let mut entry = [0; dqo::TX_COMPL_SIZE];
        entry[..2].copy_from_slice(&word.to_le_bytes());
        entry[2..4].copy_from_slice(&value.to_le_bytes());
        let index = position as usize % usize::from(depth);
        let at = start + (index * dqo::TX_COMPL_SIZE) as u64;
        self.publish(&format_args!("the completions of TX queue {number}"), at, &entry, 0);
    }
}
