//! The receive queue: buffers with the device, and packets in them.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{Ordering, fence};

use super::device::{Abilities, PageList, Queue};
use super::register::Reason;
use super::{dqo, gqi, offload};
use crate::dma::{Buffer, Shared};
use crate::mem::PAGE_SIZE;
use crate::network::{Packet, Part};

/// Bytes of a buffer: two to a page hold the largest Ethernet packet each.
pub(super) const BUFFER: usize = PAGE_SIZE / 2;
/// Buffers given back to the device before it is told of them.
const REFILL_BATCH: u32 = 32;
/// The most buffers of a packet.
const MOST_PARTS: usize = 16;
/// Bytes of a place for a buffer's address in order (`gve_rx_data_slot`).
const SLOT: usize = 8;

pub(super) struct Receiver {
    /// Buffers for the device.
    pub(super) ring: Shared,
    /// What the device has written of them.
    pub(super) completions: Shared,
    /// Out of order: what packet types mean.
    pub(super) types: Option<Shared>,
    pub(super) list: Option<PageList>,
    abilities: Abilities,
    /// By number; none for those of packets that are being looked at.
    buffers: Vec<Option<Buffer>>,
    /// In order: the number of the buffer in each place.
    places: Box<[u16]>,
    /// Completions so far.
    head: u64,
    /// Buffers given to the device so far, and how many of them it was told of.
    tail: u64,
    told: u64,
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

/// A buffer that was received into, whatever the format.
struct Received {
    number: u16,
    /// Behind the start of a packet's first buffer.
    padding: usize,
    /// With the padding.
    length: usize,
    is_last: bool,
    has_failed: bool,
    vouching: Vouching,
}

/// How the device vouches for a packet's checksum.
#[derive(Clone, Copy)]
enum Vouching {
    Not,
    Fully,
    /// For the sum behind the Ethernet header.
    Sum(u16),
}

impl Receiver {
    /// A queue with as many buffers as it may have. `None` when there is not enough memory.
    pub(super) fn new(abilities: Abilities) -> Option<Self> {
        let entries = usize::from(abilities.receive_entries);
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
        let (slot, completion) = if format.is_in_order() {
            (SLOT, gqi::RECEIVE)
        } else {
            (dqo::RECEIVE, dqo::RECEIVE)
        };
        let types = if format.is_in_order() {
            None
        } else {
            Some(Shared::allocate(dqo::TYPES)?)
        };
        Some(Self {
            ring: Shared::allocate(entries * slot)?,
            completions: Shared::allocate(entries * completion)?,
            types,
            list,
            abilities,
            buffers: buffers.collect(),
            places: (0..entries).map(|_| 0).collect(),
            head: 0,
            tail: 0,
            told: 0,
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
        self.ring.clear();
        self.completions.clear();
        (self.head, self.tail, self.told) = (0, 0, 0);
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
        if !self.abilities.format.is_in_order() {
            queue.line.open(INTERVAL);
        }
        self.is_armed = !self.abilities.format.is_in_order();
    }

    fn place(&self, count: u64) -> usize {
        (count % u64::from(self.abilities.receive_entries)) as usize
    }

    /// Gives a buffer to the device, unless somebody looks at it, who will.
    fn post(&mut self, number: u16) {
        let Some(buffer) = &self.buffers[usize::from(number)] else {
            return;
        };
        let place = self.place(self.tail);
        if self.abilities.format.is_in_order() {
            let offset = self.list.map_or(0, |list| list.offset(buffer));
            // The halves are in the other order, too.
            self.ring.set64(place * SLOT, offset.to_be(), Ordering::Relaxed);
            self.places[place] = number;
        } else {
            let words = dqo::posted(number, buffer.address());
            for (index, &word) in words.iter().enumerate() {
                self.ring
                    .set32(place * dqo::RECEIVE + index * 4, word, Ordering::Relaxed);
            }
        }
        self.tail += 1;
    }

    fn tell(&mut self) {
        self.returned = 0;
        let is_in_order = self.abilities.format.is_in_order();
        let tail = if is_in_order {
            self.tail
        } else {
            self.tail - self.tail % dqo::ANNOUNCED
        };
        let Some(queue) = self.queue.filter(|_| self.told != tail) else {
            return;
        };
        self.told = tail;
        fence(Ordering::SeqCst);
        queue.doorbell.write(if is_in_order {
            tail as u32
        } else {
            self.place(tail) as u32
        });
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
        self.queue.is_some() && self.is_armed && self.has_come(self.head)
    }

    /// Whether the device has written a completion and left out those of a packet before, which nobody would ever get past.
    pub(super) fn has_gap(&self) -> bool {
        let is_next_missing = || !self.has_come(self.head);
        let mut behind = self.head + 1..=self.head + MOST_PARTS as u64;
        // Looked at twice: all may have come in between.
        self.queue.is_some() && is_next_missing() && behind.any(|count| self.has_come(count)) && is_next_missing()
    }

    /// The next received packet; after it found none, the next one raises an interrupt.
    pub(super) fn take(&mut self) -> Option<Packet> {
        let queue = self.queue?;
        loop {
            while self.has_come(self.head) {
                match self.accept() {
                    Ok(None) => {}
                    Ok(packet) => return packet,
                    Err(reason) => return self.fail(reason),
                }
            }
            // In order the device has written a packet whole before it is seen.
            if self.abilities.format.is_in_order() && !self.parts.is_empty() {
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

    /// Whether the completion has come that comes after `count` others.
    fn has_come(&self, count: u64) -> bool {
        let place = self.place(count);
        let word = |at: usize| self.completions.get32(at, Ordering::Acquire);
        if self.abilities.format.is_in_order() {
            gqi::is_of(word(place * gqi::RECEIVE + gqi::LENGTH_AND_FLAGS), count)
        } else {
            let generation = dqo::Received::generation(word(place * dqo::RECEIVE + 4));
            generation == dqo::generation(count, self.abilities.receive_entries)
        }
    }

    /// Reads the next completion, which has come.
    fn read(&self) -> Result<Received, Reason> {
        let place = self.place(self.head);
        let word = |at: usize| self.completions.get32(at, Ordering::Relaxed);
        if self.abilities.format.is_in_order() {
            if self.head >= self.told {
                return Err(Reason::InvalidReceiveBuffer);
            }
            let at = place * gqi::RECEIVE;
            let received = gqi::Received::decode(word(at + gqi::LENGTH_AND_FLAGS), word(at + gqi::CHECKSUM));
            return Ok(Received {
                number: self.places[place],
                padding: gqi::PADDING,
                length: received.length,
                is_last: received.is_last,
                has_failed: received.has_failed,
                vouching: received.sum.map_or(Vouching::Not, Vouching::Sum),
            });
        }
        let at = place * dqo::RECEIVE;
        let words = [word(at), word(at + 4), word(at + 8), word(at + 12)];
        let received = dqo::Received::decode(words).ok_or(Reason::MalformedReceiveDescriptor)?;
        let is_right = |kind| self.types.as_ref().is_some_and(|types| is_transport(types, kind));
        Ok(Received {
            number: received.number,
            padding: 0,
            length: received.length,
            is_last: received.is_last,
            has_failed: received.has_failed,
            vouching: if received.sound_type.is_some_and(is_right) {
                Vouching::Fully
            } else {
                Vouching::Not
            },
        })
    }

    /// Checks the next completion and adds its buffer to the packet, which may be whole with it.
    fn accept(&mut self) -> Result<Option<Packet>, Reason> {
        let received = self.read()?;
        self.head += 1;
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

fn is_transport(types: &Shared, kind: u16) -> bool {
    // Two entries to a word.
    let at = usize::from(kind / 2) * 4;
    dqo::is_transport(types.get32(at, Ordering::Relaxed), kind)
}
