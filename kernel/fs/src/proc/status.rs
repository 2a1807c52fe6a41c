//! `/proc/PID/{stat,statm,status,io,limits}`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use hal::mem::PAGE_SIZE;

use super::format::{kib, ranges, ticks};
use super::provider::{Identity, Usage};

const PAGE: u64 = PAGE_SIZE as u64;

/// Names, and units, of the limits in the order of their numbers, and that order in the file.
const LIMITS: [(usize, &str, &str); 16] = [
    (0, "Max cpu time", "seconds"),
    (1, "Max file size", "bytes"),
    (2, "Max data size", "bytes"),
    (3, "Max stack size", "bytes"),
    (4, "Max core file size", "bytes"),
    (5, "Max resident set", "bytes"),
    (6, "Max processes", "processes"),
    (7, "Max open files", "files"),
    (8, "Max locked memory", "bytes"),
    (9, "Max address space", "bytes"),
    (10, "Max file locks", "locks"),
    (11, "Max pending signals", "signals"),
    (12, "Max msgqueue size", "bytes"),
    (13, "Max nice priority", ""),
    (14, "Max realtime priority", ""),
    (15, "Max realtime timeout", "us"),
];

pub(super) fn limits(out: &mut String, limits: &[(u64, u64); 16]) {
    let value = |limit: u64| match limit {
        u64::MAX => String::from("unlimited"),
        limit => alloc::format!("{limit}"),
    };
    let _ = writeln!(
        out,
        "{:<25} {:<20} {:<20} {:<10}",
        "Limit", "Soft Limit", "Hard Limit", "Units"
    );
    for (number, name, unit) in LIMITS {
        let (soft, hard) = limits[number];
        let _ = write!(out, "{name:<25} {:<20} {:<20} ", value(soft), value(hard));
        let _ = match unit {
            "" => writeln!(out),
            unit => writeln!(out, "{unit:<10}"),
        };
    }
}

pub(super) fn io(out: &mut String, usage: &Usage) {
    let ([read, written], [reads, writes]) = usage.transferred;
    let _ = write!(
        out,
        "rchar: {read}\nwchar: {written}\nsyscr: {reads}\nsyscw: {writes}\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n"
    );
}

pub(super) fn statm(out: &mut String, usage: &Usage) {
    let code = usage.code.1.saturating_sub(usage.code.0).div_ceil(PAGE);
    let data = usage.data.1.saturating_sub(usage.data.0) + usage.heap.1.saturating_sub(usage.heap.0);
    let _ = writeln!(
        out,
        "{} {} {} {code} 0 {} 0",
        usage.virtual_memory.0 / PAGE,
        usage.resident.0 / PAGE,
        usage.resident_files / PAGE,
        data.div_ceil(PAGE)
    );
}

/// The 52 fields of `/proc/PID/stat`, see `proc_pid_stat(5)`.
pub(super) fn stat(out: &mut Vec<u8>, identity: &Identity, usage: &Usage, threads: usize, memory_limit: u64) {
    let Identity {
        tid,
        parent,
        group,
        session,
        terminal,
        state,
        ..
    } = identity;
    let [_, _, blocked, ignored, caught] = identity.signals;
    let (minor, major) = usage.faults;
    out.extend_from_slice(alloc::format!("{tid} (").as_bytes());
    out.extend_from_slice(&identity.name);
    let priority = 20 + identity.nice;
    let foreground = if *terminal == 0 { -1 } else { identity.foreground };
    let text = alloc::format!(
        ") {state} {parent} {group} {session} {terminal} {foreground} 4194304 {minor} 0 {major} 0 {} {} 0 0 \
         {priority} {} {threads} 0 {} {} {} {memory_limit} {} {} {} 0 0 {} {} {} {} 0 0 0 17 {} 0 0 0 0 0 \
         {} {} {} {} {} {} {} 0\n",
        ticks(usage.user),
        ticks(usage.system),
        identity.nice,
        ticks(usage.started),
        usage.virtual_memory.0,
        usage.resident.0 / PAGE,
        usage.code.0,
        usage.code.1,
        usage.stack,
        identity.signals[0],
        blocked,
        ignored,
        caught,
        identity.cpu,
        usage.data.0,
        usage.data.1,
        usage.heap.0,
        usage.arguments.0,
        usage.arguments.1,
        usage.environment.0,
        usage.environment.1,
    );
    out.extend_from_slice(text.as_bytes());
}

/// `/proc/PID/status`.
pub(super) fn status(out: &mut Vec<u8>, identity: &Identity, usage: &Usage, threads: usize) {
    out.extend_from_slice(b"Name:\t");
    super::format::escape(out, &identity.name, b"\n\\");
    let mut text = String::new();
    let _ = status_identity(&mut text, identity);
    let _ = status_memory(&mut text, usage);
    let _ = status_rest(&mut text, identity, threads);
    out.extend_from_slice(text.as_bytes());
}

fn status_identity(out: &mut String, identity: &Identity) -> core::fmt::Result {
    let state = match identity.state {
        'R' => "R (running)",
        'D' => "D (disk sleep)",
        'T' => "T (stopped)",
        't' => "t (tracing stop)",
        'Z' => "Z (zombie)",
        'X' => "X (dead)",
        _ => "S (sleeping)",
    };
    let Identity {
        pid,
        tid,
        parent,
        uid,
        gid,
        ..
    } = identity;
    write!(
        out,
        "\nUmask:\t{:04o}\nState:\t{state}\nTgid:\t{pid}\nNgid:\t0\nPid:\t{tid}\nPPid:\t{parent}\nTracerPid:\t0\n",
        identity.umask
    )?;
    writeln!(out, "Uid:\t{}\t{}\t{}\t{}", uid[0], uid[1], uid[2], uid[3])?;
    writeln!(out, "Gid:\t{}\t{}\t{}\t{}", gid[0], gid[1], gid[2], gid[3])?;
    out.push_str("FDSize:\t256\nGroups:\t");
    for group in &identity.groups {
        write!(out, "{group} ")?;
    }
    let (group, session) = (identity.group, identity.session);
    // Linux leaves the blank behind the tab when there are no groups.
    if identity.groups.is_empty() {
        out.push(' ');
    }
    write!(
        out,
        "\nNStgid:\t{pid}\nNSpid:\t{tid}\nNSpgid:\t{group}\nNSsid:\t{session}\nKthread:\t0\n"
    )
}

fn status_memory(out: &mut String, usage: &Usage) -> core::fmt::Result {
    let length = |(start, end): (u64, u64)| kib(end.saturating_sub(start));
    let code = length(usage.code);
    for (name, value) in [
        ("VmPeak", kib(usage.virtual_memory.1)),
        ("VmSize", kib(usage.virtual_memory.0)),
        ("VmLck", kib(usage.locked)),
        ("VmPin", 0),
        ("VmHWM", kib(usage.resident.1)),
        ("VmRSS", kib(usage.resident.0)),
        ("RssAnon", kib(usage.resident.0.saturating_sub(usage.resident_files))),
        ("RssFile", kib(usage.resident_files)),
        ("RssShmem", 0),
        ("VmData", kib(usage.private)),
        ("VmStk", 132),
        ("VmExe", code),
        ("VmLib", 0),
        ("VmPTE", kib(usage.page_tables)),
        ("VmSwap", 0),
        ("HugetlbPages", 0),
    ] {
        writeln!(out, "{name}:\t{value:8} kB")?;
    }
    Ok(())
}

fn status_rest(out: &mut String, identity: &Identity, threads: usize) -> core::fmt::Result {
    write!(
        out,
        "CoreDumping:\t0\nTHP_enabled:\t0\nuntag_mask:\t0xffffffffffffffff\nThreads:\t{threads}\nSigQ:\t0/127\n"
    )?;
    for (name, set) in ["SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"]
        .iter()
        .zip(identity.signals)
    {
        writeln!(out, "{name}:\t{set:016x}")?;
    }
    for (name, set) in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
        .iter()
        .zip(identity.capabilities)
    {
        writeln!(out, "{name}:\t{set:016x}")?;
    }
    write!(
        out,
        "NoNewPrivs:\t{}\nSeccomp:\t{}\nSeccomp_filters:\t{}\nSpeculation_Store_Bypass:\tunknown\n\
         SpeculationIndirectBranch:\tunknown\nCpus_allowed:\t{:x}\nCpus_allowed_list:\t{}\n\
         Mems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t{}\n",
        u8::from(identity.no_new_privileges),
        identity.seccomp.0,
        identity.seccomp.1,
        identity.cpus,
        ranges(identity.cpus),
        identity.switches.0,
        identity.switches.1
    )
}
