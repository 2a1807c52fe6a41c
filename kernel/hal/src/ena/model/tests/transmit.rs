use alloc::vec::Vec;

use super::bench::{Bench, Queue};
use crate::dma::{Buffer, Shared};
use crate::ena::model::defs::{admin, eth_io};
use crate::ena::model::{CompletionFault, Configuration, Sent};
use crate::mem::Frame;
use crate::network::model::samples;

pub(super) const TX: u8 = admin::SQ_DIRECTION_TX;
pub(super) const FIRST: u32 = eth_io::TX_DESC_FIRST;
pub(super) const LAST: u32 = eth_io::TX_DESC_LAST;
pub(super) const ASK: u32 = eth_io::TX_DESC_COMP_REQ;

/// Bytes that a device can read.
pub(super) fn buffer(bytes: &[u8]) -> Buffer {
    let mut buffer = Buffer::page().expect("memory");
    buffer.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
    buffer
}

/// A descriptor with a buffer, without phase.
pub(super) fn descriptor(request: u32, flags: u32, control: u32, buffer: &Buffer, length: usize) -> [u32; 4] {
    [
        length as u32 | flags | request >> 10 << 16,
        control | request << 22,
        buffer.address() as u32,
        (buffer.address() >> 32) as u32,
    ]
}

/// A metadata descriptor without phase.
pub(super) fn meta(l3_offset: u32, l3_length: u32, l4_words: u32, mss: u32) -> [u32; 4] {
    let always = eth_io::TX_META_DESC_EXT_VALID | eth_io::TX_META_DESC_ETH_META_TYPE | eth_io::TX_META_DESC_META_STORE;
    [
        always | eth_io::TX_DESC_META_DESC | FIRST | mss >> 10 << 16,
        0,
        l3_length | l3_offset << 8 | l4_words << 16 | mss << 22,
        0,
    ]
}

/// Writes descriptors, each with the phase that it needs.
pub(super) fn push(queue: &mut Queue, descriptors: &[[u32; 4]]) {
    for descriptor in descriptors {
        let mut words = *descriptor;
        words[0] ^= queue.phase() << 24;
        queue.push(words);
    }
}

pub(super) fn start() -> (Bench, Queue) {
    let mut bench = Bench::ready(Configuration::default());
    let queue = bench.queue(TX, 8);
    (bench, queue)
}

/// Sends a packet and returns what came out.
pub(super) fn send(bench: &Bench, queue: &mut Queue, descriptors: &[[u32; 4]]) -> Vec<Vec<u8>> {
    push(queue, descriptors);
    queue.ring();
    bench.device.sent().into_iter().map(|sent| sent.bytes).collect()
}

#[test]
fn packets_leave_and_are_completed_over_many_rounds() {
    let (bench, mut queue) = start();
    let frame = samples::bytes(samples::UDP4);
    let (first, second) = (buffer(&frame[..20]), buffer(&frame[20..]));
    for request in 0..30 {
        let request = request * 1111;
        let descriptors = [
            descriptor(request, FIRST | ASK, 0, &first, 20),
            descriptor(0, LAST, 0, &second, frame.len() - 20),
        ];
        push(&mut queue, &descriptors);
        queue.ring();
        let sent = Sent {
            queue: 0,
            bytes: frame.clone(),
        };
        assert_eq!(bench.device.sent(), [sent]);
        let completion = queue.completion().expect("a completion");
        assert_eq!(completion[0] & 0xff_ffff, request);
        assert_eq!(completion[1], u32::from(queue.tail % 8) << 16);
        assert_eq!(queue.completion(), None);
        bench.registers.write32(queue.head_doorbell, request / 1111 + 1);
    }
    bench.device.assert_obeyed();
    bench.registers.write32(queue.head_doorbell, 31);
    bench.expect("the head of completion queue 0 says 31");
    bench.registers.write32(queue.head_doorbell, 29);
    bench.expect("the head of completion queue 0 says 29");
    bench.registers.write32(queue.head_doorbell + 8, 1 << 9);
    bench.expect("NUMA node");
    bench.registers.write32(queue.head_doorbell + 12, 0);
    bench.expect("no register that can be written");
}

#[test]
fn descriptors_are_written_as_they_must_be() {
    let frame = samples::bytes(samples::UDP4);
    let data = buffer(&frame);
    let length = frame.len();
    // Bits to turn over in the one descriptor of a packet, by word.
    let wrong = [
        (0, 1 << 24, "has not phase 1"),
        (0, FIRST, "marked wrongly as first"),
        (0, LAST, "before the last descriptor"),
        (0, ASK, "does not ask for its completion"),
        (0, 1 << 22, "reserved bits"),
        (0, 1 << 25, "reserved bits"),
        (0, 1 << 31, "reserved bits"),
        (1, 1 << 5, "reserved bits"),
        (1, 1 << 16, "reserved bits"),
        (1, 1 << 21, "reserved bits"),
        (1, eth_io::TX_DESC_ETHERNET_FCS_DIS, "without a check sequence"),
        (1, eth_io::TX_DESC_L4_CSUM_PARTIAL, "l4_csum_partial without l4_csum_en"),
        (3, 1 << 16, "reserved bits"),
        (3, 1 << 8, "memory that nobody owns"),
        (3, 225 << 24, "a header of 225 bytes"),
        (3, 60 << 24, "a header of 60 bytes"),
        (0, length as u32, "a descriptor without bytes"),
    ];
    for (word, bits, what) in wrong {
        let (bench, mut queue) = start();
        let mut words = descriptor(5, FIRST | LAST | ASK, 0, &data, length);
        words[word] ^= bits;
        let sent = send(&bench, &mut queue, &[words]);
        let violations = bench.device.take_violations();
        assert!(violations[0].contains(what), "not {what:?} but {violations:#?}");
        assert!(sent.is_empty() || what.contains("ask for"), "{what}");
    }
}

#[test]
fn packets_of_several_descriptors_are_written_as_they_must_be() {
    let frame = samples::bytes(samples::UDP4);
    let (first, second) = (buffer(&frame[..20]), buffer(&frame[20..]));
    let wrong = [
        (0, FIRST, "descriptor 1 of a packet is marked wrongly as first"),
        (0, ASK, "asks for a completion, which the first does"),
        (0, 1 << 16, "has fields of the first"),
        (1, 1 << 22, "has fields of the first"),
        (1, eth_io::TX_DESC_L3_CSUM_EN, "has fields of the first"),
        (3, 1 << 24, "has fields of the first"),
        (
            0,
            eth_io::TX_DESC_META_DESC,
            "metadata that is not the first descriptor",
        ),
    ];
    for (word, bits, what) in wrong {
        let (bench, mut queue) = start();
        let mut words = descriptor(0, LAST, 0, &second, frame.len() - 20);
        words[word] ^= bits;
        send(&bench, &mut queue, &[descriptor(5, FIRST | ASK, 0, &first, 20), words]);
        bench.expect(what);
    }
    let mut bench = Bench::ready(Configuration::default());
    let mut queue = bench.queue(TX, 32);
    let mut many = alloc::vec![descriptor(0, 0, 0, &first, 20); 18];
    many[0] = descriptor(1, FIRST | ASK, 0, &first, 20);
    many[17][0] |= LAST;
    send(&bench, &mut queue, &many);
    bench.expect("a packet of 18 descriptors, and 17 may be");
    let (bench, mut queue) = start();
    let mut alone = meta(14, 20, 0, 0);
    alone[0] |= LAST;
    send(&bench, &mut queue, &[alone]);
    bench.expect("a packet of metadata only");
}

#[test]
fn frames_have_the_length_of_the_link() {
    let (mut bench, mut queue) = start();
    let data = buffer(&[]);
    let of = |length| [descriptor(5, FIRST | LAST | ASK, 0, &data, length)];
    assert_eq!(send(&bench, &mut queue, &of(1518)).len(), 1);
    assert!(send(&bench, &mut queue, &of(1519)).is_empty());
    bench.expect("a frame of 1519 bytes, not 14 to 1518");
    bench.set(admin::MTU, &[3000]);
    assert_eq!(send(&bench, &mut queue, &of(1519)).len(), 1);
    assert!(send(&bench, &mut queue, &of(13)).is_empty());
    bench.expect("a frame of 13 bytes");
    assert_eq!(bench.device.drops().tx, 2);
}

#[test]
fn buffers_are_memory_of_their_own() {
    let (bench, mut queue) = start();
    let page = Frame::allocate().expect("memory");
    let mut words = descriptor(5, FIRST | LAST | ASK, 0, &buffer(&[]), 60);
    words[2] = page.address() as u32;
    drop(page);
    send(&bench, &mut queue, &[words]);
    bench.expect("memory that nobody owns");
    words[2] = queue.ring.address(64) as u32;
    send(&bench, &mut queue, &[words]);
    bench.expect("overlaps TX queue 0");
    // Across two pages.
    let two = Shared::allocate(8192).expect("memory");
    two.set32(4092, 0x0403_0201, core::sync::atomic::Ordering::Relaxed);
    two.set32(4096, 0x0807_0605, core::sync::atomic::Ordering::Relaxed);
    words[2] = two.address(4092) as u32;
    assert_eq!(send(&bench, &mut queue, &[words])[0][..9], [1, 2, 3, 4, 5, 6, 7, 8, 0]);
    bench.device.assert_obeyed();
}

#[test]
fn the_queue_is_never_full_and_requests_are_not_repeated() {
    let (bench, mut queue) = start();
    bench.device.hold_transmissions(true);
    let data = buffer(&[]);
    for request in 0..7 {
        push(&mut queue, &[descriptor(request, FIRST | LAST | ASK, 0, &data, 60)]);
    }
    queue.ring();
    assert_eq!((bench.device.sent().len(), queue.completion()), (7, None));
    bench.device.assert_obeyed();
    bench.registers.write32(queue.doorbell, 8);
    bench.expect("TX queue 0: the doorbell says 8, 7 was the last, and 7 of 8 are used");
    bench.device.release_transmissions(true);
    let order: Vec<_> = (0..7)
        .map(|_| queue.completion().map(|words| words[0] as u16))
        .collect();
    assert_eq!(order, (0..7).rev().map(Some).collect::<Vec<_>>());
    bench.registers.write32(queue.doorbell, 6);
    bench.expect("the doorbell says 6");
    bench.registers.write32(queue.doorbell, 0x1_0008);
    bench.expect("the doorbell of TX queue 0 says 0x10008");

    let (bench, mut queue) = start();
    bench.device.fail_sent(&[CompletionFault::Lose]);
    let packet = [descriptor(5, FIRST | LAST | ASK, 0, &data, 60)];
    send(&bench, &mut queue, &packet);
    assert_eq!(queue.completion(), None);
    send(&bench, &mut queue, &packet);
    bench.expect("request 5 is still outstanding");
}

#[test]
fn completions_are_wrong_as_they_are_told() {
    let (bench, mut queue) = start();
    let data = buffer(&[]);
    let packet = [descriptor(5, FIRST | LAST | ASK, 0, &data, 60)];
    let faults = [
        (CompletionFault::None, Some(0x0100_0005)),
        (CompletionFault::RequestId(77), Some(0x0100_004d)),
        (CompletionFault::Reserved, Some(0x4100_0005)),
        (CompletionFault::Phase, None),
    ];
    bench.device.fail_sent(&faults.map(|fault| fault.0));
    for (fault, expected) in faults {
        send(&bench, &mut queue, &packet);
        assert_eq!(queue.completion().map(|words| words[0]), expected, "{fault:?}");
    }
    bench.device.assert_obeyed();
}

#[test]
fn nothing_leaves_without_a_link() {
    let (bench, mut queue) = start();
    bench.device.set_link(false);
    let data = buffer(&[]);
    let packet = [descriptor(5, FIRST | LAST | ASK, 0, &data, 60)];
    assert!(send(&bench, &mut queue, &packet).is_empty());
    assert!(queue.completion().is_some());
    bench.device.set_link(true);
    assert_eq!(send(&bench, &mut queue, &packet).len(), 1);
    bench.device.assert_obeyed();
}
