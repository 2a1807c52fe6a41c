use std::net::UdpSocket;
use std::time::Duration;

use abi::Errno;

use crate::support::{AF_INET, Blocking, DATAGRAM, inet, pattern};
use crate::tap::{GUEST, Guest, LINUX, in_namespace};

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
