use super::{Descriptor, fill, packet, segment, send, start};
use crate::gve::model::defs::gqi;
use crate::network::model::samples;

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
