//! Base address registers: where a function answers, and how much it needs (PCI Local Bus Specification 3.0, section 6.2.5.1).

use super::{COMMAND, IO_SPACE, MEMORY_SPACE};

const FIRST: u8 = 0x10;
/// Registers of a function that is no bridge.
pub(super) const COUNT: u8 = 6;

const IS_PORTS: u32 = 1 << 0;
/// Ports have 16 bits of address on a PC, whatever the register has.
const PORT_BITS: u32 = 0xfffc;
const MEMORY_BITS: u32 = !0xf;

/// A function's configuration space.
pub(super) trait Configuration {
    /// A word; `offset` is a multiple of 4.
    fn read(&self, offset: u8) -> u32;
    /// Writes it.
    fn write(&self, offset: u8, value: u32);
}

/// What a base address register leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Memory,
    /// With the upper half of the address in the next register.
    WideMemory,
    Ports,
}

/// A base address register. One that the function does not have looks like one of memory without an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BaseAddress {
    offset: u8,
    pub(super) kind: Kind,
    /// 0 when nobody has given it one.
    pub(super) address: u64,
}

impl BaseAddress {
    /// The register of a number; `None` for one that is outside, or of a kind that no driver's device has (below 1 MiB).
    pub(super) fn read(space: &impl Configuration, number: u8) -> Option<Self> {
        if number >= COUNT {
            return None;
        }
        let offset = FIRST + 4 * number;
        let low = space.read(offset);
        let (kind, address) = match low & 0b111 {
            0b000 => (Kind::Memory, u64::from(low & MEMORY_BITS)),
            0b100 if number < COUNT - 1 => {
                let high = u64::from(space.read(offset + 4));
                (Kind::WideMemory, high << 32 | u64::from(low & MEMORY_BITS))
            }
            _ if low & IS_PORTS != 0 => (Kind::Ports, u64::from(low & PORT_BITS)),
            _ => return None,
        };
        Some(Self { offset, kind, address })
    }

    /// The first `count` registers.
    pub(super) fn all(space: &impl Configuration, count: u8) -> impl Iterator<Item = Self> {
        let mut number = 0;
        core::iter::from_fn(move || {
            while number < count {
                let found = Self::read(space, number);
                number += match found {
                    Some(Self {
                        kind: Kind::WideMemory, ..
                    }) => 2,
                    _ => 1,
                };
                if found.is_some() {
                    return found;
                }
            }
            None
        })
    }

    pub(super) fn is_memory(&self) -> bool {
        self.kind != Kind::Ports
    }

    /// Bytes or ports behind it, a power of two; `None` when the function does not have the register. The function does not answer meanwhile.
    pub(super) fn length(&self, space: &impl Configuration) -> Option<u64> {
        without_decoding(space, || {
            self.write(space, u64::MAX);
            let low = space.read(self.offset);
            let mask = match self.kind {
                Kind::Memory => u64::from(low & MEMORY_BITS),
                Kind::WideMemory => u64::from(space.read(self.offset + 4)) << 32 | u64::from(low & MEMORY_BITS),
                Kind::Ports => u64::from(low & PORT_BITS),
            };
            self.write(space, self.address);
            (mask != 0).then(|| 1 << mask.trailing_zeros())
        })
    }

    /// Gives it an address; whether the function takes that.
    pub(super) fn place(&self, space: &impl Configuration, address: u64) -> bool {
        without_decoding(space, || {
            self.write(space, address);
            let taken = Self::read(space, (self.offset - FIRST) / 4);
            if taken == Some(Self { address, ..*self }) {
                return true;
            }
            self.write(space, self.address);
            false
        })
    }

    fn write(&self, space: &impl Configuration, address: u64) {
        space.write(self.offset, address as u32);
        if self.kind == Kind::WideMemory {
            space.write(self.offset + 4, (address >> 32) as u32);
        }
    }
}

/// Does `work` while the function answers nowhere.
fn without_decoding<T>(space: &impl Configuration, work: impl FnOnce() -> T) -> T {
    // The upper half is the status, whose bits are cleared by ones.
    let command = space.read(COMMAND) & 0xffff;
    space.write(COMMAND, command & !(IO_SPACE | MEMORY_SPACE));
    let result = work();
    space.write(COMMAND, command);
    result
}
