//! Memory that a driver and its device look at at the same time: rings, tables of commands.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::arch;
use crate::mem::{Frame, PAGE_SIZE, pool};

/// Consecutive pages that a device may read and write at any time, reached word by word.
///
/// They are never given back: a device that was not stopped, or does not stop, can do no harm with them.
pub(crate) struct Shared {
    base: *mut u8,
    address: u64,
    length: usize,
}

// SAFETY: the pages live for ever, and are only reached by atomics and by copies of bytes that nobody borrows.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// At least `length` zeroed bytes, from the start of a page on; `None` when memory is used up.
    pub(crate) fn allocate(length: usize) -> Option<Self> {
        let frames = Frame::allocate_run(length.div_ceil(PAGE_SIZE))?;
        let first = frames.first()?;
        pool::DEVICES.fetch_add(frames.len(), Ordering::Relaxed);
        let shared = Self {
            base: first.pointer(),
            address: first.address(),
            length: frames.len() * PAGE_SIZE,
        };
        for frame in frames {
            frame.fill(0, PAGE_SIZE, 0);
            core::mem::forget(frame);
        }
        Some(shared)
    }

    /// The byte at `offset` as the device addresses it.
    pub(crate) fn address(&self, offset: usize) -> u64 {
        self.address + offset as u64
    }

    fn place(&self, offset: usize, size: usize) -> *mut u8 {
        assert!(
            offset.is_multiple_of(size) && offset + size <= self.length,
            "{size} bytes at {offset} leave the memory shared with a device"
        );
        self.base.wrapping_add(offset)
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: `place` checked range and alignment, and words are only reached by atomics, here and by the device.
        unsafe { AtomicU32::from_ptr(self.place(offset, size_of::<u32>()).cast()) }
    }

    /// The word at `offset`, a multiple of 4. Panics when it lies outside.
    pub(crate) fn get32(&self, offset: usize, order: Ordering) -> u32 {
        self.word(offset).load(order)
    }

    /// Changes the word at `offset`, a multiple of 4. Panics when it lies outside.
    pub(crate) fn set32(&self, offset: usize, value: u32, order: Ordering) {
        self.word(offset).store(value, order);
    }

    /// Changes two words at `offset`, a multiple of 4, one after the other: the lower half first.
    pub(crate) fn set64(&self, offset: usize, value: u64, order: Ordering) {
        self.set32(offset, value as u32, order);
        self.set32(offset + 4, (value >> 32) as u32, order);
    }

    /// Copies bytes out. Panics when they lie outside.
    pub(crate) fn read(&self, offset: usize, into: &mut [u8]) {
        assert!(offset + into.len() <= self.length, "a read inside the shared memory");
        // SAFETY: the range was checked; nobody borrows these bytes.
        unsafe { arch::copy_memory(into.as_mut_ptr(), self.base.add(offset), into.len()) }
    }

    /// Copies bytes in, for a device that looks at them later. Panics when they lie outside.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.length, "a write inside the shared memory");
        // SAFETY: as in `read`.
        unsafe { arch::copy_memory(self.base.add(offset), bytes.as_ptr(), bytes.len()) }
    }

    /// Zeroes everything, for a device that begins anew.
    pub(crate) fn clear(&self) {
        // SAFETY: as in `read`.
        unsafe { arch::fill_memory(self.base, 0, self.length) }
    }
}
