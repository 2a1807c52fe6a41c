//! The stack against Linux's own network: on a TAP device, each test in a network namespace of its own.
#![allow(unreachable_pub, reason = "nothing is reachable in a test binary")]
#![cfg(target_os = "linux")]

mod dhcp;
mod ipv6;
mod jumbo;
#[path = "../support/mod.rs"]
mod support;
mod tap;
mod tcp;
mod udp;
