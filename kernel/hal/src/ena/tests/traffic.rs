//! Packets both ways.

use super::*;
use crate::network::model::frames::{tcp_to_cut, udp, udp_to_complete};

/// In the guest's memory and in the device's.
fn all() -> impl Iterator<Item = Rig> {
    core::iter::once(host_memory())
        .chain(low_latency())
        .map(|configuration| Rig::new(&configuration))
}

#[test]
fn ena_sends_frames_as_they_are() {
    for rig in all() {
        // All lengths at which something changes, and together more than some devices take between two rings of the doorbell.
        rig.check_sending(400, [0, 1, 18, 54, 55, 181, 182, 183, 958, 1472], 10);
    }
}

#[test]
fn ena_sends_jumbo_frames() {
    for rig in all() {
        let most = rig.card.max_mtu() - 28;
        let lengths = [4054, 4055, 8000, most].map(|length| length.min(most));
        for _ in 0..25 {
            rig.check_checksums(&lengths.map(|length| length.min(most - 20)));
            for frame in lengths.map(udp) {
                assert!(rig.send_plain(&frame));
                assert_eq!(rig.sent(), [frame]);
            }
            rig.check_segments(&[(15_000, 8929)]);
        }
    }
}

#[test]
fn ena_completes_checksums() {
    for rig in all() {
        rig.check_checksums(&[0, 1, 18, 500, 1452, 1452, 7]);
    }
}

#[test]
fn ena_cuts_segments() {
    for rig in all() {
        rig.check_segments(&[(2000, 1440), (65_000, 1428), (65_000, 536), (5000, 1440)]);
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
    Rig::host_memory().check_answering();
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
