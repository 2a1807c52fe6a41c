//! The kernel's own page tables: the image with each part's rights, all usable memory at a random address ("direct map"), and a window
//! of addresses for stacks and device registers.
//!
//! Everything lies in root slots that exist from the start, so every user page table shares them by copying 256 root entries.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::entry::{ACCESSED, ADDRESS, DIRTY, NO_EXECUTE, PRESENT, WRITE, index};
use super::features::{Features, features};
use super::instructions::{invalidate_page, write_root};
use super::start::{EarlyMemory, LOAD, Region, image};
use crate::mem::{Frame, PAGE_SIZE, pool};
use crate::sync::SpinLock;

const WRITE_THROUGH: u64 = 1 << 3;
const CACHE_DISABLE: u64 = 1 << 4;
const LARGE: u64 = 1 << 7;
const GLOBAL: u64 = 1 << 8;

const LARGE_SIZE: usize = 2 << 20;
const GIB: usize = 1 << 30;
const SLOT_SIZE: usize = 1 << 39;
const CANONICAL: usize = 0xffff_0000_0000_0000;

/// Where the direct map begins. Set once, before anything reads it.
static DIRECT: AtomicUsize = AtomicUsize::new(0);
/// Physical address of the kernel's root.
static ROOT: AtomicU64 = AtomicU64::new(0);
/// Address of the window's next free page.
static WINDOW: SpinLock<usize> = SpinLock::new(0);

/// Where the kernel sees a physical page of usable memory.
#[inline]
pub(crate) fn page_pointer(number: usize) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(DIRECT.load(Ordering::Relaxed) + number * PAGE_SIZE)
}

/// The physical page behind an address of the direct map.
pub(crate) fn page_number(pointer: *mut u8) -> usize {
    (pointer.addr() - DIRECT.load(Ordering::Relaxed)) / PAGE_SIZE
}

/// Physical address of the kernel's own root, which maps no user memory.
pub(crate) fn kernel_root() -> u64 {
    ROOT.load(Ordering::Relaxed)
}

/// Bits that every kernel mapping of data has.
fn no_execute() -> u64 {
    if features().contains(Features::NO_EXECUTE) {
        NO_EXECUTE
    } else {
        0
    }
}

/// The bits of entries that this CPU takes: without no-execute pages that bit is reserved.
pub(crate) fn entry_mask() -> u64 {
    no_execute() | !NO_EXECUTE
}

/// Page tables under construction, reached through the identity mapping of the first page tables.
struct Builder<'a> {
    root: usize,
    memory: &'a mut EarlyMemory,
}

impl Builder<'_> {
    fn table(&mut self) -> usize {
        let table = self.memory.take(1);
        // SAFETY: a fresh page below the end of the identity mapping.
        unsafe { (table as *mut u8).write_bytes(0, PAGE_SIZE) };
        table
    }

    /// The table below `index` of `table`, made when missing.
    fn child(&mut self, table: usize, index: usize) -> usize {
        let entry = table_entry(table, index);
        // SAFETY: tables of this builder are whole pages that nothing else uses.
        unsafe {
            if entry.read() & PRESENT == 0 {
                let child = self.table();
                entry.write(child as u64 | PRESENT | WRITE);
            }
            (entry.read() & ADDRESS) as usize
        }
    }

    fn map(&mut self, address: usize, physical: usize, level: usize, flags: u64) {
        let mut table = self.root;
        for above in (level..4).rev() {
            table = self.child(table, index(address, above));
        }
        let entry = table_entry(table, index(address, level - 1));
        // SAFETY: as in `child`.
        unsafe { entry.write(physical as u64 | flags) };
    }
}

/// The entry of a table that the identity mapping reaches.
fn table_entry(table: usize, index: usize) -> *mut u64 {
    (table as *mut u64).wrapping_add(index)
}

/// Builds the kernel's page tables for memory up to `limit` and makes them the ones in use.
pub(super) fn build(ram: &[Region], limit: usize, memory: &mut EarlyMemory, mut seed: u64) {
    let mut random = |bound: usize| {
        seed = seed
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        ((seed >> 33) as usize) % bound
    };
    let image = image();
    let image_slot = index(image.base, 3);
    let direct_slot = core::iter::repeat_with(|| 256 + random(255)).find(|&slot| slot != image_slot);
    let direct_slot = direct_slot.expect("an endless iterator");
    let window_slot =
        core::iter::repeat_with(|| 256 + random(255)).find(|&slot| slot != image_slot && slot != direct_slot);
    let window_slot = window_slot.expect("an endless iterator");
    let gibs = limit.div_ceil(GIB);
    let direct = CANONICAL | (direct_slot * SLOT_SIZE) | (random(512 - gibs) * GIB);
    let window = CANONICAL | (window_slot * SLOT_SIZE) | (random(256) * GIB);

    let root = memory.take(1);
    // SAFETY: a fresh page below the end of the identity mapping.
    unsafe { (root as *mut u8).write_bytes(0, PAGE_SIZE) };
    let mut builder = Builder { root, memory };
    builder.child(root, window_slot);
    let data = WRITE | no_execute();
    for offset in (0..image.end).step_by(PAGE_SIZE) {
        let rights = match offset {
            _ if offset < image.rodata => 0,
            _ if offset < image.data => no_execute(),
            _ => data,
        };
        builder.map(
            image.base + offset,
            LOAD + offset,
            1,
            PRESENT | GLOBAL | ACCESSED | DIRTY | rights,
        );
    }
    let kernel = LOAD..LOAD + image.boot;
    let flags = PRESENT | GLOBAL | ACCESSED | DIRTY | data;
    for start in (0..limit).step_by(LARGE_SIZE) {
        let end = start + LARGE_SIZE;
        let has_kernel = start < kernel.end && kernel.start < end;
        let has_memory = ram.iter().any(|region| region.start < end && start < region.end);
        if has_kernel {
            for page in (start..end).step_by(PAGE_SIZE).filter(|page| !kernel.contains(page)) {
                builder.map(direct + page, page, 1, flags);
            }
        } else if has_memory {
            builder.map(direct + start, start, 2, flags | LARGE);
        }
    }
    DIRECT.store(direct, Ordering::Relaxed);
    ROOT.store(root as u64, Ordering::Relaxed);
    *WINDOW.lock() = window;
    // SAFETY: the tables map the image where it runs, with the boot stack; nothing points into the identity mapping any more but the
    // hand-over, which was copied.
    unsafe { write_root(root as u64) };
}

/// Takes the image's alias of the boot memory away, before that goes to the pool.
pub(super) fn release_boot_memory() {
    let image = image();
    for offset in (image.boot..image.end).step_by(PAGE_SIZE) {
        set_entry(image.base + offset, 0);
    }
}

/// Reserves `pages` addresses of the window, after an unmapped page.
fn reserve(pages: usize) -> usize {
    let mut next = WINDOW.lock();
    let start = *next + PAGE_SIZE;
    *next = start + pages * PAGE_SIZE;
    start
}

/// The entry of one kernel page; tables are made as needed, `None` when there is no memory for them.
fn entry_of(address: usize) -> Option<*mut u64> {
    let mut table = kernel_root();
    for level in (1..4).rev() {
        let entry = page_pointer((table as usize) / PAGE_SIZE)
            .cast::<u64>()
            .wrapping_add(index(address, level));
        // SAFETY: tables of the kernel are never freed and changed only here, under the window's or the boot CPU's order.
        unsafe {
            if entry.read_volatile() & PRESENT == 0 {
                let child = Frame::allocate_for_kernel()?;
                pool::HEAP.fetch_add(1, Ordering::Relaxed);
                entry.write_volatile(child.into_address() | PRESENT | WRITE);
            }
            table = entry.read_volatile() & ADDRESS;
        }
    }
    let table = page_pointer((table as usize) / PAGE_SIZE).cast::<u64>();
    Some(table.wrapping_add(index(address, 0)))
}

/// Writes the entry of one kernel page.
fn set_entry(address: usize, value: u64) {
    let entry = entry_of(address).expect("memory for a page table of the kernel");
    // SAFETY: as in `entry_of`.
    unsafe { entry.write_volatile(value) };
    invalidate_page(address);
}

/// The first of so many addresses of the window that [`map_data`] may use.
pub(crate) fn reserve_window(pages: usize) -> usize {
    reserve(pages)
}

/// Maps a page at an address of the window that is free; false when there is no memory for a table. The entry is not global, so that the other CPUs
/// forget it when they are told of a change of the user half.
pub(crate) fn map_data(address: usize, page: usize) -> bool {
    let _guard = CHANGES.lock();
    let Some(entry) = entry_of(address) else {
        return false;
    };
    let value = (page * PAGE_SIZE) as u64 | PRESENT | ACCESSED | DIRTY | WRITE | no_execute();
    // SAFETY: as in `entry_of`.
    unsafe { entry.write_volatile(value) };
    true
}

/// Takes the page out that [`map_data`] mapped at an address, and gives its number. Other CPUs may still remember it.
pub(crate) fn unmap_data(address: usize) -> usize {
    let _guard = CHANGES.lock();
    let entry = entry_of(address).expect("the page is mapped");
    // SAFETY: as in `entry_of`.
    let old = unsafe {
        let old = entry.read_volatile();
        entry.write_volatile(0);
        old
    };
    invalidate_page(address);
    (old & ADDRESS) as usize / PAGE_SIZE
}

static CHANGES: SpinLock<()> = SpinLock::new(());

/// Maps fresh pages with an unmapped page on both sides; the address of the first. They are never unmapped.
pub(super) fn map_fresh(pages: usize) -> Option<usize> {
    let frames = (0..pages)
        .map(|_| Frame::allocate_zeroed())
        .collect::<Option<alloc::vec::Vec<_>>>()?;
    pool::HEAP.fetch_add(pages, Ordering::Relaxed);
    let start = reserve(pages);
    let _guard = CHANGES.lock();
    for (index, frame) in frames.into_iter().enumerate() {
        set_entry(
            start + index * PAGE_SIZE,
            frame.into_address() | PRESENT | GLOBAL | ACCESSED | DIRTY | WRITE | no_execute(),
        );
    }
    Some(start)
}

/// Maps registers of a device, uncached, or tables of the firmware. Never unmapped.
///
/// # Safety
/// The physical range is no usable memory.
pub(crate) unsafe fn map_device(physical: u64, length: usize, cached: bool) -> *mut u8 {
    let offset = physical as usize % PAGE_SIZE;
    let pages = (offset + length).div_ceil(PAGE_SIZE);
    let start = reserve(pages);
    let _guard = CHANGES.lock();
    let caching = if cached { 0 } else { CACHE_DISABLE | WRITE_THROUGH };
    for index in 0..pages {
        set_entry(
            start + index * PAGE_SIZE,
            ((physical & !(PAGE_SIZE as u64 - 1)) + (index * PAGE_SIZE) as u64)
                | PRESENT
                | GLOBAL
                | ACCESSED
                | DIRTY
                | WRITE
                | caching
                | no_execute(),
        );
    }
    core::ptr::with_exposed_provenance_mut(start + offset)
}

/// Copies the kernel's half of its root to a user root.
pub(super) fn copy_kernel_half(root: u64) {
    let half = |root: u64| page_pointer(root as usize / PAGE_SIZE).wrapping_add(PAGE_SIZE / 2);
    // SAFETY: both are whole pages; the kernel's entries in its root never change after boot.
    unsafe { super::copy_memory(half(root), half(kernel_root()), PAGE_SIZE / 2) };
}

/// Maps a page below 1 MiB at its own address, executable and not writable, in the kernel's root: for CPUs that start.
pub(super) fn map_trampoline(physical: usize) {
    let _guard = CHANGES.lock();
    set_entry(physical, physical as u64 | PRESENT | ACCESSED);
}

/// Takes it out again.
pub(super) fn unmap_trampoline(physical: usize) {
    let _guard = CHANGES.lock();
    set_entry(physical, 0);
}
