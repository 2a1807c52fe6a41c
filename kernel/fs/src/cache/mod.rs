//! The page cache: content of files on disks, page by page, as long as memory allows.

mod clock;
mod pages;
mod readahead;
mod reclaim;
#[cfg(test)]
mod tests;

pub use clock::{Age, MappedPage};
pub use pages::{CachedPages, resident_pages};
pub use reclaim::{reclaim, reclaim_mapped};
