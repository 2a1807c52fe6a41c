//! The line discipline: what becomes of the bytes that are typed and of those that programs write. It knows no locks, no files and no
//! processes: bytes go in, and bytes, signals and lines come out. Linux's `N_TTY` is the model.

mod edit;
mod input;
mod output;
#[cfg(test)]
mod tests;

use abi::Termios;
use abi::general as linux;
use alloc::collections::VecDeque;

use input::Input;

/// The byte that switches a special character off (`_POSIX_VDISABLE`).
pub(crate) const DISABLED: u8 = 0;
/// DEL, which is no letter either.
const DELETE: u8 = 0x7f;

/// The state of one terminal's discipline.
pub(crate) struct Discipline {
    settings: Termios,
    /// Bytes that mean something under these settings, one bit each.
    special: [u64; 4],
    input: Input,
    /// Where the next character goes on the line.
    column: usize,
    /// Where the line begins that is being typed.
    line_column: usize,
    /// Characters were struck out, and the slash that ends them is due (`ECHOPRT`).
    striking: bool,
    /// The next byte stands for itself (`VLNEXT`).
    literal: bool,
}

/// What a byte that was typed asks for beside what it adds to the input and the echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Nothing.
    None,
    /// A signal for the foreground process group; output goes on if it was held.
    Signal(u32),
    /// Output is held (`VSTOP`).
    Stop,
    /// Output goes on (`VSTART`, or any byte with `IXANY`).
    Start,
}

/// As a new terminal has it on Linux, but for `HUPCL`, which means something to a modem only.
pub(crate) fn default_settings() -> Termios {
    let mut characters = [DISABLED; 19];
    for (index, byte) in [
        (linux::VINTR, 0x03),
        (linux::VQUIT, 0x1c),
        (linux::VERASE, DELETE),
        (linux::VKILL, 0x15),
        (linux::VEOF, 0x04),
        (linux::VMIN, 1),
        (linux::VSTART, 0x11),
        (linux::VSTOP, 0x13),
        (linux::VSUSP, 0x1a),
        (linux::VREPRINT, 0x12),
        (linux::VDISCARD, 0x0f),
        (linux::VWERASE, 0x17),
        (linux::VLNEXT, 0x16),
    ] {
        characters[index as usize] = byte;
    }
    Termios {
        input: linux::ICRNL | linux::IXON,
        output: linux::OPOST | linux::ONLCR,
        control: linux::B38400 | linux::CS8 | linux::CREAD,
        local: linux::ISIG
            | linux::ICANON
            | linux::ECHO
            | linux::ECHOE
            | linux::ECHOK
            | linux::ECHOCTL
            | linux::ECHOKE
            | linux::IEXTEN,
        line: 0,
        characters,
    }
}

impl Default for Discipline {
    fn default() -> Self {
        let mut discipline = Self {
            settings: Termios::default(),
            special: [0; 4],
            input: Input::default(),
            column: 0,
            line_column: 0,
            striking: false,
            literal: false,
        };
        discipline.set(default_settings());
        discipline
    }
}

impl Discipline {
    /// The settings in force.
    pub(crate) fn settings(&self) -> &Termios {
        &self.settings
    }

    /// Whether input is read line by line (`ICANON`).
    pub(crate) fn is_canonical(&self) -> bool {
        self.local(linux::ICANON)
    }

    /// Puts other settings in force. What is between two modes of input stays: in canonical mode it counts as a line.
    pub(crate) fn set(&mut self, settings: Termios) {
        let changed = self.settings.local ^ settings.local;
        self.settings = settings;
        self.note_special();
        if changed & (linux::ICANON | linux::EXTPROC) != 0 {
            self.input.regroup(settings.local & linux::ICANON != 0);
            self.striking = false;
            self.literal = false;
        }
    }

    /// Bytes that can be read now (`TIOCINQ`).
    pub(crate) fn readable(&self) -> usize {
        self.input.readable(self.is_canonical())
    }

    /// Whether `poll(2)` says that there is something to read.
    pub(crate) fn is_readable(&self) -> bool {
        match (self.character(linux::VMIN), self.character(linux::VTIME)) {
            _ if self.is_canonical() => self.input.has_line(),
            (least, 0) => self.readable() >= usize::from(least).max(1),
            _ => self.readable() > 0,
        }
    }

    /// Whether there is all that a read of up to `wanted` bytes waits for: a line, or `VMIN` bytes.
    pub(crate) fn satisfies(&self, wanted: usize) -> bool {
        if self.is_canonical() {
            return self.input.has_line();
        }
        let least = match self.character(linux::VMIN) {
            // The first byte, or the end of the time.
            0 => usize::from(self.patience().is_some()),
            least => usize::from(least),
        };
        self.readable() >= least.min(wanted)
    }

    /// Nanoseconds that a read waits for a first byte (`VMIN` is 0), or for another one; `None` in canonical mode, and without `VTIME`.
    pub(crate) fn patience(&self) -> Option<u64> {
        const TENTH: u64 = 100_000_000;
        let tenths = u64::from(self.character(linux::VTIME));
        Some(tenths * TENTH).filter(|&time| time > 0 && !self.is_canonical())
    }

    /// Gives `take` what one read may have, piece by piece, until it takes less than it was given. An error counts when nothing was taken.
    pub(crate) fn read<E>(&mut self, take: impl FnMut(&[u8]) -> Result<usize, E>) -> Result<usize, E> {
        let canonical = self.is_canonical();
        self.input.read(canonical, take)
    }

    /// Forgets what was typed and not read.
    pub(crate) fn flush(&mut self) {
        self.input.clear();
        self.striking = false;
        self.literal = false;
    }

    fn note_special(&mut self) {
        self.special = [0; 4];
        let (canonical, extended) = (self.is_canonical(), self.local(linux::IEXTEN));
        let (signals, flow) = (self.local(linux::ISIG), self.input_flag(linux::IXON));
        for (wanted, index) in [
            (flow, linux::VSTART),
            (flow, linux::VSTOP),
            (signals, linux::VINTR),
            (signals, linux::VQUIT),
            (signals, linux::VSUSP),
            (canonical, linux::VERASE),
            (canonical, linux::VKILL),
            (canonical, linux::VEOF),
            (canonical, linux::VEOL),
            (canonical && extended, linux::VWERASE),
            (canonical && extended, linux::VLNEXT),
            (canonical && extended, linux::VEOL2),
            (canonical && extended && self.local(linux::ECHO), linux::VREPRINT),
        ] {
            if wanted {
                self.mark(self.character(index));
            }
        }
        if self.input_flag(linux::IGNCR | linux::ICRNL) {
            self.mark(b'\r');
        }
        if self.input_flag(linux::INLCR) || canonical {
            self.mark(b'\n');
        }
        self.special[0] &= !(1 << DISABLED);
    }

    fn mark(&mut self, byte: u8) {
        self.special[usize::from(byte / 64)] |= 1 << (byte % 64);
    }

    fn is_special(&self, byte: u8) -> bool {
        self.special[usize::from(byte / 64)] >> (byte % 64) & 1 == 1
    }

    /// Whether one of these flags of `c_lflag` is set.
    pub(crate) fn local(&self, flag: u32) -> bool {
        self.settings.local & flag != 0
    }

    /// Whether one of these flags of `c_iflag` is set.
    pub(crate) fn input_flag(&self, flag: u32) -> bool {
        self.settings.input & flag != 0
    }

    fn output_flag(&self, flag: u32) -> bool {
        self.settings.output & flag != 0
    }

    /// A special character by its index in `c_cc`.
    pub(crate) fn character(&self, index: u32) -> u8 {
        self.settings.characters[index as usize]
    }

    /// Whether another byte may be typed. A line that is too long goes on with its last byte replaced, so that its end still comes through.
    pub(crate) fn takes_another(&mut self) -> bool {
        let canonical = self.is_canonical();
        self.input.make_room(canonical)
    }

    /// Takes a byte that was typed. `stopped`: output is held, by `VSTOP`. The echo goes to the end of `echo`.
    pub(crate) fn receive(&mut self, mut byte: u8, stopped: bool, echo: &mut VecDeque<u8>) -> Reaction {
        if self.input_flag(linux::ISTRIP) {
            byte &= 0x7f;
        }
        if self.input_flag(linux::IUCLC) && self.local(linux::IEXTEN) {
            byte = byte.to_ascii_lowercase();
        }
        if core::mem::take(&mut self.literal) {
            return self.receive_plain(byte, stopped, echo);
        }
        if self.local(linux::EXTPROC) {
            self.input.put(byte);
            return Reaction::None;
        }
        if self.is_special(byte) {
            self.receive_special(byte, stopped, echo)
        } else {
            self.receive_plain(byte, stopped, echo)
        }
    }

    /// What a byte does to output that is held.
    fn restart(&self, stopped: bool) -> Reaction {
        if stopped && self.input_flag(linux::IXON) && self.input_flag(linux::IXANY) {
            Reaction::Start
        } else {
            Reaction::None
        }
    }

    fn receive_plain(&mut self, byte: u8, stopped: bool, echo: &mut VecDeque<u8>) -> Reaction {
        if self.local(linux::ECHO) {
            self.finish_striking(echo);
            self.note_line_column();
            self.echo(byte, echo);
        }
        self.keep(byte);
        self.restart(stopped)
    }

    /// Adds a byte to the input. With `PARMRK` one of all ones comes twice, as it alone would begin a mark.
    fn keep(&mut self, byte: u8) {
        if byte == 0xff && self.input_flag(linux::PARMRK) {
            self.input.put(byte);
        }
        self.input.put(byte);
    }

    fn receive_special(&mut self, mut byte: u8, stopped: bool, echo: &mut VecDeque<u8>) -> Reaction {
        if self.input_flag(linux::IXON) {
            if byte == self.character(linux::VSTART) {
                return Reaction::Start;
            }
            if byte == self.character(linux::VSTOP) {
                return Reaction::Stop;
            }
        }
        if self.local(linux::ISIG)
            && let Some(signal) = self.signal_of(byte)
        {
            return self.interrupt(byte, signal, echo);
        }
        let reaction = self.restart(stopped);
        match byte {
            b'\r' if self.input_flag(linux::IGNCR) => return reaction,
            b'\r' if self.input_flag(linux::ICRNL) => byte = b'\n',
            b'\n' if self.input_flag(linux::INLCR) => byte = b'\r',
            _ => {}
        }
        if self.is_canonical() && self.edit(byte, echo) {
            return reaction;
        }
        if self.local(linux::ECHO) {
            self.finish_striking(echo);
            if byte == b'\n' {
                self.put(byte, echo);
            } else {
                self.note_line_column();
                self.echo(byte, echo);
            }
        }
        self.keep(byte);
        reaction
    }

    fn signal_of(&self, byte: u8) -> Option<u32> {
        [
            (linux::VINTR, linux::SIGINT),
            (linux::VQUIT, linux::SIGQUIT),
            (linux::VSUSP, linux::SIGTSTP),
        ]
        .into_iter()
        .find(|&(index, _)| byte == self.character(index))
        .map(|(_, signal)| signal)
    }

    fn interrupt(&mut self, byte: u8, signal: u32, echo: &mut VecDeque<u8>) -> Reaction {
        if !self.local(linux::NOFLSH) {
            self.flush();
            echo.clear();
        }
        if self.local(linux::ECHO) {
            self.echo(byte, echo);
        }
        Reaction::Signal(signal)
    }
}
