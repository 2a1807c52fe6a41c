//! The receive queue: buffers with the device, and packets in them.

use alloc::vec::Vec;
use core::sync::atomic::{Ordering, fence};

use super::abilities::Abilities;
use super::device::{PageList, Queue};
use super::receive_rings::{Rings, Vouching};
use super::register::Reason;
use super::{gqi, offload};
use crate::dma::Buffer;
use crate::mem::PAGE_SIZE;
use crate::network::{ETHERNET_HEADER, Packet, Part};

/// Bytes of a buffer: two to a page hold the largest packet of most networks each; longer ones take several.
pub(super) const BUFFER: usize = PAGE_SIZE / 2;
/// Buffers given back to the device before it is told of them.
const REFILL_BATCH: u32 = 32;
/// The most buffers of a packet.
const MOST_PARTS: usize = 16;

/// The most bytes after the Ethernet header of a packet in the buffers of so many pages.
pub(super) fn most_received(pages: usize) -> usize {
    let buffers = (pages * PAGE_SIZE / BUFFER).min(MOST_PARTS);
    (buffers * BUFFER).saturating_sub(gqi::PADDING + ETHERNET_HEADER)
}

pub(super) struct Receiver {
    pub(super) rings: Rings,
    is_in_order: bool,
    /// By number; none for those of packets that are being looked at.
    buffers: Vec<Option<Buffer>>,
    /// Of a packet whose last buffer has not come.
    parts: Vec<Part>,
    /// The device has received it, but with a fault.
    has_failed: bool,
    /// Buffers given back since the device was last told.
    returned: u32,
    /// None while the device knows no queue.
    queue: Option<Queue>,
    /// The next completion raises an interrupt.
    is_armed: bool,
    pub(super) trouble: Option<Reason>,
}

impl Receiver {
    /// A queue with as many buffers as it may have. `None` when there is not enough memory.
    pub(super) fn new(abilities: Abilities) -> Option<Self> {
        let (format, mut list) = (abilities.format, None);
        let count = abilities.receive_pages;
        let pages = if format.has_page_lists() {
            let (pages, all) = PageList::allocate(count)?;
            list = Some(pages);
            all
        } else {
            core::iter::from_fn(Buffer::page).take(count).collect()
        };
        if pages.is_empty() {
            return None;
        }
        let halves = pages.into_iter().map(|page| page.split(BUFFER));
        let buffers = halves.flat_map(|(first, second)| [Some(first), Some(second)]);
        Some(Self {
            rings: Rings::new(format, abilities.receive_entries, list)?,
            is_in_order: format.is_in_order(),
            buffers: buffers.collect(),
            parts: Vec::new(),
            has_failed: false,
            returned: 0,
            queue: None,
            is_armed: false,
            trouble: None,
        })
    }

    /// Looks at no completions until [`Receiver::begin`].
    pub(super) fn stop(&mut self) {
        self.queue = None;
    }

    /// The device was reset and has forgotten all: makes ready for a new queue.
    pub(super) fn forget(&mut self) {
        self.queue = None;
        for part in core::mem::take(&mut self.parts) {
            self.buffers[usize::from(part.number)] = Some(part.buffer);
        }
        self.has_failed = false;
        self.rings.clear();
        self.trouble = None;
    }

    /// The device knows the queue: gives it all buffers. Interrupts come once [`Receiver::take`] has found nothing.
    pub(super) fn begin(&mut self, queue: Queue) {
        /// Microseconds from one interrupt to the next at least, as the maker's drivers have it.
        const INTERVAL: u32 = 20;
        self.queue = Some(queue);
        for number in 0..self.buffers.len() as u16 {
            self.post(number);
        }
        self.tell();
        if !self.is_in_order {
            queue.line.open(INTERVAL);
        }
        self.is_armed = !self.is_in_order;
    }

    /// Gives a buffer to the device, unless somebody looks at it, who will.
    fn post(&mut self, number: u16) {
        if let Some(buffer) = &self.buffers[usize::from(number)] {
            self.rings.post(number, buffer);
        }
    }

    fn tell(&mut self) {
        self.returned = 0;
        if let Some(queue) = self.queue {
            self.rings.tell(queue.doorbell);
        }
    }

    /// An interrupt came: the device sends no more until it is asked to.
    pub(super) fn disarm(&mut self) {
        self.is_armed = false;
        if let Some(queue) = self.queue {
            queue.line.mask();
        }
    }

    /// Whether something has come for which an interrupt is overdue.
    pub(super) fn is_overdue(&self) -> bool {
        self.queue.is_some() && self.is_armed && self.rings.has_come(0)
    }

    /// Whether the device has written a completion and left out those of a packet before, which nobody would ever get past.
    pub(super) fn has_gap(&self) -> bool {
        let is_next_missing = || !self.rings.has_come(0);
        let mut behind = 1..=MOST_PARTS as u64;
        // Looked at twice: all may have come in between.
        self.queue.is_some() && is_next_missing() && behind.any(|ahead| self.rings.has_come(ahead)) && is_next_missing()
    }

    /// The next received packet; after it found none, the next one raises an interrupt.
    pub(super) fn take(&mut self) -> Option<Packet> {
        let queue = self.queue?;
        loop {
            while self.rings.has_come(0) {
                match self.accept() {
                    Ok(None) => {}
                    Ok(packet) => return packet,
                    Err(reason) => return self.fail(reason),
                }
            }
            // In order the device has written a packet whole before it is seen.
            if self.is_in_order && !self.parts.is_empty() {
                return self.fail(Reason::MalformedReceiveDescriptor);
            }
            self.tell();
            if self.is_armed {
                return None;
            }
            self.is_armed = true;
            queue.line.arm();
            fence(Ordering::SeqCst);
        }
    }

    fn fail(&mut self, reason: Reason) -> Option<Packet> {
        self.trouble = Some(reason);
        self.stop();
        None
    }

    /// Checks the next completion and adds its buffer to the packet, which may be whole with it.
    fn accept(&mut self) -> Result<Option<Packet>, Reason> {
        let received = self.rings.take()?;
        if self.parts.len() >= MOST_PARTS {
            return Err(Reason::TooManyReceiveBuffers);
        }
        let place = self.buffers.get_mut(usize::from(received.number));
        let buffer = place.and_then(Option::take).ok_or(Reason::InvalidReceiveBuffer)?;
        let start = if self.parts.is_empty() { received.padding } else { 0 };
        let fits = (start..=buffer.len()).contains(&received.length);
        self.parts.push(Part {
            number: received.number,
            buffer,
            start,
            length: received.length.saturating_sub(start),
        });
        if !fits {
            return Err(Reason::MalformedReceiveDescriptor);
        }
        self.has_failed |= received.has_failed;
        if !received.is_last {
            return Ok(None);
        }
        let is_verified = match received.vouching {
            Vouching::Not => false,
            Vouching::Fully => true,
            // Of what it is the sum in many buffers is not said.
            Vouching::Sum(sum) => {
                matches!(&self.parts[..], [part] if offload::is_right(part.bytes(), sum))
            }
        };
        let has_failed = core::mem::take(&mut self.has_failed);
        let packet = Packet::of(&mut self.parts, is_verified);
        match packet {
            Some(packet) if has_failed => {
                self.give_back(packet);
                Ok(None)
            }
            packet => Ok(packet),
        }
    }

    /// Gives the buffers of a packet back to the device.
    pub(super) fn give_back(&mut self, packet: Packet) {
        for part in packet.into_parts() {
            self.buffers[usize::from(part.number)] = Some(part.buffer);
            // A queue that does not run gets all of them when it begins.
            if self.queue.is_some() {
                self.post(part.number);
                self.returned += 1;
            }
        }
        if self.returned >= REFILL_BATCH {
            self.tell();
        }
    }
}
