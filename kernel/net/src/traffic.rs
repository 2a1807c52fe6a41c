//! How much went through an interface.

use core::sync::atomic::{AtomicU64, Ordering};

/// Bytes and packets, received and sent.
#[derive(Default)]
pub(crate) struct Traffic {
    received: [AtomicU64; 2],
    sent: [AtomicU64; 2],
}

impl Traffic {
    /// A packet of so many bytes came in.
    #[inline]
    pub(crate) fn receive(&self, bytes: usize) {
        count(&self.received, bytes);
    }

    /// A packet of so many bytes went out.
    #[inline]
    pub(crate) fn send(&self, bytes: usize) {
        count(&self.sent, bytes);
    }

    /// Bytes and packets received, then sent.
    pub(crate) fn get(&self) -> [u64; 4] {
        [&self.received[0], &self.received[1], &self.sent[0], &self.sent[1]].map(|value| value.load(Ordering::Relaxed))
    }
}

#[inline]
fn count([total, packets]: &[AtomicU64; 2], bytes: usize) {
    total.fetch_add(bytes as u64, Ordering::Relaxed);
    packets.fetch_add(1, Ordering::Relaxed);
}
