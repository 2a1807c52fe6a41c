use super::super::bench::{Bench, Fields, SCRATCH};
use super::{LAST, PACKET, buffer, completion, send, start};
use crate::dma::reach;
use crate::gve::model::defs::{admin, dqo};
use crate::gve::model::{AdminFault, CompletionFault, Configuration, Defect, Format};

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
    send(&bench, &mut queue, &[buffer(LAST, 1, memory.address(0), 60)]);
    send(&bench, &mut queue, &[buffer(LAST, 2, memory.address(60), 60)]);
    reach::write(memory.address(59), &[1]);
    bench.device.assert_obeyed();
    bench.device.release_transmissions(false);
    assert_eq!(bench.device.violations().len(), 1);
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

#[test]
fn the_device_does_not_blame_the_driver_for_its_own_completions() {
    let (bench, mut queue, memory) = start();
    let packet = |tag: u16| buffer(LAST, tag, memory.address(0), 60);
    bench.device.hold_transmissions(true);
    send(&bench, &mut queue, &[packet(1), packet(2), packet(3)]);
    bench.device.complete(0, PACKET, 2);
    assert_eq!(completion(&mut queue), Some((0, PACKET, 2)));
    reach::write(memory.address(0), &[1]);
    send(&bench, &mut queue, &[packet(2)]);
    bench.device.assert_obeyed();
    reach::write(memory.address(0), &[0]);
    bench.device.fail_sent(&[CompletionFault::Identifier(3)]);
    bench.device.hold_transmissions(false);
    send(&bench, &mut queue, &[packet(4)]);
    assert_eq!(completion(&mut queue), Some((0, PACKET, 3)));
    bench.device.fail_sent(&[CompletionFault::Twice]);
    for _ in 0..2 {
        send(&bench, &mut queue, &[packet(5)]);
    }
    bench.device.hold_transmissions(true);
    for _ in 0..2 {
        send(&bench, &mut queue, &[packet(5)]);
    }
    send(&bench, &mut queue, &[packet(3)]);
    bench.device.assert_obeyed();
    send(&bench, &mut queue, &[packet(1)]);
    bench.expect("tag 0x1 is of a packet that is not completed");
}

#[test]
fn the_device_is_healed_of_all_that_waits() {
    let (mut bench, mut queue, memory) = start();
    let packet = |tag: u16| buffer(LAST, tag, memory.address(0), 60);
    bench.device.fail_sent(&[CompletionFault::Miss]);
    send(&bench, &mut queue, &[packet(1)]);
    bench.device.hold_transmissions(true);
    bench.device.fail_sent(&[CompletionFault::Lose]);
    send(&bench, &mut queue, &[packet(2)]);
    bench.device.fail_command(admin::REPORT_LINK_SPEED, AdminFault::Late);
    bench.submit(
        admin::REPORT_LINK_SPEED,
        &Fields::default().long(bench.memory.address(SCRATCH)),
    );
    bench.ring();
    bench.device.inject(Defect::Hung);
    bench.device.heal_all();
    assert_eq!(bench.executed(), bench.told);
    let completions = [0, 1, 2, 3].map(|_| completion(&mut queue));
    let (missed, reinjected) = ((0, dqo::COMPL_TYPE_MISS, 1), (0, dqo::COMPL_TYPE_REINJECTION, 1));
    assert_eq!(
        completions,
        [Some(missed), Some((0, PACKET, 2)), Some(reinjected), None]
    );
    send(&bench, &mut queue, &[packet(1)]);
    assert_eq!(completion(&mut queue), Some((0, PACKET, 1)));
    bench.device.assert_obeyed();
}
