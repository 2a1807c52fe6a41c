//! Start-up: from devices to the first instruction of the application.

mod config;
mod devices;
mod files;
mod start;

pub use config::{Config, Mount, ProcessConfig, User};
pub use start::start;
