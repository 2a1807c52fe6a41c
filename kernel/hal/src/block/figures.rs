//! What is counted of a disk.

use crate::sync::SpinLock;

/// What was read from a disk so far. Times are in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests that have ended.
    pub reads: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long each of them took, together.
    pub waited: u64,
    /// Requests under way.
    pub under_way: u64,
    /// How long there was one under way.
    pub busy: u64,
}

/// Counts what is read from a disk.
#[derive(Default)]
pub(crate) struct Counter(SpinLock<State>);

#[derive(Clone, Copy, Default)]
struct State {
    figures: Figures,
    /// Until when `busy` counts.
    counted: u64,
}

impl State {
    fn catch_up(&mut self, now: u64) {
        if self.figures.under_way > 0 {
            // Another CPU's clock may be a little behind.
            self.figures.busy += now.saturating_sub(self.counted);
        }
        self.counted = self.counted.max(now);
    }
}

impl Counter {
    /// A request is asked for.
    pub(super) fn begin(&self, now: u64) {
        let mut state = self.0.lock();
        state.catch_up(now);
        state.figures.under_way += 1;
    }

    /// A request for so many bytes that was asked for then has ended, well or not.
    pub(super) fn end(&self, bytes: usize, asked: u64, now: u64) {
        let mut state = self.0.lock();
        state.catch_up(now);
        let figures = &mut state.figures;
        figures.under_way -= 1;
        figures.reads += 1;
        figures.bytes += bytes as u64;
        figures.waited += now.saturating_sub(asked);
    }

    pub(super) fn get(&self, now: u64) -> Figures {
        let mut state = self.0.lock();
        state.catch_up(now);
        state.figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_overlap_keep_the_disk_busy_once() {
        let counter = Counter::default();
        counter.begin(100);
        counter.begin(200);
        assert_eq!(counter.get(250).busy, 150);
        counter.end(512, 100, 300);
        counter.end(1024, 200, 500);
        let expected = Figures {
            reads: 2,
            bytes: 1536,
            waited: 500,
            under_way: 0,
            busy: 400,
        };
        assert_eq!(counter.get(900), expected);
    }
}
