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

/// Waits for the disk as often as an operation asks for it.
#[cfg(target_os = "none")]
async fn finish<T>(mut operation: impl FnMut() -> file::Result<T>) -> Result<T, abi::Errno> {
    loop {
        match operation() {
            Ok(value) => return Ok(value),
            Err(file::Error::Pending(completion)) => completion.await,
            Err(file::Error::Errno(errno)) => return Err(errno),
            Err(file::Error::WouldBlock | file::Error::Fault(_)) => return Err(abi::Errno::IO),
        }
    }
}
