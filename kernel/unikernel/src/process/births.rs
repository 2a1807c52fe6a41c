//! Children that are about to be born, so that a signal for many processes misses none of them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use hal::sync::{SpinLock, SpinLockGuard};

use super::{Process, family};
use crate::signal::{Info, Signal};

/// Nobody is born while this is locked.
static BIRTHS: SpinLock<Vec<Unborn>> = SpinLock::new(Vec::new());

/// A child whose parent is making it.
struct Unborn {
    pid: i32,
    parent: i32,
    /// What it is sent when it is born.
    signals: Vec<(Signal, Info)>,
}

/// A birth under way. Dropped, there is none.
pub struct Birth {
    pid: i32,
}

impl Birth {
    /// Announces a child, before anything is copied for it. A signal that its parent was sent before that and has not taken is not for the child.
    pub fn announce(pid: i32, parent: &Process) -> Self {
        BIRTHS.lock().push(Unborn {
            pid,
            parent: parent.pid,
            signals: Vec::new(),
        });
        Self { pid }
    }

    /// Lets others find the child, or `sibling`'s brother or sister, and sends it what its maker was sent together with others since the
    /// announcement.
    pub fn complete(self, child: &Arc<Process>, sibling: Option<&Process>) {
        let signals = {
            let mut births = BIRTHS.lock();
            match sibling {
                Some(sibling) => family::add_sibling(child, sibling),
                None => family::add(child),
            }
            let own = births.iter_mut().find(|unborn| unborn.pid == self.pid);
            own.map_or_else(Vec::new, |unborn| core::mem::take(&mut unborn.signals))
        };
        for (signal, info) in signals {
            child.send(signal, info);
        }
    }
}

impl Drop for Birth {
    fn drop(&mut self) {
        BIRTHS.lock().retain(|unborn| unborn.pid != self.pid);
    }
}

/// Sends signals to several processes at once.
pub struct Broadcast(SpinLockGuard<'static, Vec<Unborn>>);

impl Broadcast {
    /// Holds births up until it is dropped: to be begun before the look at which processes there are.
    pub fn begin() -> Self {
        Self(BIRTHS.lock())
    }

    /// Sends a signal to a process and its unborn children. False when too many wait.
    pub fn send(&mut self, process: &Process, signal: Signal, info: Info) -> bool {
        for unborn in self.0.iter_mut().filter(|unborn| unborn.parent == process.pid) {
            unborn.signals.push((signal, info));
        }
        process.send(signal, info)
    }

    /// Sends a signal of the kernel's to all of the processes that `find` finds.
    pub fn to_all(find: impl FnOnce() -> Vec<Arc<Process>>, signal: Signal) {
        let mut broadcast = Self::begin();
        let processes = find();
        for process in &processes {
            broadcast.send(process, signal, Info::kernel(signal));
        }
        // Before the processes, of which this may be the last share.
        drop(broadcast);
    }
}
