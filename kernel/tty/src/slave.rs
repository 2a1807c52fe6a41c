//! An open terminal.

use abi::ioctl::FIONREAD;
use abi::{Errno, OpenFlags};
use alloc::sync::Arc;
use core::any::Any;
use file::{File, FileType, Readiness, Result, Sink, Source, Status, UserMemory};
use task::WaitQueue;

use crate::Terminal;
use crate::control::put;
use crate::terminal::Patience;

/// One opening of a terminal: what a program's standard streams are.
pub(crate) struct Slave {
    terminal: Arc<Terminal>,
    /// Whether it was opened for reading.
    reads: bool,
}

impl Slave {
    /// To be made for who is counted among the openings.
    pub(crate) fn new(terminal: &Arc<Terminal>, reads: bool) -> Self {
        Self {
            terminal: terminal.clone(),
            reads,
        }
    }
}

impl Drop for Slave {
    fn drop(&mut self) {
        self.terminal.closed();
    }
}

/// What a device without a name reports.
pub(crate) fn device_status(number: u64) -> Status {
    Status {
        special_device: number,
        ..Status::anonymous(number, FileType::CharacterDevice, 0o620)
    }
}

impl File for Slave {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        Ok(device_status(self.terminal.number()))
    }

    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        self.terminal.read(sink, Patience::Waits)
    }

    fn read_early(&self, sink: &mut dyn Sink, timed_out: bool) -> Result<usize> {
        let patience = if timed_out { Patience::Spent } else { Patience::None };
        self.terminal.read(sink, patience)
    }

    fn write(&self, _offset: u64, source: &mut dyn Source) -> Result<usize> {
        self.terminal.write(source)
    }

    fn readiness(&self) -> Readiness {
        self.terminal.readiness()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.terminal.slaves)
    }

    fn is_signal_driven(&self) -> bool {
        true
    }

    fn time_limit(&self, write: bool) -> Option<u64> {
        if write { None } else { self.terminal.read_limit() }
    }

    fn control(&self, command: u32, argument: usize, memory: &mut dyn UserMemory) -> Result<usize> {
        let terminal = &self.terminal;
        if terminal.state.lock().hung_up {
            let errno = if command == abi::ioctl::TIOCSPGRP {
                Errno::NOTTY
            } else {
                Errno::IO
            };
            return Err(errno.into());
        }
        match command {
            FIONREAD => put(memory, argument, terminal.state.lock().discipline.readable() as u32),
            _ => terminal.control(false, self.reads, command, argument, memory),
        }
    }
}

/// Opens the controlling terminal of the caller (`/dev/tty`); `ENXIO` without one.
pub(crate) fn open_own(jobs: &dyn crate::Jobs, flags: OpenFlags) -> Result<Arc<dyn File>> {
    let terminal = jobs.caller().and_then(|caller| caller.terminal).ok_or(Errno::NXIO)?;
    terminal.open(flags | OpenFlags::NOCTTY)
}
