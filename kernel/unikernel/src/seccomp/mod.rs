//! Filters of system calls (`seccomp(2)`): a thread gives up calls for itself and for what it starts.

mod program;
mod verdict;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, Ordering};

use abi::Errno;
use hal::sync::SpinLock;
use linux_raw_sys::general as linux;
use linux_raw_sys::ptrace::{BPF_MAXINSNS, SECCOMP_MODE_DISABLED, SECCOMP_MODE_FILTER, SECCOMP_MODE_STRICT};

use crate::process::Thread;
pub use program::{CallData, Instruction, Program};
use verdict::Verdict;
pub(crate) use verdict::{admits, name};

/// Instructions of all filters of a thread, with some for each filter: as Linux (`MAX_INSNS_PER_PATH`).
const MOST_INSTRUCTIONS: usize = 8 * BPF_MAXINSNS as usize;
const INSTRUCTIONS_OF_ANY: usize = 4;

/// A filter.
#[derive(Debug)]
pub struct Filter {
    /// What it says of a call.
    pub program: Program,
    /// Whether refusals of its are told (`SECCOMP_FILTER_FLAG_LOG`).
    pub logs: bool,
}

/// The filters of a thread, the first one first.
type Filters = Arc<Vec<Arc<Filter>>>;

/// What a thread has given up.
#[derive(Default)]
pub struct Seccomp {
    mode: AtomicU8,
    filters: SpinLock<Filters>,
}

/// Held while filters change: threads that are born have those of their parents, also when another thread gives them to all just then.
static CHANGES: SpinLock<()> = SpinLock::new(());

impl Seccomp {
    /// Whether calls have to be looked at: read with each.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.mode.load(Ordering::Acquire) != SECCOMP_MODE_DISABLED as u8
    }

    /// `SECCOMP_MODE_…`
    pub fn mode(&self) -> u8 {
        self.mode.load(Ordering::Acquire)
    }

    /// How many filters there are.
    pub fn count(&self) -> usize {
        self.filters.lock().len()
    }

    /// Has what another thread has, its parent or whom it follows.
    pub fn inherit(&self, other: &Self) {
        let _changes = CHANGES.lock();
        self.take_over(other);
    }

    fn take_over(&self, other: &Self) {
        let filters = other.filters.lock().clone();
        *self.filters.lock() = filters;
        self.mode.store(other.mode(), Ordering::Release);
    }

    /// Allows reading, writing, the return from handlers and the end, from now on.
    pub fn be_strict(&self) -> Result<(), Errno> {
        let _changes = CHANGES.lock();
        if u32::from(self.mode()) == SECCOMP_MODE_FILTER {
            return Err(Errno::INVAL);
        }
        self.mode.store(SECCOMP_MODE_STRICT as u8, Ordering::Release);
        Ok(())
    }

    /// Adds a filter to those of `thread`, and with `everywhere` gives them to all threads of the process. A thread that has others in their place
    /// is the error, then.
    pub fn attach(thread: &Thread, filter: Filter, everywhere: bool) -> Result<(), AttachError> {
        let _changes = CHANGES.lock();
        let own = &thread.seccomp;
        if u32::from(own.mode()) == SECCOMP_MODE_STRICT {
            return Err(AttachError::Errno(Errno::INVAL));
        }
        let before = own.filters.lock().clone();
        let cost = |filter: &Arc<Filter>| filter.program.size() + INSTRUCTIONS_OF_ANY;
        if before.iter().map(cost).sum::<usize>() + filter.program.size() > MOST_INSTRUCTIONS {
            return Err(AttachError::Errno(Errno::NOMEM));
        }
        let mut others = Vec::new();
        if everywhere {
            others = thread.process.threads();
            others.retain(|other| other.tid != thread.tid);
        }
        if let Some(other) = others.iter().find(|other| !other.seccomp.can_follow(&before)) {
            return Err(AttachError::Other(other.tid));
        }
        let mut filters = Vec::clone(&before);
        filters.push(Arc::new(filter));
        *own.filters.lock() = Arc::new(filters);
        own.mode.store(SECCOMP_MODE_FILTER as u8, Ordering::Release);
        for other in others {
            other.seccomp.take_over(own);
            // What runs in user mode learns of it by that.
            other.interrupt();
        }
        Ok(())
    }

    /// Whether these filters are its own with more behind them.
    fn can_follow(&self, filters: &Filters) -> bool {
        let own = self.filters.lock().clone();
        u32::from(self.mode()) != SECCOMP_MODE_STRICT
            && own.len() <= filters.len()
            && own.iter().zip(&**filters).all(|(own, other)| Arc::ptr_eq(own, other))
    }

    /// What becomes of a call; `None` for one that a strict thread makes no more. The filter that was added last is asked first; of different
    /// answers the one counts that allows least.
    fn judge(&self, call: &CallData) -> Option<Verdict> {
        if u32::from(self.mode()) == SECCOMP_MODE_STRICT {
            let allowed = [
                linux::__NR_read,
                linux::__NR_write,
                linux::__NR_exit,
                linux::__NR_rt_sigreturn,
            ];
            return allowed.contains(&call.number.cast_unsigned()).then_some(Verdict::ALLOW);
        }
        let filters = self.filters.lock().clone();
        let mut verdict = Verdict::ALLOW;
        for filter in filters.iter().rev() {
            let next = Verdict::new(filter.program.run(call), filter.logs);
            if next.is_before(verdict) {
                verdict = next;
            }
        }
        Some(verdict)
    }
}

/// Why there is no new filter.
#[derive(Debug, PartialEq, Eq)]
pub enum AttachError {
    /// For another reason than a thread.
    Errno(Errno),
    /// A thread by its ID, which has other filters.
    Other(i32),
}
