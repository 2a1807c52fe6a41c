//! CPUs by number: 0 is the one that booted.

use alloc::string::String;

use crate::arch;

/// The most CPUs that the kernel drives.
pub const MAX_CPUS: usize = 8;

/// The number of the CPU that runs the caller, below [`MAX_CPUS`].
pub fn current() -> usize {
    arch::current_cpu()
}

/// How many CPUs run, 1 to [`MAX_CPUS`].
pub fn count() -> usize {
    arch::cpu_count()
}

/// Makes another CPU leave its idle loop or user mode soon; without effect on one that runs kernel code.
pub fn kick(cpu: usize) {
    arch::kick_cpu(cpu);
}

/// The name of the architecture, as `uname(2)` gives it.
pub const ARCHITECTURE: &str = arch::ARCHITECTURE;

/// The architecture's number for filters of system calls (`AUDIT_ARCH_…`).
pub const AUDIT_ARCHITECTURE: u32 = arch::AUDIT_ARCHITECTURE;

/// What the CPUs can do, as the auxiliary vector tells programs: `AT_HWCAP` and `AT_HWCAP2`.
pub fn hardware_capabilities() -> (usize, usize) {
    arch::hardware_capabilities()
}

/// What a CPU is, in the words of `/proc/cpuinfo`; all are taken to be alike.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// `GenuineIntel` and the like.
    pub vendor: String,
    /// Model name.
    pub name: String,
    /// Family, model and stepping.
    pub signature: [u32; 3],
    /// Frequency of the counter that time is kept by.
    pub kilohertz: u64,
    /// Features by Linux's names, separated by spaces.
    pub flags: String,
}

/// What the CPU that runs the caller is.
pub fn description() -> Description {
    arch::description()
}

/// A cache of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// 1 for the nearest.
    pub level: u32,
    /// What for: `Data`, `Instruction` or `Unified`.
    pub kind: &'static str,
    /// Bytes of a line.
    pub line: u32,
    /// Lines of a set.
    pub ways: u32,
    /// Sets.
    pub sets: u32,
    /// How many CPUs in a row share it at the most: a power of two.
    pub sharers: u32,
}

impl Cache {
    /// Its size in kibibytes.
    pub fn kibibytes(&self) -> u32 {
        (u64::from(self.line) * u64::from(self.ways) * u64::from(self.sets) / 1024) as u32
    }
}

/// The caches of the CPU that runs the caller by number, the nearest first; `None` after the last, and where it does not tell.
pub fn cache(number: u32) -> Option<Cache> {
    arch::cache(number)
}

/// Returns after every other CPU has passed a memory barrier (`membarrier(2)`).
pub fn synchronize() {
    arch::synchronize();
}

/// Halts this CPU until an interrupt arrives; returns at once when one has come that [`crate::interrupt::dispatch`] has not handled yet.
pub fn idle() {
    while crate::console::send_some() {
        if arch::has_interrupts() {
            return;
        }
    }
    arch::idle();
}

/// Starts the other CPUs; each runs `main`. Returns when they do, and how many are left out because one did not start within 10 seconds.
/// Called once, on CPU 0.
pub fn start_others(main: fn() -> !) -> usize {
    arch::start_others(main)
}
