//! The disks.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::{self, Write as _};

use abi::Errno;

use crate::generated::Folder;
use crate::proc::{Disk, SECTOR, System, disk_counts};

/// Writes what a file tells of a disk.
type Show = fn(&mut String, &Disk) -> fmt::Result;

const FILES: &[(&str, Show)] = &[
    ("dev", |out, it| write!(out, "{}:{}", it.number.0, it.number.1)),
    ("removable", |out, _| out.write_str("0")),
    ("ro", |out, _| out.write_str("1")),
    ("size", |out, it| write!(out, "{}", it.size / SECTOR)),
    ("stat", |out, it| {
        disk_counts(it).iter().try_for_each(|count| write!(out, "{count:8} "))
    }),
];

const QUEUE: &[(&str, Show)] = &[
    ("logical_block_size", |out, it| write!(out, "{}", it.block_size)),
    ("physical_block_size", |out, it| write!(out, "{}", it.block_size)),
];

/// `/sys/block`.
pub(super) fn disks(folder: Folder, system: &Arc<dyn System>) -> Folder {
    system.disks().into_iter().fold(folder, |folder, disk| {
        let system = system.clone();
        let name = Arc::new(disk.name.clone());
        folder.folder(&disk.name, move |folder| {
            let queue = (name.clone(), system.clone());
            files(folder, FILES, &name, &system).folder("queue", move |folder| files(folder, QUEUE, &queue.0, &queue.1))
        })
    })
}

fn files(folder: Folder, files: &'static [(&str, Show)], disk: &Arc<String>, system: &Arc<dyn System>) -> Folder {
    files.iter().fold(folder, |folder, &(name, show)| {
        let (disk, system) = (disk.clone(), system.clone());
        folder.file(name, move |out| {
            let disks = system.disks();
            let found = disks.iter().find(|found| found.name == *disk).ok_or(Errno::NODEV)?;
            let mut text = String::new();
            show(&mut text, found).map_err(|_| Errno::INVAL)?;
            text.push('\n');
            out.extend_from_slice(text.as_bytes());
            Ok(())
        })
    })
}
