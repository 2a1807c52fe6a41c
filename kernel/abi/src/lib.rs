//! Linux's numbers and structures for x86-64: what the application and the kernel agree on.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]

mod errno;

pub use errno::Errno;
