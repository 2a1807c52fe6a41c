//! From 64-bit mode to the kernel's entry in 32-bit mode.

use core::arch::global_asm;

// Independent of where it is, and writes to nothing but its stack, and to where parts of the kernel go.
global_asm!(
    r#"
.section .text.trampoline, "ax"
.globl loader_trampoline
.globl loader_trampoline_end
.code64
loader_trampoline:                      // edi: entry, esi: start information, edx: moves
    mov ebp, edi
    mov ebx, esi
    cli
    cld
    lea rax, [rip + trampoline_gdt]
    sub rsp, 16
    mov word ptr [rsp], 23
    mov [rsp + 2], rax
    lgdt [rsp]
    lea rax, [rip + trampoline_32]
    push 0x08
    push rax
    retfq
.code32
trampoline_32:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    mov eax, cr0
    and eax, 0x7fffffff                 // PG
    mov cr0, eax
    mov esp, edx
    mov ecx, 0xc0000080                 // EFER
    rdmsr
    and eax, 0xfffffeff                 // LME
    wrmsr
    mov edx, esp
    xor eax, eax
    mov cr4, eax
2:  mov ecx, [edx]                      // each move: bytes, from, to
    jecxz 3f
    mov esi, [edx + 4]
    mov edi, [edx + 8]
    rep movsb
    add edx, 12
    jmp 2b
3:  jmp ebp
.balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00cf9a000000ffff            // 32-bit code
    .quad 0x00cf92000000ffff            // data
loader_trampoline_end:
.code64
.text
"#
);

unsafe extern "C" {
    static loader_trampoline: u8;
    static loader_trampoline_end: u8;
}

const MOST_MOVES: usize = 16;

/// Bytes that go to where the kernel has to be when nothing of the firmware is needed any more. Addresses are physical.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Move {
    /// How many; 0 ends a list.
    pub bytes: u32,
    /// Where they are.
    pub from: u32,
    /// Where they go.
    pub to: u32,
}

/// The code that is the last to run of a loader, and what it reads: a page.
#[repr(C)]
pub struct Trampoline {
    moves: [Move; MOST_MOVES],
    code: [u8; 4096 - MOST_MOVES * size_of::<Move>()],
}

/// Leaves 64-bit mode by way of a copy of the trampoline at `page`, makes the moves, and jumps to `entry` with the address of the start
/// information.
///
/// # Safety
/// `page` is a page below 4 GiB that is mapped to itself, executable, and of no other use; the stack is mapped. No move writes to the page or to what a later one reads. After the moves, a kernel with its PVH entry at the physical address `entry`
/// is loaded, and `start_info` is the physical address of a [`Handover`](crate::Handover).
///
/// # Panics
/// When there are more moves than a kernel has segments.
pub unsafe fn enter(page: *mut Trampoline, moves: &[Move], start_info: u32, entry: u32) -> ! {
    let code = &raw const loader_trampoline;
    let length = (&raw const loader_trampoline_end).addr() - code.addr();
    let mut list = [Move::default(); MOST_MOVES];
    assert!(moves.len() < list.len(), "the kernel has too many segments");
    list[..moves.len()].copy_from_slice(moves);
    // SAFETY: by the caller's promise there is room, nothing else is there, and what the code needs is in place. It does not return.
    unsafe {
        (&raw mut (*page).moves).write(list);
        let copy = (&raw mut (*page).code).cast::<u8>();
        copy.copy_from_nonoverlapping(code, length);
        core::arch::asm!(
            "jmp rax", in("rax") copy, in("edi") entry, in("esi") start_info, in("edx") page.addr() as u32,
            options(noreturn)
        )
    }
}
