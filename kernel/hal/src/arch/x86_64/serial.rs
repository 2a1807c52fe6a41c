//! The first serial port, a 16550 at I/O port 0x3f8, and QEMU's debug port.

use super::instructions::{in8, out8};

const DATA: u16 = 0x3f8;
const INTERRUPTS: u16 = 0x3f9;
const FIFO: u16 = 0x3fa;
const LINE_CONTROL: u16 = 0x3fb;
const MODEM_CONTROL: u16 = 0x3fc;
const LINE_STATUS: u16 = 0x3fd;
const DEBUG: u16 = 0xe9;

/// Bytes that fit into the transmitter once it is empty.
pub(crate) const FIFO_SIZE: usize = 16;

/// 115200 baud, 8 data bits, no parity, FIFOs on.
pub(super) fn initialize() {
    for (port, value) in [
        (INTERRUPTS, 0),
        (LINE_CONTROL, 0x80),
        (DATA, 1),
        (INTERRUPTS, 0),
        (LINE_CONTROL, 0x03),
        (FIFO, 0x07),
        (MODEM_CONTROL, 0x0b),
    ] {
        // SAFETY: registers of the serial port.
        unsafe { out8(port, value) };
    }
}

/// Whether the transmitter takes [`FIFO_SIZE`] bytes now.
pub(crate) fn can_send() -> bool {
    // SAFETY: a register of the serial port.
    unsafe { in8(LINE_STATUS) & 0x20 != 0 }
}

/// Puts a byte into the transmitter.
pub(crate) fn send(byte: u8) {
    // SAFETY: a register of the serial port.
    unsafe { out8(DATA, byte) };
}

/// A byte that has come in.
pub(crate) fn receive() -> Option<u8> {
    // SAFETY: registers of the serial port. A port that is not there reads as all ones.
    unsafe {
        let status = in8(LINE_STATUS);
        (status != 0xff && status & 1 != 0).then(|| in8(DATA))
    }
}

/// Asks for interrupts when bytes come in and, with `transmit`, when the transmitter is empty.
pub(crate) fn enable_interrupts(transmit: bool) {
    // SAFETY: a register of the serial port.
    unsafe { out8(INTERRUPTS, if transmit { 3 } else { 1 }) };
}

/// Whether the debug port is there.
pub(crate) fn has_debug_port() -> bool {
    // SAFETY: reading the port has no effect.
    unsafe { in8(DEBUG) == 0xe9 }
}

/// Writes to the debug port.
pub(crate) fn debug(bytes: &[u8]) {
    for &byte in bytes {
        // SAFETY: the debug port of the hypervisor.
        unsafe { out8(DEBUG, byte) };
    }
}
