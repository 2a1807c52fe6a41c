use super::bench::{Bench, COUNTERS, Fields, IRQ_DOORBELLS, SCRATCH};
use crate::dma::reach;
use crate::gve::model::defs::admin;
use crate::gve::model::{Configuration, Format};
use crate::mem::PAGE_SIZE;

#[test]
fn the_device_gives_doorbells_to_notification_blocks() {
    let bench = Bench::ready(Format::GqiQpl, Configuration::default());
    let doorbells = [0, 1].map(|block| bench.interrupt_doorbell(block));
    assert!(
        doorbells[0] != 0 && doorbells[0].abs_diff(doorbells[1]) > 4,
        "{doorbells:?}"
    );
    assert_eq!(bench.device.format(), Some(Format::GqiQpl));

    // A device from before the options.
    let mut bench = Bench::ready(
        Format::GqiQpl,
        Configuration {
            formats: alloc::vec![],
            ..Configuration::default()
        },
    );
    let fields = bench.configuring(Format::GqiQpl);
    assert_eq!(
        bench.command(admin::DECONFIGURE_DEVICE_RESOURCES, &Fields::default()),
        admin::PASSED
    );
    assert_eq!(bench.command(admin::CONFIGURE_DEVICE_RESOURCES, &fields), admin::PASSED);
    bench.device.assert_obeyed();
}

#[test]
fn the_device_is_configured_as_it_must_be() {
    let mut bench = Bench::with_admin(Configuration::default());
    let right = bench.configuring(Format::GqiQpl);
    assert_eq!(
        bench.command(admin::CONFIGURE_DEVICE_RESOURCES, &right),
        admin::ERROR_INVALID_ARGUMENT
    );
    bench.expect("before DESCRIBE_DEVICE");
    bench.describe();
    let counters = bench.memory.address(COUNTERS).to_be_bytes();
    let wrong = [
        (
            right.with(0, &[0; 8]),
            "counter_array at 0x0, 64 bytes, lies in memory that nobody owns",
        ),
        (right.with(7, &[16]), "counter_array at"),
        (right.with(8, &counters), "counter_array and irq_db_addr overlap"),
        (right.with(15, &[64]), "irq_db_addr at"),
        (right.with(19, &[15]), "15 counters; the device descriptor says 16"),
        (
            right.with(23, &[0]),
            "0 notification blocks of a device with 3 messages",
        ),
        (
            right.with(23, &[3]),
            "3 notification blocks of a device with 3 messages",
        ),
        (right.with(27, &[0]), "irq_db_stride 0"),
        (right.with(27, &[66]), "irq_db_stride 66"),
        (right.with(31, &[2]), "ntfy_blk_msix_base_idx 2"),
        (
            right.with(32, &[0]),
            "queue format 0, and the device's options offer [GqiQpl]",
        ),
        (right.with(32, &[3]), "queue format 3, and"),
        (right.with(32, &[9]), "queue format 9, and"),
        (right.with(39, &[1]), "padding that is not zero"),
    ];
    for (fields, what) in wrong {
        let status = bench.command(admin::CONFIGURE_DEVICE_RESOURCES, &fields);
        assert_eq!(status, admin::ERROR_INVALID_ARGUMENT, "{what}");
        bench.expect(what);
    }
    assert_eq!(bench.command(admin::CONFIGURE_DEVICE_RESOURCES, &right), admin::PASSED);
    assert_eq!(
        bench.command(admin::CONFIGURE_DEVICE_RESOURCES, &right),
        admin::ERROR_ALREADY_EXISTS
    );
    bench.expect("resources are configured already");
    let doorbell = bench.interrupt_doorbell(0);
    bench.doorbells.write16(doorbell, 0);
    bench.expect("whose doorbells have 4");
    bench.doorbells.write32(doorbell + 4, 0);
    bench.expect("where no doorbell lies");
}

#[test]
fn the_device_holds_drivers_to_what_they_said_they_know() {
    let mut bench = Bench::with_admin(Configuration {
        formats: alloc::vec![Format::GqiQpl, Format::DqoRda],
        ..Configuration::default()
    });
    bench.describe();
    let mut info = alloc::vec![0; 304];
    (info[0], info[23]) = (1, 1 << admin::CAPABILITY_GQI_QPL);
    reach::write(bench.memory.address(SCRATCH), &info);
    let fields = Fields::default().long(304).long(bench.memory.address(SCRATCH));
    assert_eq!(
        bench.command(admin::VERIFY_DRIVER_COMPATIBILITY, &fields),
        admin::PASSED
    );
    let fields = bench.configuring(Format::DqoRda);
    assert_eq!(
        bench.command(admin::CONFIGURE_DEVICE_RESOURCES, &fields),
        admin::ERROR_INVALID_ARGUMENT
    );
    bench.expect("queue format 3, which driver_capability_flags did not name");
    let fields = bench.configuring(Format::GqiQpl);
    assert_eq!(bench.command(admin::CONFIGURE_DEVICE_RESOURCES, &fields), admin::PASSED);
}

#[test]
fn the_device_is_deconfigured_at_last() {
    let mut bench = Bench::with_admin(Configuration::default());
    let none = Fields::default();
    assert_eq!(
        bench.command(admin::DECONFIGURE_DEVICE_RESOURCES, &none),
        admin::ERROR_FAILED_PRECONDITION
    );
    bench.expect("nothing is configured");
    let mut bench = Bench::ready(Format::GqiQpl, Configuration::default());
    bench.register(7, 2);
    bench.command(admin::DECONFIGURE_DEVICE_RESOURCES, &none);
    bench.expect("there are page lists");
    bench.command(admin::UNREGISTER_PAGE_LIST, &Fields::default().word(7));
    let statistics = Fields::default().long(64).long(bench.memory.address(SCRATCH)).long(1);
    bench.command(admin::REPORT_STATS, &statistics);
    bench.command(admin::DECONFIGURE_DEVICE_RESOURCES, &none);
    bench.expect("statistics are not detached");

    let mut bench = Bench::ready(Format::GqiRda, Configuration::of(Format::GqiRda));
    bench.transmitter(Format::GqiRda);
    bench.command(admin::DECONFIGURE_DEVICE_RESOURCES, &none);
    bench.expect("there are queues");
    bench.command(admin::DESTROY_TX_QUEUE, &Fields::default().word(0));
    assert_eq!(bench.command(admin::DECONFIGURE_DEVICE_RESOURCES, &none), admin::PASSED);
    bench.device.assert_obeyed();
}

#[test]
fn the_device_has_page_lists_that_are_registered_as_they_must_be() {
    let mut bench = Bench::ready(
        Format::GqiQpl,
        Configuration {
            max_pages: 6,
            ..Configuration::default()
        },
    );
    bench.register(3, 4);
    assert_eq!(bench.device.registered_pages(), 4);
    let right = bench.registering(4, 2);
    let twice = bench.registering(3, 2);
    assert_eq!(
        bench.command(admin::REGISTER_PAGE_LIST, &twice),
        admin::ERROR_ALREADY_EXISTS
    );
    bench.expect("page list 3 is registered already");
    let many = bench.registering(4, 3);
    assert_eq!(
        bench.command(admin::REGISTER_PAGE_LIST, &many),
        admin::ERROR_RESOURCE_EXHAUSTED
    );
    bench.expect("3 pages beside 4; max_registered_pages is 6");
    let wrong = [
        (right.with(0, &[0xff; 4]), "the number for raw addressing"),
        (right.with(7, &[0]), "no pages"),
        (right.with(22, &[0x20]), "pages of 8192 bytes, not 4096"),
        (right.with(8, &[0; 8]), "the list of addresses at 0x0"),
        // The scratch page still has the first list.
        (right.with(0, &[0; 4]), "overlaps a page of page list 3"),
    ];
    for (fields, what) in wrong {
        assert_eq!(
            bench.command(admin::REGISTER_PAGE_LIST, &fields),
            admin::ERROR_INVALID_ARGUMENT
        );
        bench.expect(what);
    }
    let lists = [
        ([bench.memory.address(SCRATCH) + 64, 0], "page 0 of list 4 at"),
        ([0, 0], "nobody owns"),
        ([bench.memory.address(COUNTERS), 0], "overlaps the event counters"),
        (
            [bench.memory.address(IRQ_DOORBELLS), 0],
            "overlaps the interrupts' doorbells",
        ),
    ];
    for (list, what) in lists {
        let bytes = list.iter().fold(Fields::default(), |fields, &page| fields.long(page)).0;
        reach::write(bench.memory.address(SCRATCH), &bytes);
        assert_eq!(
            bench.command(admin::REGISTER_PAGE_LIST, &right),
            admin::ERROR_INVALID_ARGUMENT
        );
        bench.expect(what);
    }
    let page = crate::dma::Shared::allocate(PAGE_SIZE).expect("memory").address(0);
    let bytes = Fields::default().long(page).long(page).0;
    reach::write(bench.memory.address(SCRATCH), &bytes);
    bench.command(admin::REGISTER_PAGE_LIST, &right);
    bench.expect("page 1 of list 4 is there twice");
    let status = bench.command(admin::UNREGISTER_PAGE_LIST, &Fields::default().word(4));
    assert_eq!(status, admin::ERROR_NOT_FOUND);
    bench.expect("there is no page list 4");
    // Drivers from before the field for the size.
    let old = bench.registering(4, 1).with(16, &[0; 8]);
    assert_eq!(bench.command(admin::REGISTER_PAGE_LIST, &old), admin::PASSED);
    bench.device.assert_obeyed();

    let mut bench = Bench::ready(Format::DqoRda, Configuration::of(Format::DqoRda));
    let fields = bench.registering(1, 1);
    assert_eq!(
        bench.command(admin::REGISTER_PAGE_LIST, &fields),
        admin::ERROR_FAILED_PRECONDITION
    );
    bench.expect("no format with page lists");
}
