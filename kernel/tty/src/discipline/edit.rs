//! Editing the line that is being typed (canonical mode).

use abi::general as linux;
use alloc::collections::VecDeque;

use super::Discipline;
use super::output::TAB;

/// How much of a line goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Character,
    Word,
    Line,
}

impl Discipline {
    /// Does what a special byte asks for in canonical mode; false when it is only a byte of the line.
    pub(super) fn edit(&mut self, byte: u8, echo: &mut VecDeque<u8>) -> bool {
        let is = |index| byte == self.character(index);
        let extended = self.local(linux::IEXTEN);
        let echoes = self.local(linux::ECHO);
        match () {
            () if is(linux::VERASE) => self.erase(Extent::Character, echo),
            () if is(linux::VKILL) => self.kill(echo),
            () if is(linux::VWERASE) && extended => self.erase(Extent::Word, echo),
            () if is(linux::VLNEXT) && extended => {
                self.literal = true;
                if echoes {
                    self.finish_striking(echo);
                    if self.local(linux::ECHOCTL) {
                        self.put(b'^', echo);
                        self.put(b'\x08', echo);
                    }
                }
            }
            () if is(linux::VREPRINT) && extended && echoes => {
                self.finish_striking(echo);
                self.echo(byte, echo);
                self.put(b'\n', echo);
                let line: alloc::vec::Vec<_> = self.input.line().collect();
                for byte in line {
                    self.echo(byte, echo);
                }
            }
            () if byte == b'\n' => {
                if echoes || self.local(linux::ECHONL) {
                    self.put(byte, echo);
                }
                self.input.end_line(Some(byte));
            }
            () if is(linux::VEOF) => self.input.end_line(None),
            () if is(linux::VEOL) || is(linux::VEOL2) && extended => {
                if echoes {
                    self.note_line_column();
                    self.echo(byte, echo);
                }
                if byte == 0xff && self.input_flag(linux::PARMRK) {
                    self.input.put(byte);
                }
                self.input.end_line(Some(byte));
            }
            () => return false,
        }
        true
    }

    /// Drops the whole line.
    fn kill(&mut self, echo: &mut VecDeque<u8>) {
        const ALL: u32 = linux::ECHOK | linux::ECHOKE | linux::ECHOE;
        let echoes = self.local(linux::ECHO);
        if echoes && self.settings.local & ALL == ALL {
            return self.erase(Extent::Line, echo);
        }
        let length = self.input.line().len();
        if length == 0 {
            return;
        }
        self.input.cut(length);
        if echoes {
            self.finish_striking(echo);
            self.echo(self.character(linux::VKILL), echo);
            if self.local(linux::ECHOK) {
                self.put(b'\n', echo);
            }
        }
    }

    /// Bytes of the last character of the line; `None` when there is none that is whole.
    fn last_character(&self) -> Option<usize> {
        let mut bytes = self.input.line().rev();
        Some(bytes.position(|byte| !self.is_continuation(byte))? + 1)
    }

    fn erase(&mut self, extent: Extent, echo: &mut VecDeque<u8>) {
        if self.input.line().len() == 0 {
            return;
        }
        let mut in_word = false;
        while let Some(count) = self.last_character() {
            let character: alloc::vec::Vec<_> = self.input.line().rev().take(count).collect();
            let first = character[count - 1];
            if extent == Extent::Word {
                let belongs = first.is_ascii_alphanumeric() || first == b'_';
                if in_word && !belongs {
                    break;
                }
                in_word |= belongs;
            }
            self.input.cut(count);
            if self.local(linux::ECHO) {
                self.show_erased(extent, &character, echo);
            }
            if extent == Extent::Character {
                break;
            }
        }
        if self.input.line().len() == 0 && self.local(linux::ECHO) {
            self.finish_striking(echo);
        }
    }

    /// Shows that a character has gone. Its bytes come last first.
    fn show_erased(&mut self, extent: Extent, character: &[u8], echo: &mut VecDeque<u8>) {
        let (&first, rest) = character.split_last().expect("a character has a byte");
        if self.local(linux::ECHOPRT) {
            if !core::mem::replace(&mut self.striking, true) {
                self.put(b'\\', echo);
            }
            self.echo(first, echo);
            for &byte in rest.iter().rev() {
                echo.push_back(byte);
            }
        } else if extent == Extent::Character && !self.local(linux::ECHOE) {
            self.echo(self.character(linux::VERASE), echo);
        } else if first == b'\t' {
            self.erase_tab(echo);
        } else {
            let shown_as_two = first.is_ascii_control() && self.local(linux::ECHOCTL);
            let width = match first.is_ascii_control() {
                true if !shown_as_two => 0,
                control => 1 + usize::from(control),
            };
            for _ in 0..width {
                for byte in *b"\x08 \x08" {
                    self.put(byte, echo);
                }
            }
        }
    }

    /// Goes back over the columns of a tab, which depend on what stands before it.
    fn erase_tab(&mut self, echo: &mut VecDeque<u8>) {
        let mut before = 0;
        let mut after_tab = false;
        for byte in self.input.line().rev() {
            match byte {
                b'\t' => {
                    after_tab = true;
                    break;
                }
                _ if byte.is_ascii_control() => before += 2 * usize::from(self.local(linux::ECHOCTL)),
                _ => before += usize::from(!self.is_continuation(byte)),
            }
        }
        if !after_tab {
            before += self.line_column;
        }
        for _ in 0..TAB - before % TAB {
            self.back(echo);
        }
    }

    /// Ends what was struck out.
    pub(super) fn finish_striking(&mut self, echo: &mut VecDeque<u8>) {
        if core::mem::take(&mut self.striking) {
            self.put(b'/', echo);
        }
    }
}
