//! The registers of BAR 0, the reset, and readless reads.

use alloc::collections::BTreeMap;

use super::admin::Ring;
use super::configuration::RegisterReads;
use super::defs::{admin, regs};
use super::faults::Defect;
use super::interrupts::MANAGEMENT;
use super::state::State;
use crate::dma::reach::Reach;

/// Bytes of BAR 0.
pub(super) const LENGTH: usize = 0x4000;

/// How far a reset is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reset {
    /// None since power-on.
    #[default]
    Never,
    /// Demanded; seen as begun after so many more looks at the status.
    Beginning(u32),
    Begun,
    /// Let go by the driver; over after so many more looks.
    Ending(u32),
    Over,
}

#[derive(Default)]
pub(super) struct Registers {
    reset: Reset,
    /// What was written to registers that keep it.
    kept: BTreeMap<usize, u32>,
    /// Where answers to readless reads go; 0 is nowhere.
    pub(super) response: u64,
    /// Whether the device has failed, and says so.
    pub(super) has_failed: bool,
}

impl State {
    /// A load of a register of BAR 0.
    pub(super) fn load(&mut self, offset: usize, size: usize) -> u32 {
        if !self.demand(size == 4, format_args!("a load of {size} bytes at {offset:#x}")) {
            return u32::MAX;
        }
        if self.configuration.reads == RegisterReads::Readless {
            self.violate(format_args!(
                "a load at {offset:#x} of a device that has readless reads only"
            ));
            return u32::MAX;
        }
        self.value(offset)
    }

    fn value(&mut self, offset: usize) -> u32 {
        let configuration = &self.configuration;
        match offset {
            regs::VERSION_OFF => configuration.version,
            regs::CONTROLLER_VERSION_OFF => configuration.controller_version,
            regs::CAPS_OFF => {
                regs::CAPS_CONTIGUOUS_QUEUE_REQUIRED_MASK
                    | configuration.reset_timeout << regs::CAPS_RESET_TIMEOUT_SHIFT
                    | configuration.address_bits << regs::CAPS_DMA_ADDR_WIDTH_SHIFT
                    | configuration.admin_timeout << regs::CAPS_ADMIN_CMD_TO_SHIFT
            }
            regs::CAPS_EXT_OFF => 0,
            regs::ACQ_TAIL_OFF => self.admin.completions.map_or(0, |ring| ring.position.into()),
            regs::AENQ_TAIL_OFF => self.events.ring.map_or(0, |ring| ring.position.into()),
            regs::DEV_STS_OFF => self.status(),
            _ => {
                self.violate(format_args!(
                    "a read of {offset:#x}, which is no register that can be read"
                ));
                u32::MAX
            }
        }
    }

    fn status(&mut self) -> u32 {
        if self.faults.has(Defect::NeverReady) {
            return 0;
        }
        match self.registers.reset {
            Reset::Beginning(0) if !self.faults.has(Defect::ResetNeverBegins) => self.registers.reset = Reset::Begun,
            Reset::Ending(0) if !self.faults.has(Defect::ResetNeverEnds) => self.registers.reset = Reset::Over,
            Reset::Beginning(looks) => self.registers.reset = Reset::Beginning(looks.saturating_sub(1)),
            Reset::Ending(looks) => self.registers.reset = Reset::Ending(looks.saturating_sub(1)),
            Reset::Never | Reset::Begun | Reset::Over => {}
        }
        let failed = if self.registers.has_failed {
            regs::DEV_STS_FATAL_ERROR_MASK
        } else {
            0
        };
        failed
            | match self.registers.reset {
                Reset::Never | Reset::Beginning(_) => regs::DEV_STS_READY_MASK,
                Reset::Begun | Reset::Ending(_) => regs::DEV_STS_RESET_IN_PROGRESS_MASK,
                Reset::Over => regs::DEV_STS_READY_MASK | regs::DEV_STS_RESET_FINISHED_MASK,
            }
    }

    /// A store to a register of BAR 0.
    pub(super) fn store_register(&mut self, offset: usize, size: usize, value: u32) {
        if !self.demand(size == 4, format_args!("a store of {size} bytes at {offset:#x}")) {
            return;
        }
        match offset {
            regs::DEV_CTL_OFF => self.control(value),
            regs::MMIO_REG_READ_OFF => self.answer(value),
            regs::MMIO_RESP_LO_OFF => {
                self.registers.kept.insert(offset, value);
            }
            regs::MMIO_RESP_HI_OFF => self.set_response(value),
            regs::INTR_MASK_OFF => {
                self.demand(
                    value & !regs::ADMIN_INTR_MASK == 0,
                    format_args!("interrupt mask {value:#x} has reserved bits"),
                );
                self.set_open(MANAGEMENT, value & regs::ADMIN_INTR_MASK == 0);
            }
            _ => {
                let is_ready = self.registers.reset == Reset::Over && !self.faults.has(Defect::NeverReady);
                let what = format_args!("a store at {offset:#x} of a device that was not reset, or is not ready yet");
                if self.demand(is_ready, what) {
                    self.store_ready(offset, value);
                }
            }
        }
    }

    fn store_ready(&mut self, offset: usize, value: u32) {
        match offset {
            regs::AQ_BASE_LO_OFF
            | regs::AQ_BASE_HI_OFF
            | regs::ACQ_BASE_LO_OFF
            | regs::ACQ_BASE_HI_OFF
            | regs::AENQ_BASE_LO_OFF
            | regs::AENQ_BASE_HI_OFF => {
                self.registers.kept.insert(offset, value);
            }
            regs::AQ_CAPS_OFF => {
                let is_new = self.admin.submissions.is_none();
                let ring = self.ring("the admin queue", regs::AQ_BASE_LO_OFF, value, is_new);
                self.admin.submissions = ring.or(self.admin.submissions);
            }
            regs::ACQ_CAPS_OFF => {
                let is_new = self.admin.completions.is_none();
                let ring = self.ring("the admin completion queue", regs::ACQ_BASE_LO_OFF, value, is_new);
                self.admin.completions = ring.or(self.admin.completions);
            }
            regs::AENQ_CAPS_OFF => {
                let is_new = self.events.ring.is_none();
                let ring = self.ring("the event queue", regs::AENQ_BASE_LO_OFF, value, is_new);
                self.events.ring = ring.or(self.events.ring);
            }
            regs::AQ_DB_OFF => self.ring_admin(value),
            regs::AENQ_HEAD_DB_OFF => self.ring_events(value),
            _ => self.store_queue_register(offset, value),
        }
    }

    /// A ring whose base was written before, and whose attributes are written now.
    fn ring(&mut self, what: &str, base: usize, attributes: u32, is_new: bool) -> Option<Ring> {
        let depth = attributes as u16;
        let size = attributes >> 16;
        if !self.demand(is_new, format_args!("{what} is set up twice")) {
            return None;
        }
        let low = self.registers.kept.get(&base).copied();
        let high = self.registers.kept.get(&(base + 4)).copied();
        let Some((low, high)) = low.zip(high) else {
            self.violate(format_args!("{what} is set up before both halves of its address"));
            return None;
        };
        let is_right = self.demand(
            size as usize == admin::ENTRY_SIZE,
            format_args!("{what} has entries of {size} bytes, not {}", admin::ENTRY_SIZE),
        ) & self.demand(
            depth.is_power_of_two() && depth <= 1 << 15,
            format_args!("{what} has {depth} entries, which is no power of two"),
        );
        let address = u64::from(high) << 32 | u64::from(low);
        let length = usize::from(depth) * admin::ENTRY_SIZE;
        (is_right && self.check_new_range(&what, address, length, admin::ENTRY_SIZE as u64)).then_some(Ring {
            address,
            depth,
            position: 0,
        })
    }

    fn control(&mut self, value: u32) {
        let looks = self.configuration.reset_looks;
        if value & regs::DEV_CTL_DEV_RESET_MASK == 0 {
            self.demand(
                value == 0,
                format_args!("device control {value:#x} demands what the model does not know"),
            );
            if self.demand(
                self.registers.reset == Reset::Begun,
                "a reset is let go before the driver saw that it has begun",
            ) {
                self.registers.reset = Reset::Ending(looks);
            }
            return;
        }
        let reason = value >> regs::DEV_CTL_RESET_REASON_SHIFT;
        let extended = value >> regs::DEV_CTL_RESET_REASON_EXT_SHIFT & 0xf;
        let rest = value & 0x00ff_ffff & !regs::DEV_CTL_DEV_RESET_MASK;
        self.demand(rest == 0, format_args!("device control {value:#x} has reserved bits"));
        self.demand(
            extended == 0 || self.configuration.capabilities & 1 << admin::EXTENDED_RESET_REASONS != 0,
            "an extended reset reason for a device that knows none",
        );
        let reason = extended << 4 | reason;
        self.demand(
            reason < regs::RESET_LAST,
            format_args!("reset reason {reason} does not exist"),
        );
        let is_ready =
            matches!(self.registers.reset, Reset::Never | Reset::Over) && !self.faults.has(Defect::NeverReady);
        if self.demand(is_ready, "a reset of a device that is not ready") {
            self.resets.push(reason);
            self.forget();
            self.registers = Registers {
                reset: Reset::Beginning(looks),
                ..Registers::default()
            };
        }
    }

    fn set_response(&mut self, high: u32) {
        let Some(low) = self.registers.kept.remove(&regs::MMIO_RESP_LO_OFF) else {
            self.violate("the upper half of the address for readless reads is written before the lower one");
            return;
        };
        let address = u64::from(high) << 32 | u64::from(low);
        self.registers.response = 0;
        if address == 0 || self.check_new_range(&"the answer to readless reads", address, 8, 8) {
            self.registers.response = address;
        }
    }

    /// A readless read: the answer goes to memory.
    fn answer(&mut self, value: u32) {
        if self.configuration.reads == RegisterReads::Loads {
            self.violate("a readless read of a device that has none");
            return;
        }
        let address = self.registers.response;
        if !self.demand(address != 0, "a readless read without an address for the answer") {
            return;
        }
        let offset = value >> 16;
        let answer = self.value(offset as usize);
        if self.faults.has(Defect::MuteRegisters) {
            return;
        }
        let told = if self.faults.has(Defect::WrongRegister) {
            offset ^ 4
        } else {
            offset
        };
        let what = "the answer to a readless read";
        self.store(&what, address + 4, &answer.to_le_bytes());
        self.store(&what, address, &(told << 16 | value & 0xffff).to_le_bytes());
    }
}
