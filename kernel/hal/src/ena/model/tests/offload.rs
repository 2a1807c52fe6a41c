use super::bench::Bench;
use super::transmit::{ASK, FIRST, LAST, TX, buffer, descriptor, meta, send, start};
use crate::dma::Buffer;
use crate::ena::model::Configuration;
use crate::ena::model::defs::{admin, eth_io};
use crate::network::model::samples;

/// What `meta_ctrl` says of IPv4 and UDP with DF.
const UDP4: u32 = eth_io::L3_PROTO_IPV4 | eth_io::TX_DESC_DF | eth_io::L4_PROTO_UDP << 8;
const TCP4: u32 = eth_io::L3_PROTO_IPV4 | eth_io::TX_DESC_DF | eth_io::L4_PROTO_TCP << 8;
const TCP6: u32 = eth_io::L3_PROTO_IPV6 | eth_io::L4_PROTO_TCP << 8;
const PARTIAL: u32 = eth_io::TX_DESC_L4_CSUM_EN | eth_io::TX_DESC_L4_CSUM_PARTIAL;
const TSO: u32 = eth_io::TX_DESC_TSO_EN | eth_io::TX_DESC_L4_CSUM_EN;

#[test]
fn checksums_are_made_as_scapy_makes_them() {
    let (bench, mut queue) = start();
    let expected = samples::bytes(samples::UDP4);
    let whole = samples::changed(samples::UDP4, samples::IP4_CHECKSUM, &[0xaa, 0xbb]);
    let both = buffer(&whole);
    let control = UDP4 | eth_io::TX_DESC_L3_CSUM_EN | eth_io::TX_DESC_L4_CSUM_EN;
    let packet = |control, data: &Buffer| {
        [
            meta(14, 20, 0, 0),
            descriptor(5, LAST | ASK, control, data, expected.len()),
        ]
    };
    assert_eq!(
        send(&bench, &mut queue, &packet(control, &both)),
        core::slice::from_ref(&expected)
    );
    // The metadata are stored.
    let again = descriptor(5, FIRST | LAST | ASK, control, &both, expected.len());
    assert_eq!(send(&bench, &mut queue, &[again]), core::slice::from_ref(&expected));
    // The pseudo-header's sum: c000 + 0201 + c000 + 0202 + 17 + 18.
    let partial = buffer(&samples::changed(samples::UDP4, samples::UDP4_CHECKSUM, &[0x84, 0x27]));
    assert_eq!(
        send(&bench, &mut queue, &packet(UDP4 | PARTIAL, &partial)),
        core::slice::from_ref(&expected)
    );
    bench.device.assert_obeyed();
    let bad = buffer(&samples::changed(samples::UDP4, samples::UDP4_CHECKSUM, &[0x84, 0x28]));
    assert!(send(&bench, &mut queue, &packet(UDP4 | PARTIAL, &bad)).is_empty());
    bench.expect("0x8428 in the packet, where the pseudo-header's sum is 0x8427");

    let expected = samples::bytes(samples::UDP6);
    let data = buffer(&samples::changed(samples::UDP6, samples::UDP6_CHECKSUM, &[1, 2]));
    let control = eth_io::L3_PROTO_IPV6 | eth_io::L4_PROTO_UDP << 8 | eth_io::TX_DESC_L4_CSUM_EN;
    let packet = [
        meta(14, 40, 0, 0),
        descriptor(5, LAST | ASK, control, &data, expected.len()),
    ];
    assert_eq!(send(&bench, &mut queue, &packet), [expected]);
    bench.device.assert_obeyed();
}

#[test]
fn segments_are_those_that_scapy_makes() {
    let (bench, mut queue) = start();
    let frame = samples::changed(samples::TCP4, samples::TCP4_CHECKSUM, &[0, 0]);
    let data = buffer(&frame);
    let control = TCP4 | TSO | eth_io::TX_DESC_L3_CSUM_EN;
    let packet = [
        meta(14, 20, 5, 10),
        descriptor(5, LAST | ASK, control, &data, frame.len()),
    ];
    let expected = samples::TCP4_SEGMENTS.map(samples::bytes);
    assert_eq!(send(&bench, &mut queue, &packet), expected);
    assert!(
        queue.completion().is_some() && queue.completion().is_none(),
        "one for all segments"
    );

    let frame = samples::bytes(samples::TCP6);
    let data = buffer(&frame);
    let packet = [
        meta(14, 40, 5, 20),
        descriptor(5, LAST | ASK, TCP6 | TSO, &data, frame.len()),
    ];
    assert_eq!(
        send(&bench, &mut queue, &packet),
        samples::TCP6_SEGMENTS.map(samples::bytes)
    );
    bench.device.assert_obeyed();
}

#[test]
fn offloads_fit_the_packet_and_the_device() {
    let udp = samples::bytes(samples::UDP4);
    let tcp = samples::bytes(samples::TCP4);
    let checksums = eth_io::TX_DESC_L3_CSUM_EN | eth_io::TX_DESC_L4_CSUM_EN;
    let right = meta(14, 20, 0, 0);
    let tso = meta(14, 20, 5, 10);
    let tso_control = TCP4 | TSO | eth_io::TX_DESC_L3_CSUM_EN;
    let broken = |word: usize, bits: u32| {
        let mut words = right;
        words[word] ^= bits;
        words
    };
    let wrong = [
        (
            &udp,
            right,
            UDP4 ^ 3 | checksums,
            "l3_proto_idx 11, and the packet has 8",
        ),
        (
            &udp,
            right,
            UDP4 ^ 1 << 8 | checksums,
            "l4_proto_idx 12, and the packet has 13",
        ),
        (&udp, right, UDP4 & !eth_io::TX_DESC_DF | checksums, "DF is not"),
        (
            &udp,
            meta(18, 20, 0, 0),
            UDP4 | checksums,
            "the IP header at 18, 20 bytes",
        ),
        (
            &udp,
            meta(14, 24, 0, 0),
            UDP4 | checksums,
            "the IP header at 14, 24 bytes",
        ),
        (&udp, broken(0, 1), UDP4 | checksums, "metadata with reserved bits"),
        (
            &udp,
            broken(0, 1 << 15),
            UDP4 | checksums,
            "metadata with reserved bits",
        ),
        (&udp, broken(1, 1), UDP4 | checksums, "metadata with reserved bits"),
        (&udp, broken(3, 1), UDP4 | checksums, "metadata with reserved bits"),
        (
            &udp,
            broken(0, eth_io::TX_META_DESC_EXT_VALID),
            UDP4 | checksums,
            "not extended",
        ),
        (
            &udp,
            broken(0, eth_io::TX_META_DESC_META_STORE),
            UDP4 | checksums,
            "not extended",
        ),
        (
            &udp,
            tso,
            UDP4 | TSO | eth_io::TX_DESC_L3_CSUM_EN,
            "tso_en for what is not TCP",
        ),
        (&tcp, meta(14, 20, 5, 0), tso_control, "mss 0"),
        (
            &tcp,
            meta(14, 20, 6, 10),
            tso_control,
            "l4_hdr_len_in_words 6, and the header has 20",
        ),
        (
            &tcp,
            tso,
            tso_control & !checksums,
            "without the checksums that it changes",
        ),
        (
            &tcp,
            tso,
            tso_control & !eth_io::TX_DESC_L3_CSUM_EN,
            "without the checksums that it changes",
        ),
        (&tcp, tso, tso_control | PARTIAL, "where the sum without length is"),
    ];
    for (frame, meta, control, what) in wrong {
        let (bench, mut queue) = start();
        let data = buffer(frame);
        let sent = send(
            &bench,
            &mut queue,
            &[meta, descriptor(5, LAST | ASK, control, &data, frame.len())],
        );
        bench.expect(what);
        assert!(sent.is_empty(), "{what}");
    }
}

#[test]
fn offloads_need_metadata_and_a_packet() {
    let udp = samples::bytes(samples::UDP4);
    let checksums = eth_io::TX_DESC_L3_CSUM_EN | eth_io::TX_DESC_L4_CSUM_EN;
    let (bench, mut queue) = start();
    let data = buffer(&udp);
    let asks = |control, length| [descriptor(5, FIRST | LAST | ASK, control, &data, length)];
    send(&bench, &mut queue, &asks(UDP4 | checksums, udp.len()));
    bench.expect("without metadata, and none is stored");
    send(&bench, &mut queue, &asks(UDP4 | checksums, 30));
    bench.expect("no whole IPv4 or IPv6 packet");
}

#[test]
fn offloads_are_those_that_the_device_offers() {
    let udp = samples::bytes(samples::UDP4);
    let tcp = samples::bytes(samples::TCP4);
    let tso = meta(14, 20, 5, 10);
    let tso_control = TCP4 | TSO | eth_io::TX_DESC_L3_CSUM_EN;
    let offers = [
        (
            &udp,
            UDP4 | eth_io::TX_DESC_L3_CSUM_EN,
            admin::TX_L3_CSUM_IPV4,
            "l3_csum_en of a device",
        ),
        (
            &udp,
            UDP4 | eth_io::TX_DESC_L4_CSUM_EN,
            admin::TX_L4_IPV4_CSUM_FULL,
            "l4_csum_en of a device",
        ),
        (
            &udp,
            UDP4 | PARTIAL,
            admin::TX_L4_IPV4_CSUM_PART,
            "l4_csum_en of a device",
        ),
        (&tcp, tso_control, admin::TSO_IPV4, "tso_en of a device"),
    ];
    for (frame, control, offer, what) in offers {
        let mut bench = Bench::ready(Configuration {
            tx_offloads: 0x7f & !offer,
            ..Configuration::default()
        });
        let mut queue = bench.queue(TX, 8);
        let data = buffer(frame);
        send(
            &bench,
            &mut queue,
            &[tso, descriptor(5, LAST | ASK, control, &data, frame.len())],
        );
        bench.expect(what);
    }
}

#[test]
fn offloads_are_for_packets_that_have_them() {
    let udp4 = UDP4 | eth_io::TX_DESC_L4_CSUM_EN;
    let ipv6 = eth_io::L3_PROTO_IPV6 | eth_io::TX_DESC_L3_CSUM_EN;
    let tso = TCP4 | TSO | eth_io::TX_DESC_L3_CSUM_EN;
    let wrong = [
        // "More fragments", and total lengths of 24 and 40 bytes.
        (
            samples::changed(samples::UDP4, 20, &[0x60]),
            meta(14, 20, 0, 0),
            udp4,
            "TCP or UDP for a fragment",
        ),
        (
            samples::changed(samples::UDP4, 16, &[0, 24]),
            meta(14, 20, 0, 0),
            udp4,
            "a header that is cut off",
        ),
        (
            samples::changed(samples::TCP4, 16, &[0, 40]),
            meta(14, 20, 5, 10),
            tso,
            "a packet without payload",
        ),
        (
            samples::bytes(samples::UDP6),
            meta(14, 40, 0, 0),
            ipv6,
            "l3_csum_en for IPv6",
        ),
    ];
    for (frame, meta, control, what) in wrong {
        let (bench, mut queue) = start();
        let data = buffer(&frame);
        let packet = [meta, descriptor(5, LAST | ASK, control, &data, frame.len())];
        assert!(send(&bench, &mut queue, &packet).is_empty(), "{what}");
        bench.expect(what);
    }
}
