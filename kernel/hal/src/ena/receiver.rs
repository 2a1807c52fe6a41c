//! The receive queue: buffers with the device, and packets in them.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use super::descriptor::{self, PHASE_SHIFT, Received};
use super::device::Abilities;
use super::register::Reason;
use super::ring::Ring;
use crate::bus::Registers;
use crate::dma::{Buffer, Shared};
use crate::mem::PAGE_SIZE;
use crate::network::{ETHERNET_HEADER, Packet, Part};

/// Bytes of a buffer: two to a page hold the largest packet of most networks each; longer ones take several.
const BUFFER: usize = PAGE_SIZE / 2;
/// Buffers given back to the device before it is told of them.
const REFILL_BATCH: u32 = 16;
/// The most buffers of a packet.
const MOST_PARTS: usize = 16;
/// In the register of a completion queue: the next completion raises an interrupt, at once (`ena_eth_io_intr_reg`).
const UNMASK: u32 = 1 << 30;

/// The most bytes after the Ethernet header of a packet in so many buffers.
pub(super) fn most_received(descriptors: usize) -> usize {
    // The device may leave so much free before the packet, and a tag of a virtual network in it.
    const OFFSET: usize = u8::MAX as usize;
    const TAG: usize = 4;
    let bytes = descriptors.min(MOST_PARTS) * BUFFER;
    bytes.saturating_sub(OFFSET + ETHERNET_HEADER + TAG)
}

pub(super) struct Receiver {
    pub(super) ring: Ring,
    pub(super) completions: Shared,
    abilities: Abilities,
    /// By request number; none for those of packets that are being looked at.
    buffers: Vec<Option<Buffer>>,
    /// The next completion's place, and its phase.
    head: u16,
    /// Of a packet whose last buffer has not come.
    parts: Vec<Part>,
    /// Buffers given back since the device was last told.
    returned: u32,
    /// None while the device knows no queue.
    unmask: Option<Registers>,
    /// The next completion raises an interrupt.
    is_armed: bool,
    pub(super) trouble: Option<Reason>,
}

impl Receiver {
    /// A queue with as many buffers as it holds, or as there is memory for. `None` when there is none.
    pub(super) fn new(abilities: Abilities) -> Option<Self> {
        let depth = abilities.receive_depth;
        let mut buffers = Vec::new();
        // One entry stays free, so that a full queue and an empty one differ.
        while buffers.len() + 2 < usize::from(depth) {
            let Some(page) = Buffer::page().filter(|page| abilities.reaches(page.address())) else {
                break;
            };
            let (first, second) = page.split(BUFFER);
            buffers.extend([Some(first), Some(second)]);
        }
        if buffers.is_empty() {
            return None;
        }
        Some(Self {
            ring: Ring::new(depth, None)?,
            completions: Shared::allocate(usize::from(depth) * descriptor::RECEIVE_COMPLETION)?,
            abilities,
            buffers,
            head: 0,
            parts: Vec::new(),
            returned: 0,
            unmask: None,
            is_armed: false,
            trouble: None,
        })
    }

    /// Looks at no completions until [`Receiver::begin`].
    pub(super) fn stop(&mut self) {
        self.unmask = None;
    }

    /// The device was reset and has forgotten all: makes ready for new queues.
    pub(super) fn forget(&mut self) {
        self.unmask = None;
        for part in core::mem::take(&mut self.parts) {
            self.buffers[usize::from(part.number)] = Some(part.buffer);
        }
        self.ring.detach();
        self.completions.clear();
        self.head = 0;
        self.trouble = None;
    }

    /// The device knows the queues, and `unmask` is the register that lets interrupts come: gives it all buffers. Interrupts come once
    /// [`Receiver::take`] has found nothing.
    pub(super) fn begin(&mut self, unmask: Registers) {
        self.unmask = Some(unmask);
        self.is_armed = false;
        for number in 0..self.buffers.len() as u16 {
            self.post(number);
        }
        self.tell();
    }

    /// Gives a buffer to the device, unless somebody looks at it, who will.
    fn post(&mut self, number: u16) {
        if let Some(buffer) = &self.buffers[usize::from(number)] {
            let words = descriptor::receive(number, buffer.address(), buffer.len());
            self.ring.push(&[words], &[]);
        }
    }

    fn tell(&mut self) {
        self.returned = 0;
        self.ring.tell();
    }

    /// An interrupt came: the device sends no more until it is asked to.
    pub(super) fn disarm(&mut self) {
        self.is_armed = false;
    }

    /// Whether something has come for which an interrupt is overdue.
    pub(super) fn is_overdue(&self) -> bool {
        self.unmask.is_some() && self.is_armed && self.completion(self.head).is_some()
    }

    /// Whether the device has written a completion and left out the one before, which nobody would ever get past.
    pub(super) fn has_gap(&self) -> bool {
        let is_next_missing = || self.completion(self.head).is_none();
        // Looked at twice: both may have come in between.
        self.unmask.is_some()
            && is_next_missing()
            && self.completion(self.head.wrapping_add(1)).is_some()
            && is_next_missing()
    }

    /// The next received packet; after it found none, the next one raises an interrupt.
    pub(super) fn take(&mut self) -> Option<Packet> {
        let unmask = self.unmask?;
        loop {
            while let Some(words) = self.completion(self.head) {
                self.head = self.head.wrapping_add(1);
                match self.accept(words) {
                    Ok(None) => {}
                    Ok(packet) => return packet,
                    Err(reason) => {
                        self.trouble = Some(reason);
                        self.stop();
                        return None;
                    }
                }
            }
            self.tell();
            if self.is_armed {
                return None;
            }
            self.is_armed = true;
            unmask.write32(0, UNMASK);
        }
    }

    /// The completion that comes after `count` others, when it has come.
    fn completion(&self, count: u16) -> Option<descriptor::Words> {
        let depth = self.abilities.receive_depth;
        let at = usize::from(count % depth) * descriptor::RECEIVE_COMPLETION;
        let status = self.completions.get32(at, Ordering::Acquire);
        if status >> PHASE_SHIFT & 1 != descriptor::phase(count, depth) {
            return None;
        }
        let word = |index: usize| self.completions.get32(at + index * 4, Ordering::Relaxed);
        Some([status, word(1), word(2), word(3)])
    }

    /// Checks a completion and adds its buffer to the packet, which may be whole with it.
    fn accept(&mut self, words: descriptor::Words) -> Result<Option<Packet>, Reason> {
        let malformed = Reason::MalformedReceiveDescriptor;
        let received = Received::decode(words, self.abilities.zeroes_are_kept).ok_or(malformed)?;
        if received.is_first && !self.parts.is_empty() {
            return Err(malformed);
        }
        if self.parts.len() >= self.abilities.receive_descriptors.min(MOST_PARTS) {
            return Err(Reason::TooManyReceiveDescriptors);
        }
        let place = self.buffers.get_mut(usize::from(received.number));
        let buffer = place.and_then(Option::take).ok_or(Reason::InvalidReceiveIdentifier)?;
        let start = if self.parts.is_empty() { received.offset } else { 0 };
        let fits = start + received.length <= buffer.len();
        self.parts.push(Part {
            number: received.number,
            buffer,
            start,
            length: received.length,
        });
        if !fits {
            return Err(malformed);
        }
        if !received.is_last {
            return Ok(None);
        }
        Ok(Packet::of(&mut self.parts, received.is_verified))
    }

    /// Gives the buffers of a packet back to the device.
    pub(super) fn give_back(&mut self, packet: Packet) {
        for part in packet.into_parts() {
            self.buffers[usize::from(part.number)] = Some(part.buffer);
            // A queue that does not run gets all of them when it begins.
            if self.unmask.is_some() {
                self.post(part.number);
                self.returned += 1;
            }
        }
        if self.returned >= REFILL_BATCH {
            self.tell();
        }
    }
}
