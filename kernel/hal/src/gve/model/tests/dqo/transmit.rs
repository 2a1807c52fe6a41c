use super::super::bench::{Bench, Queue, SCRATCH, creating_tx};
use super::{LAST, PACKET, REPORT, buffer, completion, completion_of, general, send, start};
use crate::dma::reach;
use crate::gve::model::defs::{admin, dqo};
use crate::gve::model::{Configuration, Format};
use crate::network::model::samples;

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
fn the_device_has_more_completions_than_descriptors_where_it_is_told() {
    let mut bench = Bench::ready(Format::DqoRda, Configuration::of(Format::DqoRda));
    let mut queue = Queue::allocate(bench.doorbells, None);
    let fields = creating_tx(&queue, Format::DqoRda, admin::RAW_ADDRESSING_QPL_ID).with(42, &[2, 0]);
    assert_eq!(bench.command(admin::CREATE_TX_QUEUE, &fields), admin::PASSED);
    queue.learn();
    for round in 0..1200_u16 {
        let report = if round % 32 == 31 { REPORT } else { 0 };
        send(
            &bench,
            &mut queue,
            &[buffer(LAST | report, round, bench.memory.address(SCRATCH), 60)],
        );
        if report != 0 {
            assert!(completion_of(&mut queue, 512).is_some());
        }
        assert_eq!(completion_of(&mut queue, 512), Some((0, PACKET, round)));
    }
    bench.device.assert_obeyed();
}
