//! How the driver starts, and with what it does not.

use super::*;
use crate::ena::command::Feature;
use crate::ena::model::{AdminFault, Defect};
use crate::network::Version;

const CREATE_CQ: u8 = 3;
const GET_FEATURE: u8 = 8;
const SET_FEATURE: u8 = 9;

#[test]
fn ena_starts_however_registers_are_read() {
    for reads in [RegisterReads::Both, RegisterReads::Loads, RegisterReads::Readless] {
        let rig = Rig::new(&Configuration {
            reads,
            ..Configuration::default()
        });
        assert_eq!(rig.card.mac(), [0x02, 0x11, 0x22, 0x33, 0x44, 0x55]);
        assert_eq!((rig.card.mtu(), rig.card.max_mtu()), (1500, 9216));
        assert_eq!(rig.device.mtu(), Some(9216));
        assert_eq!(rig.device.queues(), (2, 2));
        assert_eq!(rig.device.resets(), [0]);
        assert_eq!(rig.device.groups(), 0b1001_1111);
        assert!(rig.card.offloads(Version::V4).checksums);
        rig.check();
    }
}

#[test]
fn ena_starts_with_a_device_that_knows_little() {
    let bits = [Feature::DeviceAttributes, Feature::MaxQueuesNum];
    let rig = Rig::new(&Configuration {
        features: bits.iter().fold(0, |bits, &feature| bits | 1 << feature as u32),
        capabilities: 0,
        max_mtu: 1400,
        tx_depth: 20,
        rx_depth: 20,
        ..Configuration::default()
    });
    assert_eq!((rig.card.mtu(), rig.card.max_mtu()), (1400, 1400));
    assert_eq!(rig.device.mtu(), None);
    assert!(!rig.card.offloads(Version::V4).checksums);
    assert_eq!(rig.card.offloads(Version::V4).segmented, 0);
    assert_eq!(
        rig.device.posted(0),
        14,
        "one entry stays free, and buffers come in pairs"
    );
    rig.check();
    // Nobody says that it is alive, and nobody misses it.
    time::advance(60 * SECOND);
    rig.card.watch();
    assert_eq!(rig.device.resets(), [0]);
}

#[test]
fn ena_carries_no_longer_packets_than_descriptors_hold() {
    // One of a packet to send is for metadata, and what is received may begin 255 bytes later, with a tag of four.
    for (max_tx_descs, max_rx_descs, most) in [(2, 16, 4096 - 14), (18, 2, 4096 - 255 - 14 - 4)] {
        let rig = Rig::new(&Configuration {
            max_tx_descs,
            max_rx_descs,
            ..host_memory()
        });
        assert_eq!((rig.card.max_mtu(), rig.device.mtu()), (most, Some(most as u32)));
        let longest = frames::udp(most - 28);
        assert!(rig.send_plain(&longest));
        assert_eq!(rig.sent(), core::slice::from_ref(&longest));
        assert!(rig.device.receive(0, &longest));
        rig.device.deliver();
        assert_eq!(rig.received(), [(longest, true)]);
        rig.device.assert_obeyed();
    }
}

#[test]
fn ena_takes_only_as_much_of_offloads_as_fits() {
    let short = Configuration {
        max_tx_descs: 3,
        ..host_memory()
    };
    assert_eq!(Rig::new(&short).card.offloads(Version::V4).segmented, 2 * 4096 - 14);
    let cannot = Configuration {
        tx_offloads: 1 << 5,
        ..host_memory()
    };
    let rig = Rig::new(&cannot);
    assert!(!rig.card.offloads(Version::V4).checksums);
    assert_eq!(rig.card.offloads(Version::V4).segmented, 0, "segments need checksums");
}

#[test]
fn ena_does_not_start_with_what_cannot_be() {
    let _alone = alone_with_the_clock();
    let usual = Configuration {
        admin_timeout: 1,
        reset_timeout: 1,
        ..Configuration::default()
    };
    let attempt = |configuration: &Configuration, prepare: &dyn Fn(&model::Ena)| {
        let device = model::Ena::new(configuration.clone());
        prepare(&device);
        let failure = start(&device, configuration).err().expect("no card");
        device.assert_obeyed();
        alloc::format!("{failure}")
    };
    let broken = |prepare: &dyn Fn(&model::Ena)| attempt(&usual, prepare);
    let defect = |defect| broken(&|device: &model::Ena| device.inject(defect));
    assert_eq!(defect(Defect::NeverReady), "is not ready for a reset");
    assert_eq!(defect(Defect::ResetNeverBegins), "does not begin a reset");
    assert_eq!(defect(Defect::ResetNeverEnds), "does not end a reset");
    assert_eq!(defect(Defect::MuteRegisters), "does not say what is in register 0x58");
    assert_eq!(defect(Defect::WrongRegister), "does not say what is in register 0x58");

    let command = |opcode, fault| broken(&|device: &model::Ena| device.fail_command(opcode, fault));
    let attributes = "the command GET_FEATURE of the device attributes";
    let silent = alloc::format!("does not answer {attributes}");
    assert_eq!(command(GET_FEATURE, AdminFault::Never), silent);
    assert_eq!(command(GET_FEATURE, AdminFault::Late), silent);
    assert_eq!(command(GET_FEATURE, AdminFault::Phase), silent);
    let nonsense = alloc::format!("answers {attributes} with what cannot be");
    assert_eq!(command(GET_FEATURE, AdminFault::Identifier(0xfff)), nonsense);
    assert_eq!(
        command(CREATE_CQ, AdminFault::Status(1)),
        "refuses the command CREATE_CQ (resources used up, status 1)"
    );

    let device = |change: &dyn Fn(&mut Configuration)| {
        let mut configuration = usual.clone();
        change(&mut configuration);
        attempt(&configuration, &|_| {})
    };
    assert_eq!(
        device(&|device| device.controller_version = 0),
        "is of a version that is not known here"
    );
    assert_eq!(
        device(&|device| device.reset_timeout = 0),
        "does not say how long a reset may take"
    );
    assert_eq!(
        device(&|device| device.address_bits = 31),
        "does not say which addresses it reaches"
    );
    assert_eq!(
        device(&|device| device.max_mtu = 500),
        "takes no packets of the size that IPv4 asks for"
    );
    assert_eq!(device(&|device| device.queues = 0), "has too few queues");
    assert_eq!(device(&|device| device.rx_depth = 4), "has queues of no use");
    assert_eq!(device(&|device| device.max_tx_descs = 1), "has queues of no use");
}

#[test]
fn ena_does_without_what_a_device_may_refuse() {
    let _alone = alone_with_the_clock();
    let device = model::Ena::new(Configuration::default());
    // The host's attributes are the first that is set.
    device.fail_command(SET_FEATURE, AdminFault::Status(3));
    let card = start(&device, &Configuration::default());
    assert!(card.is_ok());
    device.assert_obeyed();
}
