//! What the calls on sockets exchange.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct msghdr`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct MessageHeader {
    /// Address of the socket address.
    pub name: usize,
    /// Its bytes.
    pub name_length: u32,
    /// Fills the gap.
    pub padding: u32,
    /// Address of the array of [`crate::IoVector`].
    pub vectors: usize,
    /// Its entries.
    pub vector_count: usize,
    /// Address of the control messages.
    pub control: usize,
    /// Their bytes.
    pub control_length: usize,
    /// `MSG_*` of a message that was received.
    pub flags: u32,
    /// Fills the end.
    pub padding_end: u32,
}

/// `struct mmsghdr`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct MultiMessageHeader {
    /// The message.
    pub header: MessageHeader,
    /// Bytes transferred.
    pub length: u32,
    /// Fills the end.
    pub padding: u32,
}

/// `struct cmsghdr`; the data follows, and the next header begins at a multiple of 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct ControlHeader {
    /// Bytes of header and data.
    pub length: usize,
    /// `SOL_*`.
    pub level: i32,
    /// `SCM_*`, `IP_*`, `IPV6_*`.
    pub kind: i32,
}

/// `struct ucred`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct PeerCredentials {
    /// Process.
    pub process: i32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// `struct linger`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Linger {
    /// Whether closing waits for data that was not sent.
    pub enabled: i32,
    /// Seconds.
    pub seconds: i32,
}

/// `struct sockaddr_in`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SocketAddressV4 {
    /// `AF_INET`.
    pub family: u16,
    /// Port, big-endian.
    pub port: [u8; 2],
    /// Address, in the order of its bytes.
    pub address: [u8; 4],
    /// Zero.
    pub padding: [u8; 8],
}

/// `struct sockaddr_in6`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SocketAddressV6 {
    /// `AF_INET6`.
    pub family: u16,
    /// Port, big-endian.
    pub port: [u8; 2],
    /// Flow information, big-endian.
    pub flow: [u8; 4],
    /// Address, in the order of its bytes.
    pub address: [u8; 16],
    /// Interface of a link-local address.
    pub scope: u32,
}

/// Bytes of the path in `struct sockaddr_un`.
pub const UNIX_PATH_MAX: usize = 108;

const _: () = {
    assert!(size_of::<MessageHeader>() == 56);
    assert!(size_of::<MultiMessageHeader>() == 64);
    assert!(size_of::<ControlHeader>() == 16);
    assert!(size_of::<SocketAddressV4>() == 16);
    assert!(size_of::<SocketAddressV6>() == 28);
};
