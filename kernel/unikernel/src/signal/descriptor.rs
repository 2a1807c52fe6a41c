//! Signals as something to read (`signalfd(2)`).

use abi::{Errno, SignalRecord};
use alloc::sync::{Arc, Weak};
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};
use file::{Error, File, FileType, Readiness, Result, Sink, Status, anonymous_inode};
use task::WaitQueue;
use zerocopy::{FromZeros, IntoBytes};

use super::{Info, Signal, SignalSet};
use crate::process::Process;

/// The pending signals of a process as a file. A signal that is not blocked is delivered and never read.
pub struct SignalFd {
    process: Weak<Process>,
    /// The process's own, which may end before the file.
    arrivals: Arc<WaitQueue>,
    mask: AtomicU64,
    inode: u64,
}

impl SignalFd {
    /// Those of `mask` that can wait.
    pub fn new(process: &Arc<Process>, mask: SignalSet) -> Arc<Self> {
        Arc::new(Self {
            process: Arc::downgrade(process),
            arrivals: process.arrivals.clone(),
            mask: AtomicU64::new(mask.without(SignalSet::UNSTOPPABLE).bits()),
            inode: anonymous_inode(),
        })
    }

    /// Reads others from now on.
    pub fn set_mask(&self, mask: SignalSet) {
        self.mask
            .store(mask.without(SignalSet::UNSTOPPABLE).bits(), Ordering::Relaxed);
        self.arrivals.notify();
    }

    fn mask(&self) -> SignalSet {
        SignalSet::from_bits(self.mask.load(Ordering::Relaxed))
    }

    /// Takes a signal of the process or of one of its threads.
    fn take(&self) -> Option<Info> {
        let process = self.process.upgrade()?;
        let mask = self.mask();
        let own = process.pending.take(mask);
        own.or_else(|| {
            let mut threads = process.threads().into_iter();
            threads.find_map(|thread| thread.pending.take(mask.and(thread.blocked())))
        })
        .map(|(_, info)| info)
        .inspect(|info| process.timers.note_taken(info))
    }

    /// Makes a signal wait again that could not be given to the reader.
    fn put_back(&self, info: Info) {
        if let (Some(process), Ok(signal)) = (self.process.upgrade(), Signal::new(info.signal)) {
            process.pending.push(signal, info);
        }
    }

    fn is_pending(&self) -> bool {
        self.process.upgrade().is_some_and(|process| {
            let threads = process.threads();
            let pending = threads.iter().fold(process.pending.set(), |set, thread| {
                set.with(thread.pending.set().and(thread.blocked()))
            });
            !pending.and(self.mask()).is_empty()
        })
    }
}

fn record(info: &Info) -> SignalRecord {
    let mut record = SignalRecord::new_zeroed();
    record.signal = info.signal as u32;
    record.error = info.error;
    record.code = info.code;
    let [first, second, third, ..] = info.fields;
    match info.code {
        Info::TIMER => {
            record.timer = first as u32;
            record.overrun = (first >> 32) as u32;
            record.pointer = second;
            record.integer = second as i32;
        }
        // A child's end has a status, a queued signal a value at the same place.
        _ => {
            record.process = first as u32;
            record.uid = (first >> 32) as u32;
            record.status = second as i32;
            record.integer = second as i32;
            record.pointer = second;
            record.user_time = third;
        }
    }
    record
}

impl File for SignalFd {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        Ok(Status::anonymous(self.inode, FileType::Anonymous, 0o600))
    }

    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        const SIZE: usize = size_of::<SignalRecord>();
        if sink.remaining() < SIZE {
            return Err(Errno::INVAL.into());
        }
        if !self.is_pending() {
            return Err(Error::WouldBlock);
        }
        let mut done = 0;
        while sink.remaining() >= SIZE {
            let Some(info) = self.take() else { break };
            let record = record(&info);
            let mut written = 0;
            while written < SIZE {
                match sink.write(&record.as_bytes()[written..]) {
                    Ok(count) => written += count,
                    Err(fault) => {
                        self.put_back(info);
                        return if done == 0 { Err(fault.into()) } else { Ok(done) };
                    }
                }
            }
            done += SIZE;
        }
        if done == 0 { Err(Error::WouldBlock) } else { Ok(done) }
    }

    fn readiness(&self) -> Readiness {
        if self.is_pending() {
            Readiness::IN
        } else {
            Readiness::empty()
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.arrivals)
    }

    fn anonymous_name(&self) -> &'static str {
        "anon_inode:[signalfd]"
    }
}
