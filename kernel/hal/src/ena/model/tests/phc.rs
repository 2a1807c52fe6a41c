use core::sync::atomic::Ordering;

use super::admin::{host_info, write_host_info};
use super::bench::Bench;
use crate::ena::model::defs::admin;
use crate::ena::model::{Configuration, PhcOffer, PhcTime};

/// In the bench's memory.
const OUTPUT: usize = 0xd00;
const TIME: PhcTime = PhcTime {
    origin: 0x0123_4567_89ab_cdef,
    stands_still: true,
    error_bound: 21_000,
    error_flags: 0,
    is_of_another: false,
    is_mute: false,
};

fn bench() -> Bench {
    let usual = Configuration::default();
    Bench::ready(Configuration {
        features: usual.features | 1 << admin::PHC_CONFIG,
        phc: Some(PhcOffer {
            expire_timeout: 20,
            block_timeout: 500,
            ..PhcOffer::default()
        }),
        ..usual
    })
}

fn output(bench: &Bench) -> [u32; 7] {
    let address = bench.memory.address(OUTPUT);
    [
        0,
        0,
        0,
        0,
        address as u32,
        (address >> 32) as u32,
        admin::PHC_RESP_SIZE as u32,
    ]
}

/// A device whose clock knows where to answer, and the offset of its doorbell.
fn running() -> (Bench, usize) {
    let mut bench = bench();
    let [version, doorbell, expire, block, ..] = bench.get(admin::PHC_CONFIG, 0);
    assert_eq!((version, expire, block), (0, 20, 500));
    write_host_info(&bench, admin::SPEC_VERSION, 1, admin::HOST_INFO_PHC);
    assert_eq!(bench.set(admin::HOST_ATTR_CONFIG, &host_info(&bench)), admin::SUCCESS);
    assert_eq!(bench.set(admin::PHC_CONFIG, &output(&bench)), admin::SUCCESS);
    bench.device.set_phc_time(TIME);
    (bench, doorbell as usize)
}

#[test]
fn the_clock_answers_where_it_was_told() {
    let (mut bench, doorbell) = running();
    for number in 1..4 {
        bench.registers.write32(doorbell, number);
        let word = |at: usize| bench.memory.get32(OUTPUT + at, Ordering::Acquire);
        assert_eq!(word(0), number);
        assert_eq!([word(8), word(12)], [0x89ab_cdef, 0x0123_4567]);
        assert_eq!([word(24), word(28)], [21_000, 0]);
    }
    bench.device.assert_obeyed();
    bench.reset(0);
    bench.registers.write32(doorbell, 9);
    bench.expect("which is no register that can be written");
}

#[test]
fn the_clock_is_asked_with_numbers_that_tell_answers_apart() {
    let (bench, doorbell) = running();
    bench.registers.write32(doorbell, 7);
    bench.device.assert_obeyed();
    bench.registers.write32(doorbell, 7);
    bench.expect("the output holds it already");
    bench.registers.write32(doorbell, 0x1_0008);
    bench.expect("the number 0x10008");
}

#[test]
fn the_clock_wants_a_place_and_a_driver_that_knows_it() {
    let mut bench = bench();
    assert_eq!(bench.set(admin::PHC_CONFIG, &output(&bench)), admin::ILLEGAL_PARAMETER);
    bench.expect("does not say that the driver knows PHC_CONFIG");
    write_host_info(&bench, admin::SPEC_VERSION, 1, admin::HOST_INFO_PHC);
    assert_eq!(bench.set(admin::HOST_ATTR_CONFIG, &host_info(&bench)), admin::SUCCESS);
    let mut short = output(&bench);
    short[6] = 32;
    assert_eq!(bench.set(admin::PHC_CONFIG, &short), admin::ILLEGAL_PARAMETER);
    bench.expect("32 bytes, not 64");
    let mut elsewhere = output(&bench);
    elsewhere[1] = 1;
    assert_eq!(bench.set(admin::PHC_CONFIG, &elsewhere), admin::ILLEGAL_PARAMETER);
    bench.expect("only the output is the driver's to set");
}
