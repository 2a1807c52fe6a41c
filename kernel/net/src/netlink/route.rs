//! Routes: all of them, the one to a destination, and the rules by which tables of them are looked at.

use abi::Errno;
use abi::net::{AF_INET, AF_INET6, AF_UNSPEC};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::{
    HEADER, NLM_F_MULTI, RTM_NEWROUTE, Request, SCOPE_LINK, SCOPE_UNIVERSE, TYPE_UNICAST, Writer, attribute, family_of,
    is_of, octets,
};
use crate::ip::{Hop, Interface, OwnAddress, Route, unspecified_like};
use crate::stack::Stack;

// Of `linux/rtnetlink.h` and `linux/fib_rules.h`.
const RTM_NEWRULE: u16 = 32;
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_TABLE: u16 = 15;
const FRA_PRIORITY: u16 = 6;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_PROTOCOL: u16 = 21;
const TABLE_DEFAULT: u8 = 253;
const TABLE_MAIN: u8 = 254;
const TABLE_LOCAL: u8 = 255;
const PROTOCOL_UNSPECIFIED: u8 = 0;
const PROTOCOL_KERNEL: u8 = 2;
const PROTOCOL_ADVERTISEMENT: u8 = 9;
const PROTOCOL_DHCP: u8 = 16;
/// Linux's metrics of IPv6 routes to neighbours and through routers.
const METRIC_NEIGHBOURS: u32 = 256;
const METRIC_ROUTERS: u32 = 1024;
const TYPE_LOCAL: u8 = 2;
const TYPE_BROADCAST: u8 = 3;
const TYPE_MULTICAST: u8 = 5;
/// What was looked up, not what is kept (`RTM_F_CLONED`), and what kind it is of (`RTCF_*` of `linux/in_route.h`).
const LOOKED_UP: u32 = 0x200;
const LOCAL: u32 = 0x8000_0000;
const BROADCAST: u32 = 0x1000_0000;
const MULTICAST: u32 = 0x2000_0000;

/// All routes.
pub(super) fn all(stack: &Stack, request: Request, family: u32) -> Vec<Vec<u8>> {
    let routes = stack.routes.lock();
    let of_family = routes
        .routes()
        .iter()
        .filter(|route| is_of(family, route.prefix.network()));
    // Those with the shortest prefix first, as Linux has it.
    of_family
        .rev()
        .map(|route| route_message(route, routes.addresses(), request))
        .collect()
}

fn route_message(route: &Route, addresses: &[OwnAddress], request: Request) -> Vec<u8> {
    let network = route.prefix.network();
    let (protocol, scope) = match (route.gateway, network) {
        (Some(_), IpAddr::V4(_)) => (PROTOCOL_DHCP, SCOPE_UNIVERSE),
        (Some(_), IpAddr::V6(_)) => (PROTOCOL_ADVERTISEMENT, SCOPE_UNIVERSE),
        (None, IpAddr::V4(_)) => (PROTOCOL_KERNEL, SCOPE_LINK),
        (None, IpAddr::V6(_)) => (PROTOCOL_KERNEL, SCOPE_UNIVERSE),
    };
    let length = route.prefix.length();
    let mut writer = Writer::new(request, RTM_NEWROUTE, NLM_F_MULTI)
        .put(&[
            family_of(network),
            length,
            0,
            0,
            TABLE_MAIN,
            protocol,
            scope,
            TYPE_UNICAST,
        ])
        .put(&[0; 4])
        .attribute(RTA_TABLE, &u32::from(TABLE_MAIN).to_ne_bytes());
    if length > 0 {
        writer = writer.attribute(RTA_DST, &octets(network));
    }
    if let Some(gateway) = route.gateway {
        writer = writer.attribute(RTA_GATEWAY, &octets(gateway));
    }
    match network {
        IpAddr::V6(_) => {
            let metric = if route.gateway.is_some() {
                METRIC_ROUTERS
            } else {
                METRIC_NEIGHBOURS
            };
            writer = writer.attribute(RTA_PRIORITY, &metric.to_ne_bytes());
        }
        IpAddr::V4(_) if route.gateway.is_none() => {
            let own = addresses.iter().find(|own| own.at.prefix() == route.prefix);
            if let Some(own) = own {
                writer = writer.attribute(RTA_PREFSRC, &octets(own.at.address));
            }
        }
        IpAddr::V4(_) => {}
    }
    writer
        .attribute(RTA_OIF, &(Interface::Ethernet as u32).to_ne_bytes())
        .finish()
}

/// The way of packets to the destination that the request `whole` names.
pub(super) fn to(stack: &Stack, request: Request, family: u32, whole: &[u8]) -> Result<Vec<u8>, Errno> {
    /// Bytes of `struct rtmsg`.
    const FIXED: usize = 12;
    let named = attribute(whole.get(HEADER + FIXED..).unwrap_or_default(), RTA_DST);
    let destination: IpAddr = match (family, named) {
        (AF_INET, None) => Ipv4Addr::UNSPECIFIED.into(),
        (AF_INET6, None) => Ipv6Addr::UNSPECIFIED.into(),
        (AF_INET, Some(value)) => <[u8; 4]>::try_from(value).map_err(|_| Errno::INVAL)?.into(),
        (AF_INET6, Some(value)) => <[u8; 16]>::try_from(value).map_err(|_| Errno::INVAL)?.into(),
        _ => return Err(Errno::OPNOTSUPP),
    };
    let (hop, source) = stack.route(destination)?;
    let (kind, kind_flags) = match hop {
        Hop::Loopback => (TYPE_LOCAL, LOCAL),
        Hop::Neighbour(_) => (TYPE_UNICAST, 0),
        Hop::Broadcast if destination.is_multicast() => (TYPE_MULTICAST, MULTICAST),
        Hop::Broadcast => (TYPE_BROADCAST, LOCAL | BROADCAST),
    };
    // Of IPv4 Linux tells what it looked up, of IPv6 the entry that it found.
    let (table, protocol, flags) = match (destination, hop) {
        (IpAddr::V4(_), _) => (TABLE_MAIN, PROTOCOL_UNSPECIFIED, LOOKED_UP | kind_flags),
        (_, Hop::Loopback) => (TABLE_LOCAL, PROTOCOL_KERNEL, 0),
        (_, Hop::Neighbour(next)) if next != destination => (TABLE_MAIN, PROTOCOL_ADVERTISEMENT, 0),
        _ => (TABLE_MAIN, PROTOCOL_KERNEL, 0),
    };
    let interface = match hop {
        Hop::Loopback => Interface::Loopback,
        _ => Interface::Ethernet,
    };
    let bytes = octets(destination);
    let length = bytes.len() as u8 * 8;
    // Linux tells of IPv6 that it is the way from any address.
    let source_length = if destination.is_ipv6() { length } else { 0 };
    let mut writer = Writer::new(request, RTM_NEWROUTE, 0)
        .put(&[
            family_of(destination),
            length,
            source_length,
            0,
            table,
            protocol,
            SCOPE_UNIVERSE,
            kind,
        ])
        .put(&flags.to_ne_bytes())
        .attribute(RTA_TABLE, &u32::from(table).to_ne_bytes())
        .attribute(RTA_DST, &bytes)
        .attribute(RTA_OIF, &(interface as u32).to_ne_bytes())
        .attribute(RTA_PREFSRC, &octets(source));
    if source_length > 0 {
        writer = writer.attribute(RTA_SRC, &octets(unspecified_like(destination)));
    }
    Ok(match hop {
        Hop::Neighbour(next) if next != destination => writer.attribute(RTA_GATEWAY, &octets(next)).finish(),
        _ => writer.finish(),
    })
}

/// The rules that every Linux begins with; there are no others.
pub(super) fn rules(request: Request, family: u32) -> Vec<Vec<u8>> {
    const TO_TABLE: u8 = 1;
    let all = [
        (AF_INET, TABLE_LOCAL, 0),
        (AF_INET, TABLE_MAIN, 32766),
        (AF_INET, TABLE_DEFAULT, 32767_u32),
        (AF_INET6, TABLE_LOCAL, 0),
        (AF_INET6, TABLE_MAIN, 32766),
    ];
    let of_family = all.iter().filter(|rule| family == AF_UNSPEC || rule.0 == family);
    let message = |&(family, table, priority): &(u32, u8, u32)| {
        let writer = Writer::new(request, RTM_NEWRULE, NLM_F_MULTI)
            .put(&[family as u8, 0, 0, 0, table, 0, 0, TO_TABLE])
            .put(&[0; 4])
            .attribute(FRA_TABLE, &u32::from(table).to_ne_bytes())
            .attribute(FRA_SUPPRESS_PREFIXLEN, &u32::MAX.to_ne_bytes())
            .attribute(FRA_PROTOCOL, &[PROTOCOL_KERNEL]);
        match priority {
            0 => writer.finish(),
            _ => writer.attribute(FRA_PRIORITY, &priority.to_ne_bytes()).finish(),
        }
    };
    of_family.map(message).collect()
}
