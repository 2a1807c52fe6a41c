use super::bench::{Bench, COUNTERS, Fields, IRQ_DOORBELLS, Queue, creating_rx, creating_tx};
use crate::dma::reach;
use crate::gve::model::defs::admin;
use crate::gve::model::{Configuration, Defect, Format, RingSizes};

fn bytes(value: u64) -> [u8; 8] {
    value.to_be_bytes()
}

#[test]
fn the_device_creates_queues_and_says_where_they_are() {
    for format in Format::ALL {
        let mut bench = Bench::ready(format, Configuration::of(format));
        reach::write(bench.memory.address(COUNTERS), &[0xff; 64]);
        let tx = bench.transmitter(format);
        let rx = bench.receiver(format);
        assert_eq!([tx.counter, rx.counter].map(|counter| bench.counter(counter)), [0, 0]);
        assert_eq!(bench.device.queues(), (1, 1));
        let doorbells = [
            tx.doorbell,
            rx.doorbell,
            bench.interrupt_doorbell(0),
            bench.interrupt_doorbell(1),
        ];
        assert!(
            (1..4).all(|index| !doorbells[..index].contains(&doorbells[index])),
            "{doorbells:?}"
        );
        assert!(tx.counter != rx.counter && tx.counter < 16 && rx.counter < 16);
        assert_eq!(
            bench.command(admin::DESTROY_RX_QUEUE, &Fields::default().word(0)),
            admin::PASSED
        );
        assert_eq!(
            bench.command(admin::DESTROY_TX_QUEUE, &Fields::default().word(0)),
            admin::PASSED
        );
        if format.has_page_lists() {
            assert_eq!(
                bench.command(admin::UNREGISTER_PAGE_LIST, &Fields::default().word(0)),
                admin::PASSED
            );
        }
        assert_eq!(bench.device.queues(), (0, 0));
        bench.device.assert_obeyed();
        let status = bench.command(admin::DESTROY_TX_QUEUE, &Fields::default().word(0));
        assert_eq!(status, admin::ERROR_NOT_FOUND);
        bench.expect("DESTROY_TX_QUEUE: there is no queue 0");
        bench.command(admin::DESTROY_RX_QUEUE, &Fields::default().word(0));
        bench.expect("DESTROY_RX_QUEUE: there is no queue 0");
    }
}

#[test]
fn the_device_creates_queues_after_the_rest_and_once() {
    let mut bench = Bench::with_admin(Configuration::default());
    let queue = Queue::allocate(bench.doorbells, None);
    let fields = creating_tx(&queue, Format::GqiQpl, 0);
    assert_eq!(
        bench.command(admin::CREATE_TX_QUEUE, &fields),
        admin::ERROR_FAILED_PRECONDITION
    );
    bench.expect("CREATE_TX_QUEUE: before CONFIGURE_DEVICE_RESOURCES");
    let fields = creating_rx(&queue, Format::GqiQpl, 0);
    bench.command(admin::CREATE_RX_QUEUE, &fields);
    bench.expect("CREATE_RX_QUEUE: before CONFIGURE_DEVICE_RESOURCES");

    let mut bench = Bench::ready(Format::GqiRda, Configuration::of(Format::GqiRda));
    let queue = bench.transmitter(Format::GqiRda);
    let other = Queue::allocate(bench.doorbells, None);
    let list = admin::RAW_ADDRESSING_QPL_ID;
    let again = creating_tx(&other, Format::GqiRda, list);
    assert_eq!(
        bench.command(admin::CREATE_TX_QUEUE, &again),
        admin::ERROR_ALREADY_EXISTS
    );
    bench.expect("CREATE_TX_QUEUE: queue 0 exists already");
    let second = again.with(3, &[1]);
    assert_eq!(
        bench.command(admin::CREATE_TX_QUEUE, &second),
        admin::ERROR_INVALID_ARGUMENT
    );
    bench.expect("ntfy_id 0, which another queue has");
    let second = second.with(31, &[1]);
    let places = [
        (8, queue.resources.address(0), "overlaps the resources of TX queue 0"),
        (8, queue.ring.address(0), "overlaps the ring of TX queue 0"),
        (
            16,
            bench.memory.address(IRQ_DOORBELLS),
            "overlaps the interrupts' doorbells",
        ),
        (16, other.resources.address(0), "overlaps another place of the command"),
    ];
    for (at, address, what) in places {
        bench.command(admin::CREATE_TX_QUEUE, &second.with(at, &bytes(address)));
        bench.expect(what);
    }
    assert_eq!(bench.command(admin::CREATE_TX_QUEUE, &second), admin::PASSED);
    bench.device.assert_obeyed();
}

#[test]
fn the_device_creates_tx_queues_as_they_must_be() {
    let mut bench = Bench::ready(Format::GqiQpl, Configuration::default());
    bench.register(5, 2);
    let queue = Queue::allocate(bench.doorbells, None);
    let right = creating_tx(&queue, Format::GqiQpl, 5);
    let wrong = [
        (right.with(3, &[2]), "queue 2 of a device with 2"),
        (right.with(7, &[1]), "reserved bytes that are not zero"),
        (right.with(47, &[1]), "reserved bytes that are not zero"),
        (right.with(15, &[8]), "queue_resources_addr at"),
        (right.with(23, &[64]), "the address of the ring at"),
        (right.with(27, &[6]), "there is no page list 0x6"),
        (right.with(24, &[0xff; 4]), "there is no page list 0xffffffff"),
        (right.with(31, &[2]), "ntfy_id 2, and num_irq_dbs was 2"),
        (right.with(39, &[1]), "a ring of completions, which GQI does not have"),
        (right.with(43, &[1]), "a ring of completions, which GQI does not have"),
        (right.with(40, &[0, 0]), "0 entries, no power of two from 256 to 256"),
        (right.with(40, &[2, 0]), "512 entries"),
    ];
    for (fields, what) in wrong {
        assert_eq!(
            bench.command(admin::CREATE_TX_QUEUE, &fields),
            admin::ERROR_INVALID_ARGUMENT,
            "{what}"
        );
        bench.expect(what);
    }
    assert_eq!(bench.command(admin::CREATE_TX_QUEUE, &right), admin::PASSED);
    let status = bench.command(admin::UNREGISTER_PAGE_LIST, &Fields::default().word(5));
    assert_eq!(status, admin::ERROR_FAILED_PRECONDITION);
    bench.expect("a queue has page list 5");
    let other = Queue::allocate(bench.doorbells, None);
    let second = creating_rx(&other, Format::GqiQpl, 5);
    bench.command(admin::CREATE_RX_QUEUE, &second);
    bench.expect("another queue has page list 5");

    let mut bench = Bench::ready(Format::DqoRda, Configuration::of(Format::DqoRda));
    let right = creating_tx(&queue, Format::DqoRda, admin::RAW_ADDRESSING_QPL_ID);
    let wrong = [
        (right.with(24, &[0; 4]), "page list 0x0 with raw addressing"),
        (right.with(32, &[0; 8]), "the address of the second ring at 0x0"),
        (
            right.with(42, &[0, 128]),
            "tx_comp_ring_size 128, no power of two of at least tx_ring_size, 256",
        ),
        (right.with(42, &[1, 128]), "tx_comp_ring_size 384, no power of two"),
    ];
    for (fields, what) in wrong {
        assert_eq!(
            bench.command(admin::CREATE_TX_QUEUE, &fields),
            admin::ERROR_INVALID_ARGUMENT
        );
        bench.expect(what);
    }
}

#[test]
fn the_device_creates_rx_queues_as_they_must_be() {
    let mut bench = Bench::ready(Format::GqiQpl, Configuration::default());
    bench.register(5, 2);
    let queue = Queue::allocate(bench.doorbells, None);
    let right = creating_rx(&queue, Format::GqiQpl, 5);
    let wrong = [
        (right.with(7, &[1]), "index 1 of queue 0"),
        (right.with(11, &[1]), "reserved bytes that are not zero"),
        (right.with(51, &[1]), "reserved bytes that are not zero"),
        (right.with(55, &[1]), "reserved bytes that are not zero"),
        (
            right.with(46, &[0x10, 0]),
            "packet_buffer_size 4096; GQI has half pages",
        ),
        (right.with(49, &[128]), "rx_buff_ring_size or enable_rsc"),
        (right.with(50, &[1]), "rx_buff_ring_size or enable_rsc"),
        (right.with(53, &[64]), "header_buffer_size 64"),
        (right.with(45, &[64]), "64 entries, no power of two from 128 to 128"),
    ];
    for (fields, what) in wrong {
        assert_eq!(
            bench.command(admin::CREATE_RX_QUEUE, &fields),
            admin::ERROR_INVALID_ARGUMENT,
            "{what}"
        );
        bench.expect(what);
    }
    assert_eq!(bench.command(admin::CREATE_RX_QUEUE, &right), admin::PASSED);
    bench.device.assert_obeyed();

    let mut bench = Bench::ready(Format::DqoRda, Configuration::of(Format::DqoRda));
    let right = creating_rx(&queue, Format::DqoRda, admin::RAW_ADDRESSING_QPL_ID);
    let wrong = [
        (right.with(7, &[1]), "index 1 of queue 0"),
        (
            right.with(46, &[0x10, 0]),
            "packet_buffer_size 4096, no power of two from 2048 to 2048",
        ),
        (right.with(46, &[0, 0]), "packet_buffer_size 0, no"),
        (right.with(49, &[64]), "rx_buff_ring_size 64, and rx_ring_size 128"),
        (right.with(50, &[2]), "enable_rsc 2"),
    ];
    for (fields, what) in wrong {
        assert_eq!(
            bench.command(admin::CREATE_RX_QUEUE, &fields),
            admin::ERROR_INVALID_ARGUMENT,
            "{what}"
        );
        bench.expect(what);
    }
}

#[test]
fn the_device_gives_a_choice_where_an_option_does() {
    let mut bench = Bench::ready(
        Format::DqoRda,
        Configuration {
            ring_sizes: Some(RingSizes {
                tx: (64, 256),
                rx: (32, 128),
            }),
            buffer_size: Some(4096),
            ..Configuration::of(Format::DqoRda)
        },
    );
    let queue = Queue::allocate(bench.doorbells, None);
    let right = creating_rx(&queue, Format::DqoRda, admin::RAW_ADDRESSING_QPL_ID);
    let sizes = |fields: Fields, entries: u8| fields.with(45, &[entries]).with(49, &[entries]);
    bench.command(admin::CREATE_RX_QUEUE, &sizes(right.with(0, &[]), 16));
    bench.expect("16 entries, no power of two from 32 to 128");
    bench.command(admin::CREATE_RX_QUEUE, &sizes(right.with(0, &[]), 96));
    bench.expect("96 entries, no power of two");
    let fields = sizes(right.with(46, &[0x10, 0]), 32);
    assert_eq!(bench.command(admin::CREATE_RX_QUEUE, &fields), admin::PASSED);
    bench.device.assert_obeyed();
}

#[test]
fn the_device_has_no_more_queues_than_counters() {
    let mut bench = Bench::with_admin(Configuration {
        counters: 1,
        ..Configuration::of(Format::GqiRda)
    });
    bench.describe();
    let fields = bench.configuring(Format::GqiRda).with(19, &[1]);
    assert_eq!(bench.command(admin::CONFIGURE_DEVICE_RESOURCES, &fields), admin::PASSED);
    bench.transmitter(Format::GqiRda);
    let queue = Queue::allocate(bench.doorbells, None);
    let fields = creating_rx(&queue, Format::GqiRda, admin::RAW_ADDRESSING_QPL_ID);
    assert_eq!(
        bench.command(admin::CREATE_RX_QUEUE, &fields),
        admin::ERROR_RESOURCE_EXHAUSTED
    );
}

#[test]
fn the_device_points_outside_as_it_is_told() {
    let mut bench = Bench::ready(Format::GqiRda, Configuration::of(Format::GqiRda));
    bench.device.inject(Defect::WildDoorbells);
    let queue = bench.transmitter(Format::GqiRda);
    assert!(queue.doorbell >= 0x1000 && queue.counter < 16);
    bench.device.heal(Defect::WildDoorbells);
    bench.device.inject(Defect::WildCounters);
    let queue = bench.receiver(Format::GqiRda);
    assert!(queue.doorbell < 0x1000 && queue.counter >= 16);
    bench.device.assert_obeyed();
}
