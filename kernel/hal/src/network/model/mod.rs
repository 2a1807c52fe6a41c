//! What cards do to frames, for models of cards on the host: headers, checksums, segments, and frames that another tool has made.

mod headers;
pub(crate) mod samples;
mod segments;

pub(crate) use headers::{Headers, sum};
pub(crate) use segments::cut;
