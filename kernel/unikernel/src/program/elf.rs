//! ELF headers (System V ABI, chapters 4 and 5), read from files that nobody vouches for.

use alloc::vec::Vec;

use hal::mem::PAGE_SIZE;
use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::memory::Protection;
use hal::user::USER_END;

/// Bytes of the file's header.
pub(super) const HEADER_SIZE: usize = 64;
/// Bytes of a program header.
pub(super) const PROGRAM_HEADER_SIZE: usize = 56;
/// The most program headers that are read.
const MAX_PROGRAM_HEADERS: u16 = 128;
/// The longest path of an interpreter.
const MAX_INTERPRETER: u64 = 4096;

#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    magic: [u8; 4],
    class: u8,
    data: u8,
    version: u8,
    os_abi: u8,
    padding: [u8; 8],
    kind: u16,
    machine: u16,
    file_version: u32,
    entry: u64,
    program_headers: u64,
    section_headers: u64,
    flags: u32,
    header_size: u16,
    program_header_size: u16,
    program_header_count: u16,
    section_header_size: u16,
    section_header_count: u16,
    string_section: u16,
}

#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    physical_address: u64,
    file_size: u64,
    memory_size: u64,
    align: u64,
}

const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_PHDR: u32 = 6;
const PT_GNU_STACK: u32 = 0x6474_e551;

/// Where a program can be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// At its own addresses (`ET_EXEC`).
    Fixed,
    /// Anywhere (`ET_DYN`).
    PositionIndependent,
}

/// A part of the file that is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadSegment {
    /// Where it goes, before the program is moved.
    pub address: usize,
    /// Bytes in memory.
    pub memory_size: usize,
    /// Where it is in the file.
    pub offset: u64,
    /// Bytes in the file; what is missing is zero.
    pub file_size: usize,
    /// What the program may do with it.
    pub protection: Protection,
}

/// Why a file cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It does not begin like an ELF file.
    NotElf,
    /// It is for 32 bits or another byte order.
    WrongClass,
    /// It is for another machine: its number in `e_machine`.
    WrongMachine(u16),
    /// It is not a program: an object file or a core dump.
    NotExecutable,
    /// Something contradicts itself.
    Invalid(&'static str),
}

/// What the headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// Where it can be loaded.
    pub kind: Kind,
    /// Address of the first instruction, before the program is moved.
    pub entry: usize,
    /// Address of the program headers in memory, before the program is moved; 0 when they are not there.
    pub program_headers: usize,
    /// How many program headers there are.
    pub program_header_count: usize,
    /// What is mapped, lowest address first.
    pub segments: Vec<LoadSegment>,
    /// The largest alignment of a segment.
    pub align: usize,
    /// Offset and length of the interpreter's path in the file.
    pub interpreter: Option<(u64, usize)>,
    /// Whether it asks for a stack that can be run, which it does not get.
    pub executable_stack: bool,
}

/// Where the program headers are: offset and length in bytes.
pub(super) fn program_header_range(header: &[u8; HEADER_SIZE]) -> Result<(u64, usize), Malformed> {
    let header = parse_header(header)?;
    Ok((
        header.program_headers,
        usize::from(header.program_header_count) * PROGRAM_HEADER_SIZE,
    ))
}

fn parse_header(bytes: &[u8; HEADER_SIZE]) -> Result<Header, Malformed> {
    let header = Header::read_from_bytes(bytes).map_err(|_| Malformed::NotElf)?;
    match () {
        () if header.magic != *b"\x7fELF" => Err(Malformed::NotElf),
        () if header.class != 2 || header.data != 1 => Err(Malformed::WrongClass),
        () if header.machine != 62 => Err(Malformed::WrongMachine(header.machine)),
        () if header.kind != 2 && header.kind != 3 => Err(Malformed::NotExecutable),
        () if usize::from(header.program_header_size) != PROGRAM_HEADER_SIZE => {
            Err(Malformed::Invalid("its program headers have the wrong size"))
        }
        () if header.program_header_count == 0 => Err(Malformed::Invalid("it has no program headers")),
        () if header.program_header_count > MAX_PROGRAM_HEADERS => {
            Err(Malformed::Invalid("it has too many program headers"))
        }
        () => Ok(header),
    }
}

impl Elf {
    /// Reads the file's header and its program headers.
    pub fn parse(header: &[u8; HEADER_SIZE], program_headers: &[u8]) -> Result<Self, Malformed> {
        let header = parse_header(header)?;
        let mut elf = Self {
            kind: if header.kind == 2 {
                Kind::Fixed
            } else {
                Kind::PositionIndependent
            },
            entry: usize::try_from(header.entry).map_err(|_| Malformed::Invalid("its entry point is out of range"))?,
            program_headers: 0,
            program_header_count: usize::from(header.program_header_count),
            segments: Vec::new(),
            align: PAGE_SIZE,
            interpreter: None,
            executable_stack: false,
        };
        for bytes in program_headers.chunks_exact(PROGRAM_HEADER_SIZE) {
            let Ok(entry) = ProgramHeader::read_from_bytes(bytes) else {
                continue;
            };
            match entry.kind {
                PT_LOAD if entry.memory_size > 0 => elf.add_segment(&entry)?,
                PT_INTERP => {
                    if entry.file_size < 2 || entry.file_size > MAX_INTERPRETER {
                        return Err(Malformed::Invalid("the path of its interpreter has no sensible length"));
                    }
                    elf.interpreter = Some((entry.offset, entry.file_size as usize));
                }
                PT_PHDR => elf.program_headers = entry.address as usize,
                PT_GNU_STACK => elf.executable_stack = entry.flags & 1 != 0,
                _ => {}
            }
        }
        if elf.segments.is_empty() {
            return Err(Malformed::Invalid("it has nothing to load"));
        }
        if elf.program_headers == 0 {
            // Without PT_PHDR they are where the segment with their offset puts them.
            let offset = header.program_headers;
            elf.program_headers = elf
                .segments
                .iter()
                .find(|segment| segment.offset <= offset && offset - segment.offset < segment.file_size as u64)
                .map_or(0, |segment| segment.address + (offset - segment.offset) as usize);
        }
        Ok(elf)
    }

    fn add_segment(&mut self, entry: &ProgramHeader) -> Result<(), Malformed> {
        let end = entry.address.checked_add(entry.memory_size);
        if end.is_none_or(|end| end > (USER_END - PAGE_SIZE) as u64) {
            return Err(Malformed::Invalid("a segment leaves the address space"));
        }
        if entry.file_size > entry.memory_size {
            return Err(Malformed::Invalid("a segment is larger in the file than in memory"));
        }
        if entry.offset.checked_add(entry.file_size).is_none() {
            return Err(Malformed::Invalid("a segment leaves the file"));
        }
        let page = PAGE_SIZE as u64;
        if entry.file_size > 0 && entry.offset % page != entry.address % page {
            return Err(Malformed::Invalid("a segment is not aligned as in the file"));
        }
        if let Some(last) = self.segments.last()
            && (entry.address as usize) < last.address + last.memory_size
        {
            return Err(Malformed::Invalid("its segments overlap or are out of order"));
        }
        let mut protection = Protection::empty();
        protection.set(Protection::EXECUTE, entry.flags & 1 != 0);
        protection.set(Protection::WRITE, entry.flags & 2 != 0);
        protection.set(Protection::READ, entry.flags & 4 != 0);
        if entry.align.is_power_of_two() {
            self.align = self.align.max((entry.align as usize).min(1 << 30));
        }
        self.segments.push(LoadSegment {
            address: entry.address as usize,
            memory_size: entry.memory_size as usize,
            offset: entry.offset,
            file_size: entry.file_size as usize,
            protection,
        });
        Ok(())
    }

    /// The pages from the first segment's to the last's: first address and bytes.
    pub fn span(&self) -> (usize, usize) {
        let first = self.segments.first().map_or(0, |segment| segment.address) & !(PAGE_SIZE - 1);
        let end = self
            .segments
            .last()
            .map_or(0, |segment| segment.address + segment.memory_size);
        (first, end.next_multiple_of(PAGE_SIZE) - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this_program() -> ([u8; HEADER_SIZE], Vec<u8>) {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let header: [u8; HEADER_SIZE] = bytes[..HEADER_SIZE].try_into().unwrap();
        let (offset, length) = program_header_range(&header).unwrap();
        (header, bytes[offset as usize..offset as usize + length].to_vec())
    }

    #[test]
    fn a_dynamic_program_is_read() {
        let (header, program_headers) = this_program();
        let elf = Elf::parse(&header, &program_headers).unwrap();
        assert_eq!(elf.kind, Kind::PositionIndependent);
        assert!(elf.interpreter.is_some());
        assert!(
            elf.segments
                .iter()
                .any(|segment| segment.protection.contains(Protection::EXECUTE))
        );
        let (start, length) = elf.span();
        assert!(elf.entry > start && elf.entry < start + length);
    }

    #[test]
    fn no_damage_to_the_headers_panics() {
        let (header, program_headers) = this_program();
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..20_000 {
            let (mut header, mut program_headers) = (header, program_headers.clone());
            for _ in 0..3 {
                seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                let (place, value) = ((seed >> 33) as usize, (seed >> 20) as u8);
                if seed & 1 == 0 {
                    header[place % HEADER_SIZE] = value;
                } else {
                    let length = program_headers.len();
                    program_headers[place % length] = value;
                }
            }
            if let Ok(elf) = Elf::parse(&header, &program_headers) {
                let (start, length) = elf.span();
                assert!(start + length <= USER_END);
            }
        }
    }

    #[test]
    fn other_files_are_told_apart() {
        let (header, program_headers) = this_program();
        let with = |place: usize, value: u8| {
            let mut header = header;
            header[place] = value;
            Elf::parse(&header, &program_headers).unwrap_err()
        };
        assert_eq!(with(0, b'#'), Malformed::NotElf);
        assert_eq!(with(4, 1), Malformed::WrongClass);
        assert_eq!(with(18, 183), Malformed::WrongMachine(183));
        assert_eq!(with(16, 1), Malformed::NotExecutable);
    }
}
