use super::bench::{Bench, DEPTH, HOST_INFO, feature_command, pair};
use crate::ena::model::defs::{admin, regs};
use crate::ena::model::{AdminFault, Configuration, Defect};
use core::sync::atomic::Ordering;

const GET_ATTRIBUTES: [u32; 5] = [
    (admin::GET_FEATURE as u32) << 16,
    0,
    0,
    0,
    (admin::DEVICE_ATTRIBUTES as u32) << 8,
];

#[test]
fn commands_are_answered_over_many_rounds() {
    let mut bench = Bench::ready(Configuration::default());
    for _ in 0..5 * DEPTH {
        let attributes = bench.get(admin::DEVICE_ATTRIBUTES, 0);
        assert_eq!(attributes[2], Configuration::default().features);
        assert_eq!(attributes[4], 48);
        assert_eq!((attributes[6], attributes[7]), (0x3322_1102, 0x5544));
        assert_eq!(attributes[8], 9216);
    }
    let queues = bench.get(admin::MAX_QUEUES_EXT, 1);
    assert_eq!(queues[..11], [1, 2, 2, 2, 2, 1024, 1024, 1024, 1024, 224, pair(17, 8)]);
    assert_eq!(bench.get(admin::STATELESS_OFFLOAD_CONFIG, 0)[..3], [0x7f, 7, 7]);
    assert_eq!(bench.get(admin::HW_HINTS, 0), [0; 14]);
    assert_eq!(bench.get(admin::LINK_CONFIG, 0)[0], 10_000);
    // Two at a time.
    bench.submit(&GET_ATTRIBUTES);
    bench.submit(&GET_ATTRIBUTES);
    bench.ring();
    assert!(bench.completion().is_some() && bench.completion().is_some() && bench.completion().is_none());
    bench.device.assert_obeyed();
}

#[test]
fn settings_are_kept_until_a_reset() {
    let mut bench = Bench::ready(Configuration::default());
    assert_eq!(bench.set(admin::MTU, &[9001]), admin::SUCCESS);
    assert_eq!(bench.set(admin::AENQ_CONFIG, &[0, 0b1_1011]), admin::SUCCESS);
    assert_eq!(bench.get(admin::AENQ_CONFIG, 0)[1], 0b1_1011);
    write_host_info(&bench, admin::SPEC_VERSION, 1, 0);
    assert_eq!(bench.set(admin::HOST_ATTR_CONFIG, &host_info(&bench)), admin::SUCCESS);
    assert_eq!((bench.device.mtu(), bench.device.groups()), (Some(9001), 0b1_1011));
    assert!(bench.device.has_host_info());
    bench.device.assert_obeyed();
    bench.reset(0);
    assert_eq!((bench.device.mtu(), bench.device.groups()), (None, 0));
    assert!(!bench.device.has_host_info());
}

pub(super) fn host_info(bench: &Bench) -> [u32; 2] {
    let address = bench.memory.address(HOST_INFO);
    [address as u32, (address >> 32) as u32]
}

pub(super) fn write_host_info(bench: &Bench, version: u16, cpus: u32, features: u32) {
    let word = |at: usize, value| bench.memory.set32(HOST_INFO + at, value, Ordering::Relaxed);
    word(admin::HOST_INFO_ENA_SPEC_VERSION, version.into());
    word(admin::HOST_INFO_NUM_CPUS, cpus);
    word(admin::HOST_INFO_DRIVER_SUPPORTED_FEATURES, features);
}

#[test]
fn the_admin_queue_is_used_as_it_must_be() {
    let mut bench = Bench::ready(Configuration::default());
    for value in [DEPTH + 2, 0] {
        bench.registers.write32(regs::AQ_DB_OFF, value.into());
        bench.expect("the admin doorbell says");
    }
    bench.registers.write32(regs::AQ_DB_OFF, 0x1_0002);
    bench.expect("the admin doorbell says");

    let wrong = [
        (1 << 24, "has not phase 1", admin::SUCCESS),
        (1 << 12, "has reserved bits", admin::MALFORMED_REQUEST),
        (1 << 27, "has reserved bits", admin::MALFORMED_REQUEST),
        (1 << 26, "has a control buffer", admin::MALFORMED_REQUEST),
    ];
    for (bits, what, expected) in wrong {
        let mut bench = Bench::ready(Configuration::default());
        let mut command = GET_ATTRIBUTES;
        command[0] ^= bits;
        assert_eq!(bench.command(&command).0, expected);
        bench.expect(what);
    }
    assert_eq!(bench.command(&[13 << 16]).0, admin::BAD_OPCODE);
    bench.expect("admin opcode 13 does not exist");
    assert_eq!(
        bench.command(&[u32::from(admin::GET_STATS) << 16]).0,
        admin::UNSUPPORTED_OPCODE
    );
    bench.device.assert_obeyed();
}

#[test]
fn features_are_asked_for_and_set_as_they_must_be() {
    let mut bench = Bench::ready(Configuration::default());
    let word = |at: usize, value: u32| {
        let mut command = GET_ATTRIBUTES.to_vec();
        command.resize(16, 0);
        command[at] |= value;
        command
    };
    let get = |feature: u8, version| feature_command(admin::GET_FEATURE, feature, version, &[]);
    let set = |feature: u8, data: &[u32]| feature_command(admin::SET_FEATURE, feature, 0, data);
    let wrong = [
        (word(4, 2), "reserved bits", admin::MALFORMED_REQUEST),
        (word(4, 1 << 24), "reserved bits", admin::MALFORMED_REQUEST),
        (
            word(2, 1),
            "has a control buffer, and no flag says so",
            admin::MALFORMED_REQUEST,
        ),
        (word(15, 1), "comes with data", admin::MALFORMED_REQUEST),
        (get(18, 0), "do not list feature 18", admin::UNSUPPORTED_OPCODE),
        (get(40, 0), "do not list feature 40", admin::UNSUPPORTED_OPCODE),
        (get(admin::MAX_QUEUES_EXT, 0), "no version 0", admin::ILLEGAL_PARAMETER),
        (get(admin::MTU, 0), "can only be set", admin::ILLEGAL_PARAMETER),
        (
            set(admin::LINK_CONFIG, &[]),
            "can only be read",
            admin::ILLEGAL_PARAMETER,
        ),
        (set(admin::MTU, &[67]), "MTU 67", admin::ILLEGAL_PARAMETER),
        (set(admin::MTU, &[9217]), "MTU 9217", admin::ILLEGAL_PARAMETER),
        (
            set(admin::AENQ_CONFIG, &[1, 1]),
            "the device's to say",
            admin::ILLEGAL_PARAMETER,
        ),
        (
            set(admin::AENQ_CONFIG, &[0, 1 << 5]),
            "does not have all",
            admin::ILLEGAL_PARAMETER,
        ),
        (
            set(admin::HOST_ATTR_CONFIG, &[0, 1 << 16]),
            "reserved bits",
            admin::ILLEGAL_PARAMETER,
        ),
        (
            set(admin::HOST_ATTR_CONFIG, &[0, 0x10]),
            "nobody owns",
            admin::ILLEGAL_PARAMETER,
        ),
        (
            set(admin::HOST_ATTR_CONFIG, &[0, 0, 0, 0, 8]),
            "the debug area",
            admin::ILLEGAL_PARAMETER,
        ),
    ];
    for (command, what, status) in wrong {
        assert_eq!(bench.command(&command).0, status, "{what}");
        bench.expect(what);
    }
    let infos = [
        (0x300, 1, 0, "for version 0x300"),
        (admin::SPEC_VERSION, 0, 0, "has no CPUs"),
        (admin::SPEC_VERSION, 1 << 16 | 1, 0, "has reserved bits"),
        (admin::SPEC_VERSION, 1, 1, "has reserved bits"),
    ];
    for (version, cpus, features, what) in infos {
        write_host_info(&bench, version, cpus, features);
        bench.set(admin::HOST_ATTR_CONFIG, &host_info(&bench));
        bench.expect(what);
    }
}

#[test]
fn commands_fail_as_they_are_told() {
    let mut bench = Bench::ready(Configuration::default());
    for status in 1..8 {
        bench
            .device
            .fail_command(admin::GET_FEATURE, AdminFault::Status(status));
        assert_eq!(bench.command(&GET_ATTRIBUTES).0, status);
    }
    bench.device.fail_command(admin::GET_FEATURE, AdminFault::Late);
    bench.device.fail_command(admin::GET_FEATURE, AdminFault::Late);
    bench.submit(&GET_ATTRIBUTES);
    bench.submit(&GET_ATTRIBUTES);
    bench.ring();
    assert_eq!(bench.completion(), None);
    bench.device.release_commands();
    let identifiers = [0, 1].map(|_| bench.completion().map(|words| words[0] & 0xfff));
    assert_eq!(identifiers, [Some(9), Some(8)], "the last first");

    bench
        .device
        .fail_command(admin::GET_FEATURE, AdminFault::Identifier(0xabc));
    bench.submit(&GET_ATTRIBUTES);
    bench.ring();
    assert_eq!(bench.completion().map(|words| words[0] & 0xfff), Some(0xabc));

    bench.device.fail_command(admin::GET_FEATURE, AdminFault::Phase);
    bench.submit(&GET_ATTRIBUTES);
    bench.ring();
    assert_eq!(bench.completion(), None);
    bench.device.assert_obeyed();

    let mut bench = Bench::ready(Configuration::default());
    bench.device.fail_command(admin::GET_FEATURE, AdminFault::Never);
    bench.submit(&GET_ATTRIBUTES);
    bench.ring();
    assert_eq!(bench.completion(), None);
    // Its identifier is not free, nor is its place.
    for _ in 0..DEPTH {
        bench.submit(&[GET_ATTRIBUTES[0], 0, 0, 0, GET_ATTRIBUTES[4]]);
    }
    bench.ring();
    bench.expect("5 admin commands at a time");
    let repeated = 1 ^ (u32::from(DEPTH) + 2);
    bench.submit(&[GET_ATTRIBUTES[0] ^ repeated, 0, 0, 0, GET_ATTRIBUTES[4]]);
    bench.ring();
    bench.expect("admin command 1 is still outstanding");

    bench.device.inject(Defect::Hung);
    while bench.completion().is_some() {}
    bench.submit(&GET_ATTRIBUTES);
    bench.ring();
    assert_eq!(bench.completion(), None);
}
