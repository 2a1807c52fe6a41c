//! Packets both ways.

use super::*;
use crate::gve::model::Defect;
use crate::network::Version;
use crate::network::model::frames::{tcp_to_cut, udp};

#[test]
fn gve_sends_frames_as_they_are() {
    for rig in Rig::every() {
        // All lengths at which something changes.
        rig.check_sending(600, [0, 1, 18, 54, 55, 139, 140, 141, 958, 1418], 30);
    }
}

#[test]
fn gve_sends_jumbo_frames() {
    for rig in Rig::every() {
        let most = rig.card.max_mtu() - 28;
        let lengths = [4054, 4055, 8000, most];
        for _ in 0..25 {
            rig.check_checksums(&lengths.map(|length| length.min(most - 20)));
            for frame in lengths.map(udp) {
                assert!(rig.send_plain(&frame));
                assert_eq!(rig.sent(), [frame]);
            }
            rig.check_segments(&[(30_000, 8822)]);
        }
    }
}

#[test]
fn gve_is_told_of_what_was_sent_only_out_of_order() {
    for rig in Rig::every() {
        let is_in_order = rig.device.format() == Some(Format::GqiQpl);
        for round in 0..3 {
            assert!(rig.send_plain(&udp(10)));
            // The device may hold completions back until it may interrupt, out of order.
            assert_eq!(rig.device.deliver() == 0, is_in_order, "round {round}");
        }
        rig.device.assert_obeyed();
    }
}

#[test]
fn gve_completes_checksums() {
    for rig in Rig::every() {
        rig.check_checksums(&[0, 1, 18, 500, 1398, 1398, 7]);
    }
}

#[test]
fn gve_cuts_segments() {
    for rig in Rig::every() {
        assert!(
            rig.card.offloads(Version::V4).segmented >= 65_040,
            "64 KiB with headers"
        );
        for _ in 0..4 {
            let most = usize::MAX;
            rig.check_segments(&[(2000, 1400), (most, 1388), (most, 536), (5000, 88), (4096 - 54, 1400)]);
        }
    }
}

#[test]
fn gve_refuses_what_the_device_cannot_do() {
    for rig in Rig::every() {
        assert!(!rig.send(&[tcp_to_cut(70_000, 1420)]), "too many pages");
        assert!(!rig.send(&[tcp_to_cut(5000, 87)]), "segments too small");
        assert_eq!(rig.sent(), [[0; 0]; 0]);
        rig.check();
    }
}

#[test]
fn gve_holds_what_fits_until_the_device_has_sent_it() {
    for rig in Rig::every() {
        for newest_first in [false, true, false] {
            rig.device.hold_transmissions(true);
            let mut taken = 0;
            while rig.send_plain(&udp(taken % 100)) {
                taken += 1;
                assert!(taken < 1000, "a queue without end");
            }
            assert!(taken > 50, "{taken} packets");
            assert!(!rig.send(&[tcp_to_cut(60_000, 1420)]), "no room");
            rig.device.release_transmissions(newest_first);
            rig.device.hold_transmissions(false);
            assert_eq!(rig.sent().len(), taken);
            rig.check();
        }
    }
}

#[test]
fn gve_sends_in_whatever_order_the_device_completes() {
    for rig in Rig::every() {
        rig.device.hold_transmissions(true);
        for round in 0..60 {
            for _ in 0..7 {
                assert!(rig.send_plain(&udp(round)), "round {round}");
            }
            assert!(rig.send(&[tcp_to_cut(20_000, 1420)]), "round {round}");
            rig.device.release_transmissions(round % 3 == 0);
            rig.sent();
        }
        rig.device.assert_obeyed();
    }
}

#[test]
fn gve_receives_frames_as_they_are() {
    for rig in Rig::every() {
        let posted = rig.device.posted(0);
        for round in 0..300 {
            let frames = [udp(round % 200 * 7), udp(1418), [0xff; 60].to_vec()];
            for frame in &frames {
                assert!(rig.device.receive(0, frame), "round {round}");
            }
            rig.device.deliver();
            assert_eq!(rig.calls(), round + 1, "called once");
            let [first, second, third] = frames;
            assert_eq!(rig.received(), [(first, true), (second, true), (third, false)]);
            rig.device.deliver();
        }
        assert!(
            rig.device.posted(0) + 8 > posted,
            "all buffers but some are the device's again"
        );
        let mut wrong = udp(100);
        wrong[60] ^= 1;
        rig.device.receive(0, &wrong);
        rig.device.deliver();
        assert_eq!(rig.received(), [(wrong, false)]);
        rig.device.assert_obeyed();
    }
}

#[test]
fn gve_receives_into_buffers_in_any_order() {
    for format in [Format::DqoRda, Format::DqoQpl] {
        let rig = Rig::of(format);
        rig.device.inject(Defect::NewestBuffersFirst);
        for round in 0..300 {
            let frames = [udp(round), udp(1000), udp(1418)];
            for frame in &frames {
                assert!(rig.device.receive(0, frame), "round {round}");
            }
            assert_eq!(rig.received(), frames.map(|frame| (frame, true)));
        }
        rig.device.assert_obeyed();
    }
}

#[test]
fn gve_joins_frames_in_many_buffers() {
    for rig in Rig::every() {
        for round in 0..40 {
            let frames = [udp(5000), udp(100), udp(8896 - 28)];
            for frame in &frames {
                assert!(rig.device.receive(0, frame), "round {round}");
            }
            rig.device.deliver();
            let received = rig.received();
            assert_eq!(received.len(), 3);
            for ((got, is_verified), frame) in received.iter().zip(&frames) {
                assert!(got == frame, "{} bytes", frame.len());
                // In order nobody says what the sum of several buffers is.
                assert!(*is_verified || rig.device.format() == Some(Format::GqiQpl) && frame.len() > 2000);
            }
        }
        rig.device.assert_obeyed();
    }
}

#[test]
fn gve_answers_from_within_the_handler() {
    for rig in Rig::every() {
        rig.check_answering();
    }
}

#[test]
fn gve_loses_no_frame_that_comes_while_nobody_looks() {
    for rig in Rig::every() {
        let capacity = rig.device.posted(0);
        let taken = (0..1000).take_while(|_| rig.device.receive(0, &udp(10))).count();
        assert_eq!(taken, capacity);
        rig.device.deliver();
        assert_eq!(rig.received().len(), capacity);
        rig.check();
    }
}

#[test]
fn gve_hears_of_frames_that_come_as_it_stops_looking() {
    for rig in Rig::every() {
        for round in 0..20 {
            let (first, second) = (udp(10), udp(20));
            rig.device.receive(0, &first);
            rig.device.deliver();
            assert_eq!(rig.calls(), 2 * round + 1);
            rig.device.receive_at_doorbell(0, &second);
            let mut received = rig.received();
            // It comes at once, or it is called once more.
            rig.device.deliver();
            if rig.calls() > 2 * round + 1 {
                received.extend(rig.received());
            }
            assert_eq!(received, [(first, true), (second, true)]);
            assert!(rig.calls() <= 2 * round + 2, "called for nothing");
            rig.calls.store(2 * round + 2, Ordering::Relaxed);
        }
        rig.device.assert_obeyed();
    }
}
