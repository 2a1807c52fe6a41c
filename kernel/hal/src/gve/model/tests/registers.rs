use super::bench::{Bench, RUN, SCRATCH};
use crate::dma::Buffer;
use crate::gve::model::defs::{admin, registers};
use crate::gve::model::{Configuration, Defect, Format, IDENTITY};
use crate::mem::PAGE_SIZE;

fn old() -> Configuration {
    Configuration {
        revision: 0,
        ..Configuration::default()
    }
}

#[test]
fn registers_say_what_the_device_is() {
    assert_eq!(IDENTITY, (0x1ae0, 0x0042));
    let bench = Bench::new(Configuration::default());
    assert_eq!(bench.registers.read32(registers::MAX_TX_QUEUES), 2 << 24, "big endian");
    assert_eq!(bench.load(registers::MAX_RX_QUEUES), 2);
    assert_eq!(bench.status(), registers::DEVICE_STATUS_LINK_STATUS);
    assert_eq!(bench.load(registers::ADMINQ_PFN), 0);
    bench.device.set_link(false);
    bench.device.ask_for_reset();
    bench.device.ask_for_statistics();
    assert_eq!(
        bench.status(),
        registers::DEVICE_STATUS_RESET | registers::DEVICE_STATUS_REPORT_STATS
    );
    for character in b"unikernel 1.2\n" {
        bench.registers.write8(registers::DRIVER_VERSION, *character);
    }
    assert_eq!(bench.device.driver_version().as_deref(), Some("unikernel 1.2"));
    bench.device.assert_obeyed();
    assert_eq!(Bench::new(old()).device.revision(), 0);
}

#[test]
fn registers_are_reached_as_they_must_be() {
    let bench = Bench::new(Configuration::default());
    bench.registers.read16(registers::ADMINQ_LENGTH);
    bench.expect("a load of 2 bytes at 0x28");
    bench.registers.read8(registers::DRIVER_VERSION);
    bench.expect("a load of 1 bytes");
    assert_eq!(bench.load(registers::ADMINQ_DOORBELL), u32::MAX);
    bench.expect("a load at 0x14 of BAR 0, which is no register that can be read");
    for offset in [
        registers::DEVICE_STATUS,
        registers::MAX_TX_QUEUES,
        registers::ADMINQ_EVENT_COUNTER,
        0x2c,
    ] {
        bench.store(offset, 1);
        bench.expect("which is no register of that size that can be written");
    }
    bench.store(registers::ADMINQ_LENGTH, 4096);
    bench.expect("a store of 4 bytes at 0x28");
    bench.registers.write8(registers::DRIVER_STATUS, 1);
    bench.expect("a store of 1 bytes at 0x4");
    bench.registers.write8(registers::DRIVER_VERSION, 0);
    bench.expect("byte 0x0 for the driver's version");
    for _ in 0..129 {
        bench.registers.write8(registers::DRIVER_VERSION, b'1');
    }
    bench.expect("a driver's version without end");
    bench.store(registers::DRIVER_STATUS, 4);
    bench.expect("driver status 0x4");
    bench.store(registers::DRIVER_STATUS, 3);
    bench.expect("driver status 0x3");
    bench.doorbells.read32(0);
    bench.expect("a load of 4 bytes at 0x0 of BAR 2");
    bench.doorbells.write32(0, 0);
    bench.expect("a store at 0x0 of BAR 2 before CONFIGURE_DEVICE_RESOURCES");
}

#[test]
fn the_device_has_its_admin_queue_where_it_is_told() {
    let mut bench = Bench::with_admin(old());
    assert_ne!(bench.load(registers::ADMINQ_PFN), 0);
    assert_eq!(bench.describe(), admin::PASSED);
    bench.device.assert_obeyed();

    let mut bench = Bench::with_admin(Configuration::default());
    assert_eq!(bench.load(registers::ADMINQ_PFN), 0);
    assert_eq!(bench.describe(), admin::PASSED);
    bench.device.assert_obeyed();

    // Later revisions take the old way too, or both.
    let mut bench = Bench::new(Configuration::default());
    let page = bench.memory.address(0) / PAGE_SIZE as u64;
    bench.store(registers::ADMINQ_PFN, page as u32);
    bench.set_up_admin();
    assert_eq!(bench.describe(), admin::PASSED);
    bench.device.assert_obeyed();
    bench.store(registers::ADMINQ_PFN, page as u32);
    bench.expect("the admin queue is set up twice");
}

#[test]
fn the_device_refuses_admin_queues_that_cannot_be() {
    let bench = Bench::new(old());
    for offset in [registers::ADMINQ_BASE_ADDRESS_HI, registers::ADMINQ_BASE_ADDRESS_LO] {
        bench.store(offset, 0);
        bench.expect("revision 0 has no register there");
    }
    bench.registers.write16(registers::ADMINQ_LENGTH, 0);
    bench.expect("revision 0 has no register there");
    // This register it has, without effect.
    bench.store(registers::DRIVER_STATUS, RUN);
    bench.device.assert_obeyed();
    bench.store(registers::DRIVER_STATUS, registers::DRIVER_STATUS_RESET);
    bench.expect("driver status RESET of revision 0");
    bench.store(registers::ADMINQ_DOORBELL, 1);
    bench.expect("the doorbell of an admin queue that is not set up");
    bench.store(registers::ADMINQ_PFN, 0x8_0000);
    bench.expect("the admin queue at 0x80000000, 4096 bytes, lies in memory that nobody owns");

    let bench = Bench::new(Configuration::default());
    bench.store(registers::DRIVER_STATUS, RUN);
    bench.expect("driver status RUN before adminq_base_address_hi");
    bench.store(registers::ADMINQ_BASE_ADDRESS_HI, 0);
    bench.store(registers::ADMINQ_BASE_ADDRESS_LO, bench.memory.address(0) as u32 + 64);
    for length in [96_u16, 192, 8192] {
        bench.registers.write16(registers::ADMINQ_LENGTH, length.to_be());
        bench.store(registers::DRIVER_STATUS, RUN);
        bench.expect(&alloc::format!("adminq_length says {length} bytes"));
    }
    bench.registers.write16(registers::ADMINQ_LENGTH, 2048_u16.to_be());
    bench.store(registers::DRIVER_STATUS, RUN);
    bench.expect("is not aligned to 4096 bytes");
    // Without RUN, nothing runs.
    bench.store(registers::ADMINQ_DOORBELL, 1);
    bench.expect("nor an address with driver status RUN");
}

#[test]
fn the_device_forgets_all_in_a_reset() {
    for configuration in [old(), Configuration::default()] {
        let mut bench = Bench::ready(Format::GqiQpl, configuration);
        let queue = bench.transmitter(Format::GqiQpl);
        assert_eq!((bench.device.queues(), bench.device.registered_pages()), ((1, 0), 4));
        bench.device.ask_for_reset();
        bench.reset();
        assert_eq!((bench.device.queues(), bench.device.registered_pages()), ((0, 0), 0));
        assert_eq!(
            (bench.device.resets(), bench.device.format(), bench.executed()),
            (1, None, 0)
        );
        assert_eq!(bench.status() & registers::DEVICE_STATUS_RESET, 0);
        bench.device.assert_obeyed();
        queue.ring_big(0);
        bench.expect("before CONFIGURE_DEVICE_RESOURCES");
        // It need not be described again.
        bench.memory.clear();
        bench.set_up_admin();
        let fields = bench.configuring(Format::GqiQpl);
        assert_eq!(bench.command(admin::CONFIGURE_DEVICE_RESOURCES, &fields), admin::PASSED);
        assert_eq!(bench.status() & registers::DEVICE_STATUS_DEVICE_IS_RESET, 0);
        bench.device.assert_obeyed();
    }
}

#[test]
fn the_device_takes_its_time_for_a_reset() {
    let mut bench = Bench::with_admin(old());
    bench.store(registers::ADMINQ_PFN, 0);
    assert_ne!(bench.load(registers::ADMINQ_PFN), 0);
    bench.store(registers::ADMINQ_PFN, 1);
    bench.expect("a store at 0x10 of BAR 0 before the reset is over");
    bench.wait_for_reset();
    bench.store(registers::ADMINQ_PFN, 0);
    bench.expect("which is reset already");
    bench.set_up_admin();
    bench.device.inject(Defect::ResetNeverEnds);
    bench.store(registers::ADMINQ_PFN, 0);
    for _ in 0..100 {
        assert_ne!(bench.load(registers::ADMINQ_PFN), 0);
    }
    bench.device.heal(Defect::ResetNeverEnds);
    assert_eq!(bench.load(registers::ADMINQ_PFN), 0);
    bench.device.assert_obeyed();

    let bench = Bench::with_admin(Configuration::default());
    bench.store(registers::ADMINQ_PFN, 0);
    bench.expect("that is reset by driver_status");
}

#[test]
fn the_device_keeps_memory_until_a_reset_is_over() {
    // Another test may take the page that is given back at once: not always.
    let is_seen = |_| {
        let bench = Bench::new(Configuration::default());
        let page = Buffer::page().expect("memory");
        bench.store(registers::ADMINQ_PFN, (page.address() / PAGE_SIZE as u64) as u32);
        bench.store(registers::ADMINQ_PFN, 0);
        bench.device.assert_obeyed();
        drop(page);
        bench.wait_for_reset();
        let violations = bench.device.violations();
        violations == ["the admin queue was given back before the device was reset"]
    };
    assert!((0..20).any(is_seen));
}

#[test]
fn the_device_resets_itself_behind_the_drivers_back() {
    let mut bench = Bench::ready(Format::GqiQpl, Configuration::default());
    let queue = bench.transmitter(Format::GqiQpl);
    bench.device.reset_itself();
    // Nobody answers, and nobody complains.
    queue.ring_big(1);
    bench.store(registers::ADMINQ_DOORBELL, 9);
    assert_eq!(bench.executed(), 0);
    assert_ne!(bench.status() & registers::DEVICE_STATUS_DEVICE_IS_RESET, 0);
    bench.store(registers::ADMINQ_PFN, 0);
    bench.memory.clear();
    bench.set_up_admin();
    assert_eq!(bench.describe(), admin::PASSED);
    assert_ne!(bench.scratch(8), [0; 8], "at {SCRATCH:#x}");
    bench.device.assert_obeyed();
}
