//! The file systems that every Linux program expects to find mounted.

use alloc::sync::Arc;

use abi::Errno;
use file::finish;

use crate::inode::Inode;
use crate::proc::{self, System};
use crate::tmpfs::{Options, Tmpfs};
use crate::vfs::{Context, Device, Lookup, Mount, MountFlags};
use crate::{dev, sys};

/// Mounts a file system over a directory, which is made if it is missing.
pub async fn mount_at(
    context: &Context,
    path: &[u8],
    root: Arc<dyn Inode>,
    source: &[u8],
    flags: MountFlags,
) -> core::result::Result<(), Errno> {
    match finish(|| context.make_directory(path, 0o755)).await {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let place = finish(|| context.resolve(path, Lookup::FOLLOW | Lookup::DIRECTORY)).await?;
    context.namespace.mount(&place, &Mount::new(root, source, flags))
}

/// Mounts `/dev`, `/dev/shm`, `/proc` and `/sys`. `console` opens the console.
pub async fn mount_standard(
    context: &Context,
    system: &Arc<dyn System>,
    console: Device,
) -> core::result::Result<(), Errno> {
    let quiet = MountFlags::NO_SUID | MountFlags::NO_DEVICES | MountFlags::NO_EXECUTE;
    let devices = finish(|| dev::create(&context.namespace, &console)).await?;
    mount_at(context, b"/dev", devices, b"devtmpfs", MountFlags::NO_SUID).await?;
    let (_, memory) = Tmpfs::create(&Options::default());
    mount_at(context, b"/dev/shm", memory, b"tmpfs", quiet).await?;
    mount_at(context, b"/proc", proc::create(system), b"proc", quiet).await?;
    mount_at(context, b"/sys", sys::create(system), b"sysfs", quiet).await
}
