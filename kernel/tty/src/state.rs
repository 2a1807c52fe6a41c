//! What a terminal holds under its lock: the discipline, and the bytes on their way in both directions.

use abi::WindowSize;
use abi::general::{IXON, NOFLSH, TIOCPKT_FLUSHREAD, TIOCPKT_FLUSHWRITE, TIOCPKT_START, TIOCPKT_STOP, VSTART, VSTOP};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::Line;
use crate::discipline::{Discipline, Reaction};

/// Bytes that wait for the master, or for the discipline, before a writer has to.
const LIMIT: usize = 8192;
/// Bytes of output that are past recall: Linux has them in the master's own buffer.
const DELIVERED: usize = 4096;
/// Bytes of echo that go on before all is echoed that was typed.
const ECHO_STEP: usize = 256;
/// Bytes of echo that are kept while output is held.
const ECHO_LIMIT: usize = 4096;

/// The state of a terminal.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct State {
    pub(crate) discipline: Discipline,
    pub(crate) size: WindowSize,
    /// Input and output speed in bits a second, which nothing depends on.
    pub(crate) speeds: [u32; 2],
    /// The session whose controlling terminal it is; 0 for none.
    pub(crate) session: i32,
    /// The process group that has it; 0 for none.
    pub(crate) foreground: i32,
    /// The other side is gone.
    pub(crate) hung_up: bool,
    /// Only root opens it again (`TIOCEXCL`).
    pub(crate) exclusive: bool,
    /// A pseudo-terminal that does not open yet (`TIOCSPTLCK`).
    pub(crate) locked: bool,
    /// Open files of it.
    pub(crate) open: usize,
    /// All open files of it were closed again.
    pub(crate) deserted: bool,
    /// Packet mode of the master (`TIOCPKT`): what it is yet to be told.
    pub(crate) packet: Option<u8>,
    /// When the last byte was typed.
    pub(crate) heard: u64,
    /// What the discipline had no room for.
    typed: VecDeque<u8>,
    echo: VecDeque<u8>,
    /// What the master, or the line, is yet to take.
    output: VecDeque<u8>,
    /// Held by `VSTOP`.
    stopped: bool,
    /// Held by `TCOOFF`.
    suspended: bool,
}

impl State {
    fn is_held(&self) -> bool {
        self.stopped || self.suspended
    }

    /// Bytes that a program may write now.
    pub(crate) fn room(&self) -> usize {
        if self.is_held() {
            0
        } else {
            LIMIT.saturating_sub(self.output.len())
        }
    }

    /// Takes what a program writes, which [`State::room`] has allowed.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.discipline.write(bytes, &mut self.output);
    }

    /// Bytes that may be typed now.
    pub(crate) fn typing_room(&self) -> usize {
        LIMIT.saturating_sub(self.typed.len())
    }

    /// Takes what is typed, which [`State::typing_room`] has allowed.
    pub(crate) fn type_bytes(&mut self, bytes: &[u8]) {
        self.typed.extend(bytes);
    }

    /// Gives the discipline what was typed, as far as it has room. `None` when nothing was, else the signals that come of it.
    pub(crate) fn feed(&mut self, line: Option<&dyn Line>) -> Option<Vec<u32>> {
        let mut signals = Vec::new();
        let mut fed = false;
        while self.discipline.takes_another() {
            let byte = self.typed.pop_front().or_else(|| line.and_then(Line::receive));
            let Some(byte) = byte else {
                break;
            };
            fed = true;
            let reaction = self.discipline.receive(byte, self.stopped, &mut self.echo);
            match reaction {
                Reaction::None => {}
                Reaction::Stop => self.set_stopped(true),
                Reaction::Start => self.set_stopped(false),
                Reaction::Signal(signal) => {
                    signals.push(signal);
                    if !self.discipline.local(NOFLSH) {
                        self.flush_output(line);
                        self.note_packet(TIOCPKT_FLUSHREAD);
                    }
                    if self.discipline.input_flag(IXON) {
                        self.set_stopped(false);
                    }
                }
            }
            // What is typed together is echoed together, so that a signal takes the echo of what it flushes with it.
            if self.echo.len() >= ECHO_STEP {
                self.send(line);
                self.echo.truncate(ECHO_LIMIT);
            }
        }
        self.send(line);
        if fed {
            self.heard = hal::time::monotonic();
        }
        fed.then_some(signals)
    }

    /// Sends on what is not held.
    pub(crate) fn send(&mut self, line: Option<&dyn Line>) {
        if self.is_held() {
            return;
        }
        self.output.append(&mut self.echo);
        if let Some(line) = line {
            let count = line.room().min(self.output.len());
            let (front, back) = self.output.as_slices();
            line.send(&front[..count.min(front.len())]);
            line.send(&back[..count.saturating_sub(front.len())]);
            self.output.drain(..count);
        }
    }

    fn set_stopped(&mut self, stopped: bool) {
        if core::mem::replace(&mut self.stopped, stopped) != stopped && !self.suspended {
            self.note_packet(if stopped { TIOCPKT_STOP } else { TIOCPKT_START });
        }
    }

    /// Holds output, or lets it go on (`TCOOFF`, `TCOON`).
    pub(crate) fn suspend(&mut self, suspended: bool) {
        if core::mem::replace(&mut self.suspended, suspended) != suspended && !self.stopped {
            self.note_packet(if suspended { TIOCPKT_STOP } else { TIOCPKT_START });
        }
    }

    /// The character that asks the other side to stop, or to go on, as if it were written (`TCIOFF`, `TCION`).
    pub(crate) fn send_flow_character(&mut self, stop: bool) {
        let byte = self.discipline.character(if stop { VSTOP } else { VSTART });
        if byte != crate::discipline::DISABLED {
            self.output.push_back(byte);
        }
    }

    /// Lets what `VSTOP` held go on once that means nothing any more.
    pub(crate) fn settings_changed(&mut self) {
        if !self.discipline.input_flag(IXON) {
            self.set_stopped(false);
        }
    }

    /// Forgets what was typed and not read.
    pub(crate) fn flush_input(&mut self) {
        self.discipline.flush();
        self.typed.clear();
        self.note_packet(TIOCPKT_FLUSHREAD);
    }

    /// Forgets what the discipline had no room for.
    pub(crate) fn flush_typed(&mut self) {
        self.typed.clear();
    }

    /// Forgets what was written and not delivered.
    pub(crate) fn flush_output(&mut self, line: Option<&dyn Line>) {
        self.output.truncate(if line.is_some() { 0 } else { DELIVERED });
        self.note_packet(TIOCPKT_FLUSHWRITE);
    }

    /// Forgets all that the master has not read.
    pub(crate) fn flush_delivered(&mut self) {
        self.output.clear();
    }

    /// Notes what the master is to be told in packet mode. Opposites cancel each other.
    pub(crate) fn note_packet(&mut self, event: u32) {
        if let Some(status) = &mut self.packet {
            let opposite = match event {
                TIOCPKT_STOP => TIOCPKT_START,
                TIOCPKT_START => TIOCPKT_STOP,
                _ => 0,
            };
            *status = *status & !(opposite as u8) | event as u8;
        }
    }

    /// Whether the master has something to read.
    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty() || self.packet.is_some_and(|status| status != 0)
    }

    /// Bytes that the master can read.
    pub(crate) fn output_length(&self) -> usize {
        self.output.len()
    }

    /// Gives the master what there is, piece by piece, until `take` takes less than it was given.
    pub(crate) fn read_output<E>(&mut self, mut take: impl FnMut(&[u8]) -> Result<usize, E>) -> Result<usize, E> {
        let (front, back) = self.output.as_slices();
        let mut done = take(front)?;
        if done == front.len() && !back.is_empty() {
            done += take(back).unwrap_or(0);
        }
        self.output.drain(..done);
        Ok(done)
    }
}
