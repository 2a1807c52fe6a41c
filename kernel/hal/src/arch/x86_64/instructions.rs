//! Single instructions as functions.

use core::arch::asm;
pub(crate) use core::arch::x86_64::__cpuid_count as cpuid_count;

/// Reads a byte from an I/O port.
///
/// # Safety
/// Reading the port has no effect on memory.
#[inline]
pub(crate) unsafe fn in8(port: u16) -> u8 {
    let value;
    // SAFETY: the caller's promise.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nostack, preserves_flags)) };
    value
}

/// Writes a byte to an I/O port.
///
/// # Safety
/// The device behind the port leaves memory that is in use alone.
#[inline]
pub(crate) unsafe fn out8(port: u16, value: u8) {
    // SAFETY: the caller's promise.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nostack, preserves_flags)) };
}

/// As [`in8`], two bytes.
///
/// # Safety
/// As [`in8`].
#[inline]
pub(crate) unsafe fn in16(port: u16) -> u16 {
    let value;
    // SAFETY: the caller's promise.
    unsafe { asm!("in ax, dx", in("dx") port, out("ax") value, options(nostack, preserves_flags)) };
    value
}

/// As [`out8`], two bytes.
///
/// # Safety
/// As [`out8`].
#[inline]
pub(crate) unsafe fn out16(port: u16, value: u16) {
    // SAFETY: the caller's promise.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nostack, preserves_flags)) };
}

/// As [`in8`], four bytes.
///
/// # Safety
/// As [`in8`].
#[inline]
pub(crate) unsafe fn in32(port: u16) -> u32 {
    let value;
    // SAFETY: the caller's promise.
    unsafe { asm!("in eax, dx", in("dx") port, out("eax") value, options(nostack, preserves_flags)) };
    value
}

/// As [`out8`], four bytes.
///
/// # Safety
/// As [`out8`].
#[inline]
pub(crate) unsafe fn out32(port: u16, value: u32) {
    // SAFETY: the caller's promise.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags)) };
}

/// Reads a model-specific register.
///
/// # Safety
/// The CPU has it.
#[inline]
pub(crate) unsafe fn read_msr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the caller's promise.
    unsafe {
        asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high, options(nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model-specific register.
///
/// # Safety
/// The CPU has it, and what the value changes keeps the kernel's assumptions.
#[inline]
pub(crate) unsafe fn write_msr(register: u32, value: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nostack, preserves_flags));
    }
}

/// The time stamp counter.
#[inline]
pub(crate) fn time_stamp() -> u64 {
    // SAFETY: every x86-64 CPU has it and the kernel may always read it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Drops this CPU's translation of one page.
#[inline]
pub(crate) fn invalidate_page(address: usize) {
    // SAFETY: dropping a translation is always sound.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
}

/// The root of the page tables in use.
#[inline]
pub(crate) fn read_root() -> u64 {
    let root;
    // SAFETY: reading has no effect.
    unsafe { asm!("mov {}, cr3", out(reg) root, options(nomem, nostack, preserves_flags)) };
    root
}

/// Makes other page tables the ones in use and drops the translations of the old ones.
///
/// # Safety
/// The tables map the kernel as it runs.
#[inline]
pub(crate) unsafe fn write_root(root: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) };
}

/// The address of the last page fault.
#[inline]
pub(crate) fn fault_address() -> usize {
    let address;
    // SAFETY: reading has no effect.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// Stops this CPU for good.
pub(crate) fn halt() -> ! {
    loop {
        // SAFETY: with interrupts off the CPU sleeps; non-maskable ones find their handler.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}
