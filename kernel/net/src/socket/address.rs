//! Socket addresses, read from and written as the bytes of Linux's `struct sockaddr`.

use abi::net::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, AF_UNSPEC};
use abi::{Errno, UNIX_PATH_MAX};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Domain;
use crate::ip::{Endpoint, Interface, canonical};

/// A socket address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `AF_UNSPEC`: dissolves a connection.
    Unspecified,
    /// `AF_INET`.
    Inet(Ipv4Addr, u16),
    /// `AF_INET6`: address, port, scope.
    Inet6(Ipv6Addr, u16, u32),
    /// `AF_UNIX` without a name.
    Unnamed,
    /// `AF_UNIX` with a path.
    Path(Vec<u8>),
    /// `AF_UNIX` with a name outside the file system, without its leading zero byte.
    Abstract(Vec<u8>),
    /// `AF_NETLINK`: port and groups.
    Netlink(u32, u32),
}

impl Address {
    /// Reads a `struct sockaddr` of `bytes.len()` bytes. `EINVAL` when it is too short for its family, `EAFNOSUPPORT` for an unknown one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Errno> {
        let Some((family, rest)) = bytes.split_first_chunk::<2>() else {
            return Err(Errno::INVAL);
        };
        let port = || {
            rest.first_chunk::<2>()
                .map(|port| u16::from_be_bytes(*port))
                .ok_or(Errno::INVAL)
        };
        match u32::from(u16::from_ne_bytes(*family)) {
            AF_UNSPEC => Ok(Self::Unspecified),
            AF_INET => {
                let address = rest
                    .get(2..6)
                    .and_then(|bytes| bytes.first_chunk::<4>())
                    .filter(|_| rest.len() >= 14);
                Ok(Self::Inet(Ipv4Addr::from(*address.ok_or(Errno::INVAL)?), port()?))
            }
            AF_INET6 => {
                let address = rest
                    .get(6..22)
                    .and_then(|bytes| bytes.first_chunk::<16>())
                    .ok_or(Errno::INVAL)?;
                let scope = rest.get(22..26).and_then(|bytes| bytes.first_chunk::<4>());
                let scope = scope.map_or(0, |scope| u32::from_ne_bytes(*scope));
                Ok(Self::Inet6(Ipv6Addr::from(*address), port()?, scope))
            }
            AF_UNIX if rest.len() > UNIX_PATH_MAX => Err(Errno::INVAL),
            AF_UNIX => Ok(match rest {
                [] => Self::Unnamed,
                [0, name @ ..] => Self::Abstract(name.to_vec()),
                path => Self::Path(path.split(|&byte| byte == 0).next().unwrap_or_default().to_vec()),
            }),
            AF_NETLINK => {
                let word = |at: usize| {
                    rest.get(at..at + 4)
                        .and_then(|bytes| bytes.first_chunk::<4>())
                        .map(|word| u32::from_ne_bytes(*word))
                };
                Ok(Self::Netlink(
                    word(2).ok_or(Errno::INVAL)?,
                    word(6).ok_or(Errno::INVAL)?,
                ))
            }
            _ => Err(Errno::AFNOSUPPORT),
        }
    }

    /// The bytes of its `struct sockaddr`.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(28);
        let family = match self {
            Self::Unspecified => AF_UNSPEC,
            Self::Inet(..) => AF_INET,
            Self::Inet6(..) => AF_INET6,
            Self::Unnamed | Self::Path(_) | Self::Abstract(_) => AF_UNIX,
            Self::Netlink(..) => AF_NETLINK,
        };
        bytes.extend_from_slice(&(family as u16).to_ne_bytes());
        match self {
            Self::Unspecified | Self::Unnamed => {}
            Self::Inet(address, port) => {
                bytes.extend_from_slice(&port.to_be_bytes());
                bytes.extend_from_slice(&address.octets());
                bytes.extend_from_slice(&[0; 8]);
            }
            Self::Inet6(address, port, scope) => {
                bytes.extend_from_slice(&port.to_be_bytes());
                bytes.extend_from_slice(&[0; 4]);
                bytes.extend_from_slice(&address.octets());
                bytes.extend_from_slice(&scope.to_ne_bytes());
            }
            Self::Path(path) => {
                bytes.extend_from_slice(path);
                bytes.push(0);
            }
            Self::Abstract(name) => {
                bytes.push(0);
                bytes.extend_from_slice(name);
            }
            Self::Netlink(port, groups) => {
                bytes.extend_from_slice(&[0; 2]);
                bytes.extend_from_slice(&port.to_ne_bytes());
                bytes.extend_from_slice(&groups.to_ne_bytes());
            }
        }
        bytes
    }

    /// How a socket of `domain` shows an end: an IPv6 one shows IPv4 addresses as mapped.
    pub(crate) fn of(domain: Domain, endpoint: Endpoint) -> Self {
        match (domain, endpoint.address) {
            (Domain::Inet6, IpAddr::V4(address)) if address.is_unspecified() => {
                Self::Inet6(Ipv6Addr::UNSPECIFIED, endpoint.port, 0)
            }
            (Domain::Inet6, IpAddr::V4(address)) => Self::Inet6(address.to_ipv6_mapped(), endpoint.port, 0),
            (_, IpAddr::V4(address)) => Self::Inet(address, endpoint.port),
            (_, IpAddr::V6(address)) => Self::Inet6(address, endpoint.port, scope_of(address)),
        }
    }

    /// The end that it names for a socket of `domain`.
    pub(crate) fn endpoint(&self, domain: Domain) -> Result<Endpoint, Errno> {
        match (domain, self) {
            (Domain::Inet, Self::Inet(address, port)) => Ok(Endpoint::new(IpAddr::V4(*address), *port)),
            (Domain::Inet6, Self::Inet6(address, port, _)) => Ok(Endpoint::new(canonical(IpAddr::V6(*address)), *port)),
            _ => Err(Errno::AFNOSUPPORT),
        }
    }

    /// That an address which means something on one interface only comes with that interface: `EINVAL` when neither it nor the socket,
    /// bound to `device`, names one; `ENODEV` when there is none of that number; `EADDRNOTAVAIL` when it has no such addresses.
    pub(crate) fn check_scope(&self, device: Option<Interface>) -> Result<(), Errno> {
        let Self::Inet6(address, _, scope) = *self else {
            return Ok(());
        };
        if !address.is_unicast_link_local() {
            return Ok(());
        }
        let interface = match scope {
            0 => device.ok_or(Errno::INVAL)?,
            scope => Interface::by_index(scope).ok_or(Errno::NODEV)?,
        };
        match interface {
            Interface::Ethernet => Ok(()),
            Interface::Loopback => Err(Errno::ADDRNOTAVAIL),
        }
    }
}

/// The interface that an address means something on: there is one beside the loopback interface.
fn scope_of(address: Ipv6Addr) -> u32 {
    const LINK_LOCAL_GROUP: u8 = 2;
    let needs_one = match address.octets() {
        [0xff, scope, ..] => scope & 0xf == LINK_LOCAL_GROUP,
        _ => address.is_unicast_link_local(),
    };
    if needs_one { Interface::Ethernet as u32 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        for address in [
            Address::Inet([10, 1, 2, 3].into(), 8080),
            Address::Inet6(Ipv6Addr::LOCALHOST, 443, 2),
            Address::Unnamed,
            Address::Path(b"/run/app.sock".to_vec()),
            Address::Abstract(b"name\0with zero".to_vec()),
            Address::Netlink(7, 1),
        ] {
            assert_eq!(Address::decode(&address.encode()), Ok(address));
        }
    }

    #[test]
    fn the_bytes_are_linuxs() {
        let bytes = Address::Inet([127, 0, 0, 1].into(), 0x1234).encode();
        assert_eq!(bytes, [2, 0, 0x12, 0x34, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Address::decode(&bytes[..15]), Err(Errno::INVAL));
        assert_eq!(Address::decode(&[99, 0, 1, 2]), Err(Errno::AFNOSUPPORT));
    }

    #[test]
    fn an_ipv6_socket_sees_ipv4_as_mapped() {
        let end = Endpoint::new([1, 2, 3, 4].into(), 5);
        let mapped = Address::of(Domain::Inet6, end);
        assert_eq!(
            mapped,
            Address::Inet6("::ffff:1.2.3.4".parse().expect("an address"), 5, 0)
        );
        assert_eq!(mapped.endpoint(Domain::Inet6), Ok(end));
        assert_eq!(mapped.endpoint(Domain::Inet), Err(Errno::AFNOSUPPORT));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = Address::decode(&bytes);
        }
    }
}
