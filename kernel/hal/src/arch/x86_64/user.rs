//! Into user mode and back.
//!
//! `enter` is a plain call: it keeps the kernel's callee-saved registers on the stack, loads the user's, and returns when user mode
//! ends with a system call, a fault or an interrupt. The GS register points to the CPU's `Area` while the kernel runs.

use core::arch::global_asm;

use super::cpu::{KERNEL_CODE, KERNEL_DATA, USER_CODE, USER_DATA, area};
use super::instructions::write_msr;

/// Value of [`Registers::vector`] for a system call.
pub(crate) const SYSTEM_CALL: usize = 256;

/// A user thread's registers. The assembly knows the fields by their offsets.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Registers {
    pub(crate) rax: usize,
    pub(crate) rbx: usize,
    pub(crate) rcx: usize,
    pub(crate) rdx: usize,
    pub(crate) rsi: usize,
    pub(crate) rdi: usize,
    pub(crate) rbp: usize,
    pub(crate) rsp: usize,
    pub(crate) r8: usize,
    pub(crate) r9: usize,
    pub(crate) r10: usize,
    pub(crate) r11: usize,
    pub(crate) r12: usize,
    pub(crate) r13: usize,
    pub(crate) r14: usize,
    pub(crate) r15: usize,
    pub(crate) rip: usize,
    pub(crate) rflags: usize,
    /// The trap that ended user mode. `SYSTEM_CALL` lets the way back skip RCX and R11, which the call changed anyway.
    pub(crate) vector: usize,
    pub(crate) error: usize,
}

global_asm!(
    r#"
.section .text
.balign 16
.globl enter_user
enter_user:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    mov gs:[0], rdi
    mov gs:[8], rsp
    cmp dword ptr [rdi + 144], 256
    jne 2f
    mov rcx, [rdi + 128]
    mov r11, [rdi + 136]
    mov rax, [rdi]
    mov rbx, [rdi + 8]
    mov rdx, [rdi + 24]
    mov rsi, [rdi + 32]
    mov rbp, [rdi + 48]
    mov rsp, [rdi + 56]
    mov r8, [rdi + 64]
    mov r9, [rdi + 72]
    mov r10, [rdi + 80]
    mov r12, [rdi + 96]
    mov r13, [rdi + 104]
    mov r14, [rdi + 112]
    mov r15, [rdi + 120]
    mov rdi, [rdi + 40]
    swapgs
    sysretq
2:
    push {user_data}
    push qword ptr [rdi + 56]
    push qword ptr [rdi + 136]
    push {user_code}
    push qword ptr [rdi + 128]
    mov rax, [rdi]
    mov rbx, [rdi + 8]
    mov rcx, [rdi + 16]
    mov rdx, [rdi + 24]
    mov rsi, [rdi + 32]
    mov rbp, [rdi + 48]
    mov r8, [rdi + 64]
    mov r9, [rdi + 72]
    mov r10, [rdi + 80]
    mov r11, [rdi + 88]
    mov r12, [rdi + 96]
    mov r13, [rdi + 104]
    mov r14, [rdi + 112]
    mov r15, [rdi + 120]
    mov rdi, [rdi + 40]
    swapgs
    iretq

.balign 16
.globl system_call_entry
system_call_entry:
    swapgs
    mov gs:[16], rsp
    mov rsp, gs:[0]
    mov [rsp], rax
    mov [rsp + 8], rbx
    mov [rsp + 16], rcx
    mov [rsp + 24], rdx
    mov [rsp + 32], rsi
    mov [rsp + 40], rdi
    mov [rsp + 48], rbp
    mov rax, gs:[16]
    mov [rsp + 56], rax
    mov [rsp + 64], r8
    mov [rsp + 72], r9
    mov [rsp + 80], r10
    mov [rsp + 88], r11
    mov [rsp + 96], r12
    mov [rsp + 104], r13
    mov [rsp + 112], r14
    mov [rsp + 120], r15
    mov [rsp + 128], rcx
    mov [rsp + 136], r11
    mov dword ptr [rsp + 144], 256
    mov rsp, gs:[8]
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

// A trap's entry jumps here: the CPU pushed its frame to the area, the entry an error code and the vector.
.balign 16
.globl trap_from_user
trap_from_user:
    swapgs
    push rax
    mov rax, gs:[0]
    mov [rax + 8], rbx
    mov [rax + 16], rcx
    mov [rax + 24], rdx
    mov [rax + 32], rsi
    mov [rax + 40], rdi
    mov [rax + 48], rbp
    mov [rax + 64], r8
    mov [rax + 72], r9
    mov [rax + 80], r10
    mov [rax + 88], r11
    mov [rax + 96], r12
    mov [rax + 104], r13
    mov [rax + 112], r14
    mov [rax + 120], r15
    pop rbx
    mov [rax], rbx
    pop rbx
    mov [rax + 144], rbx
    pop rbx
    mov [rax + 152], rbx
    pop rbx
    mov [rax + 128], rbx
    pop rbx
    pop rbx
    mov [rax + 136], rbx
    pop rbx
    mov [rax + 56], rbx
    cld
    // The CPU has emptied SS, a system call loads it: QEMU would keep two translations of the kernel's code.
    mov ebx, {kernel_data}
    mov ss, ebx
    mov rsp, gs:[8]
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret
"#,
    user_data = const USER_DATA,
    user_code = const USER_CODE,
    kernel_data = const KERNEL_DATA,
);

unsafe extern "sysv64" {
    fn enter_user(registers: *mut Registers);
    fn system_call_entry();
}

const MSR_STAR: u32 = 0xc000_0081;
const MSR_LSTAR: u32 = 0xc000_0082;
const MSR_SYSCALL_MASK: u32 = 0xc000_0084;

/// Sets this CPU's entry for system calls.
pub(super) fn initialize() {
    // SYSRET takes its code segment at +16 and its stack segment at +8 from the upper half.
    let star = (u64::from(USER_CODE) - 16) << 48 | u64::from(KERNEL_CODE) << 32;
    // SAFETY: every x86-64 CPU has these registers. The entry switches stacks itself, with all flags that could disturb it cleared.
    unsafe {
        write_msr(MSR_STAR, star);
        write_msr(MSR_LSTAR, (system_call_entry as *const ()).addr() as u64);
        write_msr(MSR_SYSCALL_MASK, 0x25_7fd5);
    }
}

/// Runs user mode until the next trap.
#[inline]
pub(crate) fn enter(registers: &mut Registers) {
    debug_assert_ne!(area().addr(), 0);
    // SAFETY: the registers are exclusively borrowed until the return. User mode reaches user pages only, and every way out of it
    // leads to `enter_user`'s caller with its callee-saved registers and stack restored. The caller made sure that RIP is a user
    // address, so SYSRET and IRET cannot fault in the kernel.
    unsafe { enter_user(registers) };
}
