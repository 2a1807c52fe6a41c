//! The messages of rtnetlink.

use abi::Errno;
use abi::net::{AF_INET, AF_INET6};
use alloc::vec::Vec;
use core::net::IpAddr;

// Of `linux/netlink.h` and `linux/rtnetlink.h`.
pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLM_F_MULTI: u16 = 2;
pub(super) const RTM_NEWROUTE: u16 = 24;
pub(super) const SCOPE_UNIVERSE: u8 = 0;
pub(super) const SCOPE_LINK: u8 = 253;
pub(super) const TYPE_UNICAST: u8 = 1;
/// Bytes of a message's header.
pub(super) const HEADER: usize = 16;

/// The header of a request, and who asked.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    pub(super) port: u32,
}

/// One message while it is written.
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn new(request: Request, kind: u16, flags: u16) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&request.sequence.to_ne_bytes());
        bytes.extend_from_slice(&request.port.to_ne_bytes());
        Self { bytes }
    }

    pub(super) fn put(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes
    }
}

/// `NLMSG_ERROR`, which with no error is an acknowledgement.
pub(super) fn error(request: Request, errno: Option<Errno>, whole: &[u8]) -> Vec<u8> {
    let number = errno.map_or(0, |errno| -i32::from(errno.number()));
    Writer::new(request, NLMSG_ERROR, 0)
        .put(&number.to_ne_bytes())
        .put(if errno.is_some() { whole } else { &whole[..HEADER] })
        .finish()
}

/// Whether a request for `family` is for `address`; all families are one, too.
pub(super) fn is_of(family: u32, address: IpAddr) -> bool {
    match family {
        AF_INET => address.is_ipv4(),
        AF_INET6 => address.is_ipv6(),
        _ => true,
    }
}

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

pub(super) fn family_of(address: IpAddr) -> u8 {
    if address.is_ipv4() {
        AF_INET as u8
    } else {
        AF_INET6 as u8
    }
}

/// The value of an attribute among those in `bytes`.
pub(super) fn attribute(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    while let Some(&[a, b, c, d]) = bytes.first_chunk() {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = bytes.get(4..length)?;
        if u16::from_ne_bytes([c, d]) == kind {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
    None
}
