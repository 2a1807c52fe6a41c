//! The kernel proper: address spaces, processes, threads, signals, futexes, program loading, system calls and start-up.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod machine;
pub mod memory;
pub mod process;
pub mod signal;
pub mod syscall;
