//! How often what happened, as `/proc/net/snmp` tells: each CPU counts for itself.

use core::sync::atomic::{AtomicU64, Ordering};

use hal::cpu::{self, MAX_CPUS};

/// What is counted.
#[derive(Clone, Copy)]
pub(crate) enum Count {
    TcpActiveOpen,
    TcpPassiveOpen,
    /// A connection ended before it was one.
    TcpFailedAttempt,
    /// A connection ended before both sides had closed it.
    TcpReset,
    TcpReceived,
    /// Segments, with those that were sent again.
    TcpSent,
    TcpRetransmitted,
    TcpResetSent,
    UdpReceived,
    UdpNoPort,
    UdpError,
    UdpNoRoom,
    UdpSent,
}

const KINDS: usize = Count::UdpSent as usize + 1;

/// Counts of one CPU, on cache lines of their own.
#[derive(Default)]
#[repr(align(64))]
struct Own([AtomicU64; KINDS]);

/// Counts of all CPUs.
#[derive(Default)]
pub(crate) struct Counters([Own; MAX_CPUS]);

impl Counters {
    #[inline]
    pub(crate) fn add(&self, count: Count) {
        // Nobody else writes it: no CPU's work is taken from it in between.
        let own = &self.0[cpu::current()].0[count as usize];
        own.store(own.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    pub(crate) fn get(&self, count: Count) -> u64 {
        let each = self.0.iter().map(|own| own.0[count as usize].load(Ordering::Relaxed));
        each.fold(0, u64::wrapping_add)
    }
}
