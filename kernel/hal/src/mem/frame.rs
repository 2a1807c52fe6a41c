//! Page frames with a reference count.

use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use alloc::boxed::Box;
use alloc::vec::Vec;
#[cfg(not(target_os = "none"))]
use std::sync::OnceLock;

use super::PAGE_SIZE;
use crate::arch;
use crate::sync::SpinLock;

/// A share of one physical page. Cloning adds a share, dropping the last one frees the page.
///
/// A page may be mapped into user address spaces, so its bytes can change at any time: they are only ever copied in and
/// out, never borrowed.
pub struct Frame(u32);

struct Allocator {
    next: usize,
    end: usize,
    free: Vec<u32>,
}

static ALLOCATOR: SpinLock<Option<Allocator>> = SpinLock::new(None);
static IN_USE: AtomicUsize = AtomicUsize::new(0);

fn counts() -> &'static [AtomicU32] {
    static COUNTS: OnceLock<Box<[AtomicU32]>> = OnceLock::new();
    COUNTS.get_or_init(|| {
        let (first, count) = arch::usable_memory();
        (0..first + count).map(|_| AtomicU32::new(0)).collect()
    })
}

impl Frame {
    /// A page of undefined content; `None` when memory is used up.
    pub fn allocate() -> Option<Self> {
        let number = {
            let mut guard = ALLOCATOR.lock();
            let allocator = guard.get_or_insert_with(|| {
                let (first, count) = arch::usable_memory();
                Allocator {
                    next: first,
                    end: first + count,
                    free: Vec::new(),
                }
            });
            match allocator.free.pop() {
                Some(number) => number,
                None if allocator.next < allocator.end => {
                    allocator.next += 1;
                    (allocator.next - 1) as u32
                }
                None => return None,
            }
        };
        counts()[number as usize].store(1, Ordering::Relaxed);
        IN_USE.fetch_add(1, Ordering::Relaxed);
        Some(Self(number))
    }

    /// A page of zeroes; `None` when memory is used up.
    pub fn allocate_zeroed() -> Option<Self> {
        let frame = Self::allocate()?;
        frame.fill(0, PAGE_SIZE, 0);
        Some(frame)
    }

    /// How many shares of the page exist.
    pub fn shares(&self) -> u32 {
        counts()[self.0 as usize].load(Ordering::Acquire)
    }

    /// Copies bytes out of the page. Panics when `offset + into.len()` exceeds [`PAGE_SIZE`].
    pub fn read(&self, offset: usize, into: &mut [u8]) {
        check(offset, into.len());
        // SAFETY: the range lies inside this page, which lives as long as `self`; `into` is exclusive kernel memory.
        unsafe {
            ptr::copy_nonoverlapping(
                arch::page_pointer(self.0 as usize).add(offset),
                into.as_mut_ptr(),
                into.len(),
            )
        }
    }

    /// Copies bytes into the page. Panics when `offset + bytes.len()` exceeds [`PAGE_SIZE`].
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        check(offset, bytes.len());
        // SAFETY: the range lies inside this page; nobody holds a reference to its bytes (see the type).
        unsafe {
            ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                arch::page_pointer(self.0 as usize).add(offset),
                bytes.len(),
            )
        }
    }

    /// Sets `length` bytes from `offset` on to `value`. Panics when they exceed the page.
    pub fn fill(&self, offset: usize, length: usize, value: u8) {
        check(offset, length);
        // SAFETY: as in `write`.
        unsafe { ptr::write_bytes(arch::page_pointer(self.0 as usize).add(offset), value, length) }
    }

    /// Makes this page's content the other's.
    pub fn copy_from(&self, other: &Self) {
        if self.0 != other.0 {
            // SAFETY: two different whole pages.
            unsafe {
                ptr::copy_nonoverlapping(
                    arch::page_pointer(other.0 as usize),
                    arch::page_pointer(self.0 as usize),
                    PAGE_SIZE,
                );
            }
        }
    }
}

fn check(offset: usize, length: usize) {
    assert!(
        offset <= PAGE_SIZE && length <= PAGE_SIZE - offset,
        "{length} bytes at {offset} leave the page"
    );
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        counts()[self.0 as usize].fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if counts()[self.0 as usize].fetch_sub(1, Ordering::AcqRel) == 1 {
            IN_USE.fetch_sub(1, Ordering::Relaxed);
            if let Some(allocator) = ALLOCATOR.lock().as_mut() {
                allocator.free.push(self.0);
            }
        }
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Frame {}

impl core::fmt::Debug for Frame {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "Frame({:#x})", (self.0 as usize) * PAGE_SIZE)
    }
}

/// Pages of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Pages that the allocator manages.
    pub total: usize,
    /// Pages that are handed out.
    pub used: usize,
}

/// How much physical memory there is and how much of it is in use.
pub fn usage() -> Usage {
    Usage {
        total: arch::usable_memory().1,
        used: IN_USE.load(Ordering::Relaxed),
    }
}
