//! The kernel's ELF file: an executable for x86-64 with a PVH note. Nothing in it is believed.

use core::fmt;
use core::ops::Range;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout};

const MAGIC: [u8; 7] = [0x7f, b'E', b'L', b'F', 2, 1, 1];
const MACHINE: u16 = 62;
const LOAD: u32 = 1;
const NOTE: u32 = 4;
const MOST_SEGMENTS: usize = 8;
/// Below are the loaders themselves and what the firmware keeps.
const LOWEST: u64 = 1 << 20;
/// `XEN_ELFNOTE_PHYS32_ENTRY`.
const ENTRY_NOTE: u32 = 18;

/// Why a file is not a kernel that can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelError {
    /// It does not begin as a compressed file does, or what was compressed not as an ELF file for this architecture.
    NoKernel,
    /// It cannot be unpacked, or to something else than was packed.
    Corrupt,
    /// Its headers contradict themselves or leave the file.
    Damaged,
    /// It has no PVH entry.
    NoEntry,
    /// It wants to be where it cannot be.
    Misplaced,
}

impl fmt::Display for KernelError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoKernel => "the file KERNEL.GZ is no kernel for this machine",
            Self::Corrupt => "the file KERNEL.GZ is corrupt, by its checksum",
            Self::Damaged => "the kernel is damaged",
            Self::NoEntry => "the kernel has no PVH entry",
            Self::Misplaced => "the kernel wants to be loaded where no kernel can be",
        })
    }
}

#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    identification: [u8; 16],
    kind: U16,
    machine: U16,
    version: U32,
    entry: U64,
    program_headers: U64,
    section_headers: U64,
    flags: U32,
    size: U16,
    program_header_size: U16,
    program_header_count: U16,
}

#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct ProgramHeader {
    kind: U32,
    flags: U32,
    offset: U64,
    virtual_address: U64,
    physical_address: U64,
    file_size: U64,
    memory_size: U64,
    alignment: U64,
}

#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct NoteHeader {
    name_size: U32,
    data_size: U32,
    kind: U32,
}

/// A part of the file and where it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its physical address.
    pub address: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// Bytes in memory; what the file does not have is zero.
    pub memory_size: u64,
}

impl Segment {
    /// The part of the segment that a piece of the file from `offset` on holds: where in the piece, and the physical address it goes to.
    pub fn part_of(&self, offset: u64, length: usize) -> Option<(Range<usize>, u64)> {
        let start = self.offset.max(offset);
        let end = (self.offset + self.file_size).min(offset + length as u64);
        (start < end).then(|| {
            let range = (start - offset) as usize..(end - offset) as usize;
            (range, self.address + (start - self.offset))
        })
    }
}

/// A kernel whose headers were found good.
#[derive(Debug)]
pub struct Kernel {
    segments: [Segment; MOST_SEGMENTS],
    count: usize,
    notes: Segment,
}

impl Kernel {
    /// Reads the headers of a file of `file_size` bytes that begins with `start`.
    pub fn parse(start: &[u8], file_size: u64) -> Result<Self, KernelError> {
        let (header, _) = Header::read_from_prefix(start).map_err(|_| KernelError::NoKernel)?;
        if !header.identification.starts_with(&MAGIC) || header.machine.get() != MACHINE {
            return Err(KernelError::NoKernel);
        }
        let size = usize::from(header.program_header_size.get());
        let count = usize::from(header.program_header_count.get());
        let offset = usize::try_from(header.program_headers.get()).map_err(|_| KernelError::Damaged)?;
        let table = offset
            .checked_add(size * count)
            .and_then(|end| start.get(offset..end))
            .ok_or(KernelError::Damaged)?;
        if size < size_of::<ProgramHeader>() {
            return Err(KernelError::Damaged);
        }

        let mut kernel = Self {
            segments: [Segment::default(); MOST_SEGMENTS],
            count: 0,
            notes: Segment::default(),
        };
        for entry in table.chunks_exact(size) {
            let (entry, _) = ProgramHeader::read_from_prefix(entry).map_err(|_| KernelError::Damaged)?;
            let kind = entry.kind.get();
            if kind != LOAD && kind != NOTE {
                continue;
            }
            let segment = check(&entry, file_size)?;
            if kind == NOTE {
                kernel.notes = segment;
            } else {
                *kernel.segments.get_mut(kernel.count).ok_or(KernelError::Damaged)? = segment;
                kernel.count += 1;
            }
        }
        if kernel.segments().is_empty() {
            return Err(KernelError::Damaged);
        }
        let notes = kernel.notes;
        let loaded = kernel.segments().iter().any(|segment| {
            segment.address <= notes.address && notes.address + notes.file_size <= segment.address + segment.file_size
        });
        if loaded { Ok(kernel) } else { Err(KernelError::NoEntry) }
    }

    /// What is to be loaded.
    pub fn segments(&self) -> &[Segment] {
        &self.segments[..self.count]
    }

    /// The physical addresses that the kernel takes.
    pub fn range(&self) -> Range<u64> {
        let starts = self.segments().iter().map(|segment| segment.address);
        let ends = self
            .segments()
            .iter()
            .map(|segment| segment.address + segment.memory_size);
        starts.min().unwrap_or(0)..ends.max().unwrap_or(0)
    }

    /// Where its notes are once it is loaded: within a segment.
    pub fn notes(&self) -> Segment {
        self.notes
    }

    /// The physical address of the PVH entry, from the bytes of the notes.
    pub fn entry(&self, mut notes: &[u8]) -> Result<u32, KernelError> {
        while let Ok((note, rest)) = NoteHeader::read_from_prefix(notes) {
            let name_size = note.name_size.get() as usize;
            let data_size = note.data_size.get() as usize;
            let data_start = name_size.next_multiple_of(4);
            let name = rest.get(..name_size).ok_or(KernelError::Damaged)?;
            let data = data_start
                .checked_add(data_size)
                .and_then(|end| rest.get(data_start..end))
                .ok_or(KernelError::Damaged)?;
            if name == b"Xen\0" && note.kind.get() == ENTRY_NOTE {
                let (entry, _) = U32::read_from_prefix(data).map_err(|_| KernelError::Damaged)?;
                let entry = entry.get();
                let inside = self
                    .segments()
                    .iter()
                    .any(|segment| (segment.address..segment.address + segment.file_size).contains(&u64::from(entry)));
                return if inside { Ok(entry) } else { Err(KernelError::Misplaced) };
            }
            notes = rest
                .get(data_start + data_size.next_multiple_of(4)..)
                .unwrap_or_default();
        }
        Err(KernelError::NoEntry)
    }
}

fn check(entry: &ProgramHeader, file_size: u64) -> Result<Segment, KernelError> {
    let segment = Segment {
        offset: entry.offset.get(),
        address: entry.physical_address.get(),
        file_size: entry.file_size.get(),
        memory_size: entry.memory_size.get(),
    };
    let in_file = segment.offset.checked_add(segment.file_size);
    if in_file.is_none_or(|end| end > file_size) || segment.memory_size < segment.file_size {
        return Err(KernelError::Damaged);
    }
    let in_memory = segment.address.checked_add(segment.memory_size);
    if segment.address < LOWEST || in_memory.is_none_or(|end| end > crate::HIGHEST) {
        return Err(KernelError::Misplaced);
    }
    Ok(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel of one segment at 2 MiB whose last 20 bytes are its note.
    fn kernel() -> Vec<u8> {
        let mut file = vec![0; 4096];
        file[..7].copy_from_slice(&MAGIC);
        file[18..20].copy_from_slice(&MACHINE.to_le_bytes());
        file[32..40].copy_from_slice(&64_u64.to_le_bytes());
        file[54..58].copy_from_slice(&[56, 0, 2, 0]);
        program_header(&mut file, 0, LOAD, [0, 0x20_0000, 0x20_0000, 4096, 8192]);
        program_header(&mut file, 1, NOTE, [4072, 0x20_0fe8, 0x20_0fe8, 24, 24]);
        let note: Vec<u8> = [4_u32, 8, ENTRY_NOTE, 0x006e_6558, 0x20_0100, 0]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        file[4072..].copy_from_slice(&note);
        file
    }

    fn program_header(file: &mut [u8], index: usize, kind: u32, values: [u64; 5]) {
        let start = 64 + index * 56;
        file[start..start + 4].copy_from_slice(&kind.to_le_bytes());
        for (value, field) in values.into_iter().zip(file[start + 8..start + 48].chunks_mut(8)) {
            field.copy_from_slice(&value.to_le_bytes());
        }
    }

    fn start(file: &[u8]) -> Result<u32, KernelError> {
        let kernel = Kernel::parse(file, file.len() as u64)?;
        let notes = kernel.notes();
        kernel.entry(&file[notes.offset as usize..(notes.offset + notes.file_size) as usize])
    }

    #[test]
    fn a_kernel_is_read() {
        let file = kernel();
        assert_eq!(start(&file), Ok(0x20_0100));
        let kernel = Kernel::parse(&file[..512], 4096).unwrap();
        assert_eq!(kernel.range(), 0x20_0000..0x20_2000);
        let [segment] = *kernel.segments() else {
            panic!("{kernel:?}")
        };
        assert_eq!(segment.part_of(0, 512), Some((0..512, 0x20_0000)));
        assert_eq!(segment.part_of(4000, 512), Some((0..96, 0x20_0fa0)));
        assert_eq!(segment.part_of(4096, 512), None);
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        assert_eq!(start(b""), Err(KernelError::NoKernel));
        assert_eq!(start(&[0; 4096]), Err(KernelError::NoKernel));
        let mut other = kernel();
        other[18] = 183;
        assert_eq!(start(&other), Err(KernelError::NoKernel));
    }

    #[test]
    fn a_kernel_that_is_cut_short_is_refused() {
        let file = kernel();
        for length in 64..file.len() {
            assert_eq!(start(&file[..length]), Err(KernelError::Damaged), "{length} bytes");
        }
    }

    #[test]
    fn a_kernel_that_wants_to_be_elsewhere_is_refused() {
        for (address, size) in [
            (0x1000, 8192),
            (crate::HIGHEST - 4096, 8192),
            (u64::MAX - 4096, 8192),
            (0x20_0000, u64::MAX),
        ] {
            let mut file = kernel();
            program_header(&mut file, 0, LOAD, [0, address, address, 4096, size]);
            assert_eq!(
                start(&file),
                Err(KernelError::Misplaced),
                "{size} bytes at {address:#x}"
            );
        }
        let mut file = kernel();
        file[4088..4092].copy_from_slice(&0x20_1000_u32.to_le_bytes());
        assert_eq!(start(&file), Err(KernelError::Misplaced));
    }

    #[test]
    fn a_kernel_without_a_pvh_entry_is_refused() {
        let mut file = kernel();
        file[4080] = 17;
        assert_eq!(start(&file), Err(KernelError::NoEntry));
        let mut file = kernel();
        program_header(&mut file, 1, 0, [0; 5]);
        assert_eq!(start(&file), Err(KernelError::NoEntry));
        let mut file = kernel();
        program_header(&mut file, 1, NOTE, [4072, 0x30_0000, 0x30_0000, 24, 24]);
        assert_eq!(start(&file), Err(KernelError::NoEntry));
    }

    #[test]
    fn no_byte_of_the_headers_leads_anywhere_else() {
        let file = kernel();
        for place in (0..64 + 112).chain(4072..4096) {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = file.clone();
                changed[place] = value;
                if let Ok(kernel) = Kernel::parse(&changed, 4096) {
                    let range = kernel.range();
                    assert!(range.start >= LOWEST && range.end <= crate::HIGHEST);
                    for segment in kernel.segments() {
                        assert!(segment.offset + segment.file_size <= 4096);
                    }
                    let notes = kernel.notes();
                    let _ = kernel.entry(&changed[notes.offset as usize..(notes.offset + notes.file_size) as usize]);
                }
            }
        }
    }
}
