//! The kernel, from its file into memory.

use core::ops::Range;

use loader::{Kernel, Move, Packed};
use uefi::boot::{self, MemoryType};
use uefi::cstr16;
use uefi::proto::media::file::{File, FileAttribute, FileMode, RegularFile};

use crate::{Failure, allocate};

const MOST_SEGMENTS: usize = 8;

/// A kernel whose ELF file is in memory.
pub(crate) struct Loaded {
    pub(crate) file: &'static [u8],
    /// The physical addresses that it will take.
    pub(crate) range: Range<u64>,
    pub(crate) entry: u32,
    moves: [Move; MOST_SEGMENTS],
    count: usize,
}

impl Loaded {
    /// What brings it from the file to where it has to be.
    pub(crate) fn moves(&self) -> &[Move] {
        &self.moves[..self.count]
    }
}

pub(crate) fn load() -> Result<Loaded, Failure> {
    let packed = Packed::parse(read()?)?;
    let file = room(packed.size())?;
    packed.unpack(file)?;
    let file: &[u8] = file;
    let kernel = Kernel::parse(file, file.len() as u64)?;
    let notes = kernel.notes();
    let entry = kernel.entry(&file[notes.offset as usize..(notes.offset + notes.file_size) as usize])?;
    let mut loaded = Loaded {
        file,
        range: kernel.range(),
        entry,
        moves: [Move::default(); MOST_SEGMENTS],
        count: 0,
    };
    for (place, segment) in loaded.moves.iter_mut().zip(kernel.segments()) {
        if segment.file_size == 0 {
            continue;
        }
        *place = Move {
            bytes: segment.file_size as u32,
            from: file.as_ptr().addr() as u32 + segment.offset as u32,
            to: segment.address as u32,
        };
        loaded.count += 1;
    }
    Ok(loaded)
}

/// The whole file as it is on the disk.
fn read() -> Result<&'static [u8], Failure> {
    let failed = |error: uefi::Error| Failure::File(error.status());
    let mut volume = boot::get_image_file_system(boot::image_handle())
        .map_err(failed)?
        .open_volume()
        .map_err(failed)?;
    let mut file = volume
        .open(cstr16!("\\KERNEL.GZ"), FileMode::Read, FileAttribute::empty())
        .map_err(failed)?
        .into_regular_file()
        .ok_or(Failure::File(uefi::Status::NOT_FOUND))?;
    file.set_position(RegularFile::END_OF_FILE).map_err(failed)?;
    let size = file.get_position().map_err(failed)? as usize;
    file.set_position(0).map_err(failed)?;
    let bytes = room(size)?;
    let count = file.read(bytes).map_err(|error| Failure::File(error.status()))?;
    if count < size {
        return Err(Failure::CutShort);
    }
    Ok(bytes)
}

/// Bytes that the kernel's first page tables map.
fn room(size: usize) -> Result<&'static mut [u8], Failure> {
    let memory = allocate(MemoryType::LOADER_DATA, size.max(1))?;
    // SAFETY: the pages were allocated for this, and are never given back.
    Ok(unsafe {
        memory.write_bytes(0, size);
        core::slice::from_raw_parts_mut(memory.as_ptr(), size)
    })
}
