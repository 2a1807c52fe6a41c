//! The Internet layer: addresses, routes, neighbours, packets in and out.

mod address;
mod arp;
mod extension;
mod fragment;
mod icmp;
mod input;
mod ipv4;
mod ipv6;
mod link;
mod loopback;
mod neighbour;
mod output;
mod path_mtu;
mod route;
mod selection;

pub(crate) use address::{
    ALL_NODES, ALL_ROUTERS, EPHEMERAL, canonical, from_hardware, solicited_node, unspecified_like,
};
pub use address::{Endpoint, InterfaceAddress, Prefix};
pub(crate) use fragment::Reassembler;
pub(crate) use icmp::{CHECKSUM_AT as ICMP_CHECKSUM_AT, ECHO_REQUEST, HEADER as ICMP_HEADER, IcmpLimiter, Unreachable};
pub(crate) use input::{Datagram, Early};
pub(crate) use link::Path;
pub(crate) use loopback::Loopback;
pub(crate) use neighbour::{Neighbour, Neighbours, Told};
pub(crate) use output::Outgoing;
pub(crate) use path_mtu::PathMtu;
pub(crate) use route::{AddressFlags, Hop, Interface, OwnAddress, Route, Routes, loopback_like};

use core::net::IpAddr;

/// Protocol numbers of the Internet header.
pub(crate) mod protocol {
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const ICMPV6: u8 = 58;
    pub(crate) const UDP_LITE: u8 = 136;

    /// ICMP's of the version of `address`.
    pub(crate) fn icmp(address: core::net::IpAddr) -> u8 {
        match address {
            core::net::IpAddr::V4(_) => ICMP,
            core::net::IpAddr::V6(_) => ICMPV6,
        }
    }
}

/// What there is for each version of the Internet Protocol.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ByVersion<T> {
    pub(crate) ipv4: T,
    pub(crate) ipv6: T,
}

impl<T> ByVersion<T> {
    /// That of the version of `address`.
    pub(crate) fn of(&self, address: IpAddr) -> &T {
        match address {
            IpAddr::V4(_) => &self.ipv4,
            IpAddr::V6(_) => &self.ipv6,
        }
    }
}

/// What sockets decide of the Internet header.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PacketFields {
    /// Time to live or hop limit; none for the default.
    pub(crate) hops: Option<u8>,
    /// Type of service or traffic class.
    pub(crate) class: u8,
}

/// Bytes of the largest packet of the loopback interface, as Linux has it.
pub(crate) const LOOPBACK_MTU: usize = 65536;
