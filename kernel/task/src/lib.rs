//! Waiting without threads of the kernel's own: tasks, the per-CPU executor, wait queues, completions and timers.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod affinity;
mod completion;
mod executor;
mod timer;
mod wait_queue;

pub use affinity::Affinity;
pub use completion::Completion;
pub use executor::{Task, has_ready, run_ready, set_sleeping, spawn, spawn_on, yield_now};
pub use timer::{Deadline, REALTIME_SET, Sleep, fire_expired, next_deadline, realtime_was_set, sleep_until, until};
pub use wait_queue::{Observer, Registration, Wait, WaitQueue};
