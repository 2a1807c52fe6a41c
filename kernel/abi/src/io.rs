//! What the calls on descriptors exchange: vectors, readiness, signals, terminals.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct iovec`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct IoVector {
    /// First address.
    pub base: usize,
    /// Bytes.
    pub length: usize,
}

/// `struct pollfd`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct PollDescriptor {
    /// Descriptor; ignored when negative.
    pub descriptor: i32,
    /// `POLL*` that are asked for.
    pub events: u16,
    /// `POLL*` that hold.
    pub returned: u16,
}

/// `struct epoll_event`, which x86-64 packs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed)]
pub struct EpollEvent {
    /// `EPOLL*` flags.
    pub events: u32,
    /// The application's own.
    pub data: u64,
}

/// `struct signalfd_siginfo`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields of signalfd(2)")]
pub struct SignalRecord {
    pub signal: u32,
    pub error: i32,
    pub code: i32,
    pub process: u32,
    pub uid: u32,
    pub descriptor: i32,
    pub timer: u32,
    pub band: u32,
    pub overrun: u32,
    pub trap: u32,
    pub status: i32,
    pub integer: i32,
    pub pointer: u64,
    pub user_time: u64,
    pub system_time: u64,
    pub address: u64,
    pub address_lsb: u16,
    pub padding: u16,
    pub system_call: i32,
    pub call_address: u64,
    pub architecture: u32,
    pub reserved: [u8; 28],
}

/// `struct winsize`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct WindowSize {
    /// Characters from top to bottom.
    pub rows: u16,
    /// Characters from left to right.
    pub columns: u16,
    /// Pixels from left to right, unused.
    pub width: u16,
    /// Pixels from top to bottom, unused.
    pub height: u16,
}

/// `struct termios` of the kernel (not the C library's, which is longer).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields of termios(3)")]
pub struct Termios {
    pub input: u32,
    pub output: u32,
    pub control: u32,
    pub local: u32,
    pub line: u8,
    pub characters: [u8; 19],
}

const _: () = {
    assert!(size_of::<PollDescriptor>() == 8);
    assert!(size_of::<EpollEvent>() == 12);
    assert!(size_of::<SignalRecord>() == 128);
    assert!(size_of::<Termios>() == size_of::<linux_raw_sys::general::termios>());
};
