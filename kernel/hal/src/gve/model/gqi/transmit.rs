//! Frames from the driver: descriptors of a packet, its segments and its metadata. An event counter tells how many are completed.

use alloc::string::String;
use alloc::vec::Vec;

use super::super::defs::gqi;
use super::super::faults::CompletionFault;
use super::super::fields::{be16, be64, is_zero};
use super::super::offload::{self, Sum};
use super::super::pages::Parts;
use super::super::queues::{Common, Transmission};
use super::super::state::State;
use crate::dma::reach::{Reach, overlap};

type Descriptor = [u8; gqi::TX_DESC_SIZE];

impl State {
    /// The doorbell of a TX queue: how many descriptors there were ever, modulo 2^32.
    pub(in super::super) fn ring_gqi_transmitter(&mut self, number: u32, tail: u32) {
        let Some(queue) = self.transmitters.get(&number) else {
            return;
        };
        let (mut head, done, common) = (queue.head, queue.done, queue.common);
        let (new, used) = (tail.wrapping_sub(head), head.wrapping_sub(done));
        let what = format_args!(
            "TX queue {number}: the doorbell says {tail}, {head} was the last, and {used} of {} \
             descriptors are not completed",
            common.depth
        );
        if !self.demand(u64::from(new) + u64::from(used) <= common.depth.into(), what) {
            return;
        }
        while head != tail {
            let before = self.broken;
            let descriptors = self.fetch_gqi_packet(number, &common, head, tail);
            head = match &descriptors {
                Some(descriptors) => head.wrapping_add(descriptors.len() as u32),
                None => tail,
            };
            if let Some(queue) = self.transmitters.get_mut(&number) {
                queue.head = head;
            }
            self.take_gqi_packet(number, &common, &descriptors.unwrap_or_default(), before, head);
        }
    }

    /// Reads the descriptors of a packet; none when nothing behind them makes sense.
    fn fetch_gqi_packet(&mut self, number: u32, common: &Common, head: u32, tail: u32) -> Option<Vec<Descriptor>> {
        let first = self.fetch_gqi_descriptor(number, common, head);
        let count = u32::from(first[3]);
        let kind = first[0] & gqi::TXD_TYPE;
        let is_right = self.demand(
            kind == gqi::TXD_STD || kind == gqi::TXD_TSO,
            format_args!(
                "TX queue {number}: descriptor {head} has type {:#x}; a packet begins with GVE_TXD_STD or GVE_TXD_TSO",
                first[0]
            ),
        ) && self.demand(
            count >= 1 && count <= tail.wrapping_sub(head),
            format_args!(
                "TX queue {number}: desc_cnt {count} of the packet at descriptor {head}, and the doorbell says {tail}"
            ),
        );
        if !is_right {
            return None;
        }
        let mut descriptors = alloc::vec![first];
        for position in 1..count {
            descriptors.push(self.fetch_gqi_descriptor(number, common, head.wrapping_add(position)));
        }
        Some(descriptors)
    }

    fn fetch_gqi_descriptor(&mut self, number: u32, common: &Common, position: u32) -> Descriptor {
        let mut bytes = [0; gqi::TX_DESC_SIZE];
        let index = position as usize % usize::from(common.depth);
        let at = common.ring + (index * gqi::TX_DESC_SIZE) as u64;
        self.fetch(&format_args!("TX queue {number}"), at, &mut bytes);
        bytes
    }

    /// Sends a packet, if no rule was broken since `before`, and completes it.
    fn take_gqi_packet(&mut self, number: u32, common: &Common, descriptors: &[Descriptor], before: usize, end: u32) {
        let parts = self.check_gqi_descriptors(number, common, descriptors);
        let frame = self.gather(&format_args!("TX queue {number}: a segment"), &parts);
        if let Some(first) = descriptors.first() {
            let length = usize::from(be16(first, 4));
            self.demand(
                frame.len() == length || self.broken != before,
                format_args!(
                    "TX queue {number}: len {length} of a packet whose segments have {} bytes",
                    frame.len()
                ),
            );
            if self.broken == before {
                let frames = self.offload_gqi(number, &frame, descriptors);
                self.emit(number, frames, before);
            } else {
                self.drops.tx += 1;
            }
        } else {
            self.drops.tx += 1;
        }
        let transmission = Transmission {
            tag: 0,
            end,
            parts,
            bytes: frame,
            is_missed: false,
        };
        if let Some(queue) = self.transmitters.get_mut(&number) {
            queue.outstanding.push(transmission);
        }
        if !self.holds_transmissions {
            self.finish(number, end);
        }
    }

    /// Checks each descriptor; where the packet's bytes lie.
    fn check_gqi_descriptors(&mut self, number: u32, common: &Common, descriptors: &[Descriptor]) -> Parts {
        let mut parts = Parts::new();
        for (index, descriptor) in descriptors.iter().enumerate() {
            let kind = descriptor[0] & gqi::TXD_TYPE;
            if index == 1 && kind == gqi::TXD_MTD {
                self.check_gqi_metadata(number, descriptor);
                continue;
            }
            let is_segment = self.demand(
                index == 0 || kind == gqi::TXD_SEG,
                format_args!(
                    "TX queue {number}: descriptor {index} of a packet has type {:#x}, not \
                     GVE_TXD_SEG; GVE_TXD_MTD is the second",
                    descriptor[0]
                ),
            );
            if !is_segment {
                continue;
            }
            let (length, address) = (usize::from(be16(descriptor, 6)), be64(descriptor, 8));
            if !self.demand(
                length > 0,
                format_args!("TX queue {number}: descriptor {index} of a packet has no bytes"),
            ) {
                continue;
            }
            let what = format_args!("TX queue {number}: the segment of descriptor {index} of a packet");
            let Some(place) = self.locate(&what, common.list, address, length) else {
                continue;
            };
            let overlaps = |other: &(u64, usize)| place.iter().any(|&part| overlap(part, *other));
            // Who sends from where it likes may send the same twice.
            let outstanding = self.transmitters.get(&number).filter(|_| common.list.is_some());
            let mut others = outstanding.into_iter().flat_map(|queue| &queue.outstanding);
            let is_free = !others.any(|other| other.parts.iter().any(overlaps)) && !parts.iter().any(overlaps);
            self.demand(
                is_free || common.list.is_none(),
                format_args!("{what}, at {address:#x}, overlaps one that is not completed"),
            );
            parts.extend(place);
        }
        parts
    }

    fn check_gqi_metadata(&mut self, number: u32, descriptor: &Descriptor) {
        let (state, hash) = (descriptor[1] & 0xf, descriptor[1] >> 4);
        self.demand(
            descriptor[0] == gqi::TXD_MTD
                && state <= gqi::MTD_PATH_STATE_RETRANSMIT
                && hash <= gqi::MTD_PATH_HASH_L4
                && is_zero(&descriptor[2..4])
                && is_zero(&descriptor[8..16]),
            format_args!("TX queue {number}: metadata with another subtype than the path, or reserved bits"),
        );
    }

    /// The frames that go out, or what is wrong.
    fn offload_gqi(&mut self, number: u32, frame: &[u8], descriptors: &[Descriptor]) -> Result<Vec<Vec<u8>>, String> {
        let first = &descriptors[0];
        let (kind, flags) = (first[0] & gqi::TXD_TYPE, first[0] & !gqi::TXD_TYPE);
        let (field, header) = (usize::from(first[1]) * 2, usize::from(first[2]) * 2);
        let in_first = usize::from(be16(first, 6));
        let segments = || {
            descriptors[1..]
                .iter()
                .filter(|other| other[0] & gqi::TXD_TYPE == gqi::TXD_SEG)
        };
        if flags & !gqi::TXF_L4CSUM != 0 {
            return Err(alloc::format!(
                "flags {flags:#x} of a packet; the model knows GVE_TXF_L4CSUM"
            ));
        }
        if flags & gqi::TXF_L4CSUM == 0 && (field != 0 || header != 0) {
            return Err("l4_hdr_offset or l4_csum_offset without GVE_TXF_L4CSUM".into());
        }
        if kind == gqi::TXD_STD {
            let is_plain = segments().all(|other| other[0] == gqi::TXD_SEG && is_zero(&other[1..6]));
            if !is_plain {
                return Err("a segment with l3_offset, mss or flags, which are of GVE_TXD_TSO".into());
            }
            self.check_gqi_first(number, frame, in_first);
            if flags & gqi::TXF_L4CSUM == 0 {
                return Ok(alloc::vec![frame.to_vec()]);
            }
        }
        let headers = offload::headers(frame)?;
        if flags & gqi::TXF_L4CSUM == 0 {
            return Err("GVE_TXD_TSO without GVE_TXF_L4CSUM".into());
        }
        let place = headers.l4_checksum().unwrap_or(0) - headers.l4;
        if (header, field) != (headers.l4, place) {
            return Err(alloc::format!(
                "l4_hdr_offset {header} and l4_csum_offset {field} in bytes, and the packet has {} and {place}",
                headers.l4
            ));
        }
        if kind == gqi::TXD_STD {
            return Ok(alloc::vec![offload::complete(frame.to_vec(), &headers)?]);
        }
        let start = headers.l4 + if headers.is_tcp() { headers.tcp_length(frame) } else { 0 };
        if in_first != start {
            return Err(alloc::format!(
                "seg_len {in_first} of GVE_TXD_TSO, whose first segment has the headers alone, {start} bytes"
            ));
        }
        let expected = if headers.is_ipv6 { gqi::TXSF_IPV6 } else { 0 };
        let sizes: Vec<u16> = segments().map(|other| be16(other, 4)).collect();
        let is_told = |other: &Descriptor| {
            other[0] == gqi::TXD_SEG | expected && usize::from(other[1]) * 2 == headers.l3 && is_zero(&other[2..4])
        };
        if !segments().all(is_told) {
            return Err(
                "a segment of GVE_TXD_TSO whose flags, l3_offset or reserved bits do not fit the packet".into(),
            );
        }
        let mss = sizes.first().copied().unwrap_or(0);
        if mss == 0 || sizes.iter().any(|&other| other != mss) {
            return Err(alloc::format!("segments of GVE_TXD_TSO with mss {sizes:?}"));
        }
        offload::segment(frame, &headers, mss.into(), Sum::Either)
    }

    /// Checks what the first descriptor has of a packet that is not segmented.
    fn check_gqi_first(&mut self, number: u32, frame: &[u8], in_first: usize) {
        let least = frame.len().min(gqi::GQ_TX_MIN_PKT_DESC_BYTES);
        let headers = offload::headers(frame).map(|headers| {
            let length = if headers.is_tcp() { headers.tcp_length(frame) } else { 8 };
            headers.l4 + length
        });
        self.demand(
            in_first >= headers.unwrap_or(least).min(least),
            format_args!(
                "TX queue {number}: seg_len {in_first} of a packet's first descriptor, which must have all headers of TCP or UDP, \
                 or the first {least} bytes"
            ),
        );
    }

    /// Completes the packet that ends with a descriptor.
    pub(in super::super) fn finish_gqi(&mut self, number: u32, end: u32) {
        let fault = self.faults.sent.pop_front().unwrap_or(CompletionFault::None);
        let Some(queue) = self.transmitters.get_mut(&number) else {
            return;
        };
        // They are completed in order: it is the oldest.
        let Some(at) = queue.outstanding.iter().position(|other| other.end == end) else {
            return;
        };
        let transmission = queue.outstanding.remove(at);
        let common = queue.common;
        if fault == CompletionFault::Lose {
            // As far as the driver can know, it is not.
            return;
        }
        queue.done = end;
        self.check_unchanged(number, &transmission);
        let told = match fault {
            CompletionFault::Counter(other) => other,
            _ => end,
        };
        self.count(common.counter, told);
        self.cause(common.block);
    }
}
