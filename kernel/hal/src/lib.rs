//! The machine, behind sound interfaces: the one crate of the kernel that contains `unsafe` and architecture code.
//!
//! Above this crate nobody sees a raw pointer, a register or an instruction. On the host (`target_os` other than `none`)
//! the same interfaces run on ordinary memory and threads, so that everything above is tested with plain `cargo test`.

#![no_std]

extern crate alloc;
#[cfg(not(target_os = "none"))]
extern crate std;

mod arch;
pub mod boot;
pub mod console;
pub mod cpu;
pub mod interrupt;
pub mod mem;
mod panic;
pub mod power;
pub mod random;
pub mod sync;
pub mod time;
pub mod timer;
pub mod user;
