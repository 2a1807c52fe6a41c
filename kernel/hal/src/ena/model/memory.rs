//! Memory as the device reaches it: only what somebody owns, within the width of its addresses, and no ring twice.

use alloc::vec::Vec;
use core::fmt;

use super::defs::admin::{ENTRY_SIZE, PHC_RESP_SIZE};
use super::state::{Direction, State};
use crate::dma::reach::{Reach, Region};
use crate::mem::PAGE_SIZE;

/// What a range is.
pub(super) enum Name {
    Of(&'static str),
    Completions(u16),
    Submissions(Direction, u16),
    Buffer(u16, u16),
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(name) => formatter.write_str(name),
            Self::Completions(number) => write!(formatter, "completion queue {number}"),
            Self::Submissions(direction, number) => write!(formatter, "{direction} queue {number}"),
            Self::Buffer(number, request) => write!(formatter, "the buffer of request {request} of RX queue {number}"),
        }
    }
}

impl Reach for State {
    type Name = Name;

    fn note(&mut self, what: &dyn fmt::Display) {
        self.violate(what);
    }

    fn address_bits(&self) -> u32 {
        self.configuration.address_bits
    }

    fn regions(&self) -> Vec<Region<Name>> {
        let mut regions = Vec::new();
        let mut add = |name: Name, address: u64, length: usize| {
            regions.push(Region { name, address, length });
        };
        for (name, ring) in [
            ("the admin queue", &self.admin.submissions),
            ("the admin completion queue", &self.admin.completions),
            ("the event queue", &self.events.ring),
        ] {
            if let Some(ring) = ring {
                add(Name::Of(name), ring.address, usize::from(ring.depth) * ENTRY_SIZE);
            }
        }
        if self.registers.response != 0 {
            add(Name::Of("the answer to readless reads"), self.registers.response, 8);
        }
        if let Some(host_info) = self.settings.host_info {
            add(Name::Of("the host information"), host_info, PAGE_SIZE);
        }
        if let Some(output) = self.phc.output {
            add(Name::Of("the clock's output"), output, PHC_RESP_SIZE);
        }
        for (&number, queue) in &self.completions {
            add(Name::Completions(number), queue.address, queue.bytes());
        }
        for (&(direction, number), queue) in &self.submissions {
            if let Some(address) = queue.address {
                add(Name::Submissions(direction, number), address, queue.bytes());
            }
            for buffer in &queue.posted {
                add(Name::Buffer(number, buffer.request), buffer.address, buffer.length);
            }
        }
        regions
    }
}
