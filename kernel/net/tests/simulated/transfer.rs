use std::sync::Arc;

use file::{BytesSink, BytesSource, Error, File, Readiness};
use net::{Capabilities, Destination, Message, MessageFlags, Offloads, Shutdown, SocketFile};
use proptest::prelude::*;

use crate::link::{Faults, MILLISECOND, World, address};
use crate::support::{AF_INET, Blocking, DATAGRAM, STREAM, inet, pattern};

const MINUTE: u64 = 60_000 * MILLISECOND;

/// One side of a connection that writes `out`, ends its direction, and reads what comes.
struct Peer {
    socket: Arc<SocketFile>,
    out: Vec<u8>,
    written: usize,
    read: Vec<u8>,
    ended: bool,
    shut: bool,
    /// Bytes of a call.
    piece: usize,
}

impl Peer {
    fn new(socket: Arc<SocketFile>, out: Vec<u8>, piece: usize) -> Self {
        Self {
            socket,
            out,
            written: 0,
            read: Vec::new(),
            ended: false,
            shut: false,
            piece,
        }
    }

    fn work(&mut self) {
        while self.written < self.out.len() {
            let end = self.out.len().min(self.written + self.piece);
            match self
                .socket
                .send(&mut BytesSource::new(&self.out[self.written..end]), &Message::default())
            {
                Ok(count) => self.written += count,
                Err(Error::WouldBlock) => break,
                Err(error) => panic!("writing failed: {error:?}"),
            }
        }
        if self.written == self.out.len() && !self.shut {
            self.socket.shutdown(Shutdown::Write).expect("a connection shuts down");
            self.shut = true;
        }
        let mut bytes = vec![0; self.piece];
        while !self.ended {
            match self
                .socket
                .receive(&mut BytesSink::new(&mut bytes), MessageFlags::empty())
            {
                Ok(received) => {
                    self.ended = received.length == 0;
                    self.read.extend_from_slice(&bytes[..received.length]);
                }
                Err(Error::WouldBlock) => break,
                Err(error) => panic!("reading failed: {error:?}"),
            }
        }
    }

    fn is_done(&self) -> bool {
        self.shut && self.ended
    }
}

/// Connects stack 0 to a port of stack 1.
pub fn connect(world: &World, limit: u64) -> (Arc<SocketFile>, Arc<SocketFile>) {
    connect_prepared(world, limit, |_| {})
}

fn connect_prepared(world: &World, limit: u64, prepare: impl Fn(&SocketFile)) -> (Arc<SocketFile>, Arc<SocketFile>) {
    let end = Destination::Address(world.end(1, 80));
    connect_ends(world, [0, 1], world.domain(), &end, limit, prepare)
}

/// Connects one stack to port 80 of another, which may be itself.
pub fn connect_ends(
    world: &World,
    [from, to]: [usize; 2],
    domain: u32,
    end: &Destination,
    limit: u64,
    prepare: impl Fn(&SocketFile),
) -> (Arc<SocketFile>, Arc<SocketFile>) {
    let listener = Blocking::listen_dual(&world.stacks[to], 80).0;
    let client = Blocking::new(&world.stacks[from], domain, STREAM).0;
    prepare(&client);
    let begun = client.connect(end);
    assert!(matches!(begun, Err(Error::Errno(abi::Errno::INPROGRESS))), "{begun:?}");
    let mut server = None;
    world.run_until(limit, |_| {
        server = server.take().or_else(|| listener.accept().ok());
        server.is_some() && client.connected().is_ok()
    });
    listener.close();
    (client, server.expect("it was accepted").0)
}

/// Connects stack 0 to itself, over its loopback interface.
fn connect_locally(world: &World) -> (Arc<SocketFile>, Arc<SocketFile>) {
    let end = Destination::Address(inet([127, 0, 0, 1], 80));
    connect_ends(world, [0, 0], AF_INET, &end, MINUTE, |_| {})
}

/// Lets the stacks learn each other's hardware address: three lost requests for it end a connection's opening, and rightly so.
pub fn meet(world: &World) {
    let socket = Blocking::new(&world.stacks[0], world.domain(), DATAGRAM);
    socket.send_to(b"hello", world.end(1, 9)).expect("it leaves");
    // Nobody is asked from an address that may still be somebody else's, for a second.
    for _ in 0..1200 {
        world.step(MILLISECOND);
    }
    socket.close();
}

/// Transfers both ways and returns the time that it took.
fn transfer(world: &World, lengths: [usize; 2], pieces: [usize; 2], limit: u64) -> u64 {
    let start = world.now();
    let ends = connect(world, limit);
    transfer_between(world, ends, lengths, pieces, limit) - start
}

/// Transfers both ways and returns when that was done.
fn transfer_between(
    world: &World,
    (client, server): (Arc<SocketFile>, Arc<SocketFile>),
    lengths: [usize; 2],
    pieces: [usize; 2],
    limit: u64,
) -> u64 {
    let (there, back) = (pattern(lengths[0]), pattern(lengths[1]));
    let mut peers = [
        Peer::new(client, there.clone(), pieces[0]),
        Peer::new(server, back.clone(), pieces[1]),
    ];
    world.run_until(limit, |_| {
        peers.iter_mut().for_each(Peer::work);
        peers.iter().all(Peer::is_done)
    });
    assert!(
        peers[1].read == there,
        "the server read {} of {} bytes, or others",
        peers[1].read.len(),
        there.len()
    );
    assert!(
        peers[0].read == back,
        "the client read {} of {} bytes, or others",
        peers[0].read.len(),
        back.len()
    );
    let done = world.now();
    // What was sent is acknowledged, and nothing goes round for ever.
    for peer in &peers {
        peer.socket.close();
    }
    let frames = world.frames();
    world.set_faults(Faults::default());
    world.run_until(10 * MINUTE, |world| {
        world.stacks.iter().all(|stack| stack.connections() == 0)
    });
    assert!(
        world.frames() - frames < 200,
        "{} frames after the end",
        world.frames() - frames
    );
    assert_eq!(world.stacks.each_ref().map(|stack| stack.buffer_memory_used()), [0, 0]);
    done
}

#[test]
fn each_side_says_fin_once() {
    for (closes_first, others_answer) in [(0, 0), (1, 0), (0, 500), (1, 500)] {
        let world = World::new(1, Faults::default(), Capabilities::default(), 1 << 20);
        let (client, server) = connect(&world, MINUTE);
        let mut ends = [client, server];
        ends.rotate_left(closes_first);
        ends[0].close();
        for _ in 0..others_answer {
            world.step(MILLISECOND);
        }
        ends[1].close();
        world.run_until(10 * MINUTE, |world| {
            world.stacks.iter().all(|stack| stack.connections() == 0)
        });
        assert_eq!(
            world.fins(),
            2,
            "end {closes_first} closes {others_answer} ms before the other"
        );
    }
}

#[test]
fn ends_are_finished_when_all_that_was_written_has_arrived() {
    let lossy = Faults {
        loss: 100,
        ..Faults::default()
    };
    for (closes_first, faults) in [(true, Faults::default()), (false, Faults::default()), (true, lossy)] {
        let world = World::new(7, Faults::default(), Capabilities::default(), 1 << 20);
        let (reader, writer) = connect(&world, MINUTE);
        world.set_faults(faults);
        assert!(!world.stacks[1].has_unfinished_ends(), "an open connection has no end");
        if !closes_first {
            reader.shutdown(Shutdown::Write).expect("a connection shuts down");
        }
        let sent = pattern(20_000);
        let written = writer.send(&mut BytesSource::new(&sent), &Message::default());
        assert!(matches!(written, Ok(20_000)), "{written:?}");
        writer.close();
        assert!(world.stacks[1].has_unfinished_ends(), "nothing has left yet");
        world.run_until(MINUTE, |world| !world.stacks[1].has_unfinished_ends());
        let mut arrived = vec![0; sent.len() + 1];
        let received = reader
            .receive(&mut BytesSink::new(&mut arrived), MessageFlags::empty())
            .expect("data has arrived");
        assert_eq!(arrived[..received.length], sent);
        assert_eq!(
            reader
                .receive(&mut BytesSink::new(&mut arrived), MessageFlags::empty())
                .expect("the end has arrived")
                .length,
            0
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn bytes_arrive_whole_whatever_the_link_does(
        seed: u64,
        loss in 0u32..150, duplication in 0u32..100, corruption in 0u32..30, delay in 0u32..300, refusal in 0u32..500,
        lengths in [0usize..300_000, 0usize..300_000],
        pieces in [1usize..20_000, 1usize..20_000],
        ipv6: bool, transmit_checksum: bool, segmentation in prop::sample::select(vec![0, 20_000, 65_000]),
        memory in prop::sample::select(vec![0, 1 << 20, 16 << 20]),
        mtu in prop::sample::select(vec![1500, 9001]),
    ) {
        let faults = Faults { loss, duplication, corruption, delay, refusal };
        let offloads = Offloads { checksum: transmit_checksum || segmentation > 0, segmentation };
        let capabilities = Capabilities { ipv4: offloads, ipv6: offloads };
        let world = World::carrying(mtu, ipv6, seed, Faults::default(), capabilities, memory);
        meet(&world);
        world.set_faults(faults);
        transfer(&world, lengths, pieces, 60 * MINUTE);
    }
}

#[test]
fn the_device_cuts_no_tiny_segments() {
    let offloads = Offloads {
        checksum: true,
        segmentation: 65_000,
    };
    let capabilities = Capabilities {
        ipv4: offloads,
        ipv6: offloads,
    };
    let world = World::new(5, Faults::default(), capabilities, 16 << 20);
    meet(&world);
    let ends = connect_prepared(&world, MINUTE, |socket| {
        socket
            .set_option(abi::net::SOL_TCP, abi::net::TCP_MAXSEG, &88u32.to_ne_bytes())
            .expect("an option");
    });
    transfer_between(&world, ends, [100_000, 100_000], [10_000, 10_000], MINUTE);
}

#[test]
fn a_clean_link_is_filled() {
    let world = World::new(1, Faults::default(), Capabilities::default(), 64 << 20);
    let took = transfer(&world, [10_000_000, 0], [65536, 65536], MINUTE);
    // With a round trip of 2 ms the windows grow to a megabyte within some tens of round trips.
    assert!(took < 300 * MILLISECOND, "{} ms", took / MILLISECOND);
}

#[test]
fn some_loss_costs_no_timeouts() {
    let faults = Faults {
        loss: 10,
        ..Faults::default()
    };
    let world = World::new(7, faults, Capabilities::default(), 64 << 20);
    let took = transfer(&world, [2_000_000, 0], [65536, 65536], MINUTE);
    // 1400 segments, some 14 lost ones: recovery by SACK takes a round trip, a time-out 200 ms or more.
    assert!(took < 1500 * MILLISECOND, "{} ms", took / MILLISECOND);
}

#[test]
fn a_full_device_loses_nothing() {
    let faults = Faults {
        refusal: 700,
        ..Faults::default()
    };
    let world = World::new(7, faults, Capabilities::default(), 64 << 20);
    let took = transfer(&world, [2_000_000, 0], [65536, 65536], MINUTE);
    assert!(took < 3000 * MILLISECOND, "{} ms", took / MILLISECOND);
}

#[test]
fn a_request_and_its_answer_take_two_frames_and_an_acknowledgement() {
    let world = World::new(1, Faults::default(), Capabilities::default(), 16 << 20);
    let (client, server) = connect(&world, MINUTE);
    let exchange = |world: &World| {
        let mut buffer = [0; 2048];
        client
            .send(&mut BytesSource::new(&[1; 100]), &Message::default())
            .expect("there is room");
        world.run_until(MINUTE, |_| server.readiness().contains(Readiness::IN));
        server
            .receive(&mut BytesSink::new(&mut buffer), MessageFlags::empty())
            .expect("it is there");
        server
            .send(&mut BytesSource::new(&[2; 1000]), &Message::default())
            .expect("there is room");
        world.run_until(MINUTE, |_| client.readiness().contains(Readiness::IN));
        client
            .receive(&mut BytesSink::new(&mut buffer), MessageFlags::empty())
            .expect("it is there");
    };
    exchange(&world);
    let before = world.frames();
    (0..100).for_each(|_| exchange(&world));
    assert_eq!(world.frames() - before, 200, "acknowledgements ride on data");
}

#[test]
fn a_second_small_segment_does_not_wait_for_a_late_acknowledgement() {
    let world = World::new(1, Faults::default(), Capabilities::default(), 16 << 20);
    let (client, server) = connect(&world, MINUTE);
    let start = world.now();
    // More often than acknowledgements are sent at once at the start.
    for _ in 0..30 {
        for _ in 0..2 {
            client
                .send(&mut BytesSource::new(&[1; 100]), &Message::default())
                .expect("there is room");
        }
        let mut left = 200;
        while left > 0 {
            let mut buffer = [0; 200];
            let received = server.receive(&mut BytesSink::new(&mut buffer[..left]), MessageFlags::empty());
            left -= received.map_or(0, |received| received.length);
            // It is read when it has come, not when the next thing would happen.
            world.step(MILLISECOND / 10);
        }
    }
    // Two round trips of 2 ms each, of which the second is the next one's first.
    let took = world.now() - start;
    assert!(took < 30 * 5 * MILLISECOND, "{} ms", took / MILLISECOND);
}

#[test]
fn a_reader_of_small_pieces_lets_the_sender_go_on_whose_segments_are_as_large_as_the_buffer() {
    let world = World::new(1, Faults::default(), Capabilities::default(), 64 << 20);
    let (client, server) = connect_locally(&world);
    let data = pattern(3_000_000);
    let mut written = 0;
    let mut write = || {
        while written < data.len()
            && let Ok(count) = client.send(&mut BytesSource::new(&data[written..]), &Message::default())
        {
            written += count;
        }
    };
    // Nobody reads before all buffers are full.
    for _ in 0..1000 {
        write();
        world.step(MILLISECOND);
    }
    let start = world.now();
    let mut read = Vec::new();
    world.run_until(MINUTE, |_| {
        write();
        let mut buffer = [0; 4096];
        while let Ok(received) = server.receive(&mut BytesSink::new(&mut buffer), MessageFlags::empty()) {
            read.extend_from_slice(&buffer[..received.length]);
        }
        read.len() == data.len()
    });
    let took = world.now() - start;
    assert!(read == data);
    assert!(took < 100 * MILLISECOND, "{} ms", took / MILLISECOND);
}

#[test]
fn a_pipeline_is_written_to_its_end_before_any_answer_is_read() {
    let world = World::new(1, Faults::default(), Capabilities::default(), 64 << 20);
    let (client, server) = connect_locally(&world);
    let (requests, answers) = (4_400_000, 2_500_000);
    let (mut written, mut read, mut answered) = (0, 0, 0);
    let start = world.now();
    while read < requests && world.now() < start + MINUTE {
        if written < requests
            && let Ok(count) = client.send(&mut BytesSource::new(&[1; 4096]), &Message::default())
        {
            written += count;
        }
        // The server keeps its answers until the client takes them, and reads on meanwhile.
        let mut buffer = [0; 16384];
        if let Ok(received) = server.receive(&mut BytesSink::new(&mut buffer), MessageFlags::empty()) {
            read += received.length;
        }
        let wanted = (read * answers / requests).saturating_sub(answered).min(65536);
        if wanted > 0
            && let Ok(count) = server.send(&mut BytesSource::new(&std::vec![2; wanted]), &Message::default())
        {
            answered += count;
        }
        // Both work at any time, not when the next thing would happen.
        world.step(MILLISECOND / 10);
    }
    let took = world.now() - start;
    assert!(took < 1000 * MILLISECOND, "{} ms", took / MILLISECOND);
}

#[test]
fn a_closed_window_opens_again_although_the_news_is_lost() {
    let world = World::new(3, Faults::default(), Capabilities::default(), 16 << 20);
    let (client, server) = connect(&world, MINUTE);
    let data = pattern(400_000);
    let mut sender = Peer::new(client, data.clone(), 65536);
    // The server does not read until its window is closed.
    for _ in 0..2000 {
        if sender.written < data.len() {
            let end = data.len().min(sender.written + 65536);
            if let Ok(count) = sender
                .socket
                .send(&mut BytesSource::new(&data[sender.written..end]), &Message::default())
            {
                sender.written += count;
            }
        }
        world.step(MILLISECOND);
    }
    // All that it says then is lost.
    world.set_faults(Faults {
        loss: 1000,
        ..Faults::default()
    });
    let mut receiver = Peer::new(server, Vec::new(), 65536);
    receiver.work();
    let read = receiver.read.len();
    assert!(read > 0 && read < data.len());
    for _ in 0..100 {
        world.step(MILLISECOND);
    }
    world.set_faults(Faults::default());
    world.run_until(5 * MINUTE, |_| {
        sender.work();
        receiver.work();
        receiver.ended
    });
    assert!(receiver.read == data);
}

#[test]
fn a_window_that_is_kept_small_opens_again() {
    for corked in [false, true] {
        fill_small_window(corked);
    }
}

fn fill_small_window(corked: bool) {
    let world = World::new(3, Faults::default(), Capabilities::default(), 16 << 20);
    let (client, server) = connect(&world, MINUTE);
    let set = |socket: &SocketFile, name, value: u32| socket.set_option(abi::net::SOL_TCP, name, &value.to_ne_bytes());
    set(&client, abi::net::TCP_CORK, u32::from(corked)).expect("an option");
    set(&server, abi::net::TCP_WINDOW_CLAMP, 1000).expect("an option");
    let data = pattern(80_000);
    let mut sender = Peer::new(client, data.clone(), 65536);
    let mut receiver = Peer::new(server, Vec::new(), 65536);
    // The window that it has had is used up first, and the sender is not heard of again.
    for _ in 0..2000 {
        sender.work();
        world.step(MILLISECOND);
    }
    assert!(sender.shut);
    world.run_until(MINUTE, |_| {
        receiver.work();
        receiver.ended
    });
    assert!(receiver.read == data);
}

#[test]
fn a_dead_peer_is_found_by_keep_alive() {
    let world = World::new(3, Faults::default(), Capabilities::default(), 16 << 20);
    let (client, _server) = connect(&world, MINUTE);
    client
        .set_option(1, abi::net::SO_KEEPALIVE, &1u32.to_ne_bytes())
        .expect("an option");
    for (name, value) in [
        (abi::net::TCP_KEEPIDLE, 10u32),
        (abi::net::TCP_KEEPINTVL, 5),
        (abi::net::TCP_KEEPCNT, 3),
    ] {
        client
            .set_option(abi::net::SOL_TCP, name, &value.to_ne_bytes())
            .expect("an option");
    }
    let start = world.now();
    world.run_until(MINUTE, |world| world.now() > start + 30_000 * MILLISECOND);
    assert!(!client.readiness().contains(Readiness::ERR), "a living peer answers");
    world.set_faults(Faults {
        loss: 1000,
        ..Faults::default()
    });
    world.run_until(MINUTE, |_| client.readiness().contains(Readiness::ERR));
    let mut buffer = [0; 8];
    let result = client.receive(&mut BytesSink::new(&mut buffer), MessageFlags::empty());
    assert!(matches!(result, Err(Error::Errno(abi::Errno::TIMEDOUT))));
}

#[test]
fn simultaneous_opens_make_one_connection() {
    let world = World::new(3, Faults::default(), Capabilities::default(), 16 << 20);
    let sockets = [0, 1].map(|number| {
        let socket = Blocking::new(&world.stacks[number], AF_INET, STREAM).0;
        socket
            .bind(&inet([0, 0, 0, 0], 4000 + number as u16))
            .expect("the port is free");
        socket
    });
    // Addresses are known, so that both SYNs are on their way at once.
    for (number, socket) in sockets.iter().enumerate() {
        let _ = socket.connect(&Destination::Address(inet(
            address(1 - number),
            4000 + 1 - number as u16,
        )));
    }
    world.run_until(MINUTE, |_| sockets.iter().all(|socket| socket.connected().is_ok()));
    let mut peers = sockets.map(|socket| Peer::new(socket, pattern(1000), 100));
    world.run_until(MINUTE, |_| {
        peers.iter_mut().for_each(Peer::work);
        peers.iter().all(Peer::is_done)
    });
    assert!(peers.iter().all(|peer| peer.read == pattern(1000)));
}
