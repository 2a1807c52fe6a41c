//! Signals that wait to be delivered.

use alloc::collections::VecDeque;
use core::sync::atomic::{AtomicU64, Ordering};

use hal::sync::SpinLock;

use super::{Info, Signal, SignalSet};

/// Real-time signals that may wait in one queue.
const LIMIT: usize = 1024;

/// The pending signals of a thread or a process.
#[derive(Default)]
pub struct Pending {
    /// Which are in the queue, to look at without locking.
    set: AtomicU64,
    queue: SpinLock<VecDeque<Info>>,
}

impl Pending {
    /// Which signals wait.
    pub fn set(&self) -> SignalSet {
        SignalSet::from_bits(self.set.load(Ordering::Acquire))
    }

    /// Counts more expirations for the signal of a timer that waits already; false when none does.
    pub fn add_overruns(&self, timer: u32, more: u32) -> bool {
        let mut queue = self.queue.lock();
        let is_it = |info: &&mut Info| info.of_timer().is_some_and(|(own, _)| own == timer);
        let waiting = queue.iter_mut().find(is_it);
        waiting.map(|info| info.add_overruns(more)).is_some()
    }

    /// Adds one. A standard signal that waits already is dropped; false when a real-time signal finds the queue full.
    pub fn push(&self, signal: Signal, info: Info) -> bool {
        let mut queue = self.queue.lock();
        let bit = SignalSet::of(signal).bits();
        if !signal.is_real_time() && self.set.load(Ordering::Relaxed) & bit != 0 {
            return true;
        }
        if signal.is_real_time() && queue.len() >= LIMIT {
            return false;
        }
        queue.push_back(info);
        self.set.fetch_or(bit, Ordering::Release);
        true
    }

    /// Takes the first signal that is in `wanted`.
    pub fn take(&self, wanted: SignalSet) -> Option<(Signal, Info)> {
        let mut queue = self.queue.lock();
        let signal = SignalSet::from_bits(self.set.load(Ordering::Relaxed))
            .and(wanted)
            .first()?;
        let is_it = |info: &Info| info.signal == i32::from(signal.number());
        let place = queue.iter().position(is_it)?;
        let info = queue.remove(place)?;
        if !queue.iter().any(is_it) {
            self.set.fetch_and(!SignalSet::of(signal).bits(), Ordering::Release);
        }
        Some((signal, info))
    }

    /// Forgets those in `unwanted`.
    pub fn discard(&self, unwanted: SignalSet) {
        let mut queue = self.queue.lock();
        queue.retain(|info| Signal::new(info.signal).is_ok_and(|signal| !unwanted.contains(signal)));
        self.set.fetch_and(!unwanted.bits(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synchronous_signals_come_first_then_the_lowest() {
        let pending = Pending::default();
        for signal in [Signal::TERM, Signal::HUP, Signal::SEGV] {
            pending.push(signal, Info::kernel(signal));
        }
        let order: Vec<_> = core::iter::from_fn(|| Some(pending.take(SignalSet::from_bits(!0))?.0)).collect();
        assert_eq!(order, [Signal::SEGV, Signal::HUP, Signal::TERM]);
        assert!(pending.set().is_empty());
    }

    #[test]
    fn a_timer_has_one_signal_that_counts_the_rest() {
        let pending = Pending::default();
        let signal = Signal::new(40).expect("in range");
        assert!(!pending.add_overruns(3, 1));
        pending.push(signal, Info::timer(signal, 2, 0, 0));
        pending.push(signal, Info::timer(signal, 3, 1, 0));
        assert!(pending.add_overruns(3, 5) && pending.add_overruns(3, 2));
        let told = core::iter::from_fn(|| pending.take(SignalSet::of(signal))?.1.of_timer());
        assert_eq!(told.collect::<std::vec::Vec<_>>(), [(2, 0), (3, 8)]);
    }

    #[test]
    fn standard_signals_wait_once_and_real_time_signals_each() {
        let pending = Pending::default();
        let real_time = Signal::new(40).expect("in range");
        for _ in 0..3 {
            pending.push(Signal::USR1, Info::kernel(Signal::USR1));
            pending.push(real_time, Info::kernel(real_time));
        }
        let mut count = 0;
        while pending.take(SignalSet::of(real_time)).is_some() {
            count += 1;
        }
        assert_eq!(count, 3);
        assert!(pending.take(SignalSet::of(Signal::USR1)).is_some());
        assert!(pending.take(SignalSet::of(Signal::USR1)).is_none());
    }
}
