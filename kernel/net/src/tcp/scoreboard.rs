//! What the peer has selectively acknowledged (RFC 6675).

use alloc::vec::Vec;

use super::sequence::Seq;

/// Ranges beyond the cumulative acknowledgement that the peer has, disjoint and in order.
#[derive(Debug, Default)]
pub(super) struct Scoreboard(Vec<(Seq, Seq)>);

impl Scoreboard {
    /// Against peers that make it long on purpose.
    const MOST_RANGES: usize = 256;

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes a range; returns whether it tells anything new.
    pub(super) fn insert(&mut self, start: Seq, end: Seq) -> bool {
        let first = self.0.partition_point(|range| range.1 < start);
        let last = self.0.partition_point(|range| range.0 <= end);
        if first == last {
            if self.0.len() < Self::MOST_RANGES {
                self.0.insert(first, (start, end));
                return true;
            }
            return false;
        }
        let merged = (start.min(self.0[first].0), end.max(self.0[last - 1].1));
        let is_new = last - first > 1 || self.0[first] != merged;
        self.0.splice(first..last, [merged]);
        is_new
    }

    /// Forgets what is before `una`.
    pub(super) fn advance(&mut self, una: Seq) {
        if self.0.is_empty() {
            return;
        }
        self.0.retain_mut(|range| {
            range.0 = range.0.max(una);
            range.1 > una
        });
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
    }

    /// The end of the last range.
    pub(super) fn highest(&self) -> Option<Seq> {
        self.0.last().map(|range| range.1)
    }

    /// Whether the byte at `seq` counts as lost: three ranges or segments beyond it have arrived (`IsLost`).
    pub(super) fn is_lost(&self, seq: Seq, mss: usize) -> bool {
        let mut bytes = 0;
        let mut ranges = 0;
        for range in self.0.iter().rev() {
            if range.0 <= seq {
                break;
            }
            ranges += 1;
            bytes += range.1.since(range.0);
            if ranges >= 3 || bytes > 2 * mss {
                return true;
            }
        }
        false
    }

    /// The first range of bytes from `from` on, before `limit`, that is not acknowledged.
    pub(super) fn hole(&self, from: Seq, limit: Seq) -> Option<(Seq, Seq)> {
        let mut start = from;
        for range in &self.0 {
            if start < range.0 {
                let end = range.0.min(limit);
                return (start < end).then_some((start, end));
            }
            start = start.max(range.1);
        }
        (start < limit).then_some((start, limit))
    }

    /// What is assumed to be on its way of `una..next`: not acknowledged, and either not lost or sent again before `resent` (`SetPipe`).
    pub(super) fn in_flight(&self, una: Seq, next: Seq, resent: Seq, mss: usize) -> usize {
        if self.0.is_empty() {
            return next.since(una);
        }
        let mut bytes = 0;
        let mut from = una;
        while let Some((start, end)) = self.hole(from, next) {
            bytes += if self.is_lost(start, mss) {
                resent.min(end).since(start)
            } else {
                end.since(start)
            };
            from = end;
        }
        bytes
    }

    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_agrees_with_a_bitmap(ranges: Vec<(u8, u8)>, una in 0usize..300) {
            let mut board = Scoreboard::default();
            let mut bitmap = [false; 600];
            let origin = Seq(u32::MAX - 100);
            for (start, length) in ranges {
                let (start, end) = (usize::from(start), usize::from(start) + usize::from(length) + 1);
                let is_new = bitmap[start..end].contains(&false);
                prop_assert_eq!(board.insert(origin + start, origin + end), is_new);
                bitmap[start..end].fill(true);
            }
            board.advance(origin + una);
            bitmap[..una].fill(false);
            let expected = (una..600).find(|index| !bitmap[*index]);
            prop_assert_eq!(board.hole(origin + una, origin + 600).map(|hole| hole.0.since(origin)), expected);
        }
    }
}
