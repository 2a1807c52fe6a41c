//! What `/proc` and `/sys` say of disks. They are read alone here, so all that is counted of other requests is zero.

use alloc::string::String;
use core::fmt::Write as _;

use super::provider::{Disk, System};

/// Linux counts in sectors of this size, whatever the disk's own blocks.
pub(crate) const SECTOR: u64 = 512;

/// `/proc/diskstats`.
pub(super) fn statistics(out: &mut String, system: &dyn System) {
    for disk in system.disks() {
        let (major, minor) = disk.number;
        let _ = write!(out, "{major:4} {minor:7} {}", disk.name);
        for count in counts(&disk) {
            let _ = write!(out, " {count}");
        }
        out.push('\n');
    }
}

/// What Linux counts of a disk: of reads how many, those merged, their sectors and milliseconds; the same of writes; requests under way,
/// milliseconds with any, and all milliseconds; of discards as of reads; flushes and their milliseconds.
pub(crate) fn counts(disk: &Disk) -> [u64; 17] {
    let figures = &disk.figures;
    let milliseconds = |nanoseconds: u64| nanoseconds / 1_000_000;
    let (sectors, waited) = (figures.bytes / SECTOR, milliseconds(figures.waited));
    let reads = [figures.reads, 0, sectors, waited];
    let mut counts = [0; 17];
    counts[..4].copy_from_slice(&reads);
    counts[8..11].copy_from_slice(&[figures.under_way, milliseconds(figures.busy), waited]);
    counts
}

/// `/proc/partitions`.
pub(super) fn partitions(out: &mut String, system: &dyn System) {
    out.push_str("major minor  #blocks  name\n\n");
    for disk in system.disks() {
        let (major, minor) = disk.number;
        let _ = writeln!(out, "{major:4}  {minor:7} {:10} {}", disk.size / 1024, disk.name);
    }
}

/// `/proc/devices`.
pub(super) fn devices(out: &mut String, system: &dyn System) {
    const DRIVERS: [(u32, &str); 3] = [(8, "sd"), (254, "virtblk"), (259, "blkext")];
    out.push_str(
        "Character devices:\n  1 mem\n  4 ttyS\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n",
    );
    let disks = system.disks();
    for (major, name) in DRIVERS {
        if disks.iter().any(|disk| disk.number.0 == major) {
            let _ = writeln!(out, "{major:3} {name}");
        }
    }
}
