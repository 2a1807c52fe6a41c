//! A driver's part, access by access.

use alloc::vec::Vec;

use crate::bus::Registers;
use crate::dma::{Shared, reach};
use crate::gve::model::defs::{admin, dqo, gqi, registers};
use crate::gve::model::fields::be32;
use crate::gve::model::{Configuration, Format, Gve};
use crate::mem::PAGE_SIZE;

/// Where what lies in the memory.
pub(super) const AQ: usize = 0;
pub(super) const SCRATCH: usize = 0x1000;
pub(super) const COUNTERS: usize = 0x2000;
pub(super) const IRQ_DOORBELLS: usize = 0x3000;
/// Bytes between the doorbells' indices.
pub(super) const STRIDE: usize = 64;
/// Notification blocks; the message behind theirs is the management's.
pub(super) const BLOCKS: u32 = 2;

pub(super) const RUN: u32 = registers::DRIVER_STATUS_RUN;

/// Integers of commands, all big endian.
#[derive(Default)]
pub(super) struct Fields(pub(super) Vec<u8>);

impl Fields {
    pub(super) fn half(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn word(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn long(mut self, value: u64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// As it is, with other bytes at a place.
    pub(super) fn with(&self, at: usize, bytes: &[u8]) -> Self {
        let mut other = self.0.clone();
        other[at..at + bytes.len()].copy_from_slice(bytes);
        Self(other)
    }
}

pub(super) struct Bench {
    pub(super) device: Gve,
    pub(super) registers: Registers,
    pub(super) doorbells: Registers,
    pub(super) memory: Shared,
    pub(super) told: u32,
}

impl Bench {
    /// A device that was just powered on.
    pub(super) fn new(configuration: Configuration) -> Self {
        let device = Gve::new(configuration);
        Self {
            registers: device.registers(),
            doorbells: device.doorbells(),
            device,
            memory: Shared::allocate(0x4000).expect("memory"),
            told: 0,
        }
    }

    /// A device with an admin queue.
    pub(super) fn with_admin(configuration: Configuration) -> Self {
        let mut bench = Self::new(configuration);
        bench.set_up_admin();
        bench
    }

    /// A device that was asked what it is, and given what all queues share.
    pub(super) fn ready(format: Format, configuration: Configuration) -> Self {
        let mut bench = Self::with_admin(configuration);
        assert_eq!(bench.describe(), admin::PASSED);
        let fields = bench.configuring(format);
        assert_eq!(bench.command(admin::CONFIGURE_DEVICE_RESOURCES, &fields), admin::PASSED);
        bench.device.assert_obeyed();
        bench
    }

    /// The violations since the last call are these.
    #[track_caller]
    pub(super) fn expect(&self, what: &str) {
        let violations = self.device.take_violations();
        assert!(
            !violations.is_empty() && violations.iter().all(|violation| violation.contains(what)),
            "not {what:?} but {violations:#?}"
        );
    }

    pub(super) fn load(&self, register: usize) -> u32 {
        u32::from_be(self.registers.read32(register))
    }

    pub(super) fn store(&self, register: usize, value: u32) {
        self.registers.write32(register, value.to_be());
    }

    pub(super) fn status(&self) -> u32 {
        self.load(registers::DEVICE_STATUS)
    }

    pub(super) fn set_up_admin(&mut self) {
        let address = self.memory.address(AQ);
        if self.device.revision() == 0 {
            self.store(registers::ADMINQ_PFN, (address / PAGE_SIZE as u64) as u32);
        } else {
            self.registers
                .write16(registers::ADMINQ_LENGTH, (PAGE_SIZE as u16).to_be());
            self.store(registers::ADMINQ_BASE_ADDRESS_HI, (address >> 32) as u32);
            self.store(registers::ADMINQ_BASE_ADDRESS_LO, address as u32);
            self.store(registers::DRIVER_STATUS, RUN);
        }
        self.told = 0;
    }

    /// Resets the device as its revision is reset, and waits for it.
    pub(super) fn reset(&mut self) {
        if self.device.revision() == 0 {
            self.store(registers::ADMINQ_PFN, 0);
            while self.load(registers::ADMINQ_PFN) != 0 {}
        } else {
            self.store(registers::DRIVER_STATUS, registers::DRIVER_STATUS_RESET);
            while self.status() & registers::DEVICE_STATUS_DEVICE_IS_RESET == 0 {}
        }
    }

    /// Writes a command, without the doorbell.
    pub(super) fn submit(&mut self, opcode: u32, fields: &Fields) {
        let mut command = Fields::default().word(opcode).word(0).0;
        command.extend(&fields.0);
        command.resize(admin::COMMAND_SIZE, 0);
        reach::write(self.command_address(self.told), &command);
        self.told += 1;
    }

    pub(super) fn command_address(&self, position: u32) -> u64 {
        let index = position as usize % (PAGE_SIZE / admin::COMMAND_SIZE);
        self.memory.address(AQ + index * admin::COMMAND_SIZE)
    }

    pub(super) fn command_status(&self, position: u32) -> u32 {
        let mut bytes = [0; 8];
        reach::read(self.command_address(position), &mut bytes);
        be32(&bytes, admin::STATUS)
    }

    pub(super) fn executed(&self) -> u32 {
        self.load(registers::ADMINQ_EVENT_COUNTER)
    }

    pub(super) fn ring(&self) {
        self.store(registers::ADMINQ_DOORBELL, self.told);
    }

    /// Carries a command out; its status.
    #[track_caller]
    pub(super) fn command(&mut self, opcode: u32, fields: &Fields) -> u32 {
        self.submit(opcode, fields);
        self.ring();
        assert_eq!(self.executed(), self.told, "{:?}", self.device.violations());
        self.command_status(self.told - 1)
    }

    pub(super) fn describe(&mut self) -> u32 {
        let fields = Fields::default()
            .long(self.memory.address(SCRATCH))
            .word(1)
            .word(PAGE_SIZE as u32);
        self.command(admin::DESCRIBE_DEVICE, &fields)
    }

    /// The first bytes of the scratch page.
    pub(super) fn scratch(&self, length: usize) -> Vec<u8> {
        let mut bytes = alloc::vec![0; length];
        reach::read(self.memory.address(SCRATCH), &mut bytes);
        bytes
    }

    /// What `CONFIGURE_DEVICE_RESOURCES` takes.
    pub(super) fn configuring(&self, format: Format) -> Fields {
        Fields::default()
            .long(self.memory.address(COUNTERS))
            .long(self.memory.address(IRQ_DOORBELLS))
            .word(16)
            .word(BLOCKS)
            .word(STRIDE as u32)
            .word(0)
            .word((format as u32) << 24)
            .word(0)
    }

    /// Registers a list of new pages.
    pub(super) fn register(&mut self, number: u32, count: usize) -> Shared {
        let pages = Shared::allocate(count * PAGE_SIZE).expect("memory");
        let list = (0..count).fold(Fields::default(), |list, index| {
            // Not in their order.
            list.long(pages.address((count - 1 - index) * PAGE_SIZE))
        });
        reach::write(self.memory.address(SCRATCH), &list.0);
        let fields = self.registering(number, count as u32);
        assert_eq!(self.command(admin::REGISTER_PAGE_LIST, &fields), admin::PASSED);
        pages
    }

    pub(super) fn registering(&self, number: u32, count: u32) -> Fields {
        let fields = Fields::default().word(number).word(count);
        fields.long(self.memory.address(SCRATCH)).long(PAGE_SIZE as u64)
    }

    /// Creates a queue of each direction with a small page list, where the format has them.
    pub(super) fn transmitter(&mut self, format: Format) -> Queue {
        self.queue(format, true)
    }

    pub(super) fn receiver(&mut self, format: Format) -> Queue {
        self.queue(format, false)
    }

    fn queue(&mut self, format: Format, is_tx: bool) -> Queue {
        let number = u32::from(!is_tx);
        let pages = format.has_page_lists().then(|| self.register(number, 4));
        let list = pages.as_ref().map_or(admin::RAW_ADDRESSING_QPL_ID, |_| number);
        let mut queue = Queue::allocate(self.doorbells, pages);
        let (opcode, fields) = if is_tx {
            (admin::CREATE_TX_QUEUE, creating_tx(&queue, format, list))
        } else {
            (admin::CREATE_RX_QUEUE, creating_rx(&queue, format, list))
        };
        assert_eq!(
            self.command(opcode, &fields),
            admin::PASSED,
            "{:?}",
            self.device.violations()
        );
        queue.learn();
        queue
    }

    /// The doorbell of a notification block.
    pub(super) fn interrupt_doorbell(&self, block: usize) -> usize {
        let mut bytes = [0; 4];
        reach::read(self.memory.address(IRQ_DOORBELLS + block * STRIDE), &mut bytes);
        be32(&bytes, 0) as usize * 4
    }

    pub(super) fn counter(&self, counter: usize) -> u32 {
        let mut bytes = [0; 4];
        reach::read(self.memory.address(COUNTERS + counter * 4), &mut bytes);
        be32(&bytes, 0)
    }
}

/// Entries of rings by default.
pub(super) const TX_ENTRIES: u16 = 256;
pub(super) const RX_ENTRIES: u16 = 128;

/// TX queue 0 with notification block 0.
pub(super) fn creating_tx(queue: &Queue, format: Format, list: u32) -> Fields {
    let completions = if format.is_dqo() {
        (queue.second.address(0), TX_ENTRIES)
    } else {
        (0, 0)
    };
    Fields::default()
        .word(0)
        .word(0)
        .long(queue.resources.address(0))
        .long(queue.ring.address(0))
        .word(list)
        .word(0)
        .long(completions.0)
        .half(TX_ENTRIES)
        .half(completions.1)
        .word(0)
}

/// RX queue 0 with notification block 1.
pub(super) fn creating_rx(queue: &Queue, format: Format, list: u32) -> Fields {
    let buffers = if format.is_dqo() { RX_ENTRIES } else { 0 };
    Fields::default()
        .word(0)
        .word(0)
        .word(0)
        .word(1)
        .long(queue.resources.address(0))
        .long(queue.ring.address(0))
        .long(queue.second.address(0))
        .word(list)
        .half(RX_ENTRIES)
        .half(gqi::RX_BUFFER_SIZE as u16)
        .half(buffers)
        .half(0)
        .word(0)
}

/// A queue's memory.
pub(super) struct Queue {
    doorbells: Registers,
    pub(super) resources: Shared,
    pub(super) ring: Shared,
    pub(super) second: Shared,
    /// Those of its list, the last first.
    pub(super) pages: Option<Shared>,
    pub(super) doorbell: usize,
    pub(super) counter: usize,
    /// Entries written, and read.
    pub(super) tail: u32,
    pub(super) head: u32,
}

impl Queue {
    pub(super) fn allocate(doorbells: Registers, pages: Option<Shared>) -> Self {
        let memory = |length| Shared::allocate(length).expect("memory");
        Self {
            doorbells,
            resources: memory(admin::QUEUE_RESOURCES_SIZE),
            ring: memory(usize::from(RX_ENTRIES) * gqi::RX_DESC_SIZE),
            second: memory(usize::from(RX_ENTRIES) * dqo::RX_DESC_SIZE),
            pages,
            doorbell: 0,
            counter: 0,
            tail: 0,
            head: 0,
        }
    }

    /// Reads what the device wrote into the queue's resources.
    pub(super) fn learn(&mut self) {
        let mut bytes = [0; 8];
        reach::read(self.resources.address(0), &mut bytes);
        self.doorbell = be32(&bytes, 0) as usize * 4;
        self.counter = be32(&bytes, 4) as usize;
    }

    /// Where a byte of the page list lies.
    pub(super) fn place(&self, offset: usize) -> u64 {
        let page = 3 - offset / PAGE_SIZE;
        let pages = self.pages.as_ref().expect("a page list");
        pages.address(page * PAGE_SIZE + offset % PAGE_SIZE)
    }

    pub(super) fn ring_big(&self, value: u32) {
        self.doorbells.write32(self.doorbell, value.to_be());
    }

    pub(super) fn ring_little(&self, value: u32) {
        self.doorbells.write32(self.doorbell, value.to_le());
    }
}
