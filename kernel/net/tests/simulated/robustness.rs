use std::sync::Arc;

use file::{File, Readiness};
use net::{Capabilities, SocketFile};
use proptest::prelude::*;

use crate::link::{Faults, MILLISECOND, World, address};
use crate::support::{AF_INET, Blocking, DATAGRAM, inet};
use crate::transfer::connect;

const MINUTE: u64 = 60_000 * MILLISECOND;

fn world() -> World {
    World::new(5, Faults::default(), Capabilities::default(), 4 << 20)
}

/// An Ethernet frame with an IPv4 packet for stack 1 whose header is right.
fn ipv4(protocol: u8, source: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let mut header = vec![0x45, 0];
    header.extend_from_slice(&(20 + payload.len() as u16).to_be_bytes());
    header.extend_from_slice(&[0, 1, 0, 0, 64, protocol, 0, 0]);
    header.extend_from_slice(&source);
    header.extend_from_slice(&address(1));
    let checksum = checksum(&header, 0);
    header[10..12].copy_from_slice(&checksum);
    frame.extend_from_slice(&header);
    frame.extend_from_slice(payload);
    frame
}

fn checksum(bytes: &[u8], initial: u32) -> [u8; 2] {
    let mut sum = bytes.chunks(2).fold(initial, |sum, pair| {
        sum + u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))
    });
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// A TCP segment to port 80 of stack 1, with a right checksum.
fn tcp(source: [u8; 4], port: u16, sequence: u32, acknowledgement: u32, flags: u8, options: &[u8]) -> Vec<u8> {
    let mut segment = port.to_be_bytes().to_vec();
    segment.extend_from_slice(&80u16.to_be_bytes());
    segment.extend_from_slice(&sequence.to_be_bytes());
    segment.extend_from_slice(&acknowledgement.to_be_bytes());
    segment.extend_from_slice(&[(5 + options.len() as u8 / 4) << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend_from_slice(options);
    let word = |bytes: &[u8]| {
        u32::from(u16::from_be_bytes([bytes[0], bytes[1]])) + u32::from(u16::from_be_bytes([bytes[2], bytes[3]]))
    };
    let pseudo = word(&source) + word(&address(1)) + 6 + segment.len() as u32;
    let checksum = checksum(&segment, pseudo);
    segment[16..18].copy_from_slice(&checksum);
    ipv4(6, source, &segment)
}

proptest! {
    #[test]
    fn any_frames_are_taken_without_a_panic(frames: Vec<Vec<u8>>, protocols: Vec<(u8, Vec<u8>)>) {
        let world = world();
        let _listener = Blocking::listen(&world.stacks[1], 80);
        for frame in frames {
            world.inject(1, frame);
        }
        for (protocol, payload) in protocols {
            world.inject(1, ipv4([1, 6, 17][usize::from(protocol) % 3], address(0), &payload));
        }
        for _ in 0..10 {
            world.step(100 * MILLISECOND);
        }
    }

    #[test]
    fn a_connection_survives_strange_segments(segments: Vec<(u32, u32, u8, Vec<u8>)>) {
        let world = world();
        let (client, server) = connect(&world, MINUTE);
        let port = local_port(&client);
        for (sequence, acknowledgement, flags, mut options) in segments {
            options.truncate(40);
            options.resize(options.len().next_multiple_of(4), 0);
            world.inject(1, tcp(address(0), port, sequence, acknowledgement, flags, &options));
            world.step(10 * MILLISECOND);
        }
        // A blind attacker's guesses end no connection, but for one in four billion that is exactly right.
        prop_assert!(!server.readiness().contains(Readiness::ERR));
        Blocking(client).send_all(b"still here").expect("it is open");
        world.run_until(MINUTE, |_| server.readiness().contains(Readiness::IN));
        let mut buffer = [0; 32];
        let count = Blocking(server).receive(&mut buffer).expect("it arrived");
        prop_assert_eq!(&buffer[..count], b"still here");
    }
}

fn local_port(socket: &Arc<SocketFile>) -> u16 {
    match socket.local() {
        net::Address::Inet(_, port) => port,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_flood_of_syns_takes_little_memory_and_leaves_others_their_turn() {
    let world = world();
    let listener = Blocking::listen(&world.stacks[1], 80).0;
    for number in 0..20_000u32 {
        let source = [10, 0, 0, 100 + (number % 100) as u8];
        world.inject(
            1,
            tcp(source, 1024 + (number / 100) as u16, number, 0, 0x02, &[2, 4, 5, 0xb4]),
        );
        if number % 100 == 0 {
            world.step(0);
        }
    }
    world.step(0);
    assert!(
        world.stacks[1].connections() <= 1024,
        "{} connections",
        world.stacks[1].connections()
    );
    let client = Blocking::new(&world.stacks[0], AF_INET, crate::support::STREAM).0;
    let _ = client.connect(&net::Destination::Address(inet(address(1), 80)));
    world.run_until(MINUTE, |_| client.connected().is_ok());
    Blocking(client.clone()).send_all(b"hello").expect("it is open");
    let mut server = None;
    world.run_until(MINUTE, |_| {
        server = server.take().or_else(|| listener.accept().ok());
        server
            .as_ref()
            .is_some_and(|(server, _)| server.readiness().contains(Readiness::IN))
    });
    let mut buffer = [0; 32];
    let count = Blocking(server.expect("it was accepted").0)
        .receive(&mut buffer)
        .expect("it arrived");
    assert_eq!(&buffer[..count], b"hello");
}

/// So many clients of a server that have asked for a connection, a tenth of a second ago.
fn clients(world: &World, count: usize) -> Vec<Arc<SocketFile>> {
    let clients = (0..count)
        .map(|_| {
            let client = Blocking::new(&world.stacks[0], AF_INET, crate::support::STREAM).0;
            let _ = client.connect(&net::Destination::Address(inet(address(1), 80)));
            client
        })
        .collect();
    for _ in 0..100 {
        world.step(MILLISECOND);
    }
    clients
}

#[test]
fn a_full_backlog_lets_the_client_wait() {
    let world = world();
    let listener = Blocking::new(&world.stacks[1], AF_INET, crate::support::STREAM).0;
    listener.bind(&inet([0, 0, 0, 0], 80)).expect("the port is free");
    listener.listen(1).expect("a bound socket listens");
    let clients = clients(&world, 4);
    let mut accepted = Vec::new();
    world.run_until(MINUTE, |_| {
        accepted.extend(listener.accept().ok());
        accepted.len() == 4
    });
    assert!(clients.iter().all(|client| client.connected().is_ok()));
}

/// Who gets a cookie while the queue has places, and comes when it has none.
#[test]
fn a_full_backlog_keeps_nothing_of_those_that_come_too_late() {
    const SILENT: usize = 16;
    const QUEUED: usize = 2;
    let world = world();
    let listener = Blocking::new(&world.stacks[1], AF_INET, crate::support::STREAM).0;
    listener.bind(&inet([0, 0, 0, 0], 80)).expect("the port is free");
    listener.listen(QUEUED as i32 - 1).expect("a bound socket listens");
    for number in 0..SILENT {
        let source = [10, 0, 0, 100];
        world.inject(1, tcp(source, 1024 + number as u16, 1, 0, 0x02, &[2, 4, 5, 0xb4]));
    }
    world.step(0);
    let clients = clients(&world, 10);
    let connected = clients.iter().filter(|client| client.connected().is_ok()).count();
    assert!(connected > QUEUED, "{connected} have come");
    assert_eq!(world.stacks[1].connections(), SILENT + QUEUED);
}

#[test]
fn loopback_needs_no_device() {
    let stack = net::Stack::new(
        Arc::new(crate::support::RealEnvironment::default()),
        None,
        net::Configuration::default(),
    );
    let server = Blocking::new(&stack, AF_INET, DATAGRAM);
    server.0.bind(&inet([127, 0, 0, 1], 53)).expect("the port is free");
    let client = Blocking::new(&stack, AF_INET, DATAGRAM);
    client.send_to(b"query", inet([127, 0, 0, 1], 53)).expect("it is there");
    let mut buffer = [0; 16];
    assert_eq!(server.receive(&mut buffer), Ok(5));
    let nobody = Blocking::new(&stack, AF_INET, DATAGRAM);
    nobody.connect(inet([127, 0, 0, 1], 54)).expect("an address");
    nobody.send(b"query").expect("it leaves");
    assert_eq!(nobody.receive(&mut buffer), Err(abi::Errno::CONNREFUSED));
    let away = Blocking::new(&stack, AF_INET, DATAGRAM);
    assert_eq!(
        away.send_to(b"query", inet([10, 0, 0, 1], 53)),
        Err(abi::Errno::NETUNREACH)
    );
}
