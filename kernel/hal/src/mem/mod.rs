//! Physical memory and the kernel's heap.

mod buddy;
mod frame;
#[cfg(target_os = "none")]
mod heap;
pub(crate) mod pool;

pub use frame::Frame;
pub use pool::{Usage, set_reclaim, usage};

/// Bytes of a page.
pub const PAGE_SIZE: usize = 4096;
