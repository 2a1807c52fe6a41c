//! Physical memory and the kernel's heap.

mod buddy;
mod frame;
#[cfg(target_os = "none")]
mod heap;
pub(crate) mod pool;
#[cfg(target_os = "none")]
mod scattered;

pub use frame::Frame;
pub use pool::{Usage, device_pages, heap_pages, is_desperate, is_used_up, set_reclaim, shortage, usage};

/// Bytes of a page.
pub const PAGE_SIZE: usize = 4096;
