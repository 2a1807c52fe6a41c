//! Devices that fail, and such that do not keep to the definitions.

use super::*;
use crate::ena::model::{AdminFault, CompletionFault, Defect};
use crate::ena::register::Reason;
use crate::network::model::frames::udp;

/// Waits for a reset for a reason, then packets come through again.
#[track_caller]
fn recovers(rig: &Rig, reason: Reason) {
    let calls = rig.calls.load(Ordering::Relaxed);
    assert_eq!(rig.watch_through_reset(), reason as u32);
    assert!(rig.calls.load(Ordering::Relaxed) > calls, "the network looks again");
    assert_eq!(rig.received(), NOTHING);
    rig.device.deliver();
    rig.check();
}

#[test]
fn ena_resets_a_device_that_does_not_say_that_it_lives() {
    let rig = Rig::host_memory();
    for _ in 0..60 {
        time::advance(SECOND);
        rig.device.second();
        rig.device.deliver();
        let next = rig.card.watch().expect("a card that is looked after");
        assert!(next <= time::monotonic() + SECOND, "again soon");
    }
    assert_eq!(rig.device.resets(), [0], "it lives");
    rig.device.inject(Defect::NoKeepAlives);
    time::advance(5 * SECOND);
    rig.card.watch();
    assert_eq!(rig.device.resets(), [0], "not too early");
    time::advance(2 * SECOND);
    recovers(&rig, Reason::KeepAlive);
}

#[test]
fn ena_hears_what_an_interrupt_did_not_tell() {
    let rig = Rig::host_memory();
    rig.device.inject(Defect::LostInterrupts);
    for _ in 0..20 {
        time::advance(SECOND);
        rig.device.second();
        rig.card.watch();
    }
    assert_eq!(rig.device.resets(), [0]);
    let frame = udp(10);
    rig.device.receive(0, &frame);
    assert_eq!(rig.device.deliver(), 0);
    let calls = rig.calls.load(Ordering::Relaxed);
    rig.card.watch();
    assert_eq!(rig.calls.load(Ordering::Relaxed), calls + 1);
    assert_eq!(rig.received(), [(frame, true)]);
    rig.device.heal(Defect::LostInterrupts);
    rig.check();
}

#[test]
fn ena_resets_a_device_that_fails_or_asks_for_it() {
    let rig = Rig::host_memory();
    rig.device.fail();
    rig.device.deliver();
    recovers(&rig, Reason::Generic);
    rig.device.ask_for_reset();
    rig.device.deliver();
    recovers(&rig, Reason::DeviceRequest);

    drop(rig);
    let old = Rig::new(&Configuration {
        capabilities: 0,
        ..host_memory()
    });
    old.device.ask_for_reset();
    old.device.deliver();
    assert_eq!(
        old.watch_through_reset(),
        Reason::Generic as u32,
        "in the words that it knows"
    );
}

#[test]
fn ena_resets_a_device_that_loses_completions() {
    for configuration in core::iter::once(host_memory()).chain(low_latency()) {
        let rig = Rig::new(&configuration);
        rig.device.fail_sent(&[CompletionFault::Lose]);
        assert!(rig.send_plain(&udp(10)));
        rig.sent();
        time::advance(4 * SECOND);
        rig.device.second();
        rig.card.watch();
        assert_eq!(rig.device.resets(), [0], "not too early");
        time::advance(2 * SECOND);
        rig.device.second();
        recovers(&rig, Reason::MissingTransmitCompletions);
    }
}

#[test]
fn ena_resets_a_device_that_describes_packets_wrongly() {
    use CompletionFault::{AllFirst, Length, NoLast, RequestId, Reserved};
    let rig = Rig::host_memory();
    let received = [
        (RequestId(0xffff), Reason::InvalidReceiveIdentifier),
        (RequestId(255), Reason::InvalidReceiveIdentifier),
        (Reserved, Reason::MalformedReceiveDescriptor),
        (Length(2049), Reason::MalformedReceiveDescriptor),
        (Length(0xffff), Reason::MalformedReceiveDescriptor),
        (AllFirst, Reason::MalformedReceiveDescriptor),
    ];
    for (fault, reason) in received {
        rig.device.fail_received(&[fault]);
        rig.device.receive(0, &udp(5000));
        rig.device.deliver();
        assert_eq!(rig.received(), NOTHING, "{fault:?}");
        recovers(&rig, reason);
    }
    // A packet without end: the next one begins before.
    rig.device.fail_received(&[NoLast]);
    rig.device.receive(0, &udp(5000));
    rig.device.deliver();
    assert_eq!(rig.received(), NOTHING);
    rig.device.receive(0, &udp(5));
    rig.device.deliver();
    assert_eq!(rig.received(), NOTHING);
    recovers(&rig, Reason::MalformedReceiveDescriptor);

    // A completion that cannot be seen, and one behind it.
    rig.device.fail_received(&[CompletionFault::Phase]);
    rig.device.receive(0, &udp(5));
    rig.device.receive(0, &udp(6));
    rig.device.deliver();
    assert_eq!(rig.received(), NOTHING);
    recovers(&rig, Reason::MalformedReceiveDescriptor);

    let sent = [
        (RequestId(0xffff), Reason::InvalidTransmitIdentifier),
        (RequestId(200), Reason::InvalidTransmitIdentifier),
        (Reserved, Reason::MalformedTransmitDescriptor),
    ];
    for (fault, reason) in sent {
        rig.device.fail_sent(&[fault]);
        assert!(rig.send_plain(&udp(10)));
        rig.sent();
        recovers(&rig, reason);
    }
}

#[test]
fn ena_resets_a_device_that_makes_too_many_pieces() {
    let rig = Rig::new(&Configuration {
        max_rx_descs: 20,
        ..host_memory()
    });
    assert!(rig.device.receive(0, &udp(33_000)), "in 17");
    rig.device.deliver();
    assert_eq!(rig.received(), NOTHING);
    recovers(&rig, Reason::TooManyReceiveDescriptors);
    let most = udp(32_000);
    assert!(rig.device.receive(0, &most), "in 16");
    assert_eq!(rig.received(), [(most, true)]);
}

#[test]
fn ena_tries_again_when_a_reset_fails() {
    let rig = Rig::new(&Configuration {
        reset_timeout: 5,
        admin_timeout: 1,
        ..host_memory()
    });
    for defect in [Defect::ResetNeverBegins, Defect::ResetNeverEnds, Defect::NeverReady] {
        rig.device.ask_for_reset();
        rig.device.deliver();
        rig.device.inject(defect);
        for _ in 0..1000 {
            let next = rig.card.watch().expect("a card that is looked after");
            time::advance(next.saturating_sub(time::monotonic()));
        }
        assert!(!rig.send_plain(&udp(10)), "{defect:?}");
        assert_eq!(rig.received(), NOTHING);
        rig.device.heal(defect);
        rig.works_again();
    }
    // A command that is not answered after the reset.
    rig.device.fail_command(8, AdminFault::Never);
    rig.device.ask_for_reset();
    rig.device.deliver();
    rig.works_again();
}

#[test]
fn ena_gets_over_a_device_that_hangs() {
    let rig = Rig::new(&Configuration {
        admin_timeout: 1,
        ..host_memory()
    });
    rig.device.inject(Defect::Hung);
    assert!(rig.send_plain(&udp(10)));
    rig.watch_until(|| rig.device.resets().len() == 3);
    assert_eq!(
        rig.device.resets()[1..],
        [Reason::MissingTransmitCompletions as u32, Reason::Admin as u32]
    );
    assert!(!rig.send_plain(&udp(10)));
    rig.device.heal(Defect::Hung);
    rig.works_again();
}

#[test]
fn ena_forgets_what_was_under_way_at_a_reset() {
    let rig = Rig::host_memory();
    rig.device.hold_transmissions(true);
    for _ in 0..10 {
        assert!(rig.send_plain(&udp(1000)));
    }
    // Half of a packet in many buffers, and one that nobody has looked at.
    rig.device.fail_received(&[CompletionFault::NoLast]);
    rig.device.receive(0, &udp(5000));
    assert_eq!(rig.received(), NOTHING);
    rig.device.receive(0, &udp(20));
    rig.device.ask_for_reset();
    rig.device.deliver();
    rig.device.hold_transmissions(false);
    rig.sent();
    let posted = rig.device.posted(0);
    assert_eq!(rig.watch_through_reset(), Reason::DeviceRequest as u32);
    assert!(rig.device.posted(0) > posted, "all buffers are the device's again");
    rig.sent();
    rig.check();
}

#[test]
fn ena_sends_nothing_without_a_link() {
    let rig = Rig::host_memory();
    rig.device.set_link(false);
    rig.device.deliver();
    assert!(!rig.send_plain(&udp(10)));
    rig.device.set_link(true);
    rig.device.deliver();
    rig.check();
}

#[test]
fn ena_survives_events_that_it_does_not_know() {
    let rig = Rig::host_memory();
    // More than the queue has places.
    for group in 0..40 {
        rig.device.event(group * 100 + 9, group);
        rig.device.deliver();
    }
    rig.device.event(2, 5);
    rig.device.raw_event([0xff; 64], true);
    rig.device.deliver();
    rig.card.watch();
    assert_eq!(rig.device.resets(), [0]);
    rig.check();
}
