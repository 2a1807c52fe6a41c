//! `/dev`: device nodes in memory, and the devices that are memory's own.

mod memory;

use alloc::sync::Arc;

use abi::OpenFlags;
use file::{File, Result};

use crate::inode::{Inode, NewInode, NewKind};
use crate::tmpfs::{Options, Tmpfs};
use crate::vfs::{Device, Namespace};
use memory::{Kind, MemoryDevice};

/// `/dev/console`.
pub const CONSOLE: u64 = device_number(5, 1);
/// `/dev/tty`
pub const TTY: u64 = device_number(5, 0);
/// `/dev/ptmx`
pub const PTMX: u64 = device_number(5, 2);
/// `/dev/ttyS0`
pub const TTY_S0: u64 = device_number(4, 64);

/// The number of a device with a small major and minor.
const fn device_number(major: u64, minor: u64) -> u64 {
    major << 8 | minor
}

/// Makes the top directory of `/dev` and registers its devices. `console` opens the console.
pub fn create(namespace: &Namespace, console: &Device) -> Result<Arc<dyn Inode>> {
    let options = Options {
        permissions: Some(0o755),
        ..Options::default()
    };
    let (_, root) = Tmpfs::create_named("devtmpfs", &options);
    let new = |kind, permissions| NewInode {
        kind,
        permissions,
        uid: 0,
        gid: 0,
    };
    for (name, minor, kind) in [
        ("null", 3, Kind::Null),
        ("zero", 5, Kind::Zero),
        ("full", 7, Kind::Full),
        ("random", 8, Kind::Random),
        ("urandom", 9, Kind::Random),
    ] {
        let number = device_number(1, minor);
        root.create(name.as_bytes(), &new(NewKind::CharacterDevice(number), 0o666))?;
        let open = move |_: OpenFlags| Ok(Arc::new(MemoryDevice::new(kind)) as Arc<dyn File>);
        namespace.register_device(number, Arc::new(open));
    }
    for (name, number, permissions) in [
        ("console", CONSOLE, 0o600),
        ("ttyS0", TTY_S0, 0o660),
        // Whoever knows terminals registers these two.
        ("tty", TTY, 0o666),
        ("ptmx", PTMX, 0o666),
    ] {
        root.create(name.as_bytes(), &new(NewKind::CharacterDevice(number), permissions))?;
    }
    for number in [CONSOLE, TTY_S0] {
        namespace.register_device(number, console.clone());
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        root.create(name.as_bytes(), &new(NewKind::Symlink(target.as_bytes()), 0o777))?;
    }
    for (name, permissions) in [("shm", 0o1777), ("mqueue", 0o1777), ("pts", 0o755)] {
        root.create(name.as_bytes(), &new(NewKind::Directory, permissions))?;
    }
    Ok(root)
}
