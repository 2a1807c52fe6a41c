//! A driver's part, access by access.

mod fields;
mod queue;

use alloc::vec::Vec;

use crate::bus::Registers;
use crate::dma::{Shared, reach};
use crate::gve::model::defs::{admin, registers};
use crate::gve::model::fields::be32;
use crate::gve::model::{Configuration, Format, Gve};
use crate::mem::PAGE_SIZE;

pub(super) use fields::Fields;
pub(super) use queue::{Queue, RX_ENTRIES, TX_ENTRIES, creating_rx, creating_tx};

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
    #[track_caller]
    pub(super) fn reset(&mut self) {
        if self.device.revision() == 0 {
            self.store(registers::ADMINQ_PFN, 0);
        } else {
            self.store(registers::DRIVER_STATUS, registers::DRIVER_STATUS_RESET);
        }
        self.wait_for_reset();
    }

    /// Looks until a reset is over, which takes a few looks.
    #[track_caller]
    pub(super) fn wait_for_reset(&self) {
        let is_over = |_| {
            let by_status = self.status() & registers::DEVICE_STATUS_DEVICE_IS_RESET != 0;
            self.load(registers::ADMINQ_PFN) == 0 && (by_status || self.device.revision() == 0)
        };
        assert!((0..10).any(is_over), "the reset comes to no end");
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
