use alloc::vec::Vec;

use super::{LAST, PACKET, SUM, buffer, changed, completion, general, send, start, tso};
use crate::dma::{Shared, reach};
use crate::gve::model::defs::dqo;
use crate::network::model::samples;

#[test]
fn the_device_completes_checksums_of_dqo() {
    let (bench, mut queue, memory) = start();
    let length = samples::bytes(samples::UDP4).len();
    let packet = buffer(LAST | SUM, 1, memory.address(0), length);
    // The sum of the pseudo-header: c000 + 0201 + c000 + 0202 + 17 + 18.
    let cases = [
        (
            samples::changed(samples::UDP4, samples::UDP4_CHECKSUM, &[0x84, 0x27]),
            None,
        ),
        (
            samples::bytes(samples::UDP4),
            Some("where the pseudo-header's sum is 0x8427"),
        ),
        (samples::changed(samples::UDP4, 20, &[0x60]), Some("for a fragment")),
        (
            samples::changed(samples::UDP4, 23, &[1]),
            Some("for what is not TCP or UDP"),
        ),
    ];
    for (frame, what) in cases {
        reach::write(memory.address(0), &frame);
        let sent = send(&bench, &mut queue, &[packet]);
        match what {
            None => assert_eq!(sent, [samples::bytes(samples::UDP4)]),
            Some(what) => {
                assert!(sent.is_empty());
                bench.expect(what);
            }
        }
    }
}

/// TCP over IPv4 with so much payload, and the sum of the pseudo-header without length.
fn long(payload: usize) -> Vec<u8> {
    let mut frame = samples::changed(samples::TCP4, samples::TCP4_CHECKSUM, &[0x84, 0x0a]);
    frame.truncate(54);
    frame.extend((0..payload).map(|at| (at / 5) as u8));
    let total = (40 + payload) as u16;
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    frame
}

#[test]
fn the_device_cuts_segments_of_dqo() {
    let (bench, mut queue, memory) = start();
    let frame = long(1000);
    reach::write(memory.address(0), &frame);
    let packet = [
        tso(1000, 400, 54),
        general(),
        buffer(SUM, 7, memory.address(0), 54),
        buffer(LAST | SUM, 7, memory.address(54), 1000),
    ];
    let sent = send(&bench, &mut queue, &packet);
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [454, 454, 254]);
    let payload: Vec<u8> = sent.iter().flat_map(|segment| segment[54..].to_vec()).collect();
    assert_eq!(payload, frame[54..]);
    let headers = sent
        .iter()
        .map(|segment| crate::network::model::Headers::of(segment).expect("headers"));
    let are_right = headers
        .zip(&sent)
        .all(|(headers, segment)| headers.has_l4_checksum(segment) && headers.has_l3_checksum(segment));
    assert!(are_right);
    assert_eq!(completion(&mut queue), Some((0, PACKET, 7)), "one for all");
    bench.device.assert_obeyed();
}

#[test]
fn the_device_cuts_segments_of_dqo_as_it_must_be_told() {
    let frame = long(1000);
    let rest = |memory: &Shared, flags: u8| [buffer(LAST | flags, 7, memory.address(0), 1054)];
    let cases = [
        (tso(1000, 400, 54), 0, "segmentation without checksum_offload_enable"),
        (
            tso(999, 400, 54),
            SUM,
            "tso_total_len 999 of a packet whose payload has 1000 bytes",
        ),
        (tso(1000, 87, 54), SUM, "mss 87; the hardware takes"),
        (tso(1000, 9729, 54), SUM, "mss 9729; the hardware takes"),
        (
            tso(1000, 400, 53),
            SUM,
            "header_len 53 of a packet whose headers have 54 bytes",
        ),
        (
            changed(tso(1000, 400, 54), 8, dqo::TX_TSO),
            SUM,
            "without its bit tso, or with reserved bits",
        ),
        (
            changed(tso(1000, 400, 54), 8, 1 << 6),
            SUM,
            "without its bit tso, or with reserved bits",
        ),
        (
            changed(tso(1000, 400, 54), 9, 1),
            SUM,
            "without its bit tso, or with reserved bits",
        ),
        (
            changed(tso(1000, 400, 54), 5, 1 << 6),
            SUM,
            "without its bit tso, or with reserved bits",
        ),
        (
            changed(tso(1000, 400, 54), 10, 1),
            SUM,
            "metadata of version 1 in a TSO context",
        ),
    ];
    for (context, flags, what) in cases {
        let (bench, mut queue, memory) = start();
        reach::write(memory.address(0), &frame);
        let packet = [&[context][..], &rest(&memory, flags)].concat();
        assert!(send(&bench, &mut queue, &packet).is_empty(), "{what}");
        bench.expect(what);
    }
    let (bench, mut queue, memory) = start();
    // With length, as GQI may have it, and something else.
    for sum in [[0x88, 0x06], [1, 1]] {
        let mut frame = frame.clone();
        frame[samples::TCP4_CHECKSUM..samples::TCP4_CHECKSUM + 2].copy_from_slice(&sum);
        reach::write(memory.address(0), &frame);
        let packet = [tso(1000, 400, 54), rest(&memory, SUM)[0]];
        assert!(send(&bench, &mut queue, &packet).is_empty());
        bench.expect("the pseudo-header's sum without length is 0x840a");
    }
    // Eleven buffers are too many for one segment, but not for two.
    reach::write(memory.address(0), &frame);
    let pieces = |mss| {
        let mut packet = alloc::vec![tso(1000, mss, 54), buffer(SUM, 7, memory.address(0), 54)];
        let parts = (0..10).map(|part| {
            let flags = if part == 9 { LAST | SUM } else { SUM };
            buffer(flags, 7, memory.address(54 + part * 100), 100)
        });
        packet.extend(parts);
        packet
    };
    assert_eq!(send(&bench, &mut queue, &pieces(900)).len(), 2);
    bench.device.assert_obeyed();
    assert!(send(&bench, &mut queue, &pieces(1000)).is_empty());
    bench.expect("a segment of 11 buffers, with its headers");
}
