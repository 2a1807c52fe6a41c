//! Robust futexes: locks whose owner ended are given up (`set_robust_list(2)`).

use abi::Errno;

use super::{Key, modify, wake};
use crate::process::Thread;

/// The owner ended.
const OWNER_DIED: u32 = 0x4000_0000;
const WAITERS: u32 = 0x8000_0000;
const TID_MASK: u32 = 0x3fff_ffff;
/// Locks that are followed: a list may be a circle.
const LIMIT: usize = 2048;

/// Goes through the list of a thread that ends, marks the locks it holds and wakes one waiter of each.
pub async fn release_robust_list(thread: &Thread, head: usize) -> Result<(), Errno> {
    let [first, offset, pending] = thread.memory.read::<[usize; 3]>(head).await?;
    let mut entry = first;
    for _ in 0..LIMIT {
        if entry & !1 == head {
            break;
        }
        // Read before the lock is given up: its new owner may change the list.
        let next = thread.memory.read::<usize>(entry & !1).await;
        if entry & !1 != pending & !1 {
            release(thread, (entry & !1).wrapping_add(offset), false).await?;
        }
        entry = next?;
    }
    if pending != 0 {
        release(thread, (pending & !1).wrapping_add(offset), true).await?;
    }
    Ok(())
}

async fn release(thread: &Thread, address: usize, pending: bool) -> Result<(), Errno> {
    if !address.is_multiple_of(4) {
        return Err(Errno::INVAL);
    }
    let tid = thread.tid as u32;
    let value = super::load(&thread.memory, address).await?;
    let key = Key::of(&thread.memory, address, true)?;
    if pending && value == 0 {
        // The thread ended between unlocking and waking.
        wake(key, 1, super::ANY);
    }
    if value & TID_MASK != tid {
        return Ok(());
    }
    let old = modify(&thread.memory, address, |word| {
        if word & TID_MASK == tid {
            word & WAITERS | OWNER_DIED
        } else {
            word
        }
    })
    .await?;
    if old & WAITERS != 0 {
        wake(key, 1, super::ANY);
        wake(Key::of(&thread.memory, address, false)?, 1, super::ANY);
    }
    Ok(())
}
