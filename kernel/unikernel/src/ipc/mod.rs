//! System V inter-process communication (`sysvipc(7)`): shared memory, semaphores and message queues; and [`posix`] message queues.

mod message;
mod permissions;
pub mod posix;
mod registry;
mod segment;
mod semaphore;

pub use message::{MESSAGE_MAX, MessageQueue, QUEUE_BYTES, QUEUES, QUEUES_MAX, Selection, State as QueueState};
pub use permissions::{PRIVATE, Permissions, Wish};
pub use registry::{Object, Registry};
pub use segment::{Segment, Totals, create, max_size, segments, set_max_size, showing, totals};
pub use semaphore::{Operation, SETS, SETS_MAX, SemaphoreSet, Step, VALUE_MAX, undo};

/// Seconds since 1970, as the records of these objects have their times.
pub fn now() -> u64 {
    hal::time::realtime() / 1_000_000_000
}
