//! How much an address space may hold, and what of it stays in memory.

use abi::Errno;
use core::ops::Range;
use hal::mem::PAGE_SIZE;

use super::address_space::checked_range;
use super::{AddressSpace, Area, AreaFlags};
use fs::proc::{Residence, Resident};

/// Limits in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// All areas (`RLIMIT_AS`).
    pub size: u64,
    /// Areas of data (`RLIMIT_DATA`).
    pub data: u64,
}

impl Bounds {
    /// For what the kernel itself maps.
    pub const NONE: Self = Self {
        size: u64::MAX,
        data: u64::MAX,
    };
}

impl AddressSpace {
    /// Whether `length` bytes more fit, of data or not, when what is in `replaced` goes; `ENOMEM` if not.
    pub fn check_growth(&self, bounds: Bounds, length: usize, data: bool, replaced: Range<usize>) -> Result<(), Errno> {
        if bounds.size == u64::MAX && (bounds.data == u64::MAX || !data) {
            return Ok(());
        }
        let overlap = |range: &Range<usize>| {
            let end = range.end.min(replaced.end);
            end.saturating_sub(range.start.max(replaced.start))
        };
        let (mut size, mut held) = (0, 0);
        self.visit_areas(0, |range, area| {
            let kept = range.len() - overlap(&range);
            size += kept;
            held += if area.is_data() { kept } else { 0 };
            true
        });
        let exceeds = |held: usize, limit: u64| (held as u64).saturating_add(length as u64) > limit;
        if exceeds(size, bounds.size) || data && exceeds(held, bounds.data) {
            return Err(Errno::NOMEM);
        }
        Ok(())
    }

    /// Bytes of the areas that `which` is true for.
    pub fn sum(&self, which: impl Fn(&Area) -> bool) -> usize {
        let mut sum = 0;
        self.visit_areas(0, |range, area| {
            sum += if which(area) { range.len() } else { 0 };
            true
        });
        sum
    }

    /// Says of a range that its pages stay in memory, or no longer. As far as it is mapped; `ENOMEM` when that is not all of it.
    pub fn set_locked(&self, range: Range<usize>, locked: bool) -> Result<(), Errno> {
        let covered = self.is_mapped(range.start, range.len());
        self.update_mapped(range, |area| area.flags.set(AreaFlags::LOCKED, locked));
        if covered { Ok(()) } else { Err(Errno::NOMEM) }
    }

    /// Says of all that is mapped, or will be, that its pages stay in memory (`mlockall(2)`); `None` leaves one as it is.
    pub fn set_all_locked(&self, now: Option<bool>, later: bool) {
        if let Some(locked) = now {
            self.update_mapped(0..hal::user::USER_END, |area| area.flags.set(AreaFlags::LOCKED, locked));
        }
        self.inner.lock().lock_new = later;
    }

    /// The parts of a range that are mapped, each with its area as it begins there.
    pub fn mapped_parts(&self, start: usize, length: usize) -> alloc::vec::Vec<(Range<usize>, Area)> {
        let mut parts = alloc::vec::Vec::new();
        let Some(whole) = checked_range(start, length) else {
            return parts;
        };
        let from = self.area_at(start).map_or(start, |(first, _)| first);
        self.visit_areas(from, |range, area| {
            let part = range.start.max(whole.start)..range.end.min(whole.end);
            if !part.is_empty() {
                let mut area = area.clone();
                if let Some(backing) = &mut area.backing {
                    backing.first_page += ((part.start - range.start) / PAGE_SIZE) as u64;
                }
                parts.push((part, area));
            }
            range.end < whole.end
        });
        parts
    }

    /// Bytes of a range that are present, and of those the ones that are part of no file.
    pub fn residence(&self, range: Range<usize>) -> Residence {
        // A part of a byte counts, as on Linux.
        const FRACTION: u32 = 12;
        let mut sums = [[0_u64; 3]; 2];
        self.table.scan_range(range, |page| {
            // The file has a share of its pages, too.
            let mappings = page.shares.saturating_sub(u32::from(!page.own)).max(1);
            let [resident, private, proportional] = &mut sums[usize::from(page.own)];
            *resident += PAGE_SIZE as u64;
            *private += if mappings == 1 { PAGE_SIZE as u64 } else { 0 };
            *proportional += ((PAGE_SIZE as u64) << FRACTION) / u64::from(mappings);
        });
        let [files, anonymous] = sums.map(|[resident, private, proportional]| Resident {
            resident,
            private,
            proportional: proportional >> FRACTION,
        });
        Residence { files, anonymous }
    }
}
