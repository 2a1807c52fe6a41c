//! Access to the user memory of the active page table. Every routine stops at a fault.

use super::{USER_END, Unreachable};
use crate::arch;
use crate::mem::{Frame, PAGE_SIZE};

/// How many of `length` bytes from `address` on are user addresses.
#[inline]
fn reachable(address: usize, length: usize) -> usize {
    if address >= USER_END {
        0
    } else {
        length.min(USER_END - address)
    }
}

/// `Ok` when all of `length` bytes are done, else how many are.
#[inline]
fn outcome(length: usize, allowed: usize, left: usize) -> Result<(), usize> {
    let done = allowed - left;
    if done == length { Ok(()) } else { Err(done) }
}

/// Copies from user memory; on a fault the error is how many bytes were copied.
#[inline]
pub fn copy_from_user(address: usize, into: &mut [u8]) -> Result<(), usize> {
    let allowed = reachable(address, into.len());
    // SAFETY: the source range was cut to user addresses, the destination is the slice.
    let left = unsafe { arch::copy_from_user(into.as_mut_ptr(), address, allowed) };
    outcome(into.len(), allowed, left)
}

/// Copies to user memory; on a fault the error is how many bytes were copied.
#[inline]
pub fn copy_to_user(address: usize, bytes: &[u8]) -> Result<(), usize> {
    let allowed = reachable(address, bytes.len());
    // SAFETY: the destination range was cut to user addresses, the source is the slice.
    let left = unsafe { arch::copy_to_user(address, bytes.as_ptr(), allowed) };
    outcome(bytes.len(), allowed, left)
}

/// Copies `length` bytes of a page from `offset` on to user memory; on a fault the error is how many.
///
/// # Panics
/// When the bytes exceed the page.
pub fn copy_frame_to_user(frame: &Frame, offset: usize, length: usize, address: usize) -> Result<(), usize> {
    assert!(offset <= PAGE_SIZE && length <= PAGE_SIZE - offset);
    let allowed = reachable(address, length);
    // SAFETY: the destination range was cut to user addresses, the source lies in the page.
    let left = unsafe { arch::copy_to_user(address, frame.pointer().add(offset), allowed) };
    outcome(length, allowed, left)
}

/// Copies `length` bytes of user memory into a page from `offset` on; on a fault the error is how many.
///
/// # Panics
/// When the bytes exceed the page.
pub fn copy_frame_from_user(frame: &Frame, offset: usize, length: usize, address: usize) -> Result<(), usize> {
    assert!(offset <= PAGE_SIZE && length <= PAGE_SIZE - offset);
    let allowed = reachable(address, length);
    // SAFETY: the source range was cut to user addresses, the destination lies in the page.
    let left = unsafe { arch::copy_from_user(frame.pointer().add(offset), address, allowed) };
    outcome(length, allowed, left)
}

/// Sets user memory to `value`; on a fault the error is how many bytes were set.
pub fn fill_user(address: usize, length: usize, value: u8) -> Result<(), usize> {
    let allowed = reachable(address, length);
    // SAFETY: the range was cut to user addresses.
    let left = unsafe { arch::fill_user(address, value, allowed) };
    outcome(length, allowed, left)
}

/// Whether a word can be there at all: aligned, and in user memory.
fn word(address: usize) -> Result<usize, Unreachable> {
    if address.is_multiple_of(size_of::<u32>()) && reachable(address, size_of::<u32>()) == size_of::<u32>() {
        Ok(address)
    } else {
        Err(Unreachable)
    }
}

/// Reads an aligned word in one access.
pub fn load_u32(address: usize) -> Result<u32, Unreachable> {
    let word = word(address)?;
    // SAFETY: a user address.
    unsafe { arch::load_user_u32(word) }.ok_or(Unreachable)
}

/// Replaces an aligned word by `new` if it is `current`, in one atomic step; what it was, as `Err` when it was something else.
pub fn compare_exchange_u32(address: usize, current: u32, new: u32) -> Result<Result<u32, u32>, Unreachable> {
    let word = word(address)?;
    // SAFETY: a user address.
    let found = unsafe { arch::compare_exchange_user_u32(word, current, new) }.ok_or(Unreachable)?;
    Ok(if found == current { Ok(found) } else { Err(found) })
}

/// What [`fetch_op_u32`] does with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordOperation {
    /// Replace it.
    Set,
    /// Add.
    Add,
    /// Or.
    Or,
    /// And with the complement.
    AndNot,
    /// Exclusive or.
    Xor,
}

/// Changes an aligned word in one atomic step and gives what it was.
pub fn fetch_op_u32(address: usize, operation: WordOperation, operand: u32) -> Result<u32, Unreachable> {
    let mut old = load_u32(address)?;
    loop {
        let new = match operation {
            WordOperation::Set => operand,
            WordOperation::Add => old.wrapping_add(operand),
            WordOperation::Or => old | operand,
            WordOperation::AndNot => old & !operand,
            WordOperation::Xor => old ^ operand,
        };
        match compare_exchange_u32(address, old, new)? {
            Ok(before) => return Ok(before),
            Err(found) => old = found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::{Access, PageTable};

    const AT: usize = 0x5000_0000;

    #[test]
    fn a_copy_stops_at_the_first_missing_page() {
        let table = PageTable::new().expect("memory");
        let frame = Frame::allocate_zeroed().expect("memory");
        table
            .map(AT, frame.clone(), Access::READ | Access::WRITE)
            .expect("memory");
        table.activate();
        assert_eq!(copy_to_user(AT + PAGE_SIZE - 3, b"abcdef"), Err(3));
        let mut bytes = [0; 3];
        frame.read(PAGE_SIZE - 3, &mut bytes);
        assert_eq!(&bytes, b"abc");
        assert_eq!(copy_from_user(USER_END - 1, &mut bytes), Err(0));
        assert_eq!(copy_from_user(usize::MAX - 1, &mut bytes), Err(0));
    }

    #[test]
    fn a_page_without_write_is_not_written() {
        let table = PageTable::new().expect("memory");
        let frame = Frame::allocate_zeroed().expect("memory");
        table.map(AT, frame, Access::READ).expect("memory");
        table.activate();
        assert_eq!(copy_to_user(AT, b"a"), Err(0));
        assert_eq!(fetch_op_u32(AT, WordOperation::Add, 1), Err(Unreachable));
        assert_eq!(load_u32(AT), Ok(0));
        assert_eq!(load_u32(AT + 2), Err(Unreachable));
    }

    #[test]
    fn words_change_atomically() {
        let table = PageTable::new().expect("memory");
        let frame = Frame::allocate_zeroed().expect("memory");
        table.map(AT, frame, Access::READ | Access::WRITE).expect("memory");
        table.activate();
        assert_eq!(fetch_op_u32(AT, WordOperation::Add, 5), Ok(0));
        assert_eq!(compare_exchange_u32(AT, 4, 9), Ok(Err(5)));
        assert_eq!(compare_exchange_u32(AT, 5, 9), Ok(Ok(5)));
        assert_eq!(fetch_op_u32(AT, WordOperation::AndNot, 1), Ok(9));
        assert_eq!(load_u32(AT), Ok(8));
    }
}
