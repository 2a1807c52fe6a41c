//! Turning the machine off.

use super::instructions::{in16, out8, out16};
use super::paging;
use crate::acpi::{self, Power, Register};

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
