//! Open files as the application sees them: the [`File`] trait and how bytes, readiness and waits travel through it.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod buffer;
mod bytes;
mod descriptors;
pub mod epoll;
mod error;
pub mod eventfd;
pub mod lock;
mod open_file;
pub mod pipe;
pub mod poll;
mod readiness;
mod shareable;
mod signal_driven;
#[cfg(test)]
mod testing;
pub mod timerfd;
mod traits;

pub use buffer::{BytesSink, BytesSource, Fault, Sink, Source, put_record};
pub use bytes::find_byte;
pub use descriptors::{Closed, DescriptorTable, ReservedDescriptor};
pub use error::{Error, Result, finish, finish_with};
pub use open_file::{OpenFile, Watcher};
pub use readiness::Readiness;
pub use shareable::Shareable;
pub use signal_driven::{SignalOwner, SignalSender, SignalTarget};
pub use traits::{DirectoryEntry, File, FileType, Pages, Status, UserMemory, anonymous_inode};
