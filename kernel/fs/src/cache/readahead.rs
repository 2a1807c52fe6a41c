//! How much to read at once.

use core::ops::Range;

use hal::mem;

/// Pages of the longest read: 128 KiB, as Linux's default.
const LONGEST: u64 = 32;

/// Watches the misses of one file and says what to read on the next.
#[derive(Debug, Default)]
pub(super) struct Readahead {
    /// The page after the last window.
    next: u64,
    /// A hit on this page says that the reader comes near the end of the window.
    trigger: Option<u64>,
}

impl Readahead {
    /// The pages to read when page `index` of `count` is missing.
    ///
    /// A sequential reader gets what comes next; any other the aligned neighbourhood, since faults on mapped programs cluster.
    pub(super) fn missed(&mut self, index: u64, count: u64) -> Range<u64> {
        let length = longest();
        let start = if index == self.next {
            index
        } else {
            index - index % length
        };
        self.window(start, count, length, index == self.next && index > 0)
    }

    /// The pages to read ahead after page `index` was found.
    pub(super) fn hit(&mut self, index: u64, count: u64) -> Option<Range<u64>> {
        if self.trigger != Some(index) {
            return None;
        }
        self.trigger = None;
        (self.next < count).then(|| self.window(self.next, count, longest(), true))
    }

    fn window(&mut self, start: u64, count: u64, length: u64, sequential: bool) -> Range<u64> {
        let end = start.saturating_add(length).min(count);
        self.next = end;
        self.trigger = sequential.then_some(start);
        start..end
    }
}

/// Shorter when the cache cannot hold much, so that reading ahead does not push out what is in use.
fn longest() -> u64 {
    let usage = mem::usage();
    let free = usage.total.saturating_sub(usage.used) as u64;
    let cached = super::resident_pages() as u64;
    ((free + cached / 2) / 32).next_power_of_two().clamp(1, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_its_neighbourhood_and_a_sequential_reader_what_comes_next() {
        let mut ahead = Readahead::default();
        assert_eq!(ahead.missed(70, 1000), 64..96);
        assert_eq!(ahead.hit(80, 1000), None);
        assert_eq!(ahead.missed(96, 1000), 96..128);
        assert_eq!(ahead.hit(96, 1000), Some(128..160));
        assert_eq!(ahead.hit(96, 1000), None);
        assert_eq!(ahead.missed(999, 1000), 992..1000);
    }
}
