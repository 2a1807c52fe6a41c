//! What comes in on the console where it is a terminal: keys, and the size of the window in which they are typed.

use abi::WindowSize;

/// Comes before what is no key. Twice it is one.
const DATA_LINK_ESCAPE: u8 = 0x10;
/// Comes before the size of the window: lines and columns, of two bytes each, the higher one first.
const WINDOW: u8 = b'W';

/// What a byte completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A byte that was typed.
    Byte(u8),
    /// The window has another size.
    Window(WindowSize),
}

/// Tells keys from sizes.
pub(super) struct Keys {
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    Plain,
    Escaped,
    /// The bytes of a size so far.
    Window(usize, [u8; 4]),
}

impl Keys {
    pub(super) const fn new() -> Self {
        Self { state: State::Plain }
    }

    /// Takes the next byte of the line.
    pub(super) fn receive(&mut self, byte: u8) -> Option<Key> {
        let (state, key) = match (self.state, byte) {
            (State::Plain, DATA_LINK_ESCAPE) => (State::Escaped, None),
            (State::Escaped, WINDOW) => (State::Window(0, [0; 4]), None),
            (State::Plain | State::Escaped, _) => (State::Plain, Some(Key::Byte(byte))),
            (State::Window(3, [a, b, c, _]), d) => {
                let size = WindowSize {
                    rows: u16::from_be_bytes([a, b]),
                    columns: u16::from_be_bytes([c, d]),
                    ..WindowSize::default()
                };
                (State::Plain, Some(Key::Window(size)))
            }
            (State::Window(count, mut bytes), _) => {
                bytes[count] = byte;
                (State::Window(count + 1, bytes), None)
            }
        };
        self.state = state;
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn sizes_come_between_keys() {
        let mut keys = Keys::new();
        let found: Vec<_> = b"a\x10W\x00\x18\x10\x50W\x10\x10\x10Wabcd\x04"
            .iter()
            .filter_map(|&byte| keys.receive(byte))
            .collect();
        let window = |rows, columns| {
            Key::Window(WindowSize {
                rows,
                columns,
                ..WindowSize::default()
            })
        };
        assert_eq!(
            found,
            [
                Key::Byte(b'a'),
                window(24, 0x1050),
                Key::Byte(b'W'),
                Key::Byte(0x10),
                window(0x6162, 0x6364),
                Key::Byte(4),
            ]
        );
    }
}
