//! The rings of the receive queue, of any format: buffers for the device, and what it says of them.

use alloc::boxed::Box;
use core::sync::atomic::{Ordering, fence};

use super::description::Format;
use super::device::PageList;
use super::register::{Doorbell, Reason};
use super::{dqo, gqi};
use crate::dma::{Buffer, Shared};

/// Bytes of a place for a buffer's address in order (`gve_rx_data_slot`).
const SLOT: usize = 8;

pub(super) struct Rings {
    /// Buffers for the device.
    pub(super) buffers: Shared,
    /// What it says of them.
    pub(super) completions: Shared,
    /// Out of order: what packet types mean.
    pub(super) types: Option<Shared>,
    pub(super) list: Option<PageList>,
    format: Format,
    entries: u16,
    /// In order: the number of the buffer in each place.
    places: Box<[u16]>,
    /// Completions so far.
    head: u64,
    /// Buffers given to the device so far, and how many of them it was told of.
    tail: u64,
    told: u64,
}

/// A buffer that was received into, whatever the format.
pub(super) struct Received {
    pub(super) number: u16,
    /// Behind the start of a packet's first buffer.
    pub(super) padding: usize,
    /// With the padding.
    pub(super) length: usize,
    pub(super) is_last: bool,
    pub(super) has_failed: bool,
    pub(super) vouching: Vouching,
}

/// How the device vouches for a packet's checksum.
#[derive(Clone, Copy)]
pub(super) enum Vouching {
    Not,
    Fully,
    /// For the sum behind the Ethernet header.
    Sum(u16),
}

impl Rings {
    /// Of so many entries, a power of two, for buffers in the pages of a list if there is one. `None` when memory is used up.
    pub(super) fn new(format: Format, entries: u16, list: Option<PageList>) -> Option<Self> {
        let count = usize::from(entries);
        let (slot, completion, types) = if format.is_in_order() {
            (SLOT, gqi::RECEIVE, None)
        } else {
            (dqo::RECEIVE, dqo::RECEIVE, Some(Shared::allocate(dqo::TYPES)?))
        };
        Some(Self {
            buffers: Shared::allocate(count * slot)?,
            completions: Shared::allocate(count * completion)?,
            types,
            list,
            format,
            entries,
            places: (0..count).map(|_| 0).collect(),
            head: 0,
            tail: 0,
            told: 0,
        })
    }

    /// The device has forgotten the rings: makes them as they were at first.
    pub(super) fn clear(&mut self) {
        self.buffers.clear();
        self.completions.clear();
        (self.head, self.tail, self.told) = (0, 0, 0);
    }

    fn place(&self, count: u64) -> usize {
        (count % u64::from(self.entries)) as usize
    }

    /// Puts a buffer in place, for which there is room.
    pub(super) fn post(&mut self, number: u16, buffer: &Buffer) {
        let place = self.place(self.tail);
        if self.format.is_in_order() {
            let offset = self.list.map_or(0, |list| list.offset(buffer));
            // The halves are in the other order, too.
            self.buffers.set64(place * SLOT, offset.to_be(), Ordering::Relaxed);
            self.places[place] = number;
        } else {
            let words = dqo::posted(number, buffer.address());
            for (index, &word) in words.iter().enumerate() {
                self.buffers
                    .set32(place * dqo::RECEIVE + index * 4, word, Ordering::Relaxed);
            }
        }
        self.tail += 1;
    }

    /// Tells the device of the buffers in place.
    pub(super) fn tell(&mut self, doorbell: Doorbell) {
        let tail = if self.format.is_in_order() {
            self.tail
        } else {
            self.tail - self.tail % dqo::ANNOUNCED
        };
        if self.told == tail {
            return;
        }
        self.told = tail;
        fence(Ordering::SeqCst);
        doorbell.write(if self.format.is_in_order() {
            tail as u32
        } else {
            self.place(tail) as u32
        });
    }

    /// Whether the completion has come that comes after `ahead` others.
    pub(super) fn has_come(&self, ahead: u64) -> bool {
        let count = self.head + ahead;
        let place = self.place(count);
        let word = |at: usize| self.completions.get32(at, Ordering::Acquire);
        if self.format.is_in_order() {
            gqi::is_of(word(place * gqi::RECEIVE + gqi::LENGTH_AND_FLAGS), count)
        } else {
            let generation = dqo::Received::generation(word(place * dqo::RECEIVE + 4));
            generation == dqo::generation(count, self.entries)
        }
    }

    /// Takes the next completion, which has come.
    pub(super) fn take(&mut self) -> Result<Received, Reason> {
        let place = self.place(self.head);
        let received = if self.format.is_in_order() {
            self.read_in_order(place)
        } else {
            self.read_out_of_order(place)
        }?;
        self.head += 1;
        Ok(received)
    }

    fn read_in_order(&self, place: usize) -> Result<Received, Reason> {
        if self.head >= self.told {
            return Err(Reason::InvalidReceiveBuffer);
        }
        let word = |at: usize| self.completions.get32(place * gqi::RECEIVE + at, Ordering::Relaxed);
        let received = gqi::Received::decode(word(gqi::LENGTH_AND_FLAGS), word(gqi::CHECKSUM));
        Ok(Received {
            number: self.places[place],
            padding: gqi::PADDING,
            length: received.length,
            is_last: received.is_last,
            has_failed: received.has_failed,
            vouching: received.sum.map_or(Vouching::Not, Vouching::Sum),
        })
    }

    fn read_out_of_order(&self, place: usize) -> Result<Received, Reason> {
        let word = |at: usize| self.completions.get32(place * dqo::RECEIVE + at, Ordering::Relaxed);
        let words = [word(0), word(4), word(8), word(12)];
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
}

fn is_transport(types: &Shared, kind: u16) -> bool {
    // Two entries to a word.
    let at = usize::from(kind / 2) * 4;
    dqo::is_transport(types.get32(at, Ordering::Relaxed), kind)
}
