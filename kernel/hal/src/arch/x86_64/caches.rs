//! The CPU's caches (CPUID: Intel SDM volume 2A, AMD64 Architecture Programmer's Manual volume 3, appendix E.4).

use super::instructions::cpuid_count;
use crate::cpu::Cache;

/// "Deterministic cache parameters" of Intel's CPUs, and AMD's leaf of the same format. Each is empty on the other's.
const LEAVES: [u32; 2] = [4, 0x8000_001d];
const LAST_OF_BEFORE: u32 = 0x8000_0006;

pub(crate) fn cache(number: u32) -> Option<Cache> {
    let has = |leaf: u32| leaf <= cpuid_count(leaf & 0x8000_0000, 0).eax;
    let is_filled = |leaf: &u32| has(*leaf) && cpuid_count(*leaf, 0).eax & 0x1f != 0;
    match LEAVES.into_iter().find(is_filled) {
        Some(leaf) => described(leaf, number),
        None if has(LAST_OF_BEFORE) => before(number),
        None => None,
    }
}

fn described(leaf: u32, number: u32) -> Option<Cache> {
    let part = cpuid_count(leaf, number);
    let kind = match part.eax & 0x1f {
        1 => "Data",
        2 => "Instruction",
        3 => "Unified",
        _ => return None,
    };
    let partitions = (part.ebx >> 12 & 0x3ff) + 1;
    Some(Cache {
        level: part.eax >> 5 & 7,
        kind,
        line: (part.ebx & 0xfff) + 1,
        ways: ((part.ebx >> 22) + 1) * partitions,
        sets: part.ecx.wrapping_add(1),
        sharers: ((part.eax >> 14 & 0xfff) + 1).next_power_of_two(),
    })
}

/// What AMD's CPUs said before that leaf, and QEMU's own emulation says: sizes in KiB, and codes for the ways of the farther caches.
fn before(number: u32) -> Option<Cache> {
    const WAYS: [u8; 16] = [0, 1, 2, 3, 4, 6, 8, 0, 16, 0, 32, 48, 64, 96, 128, 0];
    let (near, far) = (cpuid_count(0x8000_0005, 0), cpuid_count(LAST_OF_BEFORE, 0));
    let coded = |word: u32| WAYS[(word >> 12 & 0xf) as usize].into();
    let (level, kind, word, kibibytes, ways, sharers) = match number {
        0 => (1, "Data", near.ecx, near.ecx >> 24, near.ecx >> 16 & 0xff, 1),
        1 => (1, "Instruction", near.edx, near.edx >> 24, near.edx >> 16 & 0xff, 1),
        2 => (2, "Unified", far.ecx, far.ecx >> 16, coded(far.ecx), 1),
        3 => (3, "Unified", far.edx, (far.edx >> 18) * 512, coded(far.edx), 64),
        _ => return None,
    };
    let line = word & 0xff;
    let sets = (u64::from(kibibytes) * 1024).checked_div(u64::from(line * ways))? as u32;
    (sets > 0).then_some(Cache {
        level,
        kind,
        line,
        ways,
        sets,
        sharers,
    })
}
