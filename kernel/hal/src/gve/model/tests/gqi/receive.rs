use alloc::vec::Vec;

use super::super::bench::{Bench, Queue};
use crate::dma::reach;
use crate::gve::model::defs::gqi;
use crate::gve::model::fields::{be16, be32};
use crate::gve::model::{CompletionFault, Configuration, Defect, Drops, Format};
use crate::network::model::{samples, sum};

/// Fills slots with buffers, and tells of them.
pub(in crate::gve::model::tests) fn post(queue: &mut Queue, offsets: &[u64]) {
    for offset in offsets {
        let at = queue.tail as usize % 128 * 8;
        reach::write(queue.second.address(at), &offset.to_be_bytes());
        queue.tail += 1;
    }
    queue.ring_big(queue.tail);
}

fn start() -> (Bench, Queue) {
    let mut bench = Bench::ready(Format::GqiQpl, Configuration::default());
    let queue = bench.receiver(Format::GqiQpl);
    (bench, queue)
}

/// The next descriptor, whether it is new or not.
fn descriptor(queue: &mut Queue) -> [u8; 64] {
    let mut bytes = [0; 64];
    reach::read(queue.ring.address(queue.head as usize % 128 * 64), &mut bytes);
    queue.head += 1;
    bytes
}

fn buffer(queue: &Queue, offset: usize, length: usize) -> Vec<u8> {
    let mut bytes = alloc::vec![0; length];
    reach::read(queue.place(offset), &mut bytes);
    bytes
}

#[test]
fn the_device_receives_into_slots_over_many_rounds() {
    let (bench, mut queue) = start();
    let frame = samples::bytes(samples::TCP4);
    for round in 0..300_u32 {
        let offset = u64::from(round % 8) * 2048;
        post(&mut queue, &[offset]);
        assert!(bench.device.receive(0, &frame));
        let descriptor = descriptor(&mut queue);
        let flags = gqi::RXF_IPV4 | gqi::RXF_TCP | (round % 7 + 1) as u16;
        assert_eq!(be16(&descriptor, gqi::RX_FLAGS_SEQ), flags);
        assert_eq!(usize::from(be16(&descriptor, gqi::RX_LEN)), frame.len() + 2);
        assert_eq!(be16(&descriptor, gqi::RX_CSUM), sum(0, &frame[14..]));
        assert_ne!(be32(&descriptor, gqi::RX_RSS_HASH), 0);
        assert_eq!(descriptor[gqi::RX_HDR_LEN], 56);
        assert_eq!(buffer(&queue, offset as usize + 2, frame.len()), frame);
        assert_eq!(bench.counter(queue.counter), round + 1);
    }
    assert!(!bench.device.receive(0, &frame), "no buffers");
    assert_eq!(bench.device.drops(), Drops { rx: 1, tx: 0 });
    bench.device.assert_obeyed();
}

#[test]
fn the_device_splits_long_frames() {
    let (bench, mut queue) = start();
    let frame: Vec<u8> = (0..5000_u32).map(|at| (at / 3) as u8).collect();
    post(&mut queue, &[4096, 0]);
    assert!(!bench.device.receive(0, &frame));
    assert_eq!(bench.device.posted(0), 2, "whole frames only");
    post(&mut queue, &[10240]);
    assert!(bench.device.receive(0, &frame));
    let descriptors = [0, 1, 2].map(|_| descriptor(&mut queue));
    let flags = descriptors.map(|descriptor| be16(&descriptor, gqi::RX_FLAGS_SEQ));
    assert_eq!(flags, [gqi::RXF_PKT_CONT | 1, gqi::RXF_PKT_CONT | 2, 3]);
    assert_eq!(
        descriptors.map(|descriptor| be16(&descriptor, gqi::RX_LEN)),
        [2048, 2048, 906]
    );
    let received = [
        buffer(&queue, 4098, 2046),
        buffer(&queue, 0, 2048),
        buffer(&queue, 10240, 906),
    ]
    .concat();
    assert_eq!(received, frame);
    bench.device.assert_obeyed();
}

#[test]
fn the_device_says_what_frames_are() {
    let (bench, mut queue) = start();
    let (v4, v6) = (gqi::RXF_IPV4, gqi::RXF_IPV6);
    let fragment = samples::changed(samples::UDP4, 20, &[0x20]);
    let cases = [
        (samples::bytes(samples::UDP4), v4 | gqi::RXF_UDP, 44),
        (samples::bytes(samples::UDP6), v6 | gqi::RXF_UDP, 64),
        (samples::bytes(samples::TCP6), v6 | gqi::RXF_TCP, 76),
        (fragment, v4 | gqi::RXF_FRAG, 36),
        (samples::changed(samples::UDP4, 23, &[1]), v4, 36),
    ];
    for (frame, flags, header) in &cases {
        post(&mut queue, &[0]);
        bench.device.receive(0, frame);
        let descriptor = descriptor(&mut queue);
        assert_eq!(be16(&descriptor, gqi::RX_FLAGS_SEQ) & !7, *flags);
        assert_eq!(be16(&descriptor, gqi::RX_CSUM), sum(0, &frame[14..]));
        assert_eq!(descriptor[gqi::RX_HDR_LEN], *header);
    }
    // The sum is that of the bytes, whether they are right or not; of what is not IP there is none.
    for (frame, expected) in [
        (samples::changed(samples::UDP4, samples::UDP4_CHECKSUM, &[9, 9]), None),
        (alloc::vec![3; 60], Some(0)),
    ] {
        post(&mut queue, &[0]);
        bench.device.receive(0, &frame);
        let descriptor = descriptor(&mut queue);
        assert_eq!(
            be16(&descriptor, gqi::RX_CSUM),
            expected.unwrap_or(sum(0, &frame[14..]))
        );
    }
    bench.device.assert_obeyed();
}

#[test]
fn the_device_is_given_buffers_as_it_must_be() {
    let wrong: [(&[u64], &str); 6] = [
        (&[1024], "is not one of the halves of a page"),
        (&[0, 0], "overlaps one that is not used yet"),
        (&[16384], "leaves page list 1, which has 0x4000"),
        (&[1 << 40], "leaves page list 1"),
        // Little endian.
        (&[2048_u64.swap_bytes()], "leaves page list 1"),
        (&[u64::MAX - 2047], "leaves page list 1"),
    ];
    for (offsets, what) in wrong {
        let (bench, mut queue) = start();
        post(&mut queue, offsets);
        let violations = bench.device.take_violations();
        assert!(
            violations.iter().any(|violation| violation.contains(what)),
            "{violations:?}"
        );
        // The slot is used all the same.
        assert_eq!(bench.device.posted(0), offsets.len());
        bench.device.receive(0, &[0; 60]);
        bench.device.assert_obeyed();
    }
    let (bench, mut queue) = start();
    for tail in [129, u32::MAX] {
        queue.ring_big(tail);
        bench.expect(&alloc::format!(
            "RX queue 0: the doorbell says {tail}, 0 was the last, and 0 of 128 buffers"
        ));
    }
    post(&mut queue, &[0, 2048]);
    queue.ring_big(1);
    bench.expect("the doorbell says 1, 2 was the last");
    queue.ring_big(129);
    bench.expect("the doorbell says 129, 2 was the last, and 2 of 128");
}

#[test]
fn the_device_receives_wrongly_as_it_is_told() {
    use CompletionFault::{Error, Length, Lose, NoLast, None, Sequence};
    let (bench, mut queue) = start();
    let frame = samples::bytes(samples::UDP4);
    let length = frame.len() as u16 + 2;
    let plain = gqi::RXF_IPV4 | gqi::RXF_UDP;
    let faults = [
        (None, plain | 1, length),
        (Sequence(6), plain | 6, length),
        (Sequence(0), plain, length),
        (Length(5000), plain | 4, 5000),
        (Error, plain | gqi::RXF_ERR | 5, length),
        (NoLast, plain | gqi::RXF_PKT_CONT | 6, length),
        (Lose, 0, 0),
        (None, plain | 1, length),
    ];
    bench.device.fail_received(&faults.map(|fault| fault.0));
    for (fault, flags, length) in faults {
        post(&mut queue, &[0]);
        assert!(bench.device.receive(0, &frame));
        let descriptor = descriptor(&mut queue);
        let told = (be16(&descriptor, gqi::RX_FLAGS_SEQ), be16(&descriptor, gqi::RX_LEN));
        assert_eq!(told, (flags, length), "{fault:?}");
    }
    bench.device.assert_obeyed();
}

#[test]
fn the_device_receives_nothing_without_a_link_a_queue_or_life() {
    let (bench, mut queue) = start();
    post(&mut queue, &[0]);
    let frame = samples::bytes(samples::UDP4);
    assert!(!bench.device.receive(1, &frame), "no such queue");
    bench.device.set_link(false);
    assert!(!bench.device.receive(0, &frame));
    bench.device.set_link(true);
    bench.device.inject(Defect::Hung);
    assert!(!bench.device.receive(0, &frame));
    queue.ring_big(2);
    assert_eq!(bench.device.posted(0), 1);
    bench.device.heal(Defect::Hung);
    assert!(bench.device.receive(0, &frame));
    let bench = Bench::with_admin(Configuration::default());
    assert!(!bench.device.receive(0, &frame), "not configured");
}
