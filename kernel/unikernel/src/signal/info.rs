//! What `siginfo_t` tells of a signal.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::Signal;

/// `siginfo_t`: the union's members that exist fit into `fields`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Info {
    /// The signal's number.
    pub signal: i32,
    /// Unused by Linux.
    pub error: i32,
    /// Where it comes from (`SI_USER`, `SEGV_MAPERR`, …).
    pub code: i32,
    padding: u32,
    /// The union, from its start: sender, address, child or timer.
    pub fields: [u64; 14],
}

impl Info {
    /// Where the union begins.
    pub const FIELDS_AT: usize = core::mem::offset_of!(Self, fields);
    /// `SI_USER`: from `kill(2)`.
    pub const USER: i32 = 0;
    /// `SI_KERNEL`
    pub const KERNEL: i32 = 0x80;
    /// `SI_TIMER`
    pub const TIMER: i32 = -2;
    /// `SI_TKILL`
    pub const THREAD: i32 = -6;

    /// With a code and the first members of the union.
    pub fn new(signal: Signal, code: i32, first: &[u64]) -> Self {
        let mut fields = [0; 14];
        fields[..first.len()].copy_from_slice(first);
        Self {
            signal: i32::from(signal.number()),
            error: 0,
            code,
            padding: 0,
            fields,
        }
    }

    /// From the kernel itself.
    pub fn kernel(signal: Signal) -> Self {
        Self::new(signal, Self::KERNEL, &[])
    }

    /// From a process (`SI_USER`, `SI_TKILL`, `SI_QUEUE`).
    pub fn from_process(signal: Signal, code: i32, pid: i32, uid: u32) -> Self {
        Self::new(signal, code, &[u64::from(pid as u32) | u64::from(uid) << 32])
    }

    /// From a timer (`SI_TIMER`), with how often it has expired besides.
    pub fn timer(signal: Signal, timer: u32, overruns: u32, value: u64) -> Self {
        Self::new(
            signal,
            Self::TIMER,
            &[u64::from(timer) | u64::from(overruns) << 32, value],
        )
    }

    /// Which timer it comes from, and how often that has expired besides.
    pub fn of_timer(&self) -> Option<(u32, u32)> {
        (self.code == Self::TIMER).then_some((self.fields[0] as u32, (self.fields[0] >> 32) as u32))
    }

    /// Counts more expirations of the timer, up to as many as an `int` tells.
    pub fn add_overruns(&mut self, more: u32) {
        if let Some((timer, overruns)) = self.of_timer() {
            let overruns = overruns.saturating_add(more).min(i32::MAX.cast_unsigned());
            self.fields[0] = u64::from(timer) | u64::from(overruns) << 32;
        }
    }

    /// From an instruction at fault: `address` is what it reached for or where it stands.
    pub fn fault(signal: Signal, code: i32, address: usize) -> Self {
        Self::new(signal, code, &[address as u64])
    }
}
