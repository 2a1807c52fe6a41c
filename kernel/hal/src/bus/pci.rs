//! PCI functions and their configuration space (PCI Local Bus Specification 3.0, chapter 6).

use alloc::vec::Vec;
use core::fmt;

use super::Registers;
use super::ports::Ports;
use crate::arch;

const VENDOR: u8 = 0x00;
const COMMAND: u8 = 0x04;
const CLASS: u8 = 0x08;
const HEADER_TYPE: u8 = 0x0c;
const BASE_ADDRESSES: u8 = 0x10;
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
pub(super) fn functions() -> impl Iterator<Item = Function> {
    let mut found = Vec::new();
    if arch::has_pci() {
        scan(0, 0, &mut found);
    }
    found.into_iter()
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
    pub(super) fn memory(self, register: u8) -> Option<u64> {
        if register > 5 {
            return None;
        }
        let offset = BASE_ADDRESSES + 4 * register;
        let low = self.read(offset);
        let high = match low & 0b111 {
            0b000 => 0,
            0b100 if register < 5 => self.read(offset + 4),
            _ => return None,
        };
        let address = u64::from(high) << 32 | u64::from(low & !0xf);
        (address != 0).then_some(address)
    }

    /// Bytes of the memory behind a base address register (6.2.5.1), less than 4 GiB; `None` when there is none.
    pub(crate) fn length(self, register: u8) -> Option<u32> {
        self.memory(register)?;
        let offset = BASE_ADDRESSES + 4 * register;
        let (command, address) = (self.read(COMMAND) & 0xffff, self.read(offset));
        self.write(COMMAND, command & !(IO_SPACE | MEMORY_SPACE));
        self.write(offset, u32::MAX);
        let mask = self.read(offset) & !0xf;
        self.write(offset, address);
        self.write(COMMAND, command);
        (mask != 0).then(|| mask.wrapping_neg())
    }

    /// Maps a part of the memory behind a base address register.
    pub(crate) fn map(self, register: u8, offset: u32, length: u32) -> Option<Registers> {
        let start = self.memory(register)?.checked_add(u64::from(offset))?;
        // SAFETY: the firmware gave this range to the device.
        Some(unsafe { Registers::map(start, length as usize) })
    }

    /// The I/O ports behind a base address register; `None` when it is not one of ports or was given none.
    pub(super) fn ports(self, register: u8, length: u16) -> Option<Ports> {
        const IS_PORT: u32 = 1;
        let value = self.read(BASE_ADDRESSES + 4 * register);
        let first = u16::try_from(value & !0b11).ok().filter(|&first| first != 0)?;
        // SAFETY: the firmware gave these ports to the device.
        (value & IS_PORT != 0).then(|| unsafe { Ports::new(first, length) })
    }
}

/// As in `00:1f.2`.
impl fmt::Display for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bus, device, function) = (self.address >> 8, self.address >> 3 & 31, self.address & 7);
        write!(formatter, "{bus:02x}:{device:02x}.{function}")
    }
}
