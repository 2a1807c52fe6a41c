use std::io::{Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use abi::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, recv, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::dhcp::Server;
use crate::support::{AF_INET6, Blocking, DATAGRAM, STREAM, inet6, pattern};
use crate::tap::{GUEST, GUEST_LINK_LOCAL, Guest, LINUX_LINK_LOCAL, in_namespace, run};

/// The address that the guest makes itself of the network that Linux is the router of.
const GUEST_GLOBAL: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0x00ff, 0xfe00, 0x0077);
const ADVERTISE: &[&str] = &["--enable-ra", "--dhcp-range=fd77::,ra-only,64,10m"];

/// The guest's link-local address, by the way that Linux takes there.
pub fn guest_link_local(port: u16) -> SocketAddrV6 {
    let index = nix::net::if_::if_nametoindex("tap0").expect("the device is there");
    SocketAddrV6::new(GUEST_LINK_LOCAL, port, 0, index)
}

/// Echoes one connection.
pub fn echo(listener: Blocking) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let connection = listener.accept().expect("a listener accepts");
        let all = connection.receive_all().expect("the stream arrives");
        connection.send_all(&all).expect("the stream leaves");
        connection.close();
    })
}

pub fn exchange(mut stream: TcpStream, length: usize) {
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a limit");
    let data = pattern(length);
    let mut writer = stream.try_clone().expect("a socket is shared");
    let sent = data.clone();
    let sender = std::thread::spawn(move || {
        writer.write_all(&sent).expect("the guest reads");
        writer.shutdown(Shutdown::Write).expect("a connection shuts down");
    });
    let mut back = Vec::new();
    stream.read_to_end(&mut back).expect("the guest writes");
    sender.join().expect("the sender ends well");
    assert!(back == data, "{} of {length} bytes came back, or others", back.len());
}

#[test]
fn linux_pings_the_guest() {
    in_namespace("ipv6::linux_pings_the_guest", || {
        let _guest = Guest::new();
        let raw = socket(
            AddressFamily::Inet6,
            SockType::Raw,
            SockFlag::empty(),
            SockProtocol::IcmpV6,
        );
        let raw = raw.expect("root may ping");
        setsockopt(&raw, sockopt::ReceiveTimeout, &TimeVal::seconds(5)).expect("a limit");
        // Echo request, identifier 7, sequence number 1; Linux fills the checksum in.
        let request = [128, 0, 0, 0, 0, 7, 0, 1, b'p', b'i', b'n', b'g', b'!'];
        let guest = guest_link_local(0);
        let everybody = SocketAddrV6::new(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), 0, 0, guest.scope_id());
        for to in [guest, everybody] {
            sendto(raw.as_raw_fd(), &request, &SockaddrIn6::from(to), MsgFlags::empty()).expect("it leaves");
            let mut reply = [0; 64];
            loop {
                let count = recv(raw.as_raw_fd(), &mut reply, MsgFlags::empty()).expect("an answer comes");
                // Raw sockets see Neighbor Discovery, too, and Linux is everybody itself.
                if reply[0] == 129 {
                    assert_eq!(&reply[4..count], &request[4..]);
                    break;
                }
            }
        }
    });
}

#[test]
fn streams_go_both_ways_over_link_local_addresses() {
    in_namespace("ipv6::streams_go_both_ways_over_link_local_addresses", || {
        let guest = Guest::new();
        let server = echo(Blocking::listen_dual(&guest.stack, 7000));
        exchange(
            TcpStream::connect(guest_link_local(7000)).expect("the guest listens"),
            5_000_000,
        );
        server.join().expect("the server ends well");

        let listener = TcpListener::bind(SocketAddrV6::new(
            LINUX_LINK_LOCAL,
            0,
            0,
            guest_link_local(0).scope_id(),
        ));
        let listener = listener.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let peer = std::thread::spawn(move || {
            let (mut stream, from) = listener.accept().expect("the guest connects");
            assert_eq!(from.ip(), GUEST_LINK_LOCAL);
            let mut all = Vec::new();
            stream.read_to_end(&mut all).expect("the guest writes");
            stream.write_all(&all).expect("half of it is open");
        });
        let socket = Blocking::new(&guest.stack, AF_INET6, STREAM);
        socket.connect(inet6(LINUX_LINK_LOCAL, port)).expect("Linux listens");
        assert_eq!(socket.0.peer(), Ok(inet6(LINUX_LINK_LOCAL, port)), "with its interface");
        let data = pattern(100_000);
        socket.send_all(&data).expect("Linux reads");
        socket
            .0
            .shutdown(net::Shutdown::Write)
            .expect("a connection shuts down");
        assert!(socket.receive_all().expect("the other half is open") == data);
        peer.join().expect("the peer ends well");
    });
}

#[test]
fn one_listener_takes_both_versions() {
    in_namespace("ipv6::one_listener_takes_both_versions", || {
        let guest = Guest::new();
        let listener = Blocking::listen_dual(&guest.stack, 7001);
        let server = echo(listener.clone());
        exchange(TcpStream::connect((GUEST, 7001)).expect("the guest listens"), 1000);
        server.join().expect("the server ends well");
        let server = echo(listener);
        exchange(
            TcpStream::connect(guest_link_local(7001)).expect("the guest listens"),
            1000,
        );
        server.join().expect("the server ends well");
    });
}

#[test]
fn a_router_gives_address_way_and_name_servers() {
    in_namespace("ipv6::a_router_gives_address_way_and_name_servers", || {
        let guest = Guest::new();
        let options = [
            "--dhcp-option=option6:dns-server,[fd77::53],[2001:db8::53]",
            "--ra-param=tap0,mtu:1400,0,1200",
        ];
        let _router = Server::start(&[ADVERTISE, &options].concat());
        let event = guest.wait_for_event("ConfiguredIpv6");
        assert!(
            event.contains(&format!("address: {GUEST_GLOBAL}, prefix_length: 64")),
            "{event}"
        );
        assert!(event.contains(&format!("gateway: Some({LINUX_LINK_LOCAL})")), "{event}");
        let event = guest.wait_for_event("NameServersIpv6");
        assert!(event.contains("[fd77::53, 2001:db8::53]"), "{event}");
        assert_eq!(guest.stack.own_ipv6(), Some(GUEST_GLOBAL));

        // In the network, and beyond it through the router.
        let server = echo(Blocking::listen_dual(&guest.stack, 7002));
        exchange(
            TcpStream::connect((GUEST_GLOBAL, 7002)).expect("the guest listens"),
            100_000,
        );
        server.join().expect("the server ends well");
        let far: Ipv6Addr = "2001:db8::7".parse().expect("an address");
        run(&format!("ip -6 address add {far}/128 dev lo nodad"));
        // Linux makes the route to it a little later, and tells the guest that there is none until then.
        while !run(&format!("ip -6 route show table local {far}")).contains("local") {
            std::thread::sleep(Duration::from_millis(10));
        }
        let listener = TcpListener::bind((far, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let socket = Blocking::new(&guest.stack, AF_INET6, STREAM);
        socket.connect(inet6(far, port)).expect("Linux listens");
        let (_, from) = listener.accept().expect("the guest connects");
        assert_eq!(from.ip(), GUEST_GLOBAL);
        // The MTU that the router advertised: with headers of 60 bytes and a timestamp of 12.
        let mss = socket.0.option(6, 2).expect("TCP_MAXSEG");
        assert_eq!(u32::from_ne_bytes(mss.try_into().expect("four bytes")), 1400 - 60 - 12);
    });
}

#[test]
fn a_server_leases_an_address_and_renews_it() {
    in_namespace("ipv6::a_server_leases_an_address_and_renews_it", || {
        let guest = Guest::new();
        let options = [
            "--enable-ra",
            "--dhcp-range=fd77::50,fd77::50,64,2m",
            "--dhcp-option=option6:dns-server,[fd77::53]",
        ];
        let server = Server::start(&options);
        let leased: Ipv6Addr = "fd77::50".parse().expect("an address");
        let event = guest.wait_for_event("ConfiguredIpv6");
        assert!(
            event.contains(&format!("address: {leased}, prefix_length: 128")),
            "{event}"
        );
        assert!(guest.wait_for_event("NameServersIpv6").contains("[fd77::53]"));
        let echo = echo(Blocking::listen_dual(&guest.stack, 7003));
        exchange(TcpStream::connect((leased, 7003)).expect("the guest listens"), 1000);
        echo.join().expect("the server ends well");
        // Beyond half of the two minutes, and beyond them: renewed, it lasts.
        for _ in 0..2 {
            hal::time::advance(70_000_000_000);
            std::thread::sleep(Duration::from_millis(300));
            assert_eq!(guest.stack.own_ipv6(), Some(leased));
        }
        drop(server);
        for _ in 0..3 {
            hal::time::advance(61_000_000_000);
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(guest.stack.own_ipv6(), None);
    });
}

#[test]
fn without_a_router_there_is_no_way() {
    in_namespace("ipv6::without_a_router_there_is_no_way", || {
        let guest = Guest::new();
        let far: Ipv6Addr = "2001:db8::7".parse().expect("an address");
        let socket = Blocking::new(&guest.stack, AF_INET6, STREAM);
        assert_eq!(socket.connect(inet6(far, 80)), Err(Errno::NETUNREACH));
        let nobody = Blocking::new(&guest.stack, AF_INET6, STREAM);
        let gone: Ipv6Addr = "fe80::99".parse().expect("an address");
        assert_eq!(
            nobody.connect(inet6(gone, 80)),
            Err(Errno::HOSTUNREACH),
            "nobody answers"
        );
        let nowhere = Blocking::new(&guest.stack, AF_INET6, STREAM);
        assert_eq!(
            nowhere.connect(net::Address::Inet6(gone, 80, 0)),
            Err(Errno::INVAL),
            "on no interface"
        );
        let refused = Blocking::new(&guest.stack, AF_INET6, STREAM);
        assert_eq!(refused.connect(inet6(LINUX_LINK_LOCAL, 9)), Err(Errno::CONNREFUSED));
    });
}

#[test]
fn a_switch_learns_which_groups_are_listened_to() {
    in_namespace("ipv6::a_switch_learns_which_groups_are_listened_to", || {
        let _guest = Guest::new();
        // It asks once its own address is good: half a second after each time that it could not.
        let impatient = "mcast_startup_query_interval 50 mcast_startup_query_count 20";
        run(&format!(
            "ip link add br0 type bridge mcast_snooping 1 mcast_querier 1 {impatient}"
        ));
        run("ip link set tap0 master br0");
        run("ip link set br0 up");
        for _ in 0..500 {
            if run("bridge mdb show dev br0").contains("ff02::1:ff00:77") {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the switch knows {}", run("bridge mdb show dev br0"));
    });
}

#[test]
fn datagrams_go_both_ways_whole() {
    in_namespace("ipv6::datagrams_go_both_ways_whole", || {
        let guest = Guest::new();
        let socket = Blocking::new(&guest.stack, AF_INET6, DATAGRAM);
        socket
            .0
            .bind(&inet6(Ipv6Addr::UNSPECIFIED, 5353))
            .expect("the port is free");
        let here = SocketAddrV6::new(LINUX_LINK_LOCAL, 0, 0, guest_link_local(0).scope_id());
        let linux = UdpSocket::bind(here).expect("a port is free");
        linux.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
        let port = linux.local_addr().expect("it is bound").port();
        // What fits a packet, one more byte, and the largest.
        for length in [0, 1, 1452, 1453, 9000, 65_527] {
            let data = pattern(length);
            linux
                .send_to(&data, guest_link_local(5353))
                .expect("the guest is there");
            let mut buffer = vec![0; 65536];
            let received = socket.receive_message(&mut buffer).expect("it arrives");
            assert_eq!(&buffer[..received.length], data);
            let back = received.address.expect("a datagram has a sender");
            assert_eq!(back, inet6(LINUX_LINK_LOCAL, port));
            socket.send_to(&data, back).expect("Linux is there");
            let (count, from) = linux.recv_from(&mut buffer).expect("it comes back");
            assert_eq!((count, from), (length, guest_link_local(5353).into()));
            assert_eq!(&buffer[..count], data);
        }
        assert_eq!(
            socket.send_to(&pattern(65_528), inet6(LINUX_LINK_LOCAL, port)),
            Err(Errno::MSGSIZE)
        );
    });
}

#[test]
fn a_closed_port_is_unreachable_on_both_sides() {
    in_namespace("ipv6::a_closed_port_is_unreachable_on_both_sides", || {
        let guest = Guest::new();
        let linux = UdpSocket::bind("[::]:0").expect("a port is free");
        linux.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
        linux.connect(guest_link_local(9)).expect("an address");
        linux.send(b"anybody?").expect("it leaves");
        let error = linux.recv(&mut [0; 8]).expect_err("nobody is there");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);

        let socket = Blocking::new(&guest.stack, AF_INET6, DATAGRAM);
        socket.connect(inet6(LINUX_LINK_LOCAL, 9)).expect("an address");
        socket.send(b"anybody?").expect("it leaves");
        assert_eq!(socket.receive(&mut [0; 8]), Err(Errno::CONNREFUSED));
    });
}
