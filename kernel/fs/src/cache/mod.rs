//! The page cache: content of files on disks, page by page, as long as memory allows.

mod pages;
mod readahead;
mod reclaim;
#[cfg(test)]
mod tests;

pub use pages::{CachedPages, resident_pages};
pub(crate) use reclaim::allocate;
pub use reclaim::{reclaim, reclaim_mapped};
