//! The memory that all connections' buffers share, and how much of it one may take.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::Tcp;

/// Buffer sizes of a connection: at first, and at the most.
const INITIAL_RECEIVE: usize = 64 << 10;
const LEAST_SEND: usize = 64 << 10;
const MOST_RECEIVE: usize = 6 << 20;
const MOST_SEND: usize = 4 << 20;
/// What a connection may always hold.
const LEAST: usize = 4096;

/// Bytes that buffers hold and may hold.
pub(super) struct Memory {
    used: AtomicUsize,
    limit: usize,
}

impl Memory {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            limit: limit.max(256 << 10),
        }
    }
}

impl Tcp {
    /// A connection holds `new` bytes, no longer `old`.
    pub(super) fn account(&self, old: usize, new: usize) {
        if new >= old {
            self.memory.used.fetch_add(new - old, Ordering::Relaxed);
        } else {
            self.memory.used.fetch_sub(old - new, Ordering::Relaxed);
        }
    }

    /// Bytes that all buffers hold.
    pub(crate) fn memory_used(&self) -> usize {
        self.memory.used.load(Ordering::Relaxed)
    }

    /// Whether buffers hold so much, or memory is so short, that each connection has to be modest.
    pub(super) fn is_under_pressure(&self) -> bool {
        self.memory_used() > self.memory.limit / 4 * 3 || hal::mem::shortage() > 0
    }

    pub(super) fn initial_receive_capacity(&self, setting: u32) -> usize {
        if setting > 0 {
            setting as usize
        } else {
            INITIAL_RECEIVE.min(self.memory.limit / 8)
        }
    }

    /// The most that a connection's receive buffer may grow to.
    pub(super) fn most_receive_capacity(&self) -> usize {
        MOST_RECEIVE.min(self.memory.limit / 4)
    }

    /// What a connection may hold of the `capacity` that it would like.
    pub(super) fn receive_capacity(&self, capacity: usize, mss: usize) -> usize {
        if self.is_under_pressure() {
            capacity.min((2 * mss).max(LEAST))
        } else {
            capacity
        }
    }

    /// What a connection may hold to send: enough to keep its window busy.
    pub(super) fn send_capacity(&self, window: usize) -> usize {
        if self.is_under_pressure() {
            return LEAST;
        }
        (2 * window).clamp(
            LEAST_SEND.min(self.memory.limit / 8),
            MOST_SEND.min(self.memory.limit / 4),
        )
    }
}
