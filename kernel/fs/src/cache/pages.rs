//! The cached pages of one file or of a whole device.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use abi::Errno;
use file::{Error, Pages, Result, Sink};
use hal::mem::{Frame, PAGE_SIZE};
use hal::sync::SpinLock;

use super::readahead::Readahead;
use super::reclaim;
use crate::block::{BlockDevice, Transfer};

const PAGE: u64 = PAGE_SIZE as u64;

/// The content of a file whose bytes lie one after the other on a device, or of the device itself.
pub struct CachedPages {
    this: Weak<Self>,
    device: Arc<dyn BlockDevice>,
    first_block: u64,
    size: u64,
    /// The last page, when its bytes do not begin at a block of their own: where they are in another cache.
    tail: Option<(Arc<CachedPages>, u64)>,
    pub(super) state: SpinLock<State>,
    registered: AtomicBool,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) slots: BTreeMap<u64, Slot>,
    readahead: Readahead,
    /// Where the next pass of [`CachedPages::shrink`] goes on.
    pub(super) hand: u64,
}

pub(super) struct Slot {
    pub(super) frame: Frame,
    /// The read that fills the page, until somebody saw its end.
    transfer: Option<Transfer>,
    /// That read is for this page alone, so that its failure is the page's own.
    alone: bool,
    /// Used since the last pass of [`CachedPages::shrink`].
    pub(super) referenced: bool,
}

/// Pages in all slots.
static RESIDENT: AtomicUsize = AtomicUsize::new(0);

/// How many pages of files are in memory.
pub fn resident_pages() -> usize {
    RESIDENT.load(Ordering::Relaxed)
}

impl Slot {
    fn new(frame: Frame, transfer: Option<Transfer>, alone: bool) -> Self {
        RESIDENT.fetch_add(1, Ordering::Relaxed);
        Self {
            frame,
            transfer,
            alone,
            referenced: false,
        }
    }

    pub(super) fn is_loading(&self) -> bool {
        self.transfer
            .as_ref()
            .is_some_and(|transfer| transfer.succeeded().is_none())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        RESIDENT.fetch_sub(1, Ordering::Relaxed);
    }
}

impl CachedPages {
    /// The cache of a whole device.
    pub fn of_device(device: Arc<dyn BlockDevice>) -> Arc<Self> {
        let size = device.block_count().saturating_mul(PAGE);
        Self::new(device, 0, size, None)
    }

    /// The cache of `size` bytes from block `first_block` on. With `tail`, the bytes of the last, partial page lie in another cache at that offset
    /// instead, and do not cross the end of a page there.
    pub fn new(
        device: Arc<dyn BlockDevice>,
        first_block: u64,
        size: u64,
        tail: Option<(Arc<CachedPages>, u64)>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            device,
            first_block,
            size,
            tail,
            state: SpinLock::new(State::default()),
            registered: AtomicBool::new(false),
        })
    }

    fn count(&self) -> u64 {
        self.size.div_ceil(PAGE)
    }

    /// Pages that are read from blocks of their own.
    fn block_pages(&self) -> u64 {
        self.count() - u64::from(self.tail.is_some())
    }

    /// Bytes of the file on page `index`.
    fn length_of(&self, index: u64) -> usize {
        self.size.saturating_sub(index * PAGE).min(PAGE) as usize
    }

    /// Copies the bytes from `offset` on; `EIO` when they leave the file.
    pub fn read_exact(&self, mut offset: u64, mut into: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(into.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            return Err(Errno::IO.into());
        }
        while !into.is_empty() {
            let start = (offset % PAGE) as usize;
            let part = into.len().min(PAGE_SIZE - start);
            let (now, later) = into.split_at_mut(part);
            self.page(offset / PAGE)?.read(start, now);
            into = later;
            offset += part as u64;
        }
        Ok(())
    }

    /// Reads as `read(2)` does: up to the end of the file, and less when a later page is not there yet.
    pub fn read(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let mut done = 0;
        while sink.remaining() > 0 {
            let Some(position) = offset.checked_add(done as u64).filter(|&position| position < self.size) else {
                break;
            };
            match self.read_part(position, sink) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// Reads what one page has from `position` on.
    fn read_part(&self, position: u64, sink: &mut dyn Sink) -> Result<usize> {
        let (index, start) = (position / PAGE, (position % PAGE) as usize);
        let length = (self.length_of(index) - start).min(sink.remaining());
        let (frame, start) = match &self.tail {
            // Short files would take a page each: their bytes go out from where they lie.
            Some((cache, address)) if index == self.block_pages() && self.cached_page(index).is_none() => {
                (cache.page(address / PAGE)?, (address % PAGE) as usize + start)
            }
            _ => (self.page(index)?, start),
        };
        Ok(sink.write_frame(&frame, start, length)?)
    }

    /// Makes a page of the bytes that lie at `address` of another cache.
    fn tail_page(&self, cache: &CachedPages, address: u64, index: u64) -> Result<Frame> {
        let from = cache.page(address / PAGE)?;
        let frame = Frame::allocate().ok_or(Error::Shortage)?;
        let (start, length) = ((address % PAGE) as usize, self.length_of(index));
        if start + length > PAGE_SIZE {
            return Err(Errno::UCLEAN.into());
        }
        let mut chunk = [0; 512];
        for done in (0..length).step_by(chunk.len()) {
            let part = &mut chunk[..(length - done).min(512)];
            from.read(start + done, part);
            frame.write(done, part);
        }
        frame.fill(length, PAGE_SIZE - length, 0);
        Ok(frame)
    }

    /// Starts to read the missing pages of a range.
    fn start_reads(&self, state: &mut State, range: Range<u64>, wanted: u64) {
        self.register();
        let mut run: Vec<Frame> = Vec::new();
        let mut first = range.start;
        let mut plenty = true;
        for index in range.start..=range.end {
            let wanted_here = index < range.end && !state.slots.contains_key(&index);
            let frame = match wanted_here {
                // Reading ahead takes only memory that is free; the page that was asked for may push others out.
                true if index == wanted => Frame::allocate(),
                true if plenty => Frame::allocate_free(),
                _ => None,
            };
            plenty &= frame.is_some() || !wanted_here;
            if let Some(frame) = frame {
                if run.is_empty() {
                    first = index;
                }
                run.push(frame);
                continue;
            }
            if !run.is_empty() {
                let transfer = self.device.read(self.first_block + first, &run);
                let alone = run.len() == 1;
                for (place, frame) in run.drain(..).enumerate() {
                    let slot = Slot::new(frame, Some(transfer.clone()), alone);
                    state.slots.insert(first + place as u64, slot);
                }
            }
        }
    }

    /// What is in a slot, once its read has ended, for somebody who wants this very page.
    fn settle(&self, slots: &mut BTreeMap<u64, Slot>, index: u64) -> Option<Result<Frame>> {
        let slot = slots.get_mut(&index)?;
        if let Some(transfer) = &slot.transfer {
            match transfer.succeeded() {
                None => return Some(Err(Error::Pending(transfer.completion()))),
                Some(false) if !slot.alone => {
                    // One bad sector fails all that was read with it: what is wanted is read again alone.
                    let again = self
                        .device
                        .read(self.first_block + index, core::slice::from_ref(&slot.frame));
                    slot.alone = true;
                    let completion = again.completion();
                    slot.transfer = Some(again);
                    return Some(Err(Error::Pending(completion)));
                }
                Some(false) => {
                    slots.remove(&index);
                    return Some(Err(Errno::IO.into()));
                }
                Some(true) => self.finish(slot, index),
            }
        }
        slot.referenced = true;
        Some(Ok(slot.frame.clone()))
    }

    /// The read that fills a slot has succeeded.
    fn finish(&self, slot: &mut Slot, index: u64) {
        // What lies on the disk behind the end of the file must not show in a mapping.
        let length = self.length_of(index);
        slot.frame.fill(length, PAGE_SIZE - length, 0);
        slot.transfer = None;
    }

    fn register(&self) {
        if !self.registered.swap(true, Ordering::Relaxed) {
            reclaim::register(self.this.clone());
        }
    }

    /// How many pages it holds.
    #[cfg(test)]
    pub(super) fn resident(&self) -> usize {
        self.state.lock().slots.len()
    }
}

impl Pages for CachedPages {
    fn page(&self, index: u64) -> Result<Frame> {
        if index >= self.count() {
            return Err(Errno::IO.into());
        }
        let mut state = self.state.lock();
        let state = &mut *state;
        if let Some(settled) = self.settle(&mut state.slots, index) {
            if settled.is_ok()
                && let Some(range) = state.readahead.hit(index, self.block_pages())
            {
                self.start_reads(state, range, u64::MAX);
            }
            return settled;
        }
        if let Some((cache, address)) = self.tail.as_ref().filter(|_| index == self.block_pages()) {
            let frame = self.tail_page(cache, *address, index)?;
            self.register();
            let mut slot = Slot::new(frame.clone(), None, true);
            slot.referenced = true;
            state.slots.insert(index, slot);
            return Ok(frame);
        }
        let range = state.readahead.missed(index, self.block_pages());
        self.start_reads(state, range, index);
        self.settle(&mut state.slots, index).unwrap_or(Err(Error::Shortage))
    }

    fn cached_pages(&self, first: u64, into: &mut [Option<Frame>]) {
        let mut state = self.state.lock();
        for (&index, slot) in state.slots.range_mut(first..first.saturating_add(into.len() as u64)) {
            match slot.transfer.as_ref().map(Transfer::succeeded) {
                None => {}
                Some(Some(true)) => self.finish(slot, index),
                Some(None | Some(false)) => continue,
            }
            into[(index - first) as usize] = Some(slot.frame.clone());
        }
    }

    fn size(&self) -> u64 {
        self.size
    }
}

impl core::fmt::Debug for CachedPages {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "CachedPages({} bytes)", self.size)
    }
}
