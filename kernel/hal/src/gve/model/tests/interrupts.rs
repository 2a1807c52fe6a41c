use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::bench::{Bench, Queue};
use super::gqi::receive::post;
use crate::gve::model::defs::{admin, dqo, gqi};
use crate::gve::model::{Configuration, Defect, Format};
use crate::network::model::samples;

const ACK: u32 = gqi::IRQ_ACK | gqi::IRQ_EVENT;
/// The message of the receive queue's notification block, and of the management.
const MESSAGE: u16 = 1;
const MANAGEMENT: u16 = 2;

fn start() -> (Bench, Queue, usize) {
    let mut bench = Bench::ready(Format::GqiQpl, Configuration::default());
    let mut queue = bench.receiver(Format::GqiQpl);
    post(&mut queue, &[0, 2048, 4096, 6144]);
    let doorbell = bench.interrupt_doorbell(1);
    (bench, queue, doorbell)
}

fn arrive(bench: &Bench) {
    assert!(bench.device.receive(0, &samples::bytes(samples::UDP4)));
}

#[test]
fn the_device_sends_messages_when_they_are_open() {
    let (bench, _queue, doorbell) = start();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    bench.device.connect(
        MESSAGE,
        Arc::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        }),
    );
    arrive(&bench);
    assert_eq!(bench.device.deliver(), 0, "closed from the start");
    bench.doorbells.write32(doorbell, 0);
    assert_eq!(
        (bench.device.deliver(), calls.load(Ordering::Relaxed)),
        (1, 1),
        "what came before is told"
    );
    arrive(&bench);
    assert_eq!(bench.device.deliver(), 0, "closed until it is acknowledged");
    bench.doorbells.write32(doorbell, ACK.to_be());
    assert_eq!(
        bench.device.deliver(),
        0,
        "what came before the acknowledgement is not told"
    );
    arrive(&bench);
    assert_eq!(bench.device.deliver(), 1);
    bench.doorbells.write32(doorbell, ACK.to_be());
    bench.doorbells.write32(doorbell, gqi::IRQ_MASK.to_be());
    arrive(&bench);
    assert_eq!(bench.device.deliver(), 0, "masked");
    bench.device.assert_obeyed();
    // Little endian, and what does not exist.
    for value in [ACK, gqi::IRQ_ACK.to_be(), gqi::IRQ_EVENT.to_be(), 1_u32.to_be()] {
        bench.doorbells.write32(doorbell, value);
        bench.expect("the doorbell of notification block 1 says");
    }
}

#[test]
fn the_device_lets_a_frame_arrive_at_the_wrong_moment() {
    let (bench, _queue, doorbell) = start();
    bench.doorbells.write32(doorbell, ACK.to_be());
    bench.device.receive_at_doorbell(0, &samples::bytes(samples::UDP4));
    bench.doorbells.write32(bench.interrupt_doorbell(0), ACK.to_be());
    assert_eq!(bench.device.posted(0), 4, "another's doorbell");
    bench.doorbells.write32(doorbell, gqi::IRQ_MASK.to_be());
    bench.doorbells.write32(doorbell, ACK.to_be());
    assert_eq!((bench.device.posted(0), bench.device.deliver()), (3, 0));
    bench.device.receive_at_doorbell(0, &samples::bytes(samples::UDP4));
    bench.doorbells.write32(doorbell, 0);
    assert_eq!((bench.device.posted(0), bench.device.deliver()), (2, 1));
    bench.device.assert_obeyed();
}

#[test]
fn the_device_loses_messages_or_sends_too_many() {
    let (bench, _queue, doorbell) = start();
    bench.doorbells.write32(doorbell, 0);
    bench.device.inject(Defect::LostInterrupts);
    arrive(&bench);
    assert_eq!(bench.device.deliver(), 0);
    bench.device.heal(Defect::LostInterrupts);
    bench.device.interrupt(MESSAGE);
    assert_eq!(bench.device.deliver(), 1);
    bench.device.assert_obeyed();
}

#[test]
fn the_device_tells_the_management() {
    for first in [0_u8, 1] {
        let mut bench = Bench::with_admin(Configuration::default());
        bench.describe();
        let fields = bench.configuring(Format::GqiQpl).with(31, &[first]);
        bench.command(admin::CONFIGURE_DEVICE_RESOURCES, &fields);
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = calls.clone();
        let message = if first == 0 { MANAGEMENT } else { 0 };
        bench.device.connect(
            message,
            Arc::new(move || {
                counter.fetch_add(1, Ordering::Relaxed);
            }),
        );
        bench.device.set_link(false);
        bench.device.ask_for_reset();
        assert_eq!(bench.device.deliver(), 1, "at once");
        bench.device.ask_for_statistics();
        assert_eq!((bench.device.deliver(), calls.load(Ordering::Relaxed)), (1, 2));
        bench.device.assert_obeyed();
    }
    // Nobody to tell.
    let bench = Bench::with_admin(Configuration::default());
    bench.device.set_link(false);
    assert_eq!(bench.device.deliver(), 0);
}

#[test]
fn the_device_has_the_messages_of_queues_behind_the_managements() {
    let mut bench = Bench::with_admin(Configuration::default());
    bench.describe();
    let fields = bench.configuring(Format::GqiQpl).with(31, &[1]);
    assert_eq!(bench.command(admin::CONFIGURE_DEVICE_RESOURCES, &fields), admin::PASSED);
    let mut queue = bench.receiver(Format::GqiQpl);
    post(&mut queue, &[0]);
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    // Notification block 1 has message 2.
    bench.device.connect(
        2,
        Arc::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        }),
    );
    bench.doorbells.write32(bench.interrupt_doorbell(1), 0);
    arrive(&bench);
    assert_eq!((bench.device.deliver(), calls.load(Ordering::Relaxed)), (1, 1));
    bench.device.assert_obeyed();
}

#[test]
fn the_device_knows_the_doorbells_of_dqo() {
    let mut bench = Bench::ready(Format::DqoRda, Configuration::of(Format::DqoRda));
    let queue = bench.transmitter(Format::DqoRda);
    let doorbell = bench.interrupt_doorbell(0);
    let tell = |value: u32| bench.doorbells.write32(doorbell, value.to_le());
    bench.device.complete(0, dqo::COMPL_TYPE_PKT, 1);
    assert_eq!(bench.device.deliver(), 0);
    tell(dqo::ITR_ENABLE_BIT | 10 << dqo::ITR_INTERVAL_SHIFT);
    assert_eq!(bench.device.deliver(), 1);
    bench.device.complete(0, dqo::COMPL_TYPE_PKT, 1);
    assert_eq!(bench.device.deliver(), 0, "it closes by itself");
    tell(dqo::ITR_ENABLE_BIT | dqo::ITR_NO_UPDATE);
    assert_eq!(bench.device.deliver(), 1, "and what came since is told");
    bench.device.complete(0, dqo::COMPL_TYPE_PKT, 1);
    tell(dqo::ITR_ENABLE_BIT | dqo::ITR_CLEAR_PBA_BIT | dqo::ITR_NO_UPDATE);
    assert_eq!(bench.device.deliver(), 0, "unless that is cleared");
    tell(dqo::ITR_NO_UPDATE);
    bench.device.complete(0, dqo::COMPL_TYPE_PKT, 1);
    assert_eq!(bench.device.deliver(), 0);
    bench.device.assert_obeyed();
    tell(1 << 2);
    bench.expect("which has bits that gve_dqo.h does not name");
    tell(1 << 17);
    bench.expect("which has bits that gve_dqo.h does not name");
    tell(dqo::ITR_ENABLE_BIT | 1 << 3);
    bench.expect("GVE_ITR_NO_UPDATE_DQO or half of it");
    tell(dqo::ITR_ENABLE_BIT | dqo::ITR_NO_UPDATE | 1 << dqo::ITR_INTERVAL_SHIFT);
    bench.expect("an interval");
    assert_ne!(queue.doorbell, doorbell);
}
