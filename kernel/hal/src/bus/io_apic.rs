//! The interrupt controller for devices without messages (Intel 82093AA). Only the microvm machine needs it.

use super::Registers;
use crate::arch;
use crate::sync::SpinLock;

/// Where every PC has its first one.
const ADDRESS: u64 = 0xfec0_0000;
const SELECT: usize = 0x00;
const WINDOW: usize = 0x10;

static CONTROLLER: SpinLock<Option<Registers>> = SpinLock::new(None);

/// Sends edges of an input to a vector of the first CPU.
pub(super) fn route(input: u32, vector: usize) {
    let mut controller = CONTROLLER.lock();
    // SAFETY: the address belongs to the controller on every machine that names devices by inputs of it.
    let registers = controller.get_or_insert_with(|| unsafe { Registers::map(ADDRESS, 0x20) });
    let write = |register: u32, value: u32| {
        registers.write32(SELECT, register);
        registers.write32(WINDOW, value);
    };
    write(0x11 + 2 * input, arch::interrupt_target(0) << 24);
    write(0x10 + 2 * input, vector as u32);
}
