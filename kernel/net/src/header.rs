//! Packet headers, built from the innermost outwards.

/// Room for Ethernet, IPv6 and a TCP header with all options.
const ROOM: usize = 128;

/// The headers of one packet. Each layer puts its own in front.
pub(crate) struct Header {
    bytes: [u8; ROOM],
    start: usize,
}

impl Header {
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            bytes: [0; ROOM],
            start: ROOM,
        }
    }

    /// Room for `length` more bytes in front, zeroed. Panics beyond what the known protocols need.
    #[inline]
    pub(crate) fn prepend(&mut self, length: usize) -> &mut [u8] {
        let end = self.start;
        self.start -= length;
        &mut self.bytes[self.start..end]
    }

    /// All of it so far.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        ROOM - self.start
    }
}
