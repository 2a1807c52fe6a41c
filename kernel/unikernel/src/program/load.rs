//! Putting a program and its interpreter into an address space.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use abi::Errno;
use file::Pages;
use hal::mem::PAGE_SIZE;

use super::elf::{Elf, HEADER_SIZE, Kind, Malformed, program_header_range};
use super::read_exact;
use crate::memory::{AddressSpace, AreaFlags, AreaName, Backing, Place, Protection, Request};

/// A file to run.
#[derive(Clone)]
pub struct Executable {
    /// Its content.
    pub pages: Arc<dyn Pages>,
    /// What `/proc/PID/maps` calls it.
    pub name: Arc<AreaName>,
}

/// A program in memory.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// First instruction.
    pub entry: usize,
    /// How far it was moved.
    pub base: usize,
    /// Where its program headers are.
    pub program_headers: usize,
    /// How many there are.
    pub program_header_count: usize,
    /// The first address after it.
    pub end: usize,
}

/// Why a program was not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The file is not a program for this machine.
    Malformed(Malformed),
    /// Something else went wrong.
    Errno(Errno),
}

impl From<Errno> for LoadError {
    fn from(errno: Errno) -> Self {
        match errno {
            // Headers beyond the end of the file.
            Errno::NOEXEC => Self::Malformed(Malformed::Invalid("it is cut short")),
            errno => Self::Errno(errno),
        }
    }
}

impl From<Malformed> for LoadError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl LoadError {
    /// What `execve(2)` gives.
    pub fn errno(self) -> Errno {
        match self {
            Self::Malformed(_) => Errno::NOEXEC,
            Self::Errno(errno) => errno,
        }
    }
}

impl Executable {
    /// Keeps it from being written for as long as it runs; `ETXTBSY` when somebody writes to it.
    pub fn run(&self) -> Result<fs::Running, Errno> {
        fs::Running::new(self.name.device, self.name.inode)
    }

    /// Reads its headers.
    pub async fn parse(&self) -> Result<Elf, LoadError> {
        let mut header = [0; HEADER_SIZE];
        if self.pages.size() < HEADER_SIZE as u64 {
            return Err(Malformed::NotElf.into());
        }
        read_exact(&*self.pages, 0, &mut header).await?;
        let (offset, length) = program_header_range(&header)?;
        let mut program_headers = vec![0; length];
        read_exact(&*self.pages, offset, &mut program_headers).await?;
        Ok(Elf::parse(&header, &program_headers)?)
    }

    /// The path of the interpreter that it asks for.
    pub async fn interpreter(&self, elf: &Elf) -> Result<Option<Vec<u8>>, LoadError> {
        let Some((offset, length)) = elf.interpreter else {
            return Ok(None);
        };
        let mut path = vec![0; length];
        read_exact(&*self.pages, offset, &mut path).await?;
        let end = path.iter().position(|&byte| byte == 0).unwrap_or(length);
        path.truncate(end);
        Ok(Some(path))
    }
}

/// Maps a program. A position-independent one goes to `base`, or anywhere when that is `None`.
pub async fn load(
    memory: &AddressSpace,
    executable: &Executable,
    elf: &Elf,
    base: Option<usize>,
) -> Result<Image, LoadError> {
    let (start, length) = elf.span();
    let target = match (elf.kind, base) {
        (Kind::Fixed, _) => start,
        (Kind::PositionIndependent, Some(base)) => base & !(elf.align - 1),
        (Kind::PositionIndependent, None) => {
            // A free range with room to align it; taken again below, segment by segment.
            let request = Request::anonymous(Protection::empty());
            let found = memory.map(Place::Hint(0), length + elf.align, request)?;
            memory.unmap(found, length + elf.align)?;
            (found + elf.align - 1) & !(elf.align - 1)
        }
    };
    let shift = target.wrapping_sub(start);
    for segment in &elf.segments {
        let address = segment.address.wrapping_add(shift);
        let page = address & !(PAGE_SIZE - 1);
        let file_end = address + segment.file_size;
        let mapped_end = if segment.file_size > 0 {
            file_end.next_multiple_of(PAGE_SIZE)
        } else {
            page
        };
        if segment.file_size > 0 {
            if segment.offset + segment.file_size as u64 > executable.pages.size() {
                return Err(Malformed::Invalid("it is cut short").into());
            }
            let request = Request {
                protection: segment.protection,
                flags: AreaFlags::empty(),
                backing: Some(Backing {
                    pages: executable.pages.clone(),
                    first_page: segment.offset / PAGE_SIZE as u64,
                }),
                name: Some(executable.name.clone()),
            };
            memory.map(Place::Fixed(page), mapped_end - page, request)?;
        }
        let end = (address + segment.memory_size).next_multiple_of(PAGE_SIZE);
        if segment.memory_size > segment.file_size {
            if segment.protection.contains(Protection::WRITE) && file_end < mapped_end {
                memory.poke(file_end, &[0; PAGE_SIZE][..mapped_end - file_end]).await?;
            }
            if end > mapped_end {
                memory.map(
                    Place::Fixed(mapped_end),
                    end - mapped_end,
                    Request::anonymous(segment.protection),
                )?;
            }
        }
    }
    Ok(Image {
        entry: elf.entry.wrapping_add(shift),
        base: shift,
        program_headers: if elf.program_headers == 0 {
            0
        } else {
            elf.program_headers.wrapping_add(shift)
        },
        program_header_count: elf.program_header_count,
        end: target + length,
    })
}
