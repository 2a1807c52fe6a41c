//! System calls. A call is an `async fn` that takes the calling [`Thread`](crate::process::Thread) and its arguments, in a file by topic, and a
//! row in [`table`].

mod call;
mod error;
mod futex;
mod identity;
mod mapped_file;
mod memory;
mod signal;
mod system;
mod table;
mod thread;
mod time;
mod unknown;
mod wait;

pub use call::Call;
pub use error::{Error, Outcome, RegisterChange, Restart, Result};
pub use system::RELEASE;
pub use table::{Entry, SYSTEM_CALLS, Support, dispatch};
pub use time::monotonic_of_realtime;
pub use wait::{Stop, Waiting, retry, retry_ready};
