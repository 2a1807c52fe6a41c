//! Frames that are almost right: those that somebody on the link makes who knows the protocols. Ethernet, ARP, IPv4, IPv6 and its extensions, ICMP of
//! both, UDP, TCP, and messages to the DHCP client. DNS is not among them: programs have resolvers of their own, and the kernel reads no answer of it.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use file::{File, Readiness};
use net::{Capabilities, Configuration, Destination, Device, Received, Stack, Transmit};
use proptest::collection::vec as some;
use proptest::prelude::*;
use proptest::sample::select;

use crate::link::{Clock, Faults, MILLISECOND, World, address, checksum, link_local};
use crate::link::{bytes_of, hand_on};
use crate::support::{AF_INET, Blocking, DATAGRAM, inet};
use crate::transfer::connect_ends;

const MINUTE: u64 = 60_000 * MILLISECOND;
const ETHERNET: usize = 14;
const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const UDP_LITE: u8 = 136;

/// The hardware address of stack 1.
const OWN: [u8; 6] = [2, 0, 0, 0, 0, 2];
const BROADCAST: [u8; 6] = [0xff; 6];
/// Neighbours, the own address, groups, all, and nobody.
const ADDRESSES: [[u8; 4]; 7] = [
    [10, 0, 0, 1],
    [10, 0, 0, 2],
    [10, 0, 0, 9],
    [10, 0, 0, 255],
    [224, 0, 0, 1],
    [255; 4],
    [0; 4],
];

/// What is done to a frame that was right.
#[derive(Clone, Debug)]
struct Damage {
    /// Bytes behind the hardware addresses that get other values.
    changes: Vec<(usize, u8)>,
    /// Where it ends early.
    length: Option<usize>,
    /// Its checksums are made right again.
    is_summed: bool,
}

fn damage() -> impl Strategy<Value = Damage> {
    let changes = some((any::<usize>(), any::<u8>()), 0..4);
    let length = proptest::option::weighted(0.1, any::<usize>());
    (changes, length, proptest::bool::weighted(0.8)).prop_map(|(changes, length, is_summed)| Damage {
        changes,
        length,
        is_summed,
    })
}

impl Damage {
    fn apply(&self, mut frame: Vec<u8>) -> Vec<u8> {
        // To whom it goes stays right: what is for others is not even looked at.
        const TYPE: usize = 12;
        for &(at, value) in &self.changes {
            let at = TYPE + at % (frame.len() - TYPE);
            frame[at] = value;
        }
        if let Some(length) = self.length {
            frame.truncate(length % (frame.len() + 1));
        }
        if self.is_summed {
            make_checksums_right(&mut frame);
        }
        frame
    }
}

/// Makes the checksums right that the headers, as they are, have a place for.
fn make_checksums_right(frame: &mut [u8]) {
    let Some((head, packet)) = frame.split_at_mut_checked(ETHERNET) else {
        return;
    };
    match u16::from_be_bytes([head[12], head[13]]) {
        IPV4 => sum_ipv4(packet),
        IPV6 => sum_ipv6(packet),
        _ => {}
    }
}

fn sum_ipv4(packet: &mut [u8]) {
    let Some(header) = packet.first().map(|byte| usize::from(byte & 15) * 4) else {
        return;
    };
    if header < 20 || packet.len() < header {
        return;
    }
    packet[10..12].fill(0);
    let sum = checksum(&packet[..header]);
    packet[10..12].copy_from_slice(&sum);
    let (header, payload) = packet.split_at_mut(header);
    let protocol = header[9];
    let pseudo = [&header[12..20], &[0, protocol]].concat();
    sum_transport(payload, protocol, &pseudo);
}

fn sum_ipv6(packet: &mut [u8]) {
    let Some((header, payload)) = packet.split_at_mut_checked(40) else {
        return;
    };
    let protocol = header[6];
    let pseudo = [&header[8..40], &[0, protocol]].concat();
    sum_transport(payload, protocol, &pseudo);
}

fn sum_transport(payload: &mut [u8], protocol: u8, pseudo: &[u8]) {
    let at = match protocol {
        ICMP | ICMPV6 => 2,
        TCP => 16,
        UDP | UDP_LITE => 6,
        _ => return,
    };
    if payload.len() < at + 2 {
        return;
    }
    payload[at..at + 2].fill(0);
    let length = (payload.len() as u16).to_be_bytes();
    let mut all = if protocol == ICMP {
        Vec::new()
    } else {
        [pseudo, &length[..]].concat()
    };
    all.extend_from_slice(payload);
    let sum = checksum(&all);
    payload[at..at + 2].copy_from_slice(&sum);
}

fn frame(destination: [u8; 6], kind: u16, packet: &[u8]) -> Vec<u8> {
    [&destination[..], &[2, 0, 0, 0, 0, 1], &kind.to_be_bytes(), packet].concat()
}

fn ipv4(protocol: u8, [source, destination]: [[u8; 4]; 2], fragment: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = 20 + options.len();
    let mut packet = vec![0x40 | (length / 4) as u8, 0];
    packet.extend_from_slice(&((length + payload.len()) as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 7]);
    packet.extend_from_slice(&fragment.to_be_bytes());
    packet.extend_from_slice(&[64, protocol, 0, 0]);
    packet.extend_from_slice(&[source, destination].concat());
    packet.extend_from_slice(options);
    packet.extend_from_slice(payload);
    packet
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    packet.extend_from_slice(&[next, 255]);
    packet.extend_from_slice(&link_local(0).octets());
    packet.extend_from_slice(&link_local(1).octets());
    packet.extend_from_slice(payload);
    packet
}

fn udp([source, destination]: [u16; 2], data: &[u8]) -> Vec<u8> {
    let mut datagram = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    datagram.extend_from_slice(&((8 + data.len()) as u16).to_be_bytes());
    datagram.extend_from_slice(&[0, 0]);
    datagram.extend_from_slice(data);
    datagram
}

/// The header and payload of one of the protocols above IP, with its number.
fn transport() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let data = || some(any::<u8>(), 0..64);
    let ports = select(vec![[67, 68], [5000, 80], [5000, 5353], [53, 5353], [5000, 9]]);
    let datagram = (select(vec![UDP, UDP_LITE]), ports, data());
    let segment = (any::<[u32; 2]>(), any::<u8>(), some(any::<u8>(), 0..40), data());
    // Echoes, errors that quote a packet, and what neighbours and routers say.
    let kinds = select(vec![
        0, 1, 2, 3, 4, 5, 8, 11, 12, 128, 129, 130, 133, 134, 135, 136, 137,
    ]);
    let message = (select(vec![ICMP, ICMPV6]), kinds, 0..4u8, any::<u32>(), data());
    prop_oneof![
        datagram.prop_map(|(protocol, ports, data)| (protocol, udp(ports, &data))),
        segment.prop_map(|([sequence, acknowledgement], flags, mut options, data)| {
            options.resize(options.len().next_multiple_of(4), 0);
            let mut segment = [5000u16.to_be_bytes(), 80u16.to_be_bytes()].concat();
            segment.extend_from_slice(&sequence.to_be_bytes());
            segment.extend_from_slice(&acknowledgement.to_be_bytes());
            segment.extend_from_slice(&[(5 + options.len() as u8 / 4) << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
            segment.extend_from_slice(&options);
            segment.extend_from_slice(&data);
            (TCP, segment)
        }),
        message.prop_map(|(protocol, kind, code, word, mut data)| {
            // Half of them quote the head of a packet of ours.
            if code % 2 == 0 {
                let ours = udp([5353, 5000], b"data");
                let quoted = match protocol {
                    ICMP => ipv4(UDP, [ADDRESSES[1], ADDRESSES[0]], 0, &[], &ours),
                    _ => ipv6(UDP, &ours),
                };
                data.splice(..0, quoted);
            }
            let message = [&[kind, code, 0, 0], &word.to_be_bytes()[..], &data].concat();
            (protocol, message)
        }),
    ]
}

/// Extension headers before a payload, as many as there are.
fn extended(extensions: Vec<(u8, Vec<u8>)>, (protocol, payload): (u8, Vec<u8>)) -> (u8, Vec<u8>) {
    extensions
        .into_iter()
        .rev()
        .fold((protocol, payload), |(next, rest), (kind, mut options)| {
            const FRAGMENT: u8 = 44;
            options.resize(if kind == FRAGMENT { 6 } else { 14 }, 0);
            let length = u8::from(kind != FRAGMENT);
            (kind, [&[next, length], &options[..], &rest].concat())
        })
}

/// A frame that is right.
fn sound() -> impl Strategy<Value = Vec<u8>> {
    let to = || select(vec![OWN, BROADCAST, [0x33, 0x33, 0, 0, 0, 1]]);
    let hardware = || select(vec![OWN, BROADCAST, [2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9], [0; 6]]);
    let any_address = || select(&ADDRESSES[..]);
    let arp = (to(), 1..3u8, hardware(), any_address(), hardware(), any_address());
    let fragments = select(vec![0, 0, 0x4000, 0x2000, 0x2001, 2, 0x1fff]);
    let options = proptest::option::weighted(0.2, some(any::<u8>(), 0..40));
    let version_4 = (to(), [any_address(), any_address()], fragments, options, transport());
    let extension = (select(vec![0, 43, 44, 60]), some(any::<u8>(), 0..14));
    let version_6 = (to(), some(extension, 0..3), transport());
    prop_oneof![
        arp.prop_map(|(to, operation, from, source, target, destination)| {
            let head = [0, 1, 8, 0, 6, 4, 0, operation];
            frame(to, ARP, &[&head[..], &from, &source, &target, &destination].concat())
        }),
        version_4.prop_map(|(to, addresses, fragment, options, (protocol, payload))| {
            let mut options = options.unwrap_or_default();
            options.resize(options.len().next_multiple_of(4), 0);
            frame(to, IPV4, &ipv4(protocol, addresses, fragment, &options, &payload))
        }),
        version_6.prop_map(|(to, extensions, transport)| {
            let (next, payload) = extended(extensions, transport);
            frame(to, IPV6, &ipv6(next, &payload))
        }),
    ]
}

proptest! {
    #[test]
    fn a_stack_goes_on_after_frames_that_are_almost_right(frames in some((sound(), damage()), 1..60)) {
        let world = World::speaking(true, 5, Faults::default(), Capabilities::default(), 4 << 20);
        let listener = Blocking::listen_dual(&world.stacks[1], 80).0;
        let datagrams = Blocking::new(&world.stacks[1], AF_INET, DATAGRAM);
        datagrams.0.bind(&inet([0, 0, 0, 0], 5353)).expect("the port is free");
        for (frame, damage) in frames {
            world.inject(1, damage.apply(frame));
            world.step(10 * MILLISECOND);
        }
        // Some may have said that a neighbour is elsewhere, which lasts a while.
        while listener.accept().is_ok() {}
        listener.close();
        let end = Destination::Address(inet(address(1), 80));
        let (client, server) = connect_ends(&world, [0, 1], AF_INET, &end, 10 * MINUTE, |_| {});
        Blocking(client).send_all(b"still here").expect("it is open");
        world.run_until(10 * MINUTE, |_| server.readiness().contains(Readiness::IN));
        let mut buffer = [0; 32];
        let count = Blocking(server).receive(&mut buffer).expect("it arrived");
        prop_assert_eq!(&buffer[..count], b"still here");
    }
}

/// A card whose frames somebody else reads and makes.
#[derive(Default)]
struct Card {
    incoming: Mutex<VecDeque<Vec<u8>>>,
    outgoing: Mutex<Vec<Vec<u8>>>,
}

impl Device for Card {
    fn mac(&self) -> [u8; 6] {
        OWN
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn max_mtu(&self) -> usize {
        1500
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn receive(&self, handler: &mut dyn FnMut(Received<'_>)) -> bool {
        let frame = self.incoming.lock().expect("no test panics with it").pop_front();
        hand_on(frame.as_deref(), handler)
    }

    fn on_receive(&self, _call: Arc<dyn Fn() + Send + Sync>) {
        // Whoever drives the stack looks by itself.
    }

    fn transmit(&self, frame: &Transmit<'_>) -> bool {
        self.outgoing
            .lock()
            .expect("no test panics with it")
            .push(bytes_of(frame));
        true
    }

    fn flush(&self) {}
}

/// Where the client's messages have the number of the transaction: behind the headers of Ethernet, IPv4 and UDP.
const TRANSACTION: usize = ETHERNET + 20 + 8 + 4;
const OFFER: u8 = 2;
const ACKNOWLEDGEMENT: u8 = 5;
const REFUSAL: u8 = 6;
const SERVER: [u8; 4] = [10, 0, 0, 1];
const LONGEST_LEASE: u64 = u32::MAX as u64 * 1000 * MILLISECOND;

/// A machine that looks for an address, and the link that its server is on.
struct Client {
    stack: Arc<Stack>,
    card: Arc<Card>,
    clock: Arc<Clock>,
    transaction: [u8; 4],
}

impl Client {
    fn new() -> Self {
        let clock = Arc::new(Clock(AtomicU64::new(1000 * MILLISECOND)));
        let card = Arc::new(Card::default());
        let configuration = Configuration {
            ipv6: false,
            ..Configuration::default()
        };
        let stack = Stack::new(clock.clone(), Some(card.clone()), configuration);
        let mut client = Self {
            stack,
            card,
            clock,
            transaction: [0; 4],
        };
        client.pass(0);
        assert_ne!(client.transaction, [0; 4], "it has asked");
        client
    }

    /// Lets time pass, and remembers what the client has asked last.
    fn pass(&mut self, time: u64) {
        self.clock.0.fetch_add(time, Ordering::Relaxed);
        self.stack.poll();
        for frame in self.card.outgoing.lock().expect("no test panics with it").drain(..) {
            let ports = frame.get(ETHERNET + 20..ETHERNET + 24);
            if ports == Some(&[0, 68, 0, 67]) {
                self.transaction.copy_from_slice(&frame[TRANSACTION..TRANSACTION + 4]);
            }
        }
    }

    /// A message from the server, before options and their end.
    fn message(&self, kind: u8, granted: [u8; 4], options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 236];
        bytes[..4].copy_from_slice(&[2, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&self.transaction);
        bytes[16..20].copy_from_slice(&granted);
        bytes[28..34].copy_from_slice(&OWN);
        bytes.extend_from_slice(&[0x63, 0x82, 0x53, 0x63, 53, 1, kind]);
        bytes.extend_from_slice(options);
        let datagram = udp([67, 68], &bytes);
        let mut frame = frame(BROADCAST, IPV4, &ipv4(UDP, [SERVER, [255; 4]], 0, &[], &datagram));
        make_checksums_right(&mut frame);
        frame
    }

    fn receive(&mut self, frame: Vec<u8>) {
        self.card
            .incoming
            .lock()
            .expect("no test panics with it")
            .push_back(frame);
        self.pass(MILLISECOND);
    }
}

#[test]
fn an_answer_of_dhcp_with_a_wrong_checksum_counts_for_nothing() {
    const CHECKSUM: usize = ETHERNET + 20 + 6;
    let options = [54, 4, 10, 0, 0, 1, 1, 4, 255, 255, 255, 0, 51, 4, 0, 0, 0, 120, 255];
    let own_after = |damage: u8| {
        let mut client = Client::new();
        for kind in [OFFER, ACKNOWLEDGEMENT] {
            let mut frame = client.message(kind, [10, 0, 0, 50], &options);
            frame[CHECKSUM] ^= damage;
            client.receive(frame);
        }
        client.stack.own_ipv4()
    };
    assert_eq!(own_after(1), None);
    assert_eq!(own_after(0), Some(Ipv4Addr::new(10, 0, 0, 50)));
}

/// An option that the client looks at, with data of about the right length.
fn option() -> impl Strategy<Value = Vec<u8>> {
    let kinds = select(vec![0, 1, 3, 6, 12, 15, 26, 51, 54, 58, 59, 61, 121, 255]);
    (kinds, some(any::<u8>(), 0..10)).prop_map(|(kind, data)| [&[kind, data.len() as u8][..], &data].concat())
}

proptest! {
    #[test]
    fn a_client_of_dhcp_goes_on_after_answers_that_are_almost_right(
        answers in some(
            (
                select(vec![OFFER, OFFER, ACKNOWLEDGEMENT, ACKNOWLEDGEMENT, REFUSAL, 1, 9]),
                select(&ADDRESSES[..]),
                some(option(), 0..5),
                damage(),
                select(vec![0, 0, MILLISECOND, 400 * MILLISECOND, 3 * MINUTE]),
            ),
            1..30,
        )
    ) {
        let mut client = Client::new();
        let sound = [54, 4, 10, 0, 0, 1, 1, 4, 255, 255, 255, 0, 51, 4, 0, 0, 0, 120, 255];
        for (kind, granted, options, damage, time) in answers {
            let options = [&options.concat()[..], &sound].concat();
            let frame = client.message(kind, granted, &options);
            client.receive(damage.apply(frame));
            client.pass(time);
            let own = client.stack.own_ipv4();
            prop_assert!(own.is_none_or(|own| !own.is_unspecified() && !own.is_multicast() && !own.is_broadcast()));
        }
        // Whatever was granted ends, and then a server is heard that makes sense.
        client.pass(LONGEST_LEASE);
        (0..10).for_each(|_| client.pass(MINUTE));
        prop_assert_eq!(client.stack.own_ipv4(), None);
        for kind in [OFFER, ACKNOWLEDGEMENT] {
            let frame = client.message(kind, [10, 0, 0, 50], &sound);
            client.receive(frame);
        }
        prop_assert_eq!(client.stack.own_ipv4(), Some(Ipv4Addr::new(10, 0, 0, 50)));
    }
}
