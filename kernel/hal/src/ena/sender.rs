//! The transmit queue: packets with the device, and their pages.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use super::descriptor::{self, Meta, PHASE_SHIFT, Piece, Shape, Words};
use super::device::Abilities;
use super::register::Reason;
use super::ring::Ring;
use crate::dma::Shared;
use crate::network::{Outgoing, Pages, Store};
use crate::time;

/// The most descriptors of a packet: 64 KiB with their headers in pages, and metadata.
pub(super) const MOST_DESCRIPTORS: usize = 18;
/// How many times as late as the others a packet may be before it alone is reason for a reset.
const MUCH_LATER: u64 = 4;

pub(super) struct Sender {
    pub(super) ring: Ring,
    pub(super) completions: Shared,
    abilities: Abilities,
    /// The next completion's place, and its phase.
    head: u16,
    /// By request number.
    packets: Box<[Option<Packet>]>,
    free: Vec<u16>,
    /// Entries of the ring that the device has.
    used: usize,
    /// The metadata that the device remembers.
    meta: Option<Meta>,
    store: Store,
    is_running: bool,
    /// The link carries packets.
    pub(super) has_link: bool,
    pub(super) trouble: Option<Reason>,
}

struct Packet {
    pages: Pages,
    entries: usize,
    since: u64,
}

impl Sender {
    /// `None` when memory is used up.
    pub(super) fn new(abilities: Abilities) -> Option<Self> {
        let depth = abilities.transmit_depth;
        Some(Self {
            ring: Ring::new(depth, abilities.low_latency)?,
            completions: Shared::allocate(usize::from(depth) * descriptor::TRANSMIT_COMPLETION)?,
            abilities,
            head: 0,
            packets: (0..depth).map(|_| None).collect(),
            free: (0..depth).rev().collect(),
            used: 0,
            meta: None,
            store: Store::up_to(abilities.highest_page()),
            is_running: false,
            has_link: true,
            trouble: None,
        })
    }

    /// Takes no packets until [`Sender::begin`]. The device keeps the pages that it has.
    pub(super) fn stop(&mut self) {
        self.is_running = false;
    }

    /// The device was reset and has forgotten all: makes ready for new queues.
    pub(super) fn forget(&mut self) {
        self.is_running = false;
        for number in 0..self.abilities.transmit_depth {
            self.release(number);
        }
        self.ring.detach();
        self.completions.clear();
        self.head = 0;
        self.meta = None;
        self.trouble = None;
    }

    /// The device knows the queues.
    pub(super) fn begin(&mut self) {
        self.is_running = true;
        self.has_link = true;
    }

    /// Takes back the packet of a number; false when the device has none.
    fn release(&mut self, number: u16) -> bool {
        let Some(packet) = self.packets.get_mut(usize::from(number)).and_then(Option::take) else {
            return false;
        };
        self.store.keep(packet.pages);
        self.used -= packet.entries;
        self.free.push(number);
        true
    }

    /// Takes back packets that have left, at most as many as there can be.
    pub(super) fn collect(&mut self) {
        let depth = self.abilities.transmit_depth;
        for _ in 0..depth {
            if !self.is_running {
                return;
            }
            let at = usize::from(self.head % depth) * descriptor::TRANSMIT_COMPLETION;
            let word = self.completions.get32(at, Ordering::Acquire);
            if word >> PHASE_SHIFT & 1 != descriptor::phase(self.head, depth) {
                return;
            }
            self.head = self.head.wrapping_add(1);
            match descriptor::transmit_completion(word, self.abilities.zeroes_are_kept) {
                None => self.fail(Reason::MalformedTransmitDescriptor),
                Some(number) if !self.release(number) => self.fail(Reason::InvalidTransmitIdentifier),
                Some(_) => {}
            }
        }
    }

    fn fail(&mut self, reason: Reason) {
        self.trouble = Some(reason);
        self.is_running = false;
    }

    /// Queues a packet; false when there is no room, no memory or no link.
    pub(super) fn send(&mut self, outgoing: Outgoing, pieces: &mut dyn Iterator<Item = &[u8]>) -> bool {
        self.collect();
        if !self.is_running || !self.has_link || self.free.is_empty() {
            return false;
        }
        let Some(pages) = self.store.copy(0, pieces) else {
            return false;
        };
        let Some((number, entries)) = self.queue(outgoing, &pages) else {
            self.store.keep(pages);
            return false;
        };
        self.used += entries;
        self.packets[usize::from(number)] = Some(Packet {
            pages,
            entries,
            since: time::monotonic(),
        });
        true
    }

    /// Puts a packet's descriptors in place; its number, and the entries that it takes.
    fn queue(&mut self, outgoing: Outgoing, pages: &Pages) -> Option<(u16, usize)> {
        let start = pages.start();
        let shape = Shape::of(outgoing, start)?;
        let nothing = self.caches_nothing().then(Meta::default);
        let meta = shape
            .meta
            .filter(|_| self.caches_nothing() || shape.meta != self.meta)
            .or(nothing);
        let count = pages.count() + usize::from(meta.is_some());
        let entries = self.ring.entries(count);
        let most = self.abilities.transmit_descriptors.min(MOST_DESCRIPTORS);
        // One entry stays free, so that a full queue and an empty one differ.
        if count > most || self.used + entries >= usize::from(self.abilities.transmit_depth) {
            return None;
        }
        // A low-latency queue has the header with it, and the page what follows.
        let (pushed, told) = match self.abilities.low_latency {
            Some(_) => {
                let pushed = start.len().min(self.abilities.header);
                (pushed, pushed)
            }
            None => (0, shape.told_header(pages.length(), self.abilities.header)),
        };
        let number = self.free.pop()?;
        let mut descriptors: [Words; MOST_DESCRIPTORS] = [[0; 4]; MOST_DESCRIPTORS];
        let mut filled = 0;
        let mut put = |words: Words| {
            descriptors[filled] = words;
            filled += 1;
        };
        if let Some(meta) = meta {
            put(meta.encode());
        }
        for (index, (page, end)) in pages.iter().enumerate() {
            let from = if index == 0 { pushed } else { 0 };
            let piece = Piece::of(page, from..end);
            put(if index == 0 {
                descriptor::first_transmit(&shape, number, piece, told, meta.is_none())
            } else {
                descriptor::next_transmit(piece)
            });
        }
        descriptor::end_transmit(&mut descriptors[filled - 1]);
        if shape.meta.is_some() {
            self.meta = shape.meta;
        }
        self.ring.push(&descriptors[..filled], &start[..pushed]);
        Some((number, entries))
    }

    fn caches_nothing(&self) -> bool {
        self.abilities.low_latency.is_some_and(|shape| shape.caches_nothing)
    }

    /// Whether the device owes too many completions after `patience` nanoseconds, more than `most`, or one much longer.
    pub(super) fn is_late(&self, patience: u64, most: u16) -> bool {
        let now = time::monotonic();
        let ages = self
            .packets
            .iter()
            .flatten()
            .map(|packet| now.saturating_sub(packet.since));
        let late = ages.filter(|&age| age > patience);
        let (count, oldest) = late.fold((0, 0), |(count, oldest), age| (count + 1, age.max(oldest)));
        // More than half of the queue would never be reached where it fills up first.
        count > most.min(self.abilities.transmit_depth / 2) || oldest > patience.saturating_mul(MUCH_LATER)
    }
}
