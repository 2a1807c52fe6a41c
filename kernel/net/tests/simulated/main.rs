//! Two stacks on a link that loses, duplicates, corrupts and reorders, in a time of its own.
#![allow(unreachable_pub, reason = "nothing is reachable in a test binary")]

mod fuzz;
mod held;
mod ipv6;
mod link;
mod robustness;
mod sockets;
#[path = "../support/mod.rs"]
mod support;
mod transfer;
