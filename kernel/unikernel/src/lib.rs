//! The kernel proper: address spaces, processes, threads, signals, futexes, program loading, system calls and start-up.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod boot;
#[cfg_attr(
    not(target_os = "none"),
    allow(dead_code, reason = "start-up mounts it, on bare metal only")
)]
mod describe;
mod discipline;
pub mod futex;
pub mod ipc;
pub mod memory;
pub mod network;
pub mod process;
pub mod program;
pub mod scheduler;
pub mod seccomp;
pub mod signal;
pub mod syscall;
pub mod system;
