//! The interrupt controller for devices without messages (Intel 82093AA).

use core::ptr::NonNull;

use super::{apic, paging};
use crate::sync::SpinLock;

/// Where every PC has its first one.
const ADDRESS: u64 = 0xfec0_0000;
const WINDOW: usize = 0x10;
const REDIRECTIONS: u32 = 0x10;

struct Registers(NonNull<u32>);

// SAFETY: the registers are mapped for ever and reached under a lock.
unsafe impl Send for Registers {}

static CONTROLLER: SpinLock<Option<Registers>> = SpinLock::new(None);

/// Sends rising edges of an input to a vector of the first CPU.
pub(crate) fn route_interrupt(input: u32, vector: usize) {
    let mut controller = CONTROLLER.lock();
    let registers = controller.get_or_insert_with(|| {
        // SAFETY: on every PC, the address is the controller's.
        let pointer = unsafe { paging::map_device(ADDRESS, 0x20, false) };
        Registers(NonNull::new(pointer.cast()).expect("a mapping has an address"))
    });
    let write = |register: u32, value: u32| {
        // SAFETY: the two registers of the controller's page; routes lead to this kernel's own handlers.
        unsafe {
            registers.0.write_volatile(register);
            registers.0.byte_add(WINDOW).write_volatile(value);
        }
    };
    write(REDIRECTIONS + 2 * input + 1, apic::interrupt_target(0) << 24);
    write(REDIRECTIONS + 2 * input, vector as u32);
}
