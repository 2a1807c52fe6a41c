//! Ports of QEMU's firmware configuration device.

use super::instructions::{in8, out16, out32};

const SELECTOR: u16 = 0x510;
const DATA: u16 = 0x511;
const DMA: u16 = 0x514;

/// Reads the first bytes of an item of QEMU's firmware configuration; zeroes or ones without the device.
pub(crate) fn read_fw_cfg(selector: u16, into: &mut [u8]) {
    // SAFETY: the ports of the device; without it nothing answers.
    unsafe {
        out16(SELECTOR, selector);
        for byte in into {
            *byte = in8(DATA);
        }
    }
}

/// Makes the firmware configuration device carry out the command at a physical address.
///
/// # Safety
/// The command makes it write only memory that the caller owns.
pub(crate) unsafe fn start_fw_cfg(command: u64) {
    // SAFETY: the caller's promise; the second half starts the transfer.
    unsafe {
        out32(DMA, ((command >> 32) as u32).to_be());
        out32(DMA + 4, (command as u32).to_be());
    }
}
