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
        let count = {
            let mut state = self.terminal.state.lock();
            if !state.has_output() {
                return Err(if state.deserted {
                    Errno::IO.into()
                } else {
                    Error::WouldBlock
                });
            }
            match state.packet {
                None => state.read_output(|bytes| sink.write(bytes))?,
                Some(0) => {
                    sink.write(&[0])?;
                    1 + state.read_output(|bytes| sink.write(bytes)).unwrap_or(0)
                }
                // What is to be told is told alone.
                Some(status) => {
                    sink.write(&[status])?;
                    state.packet = Some(0);
                    1
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Caller, Jobs};
    use abi::OpenFlags;
    use abi::general::TIOCPKT_FLUSHWRITE;
    use core::sync::atomic::{AtomicBool, Ordering};
    use file::{BytesSink, BytesSource};

    /// A kernel without processes.
    struct Nobody;

    impl Jobs for Nobody {
        fn caller(&self) -> Option<Caller> {
            None
        }
        fn ignores(&self, _signal: u32) -> bool {
            false
        }
        fn is_orphaned(&self, _group: i32) -> bool {
            false
        }
        fn session_of(&self, _group: i32) -> Option<i32> {
            None
        }
        fn signal(&self, _group: i32, _signal: u32) {}
        fn set_terminal(&self, _terminal: Option<&Arc<Terminal>>) {}
        fn forget_terminal(&self, _session: i32, _terminal: &Terminal) {}
        fn hang_up(&self, _session: i32, _terminal: &Terminal, _foreground: i32) {}
    }

    #[test]
    fn each_packet_begins_with_its_status() {
        const PACKETS: usize = 20_000;
        let terminals = Terminals::new(&Nobody);
        let master = terminals.open_master().unwrap();
        let terminal = terminals.get(0).unwrap().terminal.clone();
        {
            let mut state = terminal.state.lock();
            (state.locked, state.packet) = (false, Some(0));
        }
        let slave = terminal.open(OpenFlags::RDWR | OpenFlags::NOCTTY).unwrap();
        let ended = AtomicBool::new(false);
        let wrong = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let _ = slave.write(0, &mut BytesSource::new(b"hello"));
                    terminal.change(|state| state.flush_output(None));
                }
            });
            let mut bytes = [0; 16];
            let packet = core::iter::from_fn(|| match master.read(0, &mut BytesSink::new(&mut bytes)) {
                Ok(count) => Some(Some(bytes[..count].to_vec())),
                Err(Error::WouldBlock) => Some(None),
                Err(error) => panic!("{error:?}"),
            });
            let wrong = packet
                .flatten()
                .take(PACKETS)
                .find(|packet| match packet.split_first() {
                    Some((0, written)) => written.is_empty(),
                    Some((&status, rest)) => u32::from(status) != TIOCPKT_FLUSHWRITE || !rest.is_empty(),
                    None => true,
                });
            ended.store(true, Ordering::Relaxed);
            wrong
        });
        assert_eq!(wrong, None);
    }
}
