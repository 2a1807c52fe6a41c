//! Memory as the device reaches it: only what somebody owns, within the width of its addresses, and no ring twice.

use alloc::vec::Vec;
use core::fmt;

use super::defs::admin::ENTRY_SIZE;
use super::state::{Direction, State};
use crate::dma::reach;
use crate::mem::PAGE_SIZE;

/// A range that the device was given for good: a ring, a buffer to receive into.
struct Region {
    name: Name,
    address: u64,
    length: usize,
}

/// Made into words only for a note: there are many buffers.
enum Name {
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

impl State {
    /// Checks a range that the device is given; what is wrong is written down.
    pub(super) fn check_range(&mut self, what: &dyn fmt::Display, address: u64, length: usize, alignment: u64) -> bool {
        if !address.is_multiple_of(alignment) {
            self.violate(format_args!(
                "{what} at {address:#x} is not aligned to {alignment} bytes"
            ));
            return false;
        }
        if address.saturating_add(length as u64) > 1 << self.configuration.address_bits {
            self.violate(format_args!(
                "{what} at {address:#x} has more address bits than the device"
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
    fn regions(&self) -> Vec<Region> {
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

    /// Reads memory; zeroes, and a note, where nobody owns it.
    pub(super) fn fetch(&mut self, what: &dyn fmt::Display, address: u64, into: &mut [u8]) -> bool {
        into.fill(0);
        if !self.check_range(what, address, into.len(), 1) {
            return false;
        }
        reach::read(address, into);
        true
    }

    /// Writes memory; nothing, and a note, where nobody owns it.
    pub(super) fn store(&mut self, what: &dyn fmt::Display, address: u64, bytes: &[u8]) -> bool {
        if !self.check_range(what, address, bytes.len(), 1) {
            return false;
        }
        reach::write(address, bytes);
        true
    }

    /// Writes an entry of a queue, the word with its phase at last.
    pub(super) fn publish(&mut self, what: &dyn fmt::Display, address: u64, entry: &[u8], phase_at: usize) {
        let written = self.store(what, address, &entry[..phase_at])
            && self.store(what, address + phase_at as u64 + 4, &entry[phase_at + 4..]);
        if written {
            self.store(what, address + phase_at as u64, &entry[phase_at..phase_at + 4]);
        }
    }
}
