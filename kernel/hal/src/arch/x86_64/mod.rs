//! x86-64 without an operating system, in 64-bit mode from the PVH entry on.

mod apic;
mod boot;
mod caches;
mod clock;
mod copy;
mod cpu;
mod description;
pub(crate) mod entry;
mod features;
mod fpu;
mod fw_cfg;
mod instructions;
mod io_apic;
mod paging;
mod pci;
mod power;
mod serial;
mod shootdown;
mod smp;
mod stack;
mod start;
mod trap;
mod user;
mod vdso;

pub(crate) use apic::{LOCAL_INTERRUPTS, arm_timer, idle, interrupt_target, kick_cpu};
pub(crate) use caches::cache;
pub(crate) use clock::{
    adjust_realtime_nanoseconds, monotonic_nanoseconds, nanoseconds_of_ticks, realtime_nanoseconds, refine_clock,
    set_clock_rate, set_realtime_nanoseconds, ticks,
};
pub(crate) use copy::{
    compare_exchange_user_u32, copy_from_user, copy_memory, copy_to_user, fill_memory, fill_user, load_user_u32,
};
pub(crate) use cpu::{cpu_count, current_cpu};
pub(crate) use description::description;
pub(crate) use features::{ARCHITECTURE, AUDIT_ARCHITECTURE, hardware_capabilities};
pub(crate) use fpu::{State, state_components};
pub(crate) use fw_cfg::{read_fw_cfg, start_fw_cfg};
pub(crate) use instructions::fault_address;
pub(crate) use instructions::{in8, in16, in32, out8, out16, out32};
pub(crate) use io_apic::route_interrupt;
pub(crate) use paging::{entry_mask, map_data, map_device, page_number, page_pointer, reserve_window, unmap_data};
pub(crate) use pci::{has_pci, read_pci, write_pci};
pub(crate) use power::{enable_power_button, power_off};
pub(crate) use serial::{FIFO_SIZE, can_send, debug, enable_serial_interrupt, has_debug_port, has_sent, receive, send};
pub(crate) use shootdown::{activate, deactivate, flush, note_mappings, spin_wait, synchronize};
pub(crate) use smp::start_others;
pub(crate) use start::{module, pci_window, rsdp};
pub(crate) use trap::{FIRST_INTERRUPT, PAGE_FAULT, has_interrupts, note_interrupt, take_interrupts};
pub(crate) use user::{Registers, SYSTEM_CALL, enter};
pub(crate) use vdso::vdso_pages;

use features::{Features, features};
use instructions::halt;

/// The pool is set up before anything allocates.
#[inline]
pub(crate) fn prepare_memory() {}

/// Gives a new user root the kernel's half.
pub(crate) fn share_kernel_half(root: u64) {
    paging::copy_kernel_half(root);
}

/// What every CPU does once it has its segments.
fn initialize_cpu() {
    features::enable();
    fpu::initialize();
}

/// What the first CPU does when it has memory.
fn initialize_devices() {
    apic::initialize();
    crate::acpi::initialize();
    clock::initialize();
}

/// A random number of the CPU's own, or of the time it takes to ask.
pub(crate) fn hardware_random() -> u64 {
    let mut value: u64 = 0;
    let found = features();
    for _ in 0..32 {
        // SAFETY: the CPU has the instruction.
        let ok = unsafe {
            if found.contains(Features::RDSEED) {
                core::arch::x86_64::_rdseed64_step(&mut value)
            } else if found.contains(Features::RDRAND) {
                core::arch::x86_64::_rdrand64_step(&mut value)
            } else {
                break;
            }
        };
        if ok == 1 {
            break;
        }
    }
    value ^ instructions::time_stamp().rotate_left(32)
}

/// Ends the machine with an exit status: through QEMU's isa-debug-exit, which ends it with twice the value plus one.
pub(crate) fn debug_exit(code: u8) {
    // SAFETY: nothing else is at this port; without the device the write is lost.
    unsafe { out8(0x501, code) };
}

/// Resets the machine, by the keyboard controller, then by a triple fault.
pub(crate) fn reset() -> ! {
    // SAFETY: both end the machine.
    unsafe {
        out8(0xcf9, 0x06);
        if in8(0x64) & 2 == 0 {
            out8(0x64, 0xfe);
        }
        let nothing = cpu::TablePointer { limit: 0, base: 0 };
        core::arch::asm!("lidt [{}]", "int3", in(reg) &raw const nothing, options(nostack));
    }
    halt()
}

/// Bytes of the stack that are searched for return addresses.
const BACKTRACE_DEPTH: usize = 4096;
/// Return addresses that are reported.
const BACKTRACE_LENGTH: usize = 24;

/// Addresses on the stack from `stack` on that follow a call instruction, innermost first. The kernel keeps no frame pointers, so some may
/// be remains of calls that have returned.
pub(crate) fn backtrace(stack: usize, mut visit: impl FnMut(usize)) {
    let image = start::image();
    let mut found = 0;
    for at in (stack.next_multiple_of(8)..).step_by(8).take(BACKTRACE_DEPTH / 8) {
        let mut word = [0; 8];
        // The stack's end stops the search.
        if found == BACKTRACE_LENGTH || copy::copy_if_present(&mut word, at) != 0 {
            return;
        }
        let address = usize::from_le_bytes(word);
        if (image.base + 8..image.base + image.rodata).contains(&address) && follows_call(address) {
            visit(address - image.base);
            found += 1;
        }
    }
}

/// Whether the instruction that ends at an address of the kernel's code is a call: direct, or through a register or memory.
fn follows_call(address: usize) -> bool {
    let mut code = [0; 7];
    copy::copy_if_present(&mut code, address - 7) == 0
        && (code[2] == 0xe8
            || [0, 1, 3, 4, 5]
                .iter()
                .any(|&at| code[at] == 0xff && code[at + 1] & 0x38 == 0x10))
}

/// An address of the kernel's code as its symbol table has it.
pub(crate) fn link_address(address: usize) -> usize {
    address.wrapping_sub(start::image().base)
}

/// The stack pointer.
#[inline]
pub(crate) fn stack_pointer() -> usize {
    let pointer;
    // SAFETY: reading a register.
    unsafe { core::arch::asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}

/// A copy of a table of the firmware; zeroes where it would lie in memory that the kernel uses.
pub(crate) fn read_firmware(address: u64, length: usize) -> alloc::vec::Vec<u8> {
    let mut bytes = alloc::vec![0; length];
    if !start::is_usable_memory(address, length) {
        // SAFETY: the range was seen to be no usable memory.
        let source = unsafe { paging::map_device(address, length, true) };
        copy::copy_if_present(&mut bytes, source.addr());
    }
    bytes
}
