//! The Internet layer: addresses, routes, neighbours, packets in and out.

mod address;
mod fragment;
mod icmp;
mod input;
mod loopback;
mod neighbour;
mod output;
mod route;

pub use address::{Endpoint, InterfaceAddress, Prefix};
pub(crate) use address::{canonical, unspecified_like};
pub(crate) use fragment::Reassembler;
pub(crate) use icmp::{IcmpLimiter, Unreachable};
pub(crate) use input::{Datagram, Early};
pub(crate) use loopback::Loopback;
pub(crate) use neighbour::Neighbours;
pub(crate) use output::{Outgoing, Path};
pub(crate) use route::{Hop, Interface, PathMtu, Route, Routes};

/// Protocol numbers of the Internet header.
pub(crate) mod protocol {
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
}

/// Bytes of the largest packet of the loopback interface, as Linux has it.
pub(crate) const LOOPBACK_MTU: usize = 65536;
