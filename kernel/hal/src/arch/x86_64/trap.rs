//! The trap table and what happens on a trap that the kernel itself takes.

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};

use super::cpu::{KERNEL_CODE, TablePointer};
use super::instructions::fault_address;

/// Interrupt stack for double faults and machine checks.
pub(super) const FAULT_STACK: usize = 1;
/// Interrupt stack for non-maskable interrupts.
pub(super) const NMI_STACK: usize = 2;

const NMI: usize = 2;
const BREAKPOINT: usize = 3;
const OVERFLOW: usize = 4;
const DOUBLE_FAULT: usize = 8;
pub(crate) const GENERAL_PROTECTION: usize = 13;
pub(crate) const PAGE_FAULT: usize = 14;
const MACHINE_CHECK: usize = 18;
/// The first vector that is an interrupt and not an exception.
pub(crate) const FIRST_INTERRUPT: usize = 32;

global_asm!(
    r#"
.section .text
// One entry of 16 bytes for each vector: pushes an error code where the CPU does not, and the vector.
.balign 16
.globl trap_entries
trap_entries:
.set vector, 0
.rept 256
    .balign 16
    .if (vector != 8) && ((vector < 10) || (vector > 14)) && (vector != 17) && (vector != 21) && (vector != 29) && (vector != 30)
    push 0
    .endif
    push vector
    jmp trap
    .set vector, vector + 1
.endr

.balign 16
trap:
    test byte ptr [rsp + 24], 3
    jnz trap_from_user
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    mov rdi, rsp
    call kernel_trap
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16
    iretq

.globl nmi_entry
nmi_entry:
    iretq
"#
);

unsafe extern "C" {
    static trap_entries: [u8; 16];
    static nmi_entry: u8;
    static exception_table_start: [i32; 2];
    static exception_table_end: [i32; 2];
}

/// The registers at a trap in the kernel.
#[repr(C)]
struct Frame {
    r15: usize,
    r14: usize,
    r13: usize,
    r12: usize,
    r11: usize,
    r10: usize,
    r9: usize,
    r8: usize,
    rbp: usize,
    rdi: usize,
    rsi: usize,
    rdx: usize,
    rcx: usize,
    rbx: usize,
    rax: usize,
    vector: usize,
    error: usize,
    rip: usize,
    cs: usize,
    rflags: usize,
    rsp: usize,
    ss: usize,
}

struct Table(UnsafeCell<[[u64; 2]; 256]>);

// SAFETY: written once, by the first CPU, before it or any other loads it.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new([[0; 2]; 256]));

/// Fills the trap table and loads it, so that a fault while booting is reported.
pub(super) fn load_early() {
    for vector in 0..256 {
        set(vector, (&raw const trap_entries).addr() + vector * 16, 0);
    }
    load();
}

fn set(vector: usize, handler: usize, stack: usize) {
    let handler = handler as u64;
    // These two have instructions of their own, `int3` and `into`: a program that runs one gets this trap and no general protection fault.
    let privilege = if [BREAKPOINT, OVERFLOW].contains(&vector) { 3 } else { 0 };
    let low = handler & 0xffff
        | (KERNEL_CODE as u64) << 16
        | (stack as u64) << 32
        | (0x8e | privilege << 5) << 40
        | (handler >> 16 & 0xffff) << 48;
    // SAFETY: only the first CPU calls this, before others run.
    unsafe { (*TABLE.0.get())[vector] = [low, handler >> 32] };
}

/// Gives the fatal traps a stack of their own; the first CPU's segments are loaded.
pub(super) fn use_fault_stacks() {
    for vector in [DOUBLE_FAULT, MACHINE_CHECK] {
        set(vector, (&raw const trap_entries).addr() + vector * 16, FAULT_STACK);
    }
    set(NMI, (&raw const nmi_entry).addr(), NMI_STACK);
}

/// Loads the trap table on this CPU.
pub(super) fn load() {
    let pointer = TablePointer {
        limit: size_of::<[[u64; 2]; 256]>() as u16 - 1,
        base: TABLE.0.get().addr() as u64,
    };
    // SAFETY: the table lives for ever and its handlers are the kernel's.
    unsafe { asm!("lidt [{}]", in(reg) &raw const pointer, options(readonly, nostack, preserves_flags)) };
}

/// Interrupts that have come to each CPU and wait for `interrupt::dispatch`, by vector.
static PENDING: [[AtomicU64; 4]; crate::cpu::MAX_CPUS] =
    [const { [const { AtomicU64::new(0) }; 4] }; crate::cpu::MAX_CPUS];

/// Notes an interrupt on this CPU for `dispatch`.
pub(crate) fn note_interrupt(vector: usize) {
    PENDING[super::current_cpu()][vector / 64].fetch_or(1 << (vector % 64), Ordering::Relaxed);
    crate::interrupt::count(vector);
    super::apic::end_of_interrupt(vector);
}

/// Takes the interrupts noted on this CPU since the last call.
pub(crate) fn take_interrupts(mut handle: impl FnMut(usize)) {
    for (index, word) in PENDING[super::current_cpu()].iter().enumerate() {
        if word.load(Ordering::Relaxed) == 0 {
            continue;
        }
        let mut pending = word.swap(0, Ordering::Relaxed);
        while pending != 0 {
            handle(index * 64 + pending.trailing_zeros() as usize);
            pending &= pending - 1;
        }
    }
}

/// Whether an interrupt is noted on this CPU.
pub(crate) fn has_interrupts() -> bool {
    PENDING[super::current_cpu()]
        .iter()
        .any(|word| word.load(Ordering::Relaxed) != 0)
}

#[unsafe(no_mangle)]
extern "C" fn kernel_trap(frame: &mut Frame) {
    if frame.vector >= FIRST_INTERRUPT {
        return note_interrupt(frame.vector);
    }
    if matches!(frame.vector, PAGE_FAULT | GENERAL_PROTECTION)
        && let Some(resume) = fixup(frame.rip)
    {
        frame.rip = resume;
        return;
    }
    // What a deliberately small panic message needs: the fault, the place, the registers.
    crate::console::emergency(format_args!(
        "trap {} error {:#x} at {:#x}, address {:#x}\n  rax {:016x} rbx {:016x} rcx {:016x} rdx {:016x}\n  rsi {:016x} rdi {:016x} rbp {:016x} rsp {:016x}\n  \
         r8  {:016x} r9  {:016x} r10 {:016x} r11 {:016x}\n  r12 {:016x} r13 {:016x} r14 {:016x} r15 {:016x}\n",
        frame.vector,
        frame.error,
        frame.rip,
        fault_address(),
        frame.rax,
        frame.rbx,
        frame.rcx,
        frame.rdx,
        frame.rsi,
        frame.rdi,
        frame.rbp,
        frame.rsp,
        frame.r8,
        frame.r9,
        frame.r10,
        frame.r11,
        frame.r12,
        frame.r13,
        frame.r14,
        frame.r15,
    ));
    let name = match frame.vector {
        DOUBLE_FAULT => "double fault (kernel stack overflow?)",
        GENERAL_PROTECTION => "general protection fault",
        PAGE_FAULT => "page fault",
        MACHINE_CHECK => "machine check",
        6 => "invalid instruction",
        _ => "exception",
    };
    crate::panic::fail(
        format_args!(
            "{name} in the kernel (vector {}, error {:#x}, address {:#x})",
            frame.vector,
            frame.error,
            fault_address()
        ),
        frame.rip,
        frame.rsp,
    )
}

/// Where to go on after a fault at `address`, for the instructions that reach user memory.
fn fixup(address: usize) -> Option<usize> {
    let start = &raw const exception_table_start;
    let count = ((&raw const exception_table_end).addr() - start.addr()) / size_of::<[i32; 2]>();
    (0..count).find_map(|index| {
        // SAFETY: the linker script lays the table out between the two symbols; it is never written.
        let entry = unsafe { &*start.add(index) };
        let resolve = |field: &i32| (&raw const *field).addr().wrapping_add_signed(*field as isize);
        (resolve(&entry[0]) == address).then(|| resolve(&entry[1]))
    })
}
