//! Frames from the driver: descriptors of a TX queue, in host memory or in the device.

use alloc::vec::Vec;

use super::completion::phase;
use super::defs::eth_io;
use super::descriptors::is_meta;
use super::faults::CompletionFault;
use super::llq::Llq;
use super::offload::Request;
use super::state::{Direction, Sent, State};
use crate::dma::reach::Reach;

/// What the Ethernet header, with a tag, adds to the MTU.
const ETHERNET: usize = 18;
const LEAST_FRAME: usize = 14;

/// A packet that the device took and did not complete.
#[derive(Clone, Copy)]
pub(super) struct Transmission {
    request: u16,
    entries: u16,
}

/// The descriptors of a packet, the metadata first, and what came inline.
struct Packet {
    descriptors: Vec<[u32; 4]>,
    header: Vec<u8>,
    entries: u16,
}

fn words(bytes: &[u8; eth_io::DESC_SIZE]) -> [u32; 4] {
    let mut words = [0; 4];
    for (word, &bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_le_bytes(bytes);
    }
    words
}

impl State {
    /// The doorbell of a TX queue: how many entries there were ever, modulo 2^16.
    pub(super) fn ring_transmit(&mut self, number: u16, tail: u16) {
        let Some(queue) = self.submissions.get(&(Direction::Tx, number)) else {
            return;
        };
        let (mut head, depth, completions) = (queue.head, queue.depth, queue.completions);
        let is_llq = queue.address.is_none();
        let used: u16 = queue.outstanding.iter().map(|packet| packet.entries).sum();
        let new = tail.wrapping_sub(head);
        let what = format_args!(
            "TX queue {number}: the doorbell says {tail}, {head} was the last, and {used} of {depth} are used"
        );
        if !self.demand(new < depth && new + used < depth, what) {
            return;
        }
        if let Some(burst) = self.settings.llq.filter(|_| is_llq).and_then(|llq| llq.burst) {
            self.demand(
                new <= burst,
                format_args!("TX queue {number}: {new} entries between two doorbells, and {burst} may be"),
            );
        }
        while head != tail {
            let before = self.broken;
            let packet = self.gather(number, head, tail);
            head = packet.as_ref().map_or(tail, |packet| head.wrapping_add(packet.entries));
            if let Some(queue) = self.submissions.get_mut(&(Direction::Tx, number)) {
                queue.head = head;
            }
            if let Some(packet) = packet {
                self.take_packet(number, &packet, before);
            }
        }
        self.tell_completions(completions);
    }

    /// Reads the descriptors up to the last of a packet.
    fn gather(&mut self, number: u16, head: u16, tail: u16) -> Option<Packet> {
        let queue = self.submissions.get(&(Direction::Tx, number))?;
        let (address, llq_offset, depth) = (queue.address, queue.llq_offset, queue.depth);
        let llq = self.settings.llq.filter(|_| address.is_none());
        let mut packet = Packet {
            descriptors: Vec::new(),
            header: Vec::new(),
            entries: 0,
        };
        while head.wrapping_add(packet.entries) != tail {
            let position = head.wrapping_add(packet.entries);
            let slots = match llq {
                None => 1,
                Some(llq) if packet.entries == 0 => llq.before_header,
                Some(llq) => llq.per_entry,
            };
            packet.entries += 1;
            for slot in 0..slots {
                let mut bytes = [0; eth_io::DESC_SIZE];
                let index = usize::from(position % depth);
                match (address, llq) {
                    (None, Some(llq)) => {
                        self.take_llq(
                            llq_offset + index * llq.entry_size + slot * eth_io::DESC_SIZE,
                            &mut bytes,
                        );
                    }
                    (address, _) => {
                        let at = address.unwrap_or(0) + (index * eth_io::DESC_SIZE) as u64;
                        self.fetch(&format_args!("TX queue {number}"), at, &mut bytes);
                    }
                }
                let descriptor = words(&bytes);
                let expected = phase(position, depth);
                self.demand(
                    descriptor[0] >> eth_io::TX_DESC_PHASE_SHIFT & 1 == expected,
                    format_args!("TX queue {number}: entry {position} has not phase {expected}"),
                );
                packet.descriptors.push(descriptor);
                if descriptor[0] & eth_io::TX_DESC_LAST != 0 {
                    if let Some(llq) = llq {
                        let start = llq_offset + usize::from(head % depth) * llq.entry_size;
                        packet.header = self.inline_header(number, &llq, start, &packet.descriptors);
                    }
                    return Some(packet);
                }
            }
        }
        self.violate(format_args!(
            "TX queue {number}: the doorbell {tail} comes before the last descriptor of a packet"
        ));
        None
    }

    fn inline_header(&mut self, number: u16, llq: &Llq, entry: usize, descriptors: &[[u32; 4]]) -> Vec<u8> {
        let first = descriptors.iter().find(|descriptor| !is_meta(descriptor));
        let length = first.map_or(0, |first| (first[3] >> eth_io::TX_DESC_HEADER_LENGTH_SHIFT) as usize);
        let room = llq.header_room();
        let what = format_args!("TX queue {number}: a header of {length} bytes in an entry with room for {room}");
        if !self.demand(length <= room, what) {
            return Vec::new();
        }
        let mut header = alloc::vec![0; length];
        self.take_llq(entry + llq.before_header * eth_io::DESC_SIZE, &mut header);
        header
    }

    /// Sends a packet, if no rule was broken since `before`, and completes it.
    fn take_packet(&mut self, number: u16, packet: &Packet, before: usize) {
        let Some(queue) = self.submissions.get(&(Direction::Tx, number)) else {
            return;
        };
        let on_demand = queue.on_demand;
        let first = packet.descriptors.iter().find(|descriptor| !is_meta(descriptor));
        let Some(&first) = first else {
            self.violate(format_args!("TX queue {number}: a packet of metadata only"));
            return;
        };
        let request =
            (first[0] >> eth_io::TX_DESC_REQ_ID_HI_SHIFT & 0x3f) << 10 | first[1] >> eth_io::TX_DESC_REQ_ID_LO_SHIFT;
        let request = request as u16;
        let is_new = !queue.outstanding.iter().any(|other| other.request == request);
        self.demand(
            is_new,
            format_args!("TX queue {number}: request {request} is still outstanding"),
        );
        let meta = self.check_meta_use(number, &packet.descriptors);
        self.check_descriptors(number, &packet.descriptors);
        let frame = self.collect(number, packet);
        let request_of_offloads = Request {
            control: first[1],
            meta,
            offered: self.configuration.tx_offloads,
        };
        let frames = request_of_offloads.carry_out(frame);
        let frames = frames.map_err(|why| self.violate(format_args!("TX queue {number}: {why}")));
        let most = self.settings.mtu.unwrap_or(1500) as usize + ETHERNET;
        for bytes in frames.unwrap_or_default() {
            let length = bytes.len();
            let is_right = self.demand(
                (LEAST_FRAME..=most).contains(&length),
                format_args!("TX queue {number}: a frame of {length} bytes, not {LEAST_FRAME} to {most}"),
            );
            if is_right && self.has_link && self.broken == before {
                self.sent.push_back(Sent { queue: number, bytes });
            } else {
                self.drops.tx += 1;
            }
        }
        let asks = packet
            .descriptors
            .iter()
            .any(|word| word[0] & eth_io::TX_DESC_COMP_REQ != 0);
        self.demand(
            asks || on_demand,
            format_args!("TX queue {number}: request {request} does not ask for its completion"),
        );
        if let Some(queue) = self.submissions.get_mut(&(Direction::Tx, number)).filter(|_| asks) {
            queue.outstanding.push(Transmission {
                request,
                entries: packet.entries,
            });
            if !self.holds_transmissions {
                self.finish(number, request);
            }
        }
    }

    /// Reads the packet's bytes.
    fn collect(&mut self, number: u16, packet: &Packet) -> Vec<u8> {
        let mut frame = packet.header.clone();
        let is_llq = self
            .submissions
            .get(&(Direction::Tx, number))
            .is_some_and(|queue| queue.address.is_none());
        let data = packet.descriptors.iter().filter(|descriptor| !is_meta(descriptor));
        for (index, descriptor) in data.enumerate() {
            let length = descriptor[0] as usize & 0xffff;
            let address = u64::from(descriptor[3] & 0xffff) << 32 | u64::from(descriptor[2]);
            if length == 0 {
                let is_inline = is_llq && index == 0 && !packet.header.is_empty() && address == 0;
                self.demand(is_inline, format_args!("TX queue {number}: a descriptor without bytes"));
                continue;
            }
            let start = frame.len();
            frame.resize(start + length, 0);
            let what = format_args!("TX queue {number}: a buffer");
            if self.check_new_range(&what, address, length, 1) {
                self.fetch(&what, address, &mut frame[start..]);
            }
        }
        let header = packet.descriptors.iter().find(|descriptor| !is_meta(descriptor));
        let header = header.map_or(0, |first| first[3] >> eth_io::TX_DESC_HEADER_LENGTH_SHIFT);
        let most = self.configuration.max_tx_header;
        self.demand(
            header <= most && header as usize <= frame.len(),
            format_args!(
                "TX queue {number}: a header of {header} bytes, of a frame of {}; {most} may be",
                frame.len()
            ),
        );
        frame
    }

    /// Completes a packet.
    fn finish(&mut self, number: u16, request: u16) {
        let Some(queue) = self.submissions.get_mut(&(Direction::Tx, number)) else {
            return;
        };
        let (head, completions) = (queue.head % queue.depth, queue.completions);
        let at = queue.outstanding.iter().position(|other| other.request == request);
        let fault = self.faults.sent.pop_front().unwrap_or(CompletionFault::None);
        let Some(at) = at.filter(|_| fault != CompletionFault::Lose) else {
            return;
        };
        queue.outstanding.remove(at);
        let told = match fault {
            CompletionFault::RequestId(other) => other,
            _ => request,
        };
        let phase = self.completion_phase(completions) ^ u32::from(fault == CompletionFault::Phase);
        let reserved = if fault == CompletionFault::Reserved {
            eth_io::TX_CDESC_MBZ6
        } else {
            0
        };
        let flags = phase | u32::from(reserved);
        let words = [u32::from(told) | flags << 24, u32::from(number) | u32::from(head) << 16];
        self.complete(completions, &words);
    }

    /// Completes what was held back, the oldest or the newest first.
    pub(super) fn release_transmissions(&mut self, newest_first: bool) {
        let mut held = Vec::new();
        for ((direction, number), queue) in &self.submissions {
            if *direction == Direction::Tx {
                held.extend(
                    queue
                        .outstanding
                        .iter()
                        .map(|packet| (*number, queue.completions, packet.request)),
                );
            }
        }
        if newest_first {
            held.reverse();
        }
        for (number, completions, request) in held {
            self.finish(number, request);
            self.tell_completions(completions);
        }
    }
}
