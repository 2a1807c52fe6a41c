use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use abi::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::support::{AF_INET, Blocking, STREAM, inet, pattern};
use crate::tap::{GUEST, Guest, Impairment, LINUX, in_namespace, run};

/// Serves HTTP on one connection after the other, closing each.
fn serve_http(listener: &Blocking, count: usize, body: &'static [u8]) -> std::thread::JoinHandle<()> {
    let listener = listener.clone();
    std::thread::spawn(move || {
        for _ in 0..count {
            let connection = listener.accept().expect("a listener accepts");
            let mut request = Vec::new();
            let mut part = [0; 1024];
            while !request.ends_with(b"\r\n\r\n") {
                let count = connection.receive(&mut part).expect("the client sends");
                assert!(count > 0, "the request is cut short");
                request.extend_from_slice(&part[..count]);
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            connection.send_all(head.as_bytes()).expect("the client reads");
            connection.send_all(body).expect("the client reads");
            connection.close();
        }
    })
}

#[test]
fn curl_gets_a_page() {
    in_namespace("tcp::curl_gets_a_page", || {
        let guest = Guest::new();
        let listener = Blocking::listen(&guest.stack, 8080);
        let server = serve_http(&listener, 20, b"hello from the guest\n");
        for _ in 0..20 {
            assert_eq!(
                run("curl -sS --max-time 5 http://10.77.0.2:8080/"),
                "hello from the guest\n"
            );
        }
        server.join().expect("the server ends well");
    });
}

#[test]
fn ping_is_answered() {
    in_namespace("tcp::ping_is_answered", || {
        let _guest = Guest::new();
        let raw = socket(
            AddressFamily::Inet,
            SockType::Raw,
            SockFlag::empty(),
            SockProtocol::Icmp,
        )
        .expect("root may ping");
        setsockopt(&raw, sockopt::ReceiveTimeout, &TimeVal::seconds(5)).expect("a limit");
        // Echo request, identifier 7, sequence number 1, and its checksum.
        let request = [8, 0, 0xf8, 0x26, 0, 7, 0, 1, b'p', b'i', b'n', b'g', b'!', 0];
        let guest = SockaddrIn::from(std::net::SocketAddrV4::new(GUEST, 0));
        sendto(raw.as_raw_fd(), &request, &guest, MsgFlags::empty()).expect("it leaves");
        let mut reply = [0; 64];
        loop {
            let count = recv(raw.as_raw_fd(), &mut reply, MsgFlags::empty()).expect("an answer comes");
            // Raw sockets see the IP header, and their own host's messages.
            if reply[20] == 0 {
                assert_eq!(&reply[24..count], &request[4..]);
                return;
            }
        }
    });
}

#[test]
fn linux_connects_and_both_sides_stream() {
    in_namespace("tcp::linux_connects_and_both_sides_stream", || {
        let guest = Guest::new();
        let listener = Blocking::listen(&guest.stack, 7000);
        let data = pattern(20_000_000);
        let echo = std::thread::spawn(move || {
            let connection = listener.accept().expect("a listener accepts");
            let reader = connection.clone();
            let all = std::thread::spawn(move || reader.receive_all().expect("the stream arrives"));
            connection.send_all(&pattern(20_000_000)).expect("the stream leaves");
            connection
                .0
                .shutdown(net::Shutdown::Write)
                .expect("a connection shuts down");
            all.join().expect("the reader ends well")
        });
        let mut stream = TcpStream::connect((GUEST, 7000)).expect("the guest listens");
        let mut writer = stream.try_clone().expect("a socket is shared");
        let expected = data.clone();
        let sender = std::thread::spawn(move || {
            writer.write_all(&data).expect("the guest reads");
            writer.shutdown(Shutdown::Write).expect("a connection shuts down");
        });
        let mut received = Vec::new();
        stream.read_to_end(&mut received).expect("the guest writes");
        sender.join().expect("the sender ends well");
        assert!(received == expected, "Linux got other bytes than were sent");
        assert!(
            echo.join().expect("the guest ends well") == expected,
            "the guest got other bytes than were sent"
        );
    });
}

#[test]
fn the_guest_connects_to_linux() {
    in_namespace("tcp::the_guest_connects_to_linux", || {
        let guest = Guest::new();
        let listener = TcpListener::bind((LINUX, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the guest connects");
            let mut all = Vec::new();
            stream.read_to_end(&mut all).expect("the guest writes");
            stream.write_all(b"thanks").expect("half of it is open");
            all
        });
        let socket = Blocking::new(&guest.stack, AF_INET, STREAM);
        socket.connect(inet(LINUX, port)).expect("Linux listens");
        socket.send_all(b"from the guest").expect("Linux reads");
        socket
            .0
            .shutdown(net::Shutdown::Write)
            .expect("a connection shuts down");
        assert_eq!(socket.receive_all().expect("the other half is open"), b"thanks");
        assert_eq!(peer.join().expect("the peer ends well"), b"from the guest");
    });
}

#[test]
fn a_closed_port_refuses_on_both_sides() {
    in_namespace("tcp::a_closed_port_refuses_on_both_sides", || {
        let guest = Guest::new();
        let error = TcpStream::connect((GUEST, 9)).expect_err("nobody listens");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        let socket = Blocking::new(&guest.stack, AF_INET, STREAM);
        assert_eq!(socket.connect(inet(LINUX, 9)), Err(Errno::CONNREFUSED));
        let started = Instant::now();
        let nobody = Blocking::new(&guest.stack, AF_INET, STREAM);
        assert_eq!(nobody.connect(inet([10, 77, 0, 99], 80)), Err(Errno::HOSTUNREACH));
        assert!(started.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn a_reset_reaches_the_other_side() {
    in_namespace("tcp::a_reset_reaches_the_other_side", || {
        let guest = Guest::new();
        let listener = Blocking::listen(&guest.stack, 7001);
        let mut stream = TcpStream::connect((GUEST, 7001)).expect("the guest listens");
        let connection = listener.accept().expect("it accepts");
        // Closing with unread data resets.
        stream.write_all(b"unread").expect("the guest takes it");
        std::thread::sleep(Duration::from_millis(50));
        connection.close();
        let error = stream.read(&mut [0; 8]).expect_err("it was reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

        let stream = TcpStream::connect((GUEST, 7001)).expect("the guest listens");
        let connection = listener.accept().expect("it accepts");
        connection.send_all(b"unread too").expect("Linux takes it");
        std::thread::sleep(Duration::from_millis(50));
        drop(stream);
        assert_eq!(connection.receive(&mut [0; 8]), Err(Errno::CONNRESET));
        assert_eq!(connection.send(b"x"), Err(Errno::PIPE));
    });
}

/// Sends both ways through a bad link.
fn through(impairment: Impairment) {
    let guest = Guest::behind(impairment);
    let listener = Blocking::listen(&guest.stack, 7002);
    let length = 3_000_000;
    let server = std::thread::spawn(move || {
        let connection = listener.accept().expect("a listener accepts");
        let all = connection.receive_all().expect("the stream arrives");
        connection.send_all(&all).expect("the stream leaves");
        connection.close();
    });
    let mut stream = TcpStream::connect((GUEST, 7002)).expect("the guest listens");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a limit");
    let data = pattern(length);
    stream.write_all(&data).expect("the guest reads");
    stream.shutdown(Shutdown::Write).expect("a connection shuts down");
    let mut back = Vec::new();
    stream.read_to_end(&mut back).expect("the guest writes");
    assert!(back == data, "{} of {length} bytes came back, or others", back.len());
    server.join().expect("the server ends well");
}

#[test]
fn loss_is_repaired() {
    in_namespace("tcp::loss_is_repaired", || {
        through(Impairment {
            loss: 3,
            ..Impairment::default()
        });
    });
}

#[test]
fn reordering_is_sorted_out() {
    in_namespace("tcp::reordering_is_sorted_out", || {
        through(Impairment {
            reordering: 20,
            duplication: 5,
            ..Impairment::default()
        });
    });
}
