//! The memory map, from UEFI's terms to the kernel's.

use core::ops::Range;

use loader::{Kind, MemoryMap};
use uefi::boot::{self, MemoryType};
use uefi::mem::memory_map::{MemoryMap as _, MemoryMapMut, MemoryMapOwned};

use crate::{Failure, PAGE_SIZE};

/// Whether the kernel can have its range once the firmware has ended.
pub(crate) fn check(range: &Range<u64>) -> Result<(), Failure> {
    let map = boot::memory_map(MemoryType::LOADER_DATA).map_err(|error| Failure::Allocation(error.status()))?;
    if convert(map).is_usable(range) {
        Ok(())
    } else {
        Err(Failure::Memory)
    }
}

/// The map as it is when the firmware has ended: what it needed only to boot is free.
pub(crate) fn convert(mut map: MemoryMapOwned) -> MemoryMap {
    map.sort();
    let mut converted = MemoryMap::default();
    for entry in map.entries() {
        let kind = match entry.ty {
            MemoryType::CONVENTIONAL
            | MemoryType::BOOT_SERVICES_CODE
            | MemoryType::BOOT_SERVICES_DATA
            | MemoryType::LOADER_CODE
            | MemoryType::LOADER_DATA => Kind::Usable,
            MemoryType::ACPI_RECLAIM => Kind::AcpiTables,
            MemoryType::ACPI_NON_VOLATILE => Kind::AcpiStorage,
            _ => Kind::Reserved,
        };
        converted.add(entry.phys_start, entry.page_count * PAGE_SIZE as u64, kind);
    }
    // After the boot services have ended, memory cannot be given back.
    core::mem::forget(map);
    converted
}
