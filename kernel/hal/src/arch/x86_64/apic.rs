//! The local interrupt controller: ends of interrupts, interrupts between CPUs, this CPU's timer; and the idle halt.

use core::arch::asm;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::features::{Features, features};
use super::instructions::{out8, read_msr, write_msr};
use super::{clock, paging, shootdown, trap};
use crate::cpu::MAX_CPUS;

/// Vector of this CPU's timer.
pub(crate) const TIMER_VECTOR: usize = 0x20;
/// Vector that only ends an idle halt or user mode.
pub(super) const KICK_VECTOR: usize = 0xf0;
/// Vector that asks for `shootdown::serve`.
pub(super) const FLUSH_VECTOR: usize = 0xf1;
const SPURIOUS_VECTOR: usize = 0xff;

/// The interrupts that each CPU has of its own: vector, what Linux calls it, and what it is for.
pub(crate) const LOCAL_INTERRUPTS: [(usize, &str, &str); 3] = [
    (TIMER_VECTOR, "LOC", "Local timer interrupts"),
    (KICK_VECTOR, "RES", "Rescheduling interrupts"),
    (FLUSH_VECTOR, "TLB", "TLB shootdowns"),
];

const MSR_BASE: u32 = 0x1b;
const MSR_TSC_DEADLINE: u32 = 0x6e0;
/// Registers by their x2APIC number; the memory-mapped ones lie 16 bytes apart.
const MSR_X2APIC: u32 = 0x800;
const ID: u32 = 0x02;
const TASK_PRIORITY: u32 = 0x08;
const END_OF_INTERRUPT: u32 = 0x0b;
const SPURIOUS: u32 = 0x0f;
const COMMAND: u32 = 0x30;
const COMMAND_HIGH: u32 = 0x31;
const TIMER: u32 = 0x32;
const INITIAL_COUNT: u32 = 0x38;
const CURRENT_COUNT: u32 = 0x39;
const DIVIDE: u32 = 0x3e;

const MASKED: u32 = 1 << 16;
const DEADLINE_MODE: u32 = 2 << 17;
const DIVIDE_BY_1: u32 = 0b1011;

/// The memory-mapped registers; null with x2APIC.
static REGISTERS: AtomicPtr<u32> = AtomicPtr::new(core::ptr::null_mut());
/// Identifiers of the CPUs' controllers.
static IDS: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(0) }; MAX_CPUS];
/// Timer ticks for each 2^32 nanoseconds.
static TICKS: AtomicU64 = AtomicU64::new(0);
/// What each CPU's timer is armed for.
static ARMED: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(u64::MAX) }; MAX_CPUS];

fn read(register: u32) -> u32 {
    let registers = REGISTERS.load(Ordering::Relaxed);
    // SAFETY: `initialize` mapped the registers or turned x2APIC on.
    unsafe {
        if registers.is_null() {
            read_msr(MSR_X2APIC + register) as u32
        } else {
            registers.add(register as usize * 4).read_volatile()
        }
    }
}

fn write(register: u32, value: u32) {
    let registers = REGISTERS.load(Ordering::Relaxed);
    // SAFETY: as in `read`; nothing written makes the controller touch memory.
    unsafe {
        if registers.is_null() {
            write_msr(MSR_X2APIC + register, u64::from(value));
        } else {
            registers.add(register as usize * 4).write_volatile(value);
        }
    }
}

/// Turns the old interrupt controllers off and this CPU's own on.
pub(super) fn initialize() {
    // SAFETY: the ports of the two 8259 controllers: both get vectors out of the way and are masked.
    unsafe {
        for (port, value) in [
            (0x20, 0x11),
            (0xa0, 0x11),
            (0x21, 0xe0),
            (0xa1, 0xe8),
            (0x21, 0x04),
            (0xa1, 0x02),
            (0x21, 0x01),
            (0xa1, 0x01),
            (0x21, 0xff),
            (0xa1, 0xff),
        ] {
            out8(port, value);
        }
        if !features().contains(Features::X2APIC) {
            let base = read_msr(MSR_BASE) & 0x000f_ffff_ffff_f000;
            REGISTERS.store(paging::map_device(base, 0x1000, false).cast(), Ordering::Relaxed);
        }
    }
    initialize_cpu(0);
}

/// Turns this CPU's controller on.
pub(super) fn initialize_cpu(number: usize) {
    let x2apic = if features().contains(Features::X2APIC) {
        1 << 10
    } else {
        0
    };
    // SAFETY: every x86-64 CPU has a local controller; the base stays as it is.
    unsafe { write_msr(MSR_BASE, read_msr(MSR_BASE) | 1 << 11 | x2apic) };
    write(TASK_PRIORITY, 0);
    write(SPURIOUS, SPURIOUS_VECTOR as u32 | 1 << 8);
    let id = read(ID);
    IDS[number].store(if x2apic == 0 { id >> 24 } else { id }, Ordering::Relaxed);
    write(DIVIDE, DIVIDE_BY_1);
    if uses_deadline() {
        write(TIMER, TIMER_VECTOR as u32 | DEADLINE_MODE);
        // Orders the write above before the first deadline, which goes through a register of another kind.
        core::sync::atomic::fence(Ordering::SeqCst);
    } else {
        write(TIMER, TIMER_VECTOR as u32);
    }
}

fn uses_deadline() -> bool {
    features().contains(Features::TSC_DEADLINE)
}

/// The identifier of a CPU's controller, where devices send its interrupts.
pub(crate) fn interrupt_target(cpu: usize) -> u32 {
    IDS[cpu].load(Ordering::Relaxed)
}

/// Ticks of the timer in a second in QEMU, KVM and the hypervisors modelled on them, when CPUID does not tell it.
const USUAL_FREQUENCY: u64 = 1_000_000_000;

/// Lets the timer count without end or interrupt, for [`ticks`].
pub(super) fn start_counting() {
    write(TIMER, TIMER_VECTOR as u32 | MASKED);
    write(INITIAL_COUNT, u32::MAX);
}

/// Ticks since [`start_counting`].
pub(super) fn ticks() -> u64 {
    u64::from(u32::MAX - read(CURRENT_COUNT))
}

/// The nanoseconds of a number of ticks at the usual frequency.
pub(super) fn usual_nanoseconds(ticks: u64) -> u64 {
    ticks * 1000 / (USUAL_FREQUENCY / 1_000_000)
}

/// Ends what [`start_counting`] began, with what was measured meanwhile.
pub(super) fn end_counting(ticks: u64, nanoseconds: u64) {
    write(INITIAL_COUNT, 0);
    let mode = if uses_deadline() { DEADLINE_MODE } else { 0 };
    write(TIMER, TIMER_VECTOR as u32 | mode);
    TICKS.store(((ticks << 32) / nanoseconds.max(1)).max(1), Ordering::Relaxed);
}

/// Tells the controller that an interrupt was taken.
#[inline]
pub(super) fn end_of_interrupt(vector: usize) {
    match vector {
        SPURIOUS_VECTOR => return,
        TIMER_VECTOR => ARMED[super::current_cpu()].store(u64::MAX, Ordering::Relaxed),
        FLUSH_VECTOR => shootdown::serve(),
        _ => (),
    }
    write(END_OF_INTERRUPT, 0);
}

/// Sends an interrupt to another CPU.
pub(super) fn send(cpu: usize, vector: usize) {
    command(interrupt_target(cpu), vector as u32);
}

/// Writes the interrupt command register.
pub(super) fn command(target: u32, command: u32) {
    if REGISTERS.load(Ordering::Relaxed).is_null() {
        // SAFETY: x2APIC is on.
        unsafe { write_msr(MSR_X2APIC + COMMAND, u64::from(target) << 32 | u64::from(command)) };
    } else {
        write(COMMAND_HIGH, target << 24);
        write(COMMAND, command);
        while read(COMMAND) & 1 << 12 != 0 {
            core::hint::spin_loop();
        }
    }
}

/// Ends the idle halt or the user mode of another CPU.
pub(crate) fn kick_cpu(cpu: usize) {
    if cpu != super::current_cpu() {
        send(cpu, KICK_VECTOR);
    }
}

/// Lets this CPU's timer interrupt it at a time of the monotonic clock, or before.
pub(crate) fn arm_timer(deadline: Option<u64>) {
    // A CPU that sleeps wakes to correct the clock that it sleeps by.
    let deadline = deadline.unwrap_or(u64::MAX).min(clock::refine_due());
    let armed = &ARMED[super::current_cpu()];
    // A time that comes before serves as well: under an emulator or hypervisor, to move it costs more than an interrupt too many.
    if armed.load(Ordering::Relaxed) <= deadline {
        return;
    }
    armed.store(deadline, Ordering::Relaxed);
    if uses_deadline() {
        let stamp = clock::time_stamp_at(deadline).max(1);
        // SAFETY: the CPU has the register.
        unsafe { write_msr(MSR_TSC_DEADLINE, stamp) };
        return;
    }
    let wait = deadline.saturating_sub(clock::monotonic_nanoseconds());
    let ticks = (u128::from(wait) * u128::from(TICKS.load(Ordering::Relaxed))) >> 32;
    // A wait that does not fit ends early, and whoever armed it arms it again.
    write(INITIAL_COUNT, ticks.clamp(1, u128::from(u32::MAX)) as u32);
}

/// Halts until an interrupt arrives; returns at once when one is noted already.
pub(crate) fn idle() {
    if trap::has_interrupts() {
        return;
    }
    // SAFETY: STI takes effect after the next instruction, so no interrupt is lost before the halt; the handlers only take notes.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
}
