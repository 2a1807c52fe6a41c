//! Processes and threads.

pub mod aio;
mod apart;
mod births;
mod capabilities;
mod counts;
pub mod cpu_time;
mod credentials;
pub mod family;
mod jobs;
mod kinship;
mod limits;
pub mod news;
pub mod oom;
mod paths;
mod personality;
mod pidfd;
#[expect(
    clippy::module_inception,
    reason = "the folder is about processes, the file about the object"
)]
mod process;
pub mod rseq;
mod run;
mod settings;
mod signal_driven;
mod thread;
mod timers;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use hal::sync::SpinLock;

pub use births::{Birth, Broadcast};
pub use capabilities::{Capabilities, Capability};
pub(crate) use counts::all_faults;
pub use counts::{Counters, Counts};
pub use credentials::{Credentials, Grants};
pub use jobs::{Processes, is_orphaned};
pub use kinship::Kinship;
pub use limits::{Limit, Limits, Resource};
pub use oom::OomAdjustment;
pub use paths::{Paths, Places};
pub use personality::Personality;
pub use pidfd::{Ending, PidFd};
pub use process::{ExitStatus, Process, Program, Texts};
pub(crate) use run::parked;
pub use run::{InterruptedCall, start_thread};
pub use settings::{ProcessSettings, ThreadSettings};
pub use signal_driven::{FileSignals, has_receivers};
pub use thread::{AlternateStack, FaultRecord, Thread};
pub use timers::{Clock, Interval, Notification, Setting, Timer, Timers};

/// The first process, whose end is the machine's.
static FIRST: SpinLock<Option<Arc<Process>>> = SpinLock::new(None);

/// The first process, once it is started.
pub fn first() -> Option<Arc<Process>> {
    FIRST.lock().clone()
}

/// Makes a process the first.
pub fn set_first(process: &Arc<Process>) {
    family::add(process);
    *FIRST.lock() = Some(process.clone());
}

/// Threads that a process may have.
pub const MAX_THREADS: usize = 16384;

/// One more than the highest ID (`kernel.pid_max`).
const ID_END: i32 = 4 << 20;
/// Where the search begins once the highest was given: IDs below are those of programs that start at boot.
const ID_RESTART: i32 = 300;

/// Threads and processes that were given an ID.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// How many threads and processes there have been.
pub(crate) fn started() -> u64 {
    STARTED.load(Ordering::Relaxed)
}

/// An ID for a new thread or process. The first is 1. They are used again, but not soon.
pub fn next_tid() -> i32 {
    static NEXT: AtomicI32 = AtomicI32::new(1);
    static USED_UP: AtomicBool = AtomicBool::new(false);
    STARTED.fetch_add(1, Ordering::Relaxed);
    loop {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        if id >= ID_END {
            let _ = NEXT.compare_exchange(id + 1, ID_RESTART, Ordering::Relaxed, Ordering::Relaxed);
            USED_UP.store(true, Ordering::Relaxed);
        } else if !USED_UP.load(Ordering::Relaxed) || is_free(id) {
            return id;
        }
    }
}

fn is_free(id: i32) -> bool {
    family::all().iter().all(|process| {
        let kinship = &process.kinship;
        process.pid != id && kinship.group() != id && kinship.session() != id && process.thread(id).is_none()
    })
}
