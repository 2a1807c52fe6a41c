//! System calls. A call is an `async fn` that takes the calling [`Thread`](crate::process::Thread) and its arguments, in a file by topic, and a
//! row in [`table`].

mod attributes;
mod call;
mod child;
mod clone;
mod describe;
mod descriptor;
mod directory;
mod epoll;
mod error;
mod events;
mod execute;
mod fcntl;
mod futex;
mod group;
mod identity;
mod inotify;
mod ioctl;
mod mapped_file;
mod mask;
mod memory;
mod memory_file;
mod path;
mod poll;
mod shortage;
mod signal;
mod socket;
mod splice;
mod stat;
mod storage;
mod system;
mod table;
mod thread;
mod time;
mod timer;
mod transfer;
mod unknown;
mod wait;

pub use call::Call;
pub use describe::describe;
pub use error::{Error, Outcome, RegisterChange, Restart, Result};
pub use shortage::check as check_memory;
pub use system::RELEASE;
pub use table::{Entry, SYSTEM_CALLS, Support, dispatch};
pub use time::monotonic_of_realtime;
pub use wait::{Stop, Waiting, retry, retry_ready};
