//! Memory that a driver and its device take turns with.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use crate::mem::{Frame, PAGE_SIZE, pool};

/// Bytes inside one page that belong to this value alone: nothing else maps or borrows them, so they can be borrowed here while no device has
/// them.
pub(crate) struct Buffer {
    frame: Frame,
    offset: usize,
    length: usize,
}

impl Buffer {
    /// A page of zeroes; `None` when memory is used up.
    pub(crate) fn page() -> Option<Self> {
        // Of the reserve if need be: without its disk the kernel could give nothing back. Each driver has a bounded number of them.
        let frame = Frame::allocate_for_kernel()?;
        Some(Self::of(frame))
    }

    /// Consecutive pages of zeroes; `None` when there are none left.
    pub(crate) fn run(count: usize) -> Option<Vec<Self>> {
        let frames = Frame::allocate_run(count)?;
        for frame in &frames {
            frame.fill(0, PAGE_SIZE, 0);
        }
        Some(frames.into_iter().map(Self::of).collect())
    }

    fn of(frame: Frame) -> Self {
        pool::DEVICES.fetch_add(1, Ordering::Relaxed);
        Self {
            frame,
            offset: 0,
            length: PAGE_SIZE,
        }
    }

    /// Cuts the buffer in two, the first of `length` bytes. Panics when it is shorter.
    pub(crate) fn split(mut self, length: usize) -> (Self, Self) {
        assert!(length <= self.length, "a buffer is cut inside");
        let second = Self {
            frame: self.frame.clone(),
            offset: self.offset + length,
            length: self.length - length,
        };
        self.length = length;
        (self, second)
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the range is inside the page and only this value reaches it (see the type): its constructor took a fresh page and `split`
        // makes disjoint ranges.
        unsafe { core::slice::from_raw_parts(self.frame.pointer().add(self.offset), self.length) }
    }

    /// Its bytes, to change.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`.
        unsafe { core::slice::from_raw_parts_mut(self.frame.pointer().add(self.offset), self.length) }
    }

    /// Its bytes as the device addresses them.
    pub(crate) fn address(&self) -> u64 {
        self.frame.address() + self.offset as u64
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.length
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.frame.shares() == 1 {
            pool::DEVICES.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
