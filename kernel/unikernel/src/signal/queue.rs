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
