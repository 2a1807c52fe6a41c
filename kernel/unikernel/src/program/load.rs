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

#[cfg(test)]
mod tests {
    use core::future::Future;
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};

    use hal::mem::Frame;

    use super::*;

    const LOADER: &[u8] = b"/lib/loader\0";
    const DATA: usize = 100;

    /// The beginning of a file, in memory.
    struct Beginning {
        frames: Vec<Frame>,
        length: usize,
    }

    impl Pages for Beginning {
        fn page(&self, index: u64) -> file::Result<Frame> {
            let there = self
                .frames
                .get(index as usize)
                .filter(|_| index < self.length.div_ceil(PAGE_SIZE) as u64);
            there.cloned().ok_or(file::Error::Errno(Errno::IO))
        }

        fn size(&self) -> u64 {
            self.length as u64
        }
    }

    /// A program of two segments: the headers and the path of its loader, and a page later its data.
    fn program() -> Vec<u8> {
        let mut bytes = vec![0; PAGE_SIZE + DATA];
        let mut put =
            |at: usize, value: u64, size: usize| bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
        put(0, u64::from(u32::from_le_bytes(*b"\x7fELF")), 4);
        // 64 bits, little-endian, version 1; a fixed program for x86-64, version 1, and where it begins.
        for (at, value, size) in [
            (4, 0x01_0102, 3),
            (16, 2, 2),
            (18, 62, 2),
            (20, 1, 4),
            (24, 0x40_0100, 8),
        ] {
            put(at, value, size);
        }
        for (at, value) in [(52, HEADER_SIZE as u64), (54, 56), (56, 3)] {
            put(at, value, 2);
        }
        put(32, HEADER_SIZE as u64, 8);
        let path = HEADER_SIZE + 3 * 56;
        let loaded = (path + LOADER.len()) as u64;
        // Kind and flags, offset, address, size in the file, size in memory.
        let entries = [
            (
                4 << 32 | 3,
                path as u64,
                0x40_0000 + path as u64,
                LOADER.len() as u64,
                LOADER.len() as u64,
            ),
            (5 << 32 | 1, 0, 0x40_0000, loaded, loaded),
            (6 << 32 | 1, PAGE_SIZE as u64, 0x40_2000, DATA as u64, 3 * DATA as u64),
        ];
        for (index, (kind, offset, address, file_size, memory_size)) in entries.into_iter().enumerate() {
            let at = HEADER_SIZE + index * 56;
            for (field, value) in [
                (0, kind),
                (8, offset),
                (16, address),
                (32, file_size),
                (40, memory_size),
                (48, 4096),
            ] {
                put(at + field, value, 8);
            }
        }
        bytes[path..path + LOADER.len()].copy_from_slice(LOADER);
        bytes
    }

    /// The result of what has to wait for nothing.
    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("all is in memory"),
        }
    }

    /// Loads the first `length` bytes of a file.
    fn load_beginning(frames: &[Frame], length: usize) -> Result<(Image, Option<Vec<u8>>), LoadError> {
        let executable = Executable {
            pages: Arc::new(Beginning {
                frames: frames.to_vec(),
                length,
            }),
            name: Arc::new(AreaName {
                path: Vec::new(),
                device: 0,
                inode: 0,
            }),
        };
        let memory = AddressSpace::new(crate::memory::STACK_LIMIT).expect("memory");
        let elf = now(executable.parse())?;
        let loader = now(executable.interpreter(&elf))?;
        Ok((now(load(&memory, &executable, &elf, None))?, loader))
    }

    #[test]
    fn a_program_that_is_cut_short_anywhere_is_refused() {
        let bytes = program();
        let frames: Vec<_> = bytes
            .chunks(PAGE_SIZE)
            .map(|part| {
                let frame = Frame::allocate_zeroed().expect("memory");
                frame.write(0, part);
                frame
            })
            .collect();
        let (image, loader) = load_beginning(&frames, bytes.len()).expect("it is whole");
        assert_eq!((image.entry, image.end), (0x40_0100, 0x40_3000));
        assert_eq!(loader.as_deref(), Some(&LOADER[..LOADER.len() - 1]));
        for length in 0..bytes.len() {
            let refused = load_beginning(&frames, length).expect_err("it is cut short");
            assert_eq!(refused.errno(), Errno::NOEXEC, "{length} bytes");
        }
    }
}
