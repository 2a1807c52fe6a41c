//! Registers of a device in memory; on the host, of a model of it.

#[cfg(target_os = "none")]
use crate::arch;

/// A range of device registers. Reads and writes are volatile, aligned and inside the range.
#[derive(Clone, Copy)]
pub(crate) struct Registers {
    #[cfg(target_os = "none")]
    base: *mut u8,
    #[cfg(not(target_os = "none"))]
    model: &'static dyn Model,
    /// Where the range begins in the model.
    #[cfg(not(target_os = "none"))]
    start: usize,
    length: usize,
}

/// What stands in for a device's registers where drivers are tested.
#[cfg(not(target_os = "none"))]
pub(crate) trait Model: Send + Sync {
    /// Reads the register of `size` bytes at `offset`.
    fn read(&self, offset: usize, size: usize) -> u64;
    /// Writes it.
    fn write(&self, offset: usize, size: usize, value: u64);
}

#[cfg(target_os = "none")]
// SAFETY: a range of registers is mapped for ever and in every address space; accesses are single volatile instructions.
unsafe impl Send for Registers {}
#[cfg(target_os = "none")]
// SAFETY: as above.
unsafe impl Sync for Registers {}

macro_rules! access {
    ($read:ident, $write:ident, $type:ty) => {
        /// Reads the register at `offset`. Panics when it is unaligned or outside.
        #[inline]
        pub(crate) fn $read(&self, offset: usize) -> $type {
            self.check(offset, size_of::<$type>());
            #[cfg(target_os = "none")]
            // SAFETY: inside the mapped range and aligned.
            unsafe {
                self.base.add(offset).cast::<$type>().read_volatile()
            }
            #[cfg(not(target_os = "none"))]
            {
                self.model.read(self.start + offset, size_of::<$type>()) as $type
            }
        }

        /// Writes the register at `offset`. Panics when it is unaligned or outside.
        #[inline]
        pub(crate) fn $write(&self, offset: usize, value: $type) {
            self.check(offset, size_of::<$type>());
            #[cfg(target_os = "none")]
            // SAFETY: inside the mapped range and aligned.
            unsafe {
                self.base.add(offset).cast::<$type>().write_volatile(value);
            }
            #[cfg(not(target_os = "none"))]
            self.model
                .write(self.start + offset, size_of::<$type>(), value.into());
        }
    };
}

impl Registers {
    /// Maps `length` bytes of registers.
    ///
    /// # Safety
    /// The physical range belongs to a device and is no memory. What drivers write to it makes the device touch only memory that they own.
    #[cfg(target_os = "none")]
    pub(crate) unsafe fn map(physical: u64, length: usize) -> Self {
        // SAFETY: the caller's promise.
        let base = unsafe { arch::map_device(physical, length, false) };
        Self { base, length }
    }

    /// As on bare metal; the host has no devices.
    ///
    /// # Safety
    /// None.
    #[cfg(not(target_os = "none"))]
    pub(crate) unsafe fn map(_physical: u64, _length: usize) -> Self {
        unimplemented!("the host has no devices")
    }

    /// `length` bytes of registers of a model.
    #[cfg(not(target_os = "none"))]
    pub(crate) fn of_model(model: &'static dyn Model, length: usize) -> Self {
        Self {
            model,
            start: 0,
            length,
        }
    }

    /// A part of the range; `None` when it lies outside.
    pub(crate) fn part(&self, offset: usize, length: usize) -> Option<Self> {
        (offset <= self.length && length <= self.length - offset).then(|| Self {
            #[cfg(target_os = "none")]
            base: self.base.wrapping_add(offset),
            #[cfg(not(target_os = "none"))]
            model: self.model,
            #[cfg(not(target_os = "none"))]
            start: self.start + offset,
            length,
        })
    }

    #[inline]
    fn check(&self, offset: usize, size: usize) {
        #[cfg(target_os = "none")]
        let start = self.base.addr();
        #[cfg(not(target_os = "none"))]
        let start = self.start;
        assert!(
            offset + size <= self.length && (start + offset).is_multiple_of(size),
            "register {offset:#x} lies outside its device"
        );
    }

    access!(read8, write8, u8);
    access!(read16, write16, u16);
    access!(read32, write32, u32);

    /// Reads a register of 8 bytes as two of 4, which every device takes.
    pub(crate) fn read64(&self, offset: usize) -> u64 {
        u64::from(self.read32(offset)) | u64::from(self.read32(offset + 4)) << 32
    }

    /// Writes 8 bytes at once, for devices that take them no other way. Panics when they are unaligned or outside.
    #[inline]
    pub(crate) fn write_whole64(&self, offset: usize, value: u64) {
        self.check(offset, size_of::<u64>());
        #[cfg(target_os = "none")]
        // SAFETY: inside the mapped range and aligned.
        unsafe {
            self.base.add(offset).cast::<u64>().write_volatile(value);
        }
        #[cfg(not(target_os = "none"))]
        self.model.write(self.start + offset, size_of::<u64>(), value);
    }

    /// Writes a register of 8 bytes as two of 4.
    pub(crate) fn write64(&self, offset: usize, value: u64) {
        self.write32(offset, value as u32);
        self.write32(offset + 4, (value >> 32) as u32);
    }
}
