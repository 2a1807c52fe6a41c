use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::{Errno, OpenFlags};
use file::{BytesSink, BytesSource, Error, File, OpenFile, Readiness};

use super::Namespace;
use crate::environment::{Environment, Event};
use crate::socket::{
    Address, Caller, Control, Credentials, Destination, Message, MessageFlags, Received, Shutdown, SocketFile,
};
use crate::{Configuration, Stack};

const UNIX: u32 = 1;
pub(super) const STREAM: u32 = 1;
const DATAGRAM: u32 = 2;
const SEQPACKET: u32 = 5;

/// Where the number of the process that calls is told.
struct Told(AtomicU32);

impl Environment for Told {
    fn now(&self) -> u64 {
        0
    }

    fn random(&self, _bytes: &mut [u8]) {}

    fn caller(&self) -> Caller {
        let of = |uid| Credentials {
            process: self.0.load(Ordering::Relaxed),
            uid,
            gid: 100,
        };
        Caller {
            real: of(1000),
            effective: of(1001),
            groups: vec![5, 7],
        }
    }

    fn event(&self, _event: Event<'_>) {}
}

pub(super) struct World {
    told: Arc<Told>,
    stack: Arc<Stack>,
    namespace: Arc<Namespace>,
}

impl World {
    pub(super) fn new() -> Self {
        let told = Arc::new(Told(AtomicU32::new(0)));
        Self {
            stack: Stack::new(told.clone(), None, Configuration::default()),
            told,
            namespace: Namespace::new(),
        }
    }

    /// Calls are this process's from now on.
    fn call_as(&self, process: u32) {
        self.told.0.store(process, Ordering::Relaxed);
    }

    pub(super) fn socket(&self, kind: u32, process: u32) -> Arc<SocketFile> {
        self.call_as(process);
        SocketFile::new(&self.stack, &self.namespace, UNIX, kind, 0).expect("such sockets exist")
    }

    pub(super) fn pair(&self, kind: u32) -> (Arc<SocketFile>, Arc<SocketFile>) {
        SocketFile::pair(&self.stack, &self.namespace, UNIX, kind, 0).expect("such pairs exist")
    }
}

fn send(socket: &SocketFile, bytes: &[u8]) -> file::Result<usize> {
    socket.send(&mut BytesSource::new(bytes), &Message::default())
}

pub(super) fn receive(socket: &SocketFile, room: usize, flags: MessageFlags) -> file::Result<(Vec<u8>, Received)> {
    let mut bytes = vec![0; room];
    let mut sink = BytesSink::new(&mut bytes);
    let received = socket.receive(&mut sink, flags)?;
    let filled = sink.filled();
    bytes.truncate(filled);
    Ok((bytes, received))
}

pub(super) fn bytes(socket: &SocketFile, room: usize) -> Vec<u8> {
    receive(socket, room, MessageFlags::empty())
        .expect("something is there")
        .0
}

#[expect(clippy::needless_pass_by_value, reason = "results are looked at once")]
fn errno<T>(result: file::Result<T>) -> Option<Errno> {
    match result {
        Err(Error::Errno(errno)) => Some(errno),
        _ => None,
    }
}

fn blocks<T>(result: &file::Result<T>) -> bool {
    matches!(result, Err(Error::WouldBlock))
}

fn named(name: &[u8]) -> Address {
    Address::Abstract(name.to_vec())
}

#[test]
fn a_stream_has_no_boundaries_and_a_seqpacket_has() {
    let world = World::new();
    let (one, other) = world.pair(STREAM);
    send(&one, b"hello ").expect("there is room");
    send(&one, b"world").expect("there is room");
    assert_eq!(bytes(&other, 8), b"hello wo");
    assert_eq!(bytes(&other, 8), b"rld");
    let (one, other) = world.pair(SEQPACKET);
    send(&one, b"hello ").expect("there is room");
    send(&one, b"world").expect("there is room");
    let (cut, received) = receive(&other, 2, MessageFlags::TRUNC).expect("a message is there");
    assert_eq!((&cut[..], received.length), (&b"he"[..], 6));
    assert!(received.flags.contains(MessageFlags::TRUNC | MessageFlags::EOR));
    assert_eq!(bytes(&other, 99), b"world");
}

/// A reader finds the last bytes before the end, however the two come while it looks.
#[test]
fn what_comes_with_the_end_is_read_before_it() {
    let world = World::new();
    for kind in [STREAM, SEQPACKET] {
        for round in 0..3_000 {
            let (one, other) = world.pair(kind);
            let (looks, looked) = std::sync::mpsc::channel();
            let reader = std::thread::spawn(move || {
                loop {
                    match receive(&other, 99, MessageFlags::empty()) {
                        Ok((bytes, _)) => return bytes,
                        Err(error) => assert!(matches!(error, Error::WouldBlock)),
                    }
                    let _ = looks.send(());
                }
            });
            looked.recv().expect("the reader looks");
            send(&one, b"last").expect("there is room");
            one.close();
            let read = reader.join().expect("the reader ends");
            assert_eq!(read, b"last", "kind {kind}, round {round}");
        }
    }
}

/// Who has seen the end sees nothing after it, whatever others were about to send when it came.
#[test]
fn nothing_comes_after_the_end() {
    let world = World::new();
    for round in 0..3_000 {
        let (one, other) = world.pair(STREAM);
        let writer = one.clone();
        let (sends, sent) = std::sync::mpsc::channel();
        let sender = std::thread::spawn(move || {
            while send(&writer, b"x").is_ok() {
                let _ = sends.send(());
            }
        });
        sent.recv().expect("the sender sends");
        one.shutdown(Shutdown::Write).expect("it is open");
        while !bytes(&other, 4096).is_empty() {}
        sender.join().expect("the sender ends");
        assert_eq!(bytes(&other, 9), b"", "round {round}");
    }
}

/// What two calls return that begin at the same time.
fn at_once<R: Send>(one: impl FnOnce() -> R, other: impl FnOnce() -> R + Send) -> [R; 2] {
    let barrier = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            barrier.wait();
            other()
        });
        barrier.wait();
        [one(), other.join().expect("it returns")]
    })
}

#[test]
fn of_two_threads_that_connect_a_socket_one_does() {
    let world = World::new();
    for round in 0..1_000 {
        let listener = world.socket(STREAM, 1);
        listener.bind(&named(b"at once")).expect("the name is free");
        listener.listen(8).expect("it has a name");
        let client = world.socket(STREAM, 2);
        let connect = || client.connect(&Destination::Address(named(b"at once"))).is_ok();
        let connected = at_once(connect, connect);
        assert_eq!(connected.iter().filter(|&&is| is).count(), 1, "round {round}");
        assert!(listener.accept().is_ok());
        assert!(listener.accept().is_err(), "round {round}: one connection was made");
        listener.close();
    }
}

#[test]
fn of_two_threads_that_bind_a_socket_one_does() {
    let world = World::new();
    let names = [b"one", b"two"].map(|name| named(name));
    for round in 0..1_000 {
        let socket = world.socket(STREAM, 1);
        let bound = at_once(|| socket.bind(&names[0]).is_ok(), || socket.bind(&names[1]).is_ok());
        assert_eq!(bound.iter().filter(|&&is| is).count(), 1, "round {round}");
        socket.close();
        for name in &names {
            let next = world.socket(STREAM, 1);
            next.bind(name).expect("no name is left behind");
            next.close();
        }
    }
}

#[test]
fn closing_ends_the_stream_and_breaks_the_pipe() {
    let world = World::new();
    let (one, other) = world.pair(STREAM);
    send(&one, b"last").expect("there is room");
    one.close();
    assert!(
        other
            .readiness()
            .contains(Readiness::IN | Readiness::RDHUP | Readiness::HUP | Readiness::OUT)
    );
    assert_eq!(bytes(&other, 99), b"last");
    assert_eq!(bytes(&other, 99), b"");
    assert_eq!(errno(send(&other, b"x")), Some(Errno::PIPE));
    // With something unread, the other side learns of it.
    let (one, other) = world.pair(STREAM);
    send(&other, b"never read").expect("there is room");
    one.close();
    assert_eq!(errno(receive(&other, 9, MessageFlags::empty())), Some(Errno::CONNRESET));
    assert_eq!(bytes(&other, 9), b"");
}

#[test]
fn half_closed_streams_go_on() {
    let world = World::new();
    let (one, other) = world.pair(STREAM);
    one.shutdown(Shutdown::Write).expect("it is connected");
    assert_eq!(bytes(&other, 9), b"");
    assert_eq!(errno(send(&one, b"x")), Some(Errno::PIPE));
    send(&other, b"back").expect("this direction is open");
    assert_eq!(bytes(&one, 9), b"back");
}

#[test]
fn a_full_stream_blocks_until_it_is_read() {
    let world = World::new();
    let (one, other) = world.pair(STREAM);
    let piece = vec![7; 50_000];
    let mut sent = 0;
    let ticket = loop {
        let ticket = one.wait_queue().expect("sockets have one").ticket();
        match send(&one, &piece) {
            Ok(count) => sent += count,
            Err(Error::WouldBlock) => break ticket,
            Err(other) => panic!("{other:?}"),
        }
    };
    assert_eq!(sent, 212_992);
    assert!(!one.readiness().contains(Readiness::OUT));
    let mut received = 0;
    while received < sent {
        received += bytes(&other, 65536).len();
    }
    assert_ne!(
        one.wait_queue().expect("sockets have one").ticket(),
        ticket,
        "the writer is told of room"
    );
    assert!(one.readiness().contains(Readiness::OUT));
    assert!(blocks(&receive(&other, 1, MessageFlags::empty())));
}

#[test]
fn clients_reach_a_listener_by_name() {
    let world = World::new();
    let server = world.socket(STREAM, 1);
    server.bind(&named(b"service")).expect("the name is free");
    assert_eq!(world.socket(STREAM, 9).bind(&named(b"service")), Err(Errno::ADDRINUSE));
    let destination = Destination::Address(named(b"service"));
    assert_eq!(
        errno(world.socket(STREAM, 2).connect(&destination)),
        Some(Errno::CONNREFUSED)
    );
    // It is of whoever makes it a listener.
    world.call_as(1);
    server.listen(0).expect("a bound socket listens");
    let client = world.socket(STREAM, 2);
    client.connect(&destination).expect("it listens");
    assert_eq!(
        errno(world.socket(DATAGRAM, 3).connect(&destination)),
        Some(Errno::PROTOTYPE)
    );
    // The backlog of 0 holds one.
    let second = world.socket(STREAM, 3);
    assert!(blocks(&second.connect(&destination)));
    send(&client, b"early").expect("data may come before accept");
    let (accepted, _) = server.accept().expect("a client waits");
    second.connect(&destination).expect("there is room again");
    assert_eq!(bytes(&accepted, 9), b"early");
    assert_eq!(client.peer(), Ok(named(b"service")));
    let credentials =
        |socket: &SocketFile| socket.option(1, abi::net::SO_PEERCRED).expect("it is connected")[..4].to_vec();
    assert_eq!(credentials(&accepted), 2u32.to_ne_bytes());
    assert_eq!(credentials(&client), 1u32.to_ne_bytes());
    let groups = accepted.option(1, abi::net::SO_PEERGROUPS).expect("it is connected");
    assert_eq!(groups, [5u32.to_ne_bytes(), 7u32.to_ne_bytes()].concat());
    server.close();
    assert_eq!(bytes(&second, 9), b"", "the listener takes its queue along");
    assert_eq!(
        errno(world.socket(STREAM, 2).connect(&destination)),
        Some(Errno::CONNREFUSED)
    );
}

#[test]
fn paths_go_through_an_attachment() {
    let world = World::new();
    let server = world.socket(STREAM, 1);
    let attachment = server.bind_path(b"/run/app.sock").expect("it has no name yet");
    server.listen(8).expect("a bound socket listens");
    let client = world.socket(STREAM, 2);
    client
        .connect(&Destination::Attachment(attachment.clone()))
        .expect("it listens");
    assert_eq!(client.peer(), Ok(Address::Path(b"/run/app.sock".to_vec())));
    server.close();
    drop(server);
    let late = world.socket(STREAM, 2).connect(&Destination::Attachment(attachment));
    assert_eq!(errno(late), Some(Errno::CONNREFUSED));
}

#[test]
fn datagrams_carry_their_sender() {
    let world = World::new();
    let (server, client) = (world.socket(DATAGRAM, 1), world.socket(DATAGRAM, 2));
    server.bind(&named(b"log")).expect("the name is free");
    client.bind(&Address::Unnamed).expect("there are free names");
    let Address::Abstract(name) = client.local() else {
        panic!("a name was chosen");
    };
    assert_eq!(name.len(), 5);
    let message = Message {
        destination: Some(Destination::Address(named(b"log"))),
        ..Message::default()
    };
    assert_eq!(errno(send(&client, b"x")), Some(Errno::NOTCONN));
    client
        .send(&mut BytesSource::new(b"line"), &message)
        .expect("there is room");
    let (line, received) = receive(&server, 99, MessageFlags::PEEK).expect("it arrived");
    assert_eq!((&line[..], received.address), (&b"line"[..], Some(client.local())));
    assert_eq!(bytes(&server, 99), b"line");
    server.close();
    let lost = client.send(&mut BytesSource::new(b"line"), &message);
    assert_eq!(errno(lost), Some(Errno::CONNREFUSED));
}

#[test]
fn senders_that_are_gone_do_not_wait_for_room() {
    let world = World::new();
    let taker = world.socket(DATAGRAM, 1);
    taker.bind(&Address::Abstract(b"taker".to_vec())).expect("a free name");
    let message = Message {
        destination: Some(Destination::Address(Address::Abstract(b"taker".to_vec()))),
        ..Message::default()
    };
    let send = |sender: &SocketFile| sender.send(&mut BytesSource::new(b"line"), &message);
    let first = world.socket(DATAGRAM, 1);
    while send(&first).is_ok() {}
    for _ in 0..10 {
        assert!(matches!(send(&world.socket(DATAGRAM, 1)), Err(Error::WouldBlock)));
    }
    let waiting = taker.unix_end().expect("it is one").state.lock().blocked.len();
    assert_eq!(waiting, 2, "the first, and the last of the others");
}

#[test]
fn descriptors_and_credentials_travel() {
    let _alone = super::flight::tests::ALONE.lock();
    let world = World::new();
    let (one, other) = world.pair(STREAM);
    let (inner, kept) = world.pair(STREAM);
    let message = Message {
        control: vec![Control::Rights(vec![OpenFile::new(inner, OpenFlags::RDWR)])],
        ..Message::default()
    };
    send(&one, b"before").expect("there is room");
    one.send(&mut BytesSource::new(b"with"), &message)
        .expect("there is room");
    send(&one, b"after").expect("there is room");
    other
        .set_option(1, abi::net::SO_PASSCRED, &1u32.to_ne_bytes())
        .expect("an option");
    assert_eq!(
        bytes(&other, 99),
        b"before",
        "a read stops before a message with descriptors"
    );
    let (text, received) = receive(&other, 99, MessageFlags::empty()).expect("it is there");
    assert_eq!(text, b"with");
    let [Control::Rights(rights), Control::Credentials(_)] = &received.control[..] else {
        panic!("descriptors and credentials came along");
    };
    rights[0]
        .write(&mut BytesSource::new(b"through"))
        .expect("it is a socket");
    assert_eq!(bytes(&kept, 99), b"through");
    drop((received, message));
    assert_eq!(bytes(&kept, 99), b"", "the last share of the descriptor closed it");
    assert_eq!(bytes(&other, 99), b"after");
}

#[test]
fn each_message_tells_who_wrote_it() {
    let world = World::new();
    let (one, other) = world.pair(STREAM);
    let write = |process: u32, bytes: &[u8]| {
        world.call_as(process);
        one.write(0, &mut BytesSource::new(bytes)).expect("there is room");
    };
    // While nobody wants to know, writers do not matter.
    write(1, b"a");
    write(2, b"b");
    assert_eq!(bytes(&other, 9), b"ab");
    write(1, b"before");
    other
        .set_option(1, abi::net::SO_PASSCRED, &1u32.to_ne_bytes())
        .expect("an option");
    write(3, b"three");
    write(4, b"four");
    let told = |text: &[u8]| {
        let (read, received) = receive(&other, 9, MessageFlags::empty()).expect("it is there");
        assert_eq!(read, text);
        let [Control::Credentials(credentials)] = received.control[..] else {
            panic!("it was asked who wrote");
        };
        (credentials.process, credentials.uid)
    };
    assert_eq!(told(b"before"), (0, 65534));
    assert_eq!(told(b"three"), (3, 1000));
    assert_eq!(told(b"four"), (4, 1000));
}
