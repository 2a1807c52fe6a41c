//! What the CPU can do, and the control registers set accordingly.

use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering};

use bitflags::bitflags;

use super::instructions::{cpuid_count, read_msr, write_msr};

bitflags! {
    /// CPU features that the kernel uses when they are there.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Features: u32 {
        const NO_EXECUTE = 1;
        const LARGE_1G = 1 << 1;
        const SMEP = 1 << 2;
        const SMAP = 1 << 3;
        const UMIP = 1 << 4;
        const FSGSBASE = 1 << 5;
        const XSAVE = 1 << 6;
        const XSAVEOPT = 1 << 7;
        const X2APIC = 1 << 8;
        const TSC_DEADLINE = 1 << 9;
        const RDRAND = 1 << 10;
        const RDSEED = 1 << 11;
        const HYPERVISOR = 1 << 12;
        const INVARIANT_TSC = 1 << 13;
        /// QEMU without an accelerator.
        const EMULATED = 1 << 14;
    }
}

static FEATURES: AtomicU32 = AtomicU32::new(0);

/// The features of the CPU that booted; the others are taken to be alike.
#[inline]
pub(crate) fn features() -> Features {
    Features::from_bits_retain(FEATURES.load(Ordering::Relaxed))
}

/// Asks the CPU once.
pub(crate) fn detect() {
    let basic = cpuid_count(0, 0).eax;
    let extended = cpuid_count(0x8000_0000, 0).eax;
    let one = cpuid_count(1, 0);
    let seven = if basic >= 7 {
        cpuid_count(7, 0)
    } else {
        cpuid_count(0, 0)
    };
    let (seven_b, seven_c) = if basic >= 7 { (seven.ebx, seven.ecx) } else { (0, 0) };
    let xsave = if basic >= 0xd { cpuid_count(0xd, 1).eax } else { 0 };
    let more = if extended >= 0x8000_0001 {
        cpuid_count(0x8000_0001, 0).edx
    } else {
        0
    };
    let power = if extended >= 0x8000_0007 {
        cpuid_count(0x8000_0007, 0).edx
    } else {
        0
    };
    let mut found = Features::empty();
    for (feature, word, bit) in [
        (Features::NO_EXECUTE, more, 20),
        (Features::LARGE_1G, more, 26),
        (Features::SMEP, seven_b, 7),
        (Features::SMAP, seven_b, 20),
        (Features::UMIP, seven_c, 2),
        (Features::FSGSBASE, seven_b, 0),
        (Features::XSAVE, one.ecx, 26),
        (Features::XSAVEOPT, xsave, 0),
        (Features::X2APIC, one.ecx, 21),
        (Features::TSC_DEADLINE, one.ecx, 24),
        (Features::RDRAND, one.ecx, 30),
        (Features::RDSEED, seven_b, 18),
        (Features::HYPERVISOR, one.ecx, 31),
        (Features::INVARIANT_TSC, power, 8),
    ] {
        found.set(feature, word >> bit & 1 != 0);
    }
    if found.contains(Features::HYPERVISOR) {
        let signature = cpuid_count(0x4000_0000, 0);
        let emulator = [*b"TCGT", *b"CGTC", *b"GTCG"].map(u32::from_le_bytes);
        found.set(
            Features::EMULATED,
            [signature.ebx, signature.ecx, signature.edx] == emulator,
        );
    }
    FEATURES.store(found.bits(), Ordering::Relaxed);
}

const EFER: u32 = 0xc000_0080;
const EFER_SYSCALL: u64 = 1;
const EFER_NO_EXECUTE: u64 = 1 << 11;

const CR0_MONITOR: usize = 1 << 1;
const CR0_EMULATE: usize = 1 << 2;
const CR0_TASK_SWITCHED: usize = 1 << 3;
const CR0_NUMERIC_ERROR: usize = 1 << 5;
const CR0_WRITE_PROTECT: usize = 1 << 16;

const CR4_PAE: usize = 1 << 5;
const CR4_MCE: usize = 1 << 6;
const CR4_PGE: usize = 1 << 7;
const CR4_OSFXSR: usize = 1 << 9;
const CR4_OSXMMEXCPT: usize = 1 << 10;
const CR4_UMIP: usize = 1 << 11;
const CR4_FSGSBASE: usize = 1 << 16;
const CR4_OSXSAVE: usize = 1 << 18;
const CR4_SMEP: usize = 1 << 20;
const CR4_SMAP: usize = 1 << 21;

/// Lets this CPU use no-execute pages. Comes before the kernel's own page tables.
pub(crate) fn enable_paging_features() {
    let mut efer = EFER_SYSCALL;
    if features().contains(Features::NO_EXECUTE) {
        efer |= EFER_NO_EXECUTE;
    }
    // SAFETY: every x86-64 CPU has EFER; the bits are ones that CPUID reports.
    unsafe { write_msr(EFER, read_msr(EFER) | efer) };
}

/// Turns on the protections and instruction sets of this CPU.
pub(crate) fn enable() {
    let found = features();
    let mut cr4 = CR4_PAE | CR4_MCE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    for (feature, bit) in [
        (Features::SMEP, CR4_SMEP),
        (Features::SMAP, CR4_SMAP),
        (Features::UMIP, CR4_UMIP),
        (Features::FSGSBASE, CR4_FSGSBASE),
        (Features::XSAVE, CR4_OSXSAVE),
    ] {
        if found.contains(feature) {
            cr4 |= bit;
        }
    }
    // SAFETY: the bits are ones that every x86-64 CPU has or that CPUID reports; the kernel runs on supervisor pages only, so
    // SMEP and SMAP hold from here on.
    unsafe {
        let mut cr0: usize;
        asm!("mov {}, cr0", out(reg) cr0, options(nomem, nostack, preserves_flags));
        cr0 &= !(CR0_EMULATE | CR0_TASK_SWITCHED);
        cr0 |= CR0_MONITOR | CR0_NUMERIC_ERROR | CR0_WRITE_PROTECT;
        asm!("mov cr0, {}", in(reg) cr0, options(nostack, preserves_flags));
        asm!("mov cr4, {}", in(reg) cr4, options(nostack, preserves_flags));
    }
}

/// The machine's name for `uname(2)` and `AT_PLATFORM`.
pub(crate) const ARCHITECTURE: &str = "x86_64";

/// `AUDIT_ARCH_X86_64`
pub(crate) const AUDIT_ARCHITECTURE: u32 = 0xc000_003e;

/// `AT_HWCAP` (CPUID leaf 1, EDX) and `AT_HWCAP2` (bit 1: user mode may set the FS and GS bases).
pub(crate) fn hardware_capabilities() -> (usize, usize) {
    let bases = features().contains(Features::FSGSBASE);
    (cpuid_count(1, 0).edx as usize, usize::from(bases) << 1)
}
