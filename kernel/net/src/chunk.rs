//! Shared, immutable bytes: how payload travels between sockets and devices without being copied.

use alloc::sync::Arc;
use core::ops::Deref;

/// A part of a shared buffer. Cloning and cutting it copies no bytes.
#[derive(Clone)]
pub struct Chunk {
    buffer: Arc<[u8]>,
    start: u32,
    end: u32,
}

impl Chunk {
    /// A copy of `bytes`.
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self {
            buffer: Arc::from(bytes),
            start: 0,
            end: bytes.len() as u32,
        }
    }

    /// Up to `capacity` bytes that `fill` writes into a zeroed buffer; it returns how many they are.
    pub(crate) fn filled<E>(capacity: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<Self, E> {
        let mut buffer: Arc<[u8]> = core::iter::repeat_n(0, capacity).collect();
        let length = match Arc::get_mut(&mut buffer) {
            Some(bytes) => fill(bytes)?,
            None => 0,
        };
        Ok(Self {
            buffer,
            start: 0,
            end: length as u32,
        })
    }

    /// The bytes from `start` to `end`, relative to this chunk. Panics when they leave it.
    pub(crate) fn slice(&self, start: usize, end: usize) -> Self {
        assert!(
            start <= end && end <= self.len(),
            "{start}..{end} leaves a chunk of {}",
            self.len()
        );
        Self {
            buffer: self.buffer.clone(),
            start: self.start + start as u32,
            end: self.start + end as u32,
        }
    }

    /// Takes `count` bytes off the front.
    pub(crate) fn advance(&mut self, count: usize) {
        debug_assert!(count <= self.len());
        self.start += count as u32;
    }

    /// Keeps the first `length` bytes.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.end = self.end.min(self.start + length as u32);
    }

    /// Appends as much of `bytes` as fits behind the last one, when nobody else sees the buffer; returns how much.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> usize {
        let Some(buffer) = Arc::get_mut(&mut self.buffer) else {
            return 0;
        };
        let end = self.end as usize;
        let count = bytes.len().min(buffer.len() - end);
        buffer[end..end + count].copy_from_slice(&bytes[..count]);
        self.end += count as u32;
        count
    }

    /// Bytes that fit behind its last one.
    pub(crate) fn spare(&self) -> usize {
        self.buffer.len() - self.end as usize
    }

    /// Lets `fill` write up to `count` bytes behind the last one, which must fit; it returns how many it did. `None` when somebody else
    /// sees the buffer.
    pub(crate) fn extend<E>(
        &mut self,
        count: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Option<Result<usize, E>> {
        let buffer = Arc::get_mut(&mut self.buffer)?;
        let end = self.end as usize;
        let filled = fill(&mut buffer[end..end + count]);
        if let Ok(count) = filled {
            self.end += count as u32;
        }
        Some(filled)
    }

    /// Bytes of memory that it keeps alive, with the allocation's own cost.
    pub(crate) fn footprint(&self) -> usize {
        self.buffer.len() + 64
    }
}

impl Deref for Chunk {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.buffer[self.start as usize..self.end as usize]
    }
}

impl core::fmt::Debug for Chunk {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "Chunk({} bytes)", self.len())
    }
}
