//! The transmit queue: packets with the device, and their pages.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use super::abilities::Abilities;
use super::device::{PageList, Queue};
use super::dqo::{self, Sent};
use super::gqi;
use super::offload::Offload;
use super::register::Reason;
use super::transmit_ring::Ring;
use crate::dma::Shared;
use crate::network::{Outgoing, Pages, Store, queue_size};
use crate::time;

/// The most descriptors of a packet: 64 KiB with their headers in pages, and one more of headers or of segmentation.
const MOST_DESCRIPTORS: usize = 17;
/// How long a packet may take, and one that was missed and has to be put in again, in nanoseconds.
const PATIENCE: u64 = 5_000_000_000;
const MISSED_PATIENCE: u64 = 60_000_000_000;

pub(super) struct Sender {
    pub(super) ring: Ring,
    /// Out of order.
    pub(super) completions: Option<Shared>,
    /// The device's counters: in order, one counts the descriptors that it has done with.
    pub(super) counters: Shared,
    pub(super) list: Option<PageList>,
    abilities: Abilities,
    store: Store,
    /// Completions so far.
    head: u64,
    /// By tag; in order, by the place of the last descriptor.
    packets: Box<[Option<Packet>]>,
    /// Tags, out of order.
    free: Vec<u16>,
    /// Descriptors of packets that the device has, and how many they may be in a guest of this size.
    used: usize,
    most: usize,
    /// None while the device knows no queue.
    queue: Option<Queue>,
    /// The link carries packets.
    pub(super) has_link: bool,
    pub(super) trouble: Option<Reason>,
}

struct Packet {
    pages: Pages,
    descriptors: usize,
    since: u64,
    is_missed: bool,
}

impl Sender {
    /// `None` when memory is used up.
    pub(super) fn new(abilities: Abilities) -> Option<Self> {
        let entries = usize::from(abilities.transmit_entries);
        let (format, mut list) = (abilities.format, None);
        let store = if format.has_page_lists() {
            let (pages, all) = PageList::allocate(abilities.transmit_pages)?;
            list = Some(pages);
            Store::of(all)
        } else {
            Store::up_to(u64::MAX)
        };
        let (mut completions, mut free) = (None, Vec::new());
        if !format.is_in_order() {
            completions = Some(Shared::allocate(entries * dqo::TRANSMIT_COMPLETION)?);
            // The ring must have room for two completions of each packet, in case that all are missed, and for the reports.
            let entries = abilities.transmit_entries;
            let tags = ((entries - entries / dqo::REPORT_INTERVAL) / 2).min(dqo::TAGS);
            free.extend((0..tags.min(queue_size())).rev());
        }
        Some(Self {
            ring: Ring::new(format, abilities.transmit_entries)?,
            completions,
            counters: Shared::allocate(usize::from(abilities.counters) * size_of::<u32>())?,
            list,
            abilities,
            store,
            head: 0,
            packets: (0..entries).map(|_| None).collect(),
            free,
            used: 0,
            most: queue_size().into(),
            queue: None,
            has_link: true,
            trouble: None,
        })
    }

    /// Takes no packets until [`Sender::begin`]. The device keeps the pages that it has.
    pub(super) fn stop(&mut self) {
        self.queue = None;
    }

    /// The device was reset and has forgotten all: makes ready for a new queue.
    pub(super) fn forget(&mut self) {
        self.queue = None;
        for number in 0..self.abilities.transmit_entries {
            self.release(number);
        }
        self.head = 0;
        self.ring.clear();
        self.counters.clear();
        if let Some(completions) = &self.completions {
            completions.clear();
        }
        self.trouble = None;
    }

    /// The device knows the queue.
    pub(super) fn begin(&mut self, queue: Queue) {
        /// Microseconds from one interrupt to the next at least. Out of order devices may hold completions back until they may interrupt.
        const INTERVAL: u32 = 2000;
        self.queue = Some(queue);
        if self.abilities.format.is_in_order() {
            queue.line.mask();
        } else {
            queue.line.open(INTERVAL);
        }
    }

    /// The interrupt came.
    pub(super) fn notice(&mut self) {
        self.collect();
        if let Some(queue) = self.queue.filter(|_| !self.abilities.format.is_in_order()) {
            queue.line.arm();
        }
    }

    /// Takes back the packet of a number; false when the device has none.
    fn release(&mut self, number: u16) -> bool {
        let Some(packet) = self.packets.get_mut(usize::from(number)).and_then(Option::take) else {
            return false;
        };
        self.store.keep(packet.pages);
        self.used -= packet.descriptors;
        if !self.abilities.format.is_in_order() {
            self.free.push(number);
        }
        true
    }

    /// Takes back packets that have left.
    pub(super) fn collect(&mut self) {
        let Some(queue) = self.queue else { return };
        let result = if self.abilities.format.is_in_order() {
            self.collect_counted(queue.counter)
        } else {
            self.collect_completions()
        };
        if let Err(reason) = result {
            self.trouble = Some(reason);
            self.stop();
        }
    }

    fn collect_counted(&mut self, counter: usize) -> Result<(), Reason> {
        let count = u32::from_be(self.counters.get32(counter, Ordering::Acquire));
        let invalid = |()| Reason::InvalidTransmitCompletion;
        while let Some(place) = self.ring.done(count).map_err(invalid)? {
            // Only at its last descriptor a packet is found.
            self.release(place);
        }
        Ok(())
    }

    fn collect_completions(&mut self) -> Result<(), Reason> {
        // At most as many as there can be.
        for _ in 0..self.abilities.transmit_entries {
            let Some(word) = self.completion(self.head) else { break };
            self.head += 1;
            let sent = Sent::decode(word).ok_or(Reason::MalformedTransmitCompletion)?;
            let is_known = match sent {
                Sent::Packet(tag) => self.is_pending(tag, false) && self.release(tag),
                Sent::Reinjected(tag) => self.is_pending(tag, true) && self.release(tag),
                Sent::Missed(tag) => self.miss(tag),
                Sent::Fetched(place) => self.ring.fetched(place),
            };
            if !is_known {
                return Err(Reason::InvalidTransmitCompletion);
            }
        }
        Ok(())
    }

    /// The completion that comes after `count` others, when it has come.
    fn completion(&self, count: u64) -> Option<u32> {
        let entries = self.abilities.transmit_entries;
        let place = (count % u64::from(entries)) as usize;
        let at = place * dqo::TRANSMIT_COMPLETION;
        let word = self.completions.as_ref()?.get32(at, Ordering::Acquire);
        (Sent::generation(word) == dqo::generation(count, entries)).then_some(word)
    }

    /// Whether the packet of a tag is with the device, and was missed or not.
    fn is_pending(&self, tag: u16, is_missed: bool) -> bool {
        let packet = self.packets.get(usize::from(tag)).and_then(Option::as_ref);
        packet.is_some_and(|packet| packet.is_missed == is_missed)
    }

    fn miss(&mut self, tag: u16) -> bool {
        match self.packets.get_mut(usize::from(tag)) {
            Some(Some(packet)) if !packet.is_missed => {
                packet.is_missed = true;
                packet.since = time::monotonic();
                true
            }
            _ => false,
        }
    }

    /// Queues a packet; false when there is no room, no memory or no link.
    pub(super) fn send(&mut self, outgoing: Outgoing, pieces: &mut dyn Iterator<Item = &[u8]>) -> bool {
        self.collect();
        let has_tag = self.abilities.format.is_in_order() || !self.free.is_empty();
        if self.queue.is_none() || !self.has_link || !has_tag {
            return false;
        }
        let Some(mut pages) = self.store.copy(0, pieces) else {
            return false;
        };
        let Some((number, descriptors)) = self.queue(outgoing, &mut pages) else {
            self.store.keep(pages);
            return false;
        };
        self.used += descriptors;
        self.packets[usize::from(number)] = Some(Packet {
            pages,
            descriptors,
            since: time::monotonic(),
            is_missed: false,
        });
        true
    }

    /// Puts a packet's descriptors in place; its number, and how many they are.
    fn queue(&mut self, outgoing: Outgoing, pages: &mut Pages) -> Option<(u16, usize)> {
        let format = self.abilities.format;
        let offload = Offload::of(outgoing, pages, format)?;
        let count = pages.count() + usize::from(offload.segments.is_some());
        let is_whole = offload.segments.is_none();
        if count > MOST_DESCRIPTORS || is_whole && count > dqo::MOST_BUFFERS {
            return None;
        }
        if self.used + count > self.most || !self.ring.has_room(count) {
            return None;
        }
        let number = if format.is_in_order() {
            self.put_in_order(offload, pages, count);
            self.ring.last()
        } else {
            let tag = self.free.pop()?;
            self.put_out_of_order(offload, pages, tag);
            tag
        };
        Some((number, count))
    }

    /// In order: headers have a descriptor of their own where the device cuts.
    fn put_in_order(&mut self, offload: Offload, pages: &Pages, count: usize) {
        let first = match offload.segments {
            Some((header, _)) => usize::from(header),
            None => pages.start().len(),
        };
        let list = self.list;
        let address = |page: &crate::dma::Buffer| list.map_or(0, |list| list.offset(page));
        let mut descriptors = [[0; 4]; MOST_DESCRIPTORS];
        let mut filled = 0;
        for (index, (page, end)) in pages.iter().enumerate() {
            let mut from = 0;
            if index == 0 {
                descriptors[0] = gqi::packet(offload, count, pages.length(), first, address(page));
                (from, filled) = (first, 1);
            }
            if from < end {
                descriptors[filled] = gqi::segment(offload, end - from, address(page) + from as u64);
                filled += 1;
            }
        }
        self.ring.put(&mut descriptors[..filled]);
    }

    fn put_out_of_order(&mut self, offload: Offload, pages: &Pages, tag: u16) {
        let mut descriptors = [[0; 4]; MOST_DESCRIPTORS];
        let mut filled = 0;
        if let Some((header, size)) = offload.segments {
            descriptors[0] = dqo::segmentation(header, size, pages.length());
            filled = 1;
        }
        for (page, length) in pages.iter() {
            descriptors[filled] = dqo::buffer(offload, tag, length, page.address());
            filled += 1;
        }
        dqo::end(&mut descriptors[filled - 1]);
        self.ring.put(&mut descriptors[..filled]);
    }

    /// Tells the device of the packets in place.
    pub(super) fn tell(&mut self) {
        if let Some(queue) = self.queue {
            self.ring.tell(queue.doorbell);
        }
    }

    /// Whether the device owes a completion for too long.
    pub(super) fn is_late(&self) -> bool {
        let now = time::monotonic();
        self.packets.iter().flatten().any(|packet| {
            let patience = if packet.is_missed { MISSED_PATIENCE } else { PATIENCE };
            now.saturating_sub(packet.since) > patience
        })
    }
}
