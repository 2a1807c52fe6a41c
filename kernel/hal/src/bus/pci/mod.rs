//! PCI functions and their configuration space (PCI Local Bus Specification 3.0, chapter 6).

mod base_address;
mod resources;

use alloc::vec::Vec;
use core::fmt;

use super::Registers;
use super::ports::Ports;
use crate::{arch, console};
use base_address::{BaseAddress, Configuration, Kind};
use resources::Resources;
pub(crate) use resources::window;

const VENDOR: u8 = 0x00;
const COMMAND: u8 = 0x04;
const CLASS: u8 = 0x08;
const HEADER_TYPE: u8 = 0x0c;
const SECONDARY_BUS: u8 = 0x18;
const CAPABILITIES: u8 = 0x34;

const IO_SPACE: u32 = 1 << 0;
const MEMORY_SPACE: u32 = 1 << 1;
const BUS_MASTER: u32 = 1 << 2;
const INTX_DISABLE: u32 = 1 << 10;
const HAS_CAPABILITIES: u32 = 1 << 20;
const BRIDGE: u32 = 0x0604;

/// A function of a PCI device.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    /// Bus, device and function as configuration accesses have them.
    address: u16,
    /// Vendor and device identifier.
    identity: u32,
    /// Class, subclass and programming interface.
    class: u32,
}

/// All functions behind the host bridge, in the order of their addresses.
pub(super) fn functions() -> Vec<Function> {
    let mut found = Vec::new();
    if arch::has_pci() {
        scan(0, 0, &mut found);
    }
    found
}

/// Gives addresses to those functions of all that are to be driven and that the firmware gave none. Those that cannot have any go from the
/// list, with a line on the console.
pub(super) fn give_addresses<T>(all: &[Function], driven: &mut Vec<(Function, T)>) {
    let mut resources = None;
    driven.retain(|&(function, _)| {
        if !resources::is_untouched(&function) {
            return true;
        }
        let given = if function.address >> 8 == 0 {
            let resources = resources.get_or_insert_with(|| Resources::new(arch::pci_window(), all));
            resources.assign(&function)
        } else {
            Err("it is not on the first bus")
        };
        if let Err(why) = given {
            console::write_line(format_args!(
                "PCI device {function} is left out: the firmware gave it no addresses, and {why}"
            ));
        }
        given.is_ok()
    });
}

fn scan(bus: u8, depth: usize, found: &mut Vec<Function>) {
    for device in 0..32u16 {
        for number in 0..8u16 {
            let address = u16::from(bus) << 8 | device << 3 | number;
            let Some(function) = Function::at(address) else {
                if number == 0 {
                    break;
                }
                continue;
            };
            found.push(function);
            if function.class >> 8 == BRIDGE && depth < 8 {
                let below = (function.read(SECONDARY_BUS) >> 8) as u8;
                if below > bus {
                    scan(below, depth + 1, found);
                }
            }
            let has_more = function.read(HEADER_TYPE) >> 16 & 0x80 != 0;
            if number == 0 && !has_more {
                break;
            }
        }
    }
}

impl Function {
    /// The function at an address, when there is one.
    fn at(address: u16) -> Option<Self> {
        let identity = arch::read_pci(address, VENDOR);
        (identity as u16 != 0xffff).then(|| Self {
            address,
            identity,
            class: arch::read_pci(address, CLASS) >> 8,
        })
    }

    /// A word of the configuration space; `offset` is a multiple of 4.
    pub(super) fn read(self, offset: u8) -> u32 {
        arch::read_pci(self.address, offset)
    }

    pub(super) fn write(self, offset: u8, value: u32) {
        // SAFETY: only commands of this module's callers are written: decoding, bus mastering, message interrupts, and base addresses while
        // nothing is decoded.
        unsafe { arch::write_pci(self.address, offset, value) };
    }

    pub(super) fn vendor(self) -> u16 {
        self.identity as u16
    }

    pub(super) fn device(self) -> u16 {
        (self.identity >> 16) as u16
    }

    /// Class, subclass and programming interface, as in 0x010802.
    pub(super) fn class(self) -> u32 {
        self.class
    }

    /// Bus, device and function: 8, 5 and 3 bits.
    pub(crate) fn address(self) -> u16 {
        self.address
    }

    /// The revision of the device.
    pub(crate) fn revision(self) -> u8 {
        self.read(CLASS) as u8
    }

    /// Lets the device answer at its addresses, reach memory, and interrupt by messages only.
    pub(crate) fn enable(self) {
        let command = self.read(COMMAND) as u16;
        let wanted = IO_SPACE | MEMORY_SPACE | BUS_MASTER | INTX_DISABLE;
        self.write(COMMAND, u32::from(command) | wanted);
    }

    /// Its capabilities, as (identifier, offset).
    pub(super) fn capabilities(self) -> impl Iterator<Item = (u8, u8)> {
        let first = if self.read(COMMAND) & HAS_CAPABILITIES == 0 {
            0
        } else {
            self.read(CAPABILITIES) as u8 & !3
        };
        core::iter::successors(Some(first), move |&offset| Some((self.read(offset) >> 8) as u8 & !3))
            .take_while(|&offset| offset >= 0x40)
            // A list that bites its tail ends here.
            .take(48)
            .map(move |offset| (self.read(offset) as u8, offset))
    }

    /// The memory behind a base address register; `None` when it is not one of memory or was given no address.
    fn memory(self, register: u8) -> Option<BaseAddress> {
        BaseAddress::read(&self, register).filter(|found| found.is_memory() && found.address != 0)
    }

    /// Bytes of the memory behind a base address register, less than 4 GiB; `None` when there is none.
    pub(crate) fn length(self, register: u8) -> Option<u32> {
        self.memory(register)?.length(&self)?.try_into().ok()
    }

    /// Maps a part of the memory behind a base address register.
    pub(crate) fn map(self, register: u8, offset: u32, length: u32) -> Option<Registers> {
        let start = self.memory(register)?.address.checked_add(u64::from(offset))?;
        // SAFETY: the firmware or this module gave this range to the device.
        Some(unsafe { Registers::map(start, length as usize) })
    }

    /// The I/O ports behind a base address register; `None` when it is not one of ports or was given none.
    pub(super) fn ports(self, register: u8, length: u16) -> Option<Ports> {
        let found = BaseAddress::read(&self, register).filter(|found| found.kind == Kind::Ports)?;
        let first = u16::try_from(found.address).ok().filter(|&first| first != 0)?;
        // SAFETY: the firmware or this module gave these ports to the device.
        Some(unsafe { Ports::new(first, length) })
    }
}

impl Configuration for Function {
    fn read(&self, offset: u8) -> u32 {
        Self::read(*self, offset)
    }

    fn write(&self, offset: u8, value: u32) {
        Self::write(*self, offset, value);
    }
}

/// As in `00:1f.2`.
impl fmt::Display for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bus, device, function) = (self.address >> 8, self.address >> 3 & 31, self.address & 7);
        write!(formatter, "{bus:02x}:{device:02x}.{function}")
    }
}
