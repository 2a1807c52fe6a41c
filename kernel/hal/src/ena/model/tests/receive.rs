use super::bench::{Bench, HOST_INFO, Queue, pair};
use crate::dma::{Shared, reach};
use crate::ena::model::defs::{admin, eth_io};
use crate::ena::model::{CompletionFault, Configuration, Defect};
use crate::network::model::samples;
use core::sync::atomic::Ordering;

const RX: u8 = admin::SQ_DIRECTION_RX;
/// First, last, to be completed.
const WHOLE: u32 = 0b11100;

fn start(configuration: Configuration) -> (Bench, Queue, Shared) {
    let mut bench = Bench::ready(configuration);
    let queue = bench.queue(RX, 8);
    (bench, queue, Shared::allocate(4096).expect("memory"))
}

/// A descriptor without phase.
fn descriptor(request: u32, address: u64, length: u32) -> [u32; 4] {
    [length | WHOLE << 24, request, address as u32, (address >> 32) as u32]
}

fn post(queue: &mut Queue, mut words: [u32; 4]) {
    words[0] ^= queue.phase() << 24;
    queue.push(words);
    queue.ring();
}

#[test]
fn frames_arrive_in_buffers_over_many_rounds() {
    let (bench, mut queue, memory) = start(Configuration::default());
    let frame = samples::bytes(samples::TCP4);
    for round in 0..20 {
        for part in 0..3 {
            let address = memory.address(part * 100);
            post(&mut queue, descriptor(round * 3 + part as u32, address, 30));
        }
        assert_eq!(bench.device.posted(0), 3);
        assert!(bench.device.receive(0, &frame));
        let ipv4 = eth_io::L3_PROTO_IPV4 | eth_io::L4_PROTO_TCP << 8 | eth_io::RX_CDESC_L4_CSUM_CHECKED;
        let flags = [eth_io::RX_CDESC_FIRST, 0, eth_io::RX_CDESC_LAST | ipv4];
        for (part, (flags, length)) in flags.into_iter().zip([30, 30, frame.len() - 60]).enumerate() {
            let words = queue.completion().expect("a completion");
            assert_eq!(words[0] & !(1 << 24), flags | eth_io::RX_CDESC_BUFFER);
            assert_eq!(words[1], length as u32 | (round * 3 + part as u32) << 16);
            assert_eq!(words[3], 0);
            let mut bytes = alloc::vec![0; length];
            reach::read(memory.address(part * 100), &mut bytes);
            assert_eq!(bytes, frame[part * 30..part * 30 + length]);
        }
        assert_eq!(queue.completion(), None);
    }
    assert!(!bench.device.receive(0, &frame), "there is no buffer");
    assert_eq!(bench.device.drops().rx, 1);
    bench.device.assert_obeyed();
}

#[test]
fn checksums_are_looked_at() {
    let (bench, mut queue, memory) = start(Configuration::default());
    let (ip4, ip6) = (eth_io::L3_PROTO_IPV4, eth_io::L3_PROTO_IPV6);
    let (tcp, udp) = (eth_io::L4_PROTO_TCP << 8, eth_io::L4_PROTO_UDP << 8);
    let checked = eth_io::RX_CDESC_L4_CSUM_CHECKED;
    let wrong = checked | eth_io::RX_CDESC_L4_CSUM_ERR;
    let bad_ip = samples::changed(samples::TCP4, samples::IP4_CHECKSUM, &[1, 1]);
    let fragment = samples::changed(samples::TCP4, 20, &[0x20]);
    let told = [
        (samples::bytes(samples::UDP4), ip4 | udp | checked),
        (samples::bytes(samples::UDP6), ip6 | udp | checked),
        (samples::bytes(samples::TCP6), ip6 | tcp | checked),
        (
            samples::changed(samples::UDP4, samples::UDP4_CHECKSUM, &[1, 1]),
            ip4 | udp | wrong,
        ),
        (
            samples::changed(samples::UDP4, samples::UDP4_CHECKSUM, &[0, 0]),
            ip4 | udp,
        ),
        (bad_ip, ip4 | tcp | checked | eth_io::RX_CDESC_L3_CSUM_ERR),
        (
            fragment,
            ip4 | eth_io::RX_CDESC_IPV4_FRAG | eth_io::RX_CDESC_L3_CSUM_ERR,
        ),
        (alloc::vec![0; 60], 0),
    ];
    for (frame, expected) in &told {
        post(&mut queue, descriptor(1, memory.address(0), 2048));
        assert!(bench.device.receive(0, frame));
        let words = queue.completion().expect("a completion");
        assert_eq!(words[0] & 0x3_ffff, *expected, "{:#x}", words[0]);
    }
    bench.device.assert_obeyed();

    let (bench, mut queue, memory) = start(Configuration {
        rx_offloads: 0,
        ..Configuration::default()
    });
    post(&mut queue, descriptor(1, memory.address(0), 2048));
    bench.device.receive(0, &told[0].0);
    let words = queue.completion().expect("a completion");
    assert_eq!(
        words[0] & 0x3_ffff,
        ip4 | udp | eth_io::RX_CDESC_L3_CSUM_ERR,
        "nobody looked"
    );
}

#[test]
fn buffers_are_given_as_they_must_be() {
    let wrong = [
        (0, 1 << 24, "has not phase 1"),
        (0, 1 << 26, "not first, last and to be completed"),
        (0, 1 << 27, "not first, last and to be completed"),
        (0, 1 << 28, "not first, last and to be completed"),
        (0, 1 << 16, "reserved bits"),
        (0, 1 << 25, "reserved bits"),
        (0, 1 << 30, "reserved bits"),
        (1, 1 << 16, "reserved bits"),
        (3, 1 << 16, "reserved bits"),
        (3, 1 << 8, "memory that nobody owns"),
    ];
    for (word, bits, what) in wrong {
        let (bench, mut queue, memory) = start(Configuration::default());
        let mut words = descriptor(1, memory.address(0), 2048);
        words[word] ^= bits;
        post(&mut queue, words);
        bench.expect(what);
    }
    let (bench, mut queue, memory) = start(Configuration::default());
    post(&mut queue, descriptor(1, memory.address(0), 1024));
    // The definitions' "MBO", which the vendor's drivers leave out.
    let mut other = descriptor(2, memory.address(1024), 1024);
    other[0] |= 1 << 29;
    post(&mut queue, other);
    bench.device.assert_obeyed();
    // Length 0 is 64 KiB, which leave the last pages of the host's memory.
    post(&mut queue, descriptor(3, (256 << 20) - 4096, 0));
    bench.expect("65536 bytes, lies in memory that nobody owns");
    post(&mut queue, descriptor(1, memory.address(2048), 1024));
    bench.expect("request 1 is still outstanding");
    post(&mut queue, descriptor(3, memory.address(2000), 1024));
    bench.expect("overlaps the buffer of request 2 of RX queue 0");
    let ring = queue.completions.address(0);
    post(&mut queue, descriptor(3, ring, 64));
    bench.expect("overlaps completion queue 0");
    bench.registers.write32(queue.doorbell, 4);
    bench.expect("the doorbell says 4");
    bench.registers.write32(queue.doorbell, 14);
    bench.expect("RX queue 0: the doorbell says 14, 6 was the last, and 2 of 8 are used");
}

#[test]
fn completions_are_wrong_as_they_are_told() {
    let (bench, mut queue, memory) = start(Configuration::default());
    let frame = samples::bytes(samples::UDP4);
    let (first, last) = (eth_io::RX_CDESC_FIRST, eth_io::RX_CDESC_LAST);
    let faults = [
        (CompletionFault::None, [first, last], pair(40, 1), 0),
        (CompletionFault::RequestId(99), [first, last], pair(40, 99), 0),
        (CompletionFault::Length(5000), [first, last], pair(5000, 1), 0),
        (CompletionFault::NoLast, [first, 0], pair(40, 1), 0),
        (CompletionFault::AllFirst, [first, first | last], pair(40, 1), 0),
        (CompletionFault::Reserved, [first, last], pair(40, 1), 1 << 7 | 1 << 17),
    ];
    bench.device.fail_received(&faults.map(|fault| fault.0));
    for (fault, flags, word, reserved) in faults {
        post(&mut queue, descriptor(1, memory.address(0), 40));
        post(&mut queue, descriptor(2, memory.address(40), 40));
        assert!(bench.device.receive(0, &frame));
        let words = flags.map(|_| queue.completion().expect("a completion"));
        assert_eq!(
            [&words[0], &words[1]].map(|words| words[0] & (first | last)),
            flags,
            "{fault:?}"
        );
        assert_eq!(words[0][1], word, "{fault:?}");
        assert_eq!(words[0][0] & (1 << 7 | 1 << 17), reserved, "{fault:?}");
    }
    bench
        .device
        .fail_received(&[CompletionFault::Lose, CompletionFault::Phase]);
    for _ in 0..2 {
        post(&mut queue, descriptor(1, memory.address(0), 400));
        assert!(bench.device.receive(0, &frame));
        assert_eq!((queue.completion(), bench.device.posted(0)), (None, 0));
    }
    bench.device.assert_obeyed();
}

#[test]
fn an_offset_is_for_drivers_that_can() {
    let configuration = || Configuration {
        rx_offset: 16,
        ..Configuration::default()
    };
    let (mut bench, mut queue, memory) = start(configuration());
    let frame = samples::bytes(samples::UDP4);
    post(&mut queue, descriptor(1, memory.address(0), 64));
    bench.device.receive(0, &frame);
    assert_eq!(queue.completion().expect("a completion")[3], 0);

    let word = |at: usize, value| bench.memory.set32(HOST_INFO + at, value, Ordering::Relaxed);
    word(admin::HOST_INFO_ENA_SPEC_VERSION, admin::SPEC_VERSION.into());
    word(admin::HOST_INFO_NUM_CPUS, 1);
    word(admin::HOST_INFO_DRIVER_SUPPORTED_FEATURES, admin::HOST_INFO_RX_OFFSET);
    let address = bench.memory.address(HOST_INFO);
    bench.set(admin::HOST_ATTR_CONFIG, &[address as u32, (address >> 32) as u32]);
    post(&mut queue, descriptor(1, memory.address(0), 64));
    post(&mut queue, descriptor(2, memory.address(64), 64));
    bench.device.receive(0, &frame);
    let words = [0, 1].map(|_| queue.completion().expect("a completion"));
    assert_eq!((words[0][1], words[0][3]), (pair(48, 1), 16 << 16));
    assert_eq!((words[1][1], words[1][3]), (pair(4, 2), 0));
    let mut bytes = [0; 48];
    reach::read(memory.address(16), &mut bytes);
    assert_eq!(bytes, frame[..48]);
    bench.device.assert_obeyed();
}

#[test]
fn nothing_arrives_without_a_link_or_life() {
    let (bench, mut queue, memory) = start(Configuration::default());
    post(&mut queue, descriptor(1, memory.address(0), 64));
    let frame = samples::bytes(samples::UDP4);
    bench.device.set_link(false);
    assert!(!bench.device.receive(0, &frame));
    bench.device.set_link(true);
    bench.device.inject(Defect::Hung);
    assert!(!bench.device.receive(0, &frame));
    bench.device.heal(Defect::Hung);
    bench.device.fail();
    assert!(!bench.device.receive(0, &frame));
    assert!(!bench.device.receive(7, &frame), "no such queue");
}

#[test]
fn a_frame_takes_no_more_buffers_than_the_device_says() {
    let (bench, mut queue, memory) = start(Configuration {
        max_rx_descs: 2,
        ..Configuration::default()
    });
    for request in 0..3 {
        post(
            &mut queue,
            descriptor(request, memory.address(request as usize * 32), 30),
        );
    }
    assert!(!bench.device.receive(0, &[0; 61]));
    assert_eq!((bench.device.posted(0), bench.device.drops().rx), (3, 1));
    assert!(bench.device.receive(0, &[0; 60]));
    assert_eq!(bench.device.posted(0), 1);
    bench.device.assert_obeyed();
}
