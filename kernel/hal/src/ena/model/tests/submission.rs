use super::bench::{Bench, create_cq, create_sq};
use crate::dma::Shared;
use crate::ena::model::Configuration;
use crate::ena::model::defs::admin;

const TX: u8 = admin::SQ_DIRECTION_TX;
const RX: u8 = admin::SQ_DIRECTION_RX;

/// A change of a command: word, bits to turn over, what is wrong then.
type Wrong = (usize, u32, &'static str);

#[test]
fn queues_come_and_go_and_their_registers_move() {
    let mut bench = Bench::ready(Configuration::default());
    let tx = bench.queue(TX, 4);
    let rx = bench.queue(RX, 8);
    assert_eq!(
        (tx.number, rx.number, tx.completion_number, rx.completion_number),
        (0, 0, 0, 1)
    );
    assert_ne!(tx.doorbell, rx.doorbell);
    assert_eq!(bench.device.queues(), (2, 2));
    let destroy = |number: u16, direction: u8| {
        [
            u32::from(admin::DESTROY_SQ) << 16,
            u32::from(number) | u32::from(direction) << 21,
        ]
    };
    assert_eq!(bench.command(&destroy(0, TX)).0, admin::SUCCESS);
    let cq = u32::from(admin::DESTROY_CQ) << 16;
    assert_eq!(bench.command(&[cq, 0]).0, admin::SUCCESS);
    let again = bench.queue(TX, 4);
    assert_eq!(again.number, 0);
    assert_ne!(again.doorbell, tx.doorbell, "nobody can guess it");
    bench.device.assert_obeyed();

    assert_eq!(bench.command(&[cq, 1]).0, admin::RESOURCE_BUSY);
    bench.expect("a submission queue still has completion queue 1");
    assert_eq!(bench.command(&destroy(1, TX)).0, admin::ILLEGAL_PARAMETER);
    bench.expect("DESTROY_SQ: there is no queue 1");
    assert_eq!(bench.command(&destroy(0, 3)).0, admin::ILLEGAL_PARAMETER);
    bench.expect("DESTROY_SQ: there is no queue 0 of direction 3");
    assert_eq!(bench.command(&[cq, 7]).0, admin::ILLEGAL_PARAMETER);
    bench.expect("DESTROY_CQ: there is no completion queue 7");
    bench.command(&[cq, 7 | 1 << 16]);
    assert!(bench.device.take_violations()[0].contains("DESTROY_CQ: reserved bits"));
    bench.command(&[destroy(0, TX)[0], destroy(0, TX)[1] | 1 << 16]);
    bench.expect("DESTROY_SQ: reserved bits");
    bench.reset(0);
    assert_eq!(bench.device.queues(), (0, 0));
}

#[test]
fn completion_queues_are_created_as_they_must_be() {
    let mut bench = Bench::ready(Configuration::default());
    let memory = Shared::allocate(4096).expect("memory");
    let wrong: [Wrong; 9] = [
        (1, 1 << 0, "cq_caps_1 0x21 has reserved bits"),
        (1, 1 << 9, "entries of 0 words"),
        (1, 8 << 8, "entries of 10 words"),
        (1, 1 << 16, "5 entries, no power of two"),
        (1, 4 << 16 | 2048 << 16, "2048 entries, no power of two up to 1024"),
        (2, 1, "message 0 is not one for queues"),
        (2, 1 << 16, "message 65537 is not one for queues"),
        (3, 4, "not aligned to 8 bytes"),
        (4, 1 << 16, "the address has reserved bits"),
    ];
    for (word, bits, what) in wrong {
        let mut command = create_cq(TX, 4, memory.address(0));
        command[word] ^= bits;
        assert_eq!(bench.command(&command).0, admin::ILLEGAL_PARAMETER, "{what}");
        bench.expect(what);
    }
    for number in 0..4 {
        assert_eq!(
            bench.command(&create_cq(TX, 4, memory.address(number * 32))).0,
            admin::SUCCESS
        );
    }
    assert_eq!(
        bench.command(&create_cq(TX, 4, memory.address(1024))).0,
        admin::RESOURCE_ALLOCATION_FAILURE
    );
    bench.expect("more than 4 queues");
    assert_eq!(
        bench.command(&create_cq(TX, 4, memory.address(32))).0,
        admin::ILLEGAL_PARAMETER
    );
    bench.expect("overlaps completion queue 1");
}

#[test]
fn submission_queues_are_created_as_they_must_be() {
    let mut bench = Bench::ready(Configuration::default());
    let completions = Shared::allocate(4096).expect("memory");
    let memory = Shared::allocate(4096).expect("memory");
    bench.command(&create_cq(TX, 4, completions.address(0)));
    bench.command(&create_cq(RX, 4, completions.address(1024)));
    let wrong: [Wrong; 18] = [
        (1, 3 << 5, "completions of 2 words for RX"),
        (1, 1, "reserved fields"),
        (1, 1 << 8, "reserved fields"),
        (1, 1 << 23, "reserved fields"),
        (1, 1 << 25, "reserved fields"),
        (1, 1 << 24, "queues that are contiguous"),
        (1, 2 << 20, "completion policy 2"),
        (1, 3 << 16, "placement 2 of a queue for TX"),
        (1, 2 << 16, "a low latency queue before the feature LLQ was set"),
        (2, 7, "there is no completion queue 7"),
        (2, 1, "completions of 4 words for TX"),
        (2, 7 << 16, "3 entries, no power of two"),
        (2, 12 << 16, "8 entries, and room for 4"),
        (3, 1 << 11, "not aligned to 4096 bytes"),
        (4, 1 << 16, "the address has reserved bits"),
        (4, 1 << 4, "memory that nobody owns"),
        (5, 1, "a place for the head"),
        (8, 1, "reserved fields"),
    ];
    for (word, bits, what) in wrong {
        let mut command = create_sq(TX, 4, 0, memory.address(0));
        command[word] ^= bits;
        assert_eq!(bench.command(&command).0, admin::ILLEGAL_PARAMETER, "{what}");
        bench.expect(what);
    }
    let mut command = create_sq(TX, 4, 0, memory.address(0));
    command[1] ^= 1 << 5;
    bench.command(&command);
    bench.expect("sq_identity 0x0 has no direction");
    assert_eq!(
        bench.command(&create_sq(TX, 4, 0, completions.address(0))).0,
        admin::ILLEGAL_PARAMETER
    );
    bench.expect("overlaps completion queue 0");

    assert_eq!(bench.command(&create_sq(TX, 4, 0, memory.address(0))).0, admin::SUCCESS);
    let other = Shared::allocate(4096).expect("memory");
    assert_eq!(
        bench.command(&create_sq(TX, 4, 0, other.address(0))).0,
        admin::ILLEGAL_PARAMETER
    );
    bench.expect("completion queue 0 has a submission queue");
    bench.queue(TX, 4);
    bench.device.assert_obeyed();
    bench.command(&create_cq(TX, 4, completions.address(2048)));
    let (status, _) = bench.command(&create_sq(TX, 4, 3, other.address(0)));
    assert_eq!(status, admin::RESOURCE_ALLOCATION_FAILURE);
    bench.expect("more than 2 queues for TX");
}
