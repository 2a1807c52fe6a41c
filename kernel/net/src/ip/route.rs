//! Which way a packet goes: our addresses, networks, and routers.

use abi::Errno;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{InterfaceAddress, Prefix, selection};
use crate::stack::NEVER;

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

/// A network, and the router that leads to it: none when its hosts are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) prefix: Prefix,
    pub(crate) gateway: Option<IpAddr>,
}

impl Route {
    /// To everywhere else.
    pub(crate) fn default_through(gateway: IpAddr) -> Self {
        Self {
            prefix: Prefix::new(super::unspecified_like(gateway), 0),
            gateway: Some(gateway),
        }
    }

    /// To a network that we are in.
    pub(crate) fn to_neighbours(prefix: Prefix) -> Self {
        Self { prefix, gateway: None }
    }
}

bitflags::bitflags! {
    /// What `ip address` shows of an address (`IFA_F_*` of `linux/if_addr.h`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct AddressFlags: u8 {
        /// It is used although it is tentative (RFC 4429).
        const OPTIMISTIC = 0x04;
        /// Somebody else has it.
        const DUPLICATE = 0x08;
        /// Not to be used for what begins now.
        const DEPRECATED = 0x20;
        /// It may still turn out to be somebody else's.
        const TENTATIVE = 0x40;
        /// It does not end by itself.
        const PERMANENT = 0x80;
    }
}

/// An address of the Ethernet interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnAddress {
    pub(crate) at: InterfaceAddress,
    pub(crate) flags: AddressFlags,
    /// Until when new connections may begin from it, and until when it is ours at all.
    pub(crate) preferred_until: u64,
    pub(crate) valid_until: u64,
}

impl OwnAddress {
    /// One that does not end by itself.
    pub(crate) fn permanent(at: InterfaceAddress) -> Self {
        Self {
            at,
            flags: AddressFlags::PERMANENT,
            preferred_until: NEVER,
            valid_until: NEVER,
        }
    }

    pub(crate) fn is_usable(&self) -> bool {
        let flags = self.flags;
        !flags.contains(AddressFlags::DUPLICATE)
            && (flags.contains(AddressFlags::OPTIMISTIC) || !flags.contains(AddressFlags::TENTATIVE))
    }

    /// Sets how long it is preferred and valid.
    pub(crate) fn set_lifetimes(&mut self, preferred: u64, valid: u64, now: u64) {
        self.preferred_until = preferred;
        self.valid_until = valid;
        self.flags.set(AddressFlags::DEPRECATED, preferred <= now);
        self.flags.set(AddressFlags::PERMANENT, valid == NEVER);
    }

    /// Whether it is still to be found out that nobody else has it.
    pub(crate) fn is_tentative(&self) -> bool {
        self.flags.contains(AddressFlags::TENTATIVE)
    }

    pub(crate) fn is_deprecated(&self) -> bool {
        self.flags.contains(AddressFlags::DEPRECATED)
    }
}

/// Addresses and routes of the machine.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    addresses: Vec<OwnAddress>,
    /// The longest prefix first, and of equals the best router.
    routes: Vec<Route>,
}

impl Routes {
    /// Replaces the addresses and routes of one family by others.
    pub(crate) fn replace(&mut self, ipv4: bool, addresses: &[OwnAddress], routes: &[Route]) {
        self.addresses.retain(|own| own.at.address.is_ipv4() != ipv4);
        self.addresses.extend_from_slice(addresses);
        self.routes.retain(|route| route.prefix.network().is_ipv4() != ipv4);
        for &route in routes {
            let place = self
                .routes
                .partition_point(|other| other.prefix.length() >= route.prefix.length());
            self.routes.insert(place, route);
        }
    }

    pub(crate) fn addresses(&self) -> &[OwnAddress] {
        &self.addresses
    }

    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Whether `address` is this machine's own.
    pub(crate) fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback()
            || self
                .addresses
                .iter()
                .any(|own| own.at.address == address && own.is_usable())
    }

    /// What is known of `address` when it is our own.
    pub(crate) fn own(&self, address: IpAddr) -> Option<&OwnAddress> {
        self.addresses.iter().find(|own| own.at.address == address)
    }

    /// Whether `address` is a broadcast address of a network that we are in, or of all.
    pub(crate) fn is_broadcast(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(Ipv4Addr::BROADCAST) => true,
            IpAddr::V4(address) => self.addresses.iter().any(|own| own.at.broadcast() == Some(address)),
            IpAddr::V6(_) => false,
        }
    }

    /// The way to `destination`, and the source address that suits it.
    pub(crate) fn find(&self, destination: IpAddr) -> Result<(Hop, IpAddr), Errno> {
        if destination.is_loopback() || destination.is_unspecified() {
            return Ok((Hop::Loopback, loopback_like(destination)));
        }
        if self.is_local(destination) {
            return Ok((Hop::Loopback, destination));
        }
        if destination.is_multicast() || self.is_broadcast(destination) {
            return Ok((Hop::Broadcast, self.source(destination, destination)?));
        }
        let route = self
            .routes
            .iter()
            .find(|route| route.prefix.contains(destination))
            .ok_or(Errno::NETUNREACH)?;
        let next = route.gateway.unwrap_or(destination);
        Ok((Hop::Neighbour(next), self.source(destination, next)?))
    }

    /// Our address for packets to `neighbour`, whatever the routes say.
    pub(crate) fn source_to_neighbour(&self, neighbour: IpAddr) -> Result<IpAddr, Errno> {
        self.source(neighbour, neighbour)
    }

    /// Our address for packets to `destination`, which go to `next`.
    fn source(&self, destination: IpAddr, next: IpAddr) -> Result<IpAddr, Errno> {
        let addresses = self.addresses.iter();
        match destination {
            IpAddr::V4(_) => addresses
                .filter(|own| own.at.address.is_ipv4())
                .max_by_key(|own| own.at.prefix().contains(next))
                .map(|own| own.at.address)
                .ok_or(Errno::NETUNREACH),
            // Linux finds a way first, and then no address for it.
            IpAddr::V6(destination) => selection::source_for(addresses, destination)
                .map(IpAddr::V6)
                .ok_or(Errno::ADDRNOTAVAIL),
        }
    }
}

/// The loopback address of the version of `address`.
pub(crate) fn loopback_like(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured() -> Routes {
        let mut routes = Routes::default();
        routes.replace(
            true,
            &[OwnAddress::permanent(InterfaceAddress {
                address: [10, 0, 2, 15].into(),
                prefix_length: 24,
            })],
            &[
                Route::default_through([10, 0, 2, 2].into()),
                Route {
                    prefix: Prefix::new([172, 16, 0, 0].into(), 12),
                    gateway: Some([10, 0, 2, 3].into()),
                },
                Route::to_neighbours(Prefix::new([10, 0, 2, 0].into(), 24)),
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
}
