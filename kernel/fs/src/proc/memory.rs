//! `/proc/PID/smaps` and `/proc/PID/smaps_rollup`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::format::{area, kib};
use super::provider::Area;

pub(super) fn smaps(out: &mut Vec<u8>, areas: &[Area]) {
    for part in areas {
        area(out, part);
        let mut text = String::new();
        let size = kib(part.end - part.start);
        let _ = write!(
            text,
            "Size:           {size:8} kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\n"
        );
        sums(&mut text, core::slice::from_ref(part));
        text.push_str("THPeligible:           0\nVmFlags: ");
        for (on, flag) in [
            (part.access.0, "rd "),
            (part.access.1, "wr "),
            (part.access.2, "ex "),
            (part.shared, "sh "),
        ] {
            if on {
                text.push_str(flag);
            }
        }
        text.push_str("mr mw me \n");
        out.extend_from_slice(text.as_bytes());
    }
}

pub(super) fn smaps_rollup(out: &mut Vec<u8>, areas: &[Area]) {
    let whole = Area {
        start: areas.first().map_or(0, |part| part.start),
        end: areas.last().map_or(0, |part| part.end),
        name: b"[rollup]".to_vec(),
        ..Area::default()
    };
    area(out, &whole);
    let mut text = String::new();
    sums(&mut text, areas);
    out.extend_from_slice(text.as_bytes());
}

fn sums(out: &mut String, areas: &[Area]) {
    let sum = |of: fn(&Area) -> u64| kib(areas.iter().map(of).sum());
    let files = sum(|part| part.residence.files.resident);
    let anonymous = sum(|part| part.residence.anonymous.resident);
    let own_files = sum(|part| part.residence.files.private);
    let own_anonymous = sum(|part| part.residence.anonymous.private);
    let proportional = |part: &Area| part.residence.files.proportional + part.residence.anonymous.proportional;
    let locked = sum(|part| part.locked);
    let resident = files + anonymous;
    for (name, value) in [
        ("Rss:", resident),
        ("Pss:", sum(proportional)),
        ("Pss_Dirty:", sum(|part| part.residence.anonymous.proportional)),
        ("Shared_Clean:", files - own_files),
        ("Shared_Dirty:", anonymous - own_anonymous),
        ("Private_Clean:", own_files),
        ("Private_Dirty:", own_anonymous),
        ("Referenced:", resident),
        ("Anonymous:", anonymous),
        ("KSM:", 0),
        ("LazyFree:", 0),
        ("AnonHugePages:", 0),
        ("ShmemPmdMapped:", 0),
        ("FilePmdMapped:", 0),
        ("Shared_Hugetlb:", 0),
        ("Private_Hugetlb:", 0),
        ("Swap:", 0),
        ("SwapPss:", 0),
        ("Locked:", locked),
    ] {
        let _ = writeln!(out, "{name:<16}{value:8} kB");
    }
}
