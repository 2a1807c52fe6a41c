//! Frames to the driver: buffers of an RX queue, and their completions.

use alloc::vec::Vec;

use super::completion::phase;
use super::defs::{admin, eth_io};
use super::faults::{CompletionFault, Defect};
use super::state::{Direction, State};
use crate::dma::reach::Reach;
use crate::network::model::Headers;

/// A buffer to receive into.
#[derive(Clone, Copy)]
pub(super) struct Posted {
    pub(super) request: u16,
    pub(super) address: u64,
    pub(super) length: usize,
}

impl State {
    /// The doorbell of an RX queue: how many buffers there were ever, modulo 2^16.
    pub(super) fn ring_receive(&mut self, number: u16, tail: u16) {
        let Some(queue) = self.submissions.get(&(Direction::Rx, number)) else {
            return;
        };
        let (head, depth, used) = (queue.head, queue.depth, queue.posted.len() as u16);
        let new = tail.wrapping_sub(head);
        let what = format_args!(
            "RX queue {number}: the doorbell says {tail}, {head} was the last, and {used} of {depth} are used"
        );
        if !self.demand(new < depth && new + used < depth, what) {
            return;
        }
        for position in (0..new).map(|count| head.wrapping_add(count)) {
            self.take_buffer(number, position);
        }
    }

    fn take_buffer(&mut self, number: u16, position: u16) {
        let Some(queue) = self.submissions.get_mut(&(Direction::Rx, number)) else {
            return;
        };
        queue.head = position.wrapping_add(1);
        let depth = queue.depth;
        let at = queue.address.unwrap_or(0) + u64::from(position % depth) * eth_io::DESC_SIZE as u64;
        let mut bytes = [0; eth_io::DESC_SIZE];
        self.fetch(&format_args!("RX queue {number}"), at, &mut bytes);
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let control = bytes[3];
        let request = half(4);
        let expected = phase(position, depth) as u8;
        let whole = eth_io::RX_DESC_FIRST | eth_io::RX_DESC_LAST | eth_io::RX_DESC_COMP_REQ;
        self.demand(
            control & eth_io::RX_DESC_PHASE == expected,
            format_args!("RX queue {number}: entry {position} has not phase {expected}"),
        );
        self.demand(
            control & whole == whole,
            format_args!("RX queue {number}: a buffer that is not first, last and to be completed ({control:#x})"),
        );
        self.demand(
            control & eth_io::RX_DESC_CTRL_MBZ == 0 && bytes[2] == 0 && half(6) == 0 && half(14) == 0,
            format_args!("RX queue {number}: a descriptor with reserved bits"),
        );
        let address = u64::from(half(12)) << 32 | u64::from(half(10)) << 16 | u64::from(half(8));
        let length = match half(0) {
            0 => 1 << 16,
            length => usize::from(length),
        };
        let is_new = !self
            .submissions
            .get(&(Direction::Rx, number))
            .is_some_and(|queue| queue.posted.iter().any(|posted| posted.request == request));
        let what = format_args!("RX queue {number}: the buffer of request {request}");
        let is_right = self.demand(
            is_new,
            format_args!("RX queue {number}: request {request} is still outstanding"),
        ) & self.check_new_range(&what, address, length, 1);
        if let Some(queue) = self.submissions.get_mut(&(Direction::Rx, number)).filter(|_| is_right) {
            queue.posted.push(Posted {
                request,
                address,
                length,
            });
        }
    }

    /// A frame arrives for a queue. False when it is dropped.
    pub(super) fn receive(&mut self, number: u16, frame: &[u8]) -> bool {
        if !self.has_link || self.registers.has_failed || self.faults.has(Defect::Hung) {
            return false;
        }
        let wants_offset = self.settings.driver_features & admin::HOST_INFO_RX_OFFSET != 0;
        let offset = if wants_offset {
            usize::from(self.configuration.rx_offset)
        } else {
            0
        };
        let most = usize::from(self.configuration.max_rx_descs);
        let Some(queue) = self.submissions.get_mut(&(Direction::Rx, number)) else {
            return false;
        };
        let mut parts: Vec<(Posted, usize, &[u8])> = Vec::new();
        let mut rest = frame;
        for &buffer in queue.posted.iter().take(most) {
            let skip = if parts.is_empty() { offset } else { 0 };
            let (part, after) = rest.split_at(rest.len().min(buffer.length.saturating_sub(skip)));
            parts.push((buffer, skip, part));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        if !rest.is_empty() || parts.is_empty() {
            self.drops.rx += 1;
            return false;
        }
        queue.posted.drain(..parts.len());
        let completions = queue.completions;
        let fault = self.faults.received.pop_front().unwrap_or(CompletionFault::None);
        let count = parts.len();
        for (index, (buffer, skip, part)) in parts.into_iter().enumerate() {
            let what = format_args!("RX queue {number}: the buffer of request {}", buffer.request);
            self.store(&what, buffer.address + skip as u64, part);
            let mut words = [
                eth_io::RX_CDESC_BUFFER,
                u32::from(part.len() as u16) | u32::from(buffer.request) << 16,
                0,
                u32::from(number) | (skip as u32) << 16,
            ];
            if index == 0 {
                words[0] |= eth_io::RX_CDESC_FIRST;
            }
            if index + 1 == count {
                words[0] |= eth_io::RX_CDESC_LAST | self.parsed(frame);
            }
            if fault != CompletionFault::Lose {
                self.complete_received(completions, words, index, fault);
            }
        }
        self.tell_completions(completions);
        true
    }

    fn complete_received(&mut self, completions: u16, mut words: [u32; 4], index: usize, fault: CompletionFault) {
        let mut phase = self.completion_phase(completions);
        match fault {
            CompletionFault::RequestId(request) if index == 0 => {
                words[1] = words[1] & 0xffff | u32::from(request) << 16;
            }
            CompletionFault::Length(length) if index == 0 => words[1] = words[1] & 0xffff_0000 | u32::from(length),
            CompletionFault::Phase => phase ^= 1,
            CompletionFault::Reserved => words[0] |= eth_io::RX_CDESC_MBZ7 | eth_io::RX_CDESC_MBZ17,
            CompletionFault::NoLast => words[0] &= !eth_io::RX_CDESC_LAST,
            CompletionFault::AllFirst => words[0] |= eth_io::RX_CDESC_FIRST,
            CompletionFault::None
            | CompletionFault::Lose
            | CompletionFault::RequestId(_)
            | CompletionFault::Length(_) => {}
        }
        words[0] |= phase << eth_io::RX_CDESC_PHASE_SHIFT;
        self.complete(completions, &words);
    }

    /// What the device says of a frame's headers and checksums.
    fn parsed(&self, frame: &[u8]) -> u32 {
        let Some(headers) = Headers::of(frame) else {
            return eth_io::L3_PROTO_UNKNOWN;
        };
        let offered = self.configuration.rx_offloads;
        let (l3, offer) = if headers.is_ipv6 {
            (eth_io::L3_PROTO_IPV6, admin::RX_L4_IPV6_CSUM)
        } else {
            (eth_io::L3_PROTO_IPV4, admin::RX_L4_IPV4_CSUM)
        };
        let mut status = l3;
        let checks_l3 = offered & admin::RX_L3_CSUM_IPV4 != 0;
        // The bit also says that nobody looked.
        if !(headers.is_ipv6 || checks_l3 && headers.has_l3_checksum(frame)) {
            status |= eth_io::RX_CDESC_L3_CSUM_ERR;
        }
        if headers.is_fragment {
            return status | eth_io::RX_CDESC_IPV4_FRAG;
        }
        let l4 = match headers.l4_checksum() {
            Some(_) if headers.is_tcp() => eth_io::L4_PROTO_TCP,
            Some(_) => eth_io::L4_PROTO_UDP,
            None => return status,
        };
        status |= l4 << eth_io::RX_CDESC_L4_PROTO_IDX_SHIFT;
        let at = headers.l4_checksum().unwrap_or(0);
        let has_none = headers.is_udp() && !headers.is_ipv6 && frame[at..at + 2] == [0, 0];
        if offered & offer != 0 && !has_none {
            status |= eth_io::RX_CDESC_L4_CSUM_CHECKED;
            if !headers.has_l4_checksum(frame) {
                status |= eth_io::RX_CDESC_L4_CSUM_ERR;
            }
        }
        status
    }
}
