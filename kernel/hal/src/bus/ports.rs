//! I/O ports of a device.

use crate::arch;

/// A range of ports. Reads and writes are inside the range.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    first: u16,
    length: u16,
}

macro_rules! access {
    ($read:ident, $write:ident, $type:ty, $in:ident, $out:ident) => {
        /// Reads the register at `offset`. Panics when it lies outside.
        pub(crate) fn $read(self, offset: u16) -> $type {
            // SAFETY: a port of this device, whose driver owns all memory that it reaches.
            unsafe { arch::$in(self.port(offset, size_of::<$type>() as u16)) }
        }

        /// Writes the register at `offset`. Panics when it lies outside.
        pub(crate) fn $write(self, offset: u16, value: $type) {
            // SAFETY: as above.
            unsafe { arch::$out(self.port(offset, size_of::<$type>() as u16), value) }
        }
    };
}

impl Ports {
    /// `length` ports.
    ///
    /// # Safety
    /// They belong to a device. What drivers write to them makes the device touch only memory that they own.
    pub(crate) unsafe fn new(first: u16, length: u16) -> Self {
        Self { first, length }
    }

    fn port(self, offset: u16, size: u16) -> u16 {
        assert!(offset + size <= self.length, "port {offset:#x} lies outside its device");
        self.first + offset
    }

    access!(read8, write8, u8, in8, out8);
    access!(read16, write16, u16, in16, out16);
    access!(read32, write32, u32, in32, out32);
}
