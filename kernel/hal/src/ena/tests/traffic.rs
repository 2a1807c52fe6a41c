//! Packets both ways.

use super::*;
use crate::network::Version;
use crate::network::model::frames::{HEADERS, joined_ipv6, over_ipv6, tcp_payload, tcp_to_cut, udp, udp_to_complete};

/// In the guest's memory and in the device's.
fn all() -> impl Iterator<Item = Rig> {
    core::iter::once(host_memory())
        .chain(low_latency())
        .map(|configuration| Rig::new(&configuration))
}

#[test]
fn ena_sends_frames_as_they_are() {
    for rig in all() {
        // More rounds than the queue has places, of all lengths at which something changes.
        for round in 0..400 {
            let length = [0, 1, 18, 54, 55, 181, 182, 183, 958, 1472][round % 10];
            let frame = udp(length);
            assert!(rig.send_plain(&frame), "round {round}");
            assert_eq!(rig.sent(), [frame], "round {round}");
        }
        // Together more than some devices take between two rings of the doorbell.
        let batch: Vec<_> = (0..10).map(udp).collect();
        let plain = batch.iter().map(|frame| (Outgoing::default(), frame.clone()));
        assert!(rig.send(&plain.collect::<Vec<_>>()));
        assert_eq!(rig.sent(), batch);
        let other = [0xff; 60];
        assert!(rig.send_plain(&other), "neither IPv4 nor anything known");
        assert_eq!(rig.sent(), [other]);
        rig.device.assert_obeyed();
    }
}

#[test]
fn ena_sends_jumbo_frames() {
    for rig in all() {
        let most = rig.card.max_mtu() - 28;
        for round in 0..100 {
            let length = [4054, 4055, 8000, most][round % 4].min(most);
            let frame = udp(length);
            assert!(rig.send_plain(&frame), "round {round}");
            assert_eq!(rig.sent(), [frame], "round {round}");
            assert!(rig.send(&[udp_to_complete(length)]), "round {round}");
            assert_eq!(rig.sent(), [udp(length)], "round {round}");
            let cut = tcp_to_cut(15_000.min(rig.card.offloads(Version::V4).segmented - 40), 8949);
            let payload = cut.1[HEADERS..].to_vec();
            assert!(rig.send(&[cut]), "round {round}");
            let joined: Vec<u8> = rig
                .sent()
                .iter()
                .flat_map(|frame| tcp_payload(frame).to_vec())
                .collect();
            assert!(joined == payload, "round {round}");
        }
        rig.device.assert_obeyed();
    }
}

#[test]
fn ena_completes_checksums() {
    for rig in all() {
        for length in [0, 1, 18, 500, 1472, 1472, 7] {
            assert!(rig.send(&[udp_to_complete(length), (Outgoing::default(), udp(3))]));
            assert_eq!(rig.sent(), [udp(length), udp(3)]);
        }
        rig.device.assert_obeyed();
    }
}

#[test]
fn ena_cuts_segments() {
    for rig in all() {
        let most = rig.card.offloads(Version::V4).segmented - (HEADERS - 14);
        for (length, size) in [
            (2000, 1460),
            (most.min(65_000), 1448),
            (most.min(65_000), 536),
            (5000, 1460),
        ] {
            let cut = tcp_to_cut(length, size);
            let frame = cut.1.clone();
            assert!(rig.send(&[cut]), "{length} bytes");
            let sent = rig.sent();
            assert_eq!(sent.len(), length.div_ceil(size.into()));
            let joined: Vec<u8> = sent.iter().flat_map(|frame| tcp_payload(frame).to_vec()).collect();
            assert!(joined == frame[HEADERS..], "{length} bytes in segments of {size}");
        }
        rig.device.assert_obeyed();
    }
}

#[test]
fn ena_does_the_same_for_ipv6() {
    for rig in all() {
        for length in [0, 1, 18, 500, 1398, 7] {
            let (outgoing, frame) = over_ipv6(udp_to_complete(length));
            let payload = frame[62..].to_vec();
            assert!(rig.send(&[(outgoing, frame)]));
            assert_eq!(joined_ipv6(&rig.sent(), 62), payload);
        }
        let most = rig.card.offloads(Version::V6).segmented - (74 - 14);
        for (length, size) in [(2000, 1400), (most.min(65_000), 1388), (5000, 536)] {
            let (outgoing, frame) = over_ipv6(tcp_to_cut(length, size));
            let payload = frame[74..].to_vec();
            assert!(rig.send(&[(outgoing, frame)]), "{length} bytes");
            let sent = rig.sent();
            assert_eq!(sent.len(), length.div_ceil(size.into()));
            assert!(
                joined_ipv6(&sent, 74) == payload,
                "{length} bytes in segments of {size}"
            );
        }
        rig.device.assert_obeyed();
    }
}

#[test]
fn ena_refuses_what_the_device_cannot_do() {
    let rig = Rig::new(&Configuration {
        max_tx_descs: 3,
        ..host_memory()
    });
    assert!(!rig.send(&[tcp_to_cut(20_000, 1460)]), "too many pages");
    let (outgoing, _) = udp_to_complete(0);
    assert!(!rig.send(&[(outgoing, [0; 60].to_vec())]), "not IPv4");
    assert_eq!(rig.sent(), [[0; 0]; 0]);
    rig.check();
}

#[test]
fn ena_holds_what_fits_until_the_device_has_sent_it() {
    for rig in all() {
        rig.device.hold_transmissions(true);
        let frame = udp(1000);
        let taken = (0..1000).take_while(|_| rig.send_plain(&frame)).count();
        assert!((4..256).contains(&taken), "{taken} frames in a full queue");
        for newest_first in [false, true] {
            rig.device.release_transmissions(newest_first);
            rig.sent();
            let again = (0..1000).take_while(|_| rig.send_plain(&frame)).count();
            assert_eq!(again, taken);
        }
        rig.device.release_transmissions(false);
        rig.device.hold_transmissions(false);
        rig.sent();
        rig.check();
    }
}

#[test]
fn ena_receives_frames_as_they_are() {
    for rx_offset in [0, 2] {
        let rig = Rig::new(&Configuration {
            rx_offset,
            ..host_memory()
        });
        let posted = rig.device.posted(0);
        for round in 0..200 {
            let frames = [udp(round * 7), udp(1472), [0xff; 60].to_vec()];
            for frame in &frames {
                assert!(rig.device.receive(0, frame), "round {round}");
            }
            rig.device.deliver();
            assert_eq!(rig.calls.load(Ordering::Relaxed), round + 1, "called once");
            let [first, second, third] = frames;
            assert_eq!(rig.received(), [(first, true), (second, true), (third, false)]);
        }
        assert_eq!(rig.device.posted(0), posted, "all buffers are the device's again");
        let mut wrong = udp(100);
        wrong[60] ^= 1;
        rig.device.receive(0, &wrong);
        rig.device.deliver();
        assert_eq!(rig.received(), [(wrong, false)]);
        rig.device.assert_obeyed();
    }
}

#[test]
fn ena_joins_frames_in_many_buffers() {
    let rig = Rig::host_memory();
    for round in 0..100 {
        let frames = [udp(5000), udp(100), udp(9216 - 28)];
        for frame in &frames {
            assert!(rig.device.receive(0, frame), "round {round}");
        }
        rig.device.deliver();
        assert_eq!(rig.received(), frames.map(|frame| (frame, true)));
    }
    rig.device.assert_obeyed();
}

#[test]
fn ena_answers_from_within_the_handler() {
    let rig = Rig::host_memory();
    let frame = udp(100);
    rig.device.receive(0, &frame);
    rig.device.deliver();
    let mut is_sent = false;
    let found = rig.card.receive(&mut |frame, _| is_sent = rig.send_plain(frame));
    assert!(found && is_sent);
    assert_eq!(rig.sent(), [frame]);
}

#[test]
fn ena_loses_no_frame_that_comes_while_nobody_looks() {
    let rig = Rig::host_memory();
    let capacity = rig.device.posted(0);
    let taken = (0..1000).take_while(|_| rig.device.receive(0, &udp(10))).count();
    assert_eq!(taken, capacity);
    rig.device.deliver();
    assert_eq!(rig.received().len(), capacity);
    rig.check();
}
