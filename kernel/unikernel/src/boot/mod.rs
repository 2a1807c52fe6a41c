//! Start-up: from devices to the first instruction of the application.

mod config;
#[cfg(target_os = "none")]
mod console;
#[cfg(target_os = "none")]
mod devices;
#[cfg(target_os = "none")]
mod disks;
#[cfg(target_os = "none")]
mod etc;
#[cfg(target_os = "none")]
mod files;
#[cfg(target_os = "none")]
mod instance;
#[cfg_attr(
    not(target_os = "none"),
    allow(dead_code, reason = "the console decodes with it, on bare metal only")
)]
mod keys;
#[cfg(target_os = "none")]
mod metadata;
mod mounts;
#[cfg(target_os = "none")]
mod provided;
#[cfg(target_os = "none")]
mod root;
#[cfg(target_os = "none")]
mod start;
#[cfg_attr(
    not(target_os = "none"),
    allow(dead_code, reason = "the console decodes with it, on bare metal only")
)]
mod typed;

pub use config::{Config, Encoding, FileConfig, Mount, Owner, ProcessConfig, User};
pub use mounts::MemoryMount;
#[cfg(target_os = "none")]
pub use start::start;
