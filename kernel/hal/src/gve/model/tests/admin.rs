use super::bench::{Bench, Fields, SCRATCH};
use crate::dma::reach;
use crate::gve::model::defs::{admin, registers};
use crate::gve::model::{AdminFault, Configuration, Defect};

fn link_speed(bench: &Bench) -> Fields {
    Fields::default().long(bench.memory.address(SCRATCH))
}

#[test]
fn the_device_carries_commands_out_over_many_rounds() {
    let mut bench = Bench::with_admin(Configuration::default());
    let fields = link_speed(&bench);
    for _ in 0..200 {
        assert_eq!(bench.command(admin::REPORT_LINK_SPEED, &fields), admin::PASSED);
    }
    // As many at a time as there is room for.
    for _ in 0..64 {
        bench.submit(admin::REPORT_LINK_SPEED, &fields);
    }
    bench.ring();
    assert_eq!(bench.executed(), 264);
    // Nothing new is no mistake.
    bench.ring();
    bench.device.assert_obeyed();
}

#[test]
fn the_device_has_an_admin_queue_that_is_used_as_it_must_be() {
    let mut bench = Bench::with_admin(Configuration::default());
    let fields = link_speed(&bench);
    bench.command(admin::REPORT_LINK_SPEED, &fields);
    for told in [0, 66, 0x100] {
        bench.store(registers::ADMINQ_DOORBELL, told);
        bench.expect(&alloc::format!("the admin doorbell says {told}; 1 was the last"));
    }
    // Little endian.
    bench.registers.write32(registers::ADMINQ_DOORBELL, 2);
    bench.expect("the admin doorbell says 33554432");

    bench.submit(admin::REPORT_LINK_SPEED, &fields);
    reach::write(bench.command_address(1) + 4, &1_u32.to_be_bytes());
    bench.ring();
    bench.expect("comes with status 0x1");
    let longer = link_speed(&bench).word(0).word(1);
    assert_eq!(bench.command(admin::REPORT_LINK_SPEED, &longer), admin::PASSED);
    bench.expect("has 8 bytes of parameters, and others follow");
    for opcode in [0, 0x13, 0x101] {
        assert_eq!(bench.command(opcode, &Fields::default()), admin::ERROR_INVALID_ARGUMENT);
        bench.expect("which gve_adminq.h does not name");
    }
    for opcode in [admin::CONFIGURE_RSS, admin::QUERY_RSS, admin::EXTENDED_COMMAND] {
        assert_eq!(bench.command(opcode, &Fields::default()), admin::ERROR_UNIMPLEMENTED);
    }
    bench.device.assert_obeyed();
}

#[test]
fn the_device_fails_commands_as_it_is_told() {
    let mut bench = Bench::with_admin(Configuration {
        unimplemented: alloc::vec![admin::REPORT_STATS],
        ..Configuration::default()
    });
    let fields = link_speed(&bench);
    assert_eq!(
        bench.command(admin::REPORT_STATS, &Fields::default()),
        admin::ERROR_UNIMPLEMENTED
    );
    for status in [0, admin::ERROR_RESOURCE_EXHAUSTED, 0xffff_ffff] {
        bench
            .device
            .fail_command(admin::REPORT_LINK_SPEED, AdminFault::Status(status));
        assert_eq!(bench.command(admin::REPORT_LINK_SPEED, &fields), status);
        assert_eq!(bench.scratch(8), [0; 8], "nothing was carried out");
    }
    bench.device.fail_command(admin::REPORT_LINK_SPEED, AdminFault::Late);
    let before = bench.executed();
    bench.submit(admin::REPORT_LINK_SPEED, &fields);
    bench.submit(admin::REPORT_LINK_SPEED, &fields);
    bench.ring();
    assert_eq!((bench.executed(), bench.command_status(before)), (before, 0));
    bench.device.release_commands();
    assert_eq!(bench.executed(), before + 2);
    assert_eq!((bench.command_status(before), bench.command_status(before + 1)), (1, 1));

    bench.device.fail_command(admin::REPORT_LINK_SPEED, AdminFault::Never);
    bench.submit(admin::REPORT_LINK_SPEED, &fields);
    bench.ring();
    bench.device.release_commands();
    assert_eq!(bench.executed(), before + 2);
    bench.device.assert_obeyed();
    // The place is not free.
    for _ in 0..64 {
        bench.submit(admin::REPORT_LINK_SPEED, &fields);
    }
    bench.ring();
    bench.expect("commands of a queue of 64 were carried out");

    let mut bench = Bench::with_admin(Configuration::default());
    bench.device.inject(Defect::Hung);
    bench.submit(admin::REPORT_LINK_SPEED, &fields);
    bench.ring();
    assert_eq!(bench.executed(), 0);
}
