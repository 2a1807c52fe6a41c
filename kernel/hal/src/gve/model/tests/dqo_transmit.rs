use alloc::vec::Vec;

use super::bench::{Bench, Fields, Queue, SCRATCH, TX_ENTRIES};
use crate::dma::{Buffer, Shared, reach};
use crate::gve::model::defs::{admin, dqo};
use crate::gve::model::fields::le16;
use crate::gve::model::{CompletionFault, Configuration, Defect, Format};
use crate::mem::PAGE_SIZE;
use crate::network::model::samples;

type Descriptor = [u8; 16];

const LAST: u8 = dqo::TX_END_OF_PACKET;
const SUM: u8 = dqo::TX_CHECKSUM_OFFLOAD_ENABLE;
const REPORT: u8 = dqo::TX_REPORT_EVENT;

fn buffer(flags: u8, tag: u16, address: u64, length: usize) -> Descriptor {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&address.to_le_bytes());
    bytes[8] = dqo::TX_PKT_DESC_DTYPE | flags;
    bytes[12..14].copy_from_slice(&tag.to_le_bytes());
    bytes[14..].copy_from_slice(&(length as u16).to_le_bytes());
    bytes
}

fn tso(total: usize, mss: u16, header: u8) -> Descriptor {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&(total as u32).to_le_bytes());
    bytes[4..6].copy_from_slice(&mss.to_le_bytes());
    bytes[6] = header;
    bytes[8] = dqo::TX_TSO_CTX_DESC_DTYPE | dqo::TX_TSO;
    bytes
}

fn general() -> Descriptor {
    let mut bytes = [0xab; 16];
    bytes[8..13].copy_from_slice(&[dqo::TX_GENERAL_CTX_DESC_DTYPE, 0, 0, 0, 0]);
    bytes
}

fn changed(mut descriptor: Descriptor, at: usize, bits: u8) -> Descriptor {
    descriptor[at] ^= bits;
    descriptor
}

fn push(queue: &mut Queue, descriptors: &[Descriptor]) {
    for descriptor in descriptors {
        let at = queue.tail as usize % usize::from(TX_ENTRIES) * 16;
        reach::write(queue.ring.address(at), descriptor);
        queue.tail += 1;
    }
}

fn send(bench: &Bench, queue: &mut Queue, descriptors: &[Descriptor]) -> Vec<Vec<u8>> {
    push(queue, descriptors);
    queue.ring_little(queue.tail % u32::from(TX_ENTRIES));
    bench.device.sent().into_iter().map(|sent| sent.bytes).collect()
}

/// The next completion, if there is one: queue, type and value.
fn completion(queue: &mut Queue) -> Option<(u16, u8, u16)> {
    let mut bytes = [0; 8];
    let entries = u32::from(TX_ENTRIES);
    reach::read(queue.second.address((queue.head % entries) as usize * 8), &mut bytes);
    let word = le16(&bytes, 0);
    if word >> 15 != u16::from((queue.head / entries).is_multiple_of(2)) {
        return None;
    }
    queue.head += 1;
    Some((word & 0x7ff, (word >> 11 & 7) as u8, le16(&bytes, 2)))
}

fn start() -> (Bench, Queue, Shared) {
    let mut bench = Bench::ready(Format::DqoRda, Configuration::of(Format::DqoRda));
    let queue = bench.transmitter(Format::DqoRda);
    (bench, queue, Shared::allocate(4 * PAGE_SIZE).expect("memory"))
}

const PACKET: u8 = dqo::COMPL_TYPE_PKT;

#[test]
fn the_device_sends_packets_of_dqo_over_many_rounds() {
    let (bench, mut queue, memory) = start();
    let frame = samples::bytes(samples::TCP4);
    reach::write(memory.address(100), &frame);
    let rest = frame.len() - 50;
    for round in 0..200_u16 {
        // Every 36 descriptors: each packet has 3.
        let report = if round % 12 == 11 { REPORT } else { 0 };
        let packet = [
            general(),
            buffer(0, round, memory.address(100), 50),
            buffer(LAST | report, round, memory.address(150), rest),
        ];
        assert_eq!(send(&bench, &mut queue, &packet), core::slice::from_ref(&frame));
        if report != 0 {
            let index = (queue.tail % 256) as u16;
            assert_eq!(completion(&mut queue), Some((0, dqo::COMPL_TYPE_DESC, index)));
        }
        assert_eq!(completion(&mut queue), Some((0, PACKET, round)));
        assert_eq!(completion(&mut queue), None);
    }
    bench.device.assert_obeyed();
}

#[test]
fn the_device_sends_from_pages_of_a_list() {
    let mut bench = Bench::ready(Format::DqoQpl, Configuration::of(Format::DqoQpl));
    let mut queue = bench.transmitter(Format::DqoQpl);
    let frame = samples::bytes(samples::UDP4);
    let place = queue.place(2048);
    reach::write(place, &frame);
    let packet = buffer(LAST, 1, place, frame.len());
    assert_eq!(send(&bench, &mut queue, &[packet]), core::slice::from_ref(&frame));
    bench.device.assert_obeyed();
    for address in [bench.memory.address(SCRATCH), place + 2040, 2048] {
        let packet = buffer(LAST, 1, address, frame.len());
        assert!(send(&bench, &mut queue, &[packet]).is_empty());
        bench.expect("does not lie in one page of page list 0");
    }
}

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

#[test]
fn the_device_takes_descriptors_of_dqo_as_they_must_be() {
    let memory = Shared::allocate(4 * PAGE_SIZE).expect("memory");
    let at = |flags: u8, tag: u16, length: usize| buffer(flags, tag, memory.address(0), length);
    let eleven: Vec<Descriptor> = (0..11)
        .map(|index| at(if index == 10 { LAST } else { 0 }, 1, 60))
        .collect();
    let wrong: [(&[Descriptor], &str); 23] = [
        (
            &[changed(at(LAST, 1, 60), 8, 1)],
            "a descriptor of dtype 0xd, which gve_desc_dqo.h does not name",
        ),
        (
            &[general(), tso(100, 100, 54), at(LAST, 1, 60)],
            "a TSO context that is not a packet's first descriptor",
        ),
        (
            &[tso(6, 100, 54), tso(6, 100, 54), at(LAST, 1, 60)],
            "a TSO context that is not a packet's first descriptor",
        ),
        (&[general(), general(), at(LAST, 1, 60)], "or a second one"),
        (
            &[at(0, 1, 60), general(), at(LAST, 1, 60)],
            "a general context that does not lie before a packet's buffers",
        ),
        (
            &[changed(general(), 8, dqo::TX_TSO), at(LAST, 1, 60)],
            "a general context with the bit tso, or reserved bits",
        ),
        (
            &[changed(general(), 9, 1), at(LAST, 1, 60)],
            "a general context with the bit tso, or reserved bits",
        ),
        (
            &[changed(general(), 11, 1), at(LAST, 1, 60)],
            "a general context with the bit tso, or reserved bits",
        ),
        (
            &[changed(general(), 12, 1), at(LAST, 1, 60)],
            "metadata of version 1 in a general context",
        ),
        (
            &[changed(at(LAST, 1, 60), 9, 1)],
            "a packet descriptor with reserved bits",
        ),
        (
            &[changed(at(LAST, 1, 60), 11, 1)],
            "a packet descriptor with reserved bits",
        ),
        (
            &[changed(at(LAST, 1, 60), 15, 1 << 6)],
            "a packet descriptor with reserved bits",
        ),
        (&[at(0, 1, 60), at(LAST, 1, 0)], "a packet descriptor with buf_size 0"),
        (
            &[at(REPORT, 1, 60), at(LAST, 1, 60)],
            "report_event on a descriptor that is not the last",
        ),
        (
            &[at(0, 1, 60), at(LAST, 2, 60)],
            "different compl_tag or checksum_offload_enable",
        ),
        (
            &[at(0, 1, 60), at(LAST | SUM, 1, 60)],
            "different compl_tag or checksum_offload_enable",
        ),
        (
            &[at(0, 1, 60)],
            "the doorbell comes before a descriptor with end_of_packet",
        ),
        (
            &[general()],
            "the doorbell comes before a descriptor with end_of_packet",
        ),
        (
            &[at(LAST, 1, 16)],
            "a packet of 16 bytes; the hardware takes 17 to 9728",
        ),
        (&[at(LAST, 1, 9729)], "a packet of 9729 bytes"),
        (&eleven, "a packet of 11 buffers, more than GVE_TX_MAX_DATA_DESCS"),
        (&[at(LAST, 1, 8911)], "a frame of 8911 bytes, not 14 to 8910"),
        (&[buffer(LAST, 1, memory.address(0).swap_bytes(), 60)], "nobody owns"),
    ];
    for (packet, what) in wrong {
        let (bench, mut queue, _memory) = start();
        assert!(send(&bench, &mut queue, packet).is_empty(), "{what}");
        bench.expect(what);
        assert_eq!(bench.device.drops().tx, 1, "{what}");
    }
}

#[test]
fn the_device_has_tx_rings_of_dqo_that_are_not_overrun() {
    let (bench, mut queue, memory) = start();
    queue.ring_little(256);
    bench.expect("TX queue 0: the doorbell says 256, which is no index of a ring of 256");
    // Without descriptor completions, no descriptor is free again.
    let packet = |tag: u16, flags: u8| buffer(LAST | flags, tag, memory.address(0), 60);
    for tag in 0..252 {
        assert_eq!(send(&bench, &mut queue, &[packet(tag, 0)]).len(), 1);
    }
    bench.device.assert_obeyed();
    assert!(send(&bench, &mut queue, &[packet(252, 0)]).is_empty());
    bench.expect("1 new descriptors beside 252 of which no descriptor completion says that they were fetched");

    let (bench, mut queue, memory) = start();
    let packet = |tag: u16, flags: u8| buffer(LAST | flags, tag, memory.address(0), 60);
    for tag in 0..1000 {
        let flags = if tag % 32 == 31 { REPORT } else { 0 };
        assert_eq!(send(&bench, &mut queue, &[packet(tag, flags)]).len(), 1);
    }
    bench.device.assert_obeyed();
    send(&bench, &mut queue, &[packet(1, REPORT)]);
    bench.expect("report_event 9 descriptors behind the one before, less than GVE_TX_MIN_RE_INTERVAL");
}

#[test]
fn the_device_knows_which_packets_are_under_way() {
    let (bench, mut queue, memory) = start();
    bench.device.hold_transmissions(true);
    let packet = |tag: u16| buffer(LAST, tag, memory.address(0), 60);
    for tag in [5, 3, 9] {
        assert_eq!(send(&bench, &mut queue, &[packet(tag)]).len(), 1);
    }
    assert_eq!(completion(&mut queue), None);
    bench.device.assert_obeyed();
    assert!(send(&bench, &mut queue, &[packet(3)]).is_empty());
    bench.expect("tag 0x3 is of a packet that is not completed");
    bench.device.release_transmissions(true);
    let tags = [0, 1, 2, 3].map(|_| completion(&mut queue).map(|completion| completion.2));
    assert_eq!(tags, [Some(3), Some(9), Some(3), Some(5)], "the newest first");
    bench.device.assert_obeyed();
    // Each of 256 completions may be of a descriptor, or of a packet that misses the fast path.
    for tag in 0..124 {
        send(&bench, &mut queue, &[packet(tag)]);
    }
    bench.device.assert_obeyed();
    send(&bench, &mut queue, &[packet(124)]);
    bench.expect("125 packets are not completed, and there is room for the completions of 124");
    bench.device.release_transmissions(false);
    assert_eq!(completion(&mut queue), Some((0, PACKET, 0)));
}

#[test]
fn the_device_sees_packets_that_change_under_way() {
    let (bench, mut queue, memory) = start();
    bench.device.hold_transmissions(true);
    let page = Buffer::page().expect("memory");
    send(&bench, &mut queue, &[buffer(LAST, 1, memory.address(0), 60)]);
    send(&bench, &mut queue, &[buffer(LAST, 2, page.address(), 60)]);
    reach::write(memory.address(59), &[1]);
    bench.device.assert_obeyed();
    bench.device.release_transmissions(false);
    bench.expect("60 bytes at");
    drop(page);
    let page = Buffer::page().expect("memory");
    send(&bench, &mut queue, &[buffer(LAST, 2, page.address(), 60)]);
    drop(page);
    bench.device.release_transmissions(false);
    bench.expect("were used otherwise before their packet was completed");
}

#[test]
fn the_device_completes_packets_that_miss_the_fast_path() {
    let (bench, mut queue, memory) = start();
    let packet = |tag: u16| buffer(LAST, tag, memory.address(0), 60);
    bench.device.fail_sent(&[CompletionFault::Miss]);
    send(&bench, &mut queue, &[packet(4)]);
    send(&bench, &mut queue, &[packet(5)]);
    assert_eq!(completion(&mut queue), Some((0, dqo::COMPL_TYPE_MISS, 4)));
    assert_eq!(completion(&mut queue), Some((0, PACKET, 5)));
    send(&bench, &mut queue, &[packet(4)]);
    bench.expect("tag 0x4 is of a packet that is not completed");
    completion(&mut queue);
    bench.device.reinject();
    assert_eq!(completion(&mut queue), Some((0, dqo::COMPL_TYPE_REINJECTION, 4)));
    bench.device.reinject();
    assert_eq!(completion(&mut queue), None);

    // For drivers that say that they know it, a bit of the tag tells the same.
    let mut bench = Bench::with_admin(Configuration::of(Format::DqoRda));
    let mut info = alloc::vec![0; 304];
    (info[0], info[23]) = (
        1,
        1 << admin::CAPABILITY_DQO_RDA | 1 << admin::CAPABILITY_ALT_MISS_COMPL,
    );
    reach::write(bench.memory.address(SCRATCH), &info);
    let fields = Fields::default().long(304).long(bench.memory.address(SCRATCH));
    bench.command(admin::VERIFY_DRIVER_COMPATIBILITY, &fields);
    bench.describe();
    let fields = bench.configuring(Format::DqoRda);
    bench.command(admin::CONFIGURE_DEVICE_RESOURCES, &fields);
    let mut queue = bench.transmitter(Format::DqoRda);
    bench.device.fail_sent(&[CompletionFault::Miss]);
    send(&bench, &mut queue, &[packet(4)]);
    assert_eq!(completion(&mut queue), Some((0, PACKET, 0x8004)));
    bench.device.assert_obeyed();
    send(&bench, &mut queue, &[packet(0x8001)]);
    bench.expect("tag 0x8001 has GVE_ALT_MISS_COMPL_BIT");
}

#[test]
fn the_device_completes_wrongly_in_dqo_as_it_is_told() {
    use CompletionFault::{Generation, Identifier, Lose, None, Queue as Other, Twice, Type};
    let (bench, mut queue, memory) = start();
    let packet = |tag: u16| buffer(LAST, tag, memory.address(0), 60);
    let told = [
        (None, (0, PACKET, 0)),
        (Identifier(0x1234), (0, PACKET, 0x1234)),
        (Other(9), (9, PACKET, 2)),
        (Type(7), (0, 7, 3)),
        (Twice, (0, PACKET, 4)),
    ];
    bench.device.fail_sent(&told.map(|told| told.0));
    for (tag, (fault, expected)) in (0..).zip(told) {
        assert_eq!(send(&bench, &mut queue, &[packet(tag)]).len(), 1);
        assert_eq!(completion(&mut queue), Some(expected), "{fault:?}");
    }
    assert_eq!(completion(&mut queue), Some((0, PACKET, 4)), "twice");
    bench.device.fail_sent(&[Lose, Generation]);
    for tag in [6, 7] {
        send(&bench, &mut queue, &[packet(tag)]);
        assert_eq!(completion(&mut queue), Option::None);
    }
    bench.device.assert_obeyed();
    send(&bench, &mut queue, &[packet(6)]);
    bench.expect("tag 0x6 is of a packet that is not completed");
    bench.device.inject(Defect::Hung);
    assert!(send(&bench, &mut queue, &[packet(8)]).is_empty());
    bench.device.assert_obeyed();
}
