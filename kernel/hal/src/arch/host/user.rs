//! User memory on the host, and registers that nothing runs.

use alloc::vec::Vec;
use core::cell::Cell;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::entry::{ADDRESS, PRESENT, WRITE, index};
use super::page_pointer;
use crate::mem::PAGE_SIZE;

pub(crate) const SYSTEM_CALL: usize = 256;
pub(crate) const PAGE_FAULT: usize = 14;
pub(crate) const FIRST_INTERRUPT: usize = 32;

/// As the x86-64 one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Registers {
    pub(crate) rax: usize,
    pub(crate) rbx: usize,
    pub(crate) rcx: usize,
    pub(crate) rdx: usize,
    pub(crate) rsi: usize,
    pub(crate) rdi: usize,
    pub(crate) rbp: usize,
    pub(crate) rsp: usize,
    pub(crate) r8: usize,
    pub(crate) r9: usize,
    pub(crate) r10: usize,
    pub(crate) r11: usize,
    pub(crate) r12: usize,
    pub(crate) r13: usize,
    pub(crate) r14: usize,
    pub(crate) r15: usize,
    pub(crate) rip: usize,
    pub(crate) rflags: usize,
    pub(crate) vector: usize,
    pub(crate) error: usize,
}

/// Bytes of FXSAVE.
const STATE_SIZE: usize = 512;

/// Registers beside the general ones.
#[derive(Clone)]
pub(crate) struct State {
    fpu: Vec<u8>,
    bases: (usize, usize),
}

#[expect(clippy::unused_self, reason = "the interface of the machine's")]
impl State {
    pub(crate) fn new() -> Self {
        Self {
            fpu: alloc::vec![0; STATE_SIZE],
            bases: (0, 0),
        }
    }

    pub(crate) fn load(&mut self) {}

    pub(crate) fn park(&mut self) {}

    pub(crate) fn duplicate(&mut self) -> Self {
        self.clone()
    }

    pub(crate) fn bases(&mut self) -> (usize, usize) {
        self.bases
    }

    pub(crate) fn set_bases(&mut self, fs_base: usize, gs_base: usize) {
        self.bases = (fs_base, gs_base);
    }

    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        self.fpu.clone()
    }

    pub(crate) fn restore(&mut self, bytes: &[u8]) -> bool {
        bytes.get(..STATE_SIZE).is_some_and(|bytes| {
            self.fpu.copy_from_slice(bytes);
            true
        })
    }
}

pub(crate) fn state_components() -> u64 {
    0
}

pub(crate) fn enter(_registers: &mut Registers) {
    unimplemented!("the host has no user mode");
}

pub(crate) fn fault_address() -> usize {
    0
}

pub(crate) fn note_interrupt(_vector: usize) {}

std::thread_local! {
    static ACTIVE: Cell<u64> = const { Cell::new(0) };
}

pub(crate) fn activate(root: u64) {
    ACTIVE.set(root);
}

pub(crate) fn deactivate(root: u64) {
    if ACTIVE.get() == root {
        ACTIVE.set(0);
    }
}

pub(crate) fn flush(_root: u64, _range: Range<usize>) {}

pub(crate) fn note_mappings(_pages: usize) {}

pub(crate) fn share_kernel_half(_root: u64) {}

pub(crate) fn entry_mask() -> u64 {
    u64::MAX
}

/// The bytes behind a user address up to the end of its page, when the active page table allows the access.
fn translate(address: usize, write: bool) -> Option<(*mut u8, usize)> {
    let mut table = ACTIVE.get();
    if table == 0 {
        return None;
    }
    for level in (0..4).rev() {
        let slot = page_pointer((table / PAGE_SIZE as u64) as usize)
            .cast::<AtomicU64>()
            .wrapping_add(index(address, level));
        // SAFETY: tables are whole pages of the arena.
        let entry = unsafe { &*slot }.load(Ordering::Acquire);
        if entry & PRESENT == 0 || write && entry & WRITE == 0 {
            return None;
        }
        table = entry & ADDRESS;
    }
    let offset = address % PAGE_SIZE;
    let page = page_pointer((table / PAGE_SIZE as u64) as usize);
    Some((page.wrapping_add(offset), PAGE_SIZE - offset))
}

/// Runs `access` on the parts of a user range that lie in one page each, with the part's offset; how many bytes are left at a fault.
fn each_page(address: usize, length: usize, write: bool, mut access: impl FnMut(*mut u8, usize, usize)) -> usize {
    let mut done = 0;
    while done < length {
        let Some((pointer, room)) = translate(address + done, write) else {
            break;
        };
        let part = room.min(length - done);
        access(pointer, done, part);
        done += part;
    }
    length - done
}

/// # Safety
/// `destination` is valid for `length` bytes.
pub(crate) unsafe fn copy_from_user(destination: *mut u8, source: usize, length: usize) -> usize {
    each_page(source, length, false, |pointer, done, part| {
        // SAFETY: the part lies in one page; the destination is the caller's.
        unsafe { super::copy_memory(destination.add(done), pointer, part) }
    })
}

/// # Safety
/// `source` is valid for `length` bytes.
pub(crate) unsafe fn copy_to_user(destination: usize, source: *const u8, length: usize) -> usize {
    each_page(destination, length, true, |pointer, done, part| {
        // SAFETY: the part lies in one page; the source is the caller's.
        unsafe { super::copy_memory(pointer, source.add(done), part) }
    })
}

/// # Safety
/// None: a fault ends it.
pub(crate) unsafe fn fill_user(destination: usize, value: u8, length: usize) -> usize {
    each_page(destination, length, true, |pointer, _, part| {
        // SAFETY: the part lies in one page.
        unsafe { super::fill_memory(pointer, value, part) }
    })
}

/// # Safety
/// The address is aligned.
pub(crate) unsafe fn load_user_u32(address: usize) -> Option<u32> {
    let (pointer, _) = translate(address, false)?;
    // SAFETY: an aligned word of a page of the arena.
    Some(unsafe { &*pointer.cast::<AtomicU32>() }.load(Ordering::SeqCst))
}

/// # Safety
/// The address is aligned.
pub(crate) unsafe fn compare_exchange_user_u32(address: usize, current: u32, new: u32) -> Option<u32> {
    let (pointer, _) = translate(address, true)?;
    // SAFETY: an aligned word of a page of the arena.
    let word = unsafe { &*pointer.cast::<AtomicU32>() };
    Some(
        match word.compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(found) | Err(found) => found,
        },
    )
}
