//! Devices that fail, and such that do not keep to the definitions.

use super::frames::{tcp_to_cut, udp};
use super::*;
use crate::gve::model::{AdminFault, CompletionFault, Defect};

const CREATE_TX_QUEUE: u32 = 0x5;
const PACKET: u8 = 2;
const REINJECTION: u8 = 3;

#[test]
fn gve_hears_what_an_interrupt_did_not_tell() {
    for rig in Rig::every() {
        rig.device.inject(Defect::LostInterrupts);
        for _ in 0..20 {
            time::advance(SECOND);
            let next = rig.card.watch().expect("a card that is looked after");
            assert!(next <= time::monotonic() + SECOND, "again soon");
        }
        let frame = udp(10);
        rig.device.receive(0, &frame);
        assert_eq!(rig.device.deliver(), 0);
        rig.card.watch();
        assert_eq!(rig.calls(), 1);
        assert_eq!(rig.received(), [(frame, true)]);
        rig.device.heal(Defect::LostInterrupts);
        rig.card.watch();
        assert_eq!(rig.device.resets(), 0);
        rig.check();
    }
}

#[test]
fn gve_comes_to_rest_after_interrupts_for_nothing() {
    for rig in Rig::every() {
        for message in [0, 1, 2] {
            rig.device.interrupt(message);
            rig.device.deliver();
            assert_eq!(rig.received(), NOTHING);
        }
        rig.check();
    }
}

#[test]
fn gve_resets_a_device_that_asks_for_it() {
    for format in FORMATS {
        for revision in [0, 1] {
            let rig = Rig::new(&Configuration {
                revision,
                ..Configuration::of(format)
            });
            rig.device.ask_for_reset();
            rig.device.deliver();
            rig.recovers();
            rig.device.ask_for_statistics();
            rig.device.deliver();
            rig.card.watch();
            assert_eq!(rig.device.resets(), 1, "statistics are no reason");
            rig.check();
        }
    }
}

#[test]
fn gve_finds_out_when_a_device_has_reset_itself() {
    for format in FORMATS {
        for revision in [0, 1] {
            let rig = Rig::new(&Configuration {
                revision,
                ..Configuration::of(format)
            });
            rig.device.reset_itself();
            rig.watch_until(|| rig.device.queues() == (1, 1));
            assert_eq!(rig.device.resets(), 0, "it is not asked for another one");
            rig.device.take_violations();
            rig.device.deliver();
            rig.check();
        }
    }
}

#[test]
fn gve_resets_a_device_that_loses_completions() {
    for rig in Rig::every() {
        rig.device.fail_sent(&[CompletionFault::Lose]);
        assert!(rig.send_plain(&udp(10)));
        rig.sent();
        time::advance(4 * SECOND);
        rig.card.watch();
        assert_eq!(rig.device.resets(), 0, "not too early");
        time::advance(2 * SECOND);
        rig.recovers();
    }
}

#[test]
fn gve_waits_for_packets_that_were_missed() {
    for format in [Format::DqoRda, Format::DqoQpl] {
        let rig = Rig::of(format);
        for _ in 0..300 {
            rig.device.fail_sent(&[CompletionFault::Miss]);
            assert!(rig.send(&[(Outgoing::default(), udp(10)), (Outgoing::default(), udp(11))]));
            assert_eq!(rig.sent().len(), 2);
            rig.device.reinject();
        }
        rig.device.fail_sent(&[CompletionFault::Miss]);
        assert!(rig.send_plain(&udp(12)));
        rig.sent();
        for _ in 0..59 {
            time::advance(SECOND);
            rig.card.watch();
        }
        assert_eq!(rig.device.resets(), 0, "it may take its time");
        time::advance(2 * SECOND);
        rig.recovers();
    }
}

#[test]
fn gve_resets_a_device_that_describes_sent_packets_wrongly() {
    use CompletionFault::{Counter, Generation, Identifier, Queue, Twice, Type};
    let in_order: &[_] = &[Counter(7), Counter(0xffff_ffff), Counter(0x8000_0000)];
    let out_of_order = &[
        Identifier(0x7fff),
        Identifier(255),
        Identifier(124),
        Queue(1),
        Type(0),
        Type(7),
        Type(REINJECTION),
        Twice,
        Generation,
    ];
    for (format, faults) in [(Format::GqiQpl, in_order), (Format::DqoRda, out_of_order)] {
        let rig = Rig::of(format);
        for fault in faults {
            rig.device.fail_sent(&[*fault]);
            assert!(rig.send_plain(&udp(10)));
            rig.sent();
            time::advance(6 * SECOND);
            rig.recovers();
        }
    }
}

#[test]
fn gve_resets_a_device_that_completes_what_it_was_not_given() {
    let rig = Rig::of(Format::DqoRda);
    for (kind, tag) in [
        (PACKET, 0),
        (PACKET, 0x7fff),
        (1, 3),
        (REINJECTION, 1),
        (4, 0xffff),
        (4, 200),
    ] {
        rig.device.complete(0, kind, tag);
        rig.device.deliver();
        rig.recovers();
    }
    // A packet that was missed does not leave without being put in again. The first one has the first tag.
    rig.device.fail_sent(&[CompletionFault::Miss]);
    assert!(rig.send_plain(&udp(10)));
    rig.sent();
    rig.device.complete(0, PACKET, 0);
    rig.recovers();
}

#[test]
fn gve_resets_a_device_that_describes_received_packets_wrongly() {
    use CompletionFault::{Generation, Identifier, Length, Sequence};
    let in_order: &[_] = &[Length(0), Length(1), Length(2049), Length(0xffff), Sequence(0)];
    let out_of_order = &[
        Length(2049),
        Length(0x3fff),
        Identifier(0xffff),
        Identifier(300),
        Generation,
    ];
    for (format, faults) in [
        (Format::GqiQpl, in_order),
        (Format::DqoRda, out_of_order),
        (Format::DqoQpl, out_of_order),
    ] {
        let rig = Rig::of(format);
        for fault in faults {
            rig.device.fail_received(&[*fault]);
            rig.device.receive(0, &udp(5000));
            // What cannot be seen is missed when there is something behind it.
            rig.device.receive(0, &udp(10));
            rig.device.deliver();
            assert!(rig.received() == NOTHING, "{fault:?}");
            rig.recovers();
        }
    }
}

#[test]
fn gve_resets_a_device_that_leaves_a_packet_without_end() {
    let rig = Rig::of(Format::GqiQpl);
    rig.device.fail_received(&[CompletionFault::NoLast]);
    rig.device.receive(0, &udp(5000));
    rig.device.deliver();
    assert!(rig.received() == NOTHING);
    rig.recovers();
}

#[test]
fn gve_resets_a_device_that_makes_too_many_pieces() {
    for format in [Format::DqoRda, Format::DqoQpl] {
        let rig = Rig::of(format);
        rig.device.fail_received(&[CompletionFault::NoLast; 5]);
        for _ in 0..5 {
            rig.device.receive(0, &udp(8000));
        }
        rig.device.deliver();
        assert_eq!(rig.received(), NOTHING);
        rig.recovers();
    }
}

#[test]
fn gve_drops_what_the_device_found_wrong() {
    for rig in Rig::every() {
        let posted = rig.device.posted(0);
        for _ in 0..60 {
            rig.device
                .fail_received(&[CompletionFault::Error, CompletionFault::Error]);
            for length in [10, 5000, 20] {
                assert!(rig.device.receive(0, &udp(length)));
            }
            assert_eq!(rig.received(), [(udp(20), true)]);
        }
        assert!(rig.device.posted(0) + 8 > posted);
        rig.device.assert_obeyed();
    }
}

#[test]
fn gve_tries_again_when_a_reset_fails() {
    for format in FORMATS {
        for revision in [0, 1] {
            let rig = Rig::new(&Configuration {
                revision,
                ..Configuration::of(format)
            });
            rig.device.ask_for_reset();
            rig.device.inject(Defect::ResetNeverEnds);
            for _ in 0..5000 {
                let next = rig.card.watch().expect("a card that is looked after");
                time::advance(next.saturating_sub(time::monotonic()));
            }
            assert!(!rig.send_plain(&udp(10)));
            assert_eq!(rig.received(), NOTHING);
            rig.device.heal(Defect::ResetNeverEnds);
            rig.works_again();
            // A command that is not carried out after the reset, and one that is refused.
            for fault in [AdminFault::Never, AdminFault::Status(0xffff_fffd)] {
                rig.device.fail_command(CREATE_TX_QUEUE, fault);
                rig.device.ask_for_reset();
                rig.watch_until(|| !rig.send_plain(&udp(10)));
                rig.works_again();
            }
        }
    }
}

#[test]
fn gve_gets_over_a_device_that_hangs() {
    for rig in Rig::every() {
        rig.device.inject(Defect::Hung);
        assert!(rig.send_plain(&udp(10)));
        rig.watch_until(|| rig.device.resets() == 2);
        assert!(!rig.send_plain(&udp(10)));
        rig.device.heal(Defect::Hung);
        rig.works_again();
    }
}

#[test]
fn gve_forgets_what_was_under_way_at_a_reset() {
    for rig in Rig::every() {
        rig.device.hold_transmissions(true);
        for _ in 0..10 {
            assert!(rig.send_plain(&udp(1000)));
        }
        assert!(rig.send(&[tcp_to_cut(60_000, 1420)]));
        // One that nobody has looked at, and one that somebody looks at all the time.
        rig.device.receive(0, &udp(20));
        rig.device.receive(0, &udp(30));
        let posted = rig.device.posted(0);
        let found = rig.card.receive(&mut |_, _| {
            rig.device.ask_for_reset();
            rig.watch_until(|| rig.device.resets() == 1 && rig.device.queues() == (1, 1));
        });
        assert!(found);
        rig.device.hold_transmissions(false);
        rig.device.assert_obeyed();
        rig.sent();
        assert!(
            rig.device.posted(0) + 8 >= posted,
            "all buffers but some are the device's again"
        );
        rig.check();
    }
}

#[test]
fn gve_sends_nothing_without_a_link() {
    for rig in Rig::every() {
        rig.device.set_link(false);
        rig.device.deliver();
        assert!(!rig.send_plain(&udp(10)));
        rig.device.set_link(true);
        // Without an interrupt it is seen within a second.
        rig.card.watch();
        rig.check();
        rig.device.deliver();
        rig.check();
    }
}
