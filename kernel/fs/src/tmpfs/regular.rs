//! Content of regular files: own pages over those of the lower file, and holes.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Range;

use abi::Errno;
use file::{Error, Pages, Result, Sink, Source};
use hal::mem::{Frame, PAGE_SIZE};
use task::Completion;

use super::{Node, Seals};
use crate::mapping::{self, Reason};

const PAGE: u64 = PAGE_SIZE as u64;
const LARGEST: u64 = i64::MAX as u64;

/// `fallocate(2)`: leave the size as it is.
const KEEP_SIZE: u32 = 1;
/// `fallocate(2)`: free the range.
const PUNCH_HOLE: u32 = 2;

pub(super) struct Regular {
    size: u64,
    pages: BTreeMap<u64, Frame>,
    /// Own pages that `fallocate(2)` has made and nobody has written: they still count as holes.
    unwritten: BTreeSet<u64>,
    /// Bytes that show the lower file where there is no own page: its size, or a whole number of pages after a cut.
    lower_size: u64,
    /// Own pages that hide pages of the lower file. Counted as they come: programs ask for the status of large files often.
    hiding: u64,
    pub(super) seals: Seals,
    /// Whether the content was made or changed at run time.
    written: bool,
    /// Opening it waits for this.
    held: Option<Completion>,
}

impl Default for Regular {
    fn default() -> Self {
        Self {
            written: true,
            ..Self::over(0)
        }
    }
}

impl Regular {
    pub(super) fn over(lower_size: u64) -> Self {
        Self {
            size: lower_size,
            pages: BTreeMap::new(),
            unwritten: BTreeSet::new(),
            lower_size,
            hiding: 0,
            seals: Seals::SEAL,
            written: false,
            held: None,
        }
    }

    pub(super) fn own_pages(&self) -> u64 {
        self.pages.len() as u64
    }

    fn lower_pages(&self) -> u64 {
        self.lower_size.div_ceil(PAGE)
    }

    /// The size, and 512-byte blocks.
    pub(super) fn size_and_blocks(&self) -> (u64, u64) {
        let pages = self.lower_pages() + self.own_pages() - self.hiding;
        (self.size, pages * (PAGE / 512))
    }

    /// Puts a page where there was no own one.
    fn insert(&mut self, index: u64, frame: Frame) {
        self.pages.insert(index, frame);
        self.hiding += u64::from(index < self.lower_pages());
    }

    pub(super) fn seek_data(&self, offset: u64, hole: bool) -> core::result::Result<u64, Errno> {
        if offset >= self.size {
            return Err(Errno::NXIO);
        }
        let first = offset / PAGE;
        let written = |index: &u64| !self.unwritten.contains(index);
        let has_data = |index: u64| index < self.lower_pages() || self.pages.contains_key(&index) && written(&index);
        let found = if hole {
            (first..self.size.div_ceil(PAGE)).find(|&index| !has_data(index))
        } else if has_data(first) {
            Some(first)
        } else {
            self.pages.range(first..).map(|(&index, _)| index).find(written)
        };
        match found.map(|index| (index * PAGE).max(offset)) {
            Some(position) if position < self.size => Ok(position),
            _ if hole => Ok(self.size),
            _ => Err(Errno::NXIO),
        }
    }
}

/// A sink that takes no more than a number of bytes.
struct Limited<'a> {
    sink: &'a mut dyn Sink,
    limit: usize,
}

impl Sink for Limited<'_> {
    fn remaining(&self) -> usize {
        self.sink.remaining().min(self.limit)
    }

    fn write(&mut self, bytes: &[u8]) -> core::result::Result<usize, file::Fault> {
        let taken = self.sink.write(&bytes[..bytes.len().min(self.limit)])?;
        self.limit -= taken;
        Ok(taken)
    }

    fn write_frame(&mut self, frame: &Frame, offset: usize, length: usize) -> core::result::Result<usize, file::Fault> {
        let taken = self.sink.write_frame(frame, offset, length.min(self.limit))?;
        self.limit -= taken;
        Ok(taken)
    }
}

/// What stands at a position of a file.
enum Piece {
    Own(Frame),
    Lower,
    Hole,
}

impl Node {
    /// Lets nobody open a regular file until `ready` has happened, for one whose content is yet to come.
    pub fn hold(&self, ready: &Completion) {
        if let Some(mut regular) = self.regular() {
            regular.held = Some(ready.clone());
        }
    }

    pub(super) fn check_held(&self) -> Result<()> {
        match self.regular().and_then(|regular| regular.held.clone()) {
            Some(ready) if !ready.is_complete() => Err(Error::Pending(ready)),
            _ => Ok(()),
        }
    }

    /// What stands at `position`, and for how many bytes; `None` at the end.
    fn piece(&self, position: u64) -> Option<(Piece, u64)> {
        let regular = self.regular()?;
        if position >= regular.size {
            return None;
        }
        let index = position / PAGE;
        let next_own = regular.pages.range(index..).next();
        if let Some((&own, frame)) = next_own
            && own == index
        {
            let end = ((index + 1) * PAGE).min(regular.size);
            return Some((Piece::Own(frame.clone()), end - position));
        }
        let end = next_own.map_or(regular.size, |(&own, _)| (own * PAGE).min(regular.size));
        if position < regular.lower_size {
            return Some((Piece::Lower, end.min(regular.lower_size) - position));
        }
        Some((Piece::Hole, end - position))
    }

    pub(super) fn read_content(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        const ZEROES: [u8; 512] = [0; 512];
        let mut done = 0;
        while sink.remaining() > 0 {
            let Some((piece, length)) = self.piece(offset.saturating_add(done as u64)) else {
                break;
            };
            let position = offset + done as u64;
            let length = usize::try_from(length).unwrap_or(usize::MAX).min(sink.remaining());
            let part = match (piece, &self.lower) {
                (Piece::Own(frame), _) => sink
                    .write_frame(&frame, (position % PAGE) as usize, length)
                    .map_err(Error::from),
                (Piece::Lower, Some(lower)) => lower.read(position, &mut Limited { sink, limit: length }),
                _ => sink.write(&ZEROES[..length.min(ZEROES.len())]).map_err(Error::from),
            };
            match part {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// A page of its own for `index`, not yet in place: zeroes, or what the lower file has there.
    fn new_page(&self, regular: &Regular, index: u64) -> Result<Frame> {
        let lower = match (&self.lower, index < regular.lower_pages()) {
            (Some(lower), true) => Some(lower.pages().ok_or(Errno::IO)?.page(index)?),
            _ => None,
        };
        let frame = self.file_system.limits.take_page()?;
        if let Some(lower) = lower {
            frame.copy_from(&lower);
        }
        Ok(frame)
    }

    /// The own page `index`, made if need be.
    fn own_page(&self, regular: &mut Regular, index: u64) -> Result<Frame> {
        regular.unwritten.remove(&index);
        if let Some(frame) = regular.pages.get(&index) {
            return Ok(frame.clone());
        }
        let frame = self.new_page(regular, index)?;
        regular.insert(index, frame.clone());
        Ok(frame)
    }

    /// Writes at `offset`, or at the end. Returns the number of bytes and the offset after them.
    pub(super) fn write_content(&self, offset: Option<u64>, source: &mut dyn Source) -> Result<(usize, u64)> {
        let (done, end, replaced) = {
            let mut regular = self.regular().ok_or(Errno::INVAL)?;
            let offset = offset.unwrap_or(regular.size);
            if source.remaining() == 0 {
                return Ok((0, offset));
            }
            Self::check_write(&regular, offset, source.remaining() as u64)?;
            let (done, replaced) = self.write_pages(&mut regular, offset, source)?;
            (done, offset + done as u64, replaced)
        };
        self.touch();
        for index in replaced {
            self.unmap(index..index + 1, Reason::Replaced);
        }
        Ok((done, end))
    }

    fn check_write(regular: &Regular, offset: u64, length: u64) -> core::result::Result<(), Errno> {
        if regular.seals.intersects(Seals::WRITE | Seals::FUTURE_WRITE) {
            return Err(Errno::PERM);
        }
        if offset >= LARGEST {
            return Err(Errno::FBIG);
        }
        if regular.seals.contains(Seals::GROW) && offset.saturating_add(length) > regular.size {
            return Err(Errno::PERM);
        }
        Ok(())
    }

    /// Fills pages from `source`; also returns which lower pages were replaced.
    fn write_pages(&self, regular: &mut Regular, offset: u64, source: &mut dyn Source) -> Result<(usize, Vec<u64>)> {
        let mut replaced = Vec::new();
        let mut done = 0;
        regular.written = true;
        if offset > regular.size {
            zero_behind(regular);
        }
        while source.remaining() > 0 {
            let position = offset + done as u64;
            if position >= LARGEST {
                break;
            }
            let (index, start) = (position / PAGE, (position % PAGE) as usize);
            let own = regular.pages.get(&index).cloned();
            let is_new = own.is_none();
            let part = own.map_or_else(|| self.new_page(regular, index), Ok).and_then(|frame| {
                let length = (PAGE_SIZE - start)
                    .min(source.remaining())
                    .min(usize::try_from(LARGEST - position).unwrap_or(usize::MAX));
                let read = source.read_frame(&frame, start, length);
                if is_new && !matches!(read, Ok(1..)) {
                    self.file_system.limits.give_pages(1);
                }
                Ok((frame, length, read?))
            });
            match part {
                Ok((_, _, 0)) => break,
                Ok((frame, length, count)) => {
                    regular.unwritten.remove(&index);
                    if is_new {
                        regular.insert(index, frame);
                        if index < regular.lower_pages() {
                            replaced.push(index);
                        }
                    }
                    done += count;
                    regular.size = regular.size.max(position + count as u64);
                    if count < length {
                        break;
                    }
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok((done, replaced))
    }

    pub(super) fn set_size(&self, size: u64) -> Result<()> {
        if size > LARGEST {
            return Err(Errno::FBIG.into());
        }
        let gone = {
            let mut regular = self.regular().ok_or(Errno::INVAL)?;
            if size < regular.size && regular.seals.contains(Seals::SHRINK)
                || size > regular.size && regular.seals.contains(Seals::GROW)
            {
                return Err(Errno::PERM.into());
            }
            regular.written = true;
            if size < regular.size {
                self.cut(&mut regular, size)?
            } else {
                zero_behind(&mut regular);
                regular.size = size;
                Vec::new()
            }
        };
        self.file_system.limits.give_pages(gone.len() as u64);
        self.touch();
        if !size.is_multiple_of(PAGE) {
            // It may have been the lower file's.
            self.unmap(size / PAGE..size / PAGE + 1, Reason::Replaced);
        }
        self.unmap(size.div_ceil(PAGE)..u64::MAX, Reason::Cut);
        Ok(())
    }

    /// Makes the file smaller; returns the pages that are no longer part of it.
    fn cut(&self, regular: &mut Regular, size: u64) -> Result<Vec<Frame>> {
        // The part of the last page that stays must not bring the rest back when the file grows again.
        if size < regular.lower_size {
            if !size.is_multiple_of(PAGE) {
                self.own_page(regular, size / PAGE)?;
            }
            regular.lower_size = size - size % PAGE;
            regular.hiding = regular.pages.range(..size / PAGE).count() as u64;
        }
        regular.size = size;
        let gone = regular.pages.split_off(&size.div_ceil(PAGE));
        regular.unwritten.split_off(&size.div_ceil(PAGE));
        zero_behind(regular);
        Ok(gone.into_values().collect())
    }

    pub(super) fn allocate_content(&self, mode: u32, offset: u64, length: u64) -> Result<()> {
        let end = offset
            .checked_add(length)
            .filter(|&end| end <= LARGEST)
            .ok_or(Errno::FBIG)?;
        if mode & !(KEEP_SIZE | PUNCH_HOLE) != 0 || mode & (KEEP_SIZE | PUNCH_HOLE) == PUNCH_HOLE {
            return Err(Errno::OPNOTSUPP.into());
        }
        let range = offset / PAGE..end.div_ceil(PAGE);
        {
            let mut regular = self.regular().ok_or(Errno::INVAL)?;
            regular.written = true;
            if mode & PUNCH_HOLE != 0 {
                if regular.seals.intersects(Seals::WRITE | Seals::FUTURE_WRITE) {
                    return Err(Errno::PERM.into());
                }
                self.punch(&mut regular, offset, end.min(LARGEST))?;
            } else {
                if end > regular.size && regular.seals.contains(Seals::GROW) {
                    return Err(Errno::PERM.into());
                }
                let held = regular.own_pages() + regular.lower_pages();
                let missing = (range.end - range.start).saturating_sub(held);
                if !self.file_system.limits.allows_pages(missing) {
                    return Err(Errno::NOSPC.into());
                }
                for index in range.clone() {
                    // What the lower file holds has its room already.
                    if index >= regular.lower_pages() && !regular.pages.contains_key(&index) {
                        self.own_page(&mut regular, index)?;
                        regular.unwritten.insert(index);
                    }
                }
                if mode & KEEP_SIZE == 0 && end > regular.size {
                    zero_behind(&mut regular);
                    regular.size = end;
                }
            }
        }
        self.touch();
        if mode & PUNCH_HOLE != 0 {
            self.unmap(range, Reason::Replaced);
        }
        Ok(())
    }

    /// Makes a range read as zeroes and frees whole pages of it.
    fn punch(&self, regular: &mut Regular, offset: u64, end: u64) -> Result<()> {
        let end = end.min(regular.size.next_multiple_of(PAGE));
        let mut position = offset;
        while position < end {
            let index = position / PAGE;
            let stop = ((index + 1) * PAGE).min(end);
            let lower = index < regular.lower_pages();
            let whole = position.is_multiple_of(PAGE) && stop.is_multiple_of(PAGE);
            if whole && !lower {
                regular.unwritten.remove(&index);
                if regular.pages.remove(&index).is_some() {
                    self.file_system.limits.give_pages(1);
                }
            } else if lower || regular.pages.contains_key(&index) {
                let frame = self.own_page(regular, index)?;
                frame.fill((position % PAGE) as usize, (stop - position) as usize, 0);
            }
            position = stop;
        }
        Ok(())
    }

    /// Takes pages that are no longer the file's out of the address spaces that map them.
    fn unmap(&self, range: Range<u64>, reason: Reason) {
        mapping::unmap(self.identity(), range, reason);
    }
}

/// Clears what a mapping may have left behind the end, before the file grows over it.
fn zero_behind(regular: &mut Regular) {
    let start = (regular.size % PAGE) as usize;
    if start > 0
        && let Some(frame) = regular.pages.get(&(regular.size / PAGE))
    {
        frame.fill(start, PAGE_SIZE - start, 0);
    }
}

impl Pages for Node {
    fn page(&self, index: u64) -> Result<Frame> {
        let mut regular = self.regular().ok_or(Errno::IO)?;
        if index >= regular.size.div_ceil(PAGE) {
            return Err(Errno::IO.into());
        }
        match &self.lower {
            Some(lower) if index < regular.lower_pages() && !regular.pages.contains_key(&index) => {
                lower.pages().ok_or(Errno::IO)?.page(index)
            }
            // A mapping keeps the page, so a later write has to find the same one.
            _ => self.own_page(&mut regular, index),
        }
    }

    fn cached_pages(&self, first: u64, into: &mut [Option<Frame>]) {
        let Some(regular) = self.regular() else { return };
        let before = |end: u64| (end.saturating_sub(first) as usize).min(into.len());
        let (within, below) = (before(regular.size.div_ceil(PAGE)), before(regular.lower_pages()));
        if let Some(lower) = self.lower.as_ref().and_then(|lower| lower.pages()) {
            lower.cached_pages(first, &mut into[..below]);
        }
        for (&index, frame) in regular.pages.range(first..first + within as u64) {
            into[(index - first) as usize] = Some(frame.clone());
        }
    }

    fn writable_page(&self, index: u64) -> Result<Frame> {
        let frame = {
            let mut regular = self.regular().ok_or(Errno::IO)?;
            if index >= regular.size.div_ceil(PAGE) {
                return Err(Errno::IO.into());
            }
            regular.written = true;
            self.own_page(&mut regular, index)?
        };
        self.touch();
        Ok(frame)
    }

    fn is_writable(&self) -> bool {
        true
    }

    fn is_executable(&self) -> bool {
        self.file_system.executes_written || self.regular().is_some_and(|regular| !regular.written)
    }

    fn punch(&self, range: Range<u64>) -> Result<()> {
        self.allocate_content(KEEP_SIZE | PUNCH_HOLE, range.start, range.end - range.start)
    }

    fn identity(&self) -> usize {
        // Pages of the lower file show in mappings of this one, and are given back by it.
        let lower = self.lower.as_ref().and_then(|lower| lower.pages());
        lower.map_or(core::ptr::from_ref(self).addr(), |lower| lower.identity())
    }

    fn size(&self) -> u64 {
        self.regular().map_or(0, |regular| regular.size)
    }
}
