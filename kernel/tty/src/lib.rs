//! Terminals: the line discipline, job control, pseudo-terminals and `/dev/pts`, as `termios(3)`, `ioctl_tty(2)` and `pty(7)` describe them.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod control;
mod devpts;
mod discipline;
mod jobs;
mod master;
mod slave;
mod state;
mod table;
mod terminal;

pub use devpts::mount;
pub use jobs::{Caller, Jobs};
pub use master::Master;
pub use table::Terminals;
pub use terminal::{Line, Terminal};
