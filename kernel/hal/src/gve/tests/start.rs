//! How the driver starts, and with what it does not.

use super::*;
use crate::gve::model::{AdminFault, Defect};
use crate::network::Version;

const DESCRIBE_DEVICE: u32 = 0x1;
const REGISTER_PAGE_LIST: u32 = 0x3;
const CREATE_RX_QUEUE: u32 = 0x6;
const VERIFY_DRIVER_COMPATIBILITY: u32 = 0xf;

#[test]
fn gve_starts_with_every_format_and_revision() {
    for format in FORMATS {
        for revision in [0, 1] {
            let rig = Rig::new(&Configuration {
                revision,
                ..Configuration::of(format)
            });
            assert_eq!(rig.device.format(), Some(format));
            assert_eq!(rig.device.capabilities(), Some([0b1101, 0, 0, 0]));
            assert_eq!(rig.card.mac(), [0x42, 0x01, 0x0a, 0x80, 0x00, 0x02]);
            assert_eq!((rig.card.mtu(), rig.card.max_mtu()), (1460, 8896));
            assert_eq!(rig.device.mtu(), None, "it takes all");
            assert!(rig.card.offloads(Version::V4).checksums);
            assert_eq!(rig.device.queues(), (1, 1));
            assert_eq!(rig.device.resets(), 0, "it was reset already");
            rig.check();
        }
    }
}

#[test]
fn gve_takes_the_best_of_what_is_offered() {
    use Format::{DqoQpl, DqoRda, GqiQpl, GqiRda};
    for (formats, chosen) in [
        (&[][..], GqiQpl),
        (&[GqiRda, GqiQpl], GqiQpl),
        (&[GqiQpl, DqoQpl], DqoQpl),
        (&[GqiRda, GqiQpl, DqoRda, DqoQpl], DqoRda),
    ] {
        let rig = Rig::new(&Configuration {
            formats: formats.into(),
            option_growth: 4,
            ..Configuration::default()
        });
        assert_eq!(rig.device.format(), Some(chosen), "of {formats:?}");
        rig.check();
    }
}

#[test]
fn gve_resets_a_device_that_others_have_used() {
    for format in FORMATS {
        for revision in [0, 1] {
            let rig = Rig::new(&Configuration {
                revision,
                ..Configuration::of(format)
            });
            // The first driver is gone, as firmware's is when the kernel starts, but not its queues.
            let card = start(&rig.device).unwrap_or_else(|failure| panic!("{failure}"));
            assert_eq!(rig.device.resets(), 1);
            rig.device.assert_obeyed();
            assert!(card.send(Outgoing::default(), &mut core::iter::once(&frames::udp(10)[..])));
            card.flush();
            assert_eq!(rig.sent(), [frames::udp(10)]);
        }
    }
}

#[test]
fn gve_starts_with_a_device_that_knows_little() {
    let rig = Rig::new(&Configuration {
        revision: 0,
        formats: Vec::new(),
        unimplemented: [VERIFY_DRIVER_COMPATIBILITY].into(),
        queues: 1,
        default_queues: 0,
        jumbo_mtu: None,
        counters: 2,
        max_pages: 32,
        ..Configuration::default()
    });
    assert_eq!(rig.device.registered_pages(), 32);
    assert_eq!(
        rig.card.offloads(Version::V4).segmented,
        8 * 4096 - 14,
        "half of what can be registered"
    );
    rig.check();
}

#[test]
fn gve_carries_what_the_network_does() {
    for format in FORMATS {
        for (mtu, jumbo_mtu, most) in [(8896, Some(8896), 8896), (1500, None, 1500), (4082, Some(8896), 8896)] {
            let rig = Rig::new(&Configuration {
                mtu,
                jumbo_mtu,
                ..Configuration::of(format)
            });
            assert_eq!((rig.card.mtu(), rig.card.max_mtu()), (mtu.into(), most));
            assert_eq!(rig.device.mtu(), None);
            rig.check();
        }
    }
}

#[test]
fn gve_says_when_it_has_no_buffers_for_long_packets() {
    for (max_pages, most) in [(8, 2 * 4096 - 14), (4, 4096 - 14), (2, 4096 - 16)] {
        let rig = Rig::new(&Configuration {
            max_pages,
            ..Configuration::default()
        });
        assert_eq!((rig.card.mtu(), rig.card.max_mtu()), (1460, most));
        assert_eq!(rig.device.mtu(), Some(most as u16));
        let longest = frames::udp(most - 28);
        assert!(rig.send_plain(&longest));
        assert_eq!(rig.sent(), core::slice::from_ref(&longest));
        assert!(rig.device.receive(0, &longest));
        rig.device.deliver();
        assert!(matches!(&rig.received()[..], [(frame, _)] if *frame == longest));
        rig.device.assert_obeyed();
    }
}

#[test]
fn gve_does_not_start_with_what_cannot_be() {
    let _alone = alone_with_the_clock();
    let attempt = |configuration: &Configuration, prepare: &dyn Fn(&model::Gve)| {
        let device = model::Gve::new(configuration.clone());
        prepare(&device);
        let failure = start(&device).err().expect("no card");
        device.assert_obeyed();
        assert_eq!(device.queues(), (0, 0), "it has forgotten all");
        alloc::format!("{failure}")
    };
    let usual = Configuration::default();
    let command = |opcode, fault| attempt(&usual, &|device| device.fail_command(opcode, fault));
    assert_eq!(
        command(DESCRIBE_DEVICE, AdminFault::Never),
        "does not answer the command DESCRIBE_DEVICE"
    );
    assert_eq!(
        command(DESCRIBE_DEVICE, AdminFault::Late),
        "does not answer the command DESCRIBE_DEVICE"
    );
    assert_eq!(
        command(DESCRIBE_DEVICE, AdminFault::Status(0)),
        "answers the command DESCRIBE_DEVICE with what cannot be"
    );
    assert_eq!(
        command(VERIFY_DRIVER_COMPATIBILITY, AdminFault::Status(0xffff_fff5)),
        "refuses the command VERIFY_DRIVER_COMPATIBILITY (failed precondition, status 0xfffffff5)"
    );
    assert_eq!(
        command(REGISTER_PAGE_LIST, AdminFault::Status(0xffff_fffc)),
        "refuses the command REGISTER_PAGE_LIST (resource exhausted, status 0xfffffffc)"
    );
    assert_eq!(
        command(CREATE_RX_QUEUE, AdminFault::Status(0xffff_fff7)),
        "refuses the command CREATE_RX_QUEUE (invalid argument, status 0xfffffff7)"
    );

    let device = |change: &dyn Fn(&mut Configuration)| {
        let mut configuration = usual.clone();
        change(&mut configuration);
        attempt(&configuration, &|_| {})
    };
    let patched = |at, bytes: &[u8]| device(&|device| device.patches.push((at, bytes.into())));
    assert_eq!(
        patched(16, &[1, 0xf4]),
        "takes no packets of the size that IPv4 asks for",
        "an MTU of 500"
    );
    assert_eq!(patched(10, &[0, 0]), "has queues of no use", "no entries to send");
    assert_eq!(
        patched(12, &[1, 0x90]),
        "has queues of no use",
        "400 entries to receive"
    );
    assert_eq!(patched(0, &[0; 8]), "takes no pages for its queues");
    let nonsense = "answers the command DESCRIBE_DEVICE with what cannot be";
    assert_eq!(patched(32, &[0xff, 0xff]), nonsense, "longer than a page");
    assert_eq!(patched(30, &[0xff, 0xff]), nonsense, "more options than there are");
}

#[test]
fn gve_keeps_its_pages_from_a_device_that_does_not_let_go_of_them() {
    let _alone = alone_with_the_clock();
    let device = model::Gve::new(Configuration::default());
    device.fail_command(CREATE_RX_QUEUE, AdminFault::Status(0xffff_fff7));
    device.inject(Defect::ResetNeverEnds);
    assert!(start(&device).is_err());
    device.heal(Defect::ResetNeverEnds);
    // When the reset ends the model looks whether what it had is owned by somebody.
    assert!(start(&device).is_ok());
    device.assert_obeyed();
}
