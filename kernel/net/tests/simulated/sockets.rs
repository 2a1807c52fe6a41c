//! Sockets over the loopback interface: names, families, sharing of ports, options.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use abi::Errno;
use abi::net as linux;
use file::{BytesSink, File, Readiness};
use net::{Address, Capabilities, Configuration, Control, Environment, Event, MessageFlags, Stack};

use crate::link::{Faults, MILLISECOND, World, address};
use crate::support::{AF_INET, AF_INET6, Blocking, DATAGRAM, RealEnvironment, STREAM, inet};

fn stack() -> Arc<Stack> {
    Stack::new(Arc::new(RealEnvironment::default()), None, Configuration::default())
}

fn inet6(address: &str, port: u16) -> Address {
    Address::Inet6(address.parse().expect("an address"), port, 0)
}

fn on() -> [u8; 4] {
    1u32.to_ne_bytes()
}

#[test]
fn an_ipv6_wildcard_serves_both_families() {
    let stack = stack();
    let server = Blocking::new(&stack, AF_INET6, STREAM);
    server.0.bind(&inet6("::", 80)).expect("the port is free");
    server.0.listen(8).expect("a bound socket listens");
    let old = Blocking::new(&stack, AF_INET, STREAM);
    old.connect(inet([127, 0, 0, 1], 80)).expect("it listens");
    let (accepted, peer) = server.0.accept().expect("it waits");
    assert!(matches!(peer, Address::Inet6(address, _, 0) if address.to_ipv4_mapped() == Some([127, 0, 0, 1].into())));
    assert_eq!(accepted.local(), inet6("::ffff:127.0.0.1", 80));
    let new = Blocking::new(&stack, AF_INET6, STREAM);
    new.connect(inet6("::1", 80)).expect("it listens");
    let accepted = server.accept().expect("it waits");
    new.send_all(b"over IPv6").expect("it is open");
    let mut buffer = [0; 32];
    assert_eq!(accepted.receive(&mut buffer), Ok(9));
    assert_eq!(new.0.peer(), Ok(inet6("::1", 80)));
    // An IPv4 socket of its own is in the way only without IPV6_V6ONLY.
    let other = Blocking::new(&stack, AF_INET, STREAM);
    assert_eq!(other.0.bind(&inet([0, 0, 0, 0], 80)), Err(Errno::ADDRINUSE));
    let only = Blocking::new(&stack, AF_INET6, STREAM);
    only.0
        .set_option(linux::SOL_IPV6, linux::IPV6_V6ONLY, &on())
        .expect("an option");
    only.0.bind(&inet6("::", 81)).expect("the port is free");
    other.0.bind(&inet([0, 0, 0, 0], 81)).expect("the families are apart");
}

#[test]
fn ports_are_shared_as_on_linux() {
    let stack = stack();
    let bound = |port: u16, options: &[u32], listen: bool| {
        let socket = Blocking::new(&stack, AF_INET, STREAM);
        for option in options {
            socket
                .0
                .set_option(linux::SOL_SOCKET, *option, &on())
                .expect("an option");
        }
        socket.0.bind(&inet([0, 0, 0, 0], port))?;
        if listen {
            socket.0.listen(8)?;
        }
        Ok(socket)
    };
    let taken = |result: Result<Blocking, Errno>| result.err() == Some(Errno::ADDRINUSE);
    let first = bound(80, &[linux::SO_REUSEADDR], true).expect("the port is free");
    assert!(taken(bound(80, &[linux::SO_REUSEADDR], true)), "somebody listens");
    first.close();
    bound(80, &[], true).expect("it is free again").close();
    let _one = bound(81, &[linux::SO_REUSEPORT], true).expect("the port is free");
    let _two = bound(81, &[linux::SO_REUSEPORT], true).expect("both share");
    assert!(taken(bound(81, &[linux::SO_REUSEADDR], false)));
    let any = bound(0, &[], true).expect("some port is free");
    assert!(matches!(any.0.local(), Address::Inet(_, 32768..=60999)));
    let away = Blocking::new(&stack, AF_INET, STREAM);
    assert_eq!(away.0.bind(&inet([10, 9, 8, 7], 80)), Err(Errno::ADDRNOTAVAIL));
}

#[test]
fn a_connection_tells_its_state_by_readiness() {
    let stack = stack();
    let idle = Blocking::new(&stack, AF_INET, STREAM);
    assert_eq!(idle.0.readiness(), Readiness::OUT | Readiness::WRNORM | Readiness::HUP);
    assert_eq!(idle.send(b"x"), Err(Errno::PIPE));
    assert_eq!(idle.receive(&mut [0; 1]), Err(Errno::NOTCONN));
    let server = Blocking::listen(&stack, 80);
    let client = Blocking::new(&stack, AF_INET, STREAM);
    client.connect(inet([127, 0, 0, 1], 80)).expect("it listens");
    assert_eq!(server.0.readiness(), Readiness::IN | Readiness::RDNORM);
    let accepted = server.accept().expect("it waits");
    assert_eq!(accepted.0.readiness(), Readiness::OUT | Readiness::WRNORM);
    client.send_all(b"request").expect("it is open");
    assert!(accepted.0.readiness().contains(Readiness::IN));
    let mut buffer = [0; 32];
    let mut sink = file::BytesSink::new(&mut buffer);
    assert_eq!(
        accepted
            .0
            .receive(&mut sink, MessageFlags::PEEK)
            .expect("it is there")
            .length,
        7
    );
    assert_eq!(accepted.receive(&mut buffer), Ok(7));
    client.0.shutdown(net::Shutdown::Write).expect("it is open");
    assert!(
        accepted
            .0
            .readiness()
            .contains(Readiness::IN | Readiness::RDHUP | Readiness::OUT)
    );
    assert_eq!(accepted.receive(&mut buffer), Ok(0));
    assert_eq!(client.connect(inet([127, 0, 0, 1], 80)), Err(Errno::ISCONN));
    accepted.close();
    assert!(client.0.readiness().contains(Readiness::HUP | Readiness::RDHUP));
}

#[test]
fn options_read_back_as_linux_has_them() {
    let stack = stack();
    let socket = Blocking::new(&stack, AF_INET, STREAM).0;
    let get = |level, name| {
        socket
            .option(level, name)
            .map(|value| u32::from_ne_bytes(value[..4].try_into().expect("four bytes")))
    };
    let set = |level, name, value: u32| socket.set_option(level, name, &value.to_ne_bytes());
    assert_eq!(get(linux::SOL_SOCKET, linux::SO_TYPE), Ok(1));
    assert_eq!(get(linux::SOL_SOCKET, linux::SO_DOMAIN), Ok(2));
    assert_eq!(get(linux::SOL_SOCKET, linux::SO_PROTOCOL), Ok(6));
    set(linux::SOL_SOCKET, linux::SO_RCVBUF, 10_000).expect("an option");
    assert_eq!(get(linux::SOL_SOCKET, linux::SO_RCVBUF), Ok(20_000));
    set(linux::SOL_TCP, linux::TCP_NODELAY, 1).expect("an option");
    assert_eq!(get(linux::SOL_TCP, linux::TCP_NODELAY), Ok(1));
    set(linux::SOL_TCP, linux::TCP_FASTOPEN, 9999).expect("an option");
    assert_eq!(get(linux::SOL_TCP, linux::TCP_FASTOPEN), Ok(4096));
    assert_eq!(
        set(linux::SOL_TCP, linux::TCP_FASTOPEN_CONNECT, 1),
        Err(Errno::OPNOTSUPP)
    );
    assert_eq!(set(linux::SOL_TCP, linux::TCP_KEEPCNT, 0), Err(Errno::INVAL));
    assert_eq!(set(linux::SOL_IPV6, linux::IPV6_V6ONLY, 1), Err(Errno::NOPROTOOPT));
    assert_eq!(set(99, 1, 1), Err(Errno::NOPROTOOPT));
    assert_eq!(
        socket.set_option(linux::SOL_SOCKET, linux::SO_REUSEADDR, &[1]),
        Err(Errno::INVAL)
    );
    assert_eq!(get(linux::SOL_TCP, linux::TCP_INFO).map(|word| word & 0xff), Ok(7));
    socket.listen(5).expect("an unbound socket gets a port");
    assert_eq!(get(linux::SOL_SOCKET, linux::SO_ACCEPTCONN), Ok(1));
    assert_eq!(get(linux::SOL_TCP, linux::TCP_INFO).map(|word| word & 0xff), Ok(10));
}

#[test]
fn a_datagram_tells_where_it_came_to() {
    let stack = stack();
    let server = Blocking::new(&stack, AF_INET, DATAGRAM);
    server.0.bind(&inet([0, 0, 0, 0], 53)).expect("the port is free");
    server
        .0
        .set_option(linux::SOL_IP, linux::IP_PKTINFO, &on())
        .expect("an option");
    server
        .0
        .set_option(linux::SOL_IP, linux::IP_RECVTTL, &on())
        .expect("an option");
    let client = Blocking::new(&stack, AF_INET, DATAGRAM);
    client.send_to(b"four", inet([127, 0, 0, 9], 53)).expect("it is there");
    let received = server.receive_message(&mut [0; 2]).expect("it arrived");
    assert_eq!(received.length, 2);
    assert!(received.flags.contains(MessageFlags::TRUNC));
    let [
        Control::PacketInfo { interface: 1, address },
        Control::TimeToLive(64, false),
    ] = received.control[..]
    else {
        panic!("{} control messages", received.control.len());
    };
    assert_eq!(address, std::net::IpAddr::from([127, 0, 0, 9]));
}

#[test]
fn udp_lite_has_ports_of_its_own_and_drops_what_is_covered_too_little() {
    const UDP_LITE: u32 = 136;
    const SEND_COVERAGE: u32 = 10;
    const LEAST_COVERAGE: u32 = 11;
    let stack = stack();
    let udp = Blocking::new(&stack, AF_INET, DATAGRAM);
    udp.0.bind(&inet([127, 0, 0, 1], 53)).expect("the port is free");
    let server = Blocking::of_protocol(&stack, AF_INET, DATAGRAM, UDP_LITE);
    server
        .0
        .bind(&inet([127, 0, 0, 1], 53))
        .expect("it is free for UDP-Lite");
    let client = Blocking::of_protocol(&stack, AF_INET, DATAGRAM, UDP_LITE);
    let set = |socket: &Blocking, name, value: i32| socket.0.set_option(UDP_LITE, name, &value.to_ne_bytes());
    assert_eq!(set(&udp, SEND_COVERAGE, 20), Err(Errno::NOPROTOOPT));
    assert_eq!(set(&client, 12, 20), Err(Errno::NOPROTOOPT));

    // Bytes covered, and the least that the server takes: 0 for all of them.
    let cases = [
        (10, None, true),
        (10, Some(10), true),
        (10, Some(11), false),
        (10, Some(0), false),
    ]
    .into_iter()
    .chain([
        (0, Some(0), true),
        (12, Some(100), true),
        (3, Some(8), true),
        (3, Some(9), false),
    ]);
    for (covered, least, arrives) in cases {
        set(&client, SEND_COVERAGE, covered).expect("an option");
        if let Some(least) = least {
            set(&server, LEAST_COVERAGE, least).expect("an option");
        }
        client.send_to(b"four", inet([127, 0, 0, 1], 53)).expect("it leaves");
        let arrived = server
            .0
            .receive(&mut BytesSink::new(&mut [0; 8]), MessageFlags::empty());
        assert_eq!(arrived.is_ok(), arrives, "{covered} bytes of {least:?}");
    }
    let value = client.0.option(UDP_LITE, SEND_COVERAGE).expect("an option");
    assert_eq!(value, 8_u32.to_ne_bytes(), "the header at least");
    assert!(
        udp.0
            .receive(&mut BytesSink::new(&mut [0; 8]), MessageFlags::empty())
            .is_err()
    );
}

#[test]
fn who_could_write_a_part_is_told_of_room() {
    let stack = stack();
    let server = Blocking::listen(&stack, 80);
    let client = Blocking::new(&stack, AF_INET, STREAM);
    client.connect(inet([127, 0, 0, 1], 80)).expect("it listens");
    let accepted = server.accept().expect("it waits");
    let mut part = vec![1; 32 << 20];
    let sent = client.send(&part).expect("some of it fits");
    assert!(sent < part.len());
    // It does not ask for more: an edge-triggered waiter takes less than all for a full buffer.
    let ticket = client.0.wait_queue().expect("sockets have one").ticket();
    let mut left = sent;
    while left > 0 {
        left -= accepted.receive(&mut part).expect("it is open");
    }
    assert_ne!(client.0.wait_queue().expect("sockets have one").ticket(), ticket);
}

/// A clock by which others go on between a look at it and the use of what it showed.
#[derive(Default)]
struct Hesitating(AtomicU64);

impl Environment for Hesitating {
    fn now(&self) -> u64 {
        let now = self.0.fetch_add(MILLISECOND, Ordering::SeqCst);
        if now.is_multiple_of(16 * MILLISECOND) {
            std::thread::sleep(Duration::from_micros(100));
        }
        now
    }

    fn random(&self, bytes: &mut [u8]) {
        RealEnvironment::default().random(bytes);
    }

    fn event(&self, _event: Event<'_>) {}
}

#[test]
fn a_connection_that_several_cpus_use_sees_no_time_go_back() {
    const ROUNDS: usize = 300;
    const BYTES: usize = 100;
    let stack = Stack::new(Arc::new(Hesitating::default()), None, Configuration::default());
    let server = Blocking::listen(&stack, 80);
    let client = Blocking::new(&stack, AF_INET, STREAM);
    client.connect(inet([127, 0, 0, 1], 80)).expect("it listens");
    let accepted = server.accept().expect("it waits");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..ROUNDS).for_each(|_| client.send_all(&[1; BYTES]).expect("it is open")));
        }
        let (mut left, mut bytes) = (3 * ROUNDS * BYTES, [0; 4096]);
        let limit = Instant::now() + Duration::from_secs(10);
        while left > 0 && Instant::now() < limit {
            let received = accepted
                .0
                .receive(&mut BytesSink::new(&mut bytes), MessageFlags::empty());
            match received {
                Ok(received) => left -= received.length,
                // Each look lets a millisecond pass: many of them, while another thread does not run, would look like a slow network.
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        assert_eq!(left, 0, "nobody sends again what was lost: no timer runs here");
    });
    let information = client.0.option(linux::SOL_TCP, linux::TCP_INFO).expect("an option");
    let field = |at: usize| u32::from_ne_bytes(information[at..at + 4].try_into().expect("four bytes"));
    let (timeout, retransmitted) = (field(8), field(100));
    assert_eq!(retransmitted, 0, "nothing was lost");
    assert!(timeout < 60_000_000, "a timeout of {timeout} microseconds");
}

/// What is sent to a group or to all comes to sockets of the same machine too, beside those of others.
#[test]
fn a_machine_hears_what_it_sends_to_a_group_or_to_all() {
    let world = World::new(1, Faults::default(), Capabilities::default(), 1 << 20);
    let member = |number: usize| {
        let socket = Blocking::new(&world.stacks[number], AF_INET, DATAGRAM);
        for name in [linux::SO_REUSEADDR, linux::SO_BROADCAST] {
            socket.0.set_option(linux::SOL_SOCKET, name, &on()).expect("an option");
        }
        socket.0.bind(&inet([0, 0, 0, 0], 5353)).expect("the port is shared");
        socket
    };
    let (one, other, away) = (member(0), member(0), member(1));
    let hears = |socket: &Blocking| {
        let mut buffer = [0; 8];
        let received = socket
            .0
            .receive(&mut BytesSink::new(&mut buffer), MessageFlags::empty());
        received.is_ok_and(|received| received.address == Some(inet(address(0), 5353)))
    };
    let send_to = |to: [u8; 4]| {
        one.send_to(b"to all", inet(to, 5353)).expect("there is a way");
        world.run_until(100 * MILLISECOND, |_| hears(&away));
        [hears(&one), hears(&other)]
    };
    assert_eq!(send_to([224, 0, 0, 251]), [true, true]);
    assert_eq!(send_to([10, 0, 0, 255]), [true, true]);
    assert_eq!(send_to([255, 255, 255, 255]), [true, true]);
    let off = 0u32.to_ne_bytes();
    one.0
        .set_option(linux::SOL_IP, linux::IP_MULTICAST_LOOP, &off)
        .expect("an option");
    assert_eq!(send_to([224, 0, 0, 251]), [false, false]);
}
