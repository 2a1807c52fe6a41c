//! Descriptors: `close`, `dup` and their kin.

use abi::{Errno, OpenFlags};
use alloc::sync::Arc;
use file::{File, OpenFile};

use super::{Call, Result};
use crate::process::{Resource, Thread};

/// Flags of `close_range`, which `linux-raw-sys` lacks.
const CLOSE_RANGE_UNSHARE: u32 = 2;
const CLOSE_RANGE_CLOEXEC: u32 = 4;

impl Thread {
    /// How many descriptors the process may have.
    pub(super) fn descriptor_limit(&self) -> usize {
        let limit = self.process.limits.lock().get(Resource::OpenFiles).soft;
        usize::try_from(limit).unwrap_or(usize::MAX).min(1 << 20)
    }

    /// The open file behind a descriptor.
    pub(super) fn file(&self, descriptor: i32) -> core::result::Result<Arc<OpenFile>, Errno> {
        self.files().get(descriptor)
    }

    /// Gives an open file the lowest free descriptor.
    pub(super) fn install(&self, file: Arc<OpenFile>, close_on_exec: bool) -> core::result::Result<i32, Errno> {
        let limit = self.descriptor_limit();
        self.files().insert(file, 0, close_on_exec, limit)
    }

    /// Opens a file of the kernel's own, with `O_CLOEXEC` from the same flags.
    pub(super) fn install_new(&self, file: Arc<dyn File>, flags: OpenFlags) -> Result {
        let descriptor = self.install(OpenFile::new(file, flags), flags.contains(OpenFlags::CLOEXEC))?;
        Ok(descriptor as usize)
    }
}

/// `close(fd)`
pub(super) fn close(thread: &Thread, call: &Call) -> Result {
    let file = thread.files().remove(call.int(0))?;
    thread.process.note_closed(&file);
    Ok(0)
}

/// `close_range(first, last, flags)`
pub(super) fn close_range(thread: &Thread, call: &Call) -> Result {
    let (first, last) = (call.unsigned(0), call.unsigned(1));
    let flags = call.unsigned(2);
    if flags & !(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE) != 0 || first > last {
        return Err(Errno::INVAL.into());
    }
    if flags & CLOSE_RANGE_UNSHARE != 0 {
        thread.unshare_files();
    }
    let descriptors = thread.files();
    if flags & CLOSE_RANGE_CLOEXEC != 0 {
        descriptors.set_close_on_exec_range(first as usize, last as usize);
    } else {
        let closed = descriptors.remove_range(first as usize, last as usize);
        thread.process.note_all_closed(closed);
    }
    Ok(0)
}

/// `dup(fd)`
pub(super) fn dup(thread: &Thread, call: &Call) -> Result {
    let file = thread.files().get_any(call.int(0))?;
    Ok(thread.install(file, false)? as usize)
}

/// `dup2(old, new)`
pub(super) fn dup2(thread: &Thread, call: &Call) -> Result {
    let (old, new) = (call.int(0), call.int(1));
    let file = thread.files().get_any(old)?;
    if old == new {
        return Ok(new as usize);
    }
    replace(thread, file, new, false)
}

/// `dup3(old, new, flags)`
pub(super) fn dup3(thread: &Thread, call: &Call) -> Result {
    let (old, new) = (call.int(0), call.int(1));
    let flags = OpenFlags::from_bits_retain(call.unsigned(2));
    if old == new || !OpenFlags::CLOEXEC.contains(flags) {
        return Err(Errno::INVAL.into());
    }
    let file = thread.files().get_any(old)?;
    replace(thread, file, new, flags.contains(OpenFlags::CLOEXEC))
}

fn replace(thread: &Thread, file: Arc<OpenFile>, new: i32, close_on_exec: bool) -> Result {
    let limit = thread.descriptor_limit();
    if let Some(old) = thread.files().replace(new, file, close_on_exec, limit)? {
        thread.process.note_closed(&old);
    }
    Ok(new as usize)
}

/// `fcntl(fd, F_DUPFD, minimum)` and `F_DUPFD_CLOEXEC`
pub(super) fn duplicate_from(thread: &Thread, file: Arc<OpenFile>, minimum: usize, close_on_exec: bool) -> Result {
    let limit = thread.descriptor_limit();
    if minimum >= limit {
        return Err(Errno::INVAL.into());
    }
    let descriptor = thread.files().insert(file, minimum, close_on_exec, limit)?;
    Ok(descriptor as usize)
}
