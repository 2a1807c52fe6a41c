//! The page cache: content of files on disks, page by page, as long as memory allows.

mod pages;
mod readahead;
mod reclaim;
#[cfg(test)]
mod tests;

pub use pages::CachedPages;
pub(crate) use reclaim::{allocate, cached_pages};
pub use reclaim::{reclaim, reclaim_mapped};
