use alloc::vec::Vec;

use super::bench::{Bench, Queue};
use crate::dma::{Buffer, reach};
use crate::gve::model::defs::gqi;
use crate::gve::model::{CompletionFault, Configuration, Defect, Format};
use crate::network::model::samples;

type Descriptor = [u8; 16];

fn descriptor(kind: u8, bytes: [u8; 3], halves: [u16; 2], address: u64) -> Descriptor {
    let mut descriptor = [0; 16];
    descriptor[0] = kind;
    descriptor[1..4].copy_from_slice(&bytes);
    descriptor[4..6].copy_from_slice(&halves[0].to_be_bytes());
    descriptor[6..8].copy_from_slice(&halves[1].to_be_bytes());
    descriptor[8..].copy_from_slice(&address.to_be_bytes());
    descriptor
}

/// The first of a packet: kind and flags, offsets of the checksum and of L4 in bytes, descriptors, bytes of all and of this one.
fn packet(kind: u8, (field, header): (u8, u8), count: u8, (length, part): (usize, usize), address: u64) -> Descriptor {
    descriptor(
        kind,
        [field / 2, header / 2, count],
        [length as u16, part as u16],
        address,
    )
}

fn segment(kind: u8, l3: u8, mss: u16, length: usize, address: u64) -> Descriptor {
    descriptor(gqi::TXD_SEG | kind, [l3 / 2, 0, 0], [mss, length as u16], address)
}

fn start() -> (Bench, Queue) {
    let mut bench = Bench::ready(Format::GqiQpl, Configuration::default());
    let queue = bench.transmitter(Format::GqiQpl);
    (bench, queue)
}

/// Writes bytes at an offset of the page list.
fn fill(queue: &Queue, offset: usize, bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        reach::write(queue.place(offset + index), &[*byte]);
    }
}

fn push(queue: &mut Queue, descriptors: &[Descriptor]) {
    for descriptor in descriptors {
        reach::write(queue.ring.address(queue.tail as usize % 256 * 16), descriptor);
        queue.tail = queue.tail.wrapping_add(1);
    }
}

fn send(bench: &Bench, queue: &mut Queue, descriptors: &[Descriptor]) -> Vec<Vec<u8>> {
    push(queue, descriptors);
    queue.ring_big(queue.tail);
    bench.device.sent().into_iter().map(|sent| sent.bytes).collect()
}

/// Sends a frame that lies whole at offset 0.
fn send_plain(bench: &Bench, queue: &mut Queue, frame: &[u8]) -> Vec<Vec<u8>> {
    fill(queue, 0, frame);
    let length = (frame.len(), frame.len());
    send(bench, queue, &[packet(gqi::TXD_STD, (0, 0), 1, length, 0)])
}

#[test]
fn the_device_sends_packets_over_many_rounds() {
    let (bench, mut queue) = start();
    bench.doorbells.write32(bench.interrupt_doorbell(0), 0);
    let frame = samples::bytes(samples::UDP4);
    for round in 1..600 {
        assert_eq!(send_plain(&bench, &mut queue, &frame), core::slice::from_ref(&frame));
        assert_eq!(bench.counter(queue.counter), round);
    }
    assert_eq!(bench.device.deliver(), 1);
    // Over the end of a page, in two segments, with metadata.
    let long: Vec<u8> = (0..1400_u32).map(|at| at as u8).collect();
    fill(&queue, 4000, &long[..1000]);
    fill(&queue, 0, &long[1000..]);
    let mut metadata = [0; 16];
    metadata[..2].copy_from_slice(&[gqi::TXD_MTD, 1 << 4]);
    metadata[4..8].copy_from_slice(&[1, 2, 3, 4]);
    let packet = [
        packet(gqi::TXD_STD, (0, 0), 3, (1400, 1000), 4000),
        metadata,
        segment(0, 0, 0, 400, 0),
    ];
    assert_eq!(send(&bench, &mut queue, &packet), [long]);
    assert_eq!(bench.counter(queue.counter), 602, "counts descriptors");
    bench.device.assert_obeyed();
}

#[test]
fn the_device_sends_from_anywhere_with_raw_addresses() {
    let mut bench = Bench::ready(Format::GqiRda, Configuration::of(Format::GqiRda));
    let mut queue = bench.transmitter(Format::GqiRda);
    let frame = samples::bytes(samples::UDP4);
    let mut memory = Buffer::page().expect("memory");
    memory.bytes_mut()[100..100 + frame.len()].copy_from_slice(&frame);
    let at = memory.address() + 100;
    let length = (frame.len(), frame.len());
    let packet = packet(gqi::TXD_STD, (0, 0), 1, length, at);
    assert_eq!(send(&bench, &mut queue, &[packet, packet]), [&frame[..], &frame[..]]);
    bench.device.assert_obeyed();
    drop(memory);
    assert!(send(&bench, &mut queue, &[packet]).is_empty());
    bench.expect("nobody owns");
}

#[test]
fn the_device_completes_checksums() {
    let (bench, mut queue) = start();
    // The sum of the pseudo-header: c000 + 0201 + c000 + 0202 + 17 + 18.
    let frame = samples::changed(samples::UDP4, samples::UDP4_CHECKSUM, &[0x84, 0x27]);
    fill(&queue, 0, &frame);
    let lengths = (frame.len(), frame.len());
    let with = |flags, places| packet(gqi::TXD_STD | flags, places, 1, lengths, 0);
    let sent = send(&bench, &mut queue, &[with(gqi::TXF_L4CSUM, (6, 34))]);
    assert_eq!(sent, [samples::bytes(samples::UDP4)]);
    bench.device.assert_obeyed();
    let wrong = [
        (with(0, (6, 0)), "without GVE_TXF_L4CSUM"),
        (with(0, (0, 34)), "without GVE_TXF_L4CSUM"),
        (with(1 << 2, (0, 0)), "flags 0x4 of a packet"),
        (
            with(1, (16, 34)),
            "l4_csum_offset 16 in bytes, and the packet has 34 and 6",
        ),
        (with(1, (6, 14)), "l4_hdr_offset 14 and"),
    ];
    for (descriptor, what) in wrong {
        assert!(send(&bench, &mut queue, &[descriptor]).is_empty());
        bench.expect(what);
    }
    let others = [
        (samples::bytes(samples::UDP4), "where the pseudo-header's sum is 0x8427"),
        (samples::changed(samples::UDP4, 20, &[0x60]), "for a fragment"),
        (samples::changed(samples::UDP4, 23, &[1]), "for what is not TCP or UDP"),
        (
            samples::changed(samples::UDP4, 12, &[1]),
            "no whole IPv4 or IPv6 packet",
        ),
    ];
    for (frame, what) in others {
        fill(&queue, 0, &frame);
        assert!(send(&bench, &mut queue, &[with(gqi::TXF_L4CSUM, (6, 34))]).is_empty());
        bench.expect(what);
    }
    assert_eq!(bench.device.drops().tx, 9);
}

#[test]
fn the_device_cuts_segments() {
    let (bench, mut queue) = start();
    let four = samples::bytes(samples::TCP4);
    // The sum without length, and with it: c000 + 0201 + c000 + 0202 + 6, and 45, folded.
    for sum in [[0x84, 0x0a], [0x84, 0x37]] {
        let frame = samples::changed(samples::TCP4, samples::TCP4_CHECKSUM, &sum);
        fill(&queue, 0, &frame);
        let packet = [
            packet(gqi::TXD_TSO | gqi::TXF_L4CSUM, (16, 34), 3, (four.len(), 54), 0),
            segment(0, 14, 10, 20, 54),
            segment(0, 14, 10, 5, 74),
        ];
        assert_eq!(
            send(&bench, &mut queue, &packet),
            samples::TCP4_SEGMENTS.map(samples::bytes)
        );
    }
    // 2001:db8::1 and ::2, and 6.
    let frame = samples::changed(samples::TCP6, 70, &[0x5b, 0x7b]);
    fill(&queue, 0, &frame);
    let packet = [
        packet(gqi::TXD_TSO | gqi::TXF_L4CSUM, (16, 54), 2, (frame.len(), 74), 0),
        segment(gqi::TXSF_IPV6, 14, 20, 25, 74),
    ];
    assert_eq!(
        send(&bench, &mut queue, &packet),
        samples::TCP6_SEGMENTS.map(samples::bytes)
    );
    bench.device.assert_obeyed();
}

#[test]
fn the_device_cuts_only_what_it_is_told_rightly() {
    let (bench, mut queue) = start();
    let frame = samples::changed(samples::TCP4, samples::TCP4_CHECKSUM, &[0x84, 0x0a]);
    let length = frame.len();
    fill(&queue, 0, &frame);
    let tso = gqi::TXD_TSO | gqi::TXF_L4CSUM;
    let first = packet(tso, (16, 34), 2, (length, 54), 0);
    let rest = segment(0, 14, 10, 25, 54);
    let wrong = [
        (
            [packet(gqi::TXD_TSO, (0, 0), 2, (length, 54), 0), rest],
            "GVE_TXD_TSO without GVE_TXF_L4CSUM",
        ),
        (
            [packet(tso, (16, 34), 2, (length, 56), 0), segment(0, 14, 10, 23, 56)],
            "has the headers alone, 54 bytes",
        ),
        (
            [first, segment(gqi::TXSF_IPV6, 14, 10, 25, 54)],
            "flags, l3_offset or reserved bits do not fit",
        ),
        (
            [first, segment(0, 16, 10, 25, 54)],
            "flags, l3_offset or reserved bits do not fit",
        ),
        (
            [first, descriptor(gqi::TXD_SEG, [7, 0, 1], [10, 25], 54)],
            "flags, l3_offset or reserved bits do not fit",
        ),
        ([first, segment(0, 14, 0, 25, 54)], "with mss [0]"),
    ];
    for (packet, what) in wrong {
        assert!(send(&bench, &mut queue, &packet).is_empty(), "{what}");
        bench.expect(what);
    }
    let different = [
        packet(tso, (16, 34), 3, (length, 54), 0),
        segment(0, 14, 10, 20, 54),
        segment(0, 14, 12, 5, 74),
    ];
    assert!(send(&bench, &mut queue, &different).is_empty());
    bench.expect("with mss [10, 12]");
    fill(
        &queue,
        0,
        &samples::changed(samples::TCP4, samples::TCP4_CHECKSUM, &[1, 1]),
    );
    assert!(send(&bench, &mut queue, &[first, rest]).is_empty());
    bench.expect("segmentation with 0x0101 in the checksum's place");
    // A packet of 40 bytes has no payload.
    fill(&queue, 0, &samples::changed(samples::TCP4, 16, &[0, 40]));
    fill(&queue, samples::TCP4_CHECKSUM, &[0x84, 0x0a]);
    assert!(send(&bench, &mut queue, &[first, rest]).is_empty());
    bench.expect("segmentation of a packet without payload");
    let udp = samples::changed(samples::UDP4, samples::UDP4_CHECKSUM, &[0x84, 0x27]);
    fill(&queue, 0, &udp);
    let packet = [
        packet(tso, (6, 34), 2, (udp.len(), 34), 0),
        segment(0, 14, 10, udp.len() - 34, 34),
    ];
    assert!(send(&bench, &mut queue, &packet).is_empty());
    bench.expect("segmentation of what is not TCP");
}

#[test]
fn the_device_takes_descriptors_as_they_must_be() {
    let std = |count, length, part, address| packet(gqi::TXD_STD, (0, 0), count, (length, part), address);
    let mut metadata = [0; 16];
    metadata[0] = gqi::TXD_MTD;
    let bad = |at: usize, value: u8| {
        let mut other = metadata;
        other[at] |= value;
        other
    };
    let rest = segment(0, 0, 0, 118, 182);
    let wrong: [(&[Descriptor], &str); 20] = [
        (
            &[segment(0, 0, 0, 60, 0)],
            "a packet begins with GVE_TXD_STD or GVE_TXD_TSO",
        ),
        (&[metadata], "a packet begins with GVE_TXD_STD or GVE_TXD_TSO"),
        (&[std(0, 60, 60, 0)], "desc_cnt 0 of the packet at descriptor 0"),
        (
            &[std(2, 60, 60, 0)],
            "desc_cnt 2 of the packet at descriptor 0, and the doorbell says 1",
        ),
        (
            &[std(2, 300, 182, 0), std(1, 118, 118, 182)],
            "descriptor 1 of a packet has type 0x0, not GVE_TXD_SEG",
        ),
        (
            &[std(3, 300, 182, 0), rest, metadata],
            "descriptor 2 of a packet has type 0x30",
        ),
        (&[std(2, 60, 60, 0), bad(0, 1)], "metadata with another subtype"),
        (&[std(2, 60, 60, 0), bad(1, 4)], "metadata with another subtype"),
        (&[std(2, 60, 60, 0), bad(1, 0x20)], "metadata with another subtype"),
        (&[std(2, 60, 60, 0), bad(3, 1)], "or reserved bits"),
        (&[std(2, 60, 60, 0), bad(15, 1)], "or reserved bits"),
        (&[std(1, 60, 0, 0)], "descriptor 0 of a packet has no bytes"),
        (&[std(1, 61, 60, 0)], "len 61 of a packet whose segments have 60 bytes"),
        (&[std(1, 60, 60, 16330)], "leaves page list 0, which has 0x4000"),
        (&[std(1, 60, 60, 1 << 40)], "leaves page list 0"),
        (
            &[std(2, 300, 182, 0), segment(0, 14, 0, 118, 182)],
            "which are of GVE_TXD_TSO",
        ),
        (
            &[std(2, 300, 182, 0), segment(2, 0, 0, 118, 182)],
            "which are of GVE_TXD_TSO",
        ),
        (
            &[std(2, 300, 182, 0), segment(0, 0, 0, 118, 100)],
            "overlaps one that is not completed",
        ),
        (
            &[std(2, 300, 181, 0), segment(0, 0, 0, 119, 181)],
            "seg_len 181 of a packet's first descriptor",
        ),
        (&[std(1, 10, 10, 0)], "a frame of 10 bytes, not 14 to 8910"),
    ];
    for (packet, what) in wrong {
        let (bench, mut queue) = start();
        assert!(send(&bench, &mut queue, packet).is_empty(), "{what}");
        bench.expect(what);
        assert_eq!(bench.device.drops().tx, 1, "{what}");
    }
}

#[test]
fn the_device_wants_headers_in_the_first_segment() {
    let (bench, mut queue) = start();
    let mut frame = samples::bytes(samples::UDP4);
    frame.resize(300, 0);
    fill(&queue, 0, &frame);
    let split = |at: usize| {
        [
            packet(gqi::TXD_STD, (0, 0), 2, (300, at), 0),
            segment(0, 0, 0, 300 - at, at as u64),
        ]
    };
    assert_eq!(send(&bench, &mut queue, &split(42)).len(), 1, "the headers of UDP");
    bench.device.assert_obeyed();
    send(&bench, &mut queue, &split(41));
    bench.expect("seg_len 41 of a packet's first descriptor");
}

#[test]
fn the_device_sends_no_more_than_the_mtu() {
    let (bench, mut queue) = start();
    assert_eq!(send_plain(&bench, &mut queue, &[1; 8910]).len(), 1);
    assert!(send_plain(&bench, &mut queue, &[1; 8911]).is_empty());
    bench.expect("a frame of 8911 bytes, not 14 to 8910");
    bench.device.set_link(false);
    assert!(send_plain(&bench, &mut queue, &[1; 100]).is_empty());
    bench.device.assert_obeyed();
    assert_eq!((bench.device.drops().tx, bench.counter(queue.counter)), (2, 3));
}

#[test]
fn the_device_has_rings_that_are_not_overrun() {
    let (bench, mut queue) = start();
    for tail in [257, u32::MAX, 1 << 24] {
        queue.ring_big(tail);
        bench.expect(&alloc::format!(
            "TX queue 0: the doorbell says {tail}, 0 was the last, and 0 of 256"
        ));
    }
    bench.device.hold_transmissions(true);
    for index in 0..256 {
        push(&mut queue, &[packet(gqi::TXD_STD, (0, 0), 1, (60, 60), index * 64)]);
    }
    queue.ring_big(256);
    bench.device.assert_obeyed();
    queue.ring_big(257);
    bench.expect("the doorbell says 257, 256 was the last, and 256 of 256 descriptors are not completed");
    bench.device.release_transmissions(false);
    assert_eq!(bench.counter(queue.counter), 256);
    queue.ring_big(257);
    bench.device.assert_obeyed();
}

#[test]
fn the_device_holds_completions_back_and_sees_what_changes() {
    let (bench, mut queue) = start();
    bench.device.hold_transmissions(true);
    let frame = samples::bytes(samples::UDP4);
    assert_eq!(send_plain(&bench, &mut queue, &frame).len(), 1);
    assert_eq!(bench.counter(queue.counter), 0);
    assert!(send_plain(&bench, &mut queue, &frame).is_empty());
    bench.expect("overlaps one that is not completed");
    fill(&queue, 10, &[0xff]);
    bench.device.release_transmissions(true);
    bench.expect("were used otherwise before their packet was completed");
    assert_eq!(bench.counter(queue.counter), 2);
}

#[test]
fn the_device_completes_wrongly_as_it_is_told() {
    let (bench, mut queue) = start();
    let frame = samples::bytes(samples::UDP4);
    bench.device.fail_sent(&[
        CompletionFault::Lose,
        CompletionFault::None,
        CompletionFault::Counter(77),
    ]);
    for expected in [0, 2, 77] {
        send_plain(&bench, &mut queue, &frame);
        assert_eq!(bench.counter(queue.counter), expected);
    }
    bench.device.inject(Defect::Hung);
    assert!(send_plain(&bench, &mut queue, &frame).is_empty());
    bench.device.assert_obeyed();
}
