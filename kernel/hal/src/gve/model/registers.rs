//! The registers of BAR 0, and the reset.

use alloc::string::String;

use super::admin::{AdminQueue, Way};
use super::defs::{admin, registers};
use super::faults::Defect;
use super::state::State;
use crate::dma::reach::Reach;
use crate::mem::PAGE_SIZE;

/// Bytes of BAR 0.
pub(super) const LENGTH: usize = 0x1000;
/// More than any driver's version has.
const MOST_VERSION: usize = 128;

#[derive(Default)]
pub(super) struct Registers {
    /// How many more looks a reset takes, while there is one, and how it was asked for.
    reset: Option<(u32, Way)>,
    /// Whether the device has been reset, and not used since.
    is_reset: bool,
    /// What the device asks for, as bits of its status.
    pub(super) wishes: u32,
    /// Whether the device has reset itself, which the driver cannot know at once.
    pub(super) is_lost: bool,
    driver_status: u32,
    base_high: Option<u32>,
    base_low: Option<u32>,
    length: Option<u16>,
    /// What was written of a version, and the last whole one.
    version: String,
    pub(super) whole_version: Option<String>,
}

impl State {
    /// A load of a register of BAR 0.
    pub(super) fn load(&mut self, offset: usize, size: usize) -> u32 {
        if !self.demand(
            size == 4,
            format_args!("a load of {size} bytes at {offset:#x} of BAR 0, whose registers have 4"),
        ) {
            return u32::MAX;
        }
        // Registers are big endian.
        self.value(offset).to_be()
    }

    fn value(&mut self, offset: usize) -> u32 {
        match offset {
            registers::DEVICE_STATUS => {
                self.look(Way::Address);
                self.status()
            }
            registers::DRIVER_STATUS => self.registers.driver_status,
            registers::MAX_TX_QUEUES | registers::MAX_RX_QUEUES => self.configuration.queues,
            registers::ADMINQ_PFN => {
                self.look(Way::Pfn);
                self.page_frame_number()
            }
            registers::ADMINQ_EVENT_COUNTER => self.admin.as_ref().map_or(0, |queue| queue.executed),
            _ => {
                self.violate(format_args!(
                    "a load at {offset:#x} of BAR 0, which is no register that can be read"
                ));
                u32::MAX
            }
        }
    }

    fn status(&self) -> u32 {
        let has_bit = self.registers.is_reset && self.configuration.revision > 0;
        let bit = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
        self.registers.wishes
            | bit(self.has_link, registers::DEVICE_STATUS_LINK_STATUS)
            | bit(has_bit, registers::DEVICE_STATUS_DEVICE_IS_RESET)
    }

    fn page_frame_number(&self) -> u32 {
        match (&self.admin, self.registers.reset) {
            (_, Some((_, Way::Pfn))) => 1,
            (Some(queue), None) if queue.way == Way::Pfn => (queue.address / PAGE_SIZE as u64) as u32,
            _ => 0,
        }
    }

    /// The driver looks whether a reset is over, at the register that says it.
    fn look(&mut self, way: Way) {
        let Some((looks, asked)) = self.registers.reset.filter(|reset| reset.1 == way) else {
            return;
        };
        if looks > 0 {
            self.registers.reset = Some((looks - 1, asked));
        } else if !self.faults.has(Defect::ResetNeverEnds) {
            self.registers.reset = None;
            self.registers.is_reset = true;
            self.release();
        }
    }

    /// A store to a register of BAR 0, in the processor's order of bytes.
    pub(super) fn store_register(&mut self, offset: usize, size: usize, value: u64) {
        if (offset, size) == (registers::DRIVER_VERSION, 1) {
            self.store_version(value as u8);
            return;
        }
        let is_going = self.registers.reset.is_some();
        let what = format_args!("a store at {offset:#x} of BAR 0 before the reset is over");
        if !self.demand(!is_going, what) {
            return;
        }
        let word = (value as u32).to_be();
        match (offset, size) {
            (registers::ADMINQ_PFN, 4) => self.store_page_frame_number(word),
            (registers::ADMINQ_DOORBELL, 4) => self.ring_admin(word),
            (registers::DRIVER_STATUS, 4) => self.store_driver_status(word),
            (registers::ADMINQ_BASE_ADDRESS_HI, 4) if self.has_address() => self.registers.base_high = Some(word),
            (registers::ADMINQ_BASE_ADDRESS_LO, 4) if self.has_address() => self.registers.base_low = Some(word),
            (registers::ADMINQ_LENGTH, 2) if self.has_address() => {
                self.registers.length = Some((value as u16).to_be());
            }
            (registers::ADMINQ_BASE_ADDRESS_HI | registers::ADMINQ_BASE_ADDRESS_LO | registers::ADMINQ_LENGTH, _)
                if !self.has_address() =>
            {
                self.violate(format_args!(
                    "a store at {offset:#x} of BAR 0, and revision 0 has no register there"
                ));
            }
            _ => self.violate(format_args!(
                "a store of {size} bytes at {offset:#x} of BAR 0, which is no register of that size that can be written"
            )),
        }
    }

    fn has_address(&self) -> bool {
        self.configuration.revision > 0
    }

    fn store_version(&mut self, byte: u8) {
        let length = self.registers.version.len();
        let is_right = self.demand(
            byte == b'\n' || (b' '..=b'~').contains(&byte),
            format_args!("byte {byte:#x} for the driver's version, which is a text that ends with a line feed"),
        ) & self.demand(length < MOST_VERSION, "a driver's version without end");
        if byte == b'\n' {
            self.registers.whole_version = Some(core::mem::take(&mut self.registers.version));
        } else if is_right {
            self.registers.version.push(byte.into());
        }
    }

    fn store_page_frame_number(&mut self, number: u32) {
        if number == 0 {
            let way = self.admin.as_ref().map(|queue| queue.way);
            match way {
                Some(Way::Pfn) => self.begin_reset(Way::Pfn),
                Some(Way::Address) => self.violate(
                    "a reset by adminq_pfn of a device whose admin queue came by its address: that \
                     is reset by driver_status",
                ),
                // Known from the hardware: it is reset once more, seconds later.
                None if !self.registers.is_lost => {
                    self.violate("a reset by adminq_pfn of a device without admin queue, which is reset already");
                }
                None => {}
            }
            return;
        }
        let queue = AdminQueue::new(
            u64::from(number) * PAGE_SIZE as u64,
            PAGE_SIZE / admin::COMMAND_SIZE,
            Way::Pfn,
        );
        self.set_admin_queue(queue);
    }

    fn store_driver_status(&mut self, value: u32) {
        let known = registers::DRIVER_STATUS_RUN | registers::DRIVER_STATUS_RESET;
        if !self.demand(
            value & !known == 0 && value != known,
            format_args!("driver status {value:#x}; there are RUN and RESET"),
        ) {
            return;
        }
        self.registers.driver_status = value;
        if self.configuration.revision == 0 {
            self.demand(
                value != registers::DRIVER_STATUS_RESET,
                "driver status RESET of revision 0, which is reset by adminq_pfn",
            );
        } else if value == registers::DRIVER_STATUS_RESET {
            self.begin_reset(Way::Address);
        } else if value == registers::DRIVER_STATUS_RUN {
            self.run();
        }
    }

    /// The admin queue's address is there.
    fn run(&mut self) {
        let registers = &self.registers;
        let Some(((high, low), length)) = registers.base_high.zip(registers.base_low).zip(registers.length) else {
            self.demand(
                self.admin.is_some(),
                "driver status RUN before adminq_base_address_hi, adminq_base_address_lo and adminq_length",
            );
            return;
        };
        let address = u64::from(high) << 32 | u64::from(low);
        let depth = usize::from(length) / admin::COMMAND_SIZE;
        let is_right = self.demand(
            usize::from(length).is_multiple_of(admin::COMMAND_SIZE)
                && depth.is_power_of_two()
                && usize::from(length) <= PAGE_SIZE,
            format_args!("adminq_length says {length} bytes: no power of two of commands of 64 bytes, of up to a page"),
        );
        if is_right {
            self.set_admin_queue(AdminQueue::new(address, depth, Way::Address));
        }
    }

    fn set_admin_queue(&mut self, queue: AdminQueue) {
        if let Some(other) = &self.admin {
            // It may be said in both ways.
            let is_same = other.address == queue.address && other.executed == 0;
            self.demand(is_same, "the admin queue is set up twice");
            return;
        }
        if self.check_new_range(&"the admin queue", queue.address, queue.bytes(), PAGE_SIZE as u64) {
            self.admin = Some(queue);
            self.registers.is_reset = false;
            self.registers.is_lost = false;
        }
    }

    fn begin_reset(&mut self, way: Way) {
        self.resets += 1;
        self.forget();
        self.registers = Registers {
            reset: Some((self.configuration.reset_looks, way)),
            whole_version: self.registers.whole_version.take(),
            ..Registers::default()
        };
    }

    /// The device asks for something, as a bit of its status.
    pub(super) fn ask(&mut self, wish: u32) {
        self.registers.wishes |= wish;
        self.cause_management();
    }

    /// The device resets itself, and the driver has to find out.
    pub(super) fn reset_itself(&mut self) {
        self.forget();
        self.held.clear();
        self.registers = Registers {
            is_reset: true,
            is_lost: true,
            whole_version: self.registers.whole_version.take(),
            ..Registers::default()
        };
    }
}
