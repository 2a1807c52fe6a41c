//! The shared object that the kernel maps into every process, with the clock functions that need no system call (vdso(7)).
//!
//! Two pages: the clock's data, which the kernel writes and user mode reads, and behind it the object, whose code finds the data a page
//! before itself. Its symbols have the version that Linux gives them, without which Go's runtime crashes.

use core::arch::global_asm;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};

use crate::mem::{Frame, PAGE_SIZE};
use crate::sync::SpinLock;

global_asm!(
    r#"
.section .rodata
.balign 16
.globl vdso_start
vdso_start:
    // ELF header: 64-bit, little-endian, shared object, x86-64.
    .byte 0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0
    .quad 0
    .word 3, 62
    .long 1
    .quad 0
    .quad vdso_segments - vdso_start
    .quad 0
    .long 0
    .word 64, 56, 2, 64, 0, 0
vdso_segments:
    // PT_LOAD, readable and executable.
    .long 1, 5
    .quad 0, 0, 0
    .quad vdso_end - vdso_start, vdso_end - vdso_start, 4096
    // PT_DYNAMIC, readable.
    .long 2, 4
    .quad vdso_dynamic - vdso_start, vdso_dynamic - vdso_start, vdso_dynamic - vdso_start
    .quad vdso_dynamic_end - vdso_dynamic, vdso_dynamic_end - vdso_dynamic, 8
vdso_dynamic:
    .quad 14, vdso_soname - vdso_strings                // DT_SONAME
    .quad 4, vdso_hash - vdso_start                     // DT_HASH
    .quad 5, vdso_strings - vdso_start                  // DT_STRTAB
    .quad 6, vdso_symbols - vdso_start                  // DT_SYMTAB
    .quad 10, vdso_strings_end - vdso_strings           // DT_STRSZ
    .quad 11, 24                                        // DT_SYMENT
    .quad 0x6ffffff0, vdso_symbol_versions - vdso_start // DT_VERSYM
    .quad 0x6ffffffc, vdso_versions - vdso_start        // DT_VERDEF
    .quad 0x6ffffffd, 2                                 // DT_VERDEFNUM
    .quad 0, 0
vdso_dynamic_end:
vdso_symbols:
    .quad 0, 0, 0
    // Name, global function, default visibility, any defined section, value, size.
    .long vdso_name_1 - vdso_strings
    .byte 0x12, 0
    .word 1
    .quad vdso_clock_gettime - vdso_start, vdso_gettimeofday - vdso_clock_gettime
    .long vdso_name_2 - vdso_strings
    .byte 0x12, 0
    .word 1
    .quad vdso_gettimeofday - vdso_start, vdso_time - vdso_gettimeofday
    .long vdso_name_3 - vdso_strings
    .byte 0x12, 0
    .word 1
    .quad vdso_time - vdso_start, vdso_read - vdso_time
vdso_hash:
    // One bucket: the chain goes through all symbols.
    .long 1, 4
    .long 1
    .long 0, 2, 3, 0
vdso_versions:
    // Structure version, flags (the object's own name), index, names, hash of the name, where the name is, where the next is.
    .word 1, 1, 1, 1
    .long 0xdeebfa1, 20, 28
    .long vdso_soname - vdso_strings, 0
    .word 1, 0, 2, 1
    .long 0x3ae75f6, 20, 0
    .long vdso_version - vdso_strings, 0
vdso_symbol_versions:
    .word 0, 2, 2, 2
vdso_strings:
    .byte 0
vdso_soname:
    .asciz "linux-vdso.so.1"
vdso_version:
    .asciz "LINUX_2.6"
vdso_name_1:
    .asciz "__vdso_clock_gettime"
vdso_name_2:
    .asciz "__vdso_gettimeofday"
vdso_name_3:
    .asciz "__vdso_time"
vdso_strings_end:

.balign 16
vdso_clock_gettime:                     // edi: clock, rsi: struct timespec
    cmp edi, 8
    jae 3f
    mov eax, 0xf3                       // all but the CPU-time clocks, 2 and 3
    bt eax, edi
    jnc 3f
    call vdso_read
    mov edx, 0x21                       // CLOCK_REALTIME and its coarse form count from 1970
    bt edx, edi
    jnc 2f
    add rax, r9
2:  xor edx, edx
    mov ecx, 1000000000
    div rcx
    mov [rsi], rax
    mov [rsi + 8], rdx
    xor eax, eax
    ret
3:  mov eax, 228
    syscall
    ret

.balign 16
vdso_gettimeofday:                      // rdi: struct timeval, rsi: struct timezone
    test rdi, rdi
    jz 2f
    call vdso_read
    add rax, r9
    xor edx, edx
    mov ecx, 1000000000
    div rcx
    mov [rdi], rax
    mov eax, edx
    xor edx, edx
    mov ecx, 1000
    div ecx
    mov [rdi + 8], rax
2:  xor eax, eax
    test rsi, rsi
    jz 3f
    mov [rsi], rax
3:  ret

.balign 16
vdso_time:                              // rdi: time_t
    call vdso_read
    add rax, r9
    xor edx, edx
    mov ecx, 1000000000
    div rcx
    test rdi, rdi
    jz 2f
    mov [rdi], rax
2:  ret

.balign 16
vdso_read:                              // rax: nanoseconds since boot, r9: add them for the time of day
    lea r8, [rip + vdso_start - 4096]
2:  mov r10, [r8]
    test r10b, 1
    jnz 2b
    rdtsc
    shl rdx, 32
    or rax, rdx
    sub rax, [r8 + 8]
    jae 3f
    xor eax, eax                        // another CPU's counter may be a little behind
3:  mul qword ptr [r8 + 24]
    shrd rax, rdx, 32
    add rax, [r8 + 16]
    mov r9, [r8 + 32]
    cmp r10, [r8]
    jne 2b
    ret
.globl vdso_end
vdso_end:
"#
);

unsafe extern "C" {
    static vdso_start: u8;
    static vdso_end: u8;
}

/// The clock, as the object's code reads it.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    /// The time stamp at the base.
    pub(super) base_stamp: u64,
    /// Nanoseconds since boot at the base.
    pub(super) base_time: u64,
    /// Nanoseconds for each 2^32 ticks.
    pub(super) multiplier: u64,
    /// What to add for nanoseconds since 1970.
    pub(super) realtime_offset: u64,
}

static PAGES: SpinLock<Option<[Frame; 2]>> = SpinLock::new(None);
/// The words of the data page: a number that is odd while they change, then those of `Clock`.
static DATA: AtomicPtr<[AtomicU64; 5]> = AtomicPtr::new(core::ptr::null_mut());

/// Makes the pages.
pub(super) fn initialize() {
    let [data, object] = [(); 2].map(|()| Frame::allocate_zeroed().expect("there is memory for the clock's pages"));
    let start = &raw const vdso_start;
    let length = (&raw const vdso_end).addr() - start.addr();
    assert!(length <= PAGE_SIZE);
    // SAFETY: the object lies between the two symbols and is never written.
    object.write(0, unsafe { core::slice::from_raw_parts(start, length) });
    DATA.store(data.pointer().cast(), Ordering::Release);
    *PAGES.lock() = Some([data, object]);
}

/// Tells user mode how the clock goes.
pub(super) fn publish(clock: Clock) {
    let data = DATA.load(Ordering::Acquire);
    if data.is_null() {
        return;
    }
    // SAFETY: the page lives for ever (`PAGES`), and user mode maps it without write.
    let [sequence, words @ ..] = unsafe { &*data };
    sequence.fetch_add(1, Ordering::AcqRel);
    fence(Ordering::Release);
    let values = [
        clock.base_stamp,
        clock.base_time,
        clock.multiplier,
        clock.realtime_offset,
    ];
    for (word, value) in words.iter().zip(values) {
        word.store(value, Ordering::Relaxed);
    }
    sequence.fetch_add(1, Ordering::AcqRel);
}

/// The data page and the object's page, to be mapped one behind the other.
pub(crate) fn vdso_pages() -> Option<[Frame; 2]> {
    PAGES.lock().clone()
}
