//! Neighbor Discovery (RFC 4861) and the addresses that hosts make themselves (RFC 4862): the side of the stack.

mod advertised;
mod groups;
mod host;
mod message;
#[cfg(test)]
mod tests;

pub(crate) use groups::own as own_groups;
pub(crate) use host::Host;

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};
use core::sync::atomic::Ordering;

use smoltcp::wire::{Icmpv6Message, Icmpv6Packet, NdiscNeighborFlags, NdiscOption, NdiscOptionType};

use crate::dhcpv6;
use crate::environment::Event;
use crate::header::Header;
use crate::ip::{ALL_NODES, ALL_ROUTERS, Datagram, Outgoing, OwnAddress, Told, protocol, solicited_node};
use crate::stack::Stack;
use host::Step;
use message::Advertisement;

/// What messages must have: no router lets a packet with it through (RFC 4861 section 3.1).
const HOP_LIMIT: u8 = 255;

type Options<'a> = [NdiscOption<&'a [u8]>];

/// Takes a router's question for the groups that are listened to.
pub(crate) fn receive_query(stack: &Stack, datagram: &Datagram<'_>, message: &[u8]) {
    if !datagram.is_loopback && stack.ndp.lock().is_enabled() {
        groups::asked(stack, datagram, message);
    }
}

/// Takes a message of Neighbor Discovery.
pub(crate) fn receive(stack: &Stack, datagram: &Datagram<'_>, message: &Icmpv6Packet<&[u8]>) {
    let (IpAddr::V6(source), IpAddr::V6(destination)) = (datagram.source, datagram.destination) else {
        return;
    };
    // Fragments are refused as RFC 6980 asks.
    let is_sound = datagram.ttl == HOP_LIMIT && message.msg_code() == 0 && !datagram.is_reassembled;
    if !is_sound || datagram.is_loopback || !stack.ndp.lock().is_enabled() {
        return;
    }
    let Some(options) = message::options(message) else {
        return;
    };
    match message.msg_type() {
        Icmpv6Message::NeighborSolicit => solicited(stack, (source, destination), message, &options),
        Icmpv6Message::NeighborAdvert => neighbour_advertised(stack, destination, message, &options),
        Icmpv6Message::RouterAdvert if source.is_unicast_link_local() => {
            router_advertised(stack, source, message, &options);
        }
        _ => {}
    }
}

/// Somebody asks for the hardware address of one of our addresses, or whether somebody has the one that he would like.
fn solicited(
    stack: &Stack,
    (source, destination): (Ipv6Addr, Ipv6Addr),
    message: &Icmpv6Packet<&[u8]>,
    options: &Options<'_>,
) {
    let target = message.target_addr();
    let hardware = message::hardware_address(options, NdiscOptionType::SourceLinkLayerAddr);
    let is_probe = source.is_unspecified();
    if target.is_multicast() || (is_probe && (destination != solicited_node(target) || hardware.is_some())) {
        return;
    }
    if is_probe {
        change(stack, |host| host.claimed(target));
    }
    let own = stack
        .routes
        .lock()
        .own(target.into())
        .filter(|own| own.is_usable())
        .copied();
    let Some(own) = own else { return };
    if let Some(mac) = hardware {
        let told = Told {
            mac,
            creates: true,
            confirms: false,
            overrides: true,
        };
        stack.learn_neighbour(source.into(), told);
    }
    let (to, mut flags) = if is_probe {
        (ALL_NODES, NdiscNeighborFlags::empty())
    } else {
        (source, NdiscNeighborFlags::SOLICITED)
    };
    flags.set(NdiscNeighborFlags::OVERRIDE, !own.is_tentative());
    let hardware = Some((NdiscOptionType::TargetLinkLayerAddr, stack.mac));
    let header = message::encode(Icmpv6Message::NeighborAdvert, Some((target, flags)), hardware);
    send(stack, header, target, to);
}

/// A neighbour tells its hardware address.
fn neighbour_advertised(stack: &Stack, destination: Ipv6Addr, message: &Icmpv6Packet<&[u8]>, options: &Options<'_>) {
    let target = message.target_addr();
    let flags = message.neighbor_flags();
    let is_solicited = flags.contains(NdiscNeighborFlags::SOLICITED);
    if target.is_multicast() || (destination.is_multicast() && is_solicited) {
        return;
    }
    change(stack, |host| host.claimed(target));
    if let Some(mac) = message::hardware_address(options, NdiscOptionType::TargetLinkLayerAddr) {
        let told = Told {
            mac,
            creates: false,
            confirms: is_solicited,
            overrides: flags.contains(NdiscNeighborFlags::OVERRIDE),
        };
        stack.learn_neighbour(target.into(), told);
    }
}

fn router_advertised(stack: &Stack, source: Ipv6Addr, message: &Icmpv6Packet<&[u8]>, options: &Options<'_>) {
    if let Some(mac) = message::hardware_address(options, NdiscOptionType::SourceLinkLayerAddr) {
        let told = Told {
            mac,
            creates: true,
            confirms: false,
            overrides: true,
        };
        stack.learn_neighbour(source.into(), told);
    }
    let advertisement = Advertisement::parse(message, options);
    if let Some(mtu) = advertisement.mtu {
        let mtu = usize::try_from(mtu).unwrap_or(usize::MAX);
        stack.advertised_mtu.store(mtu, Ordering::Relaxed);
    }
    if advertisement.hop_limit > 0 {
        stack.hops_ipv6.store(advertisement.hop_limit, Ordering::Relaxed);
    }
    change(stack, |host| host.advertised(source, &advertisement, stack.now()));
    dhcpv6::advertised(stack, advertisement.is_managed, advertisement.has_other);
}

/// A server leases an address, for these numbers of seconds.
pub(crate) fn leased(stack: &Stack, address: Ipv6Addr, preferred: u32, valid: u32) {
    change(stack, |host| host.leased(address, preferred, valid, stack.now()));
}

/// Somebody tells name servers, each for a number of seconds.
pub(crate) fn told_name_servers(stack: &Stack, servers: &[(Ipv6Addr, u32)]) {
    change(stack, |host| host.told_name_servers(servers, stack.now()));
}

/// Changes what the host knows, and does what follows.
fn change(stack: &Stack, change: impl FnOnce(&mut Host) -> Vec<Step>) {
    let steps = {
        let mut host = stack.ndp.lock();
        let steps = change(&mut host);
        stack.wake_at(host.deadline());
        steps
    };
    perform(stack, steps);
}

/// Does what is due.
pub(crate) fn run_timer(stack: &Stack, now: u64) {
    change(stack, |host| host.run(now));
}

/// A neighbour does not answer any more.
pub(crate) fn lost(stack: &Stack, address: Ipv6Addr) {
    change(stack, |host| host.lost(address));
}

/// Makes the routes what the host knows.
pub(crate) fn publish(stack: &Stack) {
    // Under both locks, so that what is newer is not overwritten.
    let host = stack.ndp.lock();
    let (addresses, routes) = host.snapshot();
    stack.replace_routes(false, &addresses, &routes);
}

fn perform(stack: &Stack, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Probe(address) => {
                groups::join(stack, address);
                let header = message::encode(
                    Icmpv6Message::NeighborSolicit,
                    Some((address, NdiscNeighborFlags::empty())),
                    None,
                );
                send(stack, header, Ipv6Addr::UNSPECIFIED, solicited_node(address));
            }
            Step::SolicitRouters => {
                let (source, is_settled) = stack.ndp.lock().link_local().unwrap_or((Ipv6Addr::UNSPECIFIED, false));
                let hardware = is_settled.then_some((NdiscOptionType::SourceLinkLayerAddr, stack.mac));
                let header = message::encode(Icmpv6Message::RouterSolicit, None, hardware);
                send(stack, header, source, ALL_ROUTERS);
            }
            Step::Changed => publish(stack),
            Step::Ready(address) => {
                let gateway = stack.ndp.lock().router();
                stack.event(Event::ConfiguredIpv6 { address, gateway });
            }
            Step::NameServers => {
                let servers = stack.ndp.lock().name_servers();
                stack.event(Event::NameServersIpv6(&servers));
            }
            Step::Duplicate(address) => stack.event(Event::Duplicate(address)),
        }
    }
}

impl Stack {
    /// Asks who has `address`; a neighbour whose hardware address was `known`, whether it is still there.
    pub(crate) fn solicit_neighbour(&self, address: Ipv6Addr, known: Option<[u8; 6]>) {
        let routes = self.routes.lock();
        let Ok(IpAddr::V6(source)) = routes.source_to_neighbour(address.into()) else {
            return;
        };
        // Who could have the address of somebody else tells no neighbour to use it (RFC 4429 section 3.2): the question is put again later.
        if routes.own(source.into()).is_none_or(OwnAddress::is_tentative) {
            return;
        }
        drop(routes);
        let header = message::encode(
            Icmpv6Message::NeighborSolicit,
            Some((address, NdiscNeighborFlags::empty())),
            Some((NdiscOptionType::SourceLinkLayerAddr, self.mac)),
        );
        match known {
            Some(_) => send(self, header, source, address),
            None => send(self, header, source, solicited_node(address)),
        }
    }
}

/// Sends a message, which is lost when the device is full: it is sent again in time.
fn send(stack: &Stack, header: Header, source: Ipv6Addr, destination: Ipv6Addr) {
    let outgoing = Outgoing {
        source: source.into(),
        destination: destination.into(),
        protocol: protocol::ICMPV6,
        ttl: HOP_LIMIT,
        tos: 0,
        dont_fragment: true,
        checksum_at: Some(message::CHECKSUM_AT),
        segment_size: None,
        payload: &[],
    };
    let _ = stack.send_on_link(header, &outgoing);
}
