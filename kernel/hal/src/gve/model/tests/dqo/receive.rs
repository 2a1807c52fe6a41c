use alloc::vec::Vec;

use super::super::bench::{Bench, Queue, RX_ENTRIES};
use crate::dma::{Shared, reach};
use crate::gve::model::defs::{admin, dqo};
use crate::gve::model::description::PACKET_TYPES;
use crate::gve::model::fields::le16;
use crate::gve::model::{CompletionFault, Configuration, Defect, Drops, Format};
use crate::network::model::samples;

pub(super) type Descriptor = [u8; 32];

pub(super) fn descriptor(identifier: u16, address: u64) -> Descriptor {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&identifier.to_le_bytes());
    bytes[8..16].copy_from_slice(&address.to_le_bytes());
    bytes
}

pub(super) fn push(queue: &mut Queue, descriptors: &[Descriptor]) {
    for bytes in descriptors {
        let at = queue.tail as usize % usize::from(RX_ENTRIES) * 32;
        reach::write(queue.second.address(at), bytes);
        queue.tail += 1;
    }
}

pub(super) fn ring(queue: &Queue) {
    queue.ring_little(queue.tail % u32::from(RX_ENTRIES));
}

/// A device with memory for as many buffers as it has entries.
pub(super) fn start() -> (Bench, Queue, Shared) {
    let mut bench = Bench::ready(Format::DqoRda, Configuration::of(Format::DqoRda));
    let queue = bench.receiver(Format::DqoRda);
    (bench, queue, Shared::allocate(128 * 2048).expect("memory"))
}

/// Posts the eight buffers from a number on.
pub(super) fn post(queue: &mut Queue, memory: &Shared, first: u16) {
    let buffers = [0, 1, 2, 3, 4, 5, 6, 7].map(|index| first + index);
    push(
        queue,
        &buffers.map(|buffer| descriptor(buffer, memory.address(usize::from(buffer) % 128 * 2048))),
    );
    ring(queue);
}

/// The next completion, if there is one.
pub(super) fn completion(queue: &mut Queue) -> Option<Descriptor> {
    let mut bytes = [0; 32];
    let entries = u32::from(RX_ENTRIES);
    reach::read(queue.ring.address((queue.head % entries) as usize * 32), &mut bytes);
    let generation = u16::from((queue.head / entries).is_multiple_of(2));
    if le16(&bytes, 4) >> 14 & 1 != generation {
        return None;
    }
    queue.head += 1;
    Some(bytes)
}

fn bytes(memory: &Shared, buffer: u16, length: usize) -> Vec<u8> {
    let mut bytes = alloc::vec![0; length];
    reach::read(memory.address(usize::from(buffer) % 128 * 2048), &mut bytes);
    bytes
}

/// What the map calls a kind of packet.
fn packet_type(l3: u8, l4: u8) -> u16 {
    let found = PACKET_TYPES.iter().find(|other| (other.1, other.2) == (l3, l4));
    found.expect("a type").0
}

const DONE: u8 = dqo::RX_DESCRIPTOR_DONE;
const WHOLE: u8 = DONE | dqo::RX_END_OF_PACKET;
const CHECKED: u8 = WHOLE | dqo::RX_L3_L4_PROCESSED;

#[test]
fn the_device_receives_into_buffers_over_many_rounds() {
    let (bench, mut queue, memory) = start();
    let frame = samples::bytes(samples::TCP4);
    for round in 0..60_u16 {
        post(&mut queue, &memory, round * 8 % 64);
        assert_eq!(bench.device.posted(0), 8);
        for index in 0..8 {
            assert!(bench.device.receive(0, &frame));
            let completion = completion(&mut queue).expect("a completion");
            let buffer = round * 8 % 64 + index;
            assert_eq!(
                (completion[0], completion[1], completion[8]),
                (dqo::RX_RXDID, 0, CHECKED)
            );
            assert_eq!(
                le16(&completion, 2),
                packet_type(admin::L3_TYPE_IPV4, admin::L4_TYPE_TCP)
            );
            assert_eq!(usize::from(le16(&completion, 4) & 0x3fff), frame.len());
            assert_eq!((le16(&completion, 6), le16(&completion, dqo::RX_BUF_ID)), (0, buffer));
            assert_eq!(bytes(&memory, buffer, frame.len()), frame);
        }
        assert_eq!(completion(&mut queue), None);
    }
    assert!(!bench.device.receive(0, &frame), "no buffers");
    assert_eq!(bench.device.drops(), Drops { rx: 1, tx: 0 });
    bench.device.assert_obeyed();
}

#[test]
fn the_device_splits_long_frames_over_buffers() {
    let (bench, mut queue, memory) = start();
    let frame: Vec<u8> = (0..5000_u32).map(|at| (at / 3) as u8).collect();
    for defect in [None, Some(Defect::NewestBuffersFirst)] {
        post(&mut queue, &memory, 0);
        if let Some(defect) = defect {
            bench.device.inject(defect);
        }
        let expected: [u16; 3] = if defect.is_none() { [0, 1, 2] } else { [7, 6, 5] };
        assert!(bench.device.receive(0, &frame));
        let completions = [0, 1, 2].map(|_| completion(&mut queue).expect("a completion"));
        let buffers = completions.map(|completion| le16(&completion, dqo::RX_BUF_ID));
        assert_eq!(buffers, expected);
        assert_eq!(
            completions.map(|completion| le16(&completion, 4) & 0x3fff),
            [2048, 2048, 904]
        );
        assert_eq!(completions.map(|completion| completion[8]), [DONE, DONE, WHOLE]);
        let other = packet_type(admin::L3_TYPE_OTHER, admin::L4_TYPE_OTHER);
        assert_eq!(completions.map(|completion| le16(&completion, 2)), [0, 0, other]);
        let received = [
            bytes(&memory, expected[0], 2048),
            bytes(&memory, expected[1], 2048),
            bytes(&memory, expected[2], 904),
        ];
        assert_eq!(received.concat(), frame);
        // All but the five that are left.
        for _ in 0..5 {
            assert!(bench.device.receive(0, &[0; 60]));
            completion(&mut queue);
        }
    }
    assert_eq!(bench.device.posted(0), 0);
    post(&mut queue, &memory, 0);
    assert!(
        !bench.device.receive(0, &alloc::vec![0; 8 * 2048 + 1]),
        "whole frames only"
    );
    assert_eq!(bench.device.posted(0), 8);
    bench.device.assert_obeyed();
}

#[test]
fn the_device_looks_at_checksums() {
    let (bench, mut queue, memory) = start();
    let (four, six, udp, tcp) = (
        admin::L3_TYPE_IPV4,
        admin::L3_TYPE_IPV6,
        admin::L4_TYPE_UDP,
        admin::L4_TYPE_TCP,
    );
    let bad_l4 = CHECKED | dqo::RX_CSUM_L4_ERR;
    let told = [
        (samples::bytes(samples::UDP4), (four, udp), CHECKED),
        (samples::bytes(samples::UDP6), (six, udp), CHECKED),
        (samples::bytes(samples::TCP6), (six, tcp), CHECKED),
        (
            samples::changed(samples::UDP4, samples::UDP4_CHECKSUM, &[1, 1]),
            (four, udp),
            bad_l4,
        ),
        (
            samples::changed(samples::UDP4, samples::UDP4_CHECKSUM, &[0, 0]),
            (four, udp),
            CHECKED,
        ),
        (
            samples::changed(samples::TCP4, samples::TCP4_CHECKSUM, &[0, 0]),
            (four, tcp),
            bad_l4,
        ),
        (
            samples::changed(samples::TCP4, samples::IP4_CHECKSUM, &[1, 1]),
            (four, tcp),
            CHECKED | dqo::RX_CSUM_IP_ERR,
        ),
        // A fragment, whose header's sum fits its bit no more.
        (
            samples::changed(samples::TCP4, 20, &[0x20]),
            (four, 0),
            CHECKED | dqo::RX_CSUM_IP_ERR,
        ),
        (alloc::vec![3; 60], (admin::L3_TYPE_OTHER, admin::L4_TYPE_OTHER), WHOLE),
    ];
    post(&mut queue, &memory, 0);
    post(&mut queue, &memory, 8);
    for (frame, (l3, l4), status) in &told {
        assert!(bench.device.receive(0, frame));
        let completion = completion(&mut queue).expect("a completion");
        assert_eq!((le16(&completion, 2), completion[8]), (packet_type(*l3, *l4), *status));
    }
    bench.device.assert_obeyed();
}

#[test]
fn the_device_receives_wrongly_in_dqo_as_it_is_told() {
    use CompletionFault::{Error, Generation, Identifier, Length, Lose, NoLast, None, Twice, Type};
    let (bench, mut queue, memory) = start();
    let frame = samples::bytes(samples::UDP4);
    let length = frame.len() as u16;
    post(&mut queue, &memory, 0);
    post(&mut queue, &memory, 8);
    let told = [
        (None, 0, length, CHECKED, 0),
        (Identifier(0xffff), 0xffff, length, CHECKED, 0),
        (Length(3000), 2, 3000, CHECKED, 0),
        (Error, 3, length, CHECKED, dqo::RX_ERROR),
        (NoLast, 4, length, CHECKED & !dqo::RX_END_OF_PACKET, 0),
        (Twice, 5, length, CHECKED, 0),
    ];
    bench.device.fail_received(&told.map(|told| told.0));
    for (fault, buffer, length, status, error) in told {
        assert!(bench.device.receive(0, &frame));
        let completion = completion(&mut queue).expect("a completion");
        let said = (
            le16(&completion, dqo::RX_BUF_ID),
            le16(&completion, 4) & 0x3fff,
            completion[8],
            completion[1],
        );
        assert_eq!(said, (buffer, length, status, error), "{fault:?}");
    }
    assert_eq!(
        completion(&mut queue).map(|completion| le16(&completion, dqo::RX_BUF_ID)),
        Some(5),
        "twice"
    );
    bench.device.fail_received(&[Type(2), Lose, Generation]);
    assert!(bench.device.receive(0, &frame));
    assert_eq!(completion(&mut queue).map(|completion| completion[0]), Some(2));
    for posted in [8, 7] {
        assert!(bench.device.receive(0, &frame));
        assert_eq!((completion(&mut queue), bench.device.posted(0)), (Option::None, posted));
    }
    bench.device.assert_obeyed();
}

#[test]
fn the_device_lets_a_frame_of_dqo_arrive_when_its_message_is_opened() {
    let (bench, mut queue, memory) = start();
    post(&mut queue, &memory, 0);
    bench.device.receive_at_doorbell(0, &samples::bytes(samples::UDP4));
    bench.doorbells.write32(
        bench.interrupt_doorbell(1),
        (dqo::ITR_ENABLE_BIT | dqo::ITR_NO_UPDATE).to_le(),
    );
    assert_eq!((bench.device.posted(0), bench.device.deliver()), (7, 1));
    bench.device.assert_obeyed();
}
