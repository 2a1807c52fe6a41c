//! Frames to the driver: a queue of buffers, and a completion for each part of a frame.

use alloc::vec::Vec;

use super::super::defs::{admin, dqo};
use super::super::description::PACKET_TYPES;
use super::super::faults::{CompletionFault, Defect};
use super::super::fields::{is_zero, le16, le64};
use super::super::queues::Posted;
use super::super::state::State;
use super::completions::generation;
use crate::dma::reach::Reach;
use crate::network::model::{Headers, sum};

/// Of an Ethernet header.
const ETHERNET: usize = 14;

type Completion = [u8; dqo::RX_COMPL_SIZE];

/// What the device says of a frame: its type, and status bits.
fn describe(frame: &[u8]) -> (u16, u8) {
    let of = |l3: u8, l4: u8| {
        let found = PACKET_TYPES.iter().find(|other| (other.1, other.2) == (l3, l4));
        found.map_or(0, |found| found.0)
    };
    let Some(headers) = Headers::of(frame) else {
        return (of(admin::L3_TYPE_OTHER, admin::L4_TYPE_OTHER), 0);
    };
    let l3 = if headers.is_ipv6 {
        admin::L3_TYPE_IPV6
    } else {
        admin::L3_TYPE_IPV4
    };
    let mut status = dqo::RX_L3_L4_PROCESSED;
    if !headers.is_ipv6 && !headers.has_l3_checksum(frame) {
        status |= dqo::RX_CSUM_IP_ERR;
    }
    if headers.is_fragment {
        return (of(l3, 0), status);
    }
    let Some(at) = headers.l4_checksum() else {
        return (of(l3, admin::L4_TYPE_OTHER), status);
    };
    let has_none = headers.is_udp() && !headers.is_ipv6 && is_zero(&frame[at..at + 2]);
    if !has_none && !headers.has_l4_checksum(frame) {
        status |= dqo::RX_CSUM_L4_ERR;
    }
    let l4 = if headers.is_tcp() {
        admin::L4_TYPE_TCP
    } else {
        admin::L4_TYPE_UDP
    };
    (of(l3, l4), status)
}

impl State {
    /// The doorbell of the queue of buffers: the index of the descriptor behind the last.
    pub(in super::super) fn ring_dqo_receiver(&mut self, number: u32, tail: u32) {
        let Some(queue) = self.receivers.get(&number) else {
            return;
        };
        let (head, common, used) = (queue.head, queue.common, queue.posted.len());
        let depth = u32::from(common.depth);
        let new = tail.wrapping_sub(head) % depth;
        let is_right = self.demand(
            tail < depth,
            format_args!("RX queue {number}: the doorbell says {tail}, which is no index of a ring of {depth}"),
        ) && self.demand(
            new >= dqo::RX_MIN_BUF_THRESH || new == 0,
            format_args!(
                "RX queue {number}: the doorbell says {tail}, {new} buffers more than before; the hardware wants 8 at a time \
                 (GVE_RX_BUF_THRESH_DQO)"
            ),
        ) && self.demand(
            new as usize + used < depth as usize,
            format_args!(
                "RX queue {number}: {new} new buffers beside {used} in a ring of {depth}, \
                 of which one stays free"
            ),
        );
        if !is_right {
            return;
        }
        for position in (0..new).map(|count| head.wrapping_add(count)) {
            let index = position as usize % usize::from(common.depth);
            let mut descriptor = [0; dqo::RX_DESC_SIZE];
            let at = common.second + (index * dqo::RX_DESC_SIZE) as u64;
            self.fetch(&format_args!("the buffers of RX queue {number}"), at, &mut descriptor);
            self.take_dqo_buffer(number, &descriptor);
        }
        if let Some(queue) = self.receivers.get_mut(&number) {
            queue.head = head.wrapping_add(new);
        }
    }

    fn take_dqo_buffer(&mut self, number: u32, descriptor: &[u8; dqo::RX_DESC_SIZE]) {
        let Some(queue) = self.receivers.get_mut(&number) else {
            return;
        };
        let (identifier, address) = (le16(descriptor, 0), le64(descriptor, 8));
        if queue.lies.contains(&identifier) {
            queue.posted.retain(|other| other.identifier != identifier);
        }
        let (common, size) = (queue.common, queue.buffer_size);
        let is_new = !queue.posted.iter().any(|other| other.identifier == identifier);
        let overlaps = queue
            .posted
            .iter()
            .any(|other| other.address.abs_diff(address) < size as u64);
        let what = format_args!("RX queue {number}: buffer {identifier}");
        let is_right = self.demand(
            is_zero(&descriptor[2..8]) && is_zero(&descriptor[24..32]),
            format_args!("{what} has reserved bytes that are not zero"),
        ) & self.demand(
            is_zero(&descriptor[16..24]),
            format_args!("{what} has a header_buf_addr, and headers are not split off"),
        ) & self.demand(is_new, format_args!("{what} is posted already"))
            // Elsewhere it is found as memory that the device has.
            & self.demand(
                common.list.is_none() || !overlaps,
                format_args!("{what} at {address:#x} overlaps one that is not used yet"),
            );
        let is_right = is_right && self.locate(&what, common.list, address, size).is_some();
        if let Some(queue) = self.receivers.get_mut(&number).filter(|_| is_right) {
            queue.posted.push_back(Posted { identifier, address });
        }
    }

    /// A frame arrives for a queue. False when it is dropped.
    pub(in super::super) fn receive_dqo(&mut self, number: u32, frame: &[u8]) -> bool {
        let takes_newest = self.faults.has(Defect::NewestBuffersFirst);
        let Some(queue) = self.receivers.get_mut(&number) else {
            return false;
        };
        let (size, block) = (queue.buffer_size, queue.common.block);
        let count = frame.len().div_ceil(size);
        if queue.posted.len() < count {
            self.drops.rx += 1;
            return false;
        }
        let take = |_| {
            if takes_newest {
                queue.posted.pop_back()
            } else {
                queue.posted.pop_front()
            }
        };
        let buffers: Vec<Posted> = (0..count).filter_map(take).collect();
        let fault = self.faults.received.pop_front().unwrap_or(CompletionFault::None);
        let (packet_type, status) = describe(frame);
        for (index, (buffer, part)) in buffers.into_iter().zip(frame.chunks(size)).enumerate() {
            let what = format_args!("buffer {} of RX queue {number}", buffer.identifier);
            self.store(&what, buffer.address, part);
            let mut completion: Completion = [0; dqo::RX_COMPL_SIZE];
            completion[0] = dqo::RX_RXDID;
            completion[dqo::RX_STATUS] = dqo::RX_DESCRIPTOR_DONE;
            completion[dqo::RX_BUF_ID..dqo::RX_BUF_ID + 2].copy_from_slice(&buffer.identifier.to_le_bytes());
            let length = match fault {
                CompletionFault::Length(length) if index == 0 => length & dqo::RX_PACKET_LEN_MASK,
                _ => part.len() as u16,
            };
            completion[dqo::RX_PACKET_LEN..dqo::RX_PACKET_LEN + 2].copy_from_slice(&length.to_le_bytes());
            if index + 1 == count {
                // What is said of the frame is said at its end.
                completion[2..4].copy_from_slice(&packet_type.to_le_bytes());
                completion[dqo::RX_STATUS] |= status;
                if fault != CompletionFault::NoLast {
                    completion[dqo::RX_STATUS] |= dqo::RX_END_OF_PACKET;
                }
                let raw = sum(0, &frame[ETHERNET.min(frame.len())..]);
                completion[dqo::RX_RAW_CS..dqo::RX_RAW_CS + 2].copy_from_slice(&raw.to_le_bytes());
                completion[dqo::RX_HASH..dqo::RX_HASH + 4].copy_from_slice(&u32::from(raw).to_le_bytes());
            }
            self.complete_dqo_buffer(number, completion, fault, index);
            if fault == CompletionFault::Twice {
                if let Some(queue) = self.receivers.get_mut(&number) {
                    queue.lies.push(buffer.identifier);
                }
                self.complete_dqo_buffer(number, completion, CompletionFault::None, index);
            }
        }
        self.cause(block);
        true
    }

    fn complete_dqo_buffer(&mut self, number: u32, mut completion: Completion, fault: CompletionFault, index: usize) {
        let Some(queue) = self
            .receivers
            .get_mut(&number)
            .filter(|_| fault != CompletionFault::Lose)
        else {
            return;
        };
        let (position, common) = (queue.completed, queue.common);
        queue.completed = position.wrapping_add(1);
        let mut generation = generation(position, common.depth);
        match fault {
            CompletionFault::Identifier(other) if index == 0 => {
                queue.posted.retain(|posted| posted.identifier != other);
                queue.lies.push(other);
                completion[dqo::RX_BUF_ID..dqo::RX_BUF_ID + 2].copy_from_slice(&other.to_le_bytes());
            }
            CompletionFault::Generation => generation = !generation,
            CompletionFault::Type(other) => completion[0] = other,
            CompletionFault::Error => completion[1] |= dqo::RX_ERROR,
            _ => {}
        }
        let word = le16(&completion, dqo::RX_PACKET_LEN) | u16::from(generation) << dqo::RX_GENERATION_SHIFT;
        completion[dqo::RX_PACKET_LEN..dqo::RX_PACKET_LEN + 2].copy_from_slice(&word.to_le_bytes());
        let slot = position as usize % usize::from(common.depth);
        let at = common.ring + (slot * dqo::RX_COMPL_SIZE) as u64;
        self.publish(
            &format_args!("the completions of RX queue {number}"),
            at,
            &completion,
            dqo::RX_PACKET_LEN,
        );
    }
}
