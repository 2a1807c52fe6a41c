//! The table of system calls: which exist, how fully they are served, and who serves them.

use abi::Errno;
use alloc::sync::Arc;

use super::{Call, Result};
use crate::process::Thread;

/// How fully a call is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// As on Linux.
    Full,
    /// Except for what the note says.
    Partial,
    /// Accepted without effect, as the note says.
    Accepted,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Number on x86-64.
    pub number: u32,
    /// Name.
    pub name: &'static str,
    /// How fully it is served.
    pub support: Support,
    /// What differs from Linux.
    pub note: &'static str,
}

/// Builds `dispatch` and `SYSTEM_CALLS` from rows `constant: support, "note" => result;`, where a result may await.
macro_rules! system_calls {
    (|$thread:ident, $call:ident| $($number:ident: $support:ident, $note:literal => $result:expr;)*) => {
        /// The calls that are served, in the order of their rows.
        pub static SYSTEM_CALLS: &[Entry] = &[
            $(Entry {
                number: linux_raw_sys::general::$number,
                // The constant's name without its leading `__NR_`.
                name: stringify!($number).split_at(5).1,
                support: Support::$support,
                note: $note,
            },)*
        ];

        /// Serves a call; `ENOSYS` for one that is not in the table.
        pub async fn dispatch($thread: &Arc<Thread>, $call: &Call) -> Result {
            match $call.number as u32 {
                $(linux_raw_sys::general::$number => $result,)*
                _ => super::unknown::report($call.number),
            }
        }
    };
}

// Rows are sorted by name within the file that serves them.
system_calls! {
    |thread, call|
    __NR_getpid: Full, "" => Ok(thread.process.pid as usize);
    __NR_gettid: Full, "" => Ok(thread.tid as usize);
}
