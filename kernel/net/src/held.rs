//! Short segments that are held back because more is expected of the application at once: each CPU holds one connection's at the most, and only
//! as long as the thread that wrote stays in user mode, which is what makes it cheap: nothing is armed and nobody is woken.
//!
//! Whoever drives the machine asks [`holds`] whenever a CPU comes from user mode, and calls [`Stack::release`] unless what comes is the next write;
//! and it makes sure that the CPU comes back in [`HOLD`].

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use hal::cpu::{self, MAX_CPUS};
use hal::sync::SpinLock;

use crate::stack::Stack;
use crate::tcp::Connection;

/// Nanoseconds that a segment is held at the most.
pub const HOLD: u64 = 1_000_000;

/// Whether a CPU holds something.
static HOLDS: [AtomicBool; MAX_CPUS] = [const { AtomicBool::new(false) }; MAX_CPUS];

/// Whether the caller's CPU holds something back.
#[inline]
pub fn holds() -> bool {
    HOLDS[cpu::current()].load(Ordering::Relaxed)
}

/// A connection whose last bytes were not sent, and since when.
type Slot = Option<(Arc<Connection>, u64)>;

/// What each CPU holds.
#[derive(Default)]
pub(crate) struct Held {
    slots: [SpinLock<Slot>; MAX_CPUS],
}

impl Stack {
    /// Keeps a connection whose last bytes were not sent, on the caller's CPU.
    pub(crate) fn hold(&self, connection: &Arc<Connection>) {
        let this = cpu::current();
        let mut slot = self.held.slots[this].lock();
        if slot.as_ref().is_some_and(|(held, _)| Arc::ptr_eq(held, connection)) {
            return;
        }
        let before = slot.replace((connection.clone(), self.now()));
        HOLDS[this].store(true, Ordering::Relaxed);
        drop(slot);
        if let Some((before, _)) = before {
            before.push(self);
        }
    }

    /// Does not keep a connection any more, whose bytes were sent.
    pub(crate) fn forget(&self, connection: &Arc<Connection>) {
        let this = cpu::current();
        let mut slot = self.held.slots[this].lock();
        if slot.as_ref().is_some_and(|(held, _)| Arc::ptr_eq(held, connection)) {
            *slot = None;
            HOLDS[this].store(false, Ordering::Relaxed);
        }
    }

    /// Sends what the caller's CPU holds back; with `age`, only when it has been held for so many nanoseconds.
    pub fn release(&self, age: u64) {
        let this = cpu::current();
        let mut slot = self.held.slots[this].lock();
        if slot.as_ref().is_some_and(|(_, since)| self.now() < since + age) {
            return;
        }
        let held = slot.take();
        HOLDS[this].store(false, Ordering::Relaxed);
        drop(slot);
        if let Some((connection, _)) = held {
            connection.push(self);
            self.settle();
        }
    }
}
