//! The machine, behind sound interfaces: the one crate of the kernel that contains `unsafe` and architecture code.
//!
//! Above this crate nobody sees a raw pointer, a register or an instruction. On the host (`target_os` other than `none`)
//! the same interfaces run on ordinary memory and threads, so that everything above is tested with plain `cargo test`.

#![no_std]
// The host has no firmware, devices or traps: what only they need is built there all the same, for its tests.
#![cfg_attr(
    not(target_os = "none"),
    allow(dead_code, unused_imports, reason = "used on bare metal")
)]
// Page tables, save areas and tables of the firmware are bytes that hold words at aligned offsets.
#![allow(clippy::cast_ptr_alignment)]

extern crate alloc;
#[cfg(not(target_os = "none"))]
extern crate std;

mod acpi;
pub mod ahci;
mod arch;
pub mod block;
pub mod boot;
pub mod bus;
pub mod console;
pub mod cpu;
mod dma;
pub mod ena;
pub mod firmware;
#[cfg(target_os = "none")]
pub mod fw_cfg;
pub mod gve;
pub mod interrupt;
#[cfg(any(test, target_os = "none"))]
mod kvm_clock;
pub mod mem;
pub mod network;
pub mod nvme;
mod panic;
pub mod power;
pub mod random;
mod scsi;
mod smbios;
pub mod sync;
pub mod time;
pub mod timer;
pub mod user;
pub mod virtio;
mod wall_clock;
