//! Frames to the driver: slots of buffers, and a descriptor for each part of a frame, with a sequence number.

use alloc::vec::Vec;

use super::super::defs::gqi;
use super::super::faults::CompletionFault;
use super::super::fields::be64;
use super::super::queues::Posted;
use super::super::state::State;
use crate::dma::reach::Reach;
use crate::network::model::{Headers, sum};

/// Of an Ethernet header.
const ETHERNET: usize = 14;

/// The sequence number of the descriptor that is the `position`-th ever: 1 to 7, over and over.
pub(in super::super) fn sequence(position: u32) -> u8 {
    // 2^32 is no multiple of 7: nobody counts so far here.
    (position % u32::from(gqi::RX_LAST_SEQNO)) as u8 + 1
}

/// What the device says of a frame: flags, bytes of headers, and the sum of what follows the Ethernet header, or 0.
fn describe(frame: &[u8]) -> (u16, u8, u16) {
    let Some(headers) = Headers::of(frame) else {
        return (0, 0, 0);
    };
    let mut flags = if headers.is_ipv6 { gqi::RXF_IPV6 } else { gqi::RXF_IPV4 };
    let mut length = headers.l4;
    if headers.is_fragment {
        flags |= gqi::RXF_FRAG;
    } else if headers.l4_checksum().is_some() {
        flags |= if headers.is_tcp() { gqi::RXF_TCP } else { gqi::RXF_UDP };
        length += if headers.is_tcp() { headers.tcp_length(frame) } else { 8 };
    }
    let total = match sum(0, &frame[ETHERNET..]) {
        0 => u16::MAX,
        total => total,
    };
    (flags, (length + gqi::RX_PAD) as u8, total)
}

impl State {
    /// The doorbell of an RX queue: how many slots were filled ever, modulo 2^32.
    pub(in super::super) fn ring_gqi_receiver(&mut self, number: u32, tail: u32) {
        let Some(queue) = self.receivers.get(&number) else {
            return;
        };
        let (head, depth, used) = (queue.head, queue.common.depth, queue.posted.len());
        let new = tail.wrapping_sub(head);
        let what = format_args!(
            "RX queue {number}: the doorbell says {tail}, {head} was the last, and {used} of \
             {depth} buffers are not used"
        );
        if !self.demand(new as usize + used <= depth.into(), what) {
            return;
        }
        for position in (0..new).map(|count| head.wrapping_add(count)) {
            self.take_slot(number, position);
        }
    }

    fn take_slot(&mut self, number: u32, position: u32) {
        let Some(queue) = self.receivers.get_mut(&number) else {
            return;
        };
        queue.head = position.wrapping_add(1);
        let (common, size) = (queue.common, queue.buffer_size);
        let index = position as usize % usize::from(common.depth);
        let mut slot = [0; gqi::RX_DATA_SLOT_SIZE];
        let at = common.second + (index * gqi::RX_DATA_SLOT_SIZE) as u64;
        self.fetch(&format_args!("RX queue {number}"), at, &mut slot);
        let address = be64(&slot, 0);
        let what = format_args!("RX queue {number}: the buffer of slot {index}");
        let posted = self.receivers.get(&number).map(|queue| &queue.posted);
        let is_free =
            !posted.is_some_and(|posted| posted.iter().any(|other| other.address.abs_diff(address) < size as u64));
        let is_right = self.demand(
            address.is_multiple_of(size as u64),
            format_args!("{what} at {address:#x} is not one of the halves of a page"),
        ) & self.demand(
            is_free,
            format_args!("{what} at {address:#x} overlaps one that is not used yet"),
        );
        let is_right = is_right && self.locate(&what, common.list, address, size).is_some();
        let Some(queue) = self.receivers.get_mut(&number) else {
            return;
        };
        // A slot is used in its turn, whatever it says.
        let address = if is_right { address } else { u64::MAX };
        queue.posted.push_back(Posted { identifier: 0, address });
    }

    /// A frame arrives for a queue. False when it is dropped.
    pub(in super::super) fn receive_gqi(&mut self, number: u32, frame: &[u8]) -> bool {
        let Some(queue) = self.receivers.get_mut(&number) else {
            return false;
        };
        let size = queue.buffer_size;
        let count = (gqi::RX_PAD + frame.len()).div_ceil(size);
        if queue.posted.len() < count {
            self.drops.rx += 1;
            return false;
        }
        let buffers: Vec<Posted> = queue.posted.drain(..count).collect();
        let common = queue.common;
        let fault = self.faults.received.pop_front().unwrap_or(CompletionFault::None);
        let (flags, header_length, total) = describe(frame);
        let mut rest = frame;
        for (index, buffer) in buffers.into_iter().enumerate() {
            let pad = if index == 0 { gqi::RX_PAD } else { 0 };
            let (part, after) = rest.split_at(rest.len().min(size - pad));
            rest = after;
            self.fill(number, buffer.address, &[&alloc::vec![0; pad], part].concat());
            let mut descriptor = [0; gqi::RX_DESC_SIZE];
            let mut flags = flags;
            if index == 0 {
                descriptor[gqi::RX_RSS_HASH..gqi::RX_RSS_HASH + 4].copy_from_slice(&u32::from(total).to_be_bytes());
                descriptor[gqi::RX_HDR_LEN] = header_length;
                descriptor[gqi::RX_CSUM..gqi::RX_CSUM + 2].copy_from_slice(&total.to_be_bytes());
            }
            if index + 1 < count || fault == CompletionFault::NoLast {
                flags |= gqi::RXF_PKT_CONT;
            }
            let length = match fault {
                CompletionFault::Length(length) if index == 0 => length,
                _ => (pad + part.len()) as u16,
            };
            if fault == CompletionFault::Error {
                flags |= gqi::RXF_ERR;
            }
            descriptor[gqi::RX_LEN..gqi::RX_LEN + 2].copy_from_slice(&length.to_be_bytes());
            self.complete_gqi(number, descriptor, flags, fault, index);
        }
        self.cause(common.block);
        true
    }

    /// Writes bytes into a buffer.
    fn fill(&mut self, number: u32, address: u64, bytes: &[u8]) {
        let Some(list) = self.receivers.get(&number).map(|queue| queue.common.list) else {
            return;
        };
        let what = format_args!("RX queue {number}: a buffer");
        // Otherwise it was written down when the buffer was given.
        let Some(parts) = Some(address).filter(|&address| address != u64::MAX) else {
            return;
        };
        let Some(parts) = self.locate(&what, list, parts, bytes.len()) else {
            return;
        };
        let mut at = 0;
        for (address, length) in parts {
            self.store(&what, address, &bytes[at..at + length]);
            at += length;
        }
    }

    fn complete_gqi(
        &mut self,
        number: u32,
        mut descriptor: [u8; gqi::RX_DESC_SIZE],
        flags: u16,
        fault: CompletionFault,
        index: usize,
    ) {
        let Some(queue) = self.receivers.get_mut(&number) else {
            return;
        };
        let position = queue.completed;
        queue.completed = position.wrapping_add(1);
        let common = queue.common;
        if fault == CompletionFault::Lose {
            return;
        }
        let sequence = match fault {
            CompletionFault::Sequence(other) if index == 0 => other,
            _ => sequence(position),
        };
        let word = flags | u16::from(sequence);
        descriptor[gqi::RX_FLAGS_SEQ..].copy_from_slice(&word.to_be_bytes());
        let slot = position as usize % usize::from(common.depth);
        let at = common.ring + (slot * gqi::RX_DESC_SIZE) as u64;
        self.publish(&format_args!("RX queue {number}"), at, &descriptor, gqi::RX_LEN);
        self.count(common.counter, position.wrapping_add(1));
    }
}
