//! The first serial port, where clouds look for what a machine says.

use core::arch::asm;
use core::fmt;

const PORT: u16 = 0x3f8;
const LINE_STATUS: u16 = PORT + 5;
const CAN_SEND: u8 = 1 << 5;
/// How often a port that does not take a byte is asked again.
const PATIENCE: u32 = 100_000;

/// Writes to the first serial port, as the firmware has set it up; at 115,200 baud where it has not.
pub struct Serial(());

impl Serial {
    /// Sets the port to 115,200 baud, eight bits, no parity.
    pub fn new() -> Self {
        for (register, value) in [(1, 0), (3, 0x80), (0, 1), (1, 0), (3, 3), (2, 1), (4, 3)] {
            out8(PORT + register, value);
        }
        Self(())
    }
}

impl Default for Serial {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            for _ in 0..PATIENCE {
                if in8(LINE_STATUS) & CAN_SEND != 0 {
                    break;
                }
            }
            out8(PORT, byte);
        }
        Ok(())
    }
}

fn out8(port: u16, value: u8) {
    // SAFETY: a serial port's registers do nothing to memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags)) }
}

fn in8(port: u16) -> u8 {
    let value;
    // SAFETY: as in `out8`.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags)) }
    value
}
