//! The boot sector, and the stage's way from real mode to 64-bit mode and back.
//!
//! Below 64 KiB: page tables at 0x1000, the memory map at 0x4000, the hand-over at 0x5000, the trampoline at 0x6000, this from 0x7c00 on. The
//! stack lies from 0x10000 to 0x1ffff, for both modes; what is read from the disk at 0x20000.
//!
//! Interrupts come in real mode only, where they are BIOS's. Its interrupt table stays loaded throughout.

use core::arch::global_asm;

global_asm!(
    r#"
.section .boot, "ax"
.code16
.globl boot_sector
boot_sector:
    cli
    cld
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    sti
    .byte 0xea                          // BIOS may have come by another segment
    .word boot_start
    .word 0
boot_start:
    push dx                             // dl: the drive
    mov ah, 0x41                        // INT 13h extensions?
    mov bx, 0x55aa
    int 0x13
    mov si, offset no_extensions
    jc fail
    cmp bx, 0xaa55
    jne fail
    pop dx
    push dx
    mov si, offset boot_packet
    mov ah, 0x42
    int 0x13
    mov si, offset unreadable
    jc fail
    mov si, offset no_stage
    cmp dword ptr [0x7e08], 0x6b696e75  // "unik"
    jne fail
    pop dx
    .byte 0xea
    .word stage_start
    .word 0

// Shows the text at si on the screen and the first serial port, and stops.
fail:
    mov ax, 0x00e3                      // 9600 baud, 8 bits
    xor dx, dx
    int 0x14
2:  lodsb
    test al, al
    jz 3f
    push ax
    mov ah, 0x0e
    mov bx, 7
    int 0x10
    pop ax
    mov ah, 1
    xor dx, dx
    int 0x14
    jmp 2b
3:  hlt
    jmp 3b

no_extensions:
    .asciz "unikernel: this BIOS cannot read disks by sector number; use another one, or UEFI.\r\n"
unreadable:
    .asciz "unikernel: the boot loader cannot be read from the disk.\r\n"
no_stage:
    .asciz "unikernel: the boot loader is damaged; write the image to the disk again.\r\n"

.org 424
boot_packet:
    .byte 16, 0
    .word stage_sectors
    .word 0x7e00, 0
    .quad 0                             // the image builder puts the stage's sector here
.org 510
    .word 0xaa55

.section .stage, "ax"
.code16
.globl stage_start
stage_start:
    jmp stage_entry
    .balign 8
    .ascii "unikernl"
.globl kernel_sector
kernel_sector: .quad 0                  // the image builder puts them here
.globl kernel_size
kernel_size: .long 0

stage_entry:
    mov [drive], dl
    mov ax, 0x1000
    cli
    mov ss, ax
    mov sp, 0xfff8
    sti
    mov si, offset not_64
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb fail
    mov eax, 0x80000001
    cpuid
    bt edx, 29
    jnc fail

    mov ax, 0x2401                      // A20
    int 0x15
    in al, 0x92
    test al, 2
    jnz 2f
    or al, 2
    and al, 0xfe
    out 0x92, al
2:
    xor ebx, ebx
    mov di, 0x4000
2:  mov eax, 0xe820
    mov ecx, 24
    mov edx, 0x534d4150
    int 0x15
    jc 3f
    cmp eax, 0x534d4150
    jne 3f
    add di, 24
    inc dword ptr [map_count]
    test ebx, ebx
    jz 3f
    cmp di, 0x4000 + 128 * 24
    jb 2b
3:
    xor ax, ax
    mov es, ax
    mov di, 0x1000
    mov cx, 0x3000 / 2
    rep stosw
    mov word ptr [0x1000], 0x2003
    mov word ptr [0x2000], 0x3003
    mov eax, 0x83                       // present, writable, large: the first GiB onto itself
    mov di, 0x3000
2:  mov [di], eax
    add eax, 0x200000
    add di, 8
    cmp di, 0x4000
    jb 2b

    mov eax, offset bios_main
    .byte 0x66, 0x6a, 0x00              // push dword 0
    push eax

// From real mode to the 64-bit address on the stack.
enter_long:
    cli
    lgdt [gdt_pointer]
    mov eax, cr4
    or eax, 0x20                        // PAE
    mov cr4, eax
    mov eax, 0x1000
    mov cr3, eax
    mov ecx, 0xc0000080                 // EFER
    rdmsr
    or eax, 0x100                       // LME
    wrmsr
    mov eax, cr0
    or eax, 0x80000001                  // PG, PE
    mov cr0, eax
    .byte 0xea
    .word long_mode
    .word 0x08
.code64
long_mode:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    movzx esp, sp
    add rsp, 0x10000
    ret

// Runs the real-mode routine at edi and returns what it leaves in ax.
.globl call_real
call_real:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov [rip + routine], di
    lea rax, [rip + 5f]
    push rax
    push 0x18
    lea rax, [rip + 4f]
    push rax
    retfq
.code16
4:  mov ax, 0x20
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, cr0
    and eax, 0x7fffffff                 // PG
    mov cr0, eax
    mov ecx, 0xc0000080                 // EFER
    rdmsr
    and eax, 0xfffffeff                 // LME
    wrmsr
    mov eax, cr0
    and al, 0xfe                        // PE
    mov cr0, eax
    .byte 0xea
    .word real_mode
    .word 0
real_mode:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ax, 0x1000
    mov ss, ax
    movzx esp, sp
    sti
    call word ptr [routine]
    cli
    mov [result], ax
    jmp enter_long
.code64
5:  pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    movzx eax, word ptr [rip + result]
    ret

.code16
// Reads what the packet says; the status of BIOS, with a higher bit, when it fails.
.globl read_disk
read_disk:
    mov si, offset disk_packet
    mov dl, [drive]
    mov ah, 0x42
    int 0x13
    mov al, ah
    mov ah, 1
    jc 2f
    xor ax, ax
2:  .byte 0xc3                          // the assembler's ret pops 32 bits

.globl show_character
show_character:
    mov al, [character]
    mov ah, 0x0e
    mov bx, 7
    int 0x10
    .byte 0xc3

.balign 8
gdt:
    .quad 0
    .quad 0x00af9a000000ffff            // 64-bit code
    .quad 0x00cf92000000ffff            // data
    .quad 0x00009a000000ffff            // 16-bit code
    .quad 0x000092000000ffff            // 16-bit data
gdt_pointer:
    .word 39
    .long gdt
.balign 8
.globl disk_packet
disk_packet:
    .byte 16, 0
    .word 0
    .word 0, 0x2000                     // to 0x20000
    .quad 0
.globl map_count
map_count: .long 0
routine: .word 0
result: .word 0
drive: .byte 0
.globl character
character: .byte 0
not_64:
    .asciz "unikernel: this machine's CPU has no 64-bit mode, which the kernel needs.\r\n"
.code64
.text
"#
);
