//! What TCP and UDP sockets share: addresses and the options of IP and IPv6.

use abi::Errno;
use abi::net::{self as linux, SOL_IP, SOL_IPV6};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Address, Domain, integer, read_integer};
use crate::ip::{ByVersion, Endpoint, Interface, PacketFields};
use crate::stack::Stack;

/// Hops of a packet to a group.
const MULTICAST_HOPS: u8 = 1;

/// Options of `SOL_IP` and `SOL_IPV6`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InetOptions {
    pub(crate) v6_only: bool,
    bind_address_no_port: bool,
    /// `IPV6_DONTFRAG`, which beside `IPV6_MTU_DISCOVER` has no need to be.
    dont_fragment: bool,
    by_version: ByVersion<VersionOptions>,
    /// The address by which `IP_MULTICAST_IF` named an interface.
    multicast_address: Ipv4Addr,
}

/// Options that both versions have, each of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VersionOptions {
    pub(crate) fields: PacketFields,
    pub(crate) multicast_hops: u8,
    multicast_loop: bool,
    /// Where packets to groups leave, if that has been said.
    multicast_interface: Option<Interface>,
    /// `IP_MTU_DISCOVER`.
    mtu_discover: u32,
    pub(crate) packet_info: bool,
    pub(crate) receive_hops: bool,
    pub(crate) receive_class: bool,
    pub(crate) receive_destination: bool,
    receive_error: bool,
    free_bind: bool,
}

/// Which of [`VersionOptions`] a name means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Hops,
    Class,
    MulticastHops,
    MulticastLoop,
    MtuDiscover,
    PacketInfo,
    ReceiveHops,
    ReceiveClass,
    ReceiveDestination,
    ReceiveError,
    FreeBind,
}

impl Name {
    fn of(level: u32, name: u32) -> Option<Self> {
        Some(match (level, name) {
            (SOL_IP, linux::IP_TTL) | (SOL_IPV6, linux::IPV6_UNICAST_HOPS) => Self::Hops,
            (SOL_IP, linux::IP_TOS) | (SOL_IPV6, linux::IPV6_TCLASS) => Self::Class,
            (SOL_IP, linux::IP_MULTICAST_TTL) | (SOL_IPV6, linux::IPV6_MULTICAST_HOPS) => Self::MulticastHops,
            (SOL_IP, linux::IP_MULTICAST_LOOP) | (SOL_IPV6, linux::IPV6_MULTICAST_LOOP) => Self::MulticastLoop,
            (SOL_IP, linux::IP_MTU_DISCOVER) | (SOL_IPV6, linux::IPV6_MTU_DISCOVER) => Self::MtuDiscover,
            (SOL_IP, linux::IP_PKTINFO) | (SOL_IPV6, linux::IPV6_RECVPKTINFO | linux::IPV6_2292PKTINFO) => {
                Self::PacketInfo
            }
            (SOL_IP, linux::IP_RECVTTL) | (SOL_IPV6, linux::IPV6_RECVHOPLIMIT | linux::IPV6_2292HOPLIMIT) => {
                Self::ReceiveHops
            }
            (SOL_IP, linux::IP_RECVTOS) | (SOL_IPV6, linux::IPV6_RECVTCLASS) => Self::ReceiveClass,
            (SOL_IP, linux::IP_RECVORIGDSTADDR) | (SOL_IPV6, linux::IPV6_RECVORIGDSTADDR) => Self::ReceiveDestination,
            (SOL_IP, linux::IP_RECVERR) | (SOL_IPV6, linux::IPV6_RECVERR) => Self::ReceiveError,
            (SOL_IP, linux::IP_FREEBIND) | (SOL_IPV6, linux::IPV6_FREEBIND) => Self::FreeBind,
            _ => return None,
        })
    }
}

impl VersionOptions {
    const fn new() -> Self {
        Self {
            fields: PacketFields { hops: None, class: 0 },
            multicast_hops: MULTICAST_HOPS,
            multicast_loop: true,
            multicast_interface: None,
            mtu_discover: linux::IP_PMTUDISC_WANT,
            packet_info: false,
            receive_hops: false,
            receive_class: false,
            receive_destination: false,
            receive_error: false,
            free_bind: false,
        }
    }

    /// Whether packets to groups leave by the loopback interface, so that they only come back.
    pub(crate) fn sends_groups_to_itself(&self) -> bool {
        self.multicast_interface == Some(Interface::Loopback)
    }

    /// The interface by which packets to groups come back.
    pub(crate) fn copy_of_groups(&self) -> Option<Interface> {
        if self.sends_groups_to_itself() {
            return Some(Interface::Loopback);
        }
        self.multicast_loop.then_some(Interface::Ethernet)
    }

    fn set(&mut self, name: Name, level: u32, number: i32) -> Result<(), Errno> {
        let on = number != 0;
        match name {
            Name::Hops => {
                self.fields.hops = match number {
                    -1 => None,
                    // A byte of zero is IPv6's alone, and goes nowhere.
                    1..=255 => Some(number as u8),
                    0 if level == SOL_IPV6 => Some(0),
                    _ => return Err(Errno::INVAL),
                }
            }
            Name::Class => {
                self.fields.class = match number {
                    -1 if level == SOL_IPV6 => 0,
                    0..=255 => number as u8,
                    _ if level == SOL_IPV6 => return Err(Errno::INVAL),
                    _ => number as u8,
                }
            }
            Name::MulticastHops => {
                self.multicast_hops = match number {
                    -1 => MULTICAST_HOPS,
                    _ => u8::try_from(number).map_err(|_| Errno::INVAL)?,
                }
            }
            Name::MulticastLoop => self.multicast_loop = on,
            Name::MtuDiscover => {
                self.mtu_discover = u32::try_from(number)
                    .ok()
                    .filter(|&value| value <= linux::IP_PMTUDISC_OMIT)
                    .ok_or(Errno::INVAL)?;
            }
            Name::PacketInfo => self.packet_info = on,
            Name::ReceiveHops => self.receive_hops = on,
            Name::ReceiveClass => self.receive_class = on,
            Name::ReceiveDestination => self.receive_destination = on,
            Name::ReceiveError => self.receive_error = on,
            Name::FreeBind => self.free_bind = on,
        }
        Ok(())
    }

    /// The value of an option, when packets have so many hops by default.
    fn get(&self, name: Name, default_hops: u8) -> u32 {
        match name {
            Name::Hops => self.fields.hops.unwrap_or(default_hops).into(),
            Name::Class => self.fields.class.into(),
            Name::MulticastHops => self.multicast_hops.into(),
            Name::MulticastLoop => self.multicast_loop.into(),
            Name::MtuDiscover => self.mtu_discover,
            Name::PacketInfo => self.packet_info.into(),
            Name::ReceiveHops => self.receive_hops.into(),
            Name::ReceiveClass => self.receive_class.into(),
            Name::ReceiveDestination => self.receive_destination.into(),
            Name::ReceiveError => self.receive_error.into(),
            Name::FreeBind => self.free_bind.into(),
        }
    }
}

impl InetOptions {
    pub(crate) const fn new() -> Self {
        Self {
            v6_only: false,
            bind_address_no_port: false,
            dont_fragment: false,
            by_version: ByVersion {
                ipv4: VersionOptions::new(),
                ipv6: VersionOptions::new(),
            },
            multicast_address: Ipv4Addr::UNSPECIFIED,
        }
    }

    /// Those for packets to or from `address`.
    pub(crate) fn of(&self, address: IpAddr) -> &VersionOptions {
        self.by_version.of(address)
    }

    /// What the packets of both versions have in their headers.
    pub(crate) fn fields(&self) -> ByVersion<PacketFields> {
        ByVersion {
            ipv4: self.by_version.ipv4.fields,
            ipv6: self.by_version.ipv6.fields,
        }
    }

    /// Whether errors about packets of each version are told in full.
    pub(crate) fn reports(&self) -> ByVersion<bool> {
        ByVersion {
            ipv4: self.by_version.ipv4.receive_error,
            ipv6: self.by_version.ipv6.receive_error,
        }
    }

    /// `setsockopt(2)` at `level`.
    pub(crate) fn set(&mut self, domain: Domain, level: u32, name: u32, value: &[u8]) -> Result<(), Errno> {
        // Some are set by a byte.
        let number = match value.first() {
            _ if value.len() >= size_of::<i32>() => read_integer(value)?,
            Some(byte) => i32::from(*byte),
            None if level == SOL_IP => 0,
            None => return Err(Errno::INVAL),
        };
        let on = number != 0;
        if level == SOL_IPV6 && domain != Domain::Inet6 {
            return Err(Errno::NOPROTOOPT);
        }
        if let Some(name) = Name::of(level, name) {
            return match level {
                SOL_IP => self.by_version.ipv4.set(name, level, number),
                _ => self.by_version.ipv6.set(name, level, number),
            };
        }
        match (level, name) {
            (SOL_IPV6, linux::IPV6_V6ONLY) => self.v6_only = on,
            (SOL_IPV6, linux::IPV6_DONTFRAG) => self.dont_fragment = on,
            (SOL_IP, linux::IP_BIND_ADDRESS_NO_PORT) => self.bind_address_no_port = on,
            (SOL_IP, linux::IP_MULTICAST_IF) => return self.set_multicast_interface(value),
            (SOL_IPV6, linux::IPV6_MULTICAST_IF) => {
                self.by_version.ipv6.multicast_interface = match number {
                    0 => None,
                    index => Some(Interface::by_index(index as u32).ok_or(Errno::NODEV)?),
                };
            }
            // No options of a packet are told.
            (SOL_IP, linux::IP_RETOPTS | linux::IP_RECVOPTS) => {}
            // Every group's packets come in as it is.
            (
                SOL_IP,
                linux::IP_ADD_MEMBERSHIP
                | linux::IP_DROP_MEMBERSHIP
                | linux::MCAST_JOIN_GROUP
                | linux::MCAST_LEAVE_GROUP
                | linux::IP_MULTICAST_ALL
                | linux::IP_LOCAL_PORT_RANGE,
            )
            | (
                SOL_IPV6,
                linux::IPV6_ADD_MEMBERSHIP
                | linux::IPV6_DROP_MEMBERSHIP
                | linux::MCAST_JOIN_GROUP
                | linux::MCAST_LEAVE_GROUP
                | linux::IPV6_AUTOFLOWLABEL
                | linux::IPV6_ADDR_PREFERENCES
                | linux::IPV6_FLOWINFO_SEND,
            ) => {}
            _ => return Err(Errno::NOPROTOOPT),
        }
        Ok(())
    }

    /// `IP_MULTICAST_IF`: by an address, or by `struct ip_mreq` or `ip_mreqn`, whose index counts more.
    fn set_multicast_interface(&mut self, value: &[u8]) -> Result<(), Errno> {
        let word = |at: usize| value.get(at..)?.first_chunk::<4>().copied();
        let address = Ipv4Addr::from(word(4).or_else(|| word(0)).ok_or(Errno::INVAL)?);
        let interface = match word(8).map_or(0, u32::from_ne_bytes) {
            0 if address.is_unspecified() => None,
            0 if address.is_loopback() => Some(Interface::Loopback),
            0 => Some(Interface::Ethernet),
            index => Some(Interface::by_index(index).ok_or(Errno::ADDRNOTAVAIL)?),
        };
        self.by_version.ipv4.multicast_interface = interface;
        self.multicast_address = address;
        Ok(())
    }

    /// `getsockopt(2)` at `level`; `mtu` is that of a connected socket's path.
    pub(crate) fn get(
        &self,
        stack: &Stack,
        domain: Domain,
        level: u32,
        name: u32,
        mtu: Option<usize>,
    ) -> Result<Vec<u8>, Errno> {
        if level == SOL_IPV6 && domain != Domain::Inet6 {
            return Err(Errno::NOPROTOOPT);
        }
        if let Some(name) = Name::of(level, name) {
            let version = if level == SOL_IP { Domain::Inet } else { Domain::Inet6 };
            let hops = stack.default_hops(any(version));
            return Ok(integer(self.of(any(version)).get(name, hops)));
        }
        let number = match (level, name) {
            (SOL_IPV6, linux::IPV6_V6ONLY) => u32::from(self.v6_only),
            (SOL_IPV6, linux::IPV6_DONTFRAG) => u32::from(self.dont_fragment),
            (SOL_IP, linux::IP_BIND_ADDRESS_NO_PORT) => u32::from(self.bind_address_no_port),
            // No packet of IPv4 is longer, on the loopback interface neither.
            (SOL_IP, linux::IP_MTU) => mtu.ok_or(Errno::NOTCONN)?.min(usize::from(u16::MAX)) as u32,
            (SOL_IPV6, linux::IPV6_MTU) => mtu.ok_or(Errno::NOTCONN)? as u32,
            (SOL_IP, linux::IP_MULTICAST_IF) => return Ok(self.multicast_address.octets().to_vec()),
            (SOL_IPV6, linux::IPV6_MULTICAST_IF) => {
                let interface = self.by_version.ipv6.multicast_interface;
                interface.map_or(0, |interface| interface as u32)
            }
            (SOL_IP, linux::IP_OPTIONS) => return Ok(Vec::new()),
            _ => return Err(Errno::NOPROTOOPT),
        };
        Ok(integer(number))
    }

    /// Whether packets to `remote` are refused rather than cut.
    pub(crate) fn dont_fragment(&self, remote: IpAddr) -> bool {
        let mtu_discover = self.of(remote).mtu_discover;
        matches!(mtu_discover, linux::IP_PMTUDISC_DO | linux::IP_PMTUDISC_PROBE)
            || (self.dont_fragment && remote.is_ipv6())
    }

    fn may_bind_anything(&self) -> bool {
        self.by_version.ipv4.free_bind || self.by_version.ipv6.free_bind
    }
}

pub(super) fn any(domain: Domain) -> IpAddr {
    match domain {
        Domain::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

/// The end that `bind(2)` names, when there is such an address here.
pub(super) fn bindable(
    stack: &Stack,
    domain: Domain,
    address: &Address,
    options: &InetOptions,
    device: Option<Interface>,
    datagram: bool,
) -> Result<Endpoint, Errno> {
    let endpoint = address.endpoint(domain).map_err(|_| match (domain, address) {
        (_, Address::Unspecified) | (Domain::Inet6, Address::Inet(..)) => Errno::INVAL,
        _ => Errno::AFNOSUPPORT,
    })?;
    if options.v6_only && endpoint.address.is_ipv4() {
        return Err(Errno::INVAL);
    }
    address.check_scope(device)?;
    let address = endpoint.address;
    if address.is_ipv6() && address.is_multicast() && !datagram {
        return Err(Errno::INVAL);
    }
    let routes = stack.routes.lock();
    let is_ours = address.is_unspecified() || routes.is_local(address);
    let is_group = datagram && (address.is_multicast() || routes.is_broadcast(address));
    if is_ours || is_group || options.may_bind_anything() {
        Ok(endpoint)
    } else {
        Err(Errno::ADDRNOTAVAIL)
    }
}

/// The end to connect or send to.
pub(super) fn remote(domain: Domain, address: &Address, options: &InetOptions) -> Result<Endpoint, Errno> {
    let endpoint = address.endpoint(domain)?;
    if options.v6_only && endpoint.address.is_ipv4() {
        return Err(Errno::NETUNREACH);
    }
    // The unspecified address means this machine.
    Ok(match endpoint.address {
        IpAddr::V4(address) if address.is_unspecified() => {
            Endpoint::new(IpAddr::V4(Ipv4Addr::LOCALHOST), endpoint.port)
        }
        IpAddr::V6(address) if address.is_unspecified() => {
            Endpoint::new(IpAddr::V6(Ipv6Addr::LOCALHOST), endpoint.port)
        }
        _ => endpoint,
    })
}
