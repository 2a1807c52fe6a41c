//! The word itself: atomic access to user memory that brings the page in.

use abi::Errno;
use file::Fault;

use crate::memory::AddressSpace;
use hal::user;

/// No page that could be brought in makes a word out of an address that is not aligned.
fn check_aligned(address: usize) -> Result<(), Errno> {
    if address.is_multiple_of(size_of::<u32>()) {
        Ok(())
    } else {
        Err(Errno::INVAL)
    }
}

/// Reads the word. The page is brought in.
pub async fn load(memory: &AddressSpace, address: usize) -> Result<u32, Errno> {
    check_aligned(address)?;
    loop {
        match user::load_u32(address) {
            Ok(value) => return Ok(value),
            Err(_) => memory.fault_in(Fault { address, write: false }).await?,
        }
    }
}

/// Stores `new` if the word is `current`; the word as it was.
pub async fn compare_exchange(memory: &AddressSpace, address: usize, current: u32, new: u32) -> Result<u32, Errno> {
    check_aligned(address)?;
    loop {
        match user::compare_exchange_u32(address, current, new) {
            Ok(Ok(value) | Err(value)) => return Ok(value),
            Err(_) => memory.fault_in(Fault { address, write: true }).await?,
        }
    }
}

/// Changes the word atomically; the word as it was.
pub async fn modify(memory: &AddressSpace, address: usize, change: impl Fn(u32) -> u32) -> Result<u32, Errno> {
    let mut value = load(memory, address).await?;
    loop {
        let found = compare_exchange(memory, address, value, change(value)).await?;
        if found == value {
            return Ok(value);
        }
        value = found;
    }
}

/// What `FUTEX_WAKE_OP` does to the second word, and when it wakes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WakeOperation(u32);

impl WakeOperation {
    /// From the call's last argument; `ENOSYS` for operations that do not exist.
    pub fn new(encoded: u32) -> Result<Self, Errno> {
        let (operation, comparison) = (encoded >> 28 & 7, encoded >> 24 & 0xf);
        if operation > 4 || comparison > 5 {
            return Err(Errno::NOSYS);
        }
        Ok(Self(encoded))
    }

    fn signed12(value: u32) -> u32 {
        ((value << 20) as i32 >> 20) as u32
    }

    /// The new value of the word.
    pub fn apply(self, old: u32) -> u32 {
        let mut argument = Self::signed12(self.0 >> 12 & 0xfff);
        if self.0 >> 31 == 1 {
            argument = 1 << (argument & 31);
        }
        match self.0 >> 28 & 7 {
            0 => argument,
            1 => old.wrapping_add(argument),
            2 => old | argument,
            3 => old & !argument,
            _ => old ^ argument,
        }
    }

    /// Whether the word as it was asks for a wake-up.
    pub fn wakes(self, old: u32) -> bool {
        let (old, argument) = (old as i32, Self::signed12(self.0 & 0xfff) as i32);
        match self.0 >> 24 & 0xf {
            0 => old == argument,
            1 => old != argument,
            2 => old < argument,
            3 => old <= argument,
            4 => old > argument,
            _ => old >= argument,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_follow_the_manual_page() {
        // FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, 5)
        let add = WakeOperation::new(1 << 28 | 4 << 24 | 3 << 12 | 5).unwrap();
        assert_eq!((add.apply(6), add.wakes(6), add.wakes(5)), (9, true, false));
        // FUTEX_OP(FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT, 4, FUTEX_OP_CMP_EQ, -1)
        let set = WakeOperation::new(8 << 28 | 4 << 12 | 0xfff).unwrap();
        assert_eq!((set.apply(7), set.wakes(u32::MAX), set.wakes(1)), (16, true, false));
        assert_eq!(WakeOperation::new(5 << 28), Err(Errno::NOSYS));
    }
}
