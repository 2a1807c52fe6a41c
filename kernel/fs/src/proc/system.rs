//! Files about the whole machine.

use alloc::string::String;
use core::fmt::Write as _;

use hal::mem;

use super::format::ticks;
use super::provider::System;

/// File systems, as `/proc/filesystems` lists them.
pub(super) const FILE_SYSTEMS: &str =
    "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tsockfs\nnodev\tpipefs\nnodev\toverlay\n\terofs\n";

pub(super) fn cpu_information(out: &mut String, system: &dyn System) {
    let processor = system.processor();
    let count = hal::cpu::count();
    let [family, model, stepping] = processor.signature;
    let (mhz, fraction) = (processor.frequency / 1000, processor.frequency % 1000);
    // Twice the frequency, as Linux has it with a time stamp counter.
    let bogomips = processor.frequency / 5;
    for number in 0..count {
        let _ = write!(
            out,
            "processor\t: {number}\nvendor_id\t: {}\ncpu family\t: {family}\nmodel\t\t: {model}\nmodel name\t: {}\n\
             stepping\t: {stepping}\ncpu MHz\t\t: {mhz}.{fraction:03}\ncache size\t: {} KB\nphysical id\t: 0\n\
             siblings\t: {count}\ncore id\t\t: {number}\ncpu cores\t: {count}\napicid\t\t: {number}\n\
             initial apicid\t: {number}\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: 13\nwp\t\t: yes\n\
             flags\t\t: {}\nbugs\t\t:\nbogomips\t: {}.{:02}\nclflush size\t: 64\ncache_alignment\t: 64\n\
             address sizes\t: 48 bits physical, 48 bits virtual\npower management:\n\n",
            processor.vendor,
            processor.name,
            processor.cache,
            processor.flags,
            bogomips / 100,
            bogomips % 100,
        );
    }
}

/// Pages of the kernel's heap, and how many of them go with names that are kept only for the next lookup.
fn heap_pages() -> (usize, usize) {
    let heap = mem::heap_pages();
    (heap, crate::vfs::kept_bytes().div_ceil(mem::PAGE_SIZE).min(heap))
}

pub(super) fn memory_information(out: &mut String) {
    let usage = mem::usage();
    let kib = |pages: usize| (pages * mem::PAGE_SIZE) >> 10;
    let cached = crate::cache::resident_pages().min(usage.used);
    let free = usage.total.saturating_sub(usage.used);
    let written = crate::tmpfs::written_pages();
    let (tables, devices) = (hal::user::table_pages(), mem::device_pages());
    let (heap, names) = heap_pages();
    let known = cached + written + tables + heap + devices;
    let other = kib(usage.used.saturating_sub(known));
    for (name, value) in [
        ("MemTotal", kib(usage.total)),
        ("MemFree", kib(free)),
        ("MemAvailable", kib(free + cached + names)),
        ("Buffers", 0),
        ("Cached", kib(cached + written)),
        ("SwapCached", 0),
        ("Active", other),
        ("Inactive", kib(cached)),
        ("Active(anon)", other),
        ("Inactive(anon)", 0),
        ("Active(file)", 0),
        ("Inactive(file)", kib(cached)),
        ("Unevictable", 0),
        ("Mlocked", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("AnonPages", other),
        ("Mapped", 0),
        ("Shmem", kib(written)),
        ("KReclaimable", kib(names)),
        ("Slab", kib(heap)),
        ("SReclaimable", kib(names)),
        ("SUnreclaim", kib(heap - names)),
        ("KernelStack", 0),
        ("PageTables", kib(tables)),
        ("CommitLimit", kib(usage.total)),
        ("Committed_AS", other),
        ("VmallocTotal", 34_359_738_367),
        ("VmallocUsed", 0),
        ("VmallocChunk", 0),
        ("AnonHugePages", 0),
        ("ShmemHugePages", 0),
        ("FileHugePages", 0),
    ] {
        let _ = writeln!(out, "{:<16}{value:8} kB", alloc::format!("{name}:"));
    }
    out.push_str(
        "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\nHugePages_Surp:        0\n",
    );
    out.push_str("Hugepagesize:       2048 kB\nHugetlb:               0 kB\n");
}

pub(super) fn memory_statistics(out: &mut String, system: &dyn System) {
    let usage = mem::usage();
    let (minor, major) = system.faults();
    let (heap, names) = heap_pages();
    let written = crate::tmpfs::written_pages();
    let read: u64 = system.disks().iter().map(|disk| disk.figures.bytes).sum();
    for (name, value) in [
        ("nr_free_pages", usage.total.saturating_sub(usage.used) as u64),
        ("nr_file_pages", (crate::cache::resident_pages() + written) as u64),
        ("nr_shmem", written as u64),
        ("nr_slab_reclaimable", names as u64),
        ("nr_slab_unreclaimable", (heap - names) as u64),
        ("nr_page_table_pages", hal::user::table_pages() as u64),
        ("pgpgin", read >> 10),
        ("pgpgout", 0),
        ("pswpin", 0),
        ("pswpout", 0),
        ("pgfault", minor + major),
        ("pgmajfault", major),
    ] {
        let _ = writeln!(out, "{name} {value}");
    }
}

pub(super) fn stat(out: &mut String, system: &dyn System) {
    let times = system.cpu_times();
    let line = |out: &mut String, name: &str, [user, kernel, idle]: [u64; 3]| {
        let _ = writeln!(
            out,
            "{name} {} 0 {} {} 0 0 0 0 0 0",
            ticks(user),
            ticks(kernel),
            ticks(idle)
        );
    };
    let sum = times.iter().fold([0; 3], |sum: [u64; 3], time| {
        [sum[0] + time[0], sum[1] + time[1], sum[2] + time[2]]
    });
    line(out, "cpu ", sum);
    for (number, time) in times.iter().enumerate() {
        line(out, &alloc::format!("cpu{number}"), *time);
    }
    let (running, blocked) = system.active_threads();
    let interrupts: u64 = hal::interrupt::counts().iter().flat_map(|row| &row.counts).sum();
    let boot = (hal::time::realtime() - hal::time::monotonic()) / 1_000_000_000;
    let _ = write!(
        out,
        "intr {interrupts}\nctxt {}\nbtime {boot}\nprocesses {}\nprocs_running {running}\nprocs_blocked {blocked}\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
        system.switches(),
        system.started(),
    );
}

pub(super) fn interrupts(out: &mut String) {
    out.push_str("     ");
    for number in 0..hal::cpu::count() {
        let _ = write!(out, "{:<11}", alloc::format!("      CPU{number}"));
    }
    out.push('\n');
    for row in hal::interrupt::counts() {
        let _ = write!(out, "{:>3}:", row.label);
        for count in row.counts {
            let _ = write!(out, " {count:10}");
        }
        let _ = writeln!(out, "   {}", row.name);
    }
}

pub(super) fn uptime(out: &mut String, system: &dyn System) {
    let hundredths = |nanoseconds: u64| (nanoseconds / 1_000_000_000, nanoseconds / 10_000_000 % 100);
    let idle: u64 = system.cpu_times().iter().map(|time| time[2]).sum();
    let ((up, up_part), (idle, idle_part)) = (hundredths(hal::time::monotonic()), hundredths(idle));
    let _ = writeln!(out, "{up}.{up_part:02} {idle}.{idle_part:02}");
}

pub(super) fn load_average(out: &mut String, system: &dyn System) {
    let (running, _) = system.active_threads();
    for average in system.load() {
        let _ = write!(out, "{}.{:02} ", average / 100, average % 100);
    }
    let processes = system.processes();
    let threads: usize = processes
        .iter()
        .filter_map(|&pid| system.process(pid))
        .map(|process| process.threads().len())
        .sum();
    let last = processes.last().copied().unwrap_or(0);
    let _ = writeln!(out, "{running}/{threads} {last}");
}

pub(super) fn version(out: &mut String, system: &dyn System) {
    let _ = writeln!(
        out,
        "Linux version {} (unikernel) (rustc) {}",
        system.release(),
        system.version()
    );
}
