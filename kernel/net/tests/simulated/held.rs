//! Short segments that are held back for what is written next.

use std::sync::Arc;

use abi::net as linux;
use file::{BytesSink, BytesSource, File, Readiness};
use net::{Capabilities, Message, MessageFlags, SocketFile};

use crate::link::{Faults, MILLISECOND, World};
use crate::transfer;

const MINUTE: u64 = 60_000 * MILLISECOND;

/// A connection whose server has Nagle's algorithm off, as servers have it.
fn connect(world: &World) -> (Arc<SocketFile>, Arc<SocketFile>) {
    let ends = transfer::connect(world, MINUTE);
    let on = 1_u32.to_ne_bytes();
    ends.1
        .set_option(linux::SOL_TCP, linux::TCP_NODELAY, &on)
        .expect("an option");
    ends
}

/// A client and a server that answers in pieces.
struct Service {
    world: World,
    client: Arc<SocketFile>,
    server: Arc<SocketFile>,
}

impl Service {
    fn start() -> Self {
        let world = World::new(1, Faults::default(), Capabilities::default(), 16 << 20);
        let (client, server) = connect(&world);
        Self { world, client, server }
    }

    fn send(socket: &SocketFile, bytes: &[u8]) {
        let sent = socket.send(&mut BytesSource::new(bytes), &Message::default());
        assert_eq!(sent.expect("there is room"), bytes.len());
    }

    fn take(&self, socket: &SocketFile) -> usize {
        self.world
            .run_until(MINUTE, |_| socket.readiness().contains(Readiness::IN));
        let mut bytes = [0; 4096];
        let received = socket.receive(&mut BytesSink::new(&mut bytes), MessageFlags::empty());
        received.expect("it is there").length
    }

    /// A request, and the pieces of its answer that are written one after the other. Returns the frames that the answer took.
    fn exchange(&self, pieces: &[usize]) -> u64 {
        Self::send(&self.client, &[1; 100]);
        self.take(&self.server);
        let before = self.world.frames();
        for &length in pieces {
            Self::send(&self.server, &vec![2; length]);
        }
        self.world.stacks[1].release(0);
        let frames = self.world.frames() - before;
        let mut left: usize = pieces.iter().sum();
        while left > 0 {
            left -= self.take(&self.client);
        }
        frames
    }
}

#[test]
fn an_answer_in_pieces_becomes_one_segment_once_its_like_was_seen() {
    let service = Service::start();
    assert_eq!(service.exchange(&[200, 1000]), 2);
    assert_eq!(service.exchange(&[200, 1000]), 1);
    assert_eq!(service.exchange(&[200, 3000]), 3, "full segments, and what is left");
    assert_eq!(
        service.exchange(&[300]),
        1,
        "nothing follows: it goes with the next call"
    );
    assert_eq!(service.exchange(&[200, 200, 200]), 3);
    assert_eq!(service.exchange(&[200, 200, 200]), 1);
}

#[test]
fn what_is_held_goes_when_it_is_released_and_not_before_its_age() {
    let service = Service::start();
    service.exchange(&[200, 1000]);
    Service::send(&service.client, &[1; 100]);
    service.take(&service.server);
    let before = service.world.frames();
    Service::send(&service.server, &[2; 200]);
    let stack = &service.world.stacks[1];
    assert!(net::holds());
    stack.release(MILLISECOND);
    assert_eq!(service.world.frames(), before);
    stack.release(0);
    assert_eq!(service.world.frames(), before + 1);
    stack.release(0);
    assert_eq!(service.world.frames(), before + 1);
    assert_eq!(service.take(&service.client), 200);
}

#[test]
fn each_cpu_holds_one_connection() {
    let world = World::new(1, Faults::default(), Capabilities::default(), 16 << 20);
    let ends = [0, 1].map(|_| connect(&world));
    let write = |length: usize| {
        for (_, server) in &ends {
            Service::send(server, &vec![2; length]);
        }
    };
    for (_, server) in &ends {
        Service::send(server, &[2; 200]);
        Service::send(server, &[2; 1000]);
    }
    // The next answer begins when time has gone by.
    for _ in 0..10 {
        world.step(MILLISECOND);
    }
    let before = world.frames();
    write(200);
    assert_eq!(
        world.frames(),
        before + 1,
        "the second has taken the place of the first"
    );
    world.stacks[1].release(0);
    assert_eq!(world.frames(), before + 2);
}
