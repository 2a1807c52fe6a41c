//! What the kernel is given: `hvm_start_info` of the Xen documentation, "x86/HVM direct boot ABI".

use zerocopy::little_endian::{U32, U64};
use zerocopy::{Immutable, IntoBytes};

use crate::memory::{Entry, MemoryMap};

const MAGIC: u32 = 0x336e_c578;
/// The first version with a memory map.
const VERSION: u32 = 1;

#[derive(Immutable, IntoBytes)]
#[repr(C)]
struct StartInfo {
    magic: U32,
    version: U32,
    flags: U32,
    module_count: U32,
    modules: U64,
    command_line: U64,
    rsdp: U64,
    memory_map: U64,
    memory_map_entries: U32,
    reserved: U32,
}

/// An entry of the list of modules: bytes that the kernel is given.
#[derive(Immutable, IntoBytes)]
#[repr(C)]
struct Module {
    address: U64,
    size: U64,
    command_line: U64,
    reserved: U64,
}

/// Room for a [`Handover`].
pub const HANDOVER_SIZE: usize = 4096;

/// The structure and the memory map behind it, as bytes.
pub struct Handover<'a> {
    /// Physical address of ACPI's root pointer; 0 where the kernel is to look for it.
    pub rsdp: u64,
    /// Physical address and length of SMBIOS's entry point, which becomes the one module; none where the kernel is to look for it.
    pub smbios: Option<(u64, usize)>,
    /// The memory.
    pub memory: &'a MemoryMap,
}

impl Handover<'_> {
    /// Writes it to memory whose physical address is `address`.
    pub fn write(&self, address: u64, memory: &mut [u8; HANDOVER_SIZE]) {
        let entries = self.memory.entries();
        let modules = address + size_of::<StartInfo>() as u64;
        let (smbios, smbios_length) = self.smbios.unwrap_or_default();
        let module = Module {
            address: smbios.into(),
            size: (smbios_length as u64).into(),
            command_line: U64::ZERO,
            reserved: U64::ZERO,
        };
        let info = StartInfo {
            magic: MAGIC.into(),
            version: VERSION.into(),
            flags: U32::ZERO,
            module_count: u32::from(self.smbios.is_some()).into(),
            modules: modules.into(),
            command_line: U64::ZERO,
            rsdp: self.rsdp.into(),
            memory_map: (modules + size_of::<Module>() as u64).into(),
            memory_map_entries: (entries.len() as u32).into(),
            reserved: U32::ZERO,
        };
        let (head, tail) = memory.split_at_mut(size_of::<StartInfo>());
        head.copy_from_slice(info.as_bytes());
        let (head, tail) = tail.split_at_mut(size_of::<Module>());
        head.copy_from_slice(module.as_bytes());
        for (entry, place) in entries.iter().zip(tail.chunks_exact_mut(size_of::<Entry>())) {
            place.copy_from_slice(entry.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn the_structure_has_its_fields_where_the_documentation_says() {
        let mut memory = MemoryMap::default();
        for index in 0..1000 {
            memory.add(0x10_0000 + index * 0x2000, 0x1000, Kind::Usable);
        }
        let mut bytes = [0; HANDOVER_SIZE];
        Handover {
            rsdp: 0xe_1234,
            smbios: Some((0x7f_0010, 24)),
            memory: &memory,
        }
        .write(0x5000, &mut bytes);
        let word = |offset: usize| u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap());
        let long = |offset: usize| u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap());
        assert_eq!((word(0), word(4)), (0x336e_c578, 1));
        assert_eq!(long(32), 0xe_1234);
        assert_eq!((word(12), long(16)), (1, 0x5000 + 56));
        assert_eq!((long(56), long(64), long(72)), (0x7f_0010, 24, 0));
        assert_eq!(long(40), 0x5000 + 88);
        let count = word(48) as usize;
        assert_eq!(count, memory.entries().len());
        let last = 88 + (count - 1) * 24;
        assert!(last + 24 <= HANDOVER_SIZE);
        assert_eq!(long(last), 0x10_0000 + (count as u64 - 1) * 0x2000);
        assert_eq!((long(last + 8), word(last + 16)), (0x1000, 1));
    }
}
