//! Processes and threads.

mod credentials;
mod limits;
mod paths;
#[expect(
    clippy::module_inception,
    reason = "the folder is about processes, the file about the object"
)]
mod process;
mod run;
mod thread;
mod timers;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicI32, Ordering};

use hal::sync::SpinLock;

pub use credentials::Credentials;
pub use limits::{Limit, Limits, Resource};
pub use paths::{Paths, Places};
pub use process::{ExitStatus, Process, Program};
pub(crate) use run::parked;
pub use run::{InterruptedCall, start_thread};
pub use thread::{AlternateStack, FaultRecord, Thread};
pub use timers::{Notification, Setting, Timer, Timers};

/// The first process, whose end is the machine's.
static FIRST: SpinLock<Option<Arc<Process>>> = SpinLock::new(None);

/// The first process, once it is started.
pub fn first() -> Option<Arc<Process>> {
    FIRST.lock().clone()
}

/// Makes a process the first.
pub(crate) fn set_first(process: &Arc<Process>) {
    *FIRST.lock() = Some(process.clone());
}

/// Threads that a process may have.
pub const MAX_THREADS: usize = 16384;

/// An ID for a new thread or process. The first is 1.
pub fn next_tid() -> i32 {
    static NEXT: AtomicI32 = AtomicI32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
