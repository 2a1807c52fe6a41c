//! Directories: blocks of entries, sorted by name within a block and from block to block.

use core::cmp::Ordering;

use abi::Errno;
use file::{DirectoryEntry, FileType, Pages, Result};
use hal::mem::{Frame, PAGE_SIZE};
use zerocopy::FromBytes;

use super::{ErofsInode, corrupt, format};
use crate::inode::Inode;

const PAGE: u64 = PAGE_SIZE as u64;
const DIRENT: usize = size_of::<format::Dirent>();
const LONGEST_NAME: usize = 255;

/// One block of a directory.
struct Block {
    frame: Frame,
    /// Where the block begins in the page.
    base: usize,
    length: usize,
    count: usize,
}

impl Block {
    fn dirent(&self, place: usize) -> Result<format::Dirent> {
        let mut bytes = [0; DIRENT];
        self.frame.read(self.base + place * DIRENT, &mut bytes);
        format::Dirent::read_from_bytes(&bytes).map_err(|_| corrupt())
    }

    /// An entry and its name.
    fn entry<'a>(&self, place: usize, buffer: &'a mut [u8; LONGEST_NAME]) -> Result<(format::Dirent, &'a [u8])> {
        let dirent = self.dirent(place)?;
        let start = usize::from(dirent.name_offset.get());
        let last = place + 1 == self.count;
        let end = if last {
            self.length
        } else {
            usize::from(self.dirent(place + 1)?.name_offset.get())
        };
        if start < self.count * DIRENT || start > end || end > self.length {
            return Err(corrupt());
        }
        let available = (end - start).min(LONGEST_NAME);
        let name = &mut buffer[..available];
        self.frame.read(self.base + start, name);
        // The last name of a block ends at the block's end or with a zero.
        let length = match name.iter().position(|&byte| byte == 0) {
            Some(length) if last => length,
            None if end - start <= LONGEST_NAME => available,
            _ => return Err(corrupt()),
        };
        let name = &name[..length];
        if name.is_empty() || name.contains(&b'/') {
            return Err(corrupt());
        }
        Ok((dirent, name))
    }
}

impl ErofsInode {
    fn directory_blocks(&self) -> u64 {
        self.size.div_ceil(PAGE)
    }

    fn block(&self, index: u64) -> Result<Block> {
        let length = (self.size - index * PAGE).min(PAGE) as usize;
        let metadata = &self.file_system.metadata;
        let (frame, base) = match self.data.tail {
            Some(address) if index + 1 == self.directory_blocks() => {
                (metadata.page(address / PAGE)?, (address % PAGE) as usize)
            }
            _ => (metadata.page(self.data.first_block + index)?, 0),
        };
        let mut block = Block {
            frame,
            base,
            length,
            count: 1,
        };
        if length < DIRENT {
            return Err(corrupt());
        }
        // The first name lies right behind the entries.
        let names = usize::from(block.dirent(0)?.name_offset.get());
        if names < DIRENT || names % DIRENT != 0 || names >= length {
            return Err(corrupt());
        }
        block.count = names / DIRENT;
        Ok(block)
    }

    /// The inode number of the entry `name`.
    pub(super) fn find(&self, name: &[u8]) -> Result<u64> {
        if name.len() > LONGEST_NAME {
            return Err(Errno::NAMETOOLONG.into());
        }
        let mut buffer = [0; LONGEST_NAME];
        // The last block that begins with a name that is not greater.
        let (mut low, mut high) = (0, self.directory_blocks());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.block(middle)?.entry(0, &mut buffer)?.1.cmp(name) {
                Ordering::Greater => high = middle,
                _ => low = middle,
            }
        }
        if low == high {
            return Err(Errno::NOENT.into());
        }
        let block = self.block(low)?;
        let (mut low, mut high) = (0, block.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let (dirent, candidate) = block.entry(middle, &mut buffer)?;
            match candidate.cmp(name) {
                Ordering::Equal => return Ok(dirent.nid.get()),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Err(Errno::NOENT.into())
    }

    /// Gives the entries but `.` and `..`. A position is a block's number times 4096 plus a place in it.
    pub(super) fn entries(&self, from: u64, give: &mut dyn FnMut(DirectoryEntry<'_>) -> bool) -> Result<()> {
        let mut buffer = [0; LONGEST_NAME];
        let mut place = (from % PAGE) as usize;
        for index in from / PAGE..self.directory_blocks() {
            let block = self.block(index)?;
            for place in place..block.count {
                let (dirent, name) = block.entry(place, &mut buffer)?;
                if name == b"." || name == b".." {
                    continue;
                }
                let next = match place + 1 {
                    place if place == block.count => (index + 1) * PAGE,
                    place => index * PAGE + place as u64,
                };
                let entry = DirectoryEntry {
                    inode: dirent.nid.get(),
                    next,
                    file_type: self.type_of(&dirent)?,
                    name,
                };
                if !give(entry) {
                    return Ok(());
                }
            }
            place = 0;
        }
        Ok(())
    }

    fn type_of(&self, dirent: &format::Dirent) -> Result<FileType> {
        Ok(match dirent.file_type {
            1 => FileType::Regular,
            2 => FileType::Directory,
            3 => FileType::CharacterDevice,
            4 => FileType::BlockDevice,
            5 => FileType::Fifo,
            6 => FileType::Socket,
            7 => FileType::Symlink,
            0 => self.file_system.inode(dirent.nid.get())?.file_type(),
            _ => return Err(corrupt()),
        })
    }
}
