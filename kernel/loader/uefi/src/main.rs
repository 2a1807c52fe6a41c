//! The boot loader for UEFI: `\EFI\BOOT\BOOTX64.EFI` of a disk. It loads `\KERNEL.GZ` from the partition that it was itself loaded from.
//!
//! It is not signed: firmware with Secure Boot on does not start it.

#![no_main]
#![no_std]

mod failure;
mod kernel;
mod memory;

use core::convert::Infallible;
use core::ptr::NonNull;
use core::time::Duration;

use loader::{HANDOVER_SIZE, HIGHEST, Handover, Trampoline};
use uefi::Guid;
use uefi::boot::{self, AllocateType, MemoryType};
use uefi::prelude::*;
use uefi::table::cfg::ConfigTableEntry;

use failure::Failure;

const PAGE_SIZE: usize = 4096;
/// How long a failure can be read before the firmware goes on.
const READING_TIME: Duration = Duration::from_secs(5);

#[entry]
fn main() -> Status {
    let Err(failure) = start();
    failure.report();
    boot::stall(READING_TIME);
    Status::LOAD_ERROR
}

fn start() -> Result<Infallible, Failure> {
    // The firmware would reset a machine whose loader takes longer than five minutes, and does so to its kernel too. One without a watchdog refuses.
    let _ = boot::set_watchdog_timer(0, 0x1_0000, None);
    let kernel = kernel::load()?;
    memory::check(&kernel.range)?;
    let handover = allocate(MemoryType::LOADER_DATA, HANDOVER_SIZE)?;
    let trampoline = allocate(MemoryType::LOADER_CODE, size_of::<Trampoline>())?;
    for (start, size) in [
        (handover.addr().get(), HANDOVER_SIZE),
        (trampoline.addr().get(), size_of::<Trampoline>()),
        (kernel.file.as_ptr().addr(), kernel.file.len()),
    ] {
        if (start as u64) < kernel.range.end && kernel.range.start < (start + size) as u64 {
            return Err(Failure::Memory);
        }
    }
    let (rsdp, smbios) = (rsdp(), smbios());
    // SAFETY: nothing of the boot services is used below: files are closed, and what was allocated is not given back.
    let map = memory::convert(unsafe { boot::exit_boot_services(Some(MemoryType::LOADER_DATA)) });
    let info = Handover {
        rsdp,
        smbios,
        memory: &map,
    };
    // SAFETY: the pages were allocated for this and are mapped to themselves below `HIGHEST`, the trampoline's as code. The moves lead from the
    // file to the kernel's range, which none of the pages is in and nobody but the firmware used.
    unsafe {
        info.write(handover.addr().get() as u64, handover.cast().as_mut());
        loader::enter(
            trampoline.cast().as_ptr(),
            kernel.moves(),
            handover.addr().get() as u32,
            kernel.entry,
        )
    }
}

/// Pages that the kernel can reach.
fn allocate(kind: MemoryType, bytes: usize) -> Result<NonNull<u8>, Failure> {
    boot::allocate_pages(AllocateType::MaxAddress(HIGHEST - 1), kind, bytes.div_ceil(PAGE_SIZE))
        .map_err(|error| Failure::Allocation(error.status()))
}

/// ACPI's root pointer, the newer one where there are two; 0 when there is none.
fn rsdp() -> u64 {
    table(ConfigTableEntry::ACPI2_GUID)
        .or_else(|| table(ConfigTableEntry::ACPI_GUID))
        .unwrap_or(0)
}

/// SMBIOS's entry point and its length, the newer one where there are two.
fn smbios() -> Option<(u64, usize)> {
    let newer = table(ConfigTableEntry::SMBIOS3_GUID).map(|address| (address, 24));
    newer.or_else(|| Some((table(ConfigTableEntry::SMBIOS_GUID)?, 31)))
}

/// Where the firmware has put a table.
fn table(guid: Guid) -> Option<u64> {
    uefi::system::with_config_table(|tables| {
        let found = tables.iter().find(|table| table.guid == guid)?;
        Some(found.address.addr() as u64)
    })
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::fmt::Write;
    // The console may be what failed.
    let _ = writeln!(
        loader::Serial::new(),
        "unikernel: the boot loader failed: {}\r",
        info.message()
    );
    uefi::runtime::reset(uefi::runtime::ResetType::COLD, Status::ABORTED, None)
}
