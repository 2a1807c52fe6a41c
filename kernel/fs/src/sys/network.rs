//! The network interfaces.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::{self, Write as _};

use abi::Errno;

use crate::generated::Folder;
use crate::proc::{Interface, System};

/// `ARPHRD_LOOPBACK`: nothing that has a speed.
const LOOPBACK: u16 = 772;

/// `/sys/class/net`.
pub(super) fn interfaces(folder: Folder, system: &Arc<dyn System>) -> Folder {
    system.interfaces().into_iter().fold(folder, |folder, interface| {
        let (name, system) = (interface.name, system.clone());
        folder.folder(name, move |folder| {
            let statistics = Files(STATISTICS, name, system.clone());
            Files(FILES, name, system)
                .add_to(folder)
                .folder("statistics", |folder| statistics.add_to(folder))
        })
    })
}

/// Writes what a file tells of an interface.
type Show = fn(&mut String, &Interface) -> fmt::Result;

/// Files of the interface with a name.
struct Files(&'static [(&'static str, Show)], &'static str, Arc<dyn System>);

impl Files {
    fn add_to(self, folder: Folder) -> Folder {
        let Self(files, interface, system) = self;
        files.iter().fold(folder, |folder, &(name, show)| {
            let system = system.clone();
            folder.file(name, move |out| {
                let all = system.interfaces();
                let found = all.iter().find(|found| found.name == interface);
                let mut text = String::new();
                // What does not apply to an interface cannot be read.
                show(&mut text, found.ok_or(Errno::NODEV)?).map_err(|_| Errno::INVAL)?;
                text.push('\n');
                out.extend_from_slice(text.as_bytes());
                Ok(())
            })
        })
    }
}

fn hardware_address(out: &mut String, [first, rest @ ..]: [u8; 6]) -> fmt::Result {
    write!(out, "{first:02x}")?;
    rest.iter().try_for_each(|byte| write!(out, ":{byte:02x}"))
}

/// `text`, of an interface that is hardware.
fn of_hardware(out: &mut String, interface: &Interface, text: &str) -> fmt::Result {
    if interface.hardware.0 == LOOPBACK {
        return Err(fmt::Error);
    }
    out.write_str(text)
}

const FILES: &[(&str, Show)] = &[
    ("addr_len", |out, _| out.write_str("6")),
    ("address", |out, it| hardware_address(out, it.hardware.1)),
    ("broadcast", |out, it| {
        let broadcast = if it.hardware.0 == LOOPBACK { 0 } else { 0xff };
        hardware_address(out, [broadcast; 6])
    }),
    ("carrier", |out, _| out.write_str("1")),
    ("dormant", |out, _| out.write_str("0")),
    ("duplex", |out, it| of_hardware(out, it, "unknown")),
    ("flags", |out, it| write!(out, "{:#x}", it.flags)),
    ("ifindex", |out, it| write!(out, "{}", it.index)),
    ("iflink", |out, it| write!(out, "{}", it.index)),
    ("mtu", |out, it| write!(out, "{}", it.mtu)),
    ("operstate", |out, it| {
        out.write_str(if it.hardware.0 == LOOPBACK { "unknown" } else { "up" })
    }),
    ("speed", |out, it| of_hardware(out, it, "-1")),
    ("tx_queue_len", |out, _| out.write_str("1000")),
    ("type", |out, it| write!(out, "{}", it.hardware.0)),
    ("uevent", |out, it| {
        write!(out, "INTERFACE={}\nIFINDEX={}", it.name, it.index)
    }),
];

const NOT_COUNTED: Show = |out, _| out.write_str("0");

const STATISTICS: &[(&str, Show)] = &[
    ("collisions", NOT_COUNTED),
    ("multicast", NOT_COUNTED),
    ("rx_bytes", |out, it| write!(out, "{}", it.traffic[0])),
    ("rx_dropped", NOT_COUNTED),
    ("rx_errors", NOT_COUNTED),
    ("rx_packets", |out, it| write!(out, "{}", it.traffic[1])),
    ("tx_bytes", |out, it| write!(out, "{}", it.traffic[2])),
    ("tx_dropped", NOT_COUNTED),
    ("tx_errors", NOT_COUNTED),
    ("tx_packets", |out, it| write!(out, "{}", it.traffic[3])),
];
