//! `kcmp(2)`: whether two processes share something of the kernel's.

use abi::Errno;
use alloc::sync::Arc;
use core::cmp::Ordering;

use super::pidfd::may_look_into;
use super::{Call, Result};
use crate::process::{Thread, family};

const FILE: u32 = 0;
const MEMORY: u32 = 1;
const FILES: u32 = 2;
const PATHS: u32 = 3;
const ACTIONS: u32 = 4;
const IO: u32 = 5;
const SEMAPHORES: u32 = 6;

/// Where an object lies, which tells it apart.
fn identity<T: ?Sized>(object: &Arc<T>) -> usize {
    Arc::as_ptr(object).cast::<()>().addr()
}

/// `kcmp(pid, pid, kind, index, index)`: 0 when they share it, else 1 or 2 by an order that stays the same.
pub(super) fn kcmp(thread: &Thread, call: &Call) -> Result {
    let find = |pid| family::find_thread(pid).ok_or(Errno::SRCH);
    let (first, second) = (find(call.int(0))?, find(call.int(1))?);
    if !may_look_into(thread, &first.process) || !may_look_into(thread, &second.process) {
        return Err(Errno::PERM.into());
    }
    let memory = |thread: &Thread| identity(&thread.memory);
    let file = |thread: &Thread, index: usize| -> Result<usize> {
        let descriptor = i32::try_from(index).map_err(|_| Errno::BADF)?;
        Ok(identity(&thread.files().get_any(descriptor)?))
    };
    let (first, second) = match call.unsigned(2) {
        FILE => (file(&first, call.word(3))?, file(&second, call.word(4))?),
        MEMORY => (memory(&first), memory(&second)),
        FILES => (first.files().identity(), second.files().identity()),
        PATHS => (first.paths().identity(), second.paths().identity()),
        ACTIONS => (identity(&first.process.actions), identity(&second.process.actions)),
        // Of these each process has its own.
        IO | SEMAPHORES => (identity(&first.process), identity(&second.process)),
        _ => return Err(Errno::INVAL.into()),
    };
    // The order must not tell where anything lies.
    Ok(match mixed(first).cmp(&mixed(second)) {
        Ordering::Equal => 0,
        Ordering::Less => 1,
        Ordering::Greater => 2,
    })
}

/// An address, mixed with what nobody outside knows; different for different ones.
fn mixed(address: usize) -> usize {
    static KEYS: hal::sync::SpinLock<Option<[usize; 2]>> = hal::sync::SpinLock::new(None);
    let [mask, factor] = *KEYS.lock().get_or_insert_with(|| {
        let mut bytes = [0; 16];
        hal::random::fill(&mut bytes);
        let word = |at| usize::from_ne_bytes(core::array::from_fn(|i| bytes[at + i]));
        [word(0), word(8) | 1]
    });
    (address ^ mask).wrapping_mul(factor)
}
