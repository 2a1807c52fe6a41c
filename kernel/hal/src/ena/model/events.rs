//! The queue of events (AENQ).

use alloc::collections::VecDeque;

use super::admin::Ring;
use super::completion::phase;
use super::defs::admin;
use super::faults::Defect;
use super::interrupts::MANAGEMENT;
use super::state::State;
use crate::dma::reach::Reach;

type Entry = [u8; admin::ENTRY_SIZE];

/// Where the word with the phase lies.
const FLAGS: usize = 4;

#[derive(Default)]
pub(super) struct Events {
    pub(super) ring: Option<Ring>,
    /// Up to where the driver gave entries to the device, modulo 2^16; none before its first doorbell.
    limit: Option<u16>,
    /// Events that wait for a free entry.
    waiting: VecDeque<(Entry, bool)>,
}

/// An event without data.
pub(super) fn event(group: u16, syndrome: u16) -> Entry {
    let mut entry = [0; admin::ENTRY_SIZE];
    entry[..2].copy_from_slice(&group.to_le_bytes());
    entry[2..4].copy_from_slice(&syndrome.to_le_bytes());
    entry
}

impl State {
    /// The doorbell of the events: up to where the driver has read, plus the depth.
    pub(super) fn ring_events(&mut self, value: u32) {
        let Some(ring) = self.events.ring else {
            self.violate("the doorbell of an event queue that is not set up");
            return;
        };
        let read = (value as u16).wrapping_sub(ring.depth);
        let before = self.events.limit.map_or(0, |limit| limit.wrapping_sub(ring.depth));
        let is_right = u16::try_from(value).is_ok() && read.wrapping_sub(before) <= ring.position.wrapping_sub(before);
        let what = format_args!(
            "the event doorbell says {value}, while {} events were written and entries are {}",
            ring.position, ring.depth
        );
        if self.demand(is_right, what) {
            self.events.limit = Some(value as u16);
            self.write_events();
        }
    }

    /// Tells an event, if the driver wants its group; later when there is no free entry. `has_phase` is false for one that is malformed so.
    pub(super) fn tell(&mut self, entry: Entry, has_phase: bool) {
        let group = u16::from_le_bytes([entry[0], entry[1]]);
        let is_wanted = u32::from(group) >= u32::BITS || self.settings.groups & 1 << group != 0;
        if is_wanted && !self.faults.has(Defect::Hung) {
            self.events.waiting.push_back((entry, has_phase));
            self.write_events();
        }
    }

    fn write_events(&mut self) {
        while let (Some(mut ring), Some(limit)) = (self.events.ring, self.events.limit) {
            if ring.position == limit {
                return;
            }
            let Some((mut entry, has_phase)) = self.events.waiting.pop_front() else {
                return;
            };
            let at = ring.address + u64::from(ring.position % ring.depth) * admin::ENTRY_SIZE as u64;
            let phase = phase(ring.position, ring.depth) as u8;
            entry[FLAGS] |= if has_phase { phase } else { phase ^ 1 };
            ring.position = ring.position.wrapping_add(1);
            self.events.ring = Some(ring);
            self.publish(&"the event queue", at, &entry, FLAGS);
            self.cause(MANAGEMENT);
        }
    }
}
