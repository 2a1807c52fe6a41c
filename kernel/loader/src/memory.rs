//! The memory map that the kernel gets.

use core::ops::Range;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{Immutable, IntoBytes};

/// The most ranges that are kept.
const MOST: usize = 128;
const PAGE_SIZE: u64 = 4096;
const FIRST_MIB: u64 = 1 << 20;

/// What a range of memory is: the numbers of the ACPI specification, table 15.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// The kernel may use it.
    Usable = 1,
    /// It is the firmware's or a device's.
    Reserved = 2,
    /// ACPI's tables are in it.
    AcpiTables = 3,
    /// ACPI's firmware keeps it.
    AcpiStorage = 4,
}

/// A range as the hand-over has it.
#[derive(Clone, Copy, Immutable, IntoBytes)]
#[repr(C)]
pub(crate) struct Entry {
    address: U64,
    size: U64,
    kind: U32,
    reserved: U32,
}

/// Ranges of memory. Neighbours of one kind are one range.
pub struct MemoryMap {
    entries: [Entry; MOST],
    count: usize,
}

impl Default for MemoryMap {
    fn default() -> Self {
        const NONE: Entry = Entry {
            address: U64::ZERO,
            size: U64::ZERO,
            kind: U32::ZERO,
            reserved: U32::ZERO,
        };
        Self {
            entries: [NONE; MOST],
            count: 0,
        }
    }
}

impl MemoryMap {
    /// Adds a range behind the ones before. Ranges that are too many are left out: the kernel takes no memory that nobody named usable.
    pub fn add(&mut self, address: u64, size: u64, kind: Kind) {
        if size == 0 {
            return;
        }
        if let Some(last) = self.entries[..self.count].last_mut()
            && last.kind.get() == kind as u32
            && last.address.get().checked_add(last.size.get()) == Some(address)
        {
            last.size += size;
            return;
        }
        if let Some(entry) = self.entries.get_mut(self.count) {
            *entry = Entry {
                address: address.into(),
                size: size.into(),
                kind: (kind as u32).into(),
                reserved: U32::ZERO,
            };
            self.count += 1;
        }
    }

    /// Whether all of a range can be used.
    pub fn is_usable(&self, range: &Range<u64>) -> bool {
        self.entries().iter().any(|entry| {
            let end = entry.address.get().saturating_add(entry.size.get());
            entry.kind.get() == Kind::Usable as u32 && entry.address.get() <= range.start && range.end <= end
        })
    }

    /// The highest usable place for so many bytes that ends at `limit` or below, at the start of a page; above the first MiB, where firmware
    /// and loaders are.
    pub fn highest(&self, bytes: u64, limit: u64) -> Option<u64> {
        let places = self.entries().iter().filter_map(|entry| {
            let end = entry.address.get().saturating_add(entry.size.get()).min(limit);
            let place = end.checked_sub(bytes)? & !(PAGE_SIZE - 1);
            let usable = entry.kind.get() == Kind::Usable as u32 && place >= entry.address.get().max(FIRST_MIB);
            usable.then_some(place)
        });
        places.max()
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries[..self.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_a_kind_are_one_range() {
        let mut map = MemoryMap::default();
        map.add(0, 0x1000, Kind::Usable);
        map.add(0x1000, 0x1000, Kind::Usable);
        map.add(0x2000, 0, Kind::Reserved);
        map.add(0x2000, 0x1000, Kind::AcpiTables);
        map.add(0x4000, 0x1000, Kind::Usable);
        let found: Vec<_> = map
            .entries()
            .iter()
            .map(|entry| (entry.address.get(), entry.size.get(), entry.kind.get()))
            .collect();
        assert_eq!(found, [(0, 0x2000, 1), (0x2000, 0x1000, 3), (0x4000, 0x1000, 1)]);
        assert!(map.is_usable(&(0x800..0x2000)));
        assert!(!map.is_usable(&(0x800..0x2001)));
        assert!(!map.is_usable(&(0x2000..0x2001)));
    }

    #[test]
    fn the_highest_place_is_found() {
        let mut map = MemoryMap::default();
        map.add(0, 0x9_f000, Kind::Usable);
        map.add(0x10_0000, 0x10_0800, Kind::Usable);
        map.add(0x30_0000, 0x1800, Kind::Usable);
        map.add(0x40_0000, 0x10_0000, Kind::Reserved);
        let limit = 1 << 30;
        assert_eq!(map.highest(0x800, limit), Some(0x30_1000));
        assert_eq!(map.highest(0x1000, limit), Some(0x30_0000));
        assert_eq!(map.highest(0x1800, limit), Some(0x30_0000));
        assert_eq!(map.highest(0x1801, limit), Some(0x1f_e000));
        assert_eq!(map.highest(0x10_0800, limit), Some(0x10_0000));
        assert_eq!(map.highest(0x10_0801, limit), None);
        assert_eq!(map.highest(0x1000, 0x30_0fff), Some(0x1f_f000));
        assert_eq!(map.highest(0x1000, 0x10_0000), None);
        assert_eq!(map.highest(u64::MAX, limit), None);
    }

    #[test]
    fn too_many_ranges_are_left_out() {
        let mut map = MemoryMap::default();
        for index in 0..1000 {
            map.add(index * 0x2000, 0x1000, Kind::Usable);
        }
        assert_eq!(map.entries().len(), MOST);
    }
}
