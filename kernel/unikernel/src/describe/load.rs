//! How many threads wanted a CPU or waited for the disk on average over the last 1, 5 and 15 minutes.
//!
//! Linux looks every five seconds. Nobody wakes an idle guest for that here: periods that have passed are caught up with when a CPU takes a thread up
//! or leaves it, with what was so until then.

use core::sync::atomic::{AtomicU64, Ordering};

use hal::sync::SpinLock;

/// Nanoseconds between two looks.
const PERIOD: u64 = 5_000_000_000;
/// One, as the averages have it.
const ONE: u64 = 1 << 11;
/// What is left of an average after a period: 1/exp(5 s/1 min) and so on.
const DECAY: [u64; 3] = [1884, 2014, 2037];
/// Periods after which no average changes any more.
const LONGEST: u64 = 10_000;

static AVERAGES: SpinLock<Averages> = SpinLock::new(Averages([0; 3]));
/// When the next period is over.
static NEXT: AtomicU64 = AtomicU64::new(PERIOD);

/// In parts of [`ONE`].
#[derive(Clone, Copy)]
struct Averages([u64; 3]);

impl Averages {
    /// So many periods with so many threads have passed.
    fn pass(&mut self, periods: u64, active: usize) {
        let active = active as u64 * ONE;
        for _ in 0..periods.min(LONGEST) {
            for (average, decay) in self.0.iter_mut().zip(DECAY) {
                let round = if active >= *average { ONE - 1 } else { 0 };
                *average = (*average * decay + active * (ONE - decay) + round) / ONE;
            }
        }
    }
}

/// Catches up with the periods that are over at `now`, in which `active` threads counted. Cheap when there is none.
#[inline]
pub(crate) fn catch_up(now: u64, active: impl FnOnce() -> usize) {
    if now >= NEXT.load(Ordering::Relaxed) {
        pass(now, active());
    }
}

#[cold]
fn pass(now: u64, active: usize) {
    let mut averages = AVERAGES.lock();
    let next = NEXT.load(Ordering::Relaxed);
    if now < next {
        return;
    }
    let periods = (now - next) / PERIOD + 1;
    averages.pass(periods, active);
    NEXT.store(next + periods * PERIOD, Ordering::Relaxed);
}

/// The averages, in 2⁻¹¹ parts.
pub(crate) fn averages() -> [u64; 3] {
    AVERAGES.lock().0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_follow_what_is_so_and_forget_what_was() {
        let hundredths = |averages: &Averages| averages.0.map(|average| (average + ONE / 200) * 100 / ONE);
        let mut averages = Averages([0; 3]);
        // A minute: 1 - 1/e of two threads, by the first.
        averages.pass(12, 2);
        assert_eq!(hundredths(&averages), [127, 37, 13]);
        averages.pass(2000, 2);
        assert_eq!(hundredths(&averages), [200; 3]);
        averages.pass(u64::MAX, 0);
        assert_eq!(hundredths(&averages), [0; 3]);
    }
}
