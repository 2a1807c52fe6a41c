//! PCI configuration space through the two ports that every PC has for it.

use super::instructions::{in32, out32};
use crate::sync::SpinLock;

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
const ENABLE: u32 = 1 << 31;

/// The two ports work as a pair.
static PORTS: SpinLock<()> = SpinLock::new(());

/// Whether there is a host bridge that answers to the ports.
pub(crate) fn has_pci() -> bool {
    let _guard = PORTS.lock();
    // SAFETY: selecting a register has no effect on memory.
    unsafe {
        out32(ADDRESS, ENABLE);
        in32(ADDRESS) == ENABLE
    }
}

/// Reads a word; `function` is bus, device and function, `offset` a multiple of 4.
pub(crate) fn read_pci(function: u16, offset: u8) -> u32 {
    let _guard = PORTS.lock();
    // SAFETY: reading configuration space has no effect on memory.
    unsafe {
        out32(ADDRESS, ENABLE | u32::from(function) << 8 | u32::from(offset & !3));
        in32(DATA)
    }
}

/// Writes a word.
///
/// # Safety
/// What is written does not make the device reach memory that is not its driver's.
pub(crate) unsafe fn write_pci(function: u16, offset: u8, value: u32) {
    let _guard = PORTS.lock();
    // SAFETY: the caller's promise.
    unsafe {
        out32(ADDRESS, ENABLE | u32::from(function) << 8 | u32::from(offset & !3));
        out32(DATA, value);
    }
}
