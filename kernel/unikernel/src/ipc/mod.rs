//! System V inter-process communication (`sysvipc(7)`), of which there is shared memory.

mod permissions;
mod segment;

pub use permissions::{PRIVATE, Permissions, Wish};
pub use segment::{Segment, Totals, create, find, get, showing, totals};
