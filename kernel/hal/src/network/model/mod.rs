//! What models of cards have in common on the host: messages, and what cards do to frames (headers, checksums, segments), with frames that
//! another tool has made.

mod headers;
mod messages;
pub(crate) mod samples;
mod segments;

pub(crate) use headers::{Headers, sum};
pub(crate) use messages::{Vector, deliver, take_sent};
pub(crate) use segments::cut;
