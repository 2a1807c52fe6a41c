//! System calls. A call is an `async fn` that takes the calling [`Thread`](crate::process::Thread) and its arguments, in a file by topic, and a
//! row in [`table`].

mod call;
mod error;
mod table;
mod unknown;
mod wait;

pub use call::Call;
pub use error::{Error, Restart, Result};
pub use table::{Entry, SYSTEM_CALLS, Support, dispatch};
pub use wait::{Stop, Waiting, retry, retry_ready};
