//! System V inter-process communication (`sysvipc(7)`): shared memory, semaphores and message queues.

mod message;
mod permissions;
mod registry;
mod segment;
mod semaphore;

pub use message::{MESSAGE_MAX, MessageQueue, QUEUES, Selection, State as QueueState};
pub use permissions::{PRIVATE, Permissions, Wish};
pub use registry::{Object, Registry};
pub use segment::{Segment, Totals, create, segments, showing, totals};
pub use semaphore::{Operation, SETS, SemaphoreSet, Step, VALUE_MAX, undo};
