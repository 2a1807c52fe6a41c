//! Registers of a device in memory.

use crate::arch;

/// A range of device registers. Reads and writes are volatile, aligned and inside the range.
#[derive(Clone, Copy)]
pub(crate) struct Registers {
    base: *mut u8,
    length: usize,
}

// SAFETY: a range of registers is mapped for ever and in every address space; accesses are single volatile instructions.
unsafe impl Send for Registers {}
// SAFETY: as above.
unsafe impl Sync for Registers {}

macro_rules! access {
    ($read:ident, $write:ident, $type:ty) => {
        /// Reads the register at `offset`. Panics when it is unaligned or outside.
        #[inline]
        pub(crate) fn $read(&self, offset: usize) -> $type {
            self.check(offset, size_of::<$type>());
            // SAFETY: inside the mapped range and aligned.
            unsafe { self.base.add(offset).cast::<$type>().read_volatile() }
        }

        /// Writes the register at `offset`. Panics when it is unaligned or outside.
        #[inline]
        pub(crate) fn $write(&self, offset: usize, value: $type) {
            self.check(offset, size_of::<$type>());
            // SAFETY: inside the mapped range and aligned.
            unsafe { self.base.add(offset).cast::<$type>().write_volatile(value) }
        }
    };
}

impl Registers {
    /// Maps `length` bytes of registers.
    ///
    /// # Safety
    /// The physical range belongs to a device and is no memory. What drivers write to it makes the device touch only memory that they own.
    pub(crate) unsafe fn map(physical: u64, length: usize) -> Self {
        // SAFETY: the caller's promise.
        let base = unsafe { arch::map_device(physical, length, false) };
        Self { base, length }
    }

    /// A part of the range; `None` when it lies outside.
    pub(crate) fn part(&self, offset: usize, length: usize) -> Option<Self> {
        (offset <= self.length && length <= self.length - offset).then(|| Self {
            base: self.base.wrapping_add(offset),
            length,
        })
    }

    #[inline]
    fn check(&self, offset: usize, size: usize) {
        assert!(
            offset + size <= self.length && (self.base.addr() + offset).is_multiple_of(size),
            "register {offset:#x} lies outside its device"
        );
    }

    access!(read8, write8, u8);
    access!(read16, write16, u16);
    access!(read32, write32, u32);
}
