//! What BIOS does for the loader.

use core::convert::Infallible;
use core::fmt;

use loader::{HANDOVER_SIZE, HIGHEST, Handover, Kernel, KernelError, Kind, MemoryMap, Trampoline};

pub(crate) const SECTOR: usize = 512;
/// Sectors of one read: what every BIOS reads at once.
pub(crate) const MOST_SECTORS: usize = 64;

const MAP: usize = 0x4000;
const HANDOVER: usize = 0x5000;
const TRAMPOLINE: usize = 0x6000;
const BUFFER: usize = 0x2_0000;

/// An entry of the memory map as BIOS gives it.
#[derive(Clone, Copy)]
#[repr(C)]
struct MapEntry {
    address: u64,
    size: u64,
    kind: u32,
    attributes: u32,
}

/// What `read_disk` reads.
#[repr(C)]
struct Packet {
    size: u16,
    count: u16,
    target: u32,
    sector: u64,
}

unsafe extern "C" {
    static kernel_sector: u64;
    static kernel_size: u32;
    static map_count: u32;
    static mut disk_packet: Packet;
    static mut character: u8;
    static read_disk: u8;
    static show_character: u8;
    fn call_real(routine: u32) -> u16;
}

/// The firmware, and the memory that is agreed upon with the assembly. There is one, and one user.
pub(crate) struct Firmware {
    /// The lowest address of what was given away as [`room`](Self::room).
    rooms: u64,
}

#[expect(
    clippy::unused_self,
    reason = "whoever has it is the only one to use what it stands for"
)]
impl Firmware {
    /// # Safety
    /// Called once, by the code that the assembly enters.
    pub(crate) unsafe fn new() -> Self {
        Self { rooms: HIGHEST }
    }

    /// The first sector and the bytes of the kernel's file.
    pub(crate) fn kernel_place(&self) -> (u64, u32) {
        // SAFETY: the image builder has written them; nobody does later.
        unsafe {
            (
                (&raw const kernel_sector).read_volatile(),
                (&raw const kernel_size).read_volatile(),
            )
        }
    }

    pub(crate) fn memory_map(&self) -> MemoryMap {
        let mut map = MemoryMap::default();
        // SAFETY: the assembly has stored as many entries as it says at this place.
        let entries = unsafe {
            core::slice::from_raw_parts(MAP as *const MapEntry, (&raw const map_count).read_volatile() as usize)
        };
        for entry in entries {
            let kind = match entry.kind {
                1 => Kind::Usable,
                3 => Kind::AcpiTables,
                4 => Kind::AcpiStorage,
                _ => Kind::Reserved,
            };
            map.add(entry.address, entry.size, kind);
        }
        map
    }

    /// Reads sectors of the disk that the machine was started from. The error is BIOS's status.
    pub(crate) fn read(&mut self, sector: u64, count: usize) -> Result<&[u8], u8> {
        assert!(count <= MOST_SECTORS, "too many sectors for the buffer");
        // SAFETY: the packet is the assembly's, which runs only in `call_real`; the buffer is nobody else's and has room.
        unsafe {
            (&raw mut disk_packet.count).write_volatile(count as u16);
            (&raw mut disk_packet.sector).write_volatile(sector);
            match call_real((&raw const read_disk).addr() as u32) {
                0 => Ok(core::slice::from_raw_parts(BUFFER as *const u8, count * SECTOR)),
                status => Err(status as u8),
            }
        }
    }

    /// Memory of no other use, as high as there is some.
    pub(crate) fn room(&mut self, memory: &MemoryMap, bytes: usize) -> Option<&'static mut [u8]> {
        self.rooms = memory.highest(bytes as u64, self.rooms)?;
        let place = self.rooms as *mut u8;
        // SAFETY: it is usable memory above the first MiB and mapped: nothing of the loader's or the firmware's is there. What is given away
        // next lies below it, and so does the kernel.
        unsafe {
            place.write_bytes(0, bytes);
            Some(core::slice::from_raw_parts_mut(place, bytes))
        }
    }

    /// Puts a kernel where it belongs, from its ELF file. Nothing when that is not free.
    pub(crate) fn place(&mut self, kernel: Kernel, file: &[u8], memory: &MemoryMap) -> Option<Placed> {
        let range = kernel.range();
        if !memory.is_usable(&range) || range.end > self.rooms {
            return None;
        }
        for segment in kernel.segments() {
            if let Some((part, address)) = segment.part_of(0, file.len()) {
                let part = &file[part];
                // SAFETY: the kernel's range is usable memory above the first MiB and mapped: nothing of the loader's or the firmware's is there.
                unsafe { (address as *mut u8).copy_from_nonoverlapping(part.as_ptr(), part.len()) }
            }
        }
        Some(Placed(kernel))
    }

    /// Hands over to a kernel.
    pub(crate) fn enter(self, kernel: &Placed, memory: &MemoryMap) -> Result<Infallible, KernelError> {
        let notes = kernel.0.notes();
        // SAFETY: the notes lie within the kernel's segments, which nothing writes to any more.
        let notes = unsafe { core::slice::from_raw_parts(notes.address as *const u8, notes.file_size as usize) };
        let entry = kernel.0.entry(notes)?;
        // BIOS leaves ACPI's root pointer and SMBIOS's entry point where the kernel looks for them.
        let info = Handover {
            rsdp: 0,
            smbios: None,
            memory,
        };
        // SAFETY: both places are the loader's own and mapped to themselves; the kernel is in place.
        unsafe {
            info.write(HANDOVER as u64, &mut *(HANDOVER as *mut [u8; HANDOVER_SIZE]));
            loader::enter(TRAMPOLINE as *mut Trampoline, &[], HANDOVER as u32, entry)
        }
    }
}

/// A kernel that is where it belongs.
pub(crate) struct Placed(Kernel);

/// The screen.
pub(crate) struct Screen;

impl fmt::Write for Screen {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: the character is the assembly's, which runs only in `call_real`.
            unsafe {
                (&raw mut character).write_volatile(byte);
                call_real((&raw const show_character).addr() as u32);
            }
        }
        Ok(())
    }
}
