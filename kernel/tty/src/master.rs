//! The master of a pseudo-terminal: what a program has open that shows the terminal to somebody.

use abi::Errno;
use abi::general::{SIGINT, SIGQUIT, SIGTSTP};
use abi::ioctl::{FIONREAD, TIOCGPKT, TIOCGPTLCK, TIOCGPTN, TIOCPKT, TIOCSIG, TIOCSPTLCK};
use alloc::sync::Arc;
use core::any::Any;
use file::{Error, File, Readiness, Result, Sink, Source, Status, UserMemory};
use fs::dev::PTMX;
use task::WaitQueue;

use crate::Terminal;
use crate::control::{get, put};
use crate::slave::device_status;
use crate::table::Terminals;

/// Bytes that are written at once.
const CHUNK: usize = 256;

/// The master of a pseudo-terminal. Its end is the terminal's.
pub struct Master {
    terminals: Arc<Terminals>,
    terminal: Arc<Terminal>,
    index: u32,
}

impl Master {
    pub(crate) fn new(terminals: &Arc<Terminals>, terminal: Arc<Terminal>, index: u32) -> Self {
        Self {
            terminals: terminals.clone(),
            terminal,
            index,
        }
    }

    /// The number of the terminal in `/dev/pts`.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Reads in packet mode: what is to be told alone, or a zero and bytes.
    fn read_packet(&self, sink: &mut dyn Sink) -> Result<Option<usize>> {
        let mut state = self.terminal.state.lock();
        let Some(status) = state.packet else {
            return Ok(None);
        };
        if !state.has_output() {
            return Ok(None);
        }
        sink.write(&[status])?;
        if status != 0 {
            state.packet = Some(0);
            return Ok(Some(1));
        }
        let count = state.read_output(|bytes| sink.write(bytes)).unwrap_or(0);
        Ok(Some(1 + count))
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.terminals.remove(self.index);
        self.terminal.hang_up();
    }
}

impl File for Master {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        Ok(device_status(PTMX))
    }

    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        let count = match self.read_packet(sink)? {
            Some(count) => count,
            None => {
                let mut state = self.terminal.state.lock();
                if !state.has_output() {
                    return Err(if state.deserted {
                        Errno::IO.into()
                    } else {
                        Error::WouldBlock
                    });
                }
                state.read_output(|bytes| sink.write(bytes))?
            }
        };
        self.terminal.slaves.notify();
        Ok(count)
    }

    fn write(&self, _offset: u64, source: &mut dyn Source) -> Result<usize> {
        let mut chunk = [0; CHUNK];
        let mut done = 0;
        while source.remaining() > 0 {
            let mut state = self.terminal.state.lock();
            let room = state.typing_room().min(CHUNK);
            if room == 0 && done == 0 {
                return Err(Error::WouldBlock);
            }
            match source.read(&mut chunk[..room]) {
                Ok(0) => break,
                Ok(count) => {
                    state.type_bytes(&chunk[..count]);
                    done += count;
                }
                Err(fault) if done == 0 => return Err(fault.into()),
                Err(_) => break,
            }
            drop(state);
            self.terminal.collect();
        }
        Ok(done)
    }

    fn readiness(&self) -> Readiness {
        let state = self.terminal.state.lock();
        let mut ready = Readiness::empty();
        ready.set(Readiness::IN | Readiness::RDNORM, state.has_output());
        ready.set(Readiness::OUT | Readiness::WRNORM, state.typing_room() > 0);
        ready.set(Readiness::PRI, state.packet.is_some_and(|status| status != 0));
        ready.set(Readiness::HUP, state.deserted);
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.terminal.master)
    }

    fn is_signal_driven(&self) -> bool {
        true
    }

    fn control(&self, command: u32, argument: usize, memory: &mut dyn UserMemory) -> Result<usize> {
        let terminal = &self.terminal;
        match command {
            TIOCGPTN => put(memory, argument, self.index),
            TIOCSPTLCK => {
                let lock = get(memory, argument)? != 0;
                terminal.state.lock().locked = lock;
                Ok(0)
            }
            TIOCGPTLCK => put(memory, argument, u32::from(terminal.state.lock().locked)),
            TIOCPKT => {
                let on = get(memory, argument)? != 0;
                let mut state = terminal.state.lock();
                if on != state.packet.is_some() {
                    state.packet = on.then_some(0);
                }
                Ok(0)
            }
            TIOCGPKT => put(memory, argument, u32::from(terminal.state.lock().packet.is_some())),
            TIOCSIG => {
                if ![SIGINT, SIGQUIT, SIGTSTP].contains(&(argument as u32)) {
                    return Err(Errno::INVAL.into());
                }
                let foreground = terminal.foreground_group();
                terminal.jobs.signal(foreground, argument as u32);
                Ok(0)
            }
            FIONREAD => put(memory, argument, terminal.state.lock().output_length() as u32),
            _ => terminal.control(true, true, command, argument, memory),
        }
    }
}
