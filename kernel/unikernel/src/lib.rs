//! The kernel proper: address spaces, processes, threads, signals, futexes, program loading, system calls and start-up.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod boot;
mod describe;
pub mod futex;
pub mod memory;
pub mod network;
pub mod process;
pub mod program;
pub mod scheduler;
pub mod signal;
pub mod syscall;
pub mod system;
