//! What a request of 100 bytes and its answer of 1,000 cost: two stacks, joined by queues in memory.
//!
//! `cargo bench -p net` prints the time. For instructions: `valgrind --tool=callgrind` on the binary, with the number of exchanges as its
//! argument, twice; the difference leaves the start-up out. Half of it is one stack's.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use file::{BytesSink, BytesSource};
use net::{
    Address, Capabilities, Configuration, Destination, Device, Environment, Event, InterfaceAddress, Message,
    MessageFlags, Offloads, Received, SocketFile, Stack, Transmit, UnixNamespace,
};

struct RealTime;

impl Environment for RealTime {
    fn now(&self) -> u64 {
        hal::time::monotonic()
    }
    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
    fn event(&self, _event: Event<'_>) {}
}

type Queue = Arc<Mutex<VecDeque<Vec<u8>>>>;

struct Port {
    number: u8,
    incoming: Queue,
    outgoing: Queue,
}

impl Device for Port {
    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, self.number]
    }
    fn mtu(&self) -> usize {
        1500
    }

    fn max_mtu(&self) -> usize {
        1500
    }
    fn capabilities(&self) -> Capabilities {
        let offloads = Offloads {
            checksum: true,
            segmentation: 0,
        };
        Capabilities {
            ipv4: offloads,
            ipv6: offloads,
        }
    }
    fn receive(&self, handler: &mut dyn FnMut(Received<'_>)) -> bool {
        let frame = self.incoming.lock().expect("one thread").pop_front();
        if let Some(frame) = &frame {
            handler(Received {
                frame,
                checksum_verified: true,
            });
        }
        frame.is_some()
    }
    fn on_receive(&self, _call: Arc<dyn Fn() + Send + Sync>) {
        // Whoever drives the stack looks by itself.
    }

    fn transmit(&self, frame: &Transmit<'_>) -> bool {
        let mut bytes = vec![0; frame.length()];
        frame.copy_to(&mut bytes);
        self.outgoing.lock().expect("one thread").push_back(bytes);
        true
    }
    fn flush(&self) {}
}

fn main() {
    let count = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(200_000u32);
    let queues: [Queue; 2] = Default::default();
    let stacks = [0usize, 1].map(|number| {
        let device = Port {
            number: number as u8,
            incoming: queues[number].clone(),
            outgoing: queues[1 - number].clone(),
        };
        let address = InterfaceAddress {
            address: [10, 0, 0, 1 + number as u8].into(),
            prefix_length: 24,
        };
        let configuration = Configuration {
            address: Some((address, None)),
            ..Configuration::default()
        };
        Stack::new(Arc::new(RealTime), Some(Arc::new(device)), configuration)
    });
    let socket =
        |number: usize| SocketFile::new(&stacks[number], &UnixNamespace::new(), 2, 1, 0).expect("such sockets exist");
    let poll = || {
        for _ in 0..4 {
            for stack in &stacks {
                stack.poll();
            }
        }
    };
    let listener = socket(1);
    listener
        .bind(&Address::Inet([0, 0, 0, 0].into(), 80))
        .expect("the port is free");
    listener.listen(16).expect("a bound socket listens");
    let client = socket(0);
    let _ = client.connect(&Destination::Address(Address::Inet([10, 0, 0, 2].into(), 80)));
    poll();
    client.connected().expect("the handshake is done");
    let (server, _) = listener.accept().expect("it waits");
    let (request, answer) = ([1; 100], [2; 1000]);
    let mut buffer = [0; 2048];
    let mut exchange = || {
        client
            .send(&mut BytesSource::new(&request), &Message::default())
            .expect("there is room");
        stacks[1].poll();
        let received = server
            .receive(&mut BytesSink::new(&mut buffer), MessageFlags::empty())
            .expect("it arrived");
        assert_eq!(received.length, request.len());
        server
            .send(&mut BytesSource::new(&answer), &Message::default())
            .expect("there is room");
        stacks[0].poll();
        let received = client
            .receive(&mut BytesSink::new(&mut buffer), MessageFlags::empty())
            .expect("it arrived");
        assert_eq!(received.length, answer.len());
    };
    (0..1000).for_each(|_| exchange());
    let start = Instant::now();
    (0..count).for_each(|_| exchange());
    println!(
        "{} ns for an exchange, of both ends",
        start.elapsed().as_nanos() / u128::from(count.max(1))
    );
}
