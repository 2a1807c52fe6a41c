//! What becomes of bytes on their way to the terminal: those that programs write, and the echo of those that are typed.

use abi::general as linux;
use alloc::collections::VecDeque;

use super::Discipline;

/// Columns from one tab stop to the next.
pub(super) const TAB: usize = 8;
/// Turns the code of a control character into that of the letter that stands for it.
const CARET: u8 = 0x40;

impl Discipline {
    /// What a program writes, processed (`OPOST`), at the end of `out`.
    pub(crate) fn write(&mut self, bytes: &[u8], out: &mut VecDeque<u8>) {
        if self.output_flag(linux::OPOST) {
            for &byte in bytes {
                self.put(byte, out);
            }
        } else {
            out.extend(bytes);
        }
    }

    /// One byte, processed.
    pub(super) fn put(&mut self, mut byte: u8, out: &mut VecDeque<u8>) {
        if !self.output_flag(linux::OPOST) {
            out.push_back(byte);
            return;
        }
        match byte {
            b'\n' => {
                if self.output_flag(linux::ONLCR) {
                    out.push_back(b'\r');
                }
                if self.output_flag(linux::ONLCR | linux::ONLRET) {
                    self.column = 0;
                }
                self.line_column = self.column;
            }
            b'\r' if self.output_flag(linux::ONOCR) && self.column == 0 => return,
            b'\r' => {
                let turned = self.output_flag(linux::OCRNL);
                if turned {
                    byte = b'\n';
                }
                if !turned || self.output_flag(linux::ONLRET) {
                    self.column = 0;
                    self.line_column = 0;
                }
            }
            b'\t' => {
                let spaces = TAB - self.column % TAB;
                self.column += spaces;
                if self.settings.output & linux::TABDLY == linux::TAB3 {
                    out.extend(core::iter::repeat_n(b' ', spaces));
                    return;
                }
            }
            b'\x08' => self.column = self.column.saturating_sub(1),
            _ if byte.is_ascii_control() => {}
            _ => {
                if self.output_flag(linux::OLCUC) {
                    byte = byte.to_ascii_uppercase();
                }
                self.column += usize::from(!self.is_continuation(byte));
            }
        }
        out.push_back(byte);
    }

    /// Whether a byte goes on with a character of several (`IUTF8`).
    pub(super) fn is_continuation(&self, byte: u8) -> bool {
        self.input_flag(linux::IUTF8) && byte & 0xc0 == 0x80
    }

    /// The echo of a byte: a control character as a caret and a letter (`ECHOCTL`).
    pub(super) fn echo(&mut self, byte: u8, out: &mut VecDeque<u8>) {
        if self.local(linux::ECHOCTL) && byte.is_ascii_control() && byte != b'\t' {
            out.extend([b'^', byte ^ CARET]);
            self.column += 2;
        } else {
            self.put(byte, out);
        }
    }

    /// Goes back a column, over what is there.
    pub(super) fn back(&mut self, out: &mut VecDeque<u8>) {
        out.push_back(b'\x08');
        self.column = self.column.saturating_sub(1);
    }

    /// Notes the column of the first byte of a line.
    pub(super) fn note_line_column(&mut self) {
        if self.input.line().len() == 0 {
            self.line_column = self.column;
        }
    }
}
