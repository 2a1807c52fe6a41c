//! Settings of `prctl(2)` that are kept and told, for what the kernel does not do: it writes no core dumps, has no huge pages, kills for no errors of
//! memory, and no timer waits for others.

use linux_raw_sys::prctl::PR_MCE_KILL_DEFAULT;

/// Those of a process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessSettings {
    /// Whether it may leave a core dump (`PR_SET_DUMPABLE`).
    pub is_dumpable: bool,
    /// Whether it wants no huge pages (`PR_SET_THP_DISABLE`).
    pub no_huge_pages: bool,
}

impl Default for ProcessSettings {
    fn default() -> Self {
        Self {
            is_dumpable: true,
            no_huge_pages: false,
        }
    }
}

/// Those of a thread.
#[derive(Clone, Copy, Debug)]
pub struct ThreadSettings {
    /// By how many nanoseconds its timers may be late (`PR_SET_TIMERSLACK`).
    pub slack: u64,
    /// How many these were at its start.
    pub first_slack: u64,
    /// When errors of memory kill it: `PR_MCE_KILL_DEFAULT`, or what else it chose.
    pub memory_errors: u32,
}

impl Default for ThreadSettings {
    fn default() -> Self {
        const SLACK: u64 = 50_000;
        Self {
            slack: SLACK,
            first_slack: SLACK,
            memory_errors: PR_MCE_KILL_DEFAULT,
        }
    }
}

impl ThreadSettings {
    /// Those of a new thread of one that has these.
    #[must_use]
    pub fn inherited(self) -> Self {
        Self {
            first_slack: self.slack,
            ..self
        }
    }
}
