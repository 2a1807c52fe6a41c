//! What comes in on the console for the application: bytes, and their end.

use alloc::collections::VecDeque;

/// Ends the input: what ^D sends.
const END_OF_TRANSMISSION: u8 = 0x04;
/// Takes its meaning from the byte after it.
const DATA_LINK_ESCAPE: u8 = 0x10;
/// Bytes that are kept until somebody reads them; what comes after them waits in the port.
const LIMIT: usize = 4096;

/// Input that was not read yet. A serial line has no end of its own, so one byte stands for it, and another escapes those two.
pub(super) struct Typed {
    bytes: VecDeque<u8>,
    escaped: bool,
    ended: bool,
}

impl Typed {
    pub(super) const fn new() -> Self {
        Self {
            bytes: VecDeque::new(),
            escaped: false,
            ended: false,
        }
    }

    /// Whether it takes another byte from the line.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() < LIMIT
    }

    /// Takes a byte from the line. After the end there is nothing more.
    pub(super) fn receive(&mut self, byte: u8) {
        match byte {
            _ if self.ended => {}
            _ if self.escaped => {
                self.escaped = false;
                self.bytes.push_back(byte);
            }
            DATA_LINK_ESCAPE => self.escaped = true,
            END_OF_TRANSMISSION => self.ended = true,
            _ => self.bytes.push_back(byte),
        }
    }

    /// Bytes that can be read now.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether a read has something to say: bytes, or that there are no more.
    pub(super) fn is_ready(&self) -> bool {
        self.ended || !self.bytes.is_empty()
    }

    /// What is there, for one who then says how much of it was taken ([`Typed::skip`]).
    pub(super) fn peek(&self) -> &[u8] {
        self.bytes.as_slices().0
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn after(line: &[u8]) -> (Vec<u8>, bool) {
        let mut typed = Typed::new();
        line.iter().for_each(|&byte| typed.receive(byte));
        (typed.bytes.iter().copied().collect(), typed.ended)
    }

    #[test]
    fn a_byte_ends_the_input_and_another_escapes_it() {
        assert_eq!(after(b"ab"), (b"ab".to_vec(), false));
        assert_eq!(after(b"ab\x04c"), (b"ab".to_vec(), true));
        assert_eq!(after(b"a\x10\x04\x10\x10b\x04"), (b"a\x04\x10b".to_vec(), true));
    }

    #[test]
    fn what_does_not_fit_stays_in_the_port() {
        let mut typed = Typed::new();
        let taken = core::iter::repeat_with(|| typed.has_room().then(|| typed.receive(b'x')))
            .take_while(Option::is_some)
            .count();
        assert_eq!((taken, typed.len()), (LIMIT, LIMIT));
        typed.skip(1);
        assert!(typed.has_room());
    }
}
