//! Futexes: waiting until somebody changes a word of user memory (`futex(2)`).

mod queue;
mod robust;
mod word;

pub use queue::{Key, Place, Waiter, begin, requeue, wake};
pub use robust::release_robust_list;
pub use word::{WakeOperation, compare_exchange, load, modify};

use abi::Errno;
use alloc::sync::Arc;
use hal::mem::PAGE_SIZE;

use crate::memory::{AddressSpace, AreaFlags};

/// Every waiter's bits, for those that name none.
pub const ANY: u32 = u32::MAX;

impl Key {
    /// The futex at an address. `shared` ones in shared mappings are the same wherever they are mapped.
    pub fn of(memory: &Arc<AddressSpace>, address: usize, shared: bool) -> Result<Self, Errno> {
        if !address.is_multiple_of(4) {
            return Err(Errno::INVAL);
        }
        if shared {
            let (start, area) = memory.area_at(address).ok_or(Errno::FAULT)?;
            if let Some(backing) = area.backing.filter(|_| area.flags.contains(AreaFlags::SHARED)) {
                let page = backing.first_page as usize + (address - start) / PAGE_SIZE;
                let object = backing.pages.identity();
                return Ok(Self::new(object, page * PAGE_SIZE + address % PAGE_SIZE));
            }
        }
        Ok(Self::new(Arc::as_ptr(memory) as usize, address))
    }
}
