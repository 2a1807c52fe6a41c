use alloc::vec::Vec;

use super::super::bench::Bench;
use super::{fill, packet, push, segment, send, send_plain, start};
use crate::dma::Buffer;
use crate::gve::model::defs::gqi;
use crate::gve::model::{CompletionFault, Configuration, Defect, Format};
use crate::network::model::samples;

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
    let nowhere = super::packet(gqi::TXD_STD, (0, 0), 1, length, 0x8000_0000);
    assert!(send(&bench, &mut queue, &[nowhere]).is_empty());
    bench.expect("nobody owns");
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
