//! Physical memory.

mod frame;

pub use frame::{Frame, Usage, usage};

/// Bytes of a page.
pub const PAGE_SIZE: usize = 4096;
