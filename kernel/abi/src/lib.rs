//! Linux's numbers and structures for x86-64: what the application and the kernel agree on.
//!
//! Plain constants keep Linux's own names and come from `linux-raw-sys`, which generates them from Linux's headers.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]

mod errno;
mod files;
mod flags;
mod io;
mod sockets;
mod system_calls;
mod time;
mod timex;

pub use errno::Errno;
pub use files::{DirectoryRecord, FileOwner, OpenHow, RecordLock, Stat, Statfs, Statx, StatxTime, UtimeBuffer};
pub use flags::OpenFlags;
pub use io::{EpollEvent, IoVector, PollDescriptor, SignalRecord, Termios, WindowSize};
pub use linux_raw_sys::{general, ioctl, net};
pub use sockets::{
    ControlHeader, Linger, MessageHeader, MultiMessageHeader, PeerCredentials, SocketAddressV4, SocketAddressV6,
    UNIX_PATH_MAX,
};
pub use system_calls::system_call_name;
pub use time::{IntervalTimer, Timespec, Timeval};
pub use timex::{ClockModes, ClockStatus, Timex};
