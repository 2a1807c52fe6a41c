//! Moving bytes, in the kernel and to and from user memory.
//!
//! All of it is assembly: the compiler knows nothing about memory that user code may change at the same time.

use core::arch::{asm, global_asm};

use super::features::{Features, features};

global_asm!(
    r#"
.section .text
// rdi: destination, rsi: source, rdx: bytes. Returns in rax how many are left. Loads and stores may fault: a fault in a block of
// words goes on byte by byte, one there ends the copy. What is less than a word at the end is moved as the last word, some of it again.
.balign 16
.globl copy_until_fault
copy_until_fault:
    cmp rdx, 8
    jb 6f
    cmp rdx, 64
    jb 4f
2:
.set PART, 0
.rept 8
9:  mov rax, [rsi + PART]
8:  mov [rdi + PART], rax
    .pushsection .exception_table, "a"
    .long 9b - ., 6f - .
    .long 8b - ., 6f - .
    .popsection
    .set PART, PART + 8
.endr
    add rsi, 64
    add rdi, 64
    sub rdx, 64
    cmp rdx, 64
    jae 2b
    cmp rdx, 8
    jb 3f
4:  mov rax, [rsi]
5:  mov [rdi], rax
    .pushsection .exception_table, "a"
    .long 4b - ., 6f - .
    .long 5b - ., 6f - .
    .popsection
    add rsi, 8
    add rdi, 8
    sub rdx, 8
    cmp rdx, 8
    jae 4b
3:  test rdx, rdx
    jz 9f
7:  mov rax, [rsi + rdx - 8]
8:  mov [rdi + rdx - 8], rax
    .pushsection .exception_table, "a"
    .long 7b - ., 6f - .
    .long 8b - ., 6f - .
    .popsection
    xor eax, eax
    ret
6:  test rdx, rdx
    jz 9f
7:  mov al, [rsi]
8:  mov [rdi], al
    .pushsection .exception_table, "a"
    .long 7b - ., 9f - .
    .long 8b - ., 9f - .
    .popsection
    inc rsi
    inc rdi
    dec rdx
    jmp 6b
9:  mov rax, rdx
    ret

// rdi: destination, rsi: eight copies of the byte, rdx: bytes. Returns in rax how many are left.
.balign 16
.globl fill_until_fault
fill_until_fault:
    cmp rdx, 8
    jb 6f
    cmp rdx, 64
    jb 5f
2:
.set PART, 0
.rept 8
8:  mov [rdi + PART], rsi
    .pushsection .exception_table, "a"
    .long 8b - ., 6f - .
    .popsection
    .set PART, PART + 8
.endr
    add rdi, 64
    sub rdx, 64
    cmp rdx, 64
    jae 2b
    cmp rdx, 8
    jb 3f
5:  mov [rdi], rsi
    .pushsection .exception_table, "a"
    .long 5b - ., 6f - .
    .popsection
    add rdi, 8
    sub rdx, 8
    cmp rdx, 8
    jae 5b
3:  test rdx, rdx
    jz 9f
8:  mov [rdi + rdx - 8], rsi
    .pushsection .exception_table, "a"
    .long 8b - ., 6f - .
    .popsection
    xor eax, eax
    ret
6:  test rdx, rdx
    jz 9f
8:  mov [rdi], sil
    .pushsection .exception_table, "a"
    .long 8b - ., 9f - .
    .popsection
    inc rdi
    dec rdx
    jmp 6b
9:  mov rax, rdx
    ret
"#
);

unsafe extern "sysv64" {
    fn copy_until_fault(destination: *mut u8, source: *const u8, length: usize) -> usize;
    fn fill_until_fault(destination: *mut u8, word: usize, length: usize) -> usize;
}

/// Copies bytes that must not overlap.
///
/// # Safety
/// As `ptr::copy_nonoverlapping`, but others may write either side at the same time.
#[inline]
pub(crate) unsafe fn copy_memory(destination: *mut u8, source: *const u8, length: usize) {
    // SAFETY: the caller's promise; kernel memory does not fault.
    unsafe { copy_until_fault(destination, source, length) };
}

/// Sets bytes.
///
/// # Safety
/// As `ptr::write_bytes`, but others may access them at the same time.
#[inline]
pub(crate) unsafe fn fill_memory(destination: *mut u8, value: u8, length: usize) {
    // SAFETY: as in `copy_memory`.
    unsafe { fill_until_fault(destination, usize::from(value) * (usize::MAX / 255), length) };
}

/// Lets the kernel reach user pages while `access` runs.
#[inline]
fn with_user_access<T>(access: impl FnOnce() -> T) -> T {
    if !features().contains(Features::SMAP) {
        return access();
    }
    // SAFETY: the CPU has SMAP; `access` is one of the routines of this module.
    unsafe { asm!("stac", options(nostack)) };
    let result = access();
    // SAFETY: as above.
    unsafe { asm!("clac", options(nostack)) };
    result
}

/// Copies from user memory to the kernel's; gives how many bytes were not copied.
///
/// # Safety
/// The source range lies in user addresses; the destination is kernel memory of that length.
#[inline]
pub(crate) unsafe fn copy_from_user(destination: *mut u8, source: usize, length: usize) -> usize {
    let source = core::ptr::without_provenance(source);
    // SAFETY: a fault in user memory ends the copy; the kernel's side is valid.
    with_user_access(|| unsafe { copy_until_fault(destination, source, length) })
}

/// Copies from kernel memory to the user's; gives how many bytes were not copied.
///
/// # Safety
/// The destination range lies in user addresses; the source is kernel memory of that length.
#[inline]
pub(crate) unsafe fn copy_to_user(destination: usize, source: *const u8, length: usize) -> usize {
    let destination = core::ptr::without_provenance_mut(destination);
    // SAFETY: as above.
    with_user_access(|| unsafe { copy_until_fault(destination, source, length) })
}

/// Copies from kernel memory that may not be there; gives how many bytes were not copied.
pub(super) fn copy_if_present(destination: &mut [u8], source: usize) -> usize {
    // SAFETY: the destination is the slice; a fault at the source ends the copy.
    unsafe {
        copy_until_fault(
            destination.as_mut_ptr(),
            core::ptr::with_exposed_provenance(source),
            destination.len(),
        )
    }
}

/// Sets bytes of user memory; gives how many were not set.
///
/// # Safety
/// The range lies in user addresses.
pub(crate) unsafe fn fill_user(destination: usize, value: u8, length: usize) -> usize {
    let destination = core::ptr::without_provenance_mut(destination);
    let word = usize::from(value) * (usize::MAX / 255);
    // SAFETY: a fault ends it.
    with_user_access(|| unsafe { fill_until_fault(destination, word, length) })
}

/// Reads a user word in one access; `None` on a fault.
///
/// # Safety
/// The address is a user address.
pub(crate) unsafe fn load_user_u32(address: usize) -> Option<u32> {
    let (mut value, mut failed) = (0u32, 1u32);
    with_user_access(|| {
        // SAFETY: the caller's promise; a fault goes on at 3 with `failed` still set.
        unsafe {
            asm!(
                "2: mov {value:e}, [{address}]",
                "xor {failed:e}, {failed:e}",
                "3:",
                ".pushsection .exception_table, \"a\"",
                ".long 2b - ., 3b - .",
                ".popsection",
                value = inout(reg) value, failed = inout(reg) failed, address = in(reg) address,
                options(nostack),
            );
        }
    });
    (failed == 0).then_some(value)
}

/// Writes `new` when the user word is `current`; gives what it was, or `None` on a fault.
///
/// # Safety
/// The address is a user address.
pub(crate) unsafe fn compare_exchange_user_u32(address: usize, current: u32, new: u32) -> Option<u32> {
    let (mut found, mut failed) = (current, 1u32);
    with_user_access(|| {
        // SAFETY: as in `load_user_u32`.
        unsafe {
            asm!(
                "2: lock cmpxchg [{address}], {new:e}",
                "mov {failed:e}, 0",
                "3:",
                ".pushsection .exception_table, \"a\"",
                ".long 2b - ., 3b - .",
                ".popsection",
                new = in(reg) new, failed = inout(reg) failed, address = in(reg) address, inout("eax") found,
                options(nostack),
            );
        }
    });
    (failed == 0).then_some(found)
}
