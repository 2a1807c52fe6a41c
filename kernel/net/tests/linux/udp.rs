use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::Duration;

use abi::Errno;
use rustix::net::{AddressFamily, SocketType, ipproto};

use crate::support::{AF_INET, AF_INET6, Blocking, DATAGRAM, inet, inet6, pattern};
use crate::tap::{GUEST, GUEST_LINK_LOCAL, Guest, LINUX, LINUX_LINK_LOCAL, in_namespace, skip};

#[test]
fn datagrams_go_both_ways_whole() {
    in_namespace("udp::datagrams_go_both_ways_whole", || {
        let guest = Guest::new();
        let socket = Blocking::new(&guest.stack, AF_INET, DATAGRAM);
        socket.0.bind(&inet([0, 0, 0, 0], 5353)).expect("the port is free");
        let linux = UdpSocket::bind((LINUX, 0)).expect("a port is free");
        linux.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
        for length in [0, 1, 1472, 1473, 9000, 60_000] {
            let data = pattern(length);
            linux.send_to(&data, (GUEST, 5353)).expect("the guest is there");
            let mut buffer = vec![0; 65536];
            let received = socket.receive_message(&mut buffer).expect("it arrives");
            assert_eq!(&buffer[..received.length], data);
            let back = received.address.expect("a datagram has a sender");
            assert_eq!(back, inet(LINUX, linux.local_addr().expect("it is bound").port()));
            socket.send_to(&data, back).expect("Linux is there");
            let (count, from) = linux.recv_from(&mut buffer).expect("it comes back");
            assert_eq!((count, from), (length, (GUEST, 5353).into()));
            assert_eq!(&buffer[..count], data);
        }
    });
}

#[test]
fn a_closed_port_is_unreachable_on_both_sides() {
    in_namespace("udp::a_closed_port_is_unreachable_on_both_sides", || {
        let guest = Guest::new();
        let linux = UdpSocket::bind((LINUX, 0)).expect("a port is free");
        linux.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
        linux.connect((GUEST, 9)).expect("an address");
        linux.send(b"anybody?").expect("it leaves");
        let error = linux.recv(&mut [0; 8]).expect_err("nobody is there");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);

        let socket = Blocking::new(&guest.stack, AF_INET, DATAGRAM);
        socket.connect(inet(LINUX, 9)).expect("an address");
        socket.send(b"anybody?").expect("it leaves");
        assert_eq!(socket.receive(&mut [0; 8]), Err(Errno::CONNREFUSED));
    });
}

/// A socket of UDP-Lite, where Linux still has it.
fn lite(address: SocketAddr) -> Option<UdpSocket> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = rustix::net::socket(family, SocketType::DGRAM, Some(ipproto::UDPLITE)).ok()?;
    rustix::net::bind(&socket, &address).expect("the address is free");
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
    Some(socket)
}

#[test]
fn udp_lite_goes_both_ways_with_checksums_of_any_coverage() {
    const TEST: &str = "udp::udp_lite_goes_both_ways_with_checksums_of_any_coverage";
    if lite(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).is_none() {
        return skip(TEST, "this Linux has no UDP-Lite");
    }
    in_namespace(TEST, || {
        const UDP_LITE: u32 = 136;
        const SEND_COVERAGE: u32 = 10;
        let guest = Guest::new();
        let link = nix::net::if_::if_nametoindex("tap0").expect("the device is there");
        let link_local = |address| SocketAddrV6::new(address, 5353, 0, link);
        for (linux_end, guest_end, domain) in [
            (SocketAddr::from((LINUX, 5353)), inet(GUEST, 5353), AF_INET),
            (
                link_local(LINUX_LINK_LOCAL).into(),
                inet6(GUEST_LINK_LOCAL, 5353),
                AF_INET6,
            ),
        ] {
            let linux = lite(linux_end).expect("this Linux has UDP-Lite");
            let to_guest = match linux_end {
                SocketAddr::V4(_) => SocketAddr::from((GUEST, 5353)),
                SocketAddr::V6(_) => link_local(GUEST_LINK_LOCAL).into(),
            };
            let socket = Blocking::of_protocol(&guest.stack, domain, DATAGRAM, UDP_LITE);
            socket.0.bind(&guest_end).expect("the port is free");
            let mut buffer = vec![0; 65536];
            for (length, coverage) in [
                (0, 0_u32),
                (1, 8),
                (100, 0),
                (100, 9),
                (1400, 1000),
                (100, 5000),
                (9000, 20),
            ] {
                let data = pattern(length);
                linux.send_to(&data, to_guest).expect("the guest is there");
                let received = socket.receive_message(&mut buffer).expect("it arrives");
                assert_eq!(&buffer[..received.length], data);
                let back = received.address.expect("a datagram has a sender");
                let value = coverage.to_ne_bytes();
                socket.0.set_option(UDP_LITE, SEND_COVERAGE, &value).expect("an option");
                socket.send_to(&data, back).expect("Linux is there");
                let (count, _) = linux.recv_from(&mut buffer).expect("Linux finds its checksum right");
                assert_eq!(&buffer[..count], data);
            }
        }
    });
}
