//! The boot loader for BIOS: a boot sector, and a stage in a BIOS boot partition. The image builder writes into the stage where on the disk the
//! kernel's file lies, which is in one piece; see `provider/src/image/disk/bios.ts`.

#![cfg_attr(target_os = "none", no_std)]

#[cfg(target_os = "none")]
mod boot;
#[cfg(target_os = "none")]
mod failure;
#[cfg(target_os = "none")]
mod firmware;
#[cfg(target_os = "none")]
mod start;
