//! Interrupts by messages: MSI-X and MSI (PCI Local Bus Specification 3.0, section 6.8).

use super::Registers;
use super::pci::Function;
use crate::arch;
use crate::interrupt::{self, Handler};

const MSI: u8 = 0x05;
const MSI_X: u8 = 0x11;
/// Bits of MSI-X's message control.
const MASK_ALL: u32 = 1 << 14;
const ENABLE_TABLE: u32 = 1 << 15;
/// Bits of MSI's message control.
const ENABLE_SINGLE: u32 = 1 << 0;
const ENABLED_VECTORS: u32 = 0b111 << 4;
const ADDRESS_64: u32 = 1 << 7;

/// The messages that a device can send, to be given out one by one.
pub(crate) struct Messages {
    function: Function,
    way: Way,
    next: usize,
    count: usize,
}

enum Way {
    /// MSI-X: a table in the device's memory.
    Table(Registers),
    /// MSI: one message, in configuration space at the capability's offset.
    Single(Function, u8),
}

impl Messages {
    /// Turns the messages of a device on; `None` when it knows none.
    pub(crate) fn of(function: Function) -> Option<Self> {
        let find = |wanted: u8| {
            let mut all = function.capabilities();
            all.find(|&(identifier, _)| identifier == wanted).map(|(_, at)| at)
        };
        if let Some(at) = find(MSI_X) {
            let control = function.read(at) >> 16;
            let count = (control & 0x7ff) as usize + 1;
            let table = function.read(at + 4);
            let registers = function.map(table as u8 & 7, table & !7, count as u32 * 16)?;
            function.write(at, (control & !MASK_ALL | ENABLE_TABLE) << 16);
            return Some(Self {
                function,
                way: Way::Table(registers),
                next: 0,
                count,
            });
        }
        Some(Self {
            function,
            way: Way::Single(function, find(MSI)?),
            next: 0,
            count: 1,
        })
    }

    /// Lets the next message call `handler` on the first CPU; its number, or `None` when there are no more.
    pub(crate) fn add(&mut self, handler: Handler) -> Option<u16> {
        if self.next == self.count {
            return None;
        }
        let vector = interrupt::allocate(alloc::format!("PCI-MSI {}", self.function), handler)? as u32;
        let address = 0xfee0_0000 | arch::interrupt_target(0) << 12;
        match &self.way {
            Way::Table(table) => {
                let entry = self.next * 16;
                table.write32(entry, address);
                table.write32(entry + 4, 0);
                table.write32(entry + 8, vector);
                table.write32(entry + 12, 0);
            }
            &Way::Single(function, at) => {
                let control = function.read(at) >> 16;
                function.write(at + 4, address);
                if control & ADDRESS_64 != 0 {
                    function.write(at + 8, 0);
                    function.write(at + 12, vector);
                } else {
                    function.write(at + 8, vector);
                }
                function.write(at, (control & !ENABLED_VECTORS | ENABLE_SINGLE) << 16);
            }
        }
        self.next += 1;
        u16::try_from(self.next - 1).ok()
    }
}
