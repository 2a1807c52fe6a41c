//! Start-up: from devices to the first instruction of the application.

mod config;
#[cfg(target_os = "none")]
mod devices;
#[cfg(target_os = "none")]
mod disks;
#[cfg(target_os = "none")]
mod files;
#[cfg(target_os = "none")]
mod instance;
#[cfg(target_os = "none")]
mod metadata;
#[cfg(target_os = "none")]
mod provided;
#[cfg(target_os = "none")]
mod root;
#[cfg(target_os = "none")]
mod start;

pub use config::{Config, Encoding, FileConfig, Mount, Owner, ProcessConfig, User};
#[cfg(target_os = "none")]
pub use start::start;
