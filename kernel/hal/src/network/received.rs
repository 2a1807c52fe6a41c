//! Received packets, in the buffers that a device has filled.

use alloc::vec::Vec;

use crate::dma::Buffer;

/// A buffer with a part of a packet.
pub(crate) struct Part {
    /// The buffer's number with the driver.
    pub(crate) number: u16,
    pub(crate) buffer: Buffer,
    /// Where what was received begins, and its bytes: inside the buffer, or reading it panics.
    pub(crate) start: usize,
    pub(crate) length: usize,
}

impl Part {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer.bytes()[self.start..self.start + self.length]
    }
}

/// A received packet, to be given back.
pub(crate) struct Packet {
    first: Part,
    others: Vec<Part>,
    is_verified: bool,
}

impl Packet {
    /// Of the parts that have come, which are taken out; `None` when there are none. `is_verified` when the card vouches for its checksum.
    pub(crate) fn of(parts: &mut Vec<Part>, is_verified: bool) -> Option<Self> {
        // A packet in one buffer is the rule: it takes no memory.
        let others = if parts.len() > 1 {
            parts.split_off(1)
        } else {
            Vec::new()
        };
        parts.pop().map(|first| Self {
            first,
            others,
            is_verified,
        })
    }

    /// Hands its bytes on; nothing is handed on when there is no memory to join them.
    pub(crate) fn read(&self, handler: &mut dyn FnMut(&[u8], bool)) {
        if self.others.is_empty() {
            return handler(self.first.bytes(), self.is_verified);
        }
        let parts = || core::iter::once(&self.first).chain(&self.others);
        let mut joined = Vec::new();
        if joined.try_reserve_exact(parts().map(|part| part.length).sum()).is_ok() {
            parts().for_each(|part| joined.extend_from_slice(part.bytes()));
            handler(&joined, self.is_verified);
        }
    }

    /// Its parts, to be given back.
    pub(crate) fn into_parts(self) -> impl Iterator<Item = Part> {
        core::iter::once(self.first).chain(self.others)
    }
}
