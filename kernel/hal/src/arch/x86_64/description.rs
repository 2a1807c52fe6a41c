//! What the CPU says of itself (CPUID, Intel SDM volume 2A).

use alloc::string::String;
use alloc::vec::Vec;

use super::clock;
use super::instructions::cpuid_count;
use crate::cpu::Description;

/// Names of the bits of leaf 1, EDX; `-` where it has none.
const LEAF_1_D: &str = "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe";
/// Leaf 1, ECX.
const LEAF_1_C: &str = "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - avx f16c rdrand hypervisor";
/// Leaf 7, EBX.
const LEAF_7_B: &str = "fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx rdt_a avx512f avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl";
/// Leaf `0x8000_0001`, EDX: what leaf 1 has not.
const EXTENDED_D: &str =
    "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm 3dnowext 3dnow";
/// Leaf `0x8000_0001`, ECX.
const EXTENDED_C: &str = "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb - bpext ptsc perfctr_llc mwaitx";

fn add_flags(flags: &mut Vec<&'static str>, names: &'static str, word: u32) {
    let bits = names.split(' ').enumerate();
    flags.extend(bits.filter_map(|(bit, name)| (name != "-" && word >> bit & 1 != 0).then_some(name)));
}

fn text(words: &[u32]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let text = String::from_utf8_lossy(&bytes);
    String::from(text.trim_matches(['\0', ' ']))
}

pub(crate) fn description() -> Description {
    let basic = cpuid_count(0, 0);
    let extended = cpuid_count(0x8000_0000, 0).eax;
    let one = cpuid_count(1, 0);
    let version = one.eax;
    let (base_family, base_model) = (version >> 8 & 0xf, version >> 4 & 0xf);
    let family = if base_family == 0xf {
        base_family + (version >> 20 & 0xff)
    } else {
        base_family
    };
    let model = if base_family == 0xf || base_family == 6 {
        base_model | version >> 12 & 0xf0
    } else {
        base_model
    };
    let mut flags = Vec::new();
    add_flags(&mut flags, LEAF_1_D, one.edx);
    if extended >= 0x8000_0001 {
        let more = cpuid_count(0x8000_0001, 0);
        add_flags(&mut flags, EXTENDED_D, more.edx);
        add_flags(&mut flags, LEAF_1_C, one.ecx);
        add_flags(&mut flags, EXTENDED_C, more.ecx);
    }
    if basic.eax >= 7 {
        add_flags(&mut flags, LEAF_7_B, cpuid_count(7, 0).ebx);
    }
    let name = if extended >= 0x8000_0004 {
        let words = (0x8000_0002..=0x8000_0004).flat_map(|leaf| {
            let part = cpuid_count(leaf, 0);
            [part.eax, part.ebx, part.ecx, part.edx]
        });
        text(&words.collect::<Vec<_>>())
    } else {
        String::from("unknown")
    };
    Description {
        vendor: text(&[basic.ebx, basic.edx, basic.ecx]),
        name,
        signature: [family, model, version & 0xf],
        kilohertz: clock::frequency() / 1000,
        flags: flags.join(" "),
    }
}
