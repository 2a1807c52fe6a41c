//! What each CPU has of its own: segments, the stacks that traps switch to, and the area behind its GS register.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::instructions::write_msr;
use super::{stack, trap, user};
use crate::cpu::MAX_CPUS;

pub(super) const KERNEL_CODE: u16 = 0x08;
pub(super) const KERNEL_DATA: u16 = 0x10;
pub(super) const USER_DATA: u16 = 0x2b;
pub(super) const USER_CODE: u16 = 0x33;
const TASK: u16 = 0x40;

const MSR_GS_BASE: u32 = 0xc000_0101;
const MSR_KERNEL_GS_BASE: u32 = 0xc000_0102;

#[repr(C, packed(4))]
struct TaskState {
    reserved: u32,
    stacks: [u64; 3],
    reserved_1: u64,
    interrupt_stacks: [u64; 7],
    reserved_2: u64,
    reserved_3: u16,
    io_map: u16,
}

/// Behind the GS register while the kernel runs. The assembly in `user` and `trap` knows the first fields by their offsets.
#[repr(C, align(64))]
pub(super) struct Area {
    /// Registers of the user context that runs.
    context: usize,
    /// The kernel's stack pointer while user code runs.
    kernel_stack: usize,
    scratch: usize,
    number: u32,
    /// Root of the page tables in use.
    pub(super) root: u64,
    /// Owner of what the CPU's FPU and segment bases hold.
    pub(super) owner: usize,
    /// Whether the x87 registers are known to be in their initial state; see `fpu::vectors`.
    pub(super) x87_initial: bool,
    gdt: [u64; 10],
    task_state: TaskState,
    /// Where traps from user mode push their frame.
    trap_frame: [u64; 16],
    /// The stack for non-maskable interrupts, whose handler returns at once.
    nmi_stack: [u64; 16],
}

/// The segments: none, the kernel's code and data, none, user code of 32 bits (named for SYSRET, never used), user data, user code, none,
/// and room for the task state's. Linux has the same.
const SEGMENTS: [u64; 10] = [
    0,
    0x00af_9b00_0000_ffff,
    0x00cf_9300_0000_ffff,
    0,
    0x00cf_fb00_0000_ffff,
    0x00cf_f300_0000_ffff,
    0x00af_fb00_0000_ffff,
    0,
    0,
    0,
];

struct Areas(UnsafeCell<[Area; MAX_CPUS]>);

// SAFETY: each CPU reaches its own area only.
unsafe impl Sync for Areas {}

static AREAS: Areas = Areas(UnsafeCell::new(
    [const {
        Area {
            context: 0,
            kernel_stack: 0,
            scratch: 0,
            number: 0,
            root: 0,
            owner: 0,
            x87_initial: false,
            gdt: [0; 10],
            task_state: TaskState {
                reserved: 0,
                stacks: [0; 3],
                reserved_1: 0,
                interrupt_stacks: [0; 7],
                reserved_2: 0,
                reserved_3: 0,
                io_map: 0,
            },
            trap_frame: [0; 16],
            nmi_stack: [0; 16],
        }
    }; MAX_CPUS],
));

static COUNT: AtomicUsize = AtomicUsize::new(1);

/// The area of the CPU that runs the caller.
#[inline]
pub(super) fn area() -> *mut Area {
    let number = current_cpu();
    // SAFETY: the number is below MAX_CPUS.
    unsafe { AREAS.0.get().cast::<Area>().add(number) }
}

#[inline]
pub(crate) fn current_cpu() -> usize {
    let number: u32;
    // SAFETY: the field of the area is never written while the CPU runs.
    unsafe { asm!("mov {:e}, gs:[24]", out(reg) number, options(pure, readonly, nostack, preserves_flags)) };
    number as usize
}

pub(crate) fn cpu_count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

pub(super) fn set_cpu_count(count: usize) {
    COUNT.store(count, Ordering::Relaxed);
}

/// Gives this CPU a stack for faults that the kernel does not survive.
pub(super) fn add_fault_stack() {
    let top = stack::allocate(stack::FAULT_PAGES).expect("there is memory for a CPU's stacks");
    // SAFETY: this CPU's own area; the CPU reads the field on the next such fault.
    unsafe { (*area()).task_state.interrupt_stacks[trap::FAULT_STACK - 1] = top as u64 };
}

/// Loads this CPU's segments, trap table and system-call entry. Called once on each CPU, by that CPU, before it allocates memory.
pub(super) fn initialize(number: usize) {
    const { assert!(core::mem::offset_of!(Area, number) == 24) };
    assert!(number < MAX_CPUS);
    // SAFETY: this CPU's own area, which nothing else reaches; the segments and handlers loaded are the kernel's, and live for ever.
    unsafe {
        let area = AREAS.0.get().cast::<Area>().add(number);
        (*area).number = number as u32;
        (*area).root = super::instructions::read_root();
        let end = |array: *mut [u64; 16]| array.add(1).addr() as u64;
        (*area).task_state.stacks[0] = end(&raw mut (*area).trap_frame);
        (*area).task_state.interrupt_stacks[trap::NMI_STACK - 1] = end(&raw mut (*area).nmi_stack);
        // Beyond the segment's limit: no port is open to user mode.
        (*area).task_state.io_map = size_of::<TaskState>() as u16;
        (*area).gdt = SEGMENTS;
        let state = (&raw const (*area).task_state).addr() as u64;
        (*area).gdt[8] =
            (size_of::<TaskState>() as u64 - 1) | (state & 0xff_ffff) << 16 | 0x89 << 40 | (state >> 24 & 0xff) << 56;
        (*area).gdt[9] = state >> 32;
        let table = TablePointer {
            limit: size_of::<[u64; 10]>() as u16 - 1,
            base: (&raw const (*area).gdt).addr() as u64,
        };
        asm!(
            "lgdt [{table}]",
            "push {code}",
            "lea {scratch}, [rip + 2f]",
            "push {scratch}",
            "retfq",
            "2:",
            "mov ss, {data:e}",
            "xor {data:e}, {data:e}",
            "mov ds, {data:e}",
            "mov es, {data:e}",
            "mov fs, {data:e}",
            "mov gs, {data:e}",
            "ltr {task:x}",
            table = in(reg) &raw const table,
            code = const KERNEL_CODE as u32,
            scratch = out(reg) _,
            data = inout(reg) u32::from(KERNEL_DATA) => _,
            task = in(reg) TASK,
        );
        write_msr(MSR_GS_BASE, area.addr() as u64);
        write_msr(MSR_KERNEL_GS_BASE, 0);
    }
    trap::load();
    user::initialize();
}

/// Operand of `lgdt` and `lidt`.
#[repr(C, packed(2))]
pub(super) struct TablePointer {
    pub(super) limit: u16,
    pub(super) base: u64,
}
