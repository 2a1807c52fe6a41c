//! What models of cards have in common on the host: messages, and what cards do to frames (headers, checksums, segments), with frames to
//! carry, some of which another tool has made.

pub(crate) mod frames;
mod headers;
mod messages;
mod rig;
pub(crate) mod samples;
mod segments;

pub(crate) use headers::{Headers, sum};
pub(crate) use messages::{Vector, deliver, take_sent};
pub(crate) use rig::{NOTHING, Rig};
pub(crate) use segments::cut;
