//! Packets of IPv6 that no honest neighbour sends, and those that only a router does.

use std::net::Ipv6Addr;

use abi::net::{IPV6_MTU, SOL_IPV6, SOL_TCP, TCP_MAXSEG};
use file::{File, Readiness};
use net::{Capabilities, SocketFile};
use proptest::prelude::*;

use crate::link::{Faults, MILLISECOND, World, checksum, link_local};
use crate::support::{AF_INET6, Blocking, DATAGRAM, inet6};
use crate::transfer::{connect, meet};

const MINUTE: u64 = 60_000 * MILLISECOND;
const ICMPV6: u8 = 58;
const UDP: u8 = 17;
const FRAGMENT: u8 = 44;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

fn world() -> World {
    let world = World::speaking(true, 5, Faults::default(), Capabilities::default(), 4 << 20);
    meet(&world);
    world
}

/// A frame with a packet for stack 1.
fn packet(next: u8, hop_limit: u8, source: Ipv6Addr, destination: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0, 0];
    if destination.is_multicast() {
        frame[..6].copy_from_slice(&[0x33, 0x33, 0, 0, 0, 1]);
    }
    frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    frame.extend_from_slice(&[next, hop_limit]);
    frame.extend_from_slice(&source.octets());
    frame.extend_from_slice(&destination.octets());
    frame.extend_from_slice(payload);
    frame
}

fn summed(next: u8, at: usize, source: Ipv6Addr, destination: Ipv6Addr, mut payload: Vec<u8>) -> Vec<u8> {
    let mut all = [source.octets(), destination.octets()].concat();
    all.extend_from_slice(&[0, 0, (payload.len() >> 8) as u8, payload.len() as u8, 0, 0, 0, next]);
    all.extend_from_slice(&payload);
    payload[at..at + 2].copy_from_slice(&checksum(&all));
    payload
}

/// A message of `ICMPv6` with a right checksum.
fn message(hop_limit: u8, source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let message = summed(ICMPV6, 2, source, destination, message.to_vec());
    packet(ICMPV6, hop_limit, source, destination, &message)
}

/// A router advertisement of `2001:db8::/64`.
fn advertisement() -> Vec<u8> {
    let mut bytes = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(&[3, 4, 64, 0xc0, 0, 0, 14, 16, 0, 0, 14, 16, 0, 0, 0, 0]);
    bytes.extend_from_slice(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

fn too_big(mtu: u32, quoted: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0];
    bytes.extend_from_slice(&mtu.to_be_bytes());
    bytes.extend_from_slice(quoted);
    message(64, link_local(0), link_local(1), &bytes)
}

fn port(socket: &SocketFile) -> u16 {
    match socket.local() {
        net::Address::Inet6(_, port, _) => port,
        other => panic!("{other:?}"),
    }
}

fn number(socket: &SocketFile, level: u32, name: u32) -> u32 {
    let value = socket.option(level, name).expect("an option");
    u32::from_ne_bytes(value.try_into().expect("four bytes"))
}

#[test]
fn only_neighbours_that_are_routers_are_believed() {
    let router = link_local(0);
    let sound = |hop_limit, source, bytes: &[u8]| message(hop_limit, source, ALL_NODES, bytes);
    let advertisement = advertisement();
    let far: Ipv6Addr = "2001:db8:1::1".parse().expect("an address");
    let mut wrong_code = advertisement.clone();
    wrong_code[1] = 1;
    let mut wrong_checksum = sound(255, router, &advertisement);
    wrong_checksum[14 + 40 + 2] ^= 1;
    let whole = summed(ICMPV6, 2, router, ALL_NODES, advertisement.clone());
    let fragment = |offset: u16, more: u16, part: &[u8]| {
        let mut bytes = vec![ICMPV6, 0];
        bytes.extend_from_slice(&(offset | more).to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 9]);
        bytes.extend_from_slice(part);
        packet(FRAGMENT, 255, router, ALL_NODES, &bytes)
    };
    let refused = [
        vec![sound(254, router, &advertisement)],
        vec![sound(255, far, &advertisement)],
        vec![sound(255, router, &wrong_code)],
        vec![sound(255, router, &advertisement[..40])],
        vec![wrong_checksum],
        vec![fragment(0, 1, &whole[..24]), fragment(24, 0, &whole[24..])],
    ];
    for (index, frames) in refused.into_iter().enumerate() {
        let world = world();
        for frame in frames {
            world.inject(1, frame);
        }
        world.step(MILLISECOND);
        assert_eq!(world.stacks[1].own_ipv6(), None, "case {index}");
    }
    let world = world();
    world.inject(1, sound(255, router, &advertisement));
    world.step(MILLISECOND);
    let own: Ipv6Addr = "2001:db8::ff:fe00:2".parse().expect("an address");
    assert_eq!(world.stacks[1].own_ipv6(), Some(own));
    // Another machine says that it has the address: it is not used any more.
    let mut claim = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    claim.extend_from_slice(&own.octets());
    claim.extend_from_slice(&[2, 1, 2, 0, 0, 0, 0, 9]);
    world.inject(1, message(255, link_local(8), ALL_NODES, &claim));
    world.step(MILLISECOND);
    assert_eq!(world.stacks[1].own_ipv6(), None);
}

#[test]
fn a_packet_that_is_too_big_for_the_path_makes_those_that_follow_smaller() {
    let world = world();
    let socket = Blocking::new(&world.stacks[1], AF_INET6, DATAGRAM);
    socket
        .0
        .connect(&net::Destination::Address(inet6(link_local(0), 53)))
        .expect("an address");
    let mtu = || number(&socket.0, SOL_IPV6, IPV6_MTU);
    assert_eq!(mtu(), 1500);
    let mut quoted = packet(UDP, 64, link_local(1), link_local(0), &[0; 16])[14..].to_vec();
    quoted[40..42].copy_from_slice(&port(&socket.0).to_be_bytes());
    quoted[42..44].copy_from_slice(&53u16.to_be_bytes());
    world.inject(1, too_big(1279, &quoted));
    world.step(MILLISECOND);
    assert_eq!(mtu(), 1500, "every link carries more");
    world.inject(1, too_big(1300, &quoted));
    world.step(MILLISECOND);
    assert_eq!(mtu(), 1300);

    let server = Blocking::new(&world.stacks[0], AF_INET6, DATAGRAM);
    server
        .0
        .bind(&inet6(Ipv6Addr::UNSPECIFIED, 53))
        .expect("the port is free");
    let before = world.frames();
    socket.send(&[7; 1400]).expect("it leaves");
    world.run_until(MINUTE, |_| server.0.readiness().contains(Readiness::IN));
    assert_eq!(world.frames() - before, 2, "in two fragments");
    assert_eq!(server.receive(&mut [0; 2000]), Ok(1400));
}

#[test]
fn routers_make_packets_shorter_and_never_longer() {
    let advertised = |mtu: u32| {
        let mut bytes = advertisement();
        bytes.extend_from_slice(&[5, 1, 0, 0]);
        bytes.extend_from_slice(&mtu.to_be_bytes());
        message(255, link_local(0), ALL_NODES, &bytes)
    };
    for own in [1500, 9001] {
        let world = World::carrying(own, true, 5, Faults::default(), Capabilities::default(), 4 << 20);
        meet(&world);
        let socket = Blocking::new(&world.stacks[1], AF_INET6, DATAGRAM);
        socket
            .0
            .connect(&net::Destination::Address(inet6(link_local(0), 53)))
            .expect("an address");
        for (said, used) in [
            (1300, 1300),
            (1279, own as u32),
            (1280, 1280),
            (9002, own as u32),
            (u32::MAX, own as u32),
        ] {
            world.inject(1, advertised(said));
            world.step(MILLISECOND);
            assert_eq!(
                number(&socket.0, SOL_IPV6, IPV6_MTU),
                used,
                "of {own} bytes, and {said} advertised"
            );
        }
    }
}

#[test]
fn a_connection_fits_its_path() {
    let world = world();
    let (client, server) = connect(&world, MINUTE);
    let mss = || number(&server, SOL_TCP, TCP_MAXSEG);
    let before = mss();
    let mut quoted = packet(6, 64, link_local(1), link_local(0), &[0; 20])[14..].to_vec();
    quoted[40..42].copy_from_slice(&80u16.to_be_bytes());
    quoted[42..44].copy_from_slice(&port(&client).to_be_bytes());
    world.inject(1, too_big(1300, &quoted));
    world.step(MILLISECOND);
    assert_eq!(mss(), before, "no segment of ours has that number");
    // Its first one is unanswered until the clock moves.
    Blocking(server.clone()).send(&[7; 10_000]).expect("there is room");
    let sent = world.last_sequence();
    quoted[44..48].copy_from_slice(&sent.to_be_bytes());
    for (mtu, less) in [(1499, 1), (1300, 200)] {
        world.inject(1, too_big(mtu, &quoted));
        world.step(0);
        assert_eq!(before - mss(), less);
    }
    let mut arrived = 0;
    let mut buffer = [0; 10_000];
    world.run_until(MINUTE, |_| {
        if client.readiness().contains(Readiness::IN) {
            arrived += Blocking(client.clone()).receive(&mut buffer).expect("it is there");
        }
        arrived == 10_000
    });
}

#[test]
fn a_router_that_asks_hears_which_groups_are_listened_to() {
    let world = world();
    let query = |group: Ipv6Addr| {
        let mut bytes = vec![130, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(&group.octets());
        bytes.extend_from_slice(&[0; 4]);
        message(1, link_local(0), ALL_NODES, &bytes)
    };
    let own: Ipv6Addr = "ff02::1:ff00:2".parse().expect("an address");
    for (group, answers) in [(Ipv6Addr::UNSPECIFIED, 1), (own, 1), (ALL_NODES, 0)] {
        let before = world.frames();
        world.inject(1, query(group));
        world.step(0);
        assert_eq!(world.frames() - before, answers, "asked for {group}");
    }
}

proptest! {
    #[test]
    fn any_packets_are_taken_without_a_panic(
        packets: Vec<(u8, u8, bool, Vec<u8>)>, messages: Vec<(u8, u8, Vec<u8>)>,
        fragments: Vec<(u16, u8, u8, Vec<u8>)>,
    ) {
        let world = World::speaking(true, 5, Faults::default(), Capabilities::default(), 4 << 20);
        let listener = Blocking::listen_dual(&world.stacks[1], 80);
        for (next, hop_limit, to_all, payload) in packets {
            let next = [0, 6, 17, 43, 44, 58, 59, 60, next][usize::from(next) % 9];
            let destination = if to_all { ALL_NODES } else { link_local(1) };
            world.inject(1, packet(next, hop_limit, link_local(0), destination, &payload));
        }
        for (kind, at, payload) in messages {
            // A sound message, of which one byte is another.
            let mut bytes = match kind % 4 {
                0 => advertisement(),
                1 => [&[135, 0, 0, 0, 0, 0, 0, 0], &link_local(1).octets()[..], &[1, 1, 2, 0, 0, 0, 0, 1]].concat(),
                2 => [&[136, 0, 0, 0, 0x60, 0, 0, 0], &link_local(0).octets()[..], &[2, 1, 2, 0, 0, 0, 0, 1]].concat(),
                _ => vec![kind, 0, 0, 0, 0, 0, 5, 0],
            };
            let at = usize::from(at) % bytes.len();
            bytes[at] ^= payload.first().copied().unwrap_or(0);
            bytes.extend_from_slice(payload.get(1..).unwrap_or_default());
            world.inject(1, message(255, link_local(0), link_local(1), &bytes));
        }
        for (offset, ident, next, payload) in fragments {
            let mut bytes = vec![[6, 17, 58, 60][usize::from(next) % 4], 0];
            bytes.extend_from_slice(&(offset & 0x00f9).to_be_bytes());
            bytes.extend_from_slice(&[0, 0, 0, ident % 4]);
            bytes.extend_from_slice(&payload[..payload.len() & !7]);
            world.inject(1, packet(FRAGMENT, 64, link_local(0), link_local(1), &bytes));
        }
        for _ in 0..10 {
            world.step(100 * MILLISECOND);
        }
        drop(listener);
    }
}
