//! Turning the machine off, and the button that asks for it.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::instructions::{in16, out8, out16};
use super::{io_apic, paging};
use crate::acpi::{self, Power, Register};
use crate::interrupt;

const SLEEP_ENABLE: u16 = 1 << 13;
/// The same in the register of reduced hardware.
const REDUCED_SLEEP_ENABLE: u8 = 1 << 5;

/// Turns the machine off by ACPI; returns when that is not possible.
pub(crate) fn power_off() {
    match acpi::power() {
        Some(Power::Fixed {
            control, sleep_type, ..
        }) => {
            for (port, kind) in control.into_iter().zip(sleep_type).filter(|&(port, _)| port != 0) {
                // SAFETY: the firmware names the port; the write turns the machine off.
                unsafe { out16(port, in16(port) & !0x3c00 | u16::from(kind & 7) << 10 | SLEEP_ENABLE) };
            }
        }
        Some(Power::Reduced { control, sleep_type }) => {
            let value = sleep_type << 2 | REDUCED_SLEEP_ENABLE;
            // SAFETY: the firmware names the register; the write turns the machine off.
            unsafe {
                match control {
                    Register::Port(port) => out8(port, value),
                    Register::Memory(address) => paging::map_device(address, 1, false).write_volatile(value),
                }
            }
        }
        None => (),
    }
}

/// In `PM1_CNT`: the hardware is the kernel's.
const SCI_ENABLE: u16 = 1;
/// In `PM1_STS` and `PM1_EN`.
const POWER_BUTTON: u16 = 1 << 8;

/// QEMU's generic event device, which reduced hardware of QEMU has beside its sleep control register. Its place is in byte code only.
const GED_SLEEP_CONTROL: u64 = 0xfea0_0200;
const GED_EVENTS: u64 = 0xfea0_0000;
const GED_INTERRUPT: u32 = 9;
const GED_POWER_DOWN: u32 = 1 << 1;

/// The status register of events: a port, or the address of the mapping.
static EVENTS: AtomicUsize = AtomicUsize::new(0);

/// Lets presses of the power button call `pressed` from `interrupt::dispatch`; false when there is no button.
pub(crate) fn enable_power_button() -> bool {
    match acpi::power() {
        Some(Power::Fixed {
            control,
            event,
            enable_offset,
            interrupt,
            take_over: (port, value),
            ..
        }) if event != 0 && control[0] != 0 => {
            EVENTS.store(usize::from(event), Ordering::Relaxed);
            let Some(vector) = interrupt::allocate("IO-APIC acpi".into(), Arc::new(fixed_event)) else {
                return false;
            };
            // SAFETY: the firmware names the ports; none of them reaches memory.
            unsafe {
                if port != 0 && in16(control[0]) & SCI_ENABLE == 0 {
                    out8(port, value);
                    (0..10_000).find(|_| in16(control[0]) & SCI_ENABLE != 0);
                }
                out16(event, POWER_BUTTON);
                out16(event + enable_offset, POWER_BUTTON);
            }
            io_apic::route_interrupt(interrupt, vector);
            true
        }
        Some(Power::Reduced {
            control: Register::Memory(GED_SLEEP_CONTROL),
            ..
        }) => {
            // SAFETY: QEMU's event device.
            let events = unsafe { paging::map_device(GED_EVENTS, size_of::<u32>(), false) };
            EVENTS.store(events.expose_provenance(), Ordering::Relaxed);
            let Some(vector) = interrupt::allocate("IO-APIC acpi".into(), Arc::new(generic_event)) else {
                return false;
            };
            io_apic::route_interrupt(GED_INTERRUPT, vector);
            true
        }
        _ => false,
    }
}

fn fixed_event() {
    let port = EVENTS.load(Ordering::Relaxed) as u16;
    // SAFETY: the status register; writing a bit clears it.
    let pressed = unsafe {
        let status = in16(port);
        out16(port, status);
        status & POWER_BUTTON != 0
    };
    if pressed {
        crate::power::button_pressed();
    }
}

fn generic_event() {
    let register = core::ptr::with_exposed_provenance::<u32>(EVENTS.load(Ordering::Relaxed));
    // SAFETY: mapped by `enable_power_button`; reading takes the events.
    if unsafe { register.read_volatile() } & GED_POWER_DOWN != 0 {
        crate::power::button_pressed();
    }
}
