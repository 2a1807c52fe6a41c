//! A device of the host's, for tests.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU16, Ordering};

use super::queue::{DEVICE_WRITES, Layout, NEXT, Queue};
use crate::arch;
use crate::mem::PAGE_SIZE;

/// A part of a request: address, length, and whether the device writes it.
pub(super) type Asked = (u64, usize, bool);

/// The device's side of a queue, reading the rings as a device would.
pub(super) struct Device {
    pub(super) layout: Layout,
    seen: u16,
}

impl Device {
    pub(super) fn of(queue: &Queue) -> Self {
        Self {
            layout: queue.layout(),
            seen: 0,
        }
    }

    pub(super) fn at(address: u64) -> *mut u8 {
        arch::page_pointer(address as usize / PAGE_SIZE).wrapping_add(address as usize % PAGE_SIZE)
    }

    pub(super) fn u16(address: u64) -> &'static AtomicU16 {
        // SAFETY: the rings of a queue that lives through the test.
        unsafe { AtomicU16::from_ptr(Self::at(address).cast()) }
    }

    /// Takes the next request: its head and its parts.
    pub(super) fn take(&mut self) -> Option<(u16, Vec<Asked>)> {
        if Self::u16(self.layout.available + 2).load(Ordering::Acquire) == self.seen {
            return None;
        }
        let slot = u64::from(self.seen % self.layout.size);
        let head = Self::u16(self.layout.available + 4 + 2 * slot).load(Ordering::Relaxed);
        self.seen = self.seen.wrapping_add(1);
        let mut parts = Vec::new();
        let mut index = head;
        loop {
            let at = self.layout.descriptors + 16 * u64::from(index);
            // SAFETY: as above.
            let (address, word) = unsafe { (Self::at(at).cast::<u64>().read(), Self::at(at + 8).cast::<u64>().read()) };
            parts.push((address, word as u32 as usize, word >> 32 & DEVICE_WRITES != 0));
            if word >> 32 & NEXT == 0 {
                return Some((head, parts));
            }
            index = (word >> 48) as u16;
        }
    }

    pub(super) fn give(&self, head: u32, written: u32) {
        let index = Self::u16(self.layout.used + 2);
        let slot = self.layout.used + 4 + 8 * u64::from(index.load(Ordering::Relaxed) % self.layout.size);
        // SAFETY: as above.
        unsafe {
            Self::at(slot).cast::<u32>().write(head);
            Self::at(slot + 4).cast::<u32>().write(written);
        }
        index.fetch_add(1, Ordering::Release);
    }
}
