//! Packets longer than most networks carry, as DHCP tells of them.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use abi::net::{SOL_TCP, TCP_MAXSEG};

use crate::dhcp::Server;
use crate::ipv6::{echo, exchange, guest_link_local};
use crate::support::{AF_INET, Blocking, DATAGRAM, STREAM, inet, pattern};
use crate::tap::{Guest, LINUX, MAX_MTU, in_namespace, run};

const RANGE: &str = "--dhcp-range=10.77.0.50,10.77.0.50,255.255.255.0,2m";
const LEASED: &str = "10.77.0.50";

/// Packets that Linux has taken from the guest.
fn taken() -> u64 {
    // The namespace's own, which /sys is not.
    let all = std::fs::read_to_string("/proc/self/net/dev").expect("Linux counts them");
    let line = all.lines().find_map(|line| line.trim().strip_prefix("tap0:"));
    let count = line.and_then(|line| line.split_whitespace().nth(1));
    count.expect("a column").parse().expect("a number")
}

/// The segment size of a new connection to Linux.
fn segment_size(guest: &Guest) -> u32 {
    let listener = std::net::TcpListener::bind((LINUX, 0)).expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let socket = Blocking::new(&guest.stack, AF_INET, STREAM);
    socket.connect(inet(LINUX, port)).expect("Linux listens");
    let size = socket.0.option(SOL_TCP, TCP_MAXSEG).expect("an option");
    u32::from_ne_bytes(size.try_into().expect("four bytes"))
}

#[test]
fn packets_are_as_long_as_the_server_says() {
    in_namespace("jumbo::packets_are_as_long_as_the_server_says", || {
        let guest = Guest::unconfigured("web-4");
        run("ip link set tap0 mtu 9001");
        let _server = Server::start(&[RANGE, "--dhcp-option=option:mtu,9001"]);
        guest.wait_for_event("Configured");
        // Headers of 40 bytes, and a timestamp of 12.
        assert_eq!(segment_size(&guest), 9001 - 40 - 12);

        const LENGTH: usize = 5_000_000;
        let listener = Blocking::listen_dual(&guest.stack, 7000);
        let leased = SocketAddr::new(LEASED.parse().expect("an address"), 7000);
        for to in [leased, guest_link_local(7000).into()] {
            let before = taken();
            let server = echo(listener.clone());
            exchange(TcpStream::connect(to).expect("the guest listens"), LENGTH);
            server.join().expect("the server ends well");
            // Those of 1500 bytes would be 3453 at the least, without a single acknowledgement of what Linux sends.
            assert!(taken() - before < 2500, "{} packets", taken() - before);
        }

        let socket = Blocking::new(&guest.stack, AF_INET, DATAGRAM);
        socket.0.bind(&inet([0, 0, 0, 0], 5353)).expect("the port is free");
        let linux = UdpSocket::bind((LINUX, 0)).expect("a port is free");
        linux.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
        for length in [8972, 8973, 9001, 60_000] {
            let data = pattern(length);
            linux.send_to(&data, (LEASED, 5353)).expect("the guest is there");
            let mut buffer = vec![0; 65536];
            let received = socket.receive_message(&mut buffer).expect("it arrives");
            assert_eq!(&buffer[..received.length], data);
            socket
                .send_to(&data, received.address.expect("a datagram has a sender"))
                .expect("Linux is there");
            let (count, _) = linux.recv_from(&mut buffer).expect("it comes back");
            assert_eq!(&buffer[..count], data);
        }
    });
}

#[test]
fn packets_are_no_longer_than_the_card_takes() {
    in_namespace("jumbo::packets_are_no_longer_than_the_card_takes", || {
        let guest = Guest::unconfigured("web-5");
        run("ip link set tap0 mtu 16000");
        let _server = Server::start(&[RANGE, "--dhcp-option=option:mtu,16000"]);
        guest.wait_for_event("Configured");
        assert_eq!(segment_size(&guest), MAX_MTU as u32 - 40 - 12);
    });
}

#[test]
fn packets_are_of_the_usual_length_where_nobody_says() {
    in_namespace("jumbo::packets_are_of_the_usual_length_where_nobody_says", || {
        let guest = Guest::unconfigured("web-6");
        run("ip link set tap0 mtu 9001");
        // No option 26, which dnsmasq gives by itself otherwise.
        let _server = Server::start(&[RANGE, "--dhcp-option=option:mtu"]);
        guest.wait_for_event("Configured");
        assert_eq!(segment_size(&guest), 1500 - 40 - 12);
    });
}
