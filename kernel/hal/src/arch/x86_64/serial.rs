//! The first serial port, a 16550 at I/O port 0x3f8, and QEMU's debug port.

use super::instructions::{in8, out8};
use super::io_apic;
use crate::interrupt;

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

/// Whether everything has left the port. One that is not there reads as all ones, so it has.
pub(crate) fn has_sent() -> bool {
    // SAFETY: a register of the serial port.
    unsafe { in8(LINE_STATUS) & 0x40 != 0 }
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

/// The input of the interrupt controller.
const INTERRUPT: u32 = 4;

/// Lets incoming bytes call `handler` from `interrupt::dispatch`.
pub(crate) fn enable_serial_interrupt(handler: interrupt::Handler) {
    let Some(vector) = interrupt::allocate("IO-APIC ttyS0".into(), handler) else {
        return;
    };
    io_apic::route_interrupt(INTERRUPT, vector);
    // SAFETY: registers of the serial port. OUT2 lets its interrupt through.
    unsafe {
        out8(MODEM_CONTROL, 0x0b);
        out8(INTERRUPTS, 1);
    }
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
