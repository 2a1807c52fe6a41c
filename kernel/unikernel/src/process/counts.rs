//! What is counted of a thread besides its time: page faults, and changes of threads.

use core::ops::Add;
use core::sync::atomic::{AtomicU64, Ordering};

use hal::cpu::{self, MAX_CPUS};

/// The counts of one thread, or the sum of some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Page faults that needed no disk.
    pub minor_faults: u64,
    /// Page faults that waited for the disk.
    pub major_faults: u64,
    /// Times it gave the CPU up.
    pub voluntary_switches: u64,
    /// Times it lost the CPU to others.
    pub involuntary_switches: u64,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            minor_faults: self.minor_faults + other.minor_faults,
            major_faults: self.major_faults + other.major_faults,
            voluntary_switches: self.voluntary_switches + other.voluntary_switches,
            involuntary_switches: self.involuntary_switches + other.involuntary_switches,
        }
    }
}

/// The counters of one thread. The CPU that the thread runs on writes them, all read them.
#[derive(Default)]
pub struct Counters {
    minor_faults: AtomicU64,
    major_faults: AtomicU64,
    /// Turns that ended before the thread did.
    turns: AtomicU64,
    /// Of those, the ones that others ended.
    lost_turns: AtomicU64,
}

/// Page faults on each CPU, of all threads that there were: those that needed no disk, and those that did.
static FAULTS: [[AtomicU64; 2]; MAX_CPUS] = [const { [const { AtomicU64::new(0) }; 2] }; MAX_CPUS];

/// Page faults since boot that needed no disk, and that did.
pub(crate) fn all_faults() -> (u64, u64) {
    let sum = |kind: usize| FAULTS.iter().map(|faults| faults[kind].load(Ordering::Relaxed)).sum();
    (sum(0), sum(1))
}

/// Without an atomic addition: there is one writer.
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl Counters {
    /// A page fault has come.
    pub(super) fn note_fault(&self, waits: bool) {
        count(if waits { &self.major_faults } else { &self.minor_faults });
        FAULTS[cpu::current()][usize::from(waits)].fetch_add(1, Ordering::Relaxed);
    }

    /// The CPU leaves the thread.
    pub(super) fn note_turn(&self) {
        count(&self.turns);
    }

    /// The CPU is about to leave it for others, though it would go on.
    pub(super) fn note_lost_turn(&self) {
        count(&self.lost_turns);
    }

    /// What was counted until now.
    pub fn get(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let lost = read(&self.lost_turns);
        Counts {
            minor_faults: read(&self.minor_faults),
            major_faults: read(&self.major_faults),
            voluntary_switches: read(&self.turns).saturating_sub(lost),
            involuntary_switches: lost,
        }
    }
}
