//! `memfd_create(2)` and the seals of its files.

use abi::general::{MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_EXEC, MFD_NOEXEC_SEAL};
use abi::{Errno, OpenFlags};
use alloc::sync::Arc;
use file::OpenFile;
use fs::tmpfs::{Node, Options, Seals, Tmpfs};
use fs::vfs::OpenInode;
use hal::sync::{SpinLock, SpinLockGuard};

use super::{Call, Result, retry_ready};
use crate::memory::is_shared_writable;
use crate::process::Thread;

/// Bytes of the longest name, as on Linux: 255 with the prefix `memfd:`.
const NAME_MAX: usize = 249;

/// Where the files live; it has no limit but memory.
static FILES: SpinLock<Option<Arc<Tmpfs>>> = SpinLock::new(None);

fn files() -> Arc<Tmpfs> {
    let options = Options {
        size: Some(u64::MAX),
        executes_written: crate::system::allows_exec_written(),
        ..Options::default()
    };
    FILES.lock().get_or_insert_with(|| Tmpfs::create(&options).0).clone()
}

/// `memfd_create(name, flags)`
pub(super) async fn memfd_create(thread: &Thread, call: &Call) -> Result {
    let flags = call.unsigned(1);
    let both = MFD_EXEC | MFD_NOEXEC_SEAL;
    if flags & !(MFD_CLOEXEC | MFD_ALLOW_SEALING | both) != 0 || flags & both == both {
        return Err(Errno::INVAL.into());
    }
    let name = thread
        .memory
        .read_string(call.word(0), NAME_MAX + 1, Errno::INVAL)
        .await?;
    let executable = flags & MFD_NOEXEC_SEAL == 0;
    let sealable = flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL) != 0;
    let permissions = if executable { 0o777 } else { 0o666 };
    let shown = [b"/memfd:", name.as_slice(), b" (deleted)"].concat();
    let context = thread.context(None);
    let file = retry_ready(thread, || {
        let inode = files().memory_file(permissions, sealable)?;
        if !executable && let Some(node) = inode.as_any().downcast_ref::<Node>() {
            node.add_seals(Seals::EXEC)?;
        }
        context.open_memory_file(inode, &shown)
    })
    .await?;
    let mut status = OpenFlags::RDWR | OpenFlags::LARGEFILE;
    status.set(OpenFlags::CLOEXEC, flags & MFD_CLOEXEC != 0);
    thread.install_new(file, status)
}

fn node(file: &OpenFile) -> core::result::Result<&Node, Errno> {
    file.downcast::<OpenInode>()
        .and_then(|open| open.inode().as_any().downcast_ref())
        .ok_or(Errno::INVAL)
}

/// Held while a seal is added, and from the look at a file's seals until the file is mapped: a seal against writes has to find the mappings that
/// were allowed before it.
static SEALING: SpinLock<()> = SpinLock::new(());

/// Nobody adds a seal to the file before this is dropped.
pub(super) type HeldSeals = SpinLockGuard<'static, ()>;

/// Keeps the seals of a file as they are; there is nothing to hold when they never change.
pub(super) fn hold_seals(file: &OpenFile) -> Option<HeldSeals> {
    let seals = node(file).and_then(Node::seals);
    let may_change = seals.is_ok_and(|seals| !seals.contains(Seals::SEAL));
    may_change.then(|| SEALING.lock())
}

/// Whether a file promises that new mappings of it are not written to.
pub(super) fn is_sealed_against_writes(file: &OpenFile) -> bool {
    let seals = node(file).and_then(Node::seals);
    seals.is_ok_and(|seals| seals.intersects(Seals::WRITE | Seals::FUTURE_WRITE))
}

/// `fcntl(fd, F_GET_SEALS)`
pub(super) fn seals(file: &OpenFile) -> Result {
    Ok(node(file)?.seals()?.bits() as usize)
}

/// `fcntl(fd, F_ADD_SEALS, seals)`
pub(super) fn add_seals(file: &OpenFile, bits: usize) -> Result {
    file.check_writes().map_err(|_| Errno::PERM)?;
    let seals = u32::try_from(bits)
        .ok()
        .and_then(Seals::from_bits)
        .ok_or(Errno::INVAL)?;
    let node = node(file)?;
    let _alone = SEALING.lock();
    let is_shown = || {
        file.file()
            .pages()
            .is_some_and(|pages| is_shared_writable(pages.identity()))
    };
    if seals.contains(Seals::WRITE) && !node.seals()?.contains(Seals::SEAL) && is_shown() {
        return Err(Errno::BUSY.into());
    }
    node.add_seals(seals)?;
    Ok(0)
}
