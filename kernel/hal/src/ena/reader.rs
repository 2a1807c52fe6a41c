//! How registers are read: by asking the device to write the value to memory, since reads over PCI Express are slow there; or directly, where
//! bit 0 of the PCI revision says that the device does not know that way.

use core::sync::atomic::Ordering;

use super::failure::Failure;
use super::register;
use crate::bus::Registers;
use crate::dma::Shared;
use crate::mem::PAGE_SIZE;
use crate::time;

/// How long an answer may take, in nanoseconds, unless the device says otherwise.
const PATIENCE: u64 = 200_000_000;
/// Makes a request number that is not the one awaited.
const OTHER: u16 = 0xdead;

pub(super) struct Reader {
    registers: Registers,
    /// Where values are written (`ena_admin_ena_mmio_req_read_less_resp`): request number, offset, value.
    response: Option<Shared>,
    number: u16,
    patience: u64,
}

impl Reader {
    /// A reader that asks for values to be written to memory, or reads directly. `None` when memory is used up.
    pub(super) fn new(registers: Registers, asks: bool) -> Option<Self> {
        let response = if asks { Some(Shared::allocate(PAGE_SIZE)?) } else { None };
        let reader = Self {
            registers,
            response,
            number: 0,
            patience: PATIENCE,
        };
        reader.tell();
        Some(reader)
    }

    /// Tells the device where to write, which it forgets in a reset.
    pub(super) fn tell(&self) {
        if let Some(response) = &self.response {
            self.registers.write64(register::MMIO_RESP, response.address(0));
        }
    }

    /// Sets how long an answer may take, in nanoseconds; `None` for the usual time.
    pub(super) fn set_patience(&mut self, patience: Option<u64>) {
        self.patience = patience.unwrap_or(PATIENCE);
    }

    /// Reads a register.
    pub(super) fn read(&mut self, offset: usize) -> Result<u32, Failure> {
        let value = match &self.response {
            None => self.registers.read32(offset),
            Some(response) => {
                self.number = self.number.wrapping_add(1);
                response.set32(0, u32::from(self.number.wrapping_add(OTHER)), Ordering::SeqCst);
                let request = (offset as u32) << 16 | u32::from(self.number);
                self.registers.write32(register::MMIO_REG_READ, request);
                let deadline = time::monotonic() + self.patience;
                loop {
                    let answer = response.get32(0, Ordering::Acquire);
                    if answer as u16 == self.number {
                        if answer >> 16 != offset as u32 {
                            return Err(Failure::Register(offset));
                        }
                        break response.get32(4, Ordering::Relaxed);
                    }
                    if time::monotonic() > deadline {
                        return Err(Failure::Register(offset));
                    }
                    core::hint::spin_loop();
                }
            }
        };
        if value == register::GONE {
            return Err(Failure::Register(offset));
        }
        Ok(value)
    }
}
