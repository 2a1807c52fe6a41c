//! Memory as the device reaches it: only what somebody owns, and nothing twice.

use alloc::vec::Vec;
use core::fmt;

use super::defs::admin::QUEUE_RESOURCES_SIZE;
use super::state::{Direction, State};
use crate::dma::reach::{self, Reach, Region};
use crate::mem::PAGE_SIZE;

/// What a range is.
pub(super) enum Name {
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

impl Reach for State {
    type Name = Name;

    fn note(&mut self, what: &dyn fmt::Display) {
        self.violate(what);
    }

    fn regions(&self) -> Vec<Region<Name>> {
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
}

impl State {
    /// Lets go what was held through a reset: all of it must still be owned.
    pub(super) fn release(&mut self) {
        for region in core::mem::take(&mut self.held) {
            self.demand(
                reach::is_owned(region.address, region.length),
                format_args!("{} was given back before the device was reset", region.name),
            );
        }
    }
}
