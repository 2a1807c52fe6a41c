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

pub(crate) use address::{ALL_NODES, ALL_ROUTERS, canonical, from_hardware, solicited_node, unspecified_like};
pub use address::{Endpoint, InterfaceAddress, Prefix};
pub(crate) use fragment::Reassembler;
pub(crate) use icmp::{IcmpLimiter, Unreachable};
pub(crate) use input::{Datagram, Early};
pub(crate) use link::Path;
pub(crate) use loopback::Loopback;
pub(crate) use neighbour::{Neighbours, Told};
pub(crate) use output::Outgoing;
pub(crate) use path_mtu::PathMtu;
pub(crate) use route::{AddressFlags, Hop, Interface, OwnAddress, Route, Routes};

/// Protocol numbers of the Internet header.
pub(crate) mod protocol {
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const ICMPV6: u8 = 58;
}

/// Bytes of the largest packet of the loopback interface, as Linux has it.
pub(crate) const LOOPBACK_MTU: usize = 65536;
