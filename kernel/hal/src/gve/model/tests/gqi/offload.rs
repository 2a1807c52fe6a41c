use super::{descriptor, fill, packet, segment, send, start};
use crate::gve::model::defs::gqi;
use crate::network::model::samples;

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
