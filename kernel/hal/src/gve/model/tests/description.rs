use alloc::vec::Vec;

use super::bench::{Bench, Fields, SCRATCH};
use crate::dma::reach;
use crate::gve::model::defs::admin;
use crate::gve::model::fields::{be16, be32, be64};
use crate::gve::model::{Configuration, Format, RingSizes};

/// Options of a descriptor: identifier, and what follows its head.
fn options(descriptor: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let end = usize::from(be16(descriptor, 32));
    let mut options = Vec::new();
    let mut at = 40;
    while at < end {
        let length = usize::from(be16(descriptor, at + 2));
        assert_eq!(be32(descriptor, at + 4), 0, "required_features_mask");
        options.push((be16(descriptor, at), descriptor[at + 8..at + 8 + length].to_vec()));
        at += 8 + length;
    }
    assert_eq!((at, options.len()), (end, be16(descriptor, 30).into()));
    options
}

#[test]
fn the_device_describes_itself_with_its_options() {
    let mut bench = Bench::with_admin(Configuration {
        formats: Format::ALL.to_vec(),
        ring_sizes: Some(RingSizes {
            tx: (64, 1024),
            rx: (32, 512),
        }),
        buffer_size: Some(4096),
        ..Configuration::default()
    });
    assert_eq!(bench.describe(), admin::PASSED);
    let descriptor = bench.scratch(512);
    assert_eq!(be64(&descriptor, 0), 1024);
    let halves = [0, 256, 128, 1, 1460, 16, 64, 128];
    assert_eq!([8, 10, 12, 14, 16, 18, 20, 22].map(|at| be16(&descriptor, at)), halves);
    assert_eq!(descriptor[24..30], [0x42, 0x01, 0x0a, 0x80, 0x00, 0x02]);
    let features = (1_u32 | 1 << 2 | 1 << 4).to_be_bytes();
    let with = |first: u32, halves: &[u16]| {
        halves
            .iter()
            .fold(Fields::default().word(first), |fields, &half| fields.half(half))
            .0
    };
    let expected = [
        (0x7f, alloc::vec![0xff; 6]),
        (admin::OPT_MODIFY_RING, with(1, &[512, 1024, 32, 64])),
        (admin::OPT_JUMBO_FRAMES, with(1 << 2, &[8896, 0])),
        (admin::OPT_BUFFER_SIZES, with(1 << 4, &[4096, 0])),
        (admin::OPT_GQI_RDA, features.to_vec()),
        (admin::OPT_GQI_QPL, features.to_vec()),
        (admin::OPT_DQO_RDA, [&features[..], &[0; 4]].concat()),
        (admin::OPT_DQO_QPL, with(0x15, &[64, 128])),
    ];
    assert_eq!(options(&descriptor), expected);

    let mut bench = Bench::with_admin(Configuration {
        formats: Vec::new(),
        jumbo_mtu: None,
        other_options: Vec::new(),
        patches: alloc::vec![(16, alloc::vec![0, 60])],
        ..Configuration::default()
    });
    bench.describe();
    let descriptor = bench.scratch(64);
    assert_eq!((options(&descriptor), be16(&descriptor, 16)), (Vec::new(), 60));

    let mut bench = Bench::with_admin(Configuration {
        option_growth: 3,
        ..Configuration::default()
    });
    bench.describe();
    let options = options(&bench.scratch(256));
    let length = |wanted| {
        options
            .iter()
            .find(|other| other.0 == wanted)
            .map(|option| option.1.len())
    };
    assert_eq!(
        (length(admin::OPT_GQI_QPL), length(admin::OPT_JUMBO_FRAMES)),
        (Some(7), Some(11))
    );
    bench.device.assert_obeyed();
}

#[test]
fn the_device_is_asked_for_its_description_as_it_must_be() {
    let mut bench = Bench::with_admin(Configuration::default());
    let scratch = bench.memory.address(SCRATCH);
    let wrong = [
        (scratch, 2, 4096, "version 2 of the device descriptor"),
        (scratch, 1, 40, "40 bytes for a descriptor and options of"),
        (scratch + 64, 1, 256, "is not aligned to 4096 bytes"),
        (0, 1, 4096, "lies in memory that nobody owns"),
        (0x8000_0000, 1, 4096, "lies in memory that nobody owns"),
        (bench.memory.address(0), 1, 4096, "overlaps the admin queue"),
    ];
    for (address, version, length, what) in wrong {
        let fields = Fields::default().long(address).word(version).word(length);
        assert_eq!(
            bench.command(admin::DESCRIBE_DEVICE, &fields),
            admin::ERROR_INVALID_ARGUMENT
        );
        bench.expect(what);
    }
}

fn information(bench: &Bench, os: u8, capabilities: u64) -> Fields {
    let mut info = alloc::vec![0; 304];
    info[0] = os;
    info[16..24].copy_from_slice(&capabilities.to_be_bytes());
    reach::write(bench.memory.address(SCRATCH), &info);
    Fields::default().long(304).long(bench.memory.address(SCRATCH))
}

#[test]
fn the_device_verifies_drivers() {
    let mut bench = Bench::with_admin(Configuration::of(Format::DqoRda));
    let fields = information(&bench, 1, 1 << admin::CAPABILITY_GQI_QPL);
    let status = bench.command(admin::VERIFY_DRIVER_COMPATIBILITY, &fields);
    assert_eq!(status, admin::ERROR_FAILED_PRECONDITION);
    let fields = information(&bench, 1, 1 << admin::CAPABILITY_DQO_RDA);
    assert_eq!(
        bench.command(admin::VERIFY_DRIVER_COMPATIBILITY, &fields),
        admin::PASSED
    );
    assert_eq!(bench.device.capabilities(), Some([8, 0, 0, 0]));
    bench.device.assert_obeyed();

    let fields = information(&bench, 0, 8);
    bench.command(admin::VERIFY_DRIVER_COMPATIBILITY, &fields);
    bench.expect("has no os_type");
    reach::write(bench.memory.address(SCRATCH), &[1; 304]);
    bench.command(admin::VERIFY_DRIVER_COMPATIBILITY, &fields);
    bench.expect("has a text without end");
    let short = Fields::default().long(303).long(bench.memory.address(SCRATCH));
    let status = bench.command(admin::VERIFY_DRIVER_COMPATIBILITY, &short);
    assert_eq!(status, admin::ERROR_INVALID_ARGUMENT);
    bench.expect("has 303 bytes; gve_driver_info has 304");
    bench.command(admin::VERIFY_DRIVER_COMPATIBILITY, &Fields::default().long(304).long(0));
    bench.expect("nobody owns");
}

#[test]
fn the_device_knows_parameters_speed_and_statistics() {
    let mut bench = Bench::with_admin(Configuration::default());
    let scratch = bench.memory.address(SCRATCH);
    let mtu = |value| Fields::default().word(1).word(0).long(value);
    for value in [8896, 68] {
        assert_eq!(bench.command(admin::SET_DRIVER_PARAMETER, &mtu(value)), admin::PASSED);
        assert_eq!(bench.device.mtu(), Some(value as u16));
    }
    bench.command(admin::REPORT_LINK_SPEED, &Fields::default().long(scratch));
    assert_eq!(be64(&bench.scratch(8), 0), 10_000);
    let statistics = Fields::default().long(4096).long(scratch).long(20_000);
    assert_eq!(bench.command(admin::REPORT_STATS, &statistics), admin::PASSED);
    bench.device.assert_obeyed();
    bench.command(admin::REPORT_LINK_SPEED, &Fields::default().long(scratch));
    bench.expect("overlaps the statistics");
    bench.command(admin::REPORT_STATS, &Fields::default().long(0).long(0).long(20_000));
    bench.command(admin::REPORT_LINK_SPEED, &Fields::default().long(scratch));
    bench.device.assert_obeyed();

    for value in [67, 8897, 0x1_0000_03e8] {
        let status = bench.command(admin::SET_DRIVER_PARAMETER, &mtu(value));
        assert_eq!(status, admin::ERROR_INVALID_ARGUMENT);
        bench.expect("is not between 68 and 8896");
    }
    bench.command(
        admin::SET_DRIVER_PARAMETER,
        &Fields::default().word(2).word(0).long(1000),
    );
    bench.expect("SET_DRIVER_PARAMETER: type 2, or reserved bytes");
    bench.command(
        admin::SET_DRIVER_PARAMETER,
        &Fields::default().word(1).word(1).long(1000),
    );
    bench.expect("or reserved bytes");
    bench.command(admin::REPORT_LINK_SPEED, &Fields::default().long(scratch + 8));
    bench.expect("is not aligned");
    bench.command(admin::REPORT_STATS, &Fields::default().long(8).long(0).long(0));
    bench.expect("nobody owns");
}

#[test]
fn the_device_maps_packet_types_of_dqo() {
    let mut bench = Bench::ready(Format::DqoRda, Configuration::of(Format::DqoRda));
    let fields = Fields::default().long(2048).long(bench.memory.address(SCRATCH));
    assert_eq!(bench.command(admin::GET_PTYPE_MAP, &fields), admin::PASSED);
    let map = bench.scratch(2048);
    let known = map.chunks(2).filter(|entry| **entry != [0, 0]).count();
    assert_eq!(known, 8);
    assert!(
        map.chunks(2)
            .any(|entry| *entry == [admin::L3_TYPE_IPV6, admin::L4_TYPE_UDP])
    );
    bench.device.assert_obeyed();
    let short = Fields::default().long(1024).long(bench.memory.address(SCRATCH));
    assert_eq!(
        bench.command(admin::GET_PTYPE_MAP, &short),
        admin::ERROR_INVALID_ARGUMENT
    );
    bench.expect("has 1024 bytes; gve_ptype_map has 2048");
    bench.command(admin::GET_PTYPE_MAP, &Fields::default().long(2048).long(64));
    bench.expect("is not aligned");

    let mut bench = Bench::ready(Format::GqiQpl, Configuration::default());
    bench.command(admin::GET_PTYPE_MAP, &fields);
    bench.expect("packet types are of DQO");
}
