//! The page cache: content of files on disks, page by page, as long as memory allows.

mod pages;
mod readahead;
mod reclaim;

pub use pages::CachedPages;
pub use reclaim::{reclaim, reclaim_mapped};
pub(crate) use reclaim::allocate;
