//! The disks by the names and numbers that Linux gives them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use fs::proc::Disk as Described;
use hal::block::{Disk, Protocol};
use hal::sync::SpinLock;

static DISKS: SpinLock<Vec<Disk>> = SpinLock::new(Vec::new());

/// To be called once, with the disks in their order.
pub(crate) fn set(disks: &[Disk]) {
    *DISKS.lock() = disks.to_vec();
}

pub(super) fn all() -> Vec<Described> {
    // Majors by the drivers: a dynamic one, `SCSI_DISK0_MAJOR`, `BLOCK_EXT_MAJOR`. Whole disks leave numbers for partitions.
    const VIRTIO: (u32, u32) = (254, 16);
    const SCSI: (u32, u32) = (8, 16);
    const EXTENDED: (u32, u32) = (259, 1);
    // The array is copied out: what is asked of a disk takes locks of its own.
    let disks = DISKS.lock().clone();
    let mut found = [0; 3];
    let mut next = |driver: usize| {
        found[driver] += 1;
        found[driver] - 1
    };
    let describe = |disk: &Disk| {
        let (name, number, (major, minors)) = match disk.protocol() {
            Protocol::Virtio => {
                let number = next(0);
                (format!("vd{}", letters(number)), number, VIRTIO)
            }
            Protocol::Scsi => {
                let number = next(1);
                (format!("sd{}", letters(number)), number, SCSI)
            }
            Protocol::Nvme(controller, namespace) => (format!("nvme{controller}n{namespace}"), next(2), EXTENDED),
        };
        Described {
            name,
            number: (major, number * minors),
            size: disk.size(),
            block_size: disk.block_size(),
            figures: disk.figures(),
        }
    };
    disks.iter().map(describe).collect()
}

/// `a` to `z`, `aa`…
fn letters(number: u32) -> String {
    let last = char::from(b'a' + (number % 26) as u8);
    match number / 26 {
        0 => String::from(last),
        rest => letters(rest - 1) + format!("{last}").as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_lettered_beyond_the_alphabet() {
        let lettered = [0, 25, 26, 701, 702].map(letters);
        assert_eq!(lettered, ["a", "z", "aa", "zz", "aaa"]);
    }
}
