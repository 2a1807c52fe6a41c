//! Two stacks on a link that loses, duplicates, corrupts and reorders, in a time of its own.

mod link;
mod robustness;
#[path = "../support/mod.rs"]
mod support;
mod transfer;
