//! What the boot loaders share.
//!
//! A loader brings the kernel's compressed ELF file from a disk into memory, unpacks it and hands over to it as a hypervisor does that knows PVH: in 32-bit protected
//! mode with paging off, with the address of a structure that has the memory map. So the kernel has one entry, however it is started.
//!
//! Loaders are boot code and stand beside the kernel, not in it: `unsafe` is theirs as it is the `hal`'s, and what can do without is here, where
//! it is tested on the host.

#![cfg_attr(not(test), no_std)]

#[forbid(unsafe_code)]
mod elf;
#[forbid(unsafe_code)]
mod gzip;
#[forbid(unsafe_code)]
mod handover;
#[forbid(unsafe_code)]
mod memory;

#[cfg(target_arch = "x86_64")]
mod enter;
#[cfg(target_arch = "x86_64")]
mod serial;

pub use elf::{Kernel, KernelError, Segment};
#[cfg(target_arch = "x86_64")]
pub use enter::{Move, Trampoline, enter};
pub use gzip::Packed;
pub use handover::{HANDOVER_SIZE, Handover};
pub use memory::{Kind, MemoryMap};
#[cfg(target_arch = "x86_64")]
pub use serial::Serial;

/// What the kernel's first page tables map, and so where everything it is given has to be.
pub const HIGHEST: u64 = 1 << 30;
