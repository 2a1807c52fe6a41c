use super::bench::{AQ, Bench, DEPTH, RESPONSE};
use crate::ena::model::defs::{admin, regs};
use crate::ena::model::{Configuration, Defect, RegisterReads};
use crate::mem::Frame;
use core::sync::atomic::Ordering;

#[test]
fn a_reset_takes_looks_and_ends() {
    let mut bench = Bench::new(Configuration::default());
    assert_eq!(bench.status(), regs::DEV_STS_READY_MASK);
    bench.reset(11);
    assert_eq!(
        bench.status(),
        regs::DEV_STS_READY_MASK | regs::DEV_STS_RESET_FINISHED_MASK
    );
    // Extended: 19 is 1 and 3.
    bench.registers.write32(regs::DEV_CTL_OFF, 3 << 28 | 1 << 24 | 1);
    assert_eq!(bench.device.resets(), [11, 19]);
    bench.device.assert_obeyed();
}

#[test]
fn versions_and_capabilities_are_read() {
    let bench = Bench::new(Configuration::default());
    assert_eq!(bench.registers.read32(regs::VERSION_OFF), 10);
    assert_eq!(bench.registers.read32(regs::CONTROLLER_VERSION_OFF), 0x0100_0001);
    let caps = bench.registers.read32(regs::CAPS_OFF);
    assert_eq!((caps >> 1 & 0x1f, caps >> 8 & 0xff, caps >> 16 & 0xf), (30, 48, 10));
    bench.device.assert_obeyed();
}

#[test]
fn a_reset_is_done_in_order() {
    let bench = Bench::new(Configuration {
        capabilities: 0,
        ..Configuration::default()
    });
    let control = |value| bench.registers.write32(regs::DEV_CTL_OFF, value);
    control(0);
    bench.expect("let go before the driver saw");
    control(1);
    control(0);
    bench.expect("let go before the driver saw");
    control(1);
    bench.expect("a reset of a device that is not ready");

    let wrong = [(1 << 24 | 1, "an extended reset reason"), (0x3 | 1, "reserved bits")];
    for (value, what) in wrong {
        let bench = Bench::new(Configuration {
            capabilities: 0,
            ..Configuration::default()
        });
        bench.registers.write32(regs::DEV_CTL_OFF, value);
        bench.expect(what);
    }
    let bench = Bench::new(Configuration::default());
    bench.registers.write32(regs::DEV_CTL_OFF, 5 << 28 | 1 << 24 | 1);
    bench.expect("reset reason 21 does not exist");
    bench.registers.write32(regs::DEV_CTL_OFF, 4);
    let violations = bench.device.take_violations();
    assert!(
        violations[0].contains("demands what the model does not know"),
        "{violations:?}"
    );
}

#[test]
fn registers_are_words_that_exist() {
    let bench = Bench::ready(Configuration::default());
    assert_eq!(bench.registers.read16(regs::VERSION_OFF), u16::MAX);
    bench.expect("a load of 2 bytes");
    bench.registers.write8(regs::INTR_MASK_OFF, 0);
    bench.expect("a store of 1 bytes");
    bench.registers.read32(regs::AQ_DB_OFF);
    bench.expect("no register that can be read");
    for offset in [regs::VERSION_OFF, 0x1000] {
        bench.registers.write32(offset, 0);
        bench.expect("no register that can be written");
    }
    bench.registers.write32(regs::INTR_MASK_OFF, 2);
    bench.expect("interrupt mask 0x2 has reserved bits");
}

#[test]
fn nothing_is_set_up_before_a_reset_has_ended() {
    let mut bench = Bench::new(Configuration::default());
    bench.set_up_admin();
    bench.expect("was not reset, or is not ready");
    bench.registers.write32(regs::DEV_CTL_OFF, 1);
    bench.set_up_admin();
    bench.expect("was not reset, or is not ready");
    while bench.status() & regs::DEV_STS_RESET_IN_PROGRESS_MASK == 0 {}
    bench.registers.write32(regs::DEV_CTL_OFF, 0);
    bench.registers.write32(regs::AQ_DB_OFF, 1);
    bench.expect("was not reset, or is not ready");
    while bench.status() & regs::DEV_STS_RESET_IN_PROGRESS_MASK != 0 {}
    bench.registers.write32(regs::AQ_DB_OFF, 1);
    bench.expect("an admin queue that is not set up");
    bench.registers.write32(regs::AENQ_HEAD_DB_OFF, 1);
    bench.expect("an event queue that is not set up");
    bench.set_up_admin();
    bench.get(admin::DEVICE_ATTRIBUTES, 0);
    // A reset forgets it all.
    bench.reset(0);
    bench.ring();
    bench.expect("an admin queue that is not set up");
}

#[test]
fn rings_are_whole_and_in_memory() {
    let attributes = u32::from(DEPTH) | 64 << 16;
    let bench = || {
        let mut bench = Bench::new(Configuration::default());
        bench.reset(0);
        bench
    };
    let set = |address: u64, attributes: u32, what: &str| {
        let bench = bench();
        bench.set_address(regs::AQ_BASE_LO_OFF, address);
        bench.registers.write32(regs::AQ_CAPS_OFF, attributes);
        bench.expect(what);
    };
    let memory = bench().memory.address(AQ);
    set(memory, 4 | 32 << 16, "entries of 32 bytes, not 64");
    set(memory, 6 | 64 << 16, "6 entries, which is no power of two");
    set(memory, 64 << 16, "0 entries, which is no power of two");
    set(memory + 8, attributes, "not aligned to 64 bytes");
    set(0, attributes, "memory that nobody owns");
    set(1 << 40, attributes, "memory that nobody owns");
    set(1 << 48, attributes, "more address bits than the device");
    let freed = Frame::allocate().expect("memory").address();
    set(freed, attributes, "memory that nobody owns");

    let bench = bench();
    bench.registers.write32(regs::AQ_BASE_LO_OFF, memory as u32);
    bench.registers.write32(regs::AQ_CAPS_OFF, attributes);
    bench.expect("before both halves of its address");
    bench.set_address(regs::AQ_BASE_LO_OFF, memory);
    bench.registers.write32(regs::AQ_CAPS_OFF, attributes);
    bench.device.assert_obeyed();
    bench.registers.write32(regs::AQ_CAPS_OFF, attributes);
    bench.expect("set up twice");
    bench.set_address(regs::ACQ_BASE_LO_OFF, memory + 64);
    bench.registers.write32(regs::ACQ_CAPS_OFF, attributes);
    bench.expect("overlaps the admin queue");
}

#[test]
fn readless_reads_are_answered_in_memory() {
    let bench = Bench::new(Configuration {
        reads: RegisterReads::Readless,
        ..Configuration::default()
    });
    let read = |request: u32, offset: usize| {
        bench
            .registers
            .write32(regs::MMIO_REG_READ_OFF, request | (offset as u32) << 16);
        [0, 4].map(|at| bench.memory.get32(RESPONSE + at, Ordering::Relaxed))
    };
    read(1, regs::VERSION_OFF);
    bench.expect("without an address for the answer");
    assert_eq!(bench.registers.read32(regs::VERSION_OFF), u32::MAX);
    bench.expect("readless reads only");
    bench.registers.write32(regs::MMIO_RESP_HI_OFF, 0);
    bench.expect("before the lower one");
    bench.set_address(regs::MMIO_RESP_LO_OFF, bench.memory.address(RESPONSE + 4));
    bench.expect("not aligned to 8 bytes");
    bench.set_address(regs::MMIO_RESP_LO_OFF, bench.memory.address(RESPONSE));
    let caps_at = (regs::CAPS_OFF as u32) << 16;
    assert_eq!(read(7, regs::CAPS_OFF), [caps_at | 7, 1 | 30 << 1 | 48 << 8 | 10 << 16]);

    bench.device.inject(Defect::MuteRegisters);
    assert_eq!(read(8, regs::VERSION_OFF)[0], caps_at | 7, "as it was");
    bench.device.heal(Defect::MuteRegisters);
    bench.device.inject(Defect::WrongRegister);
    assert_eq!(read(9, regs::CAPS_OFF)[0], 0xc << 16 | 9);
    bench.device.assert_obeyed();
    read(9, regs::AQ_DB_OFF);
    bench.expect("no register that can be read");
    // A reset takes the address away.
    bench.registers.write32(regs::DEV_CTL_OFF, 1);
    read(10, regs::VERSION_OFF);
    bench.expect("without an address for the answer");

    let bench = Bench::new(Configuration {
        reads: RegisterReads::Loads,
        ..Configuration::default()
    });
    bench.registers.write32(regs::MMIO_REG_READ_OFF, 1);
    bench.expect("of a device that has none");
}

#[test]
fn resets_get_stuck_and_devices_fail_as_they_are_told() {
    let look = |bench: &Bench| (0..1000).fold(0, |_, _| bench.status());
    let bench = Bench::new(Configuration::default());
    bench.device.inject(Defect::NeverReady);
    assert_eq!(look(&bench), 0);
    bench.registers.write32(regs::DEV_CTL_OFF, 1);
    bench.expect("a reset of a device that is not ready");

    let bench = Bench::new(Configuration::default());
    bench.device.inject(Defect::ResetNeverBegins);
    bench.registers.write32(regs::DEV_CTL_OFF, 1);
    assert_eq!(look(&bench), regs::DEV_STS_READY_MASK);

    let mut bench = Bench::new(Configuration::default());
    bench.device.inject(Defect::ResetNeverEnds);
    bench.registers.write32(regs::DEV_CTL_OFF, 1);
    assert_eq!(look(&bench), regs::DEV_STS_RESET_IN_PROGRESS_MASK);
    bench.registers.write32(regs::DEV_CTL_OFF, 0);
    assert_eq!(look(&bench), regs::DEV_STS_RESET_IN_PROGRESS_MASK);
    bench.device.heal(Defect::ResetNeverEnds);
    look(&bench);
    bench.set_up_admin();
    bench.get(admin::DEVICE_ATTRIBUTES, 0);

    bench.device.fail();
    assert_ne!(bench.status() & regs::DEV_STS_FATAL_ERROR_MASK, 0);
    bench.submit(&[u32::from(admin::GET_STATS) << 16]);
    bench.ring();
    assert_eq!(bench.completion(), None, "it does nothing any more");
    bench.reset(13);
    assert_eq!(bench.status() & regs::DEV_STS_FATAL_ERROR_MASK, 0);
    bench.device.assert_obeyed();
}
