//! Memory as the device reaches it: only what somebody owns, and nothing twice.

use alloc::vec::Vec;
use core::fmt;

use super::defs::admin::QUEUE_RESOURCES_SIZE;
use super::state::{Direction, State};
use crate::dma::reach;
use crate::mem::PAGE_SIZE;

/// A range that the device was given for good: a ring, a page of a list, a buffer to receive into.
pub(super) struct Region {
    name: Name,
    address: u64,
    length: usize,
}

/// Made into words only for a note: there are many buffers.
enum Name {
    Of(&'static str),
    Page(u32),
    Ring(Direction, u32),
    SecondRing(Direction, u32),
    Resources(Direction, u32),
    Buffer(u32, u16),
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(name) => formatter.write_str(name),
            Self::Page(list) => write!(formatter, "a page of page list {list}"),
            Self::Ring(direction, queue) => write!(formatter, "the ring of {direction} queue {queue}"),
            Self::SecondRing(direction, queue) => write!(formatter, "the second ring of {direction} queue {queue}"),
            Self::Resources(direction, queue) => write!(formatter, "the resources of {direction} queue {queue}"),
            Self::Buffer(queue, identifier) => write!(formatter, "buffer {identifier} of RX queue {queue}"),
        }
    }
}

impl State {
    /// Checks a range that the device is given; what is wrong is written down.
    pub(super) fn check_range(&mut self, what: &dyn fmt::Display, address: u64, length: usize, alignment: u64) -> bool {
        if !address.is_multiple_of(alignment) {
            self.violate(format_args!(
                "{what} at {address:#x} is not aligned to {alignment} bytes"
            ));
            return false;
        }
        if address < PAGE_SIZE as u64 || !reach::is_owned(address, length) {
            self.violate(format_args!(
                "{what} at {address:#x}, {length} bytes, lies in memory that nobody owns"
            ));
            return false;
        }
        true
    }

    /// As [`Self::check_range`], and the range overlaps no other that the device has.
    pub(super) fn check_new_range(
        &mut self,
        what: &dyn fmt::Display,
        address: u64,
        length: usize,
        alignment: u64,
    ) -> bool {
        if !self.check_range(what, address, length, alignment) {
            return false;
        }
        let end = address + length as u64;
        let other = self
            .regions()
            .into_iter()
            .find(|other| address < other.address + other.length as u64 && other.address < end);
        if let Some(other) = other {
            self.violate(format_args!("{what} at {address:#x} overlaps {}", other.name));
            return false;
        }
        true
    }

    /// All ranges that the device has.
    pub(super) fn regions(&self) -> Vec<Region> {
        let mut regions = Vec::new();
        let mut add = |name: Name, address: u64, length: usize| {
            regions.push(Region { name, address, length });
        };
        if let Some(queue) = &self.admin {
            add(Name::Of("the admin queue"), queue.address, queue.bytes());
        }
        if let Some((address, length)) = self.settings.statistics {
            add(Name::Of("the statistics"), address, length);
        }
        if let Some(resources) = &self.resources {
            let (address, length) = resources.counters;
            add(Name::Of("the event counters"), address, length);
            let (address, length) = resources.irq_doorbells;
            add(Name::Of("the interrupts' doorbells"), address, length);
        }
        for (&number, list) in &self.page_lists {
            for &page in &list.pages {
                add(Name::Page(number), page, PAGE_SIZE);
            }
        }
        let transmitters = self
            .transmitters
            .iter()
            .map(|(&number, queue)| (Direction::Tx, number, queue.common));
        let receivers = self
            .receivers
            .iter()
            .map(|(&number, queue)| (Direction::Rx, number, queue.common));
        for (direction, number, common) in transmitters.chain(receivers) {
            add(
                Name::Resources(direction, number),
                common.resources,
                QUEUE_RESOURCES_SIZE,
            );
            add(Name::Ring(direction, number), common.ring, common.ring_bytes);
            if common.second_bytes != 0 {
                add(Name::SecondRing(direction, number), common.second, common.second_bytes);
            }
        }
        for (&number, queue) in &self.receivers {
            // Others lie in pages of lists.
            let buffers = queue.posted.iter().filter(|_| queue.common.list.is_none());
            for buffer in buffers {
                add(
                    Name::Buffer(number, buffer.identifier),
                    buffer.address,
                    queue.buffer_size,
                );
            }
        }
        regions
    }

    /// Lets go what was held through a reset: all of it must still be owned.
    pub(super) fn release(&mut self) {
        for region in core::mem::take(&mut self.held) {
            self.demand(
                reach::is_owned(region.address, region.length),
                format_args!("{} was given back before the device was reset", region.name),
            );
        }
    }

    /// Reads memory; zeroes, and a note, where nobody owns it.
    pub(super) fn fetch(&mut self, what: &dyn fmt::Display, address: u64, into: &mut [u8]) -> bool {
        into.fill(0);
        let is_right = self.check_range(what, address, into.len(), 1);
        if is_right {
            reach::read(address, into);
        }
        is_right
    }

    /// Writes memory; nothing, and a note, where nobody owns it.
    pub(super) fn store(&mut self, what: &dyn fmt::Display, address: u64, bytes: &[u8]) -> bool {
        let is_right = self.check_range(what, address, bytes.len(), 1);
        if is_right {
            reach::write(address, bytes);
        }
        is_right
    }

    /// Writes an entry of a queue, the word that says that it is there at last.
    pub(super) fn publish(&mut self, what: &dyn fmt::Display, address: u64, entry: &[u8], word: usize) {
        let written = self.store(what, address, &entry[..word])
            && self.store(what, address + word as u64 + 4, &entry[word + 4..]);
        if written {
            self.store(what, address + word as u64, &entry[word..word + 4]);
        }
    }
}
