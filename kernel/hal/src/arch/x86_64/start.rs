//! The first Rust code: from the hand-over of the hypervisor to the kernel's `main`.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::{cpu, features, paging, serial, stack, trap};
use crate::boot::{Boot, MAX_COMMAND_LINE};
use crate::bus;
use crate::mem::{PAGE_SIZE, pool};
use crate::sync::SpinLock;

/// Where the image is loaded; `LOAD` of the linker script.
pub(super) const LOAD: usize = 0x20_0000;
/// Below lie the trampoline of the other CPUs and what the firmware keeps.
const LOWEST: usize = 0x1_0000;
/// What the first page tables map.
const IDENTITY_END: usize = 1 << 30;

const MAX_REGIONS: usize = 64;
const START_MAGIC: u32 = 0x336e_c578;
const TYPE_RAM: u32 = 1;

#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    modules: u32,
    module_list: u64,
    command_line: u64,
    rsdp: u64,
    // Since version 1.
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

#[repr(C)]
struct Module {
    address: u64,
    size: u64,
    command_line: u64,
    reserved: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MemoryMapEntry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// Usable memory in whole pages, as byte addresses.
#[derive(Clone, Copy, Default)]
pub(super) struct Region {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Memory for what is built before there is a pool, taken from the front of one region.
pub(super) struct EarlyMemory {
    next: usize,
    end: usize,
}

impl EarlyMemory {
    /// Physical address of `pages` pages of undefined content.
    pub(super) fn take(&mut self, pages: usize) -> usize {
        let start = self.next;
        self.next += pages * PAGE_SIZE;
        assert!(self.next <= self.end, "too little memory to build the page tables");
        start
    }
}

unsafe extern "C" {
    static image_start: u8;
    static image_rodata: u8;
    static image_data: u8;
    static image_boot: u8;
    static image_end: u8;
}

unsafe extern "Rust" {
    /// Defined by `entry!`.
    fn unikernel_main(boot: Boot) -> !;
}

/// Offsets of the image's parts from its start, in bytes.
pub(super) struct Image {
    pub(super) base: usize,
    pub(super) rodata: usize,
    pub(super) data: usize,
    pub(super) boot: usize,
    pub(super) end: usize,
}

pub(super) fn image() -> Image {
    let base = (&raw const image_start).addr();
    Image {
        base,
        rodata: (&raw const image_rodata).addr() - base,
        data: (&raw const image_data).addr() - base,
        boot: (&raw const image_boot).addr() - base,
        end: (&raw const image_end).addr() - base,
    }
}

static RSDP: AtomicUsize = AtomicUsize::new(0);
/// Address and length of the first module.
static MODULE: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
/// The usable memory that the hypervisor reported.
static RAM: SpinLock<Vec<Region>> = SpinLock::new(Vec::new());

/// Where PCI has addresses to give: the first, and the one behind the last.
static PCI_WINDOW: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// The physical addresses that PCI functions may be given: those that the hypervisor's or firmware's memory map leaves below 4 GiB.
pub(crate) fn pci_window() -> core::ops::Range<u64> {
    let [start, end] = [&PCI_WINDOW[0], &PCI_WINDOW[1]].map(|value| value.load(Ordering::Relaxed) as u64);
    start..end
}

/// Physical address of ACPI's root pointer, when the hypervisor gives one.
pub(crate) fn rsdp() -> Option<u64> {
    Some(RSDP.load(Ordering::Relaxed) as u64).filter(|&address| address != 0)
}

/// Physical address and length of the module that is given, as the boot loader for UEFI gives SMBIOS's entry point.
pub(crate) fn module() -> Option<(u64, usize)> {
    let [address, size] = [&MODULE[0], &MODULE[1]].map(|value| value.load(Ordering::Relaxed));
    (size != 0).then_some((address as u64, size))
}

/// Whether a physical range meets memory that the kernel may use.
pub(super) fn is_usable_memory(address: u64, length: usize) -> bool {
    let start = address as usize;
    let end = start.saturating_add(length);
    RAM.lock().iter().any(|region| region.start < end && start < region.end)
}

/// Called by the assembly in `boot` on the boot stack, once.
#[unsafe(no_mangle)]
extern "C" fn boot_main(start_info: usize, _base: usize, seed: u64) -> ! {
    serial::initialize();
    trap::load_early();
    features::detect();
    features::enable_paging_features();
    // SAFETY: the hypervisor passes the address in the low memory that the first page tables map.
    let info = unsafe { (start_info as *const StartInfo).read() };
    assert!(
        info.magic == START_MAGIC && info.version >= 1 && info.memory_map != 0,
        "the hypervisor's start information has no memory map (PVH version 1 or later is needed)"
    );
    RSDP.store(info.rsdp as usize, Ordering::Relaxed);
    if info.modules != 0 {
        // SAFETY: as for `info`.
        let module = unsafe { (info.module_list as usize as *const Module).read() };
        MODULE[0].store(module.address as usize, Ordering::Relaxed);
        MODULE[1].store(module.size as usize, Ordering::Relaxed);
    }
    let mut boot = Boot::default();
    // SAFETY: as for `info`; the string ends with a zero byte.
    unsafe { read_command_line(info.command_line as usize, &mut boot) };
    let mut regions = [Region::default(); MAX_REGIONS];
    let mut count = 0;
    // SAFETY: as for `info`.
    let entry = |index| unsafe { (info.memory_map as usize as *const MemoryMapEntry).add(index).read() };
    let map = (0..info.memory_map_entries as usize).map(entry);
    let window = bus::window(
        map.clone()
            .map(|entry| entry.address..entry.address.saturating_add(entry.size)),
    );
    PCI_WINDOW[0].store(window.start as usize, Ordering::Relaxed);
    PCI_WINDOW[1].store(window.end as usize, Ordering::Relaxed);
    for entry in map {
        let start = (entry.address as usize).next_multiple_of(PAGE_SIZE).max(LOWEST);
        let end = (entry.address as usize).saturating_add(entry.size as usize) / PAGE_SIZE * PAGE_SIZE;
        if entry.kind == TYPE_RAM && start < end && count < MAX_REGIONS - 1 {
            regions[count] = Region { start, end };
            count += 1;
        }
    }
    let (ram, ram_count) = (regions, count);
    count = exclude(&mut regions, count, LOAD, LOAD + image().end);
    let regions = &mut regions[..count];
    let limit = regions.iter().map(|region| region.end).max().unwrap_or(0) / PAGE_SIZE;
    let tables = (limit * pool::BYTES_PER_PAGE).div_ceil(PAGE_SIZE);
    let place = regions
        .iter_mut()
        .filter(|region| region.end.min(IDENTITY_END).saturating_sub(region.start) >= (tables + 16) * PAGE_SIZE)
        .find(|region| region.start >= LOAD)
        .expect("no memory above the kernel for its tables");
    let mut early = EarlyMemory {
        next: place.start,
        end: place.end.min(IDENTITY_END),
    };
    let bookkeeping = early.take(tables);
    paging::build(&ram[..ram_count], limit * PAGE_SIZE, &mut early, seed);
    cpu::initialize(0);
    for region in regions.iter_mut() {
        if (region.start..region.end).contains(&(early.next - 1)) {
            region.start = early.next;
        }
    }
    // SAFETY: the bookkeeping lies in memory taken above and is mapped; the regions are usable memory without what was taken.
    unsafe {
        pool::initialize(super::page_pointer(bookkeeping / PAGE_SIZE), limit);
        for region in regions.iter() {
            pool::donate(region.start / PAGE_SIZE, (region.end - region.start) / PAGE_SIZE);
        }
    }
    *RAM.lock() = ram[..ram_count].to_vec();
    cpu::add_fault_stack();
    trap::use_fault_stacks();
    super::initialize_cpu();
    let stack = stack::allocate(stack::KERNEL_PAGES).expect("there is memory for the kernel's stack");
    let boot = alloc::boxed::Box::new(boot);
    // SAFETY: the stack is fresh; `main_on_stack` does not return.
    unsafe {
        core::arch::asm!(
            "mov rsp, {stack}", "xor ebp, ebp", "call {main}", "ud2",
            stack = in(reg) stack, main = sym main_on_stack, in("rdi") alloc::boxed::Box::into_raw(boot),
            options(noreturn),
        )
    }
}

extern "C" fn main_on_stack(boot: *mut Boot) -> ! {
    // SAFETY: `boot_main` made it of a box.
    let boot = *unsafe { alloc::boxed::Box::from_raw(boot) };
    let image = image();
    paging::release_boot_memory();
    // SAFETY: the boot stack and the first page tables are out of use: this is the CPU's own stack.
    unsafe {
        pool::donate((LOAD + image.boot) / PAGE_SIZE, (image.end - image.boot) / PAGE_SIZE);
    }
    super::initialize_devices();
    // SAFETY: `entry!` defines it with this type.
    unsafe { unikernel_main(boot) }
}

/// Takes a range out of the regions and returns their new count.
fn exclude(regions: &mut [Region], mut count: usize, start: usize, end: usize) -> usize {
    let before = count;
    for index in 0..before {
        let region = regions[index];
        if region.end <= start || end <= region.start {
            continue;
        }
        regions[index].end = start.max(region.start);
        let rest = Region {
            start: end.next_multiple_of(PAGE_SIZE).min(region.end),
            end: region.end,
        };
        if regions[index].start == regions[index].end {
            regions[index] = rest;
        } else if rest.start < rest.end {
            regions[count] = rest;
            count += 1;
        }
    }
    count
}

/// # Safety
/// `address` is 0 or leads to a string that ends with a zero byte, in mapped memory.
unsafe fn read_command_line(address: usize, boot: &mut Boot) {
    if address == 0 {
        return;
    }
    for index in 0..MAX_COMMAND_LINE {
        // SAFETY: the caller's promise: the zero byte was not reached yet.
        let byte = unsafe { (address as *const u8).add(index).read() };
        if byte == 0 {
            break;
        }
        boot.push(byte);
    }
}
