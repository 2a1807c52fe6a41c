//! Saving vector registers one by one, for emulated CPUs.
//!
//! QEMU's emulation takes microseconds for XSAVE and XRSTOR, almost all of it for the x87 registers, which hardly any thread uses. So
//! there, while the x87 registers are in their initial state, the vector registers alone are moved, to the same places that XSAVE uses.

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};

use super::super::features::{Features, features};
use super::super::instructions::cpuid_count;
use super::{DEFAULT_CONTROL_WORD, LEGACY_SIZE};

const MXCSR: usize = 24;
const AVX: u64 = 1 << 2;
const SSE_AND_AVX: u64 = 0b110;
/// x87, SSE and AVX: what this module knows.
const KNOWN: u64 = 0b111;

static EMULATED: AtomicBool = AtomicBool::new(false);

/// Finds out whether the CPU is emulated by QEMU.
pub(super) fn detect() {
    if features().contains(Features::HYPERVISOR) {
        let leaf = cpuid_count(0x4000_0000, 0);
        let name = [leaf.ebx, leaf.ecx, leaf.edx].map(u32::to_le_bytes);
        EMULATED.store(name.as_flattened() == b"TCGTCGTCGTCG", Ordering::Relaxed);
    }
}

/// Whether moving the vector registers now saves all that the thread has: its x87 registers are in their initial state.
pub(super) fn are_enough() -> bool {
    if !EMULATED.load(Ordering::Relaxed) || super::state_components() & !KNOWN != 0 {
        return false;
    }
    // Control, status and tag words, each with an unused half.
    let mut environment = [0u32; 7];
    // SAFETY: the instruction writes the 28 bytes. It masks x87 exceptions, which an initial control word does anyway; with another one
    // the control word is loaded again.
    unsafe {
        asm!("fnstenv [{}]", in(reg) environment.as_mut_ptr(), options(nostack));
        let [control, status, tags, ..] = environment;
        let [control, status, tags] = [control as u16, status as u16, tags as u16];
        let initial = control == DEFAULT_CONTROL_WORD && status == 0 && tags == 0xffff;
        if !initial {
            asm!("fldcw [{}]", in(reg) &raw const control, options(nostack, readonly));
        }
        initial
    }
}

/// Moves the vector registers to a save area.
///
/// # Safety
/// The area has room for `components`, which the CPU supports.
pub(super) unsafe fn store(area: *mut u8, components: u64) {
    // SAFETY: the offsets are XSAVE's for these registers.
    unsafe {
        area.cast::<u16>().write(DEFAULT_CONTROL_WORD);
        asm!("stmxcsr [{}]", in(reg) area.add(MXCSR), options(nostack, preserves_flags));
        asm!(
            "movups [{m} + 160], xmm0",
            "movups [{m} + 176], xmm1",
            "movups [{m} + 192], xmm2",
            "movups [{m} + 208], xmm3",
            "movups [{m} + 224], xmm4",
            "movups [{m} + 240], xmm5",
            "movups [{m} + 256], xmm6",
            "movups [{m} + 272], xmm7",
            "movups [{m} + 288], xmm8",
            "movups [{m} + 304], xmm9",
            "movups [{m} + 320], xmm10",
            "movups [{m} + 336], xmm11",
            "movups [{m} + 352], xmm12",
            "movups [{m} + 368], xmm13",
            "movups [{m} + 384], xmm14",
            "movups [{m} + 400], xmm15",
            m = in(reg) area, options(nostack, preserves_flags),
        );
        if components & AVX != 0 {
            asm!(
                "vextractf128 [{m} + 576], ymm0, 1",
                "vextractf128 [{m} + 592], ymm1, 1",
                "vextractf128 [{m} + 608], ymm2, 1",
                "vextractf128 [{m} + 624], ymm3, 1",
                "vextractf128 [{m} + 640], ymm4, 1",
                "vextractf128 [{m} + 656], ymm5, 1",
                "vextractf128 [{m} + 672], ymm6, 1",
                "vextractf128 [{m} + 688], ymm7, 1",
                "vextractf128 [{m} + 704], ymm8, 1",
                "vextractf128 [{m} + 720], ymm9, 1",
                "vextractf128 [{m} + 736], ymm10, 1",
                "vextractf128 [{m} + 752], ymm11, 1",
                "vextractf128 [{m} + 768], ymm12, 1",
                "vextractf128 [{m} + 784], ymm13, 1",
                "vextractf128 [{m} + 800], ymm14, 1",
                "vextractf128 [{m} + 816], ymm15, 1",
                m = in(reg) area, options(nostack, preserves_flags),
            );
        }
        if components != 0 {
            area.add(LEGACY_SIZE).cast::<u64>().write(SSE_AND_AVX & components);
        }
    }
}

/// Moves the vector registers from a save area, where `store` or nobody has put them since its memory was zero.
///
/// # Safety
/// As `store`. The kernel keeps nothing in these registers.
pub(super) unsafe fn load(area: *const u8, components: u64) {
    // SAFETY: as in `store`; MXCSR has no reserved bit set, which `restore` sees to.
    unsafe {
        asm!("ldmxcsr [{}]", in(reg) area.add(MXCSR), options(nostack, preserves_flags, readonly));
        asm!(
            "movups xmm0, [{m} + 160]",
            "movups xmm1, [{m} + 176]",
            "movups xmm2, [{m} + 192]",
            "movups xmm3, [{m} + 208]",
            "movups xmm4, [{m} + 224]",
            "movups xmm5, [{m} + 240]",
            "movups xmm6, [{m} + 256]",
            "movups xmm7, [{m} + 272]",
            "movups xmm8, [{m} + 288]",
            "movups xmm9, [{m} + 304]",
            "movups xmm10, [{m} + 320]",
            "movups xmm11, [{m} + 336]",
            "movups xmm12, [{m} + 352]",
            "movups xmm13, [{m} + 368]",
            "movups xmm14, [{m} + 384]",
            "movups xmm15, [{m} + 400]",
            m = in(reg) area, options(nostack, preserves_flags, readonly),
        );
        if components & AVX != 0 {
            asm!(
                "vinsertf128 ymm0, ymm0, [{m} + 576], 1",
                "vinsertf128 ymm1, ymm1, [{m} + 592], 1",
                "vinsertf128 ymm2, ymm2, [{m} + 608], 1",
                "vinsertf128 ymm3, ymm3, [{m} + 624], 1",
                "vinsertf128 ymm4, ymm4, [{m} + 640], 1",
                "vinsertf128 ymm5, ymm5, [{m} + 656], 1",
                "vinsertf128 ymm6, ymm6, [{m} + 672], 1",
                "vinsertf128 ymm7, ymm7, [{m} + 688], 1",
                "vinsertf128 ymm8, ymm8, [{m} + 704], 1",
                "vinsertf128 ymm9, ymm9, [{m} + 720], 1",
                "vinsertf128 ymm10, ymm10, [{m} + 736], 1",
                "vinsertf128 ymm11, ymm11, [{m} + 752], 1",
                "vinsertf128 ymm12, ymm12, [{m} + 768], 1",
                "vinsertf128 ymm13, ymm13, [{m} + 784], 1",
                "vinsertf128 ymm14, ymm14, [{m} + 800], 1",
                "vinsertf128 ymm15, ymm15, [{m} + 816], 1",
                m = in(reg) area, options(nostack, preserves_flags, readonly),
            );
        }
    }
}
