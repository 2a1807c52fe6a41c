//! From the PVH entry (32-bit, paging off, no stack) to `boot_main` at the kernel's random virtual address.
//!
//! The first page tables map the first GiB onto itself and the image where it will run, writable and executable: only until
//! `paging` has built the real ones. See the Xen documentation, "x86/HVM direct boot ABI".

use core::arch::global_asm;

global_asm!(
    r#"
.section .text.boot, "ax"
.code32
.globl pvh_start
pvh_start:
    cli
    cld
    mov esi, ebx                        // physical address of hvm_start_info
    mov edi, offset bss_start_physical
    mov ecx, offset bss_words
    xor eax, eax
    rep stosd

    mov edi, offset boot_tables_physical
    lea eax, [edi + 0x1000 + 3]         // root[0] -> directory of the identity
    mov [edi], eax
    lea eax, [edi + 0x2000 + 3]
    mov [edi + 0x1000], eax
    mov eax, 0x83                       // present, writable, large
    lea edx, [edi + 0x2000]
2:  mov [edx], eax
    add eax, 0x200000
    add edx, 8
    cmp eax, 0x40000083
    jb 2b

    mov cr3, edi
    mov eax, cr4
    or eax, 0x20                        // PAE
    mov cr4, eax
    mov ecx, 0xc0000080                 // EFER
    rdmsr
    or eax, 0x100                       // LME
    wrmsr
    mov eax, cr0
    and eax, 0x9fffffff                 // caches on
    or eax, 0x80010001                  // PG, WP, PE
    mov cr0, eax
    lgdt [boot_gdt_physical]
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    .byte 0xea
    .long boot_long_physical
    .word 0x08

.balign 8
.globl boot_gdt_pointer
.globl boot_gdt
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff            // 64-bit code
    .quad 0x00cf92000000ffff            // data
boot_gdt_pointer:
    .word 23
    .long boot_gdt_start_physical

.code64
.globl boot_long
boot_long:
    mov esi, esi
    // A random number: RDRAND where there is one, stirred with the time stamp.
    mov eax, 1
    cpuid
    xor r8d, r8d
    bt ecx, 30
    jnc 3f
    mov ecx, 16
2:  rdrand r8
    jc 3f
    dec ecx
    jnz 2b
3:  rdtsc
    shl rdx, 32
    or rax, rdx
    mov rcx, 0x9e3779b97f4a7c15
    imul rax, rcx
    xor r8, rax
    mov rax, r8
    shr rax, 29
    xor r8, rax
    mov rcx, 0xbf58476d1ce4e5b9
    imul r8, rcx
    mov rax, r8
    shr rax, 32
    xor r8, rax

    // Where the image runs: one of 254 slots of 512 GiB, any GiB in it, any 2 MiB of its first 992 MiB.
    mov rbx, r8
    mov eax, ebx
    and eax, 0xff
    mov ecx, 254
    xor edx, edx
    div ecx
    lea r9d, [edx + 257]                // root slot 257..510
    mov r10d, ebx
    shr r10d, 8
    and r10d, 511
    mov r11, rbx
    shr r11, 17
    and r11d, 511
    cmp r11d, 496
    jb 2f
    sub r11d, 496
2:
    mov edi, offset boot_tables_physical
    lea rax, [rdi + 0x3000 + 3]
    mov [rdi + r9 * 8], rax
    lea rax, [rdi + 0x4000 + 3]
    mov [rdi + r10 * 8 + 0x3000], rax
    lea rdx, [rdi + r11 * 8 + 0x4000]
    mov eax, offset load_physical
    or eax, 0x83
    mov ecx, offset image_pages_2m
2:  mov [rdx], rax
    add rax, 0x200000
    add rdx, 8
    dec ecx
    jnz 2b

    shl r9, 39
    shl r10, 30
    shl r11, 21
    mov r12, 0xffff000000000000
    or r12, r9
    or r12, r10
    or r12, r11                         // r12: the image's virtual base

    // Relocate: DT_RELR, an even entry names a word, an odd one is a bit map of the 63 words that follow.
    lea rdx, [rip + relr_start]
    lea rcx, [rip + relr_end]
    mov ebp, offset load_physical
4:  cmp rdx, rcx
    jae 8f
    mov rax, [rdx]
    add rdx, 8
    test al, 1
    jnz 5f
    lea rdi, [rbp + rax]
    add [rdi], r12
    add rdi, 8
    jmp 4b
5:  mov r13, rdi
6:  shr rax, 1
    jz 7f
    test al, 1
    jz 9f
    add [r13], r12
9:  add r13, 8
    jmp 6b
7:  add rdi, 63 * 8
    jmp 4b
8:
    lea rax, [rip + boot_high]
    sub rax, rbp
    add rax, r12
    jmp rax
boot_high:
    lea rsp, [rip + boot_stack_top]
    xor ebp, ebp
    mov edi, esi
    mov rsi, r12
    mov rdx, r8
    call boot_main
    ud2

.section .boot.bss, "aw", @nobits
.balign 4096
.globl boot_tables
boot_tables: .skip 5 * 4096
.globl boot_stack_top
.skip 16384
boot_stack_top:
"#
);
