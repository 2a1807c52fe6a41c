//! Addresses. An IPv4-mapped IPv6 address is always held as the IPv4 address: the socket layer maps at its border.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The local ports that the system chooses from: Linux's default `ip_local_port_range`.
pub(crate) const EPHEMERAL: core::ops::RangeInclusive<u16> = 32768..=60999;

/// One end of a flow: an address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The address; unspecified (`0.0.0.0`, `::`) stands for any.
    pub address: IpAddr,
    /// The port; 0 stands for any.
    pub port: u16,
}

impl Endpoint {
    pub(crate) const UNSPECIFIED_V4: Self = Self::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

    /// From its parts.
    pub const fn new(address: IpAddr, port: u16) -> Self {
        Self { address, port }
    }
}

impl core::fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.address {
            IpAddr::V4(address) => write!(formatter, "{address}:{}", self.port),
            IpAddr::V6(address) => write!(formatter, "[{address}]:{}", self.port),
        }
    }
}

/// The address of an interface and the length of its network's prefix in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Bits of the prefix: 0 to 32 or 128.
    pub prefix_length: u8,
}

impl InterfaceAddress {
    /// The network that it is in.
    pub fn prefix(&self) -> Prefix {
        Prefix::new(self.address, self.prefix_length)
    }

    /// The broadcast address of an IPv4 network that has one.
    pub(crate) fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(address) if self.prefix_length < 31 => Some(Ipv4Addr::from_bits(
                address.to_bits() | (u32::MAX >> self.prefix_length),
            )),
            _ => None,
        }
    }
}

impl core::fmt::Display for InterfaceAddress {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix_length)
    }
}

/// A network: the addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    bits: IpAddr,
    length: u8,
}

impl Prefix {
    /// The network of `address` whose prefix has `length` bits, cut to what the family allows.
    pub fn new(address: IpAddr, length: u8) -> Self {
        let (bits, length) = match address {
            IpAddr::V4(address) => {
                let length = length.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                (IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask)), length)
            }
            IpAddr::V6(address) => {
                let length = length.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                (IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask)), length)
            }
        };
        Self { bits, length }
    }

    /// Whether `address` is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.bits.is_ipv4() && Self::new(address, self.length).bits == self.bits
    }

    /// Bits of the prefix.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// The first address of the network.
    pub fn network(&self) -> IpAddr {
        self.bits
    }
}

/// The group of all nodes on the link (RFC 4291 section 2.7.1).
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// The group of all routers on the link.
pub(crate) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// The group that everybody with an address that ends like `address` listens to (RFC 4291 section 2.7.1).
pub(crate) fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    const PREFIX: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000;
    Ipv6Addr::from_bits(PREFIX | (address.to_bits() & 0xff_ffff))
}

/// The address with the prefix of `network` whose interface identifier is made from a hardware address (RFC 4291 appendix A), which is
/// Linux's default.
pub(crate) fn from_hardware(network: Ipv6Addr, mac: [u8; 6]) -> Ipv6Addr {
    let [first, second, third, rest @ ..] = mac;
    let [fourth, fifth, sixth] = rest;
    let identifier = u64::from_be_bytes([first ^ 2, second, third, 0xff, 0xfe, fourth, fifth, sixth]);
    Ipv6Addr::from_bits((network.to_bits() & !u128::from(u64::MAX)) | u128::from(identifier))
}

/// `address` with an IPv4-mapped one as the IPv4 address.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The unspecified address of the family of `address`.
pub(crate) fn unspecified_like(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_contains_its_network_and_no_more() {
        let prefix = Prefix::new([10, 0, 2, 15].into(), 24);
        assert!(prefix.contains([10, 0, 2, 255].into()));
        assert!(!prefix.contains([10, 0, 3, 0].into()));
        assert!(Prefix::new([1, 2, 3, 4].into(), 0).contains([200, 0, 0, 1].into()));
        assert!(!Prefix::new([1, 2, 3, 4].into(), 0).contains(Ipv6Addr::LOCALHOST.into()));
    }

    #[test]
    fn addresses_are_made_from_hardware_addresses() {
        let address = from_hardware(
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0),
            [0x52, 0x54, 0, 0x12, 0x34, 0x56],
        );
        assert_eq!(
            address,
            "fe80::5054:ff:fe12:3456".parse::<Ipv6Addr>().expect("an address")
        );
        assert_eq!(
            solicited_node(address),
            "ff02::1:ff12:3456".parse::<Ipv6Addr>().expect("an address")
        );
    }

    #[test]
    fn small_networks_have_no_broadcast_address() {
        let address = |prefix_length| InterfaceAddress {
            address: [10, 0, 2, 15].into(),
            prefix_length,
        };
        assert_eq!(address(24).broadcast(), Some([10, 0, 2, 255].into()));
        assert_eq!(address(31).broadcast(), None);
    }
}
