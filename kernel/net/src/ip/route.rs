//! Which way a packet goes: our addresses, networks, the default router, and what is known of path MTUs.

use abi::Errno;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{InterfaceAddress, LOOPBACK_MTU, Prefix};

/// An interface, with Linux's usual index as its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interface {
    /// `lo`.
    Loopback = 1,
    /// `eth0`.
    Ethernet = 2,
}

impl Interface {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loopback => "lo",
            Self::Ethernet => "eth0",
        }
    }

    pub(crate) fn by_name(name: &[u8]) -> Option<Self> {
        [Self::Loopback, Self::Ethernet]
            .into_iter()
            .find(|interface| interface.name().as_bytes() == name)
    }

    pub(crate) fn by_index(index: u32) -> Option<Self> {
        [Self::Loopback, Self::Ethernet]
            .into_iter()
            .find(|interface| *interface as u32 == index)
    }
}

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    /// Back to this machine.
    Loopback,
    /// To this neighbour: the destination itself, or a router.
    Neighbour(IpAddr),
    /// To everybody on the link, or to a group.
    Broadcast,
}

/// A network that a router leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) prefix: Prefix,
    pub(crate) gateway: IpAddr,
}

/// Addresses and routes of the machine.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    addresses: Vec<InterfaceAddress>,
    /// Routes through routers, the longest prefix first.
    routes: Vec<Route>,
}

impl Routes {
    /// Replaces the addresses and routes of one family by others.
    pub(crate) fn replace(&mut self, ipv4: bool, addresses: &[InterfaceAddress], routes: &[Route]) {
        self.addresses.retain(|address| address.address.is_ipv4() != ipv4);
        self.addresses.extend_from_slice(addresses);
        self.routes.retain(|route| route.gateway.is_ipv4() != ipv4);
        self.routes.extend_from_slice(routes);
        self.routes
            .sort_by_key(|route| core::cmp::Reverse(route.prefix.length()));
    }

    pub(crate) fn addresses(&self) -> &[InterfaceAddress] {
        &self.addresses
    }

    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Whether `address` is this machine's own.
    pub(crate) fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.iter().any(|own| own.address == address)
    }

    /// Whether `address` is a broadcast address of a network that we are in, or of all.
    pub(crate) fn is_broadcast(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(Ipv4Addr::BROADCAST) => true,
            IpAddr::V4(address) => self.addresses.iter().any(|own| own.broadcast() == Some(address)),
            IpAddr::V6(_) => false,
        }
    }

    /// The way to `destination`, and the source address that suits it.
    pub(crate) fn find(&self, destination: IpAddr) -> Result<(Hop, IpAddr), Errno> {
        if destination.is_loopback() {
            return Ok((Hop::Loopback, loopback_like(destination)));
        }
        if destination.is_unspecified() {
            return Ok((Hop::Loopback, loopback_like(destination)));
        }
        if self.is_local(destination) {
            return Ok((Hop::Loopback, destination));
        }
        let source_for = |address: IpAddr| {
            self.addresses
                .iter()
                .filter(|own| own.address.is_ipv4() == address.is_ipv4())
                .max_by_key(|own| own.prefix().contains(address))
                .map(|own| own.address)
                .ok_or(Errno::NETUNREACH)
        };
        if destination.is_multicast() || self.is_broadcast(destination) {
            return Ok((Hop::Broadcast, source_for(destination)?));
        }
        if let Some(own) = self.addresses.iter().find(|own| own.prefix().contains(destination)) {
            return Ok((Hop::Neighbour(destination), own.address));
        }
        let route = self
            .routes
            .iter()
            .find(|route| route.prefix.contains(destination))
            .ok_or(Errno::NETUNREACH)?;
        Ok((Hop::Neighbour(route.gateway), source_for(route.gateway)?))
    }
}

fn loopback_like(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}

/// What routers told of paths that carry less than our link (RFC 1191).
#[derive(Debug, Default)]
pub(crate) struct PathMtu(Vec<(IpAddr, u16, u64)>);

impl PathMtu {
    /// Least MTU that is believed: Linux's `min_pmtu`, against attacks by tiny ones.
    pub(crate) const LEAST: u16 = 552;
    const MOST_ENTRIES: usize = 64;
    /// How long an entry is believed (RFC 1191 section 6.3).
    const LIFETIME: u64 = 600_000_000_000;

    pub(crate) fn learn(&mut self, destination: IpAddr, mtu: u16, now: u64) {
        self.0
            .retain(|&(address, _, expiry)| address != destination && expiry > now);
        if self.0.len() >= Self::MOST_ENTRIES {
            self.0.remove(0);
        }
        self.0.push((destination, mtu.max(Self::LEAST), now + Self::LIFETIME));
    }

    pub(crate) fn get(&self, destination: IpAddr, now: u64) -> Option<usize> {
        self.0
            .iter()
            .find(|&&(address, _, expiry)| address == destination && expiry > now)
            .map(|&(_, mtu, _)| usize::from(mtu))
    }
}

/// The MTU of the interface that `hop` leaves by.
pub(super) fn link_mtu(hop: Hop, ethernet: usize) -> usize {
    match hop {
        Hop::Loopback => LOOPBACK_MTU,
        Hop::Neighbour(_) | Hop::Broadcast => ethernet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured() -> Routes {
        let mut routes = Routes::default();
        routes.replace(
            true,
            &[InterfaceAddress {
                address: [10, 0, 2, 15].into(),
                prefix_length: 24,
            }],
            &[
                Route {
                    prefix: Prefix::new([0, 0, 0, 0].into(), 0),
                    gateway: [10, 0, 2, 2].into(),
                },
                Route {
                    prefix: Prefix::new([172, 16, 0, 0].into(), 12),
                    gateway: [10, 0, 2, 3].into(),
                },
            ],
        );
        routes
    }

    #[test]
    fn the_longest_prefix_wins() {
        let routes = configured();
        let own = IpAddr::from([10, 0, 2, 15]);
        let hop = |address: [u8; 4]| routes.find(address.into());
        assert_eq!(hop([10, 0, 2, 9]), Ok((Hop::Neighbour([10, 0, 2, 9].into()), own)));
        assert_eq!(hop([172, 17, 0, 1]), Ok((Hop::Neighbour([10, 0, 2, 3].into()), own)));
        assert_eq!(hop([8, 8, 8, 8]), Ok((Hop::Neighbour([10, 0, 2, 2].into()), own)));
        assert_eq!(hop([10, 0, 2, 255]), Ok((Hop::Broadcast, own)));
        assert_eq!(hop([10, 0, 2, 15]), Ok((Hop::Loopback, own)));
    }

    #[test]
    fn without_an_address_only_loopback_is_reachable() {
        let routes = Routes::default();
        assert_eq!(routes.find([8, 8, 8, 8].into()), Err(Errno::NETUNREACH));
        assert_eq!(
            routes.find([127, 0, 0, 5].into()),
            Ok((Hop::Loopback, [127, 0, 0, 1].into()))
        );
    }

    #[test]
    fn a_path_mtu_is_forgotten_in_time_and_never_tiny() {
        let mut known = PathMtu::default();
        known.learn([1, 2, 3, 4].into(), 68, 0);
        assert_eq!(known.get([1, 2, 3, 4].into(), 1), Some(552));
        assert_eq!(known.get([1, 2, 3, 4].into(), PathMtu::LIFETIME), None);
    }
}
