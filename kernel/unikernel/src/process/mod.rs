//! Processes and threads.

mod credentials;
mod limits;
mod process;
mod thread;

pub use credentials::Credentials;
pub use limits::{Limit, Limits, Resource};
pub use process::{ExitStatus, Process};
pub use thread::{AlternateStack, Thread};
