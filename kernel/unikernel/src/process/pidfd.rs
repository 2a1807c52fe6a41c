//! Processes as files to wait for and to send signals to (`pidfd_open(2)`): unlike a number, a file never comes to mean another process.

use abi::Errno;
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};
use file::{File, FileType, Readiness, Result, Status, anonymous_inode};
use task::WaitQueue;

use super::{Process, family};

/// The end of a process, for those who wait for it without being its parent.
#[derive(Default)]
pub struct Ending {
    has_come: AtomicBool,
    queue: WaitQueue,
}

impl Ending {
    /// Notes that it has come.
    pub(super) fn note(&self) {
        self.has_come.store(true, Ordering::Release);
        self.queue.notify();
    }
}

/// A process as a file.
pub struct PidFd {
    pid: i32,
    ending: Arc<Ending>,
    inode: u64,
}

impl PidFd {
    /// Of a process, be it one that is not born yet.
    pub fn new(pid: i32, ending: Arc<Ending>) -> Arc<Self> {
        Arc::new(Self {
            pid,
            ending,
            inode: anonymous_inode(),
        })
    }

    /// Process ID, which may be another's by now.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The process; `ESRCH` once its parent has waited for it.
    pub fn process(&self) -> core::result::Result<Arc<Process>, Errno> {
        family::find(self.pid)
            .filter(|process| Arc::ptr_eq(&process.kinship.ending, &self.ending))
            .ok_or(Errno::SRCH)
    }
}

impl File for PidFd {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        Ok(Status::anonymous(self.inode, FileType::Anonymous, 0o600))
    }

    fn readiness(&self) -> Readiness {
        if self.ending.has_come.load(Ordering::Acquire) {
            Readiness::IN
        } else {
            Readiness::empty()
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.ending.queue)
    }

    fn anonymous_name(&self) -> &'static str {
        "anon_inode:[pidfd]"
    }

    fn describe(&self, out: &mut String) {
        let pid = if self.process().is_ok() { self.pid } else { -1 };
        let _ = writeln!(out, "Pid:\t{pid}");
    }
}
