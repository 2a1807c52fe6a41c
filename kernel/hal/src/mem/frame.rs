//! Page frames with a reference count.

use core::sync::atomic::{AtomicU32, Ordering};

use alloc::vec::Vec;

use super::pool::Need;
use super::{PAGE_SIZE, pool};
use crate::arch;
use crate::sync::SpinLock;

/// A share of one physical page. Cloning adds a share, dropping the last one frees the page.
///
/// A page may be mapped into user address spaces, so its bytes can change at any time: they are only ever copied in and
/// out, never borrowed.
pub struct Frame(u32);

static ZERO: SpinLock<Option<Frame>> = SpinLock::new(None);
/// The number of that page, so that a look costs no lock.
static ZERO_NUMBER: AtomicU32 = AtomicU32::new(0);

impl Frame {
    /// A page of undefined content; `None` when memory is used up.
    pub fn allocate() -> Option<Self> {
        let number = pool::allocate(1, Need::Ordinary)?;
        Some(Self::adopt(number))
    }

    /// A page of undefined content for what one can do without; `None` when memory is short. Others are not pushed out for it.
    pub fn allocate_free() -> Option<Self> {
        (pool::shortage() == 0).then(Self::allocate)?
    }

    /// A page of zeroes; `None` when memory is used up.
    pub fn allocate_zeroed() -> Option<Self> {
        let frame = Self::allocate()?;
        frame.fill(0, PAGE_SIZE, 0);
        Some(frame)
    }

    /// A page of zeroes that the kernel cannot go on without: the reserve is for it, and nothing is given up for it.
    pub(crate) fn allocate_for_kernel() -> Option<Self> {
        let frame = Self::adopt(pool::allocate_at_once(1, Need::Kernel)?);
        frame.fill(0, PAGE_SIZE, 0);
        Some(frame)
    }

    /// A share of the one page of zeroes that nobody writes to; `None` when it does not exist yet and memory is used up.
    pub fn zero() -> Option<Self> {
        let mut zero = ZERO.lock();
        if zero.is_none() {
            *zero = Self::allocate_zeroed();
            ZERO_NUMBER.store(zero.as_ref().map_or(0, |frame| frame.0), Ordering::Relaxed);
        }
        zero.clone()
    }

    /// Whether it is the page that [`Frame::zero`] gives.
    #[inline]
    pub fn is_zero(&self) -> bool {
        // Page 0 is never handed out.
        self.0 == ZERO_NUMBER.load(Ordering::Relaxed)
    }

    /// `count` pages of undefined content with consecutive physical addresses, for devices; `None` when there is no such run.
    pub fn allocate_run(count: usize) -> Option<Vec<Self>> {
        let start = pool::allocate(count, Need::Ordinary)?;
        Some((start..start + count).map(Self::adopt).collect())
    }

    /// Makes the first share of a page that the pool handed out.
    fn adopt(number: usize) -> Self {
        pool::count(number).store(1, Ordering::Relaxed);
        Self(number as u32)
    }

    /// How many shares of the page exist.
    pub fn shares(&self) -> u32 {
        self.count().load(Ordering::Acquire)
    }

    /// Copies bytes out of the page. Panics when `offset + into.len()` exceeds [`PAGE_SIZE`].
    #[inline]
    pub fn read(&self, offset: usize, into: &mut [u8]) {
        check(offset, into.len());
        // SAFETY: the range lies inside this page, which lives as long as `self`; `into` is exclusive kernel memory.
        unsafe { arch::copy_memory(into.as_mut_ptr(), self.pointer().add(offset), into.len()) }
    }

    /// Copies bytes into the page. Panics when `offset + bytes.len()` exceeds [`PAGE_SIZE`].
    #[inline]
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        check(offset, bytes.len());
        // SAFETY: the range lies inside this page; nobody holds a reference to its bytes (see the type).
        unsafe { arch::copy_memory(self.pointer().add(offset), bytes.as_ptr(), bytes.len()) }
    }

    /// Sets `length` bytes from `offset` on to `value`. Panics when they exceed the page.
    #[inline]
    pub fn fill(&self, offset: usize, length: usize, value: u8) {
        check(offset, length);
        // SAFETY: as in `write`.
        unsafe { arch::fill_memory(self.pointer().add(offset), value, length) }
    }

    /// Makes this page's content the other's.
    pub fn copy_from(&self, other: &Self) {
        if self.0 != other.0 {
            // SAFETY: two different whole pages.
            unsafe { arch::copy_memory(self.pointer(), other.pointer(), PAGE_SIZE) }
        }
    }

    /// The physical address.
    pub(crate) fn address(&self) -> u64 {
        u64::from(self.0) * PAGE_SIZE as u64
    }

    /// Where the kernel sees the page.
    pub(crate) fn pointer(&self) -> *mut u8 {
        arch::page_pointer(self.0 as usize)
    }

    /// Gives up the share without ending it, as a physical address for [`Frame::from_address`].
    pub(crate) fn into_address(self) -> u64 {
        let address = self.address();
        core::mem::forget(self);
        address
    }

    /// Takes back a share.
    ///
    /// # Safety
    /// `address` came from [`Frame::into_address`], and each such share is taken back once.
    pub(crate) unsafe fn from_address(address: u64) -> Self {
        Self((address / PAGE_SIZE as u64) as u32)
    }

    fn count(&self) -> &'static AtomicU32 {
        pool::count(self.0 as usize)
    }
}

#[inline]
fn check(offset: usize, length: usize) {
    assert!(
        offset <= PAGE_SIZE && length <= PAGE_SIZE - offset,
        "{length} bytes at {offset} leave the page"
    );
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        let before = self.count().fetch_add(1, Ordering::Relaxed);
        assert!(before < u32::MAX / 2, "too many shares of a page");
        Self(self.0)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if self.count().fetch_sub(1, Ordering::AcqRel) == 1 {
            pool::release(self.0 as usize, 1);
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
        write!(formatter, "Frame({:#x})", self.address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_share_frees_the_page() {
        let frame = Frame::allocate_zeroed().expect("the arena has pages");
        let other = frame.clone();
        assert_eq!(frame.shares(), 2);
        drop(frame);
        other.write(10, b"abc");
        let mut bytes = [0; 5];
        other.read(9, &mut bytes);
        assert_eq!(&bytes, b"\0abc\0");
        assert_eq!(other.shares(), 1);
    }

    #[test]
    fn a_run_has_consecutive_addresses() {
        let run = Frame::allocate_run(5).expect("the arena has pages");
        for pair in run.windows(2) {
            assert_eq!(pair[1].address(), pair[0].address() + PAGE_SIZE as u64);
        }
    }

    #[test]
    #[should_panic(expected = "leave the page")]
    fn a_write_past_the_end_panics() {
        Frame::allocate()
            .expect("the arena has pages")
            .write(PAGE_SIZE - 1, &[1, 2]);
    }
}
