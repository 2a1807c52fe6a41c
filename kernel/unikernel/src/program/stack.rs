//! What a program finds on its stack: arguments, environment and the auxiliary vector (System V ABI, AMD64 supplement, 3.4.1).

use alloc::vec::Vec;
use core::ops::RangeInclusive;
use core::sync::atomic::Ordering;

use abi::Errno;
use linux_raw_sys::auxvec;

use super::Image;
use crate::memory::{AddressSpace, AreaFlags, AreaName, Place, Protection, Request};
use crate::process::Credentials;

/// Bytes that arguments and environment may take, with a pointer for each: a quarter of the stack within these limits.
const STRINGS: RangeInclusive<usize> = 128 << 10..=6 << 20;

/// The same for a stack that grows to a limit.
pub fn string_limit(stack_limit: usize) -> usize {
    (stack_limit / 4).clamp(*STRINGS.start(), *STRINGS.end())
}

/// How a program starts.
pub struct Start<'a> {
    /// The program.
    pub program: &'a Image,
    /// Where its interpreter was loaded.
    pub interpreter_base: usize,
    /// Address of the vDSO, when there is one.
    pub vdso: Option<usize>,
    /// Path it was started by.
    pub path: &'a [u8],
    /// Arguments.
    pub arguments: &'a [Vec<u8>],
    /// Environment.
    pub environment: &'a [Vec<u8>],
    /// Who it runs as.
    pub credentials: &'a Credentials,
    /// Whether it has rights that its user does not have.
    pub is_secure: bool,
    /// Whether places in memory are to be unpredictable.
    pub varies: bool,
}

/// Makes the stack and fills it. Returns the stack pointer and the auxiliary vector.
pub async fn build_stack(memory: &AddressSpace, start: &Start<'_>) -> Result<(usize, Vec<(u64, u64)>), Errno> {
    let top = memory.layout.stack_top;
    let bytes: usize = start
        .arguments
        .iter()
        .chain(start.environment)
        .map(|string| string.len() + 1 + 8)
        .sum();
    if bytes + start.path.len() + 1 > string_limit(memory.stack_limit.load(Ordering::Relaxed)) {
        return Err(Errno::TOOBIG);
    }
    let initial = (bytes + start.path.len() + 8192).next_multiple_of(hal::mem::PAGE_SIZE) + (128 << 10);
    memory.map(
        Place::Fixed(top - initial),
        initial,
        Request {
            protection: Protection::READ | Protection::WRITE,
            flags: AreaFlags::GROWS_DOWN,
            backing: None,
            name: Some(alloc::sync::Arc::new(AreaName {
                path: b"[stack]".to_vec(),
                device: 0,
                inode: 0,
            })),
        },
    )?;

    // Strings go to the top, in one piece.
    let mut strings = Vec::new();
    let mut place = |string: &[u8]| {
        let offset = strings.len();
        strings.extend_from_slice(string);
        strings.push(0);
        offset
    };
    let arguments: Vec<usize> = start.arguments.iter().map(|string| place(string)).collect();
    let environment: Vec<usize> = start.environment.iter().map(|string| place(string)).collect();
    let path = place(start.path);
    let platform = place(b"x86_64");
    let random = strings.len();
    strings.extend_from_slice(&hal::random::number().to_ne_bytes());
    strings.extend_from_slice(&hal::random::number().to_ne_bytes());
    // The ABI leaves a word of zero at the very end; some room below keeps the top line unpredictable within the page.
    let jitter = if start.varies {
        hal::random::number() as usize & 0x1ff0
    } else {
        0
    };
    let strings_at = (top - 8 - jitter - strings.len()) & !15;

    let credentials = start.credentials;
    let mut auxiliary: Vec<(u64, u64)> = Vec::with_capacity(24);
    let mut add = |kind: u32, value: usize| auxiliary.push((u64::from(kind), value as u64));
    if let Some(vdso) = start.vdso {
        add(auxvec::AT_SYSINFO_EHDR, vdso);
    }
    add(auxvec::AT_HWCAP, hal::cpu::hardware_capabilities().0);
    add(auxvec::AT_PAGESZ, hal::mem::PAGE_SIZE);
    add(auxvec::AT_CLKTCK, 100);
    add(auxvec::AT_PHDR, start.program.program_headers);
    add(auxvec::AT_PHENT, super::elf::PROGRAM_HEADER_SIZE);
    add(auxvec::AT_PHNUM, start.program.program_header_count);
    add(auxvec::AT_BASE, start.interpreter_base);
    add(auxvec::AT_FLAGS, 0);
    add(auxvec::AT_ENTRY, start.program.entry);
    add(auxvec::AT_UID, credentials.uid as usize);
    add(auxvec::AT_EUID, credentials.euid as usize);
    add(auxvec::AT_GID, credentials.gid as usize);
    add(auxvec::AT_EGID, credentials.egid as usize);
    add(auxvec::AT_SECURE, usize::from(start.is_secure));
    add(auxvec::AT_RANDOM, strings_at + random);
    add(auxvec::AT_HWCAP2, hal::cpu::hardware_capabilities().1);
    add(auxvec::AT_EXECFN, strings_at + path);
    add(auxvec::AT_PLATFORM, strings_at + platform);
    add(auxvec::AT_MINSIGSTKSZ, crate::signal::MINIMUM_STACK);
    add(auxvec::AT_NULL, 0);

    let mut words = Vec::with_capacity(arguments.len() + environment.len() + 4 + auxiliary.len() * 2);
    words.push(arguments.len() as u64);
    words.extend(arguments.iter().map(|offset| (strings_at + offset) as u64));
    words.push(0);
    words.extend(environment.iter().map(|offset| (strings_at + offset) as u64));
    words.push(0);
    words.extend(auxiliary.iter().flat_map(|&(kind, value)| [kind, value]));
    let stack_pointer = (strings_at - words.len() * 8) & !15;

    memory.poke(strings_at, &strings).await?;
    memory
        .poke(stack_pointer, zerocopy::IntoBytes::as_bytes(words.as_slice()))
        .await?;
    auxiliary.pop();
    Ok((stack_pointer, auxiliary))
}
