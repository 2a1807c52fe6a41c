//! Which process ends for the others when memory is used up, as `proc_pid_oom_score_adj(5)` has it.

use abi::Errno;
use alloc::sync::{Arc, Weak};

use hal::sync::SpinLock;

use super::{ExitStatus, Process, family, first};
use crate::memory::AddressSpace;
use crate::signal::Signal;

/// How long a process may take to end by itself, which releases the locks that it shares with others (`set_robust_list(2)`), before its memory is
/// taken from it, in nanoseconds.
const PATIENCE: u64 = 100_000_000;
/// How long nobody else ends for it, in nanoseconds.
const LIMIT: u64 = 2_000_000_000;

/// What adjustments and scores are parts of.
const SCALE: i64 = 1000;

/// How gladly a process is to end when memory is used up (`/proc/PID/oom_score_adj`): -1000 for never, to 1000 for first.
#[derive(Clone, Copy, Debug, Default)]
pub struct OomAdjustment {
    /// The present value.
    pub value: i32,
    /// The last one that a privileged process has set, below which others may not go.
    least: i32,
}

impl OomAdjustment {
    /// Changes it; `EACCES` for what takes `CAP_SYS_RESOURCE`.
    pub fn set(&mut self, value: i32, is_privileged: bool) -> Result<(), Errno> {
        if is_privileged {
            self.least = value;
        } else if value < self.least {
            return Err(Errno::ACCES);
        }
        self.value = value;
        Ok(())
    }

    /// What a process with so many pages of its own counts, in a machine of `total` pages; `None` when it is not to end.
    fn points(self, own: usize, total: usize) -> Option<i64> {
        let value = i64::from(self.value);
        (value > -SCALE).then(|| own as i64 + value * total as i64 / SCALE)
    }
}

/// The process that was told to end last.
struct Victim {
    process: Weak<Process>,
    /// When, by [`hal::time::monotonic`].
    since: u64,
    /// Its memory was taken from it.
    emptied: bool,
}

static LAST: SpinLock<Option<Victim>> = SpinLock::new(None);

/// Whose memory others get.
pub enum Victims {
    /// This process's, which ends from now on; it has so many pages of its own.
    Process(Arc<Process>, usize),
    /// Of one that was told to end and has not yet.
    Ending,
    /// Nobody's: next is the first process, and with it the guest.
    Nobody,
}

impl Victim {
    fn is(&self, process: &Arc<Process>) -> bool {
        core::ptr::eq(self.process.as_ptr(), Arc::as_ptr(process))
    }

    /// Whether its memory comes soon.
    fn is_ending(&mut self) -> bool {
        let Some(process) = self.process.upgrade().filter(|process| !process.kinship.is_zombie()) else {
            return false;
        };
        // The clock of another CPU may be a little behind.
        let waited = hal::time::monotonic().saturating_sub(self.since);
        if waited >= PATIENCE
            && !core::mem::replace(&mut self.emptied, true)
            && let Some(memory) = process.memory()
        {
            memory.clear();
        }
        waited < LIMIT
    }
}

/// Whether a process was told to end that has not yet given all its memory back, and will soon. To be called without any lock.
pub fn is_one_ending() -> bool {
    LAST.lock().as_mut().is_some_and(Victim::is_ending)
}

/// The last thread of a process has ended: if others wait for its memory they have it before they learn of its end, whoever still knows it.
pub(super) fn note_end(process: &Arc<Process>, memory: &AddressSpace) {
    let is_victim = LAST.lock().as_ref().is_some_and(|victim| victim.is(process));
    if is_victim {
        memory.clear();
    }
}

/// Ends the process that has most memory of its own, unless another is about to end. To be called without any lock.
pub fn end_one() -> Victims {
    // No other CPU chooses meanwhile.
    let mut last = LAST.lock();
    if last.as_mut().is_some_and(Victim::is_ending) {
        return Victims::Ending;
    }
    let Some((process, memory)) = choose(last.as_ref()) else {
        return Victims::Nobody;
    };
    *last = Some(Victim {
        process: Arc::downgrade(&process),
        since: hal::time::monotonic(),
        emptied: false,
    });
    drop(last);
    if process.exit_status().is_some() {
        // It ends for another reason.
        return Victims::Ending;
    }
    let own = memory.resident_own();
    for other in family::all().iter().filter(|other| uses(other, &memory)) {
        other.end(ExitStatus::Signal(Signal::KILL));
        other.resume(false);
    }
    Victims::Process(process, own)
}

/// The one with most points, the youngest of equals, but for one that was waited for in vain; `None` when that is the first process.
fn choose(last: Option<&Victim>) -> Option<(Arc<Process>, Arc<AddressSpace>)> {
    let total = hal::mem::usage().total;
    let candidate = |process: Arc<Process>| {
        let memory = process.memory()?;
        let adjustment = *process.oom_adjustment.lock();
        Some((adjustment.points(memory.resident_own(), total)?, process, memory))
    };
    let in_vain = |process: &Arc<Process>| last.is_some_and(|victim| victim.is(process));
    let candidates = family::all()
        .into_iter()
        .filter(|process| !in_vain(process))
        .filter_map(candidate);
    let (_, process, memory) = candidates.max_by_key(|&(points, ..)| points)?;
    (!uses(&*first()?, &memory)).then_some((process, memory))
}

/// Whether it is a process's memory, or borrowed by it (`vfork(2)`).
fn uses(process: &Process, memory: &Arc<AddressSpace>) -> bool {
    process.memory().is_some_and(|own| Arc::ptr_eq(&own, memory))
}

/// `/proc/PID/oom_score`: 0 for a process that is not to end, and for the first one.
pub fn score(process: &Process) -> i64 {
    let total = hal::mem::usage().total;
    let own = process.memory().map_or(0, |memory| memory.resident_own());
    let adjustment = *process.oom_adjustment.lock();
    match adjustment.points(own, total) {
        Some(points) if process.kinship.parent() != 0 => (SCALE + points * SCALE / total as i64) * 2 / 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjustments_are_thousandths_of_memory() {
        let points = |value, own| OomAdjustment { value, least: 0 }.points(own, 32_000);
        assert_eq!(points(0, 500), Some(500));
        assert_eq!(points(100, 500), Some(3700));
        assert_eq!(points(-999, 500), Some(-31_468));
        assert_eq!(points(-1000, 500), None);
    }
}
