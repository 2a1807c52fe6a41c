//! `ioctl_tty(2)`. On a master most of it means the terminal of the pair, as on Linux.

use abi::general::{
    BOTHER, CBAUD, CREAD, CS8, CSIZE, PARENB, SIGTTOU, TCIFLUSH, TCIOFF, TCIOFLUSH, TCION, TCOFLUSH, TCOOFF, TCOON,
};
use abi::ioctl::{
    TCFLSH, TCGETS, TCGETS2, TCSBRK, TCSBRKP, TCSETS, TCSETS2, TCSETSF, TCSETSF2, TCSETSW, TCSETSW2, TCXONC, TIOCCBRK,
    TIOCEXCL, TIOCGDEV, TIOCGETD, TIOCGEXCL, TIOCGPGRP, TIOCGPTPEER, TIOCGSID, TIOCGWINSZ, TIOCNOTTY, TIOCNXCL,
    TIOCOUTQ, TIOCSBRK, TIOCSCTTY, TIOCSETD, TIOCSPGRP, TIOCSTI, TIOCSWINSZ,
};
use abi::{Errno, Termios, WindowSize};
use alloc::sync::Arc;
use file::{Result, UserMemory};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::Terminal;

/// `struct termios2`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Termios2 {
    common: Termios,
    input_speed: u32,
    output_speed: u32,
}

/// Speeds by their number in `c_cflag`, without and with `CBAUDEX`.
const SPEEDS: [[u32; 16]; 2] = [
    [
        0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400,
    ],
    [
        0, 57600, 115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000, 2_000_000,
        2_500_000, 3_000_000, 3_500_000, 4_000_000,
    ],
];

fn load<T: FromZeros + FromBytes + IntoBytes>(memory: &mut dyn UserMemory, address: usize) -> Result<T> {
    let mut value = T::new_zeroed();
    memory.read(address, value.as_mut_bytes())?;
    Ok(value)
}

fn store(memory: &mut dyn UserMemory, address: usize, value: &(impl IntoBytes + Immutable)) -> Result<usize> {
    memory.write(address, value.as_bytes())?;
    Ok(0)
}

/// Reads an argument that points to an `int`.
pub(crate) fn get(memory: &mut dyn UserMemory, address: usize) -> Result<u32> {
    load(memory, address)
}

/// Writes a result to the `int` that the argument points to.
pub(crate) fn put(memory: &mut dyn UserMemory, address: usize, value: u32) -> Result<usize> {
    store(memory, address, &value)
}

impl Terminal {
    /// Does what `ioctl(2)` asks of a terminal, or of a master for what it shares with that. `reads`: the file was opened for reading.
    pub(crate) fn control(
        self: &Arc<Self>,
        by_master: bool,
        reads: bool,
        command: u32,
        argument: usize,
        memory: &mut dyn UserMemory,
    ) -> Result<usize> {
        match command {
            TCGETS | TCGETS2 => self.settings(command == TCGETS2, argument, memory),
            TCSETS | TCSETSW | TCSETSF => {
                self.check_change(by_master)?;
                let settings: Termios = load(memory, argument)?;
                self.set(settings, None, command == TCSETSF);
                Ok(0)
            }
            TCSETS2 | TCSETSW2 | TCSETSF2 => {
                self.check_change(by_master)?;
                let settings: Termios2 = load(memory, argument)?;
                let speeds = [settings.input_speed, settings.output_speed];
                self.set(settings.common, Some(speeds), command == TCSETSF2);
                Ok(0)
            }
            TCFLSH => {
                self.check_change(by_master)?;
                self.flush(by_master, argument as u32)
            }
            TCXONC if !by_master => {
                self.check_change(by_master)?;
                self.hold(argument as u32)
            }
            // What was written is out of the terminal's hands at once, and there is no wire to break.
            TCSBRK | TCSBRKP | TIOCSBRK | TIOCCBRK => {
                self.check_change(by_master)?;
                Ok(0)
            }
            TIOCGWINSZ => store(memory, argument, &self.state.lock().size),
            TIOCSWINSZ => {
                let size: WindowSize = load(memory, argument)?;
                self.resize(size);
                Ok(0)
            }
            TIOCGPGRP => put(memory, argument, self.foreground(by_master)? as u32),
            TIOCSPGRP => {
                let group = get(memory, argument)? as i32;
                self.set_foreground(group)?;
                Ok(0)
            }
            TIOCGSID => put(memory, argument, self.session(by_master)? as u32),
            TIOCSCTTY => {
                self.control_session(reads, argument == 1)?;
                Ok(0)
            }
            TIOCNOTTY if !by_master => {
                self.give_up()?;
                Ok(0)
            }
            TIOCNOTTY => Err(Errno::NOTTY.into()),
            // As Linux with `dev.tty.legacy_tiocsti=0`: what is typed into a shell by its children is an attack more often than not.
            TIOCSTI => Err(Errno::IO.into()),
            // Of a master the kernel serves it, which knows descriptors.
            TIOCGPTPEER => Err(Errno::IO.into()),
            TIOCOUTQ => put(memory, argument, 0),
            TIOCEXCL | TIOCNXCL => {
                self.state.lock().exclusive = command == TIOCEXCL;
                Ok(0)
            }
            TIOCGEXCL => put(memory, argument, u32::from(self.state.lock().exclusive)),
            TIOCGDEV => put(memory, argument, self.number() as u32),
            // Its only line discipline has the number 0.
            TIOCGETD => put(memory, argument, 0),
            TIOCSETD => match get(memory, argument)? {
                0 => Ok(0),
                _ => Err(Errno::INVAL.into()),
            },
            _ => Err(Errno::NOTTY.into()),
        }
    }

    /// Stops who changes a terminal from the background. The master has none.
    fn check_change(&self, by_master: bool) -> Result<()> {
        if by_master {
            return Ok(());
        }
        self.check_foreground(SIGTTOU)
    }

    fn settings(&self, with_speeds: bool, argument: usize, memory: &mut dyn UserMemory) -> Result<usize> {
        let (common, [input_speed, output_speed]) = {
            let state = self.state.lock();
            (*state.discipline.settings(), state.speeds)
        };
        if with_speeds {
            let settings = Termios2 {
                common,
                input_speed,
                output_speed,
            };
            store(memory, argument, &settings)
        } else {
            store(memory, argument, &common)
        }
    }

    fn set(&self, mut settings: Termios, speeds: Option<[u32; 2]>, flush: bool) {
        let code = settings.control & CBAUD;
        let extended = usize::from(code & BOTHER != 0);
        let named = SPEEDS[extended][(code & 0xf) as usize];
        // As a pseudo-terminal on Linux: eight bits, and always listening.
        settings.control = settings.control & !(CSIZE | PARENB) | CS8 | CREAD;
        self.change(|state| {
            if flush {
                state.flush_input();
            }
            state.speeds = match speeds {
                Some(speeds) if code == BOTHER => speeds,
                _ if code == BOTHER => state.speeds,
                _ => [named; 2],
            };
            state.discipline.set(settings);
            state.settings_changed();
        });
    }

    /// `tcflush(3)`. What is input for one side of a pair is output for the other.
    fn flush(&self, by_master: bool, which: u32) -> Result<usize> {
        let (input, output) = match which {
            TCIFLUSH => (true, false),
            TCOFLUSH => (false, true),
            TCIOFLUSH => (true, true),
            _ => return Err(Errno::INVAL.into()),
        };
        self.change(|state| {
            if input && by_master {
                state.flush_delivered();
            }
            if output && by_master {
                state.flush_typed();
            }
            if input && !by_master {
                state.flush_input();
            }
            if output && !by_master {
                state.flush_output(self.line);
            }
        });
        Ok(0)
    }

    /// `tcflow(3)`
    fn hold(&self, action: u32) -> Result<usize> {
        match action {
            TCOOFF | TCOON => self.change(|state| state.suspend(action == TCOOFF)),
            TCIOFF | TCION => self.change(|state| state.send_flow_character(action == TCIOFF)),
            _ => return Err(Errno::INVAL.into()),
        }
        Ok(0)
    }
}
