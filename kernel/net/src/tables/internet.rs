//! Addresses, routes and neighbours.

use alloc::format;
use alloc::string::String;
use core::fmt::{self, Write};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::pad;
use crate::ip::{ALL_NODES, Interface, Neighbour, Prefix, Route};
use crate::ndp::own_groups;
use crate::socket::{Description, interfaces};
use crate::stack::Stack;

const ROUTE_WIDTH: usize = 127;
// `RTF_*` of `linux/route.h` and `linux/ipv6_route.h`.
const UP: u32 = 1;
const GATEWAY: u32 = 2;
const REJECT: u32 = 0x200;
const DEFAULT: u32 = 0x1_0000;
const ADVERTISED: u32 = 0x4_0000;
const NO_NEXT_HOP: u32 = 0x20_0000;
const EXPIRES: u32 = 0x40_0000;
const LOCAL: u32 = 0x8000_0000;
/// Linux's metrics of IPv6 routes: to neighbours, through routers, and of the one that refuses.
const METRIC_NEIGHBOURS: u32 = 0x100;
const METRIC_ROUTERS: u32 = 0x400;
const METRIC_LAST: u32 = u32::MAX;

pub(super) fn routes_v4(out: &mut String, stack: &Stack) -> fmt::Result {
    let routes = stack.routes.lock();
    let word = |address: Ipv4Addr| u32::from_ne_bytes(address.octets());
    let mask = |length: u8| Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0));
    // The default route first, as Linux has it.
    for route in routes.routes().iter().rev() {
        let (gateway, flags) = match route.gateway {
            Some(IpAddr::V4(gateway)) => (gateway, UP | GATEWAY),
            _ => (Ipv4Addr::UNSPECIFIED, UP),
        };
        let IpAddr::V4(network) = route.prefix.network() else {
            continue;
        };
        let start = out.len();
        write!(
            out,
            "{}\t{:08X}\t{:08X}\t{flags:04X}\t0\t0\t0\t{:08X}\t0\t0\t0",
            Interface::Ethernet.name(),
            word(network),
            word(gateway),
            word(mask(route.prefix.length())),
        )?;
        pad(out, start, ROUTE_WIDTH);
    }
    Ok(())
}

/// A line of `ipv6_route`.
fn route_v6(
    out: &mut String,
    prefix: Prefix,
    gateway: Option<IpAddr>,
    (metric, flags): (u32, u32),
    interface: Interface,
) -> fmt::Result {
    let bits = |address: IpAddr| match address {
        IpAddr::V6(address) => address.to_bits(),
        IpAddr::V4(_) => 0,
    };
    writeln!(
        out,
        "{:032x} {:02x} {:032x} 00 {:032x} {metric:08x} 00000001 00000000 {flags:08x} {:>8}",
        bits(prefix.network()),
        prefix.length(),
        0,
        gateway.map_or(0, bits),
        interface.name(),
    )
}

pub(super) fn routes_v6(out: &mut String, stack: &Stack) -> fmt::Result {
    let host = |address: Ipv6Addr| Prefix::new(address.into(), 128);
    let everything = |address: Ipv6Addr, length| Prefix::new(address.into(), length);
    let routes = stack.routes.lock();
    for &Route { prefix, gateway } in routes.routes() {
        let kind = match gateway {
            _ if prefix.network().is_ipv4() => continue,
            Some(_) => (METRIC_ROUTERS, UP | GATEWAY | DEFAULT | ADVERTISED | EXPIRES),
            None => (METRIC_NEIGHBOURS, UP),
        };
        route_v6(out, prefix, gateway, kind, Interface::Ethernet)?;
    }
    let refuses = (METRIC_LAST, NO_NEXT_HOP | REJECT);
    route_v6(
        out,
        everything(Ipv6Addr::UNSPECIFIED, 0),
        None,
        refuses,
        Interface::Loopback,
    )?;
    let to_ourselves = (0, LOCAL | NO_NEXT_HOP | UP);
    route_v6(out, host(Ipv6Addr::LOCALHOST), None, to_ourselves, Interface::Loopback)?;
    for own in routes.addresses().iter().filter(|own| own.is_usable()) {
        if let IpAddr::V6(address) = own.at.address {
            route_v6(out, host(address), None, to_ourselves, Interface::Ethernet)?;
        }
    }
    if stack.mac().is_some() {
        let groups = everything(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8);
        route_v6(out, groups, None, (METRIC_NEIGHBOURS, UP), Interface::Ethernet)?;
    }
    route_v6(
        out,
        everything(Ipv6Addr::UNSPECIFIED, 0),
        None,
        refuses,
        Interface::Loopback,
    )
}

pub(super) fn addresses_v6(out: &mut String, stack: &Stack) -> fmt::Result {
    const PERMANENT: u8 = 0x80;
    const HOST: u32 = 0x10;
    const LINK: u32 = 0x20;
    const SITE: u32 = 0x40;
    let mut line = |address: Ipv6Addr, interface: Interface, length: u8, scope: u32, flags: u8| {
        writeln!(
            out,
            "{:032x} {:02x} {length:02x} {scope:02x} {flags:02x} {:>8}",
            address.to_bits(),
            interface as u32,
            interface.name()
        )
    };
    line(Ipv6Addr::LOCALHOST, Interface::Loopback, 128, HOST, PERMANENT)?;
    for own in stack.routes.lock().addresses() {
        if let IpAddr::V6(address) = own.at.address {
            let scope = match address.segments()[0] {
                0xfe80..=0xfebf => LINK,
                0xfec0..=0xfeff => SITE,
                _ => 0,
            };
            line(
                address,
                Interface::Ethernet,
                own.at.prefix_length,
                scope,
                own.flags.bits(),
            )?;
        }
    }
    Ok(())
}

pub(super) fn groups_v6(out: &mut String, stack: &Stack) -> fmt::Result {
    // `MAF_*` of Linux's `net/if_inet6.h`.
    const LAST_REPORTER: u32 = 4;
    const NO_REPORT: u32 = 8;
    let mut line = |group: Ipv6Addr, interface: Interface, flags: u32| {
        writeln!(
            out,
            "{:<4} {:<15} {:032x}     1 {flags:08X} 0",
            interface as u32,
            interface.name(),
            group.to_bits(),
        )
    };
    for Description { interface, .. } in interfaces(stack) {
        if interface == Interface::Ethernet {
            for group in own_groups(stack) {
                line(group, interface, LAST_REPORTER)?;
            }
        }
        line(ALL_NODES, interface, LAST_REPORTER | NO_REPORT)?;
        line(Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 1), interface, NO_REPORT)?;
    }
    Ok(())
}

pub(super) fn neighbours_v4(out: &mut String, stack: &Stack) -> fmt::Result {
    const ETHERNET: u32 = 1;
    const COMPLETE: u32 = 2;
    for Neighbour { address, mac, .. } in stack.neighbours.known(stack.now()) {
        if address.is_ipv6() {
            continue;
        }
        let flags = if mac.is_some() { COMPLETE } else { 0 };
        let mac = mac.unwrap_or_default().map(|byte| format!("{byte:02x}")).join(":");
        writeln!(
            out,
            "{:<16} 0x{ETHERNET:<10x}0x{flags:<10x}{mac}     *        {}",
            format!("{address}"),
            Interface::Ethernet.name()
        )?;
    }
    Ok(())
}
