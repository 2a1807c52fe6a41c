//! Starting the other CPUs: from real mode at a page below 1 MiB to the kernel (Intel SDM volume 3, section 9.4).

use core::arch::global_asm;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use super::instructions::{halt, read_msr};
use super::{apic, clock, cpu, paging, stack};
use crate::cpu::MAX_CPUS;
use crate::mem::PAGE_SIZE;

/// Where the trampoline is copied: a page of conventional memory that is not in the pool.
const TRAMPOLINE: usize = 0x8000;
/// Offset in that page of the values that the trampoline reads.
const VALUES: usize = 0xf00;
const MSR_EFER: u32 = 0xc000_0080;
/// Bits of EFER that can be set before long mode is active.
const EFER_BITS: u64 = 1 | 1 << 8 | 1 << 11;

const INIT: u32 = 0x4500;
const STARTUP: u32 = 0x4600;
/// How long a CPU may take from the first signal to the kernel: as long as Linux allows it, for a busy host may not run it for a while.
const PATIENCE_NANOSECONDS: u64 = 10_000_000_000;
const AGAIN_NANOSECONDS: u64 = 10_000_000;

global_asm!(
    r#"
.section .text
.balign 8
.globl trampoline_start
trampoline_start:
.code16
    cli
    cld
    mov ax, cs
    mov ds, ax
    .byte 0x66, 0x0f, 0x01, 0x16                // lgdt, 32-bit operand
    .word trampoline_gdt_pointer - trampoline_start
    mov eax, cr0
    or al, 1
    mov cr0, eax
    .byte 0x66, 0xea                            // far jump, 32-bit operand
    .long {base} + (trampoline_32 - trampoline_start)
    .word 0x08
.code32
trampoline_32:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, cr4
    or eax, 0x20                                // PAE
    mov cr4, eax
    mov ebx, {base}
    mov eax, [ebx + {values} + 0]
    mov cr3, eax
    mov ecx, 0xc0000080                         // EFER
    rdmsr
    or eax, [ebx + {values} + 8]
    wrmsr
    mov eax, cr0
    and eax, 0x9fffffff
    or eax, 0x80010001                          // PG, WP, PE
    mov cr0, eax
    .byte 0xea
    .long {base} + (trampoline_64 - trampoline_start)
    .word 0x18
.code64
trampoline_64:
    mov rsp, [rbx + {values} + 16]
    mov rdi, [rbx + {values} + 24]
    mov rax, [rbx + {values} + 32]
    xor ebp, ebp
    call rax
    ud2
.balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00af9b000000ffff
trampoline_gdt_pointer:
    .word 31
    .long {base} + (trampoline_gdt - trampoline_start)
.globl trampoline_end
trampoline_end:
"#,
    base = const TRAMPOLINE,
    values = const VALUES,
);

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_end: u8;
}

/// What the started CPUs run, as an address.
static MAIN: AtomicUsize = AtomicUsize::new(0);

/// Whether the CPU that is being started has come to the kernel, or is not waited for any more. The CPU and who waits for it agree here:
/// one that comes late halts.
static ARRIVAL: AtomicU8 = AtomicU8::new(EXPECTED);
const EXPECTED: u8 = 0;
const ARRIVED: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Starts the CPUs that ACPI lists, as many as the kernel drives; each runs `main`. Returns how many of them are left out, because one did
/// not come or there was no stack for it.
pub(crate) fn start_others(main: fn() -> !) -> usize {
    let this = apic::interrupt_target(0);
    let others: alloc::vec::Vec<u32> = crate::acpi::cpus()
        .into_iter()
        .filter(|&id| id != this)
        .take(MAX_CPUS - 1)
        .collect();
    if others.is_empty() {
        return 0;
    }
    let all = others.len() + 1;
    MAIN.store(main as usize, Ordering::Release);
    let start = &raw const trampoline_start;
    let length = (&raw const trampoline_end).addr() - start.addr();
    let page = paging::page_pointer(TRAMPOLINE / PAGE_SIZE);
    // SAFETY: the page holds nothing else; the source is code of the image.
    unsafe { super::copy_memory(page, start, length) };
    paging::map_trampoline(TRAMPOLINE);
    for id in others {
        ARRIVAL.store(EXPECTED, Ordering::Relaxed);
        let number = cpu::cpu_count();
        let Some(stack) = stack::allocate(stack::KERNEL_PAGES) else {
            break;
        };
        // SAFETY: every x86-64 CPU has EFER.
        let efer = unsafe { read_msr(MSR_EFER) } & EFER_BITS;
        let values = [
            paging::kernel_root(),
            efer,
            stack as u64,
            number as u64,
            (other_main as *const ()).addr() as u64,
        ];
        // SAFETY: the end of the trampoline's page.
        unsafe { super::copy_memory(page.add(VALUES), values.as_ptr().cast(), size_of_val(&values)) };
        if !start_one(id, number) {
            break;
        }
    }
    // A CPU that comes late still goes by way of the trampoline.
    if ARRIVAL.load(Ordering::Relaxed) != GIVEN_UP {
        paging::unmap_trampoline(TRAMPOLINE);
    }
    all - cpu::cpu_count()
}

/// Starts one CPU and waits for it.
fn start_one(id: u32, number: usize) -> bool {
    apic::command(id, INIT);
    let begin = clock::monotonic_nanoseconds();
    let mut next = begin;
    loop {
        let now = clock::monotonic_nanoseconds();
        if cpu::cpu_count() > number {
            return true;
        }
        let give_up = || {
            ARRIVAL
                .compare_exchange(EXPECTED, GIVEN_UP, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        };
        if now - begin > PATIENCE_NANOSECONDS && give_up() {
            return false;
        }
        if now >= next {
            apic::command(id, STARTUP | (TRAMPOLINE / PAGE_SIZE) as u32);
            next = now + AGAIN_NANOSECONDS;
        }
        core::hint::spin_loop();
    }
}

/// The first Rust code of another CPU.
extern "C" fn other_main(number: usize) -> ! {
    if ARRIVAL
        .compare_exchange(EXPECTED, ARRIVED, Ordering::Relaxed, Ordering::Relaxed)
        .is_err()
    {
        halt();
    }
    cpu::initialize(number);
    cpu::add_fault_stack();
    super::initialize_cpu();
    apic::initialize_cpu(number);
    cpu::set_cpu_count(number + 1);
    // SAFETY: `start_others` stored a function of this type.
    let main = unsafe { core::mem::transmute::<usize, fn() -> !>(MAIN.load(Ordering::Acquire)) };
    main()
}
