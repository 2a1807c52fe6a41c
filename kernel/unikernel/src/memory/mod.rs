//! The application's memory: address spaces and access to them from system calls.

mod access;
mod address_space;
mod area;
mod areas;
mod bounds;
mod fault;
mod figures;
mod fork;
mod layout;
mod relief;
mod reverse;
#[cfg(test)]
mod tests;

pub use access::{Segment, UserAccess, UserBuffers};
pub use address_space::{AddressSpace, Place, Request, max_areas, page_align_up, set_max_areas};
pub use area::{Area, AreaFlags, AreaName, Backing, Protection};
pub use bounds::Bounds;
pub use fault::{Attempt, FaultError};
pub use figures::{Figures, Pages};
pub use layout::Layout;
pub use relief::{Use, balance, find_page, finish, relieve, relieve_in_time};
pub use reverse::{attachments, is_shared_writable, unmap};

/// The most bytes that a stack grows to, unless `RLIMIT_STACK` is set.
pub const STACK_LIMIT: usize = 8 << 20;
