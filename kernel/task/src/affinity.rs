//! Which CPUs a task may run on.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hal::cpu;

/// Whether some task was ever kept from a CPU: until then nobody has to look.
static USED: AtomicBool = AtomicBool::new(false);

/// Whether there may be tasks that some CPU may not run.
pub(crate) fn is_used() -> bool {
    USED.load(Ordering::SeqCst)
}

/// The CPUs that a task may run on, one bit each: all at first.
#[derive(Debug)]
pub struct Affinity(AtomicU64);

impl Default for Affinity {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

/// The CPUs that run.
fn running() -> u64 {
    u64::MAX >> (64 - cpu::count())
}

impl Affinity {
    /// Those that it may run on, of the CPUs that run.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed) & running()
    }

    /// Changes which those are; false, and no change, when none of them runs. Tasks that are elsewhere go there with their next turn.
    pub fn set(&self, cpus: u64) -> bool {
        let chosen = cpus & running();
        if chosen == 0 {
            return false;
        }
        if chosen != running() {
            USED.store(true, Ordering::SeqCst);
        }
        self.0.store(chosen, Ordering::SeqCst);
        true
    }

    /// Whether it may run on a CPU.
    #[inline]
    pub fn contains(&self, number: usize) -> bool {
        self.0.load(Ordering::Relaxed) >> number & 1 == 1
    }
}
