//! Processes as files: `pidfd_open(2)`, `pidfd_send_signal(2)`, `pidfd_getfd(2)`.

use abi::{Errno, OpenFlags};
use alloc::sync::Arc;
use core::mem::offset_of;
use file::OpenFile;
use fs::vfs::OpenInode;
use linux_raw_sys::general as linux;

use super::signal::{may_signal, queued_info, sender_info, signal_or_none};
use super::{Call, Result};
use crate::process::{Capability, PidFd, Process, Thread, family};
use crate::signal::Info;

/// Gives such a file a descriptor, which closes on execution.
pub(super) fn install(thread: &Thread, file: Arc<PidFd>, flags: OpenFlags) -> core::result::Result<i32, Errno> {
    thread.install(OpenFile::new(file, flags | OpenFlags::RDWR), true)
}

/// `pidfd_open(pid, flags)`
pub(super) fn pidfd_open(thread: &Thread, call: &Call) -> Result {
    let (pid, flags) = (call.int(0), call.unsigned(1));
    if pid <= 0 || flags & !linux::O_NONBLOCK != 0 {
        return Err(Errno::INVAL.into());
    }
    let Some(process) = family::find(pid) else {
        // The thread of a process is no process.
        let is_thread = family::find_thread(pid).is_some();
        return Err(if is_thread { Errno::NOENT } else { Errno::SRCH }.into());
    };
    let file = PidFd::new(pid, process.kinship.ending());
    Ok(install(thread, file, OpenFlags::from_bits_retain(flags))? as usize)
}

/// The process behind a descriptor: `EBADF` when it is none of a process, `ESRCH` when that is gone.
fn process(thread: &Thread, descriptor: i32) -> core::result::Result<Arc<Process>, Errno> {
    let file = thread.file(descriptor)?;
    file.downcast::<PidFd>().ok_or(Errno::BADF)?.process()
}

/// The same, of a process's directory in `/proc`, too, which was the descriptor of a process before there were others.
fn addressee(thread: &Thread, descriptor: i32) -> core::result::Result<Arc<Process>, Errno> {
    let file = thread.file(descriptor)?;
    let Some(open) = file.downcast::<OpenInode>() else {
        return process(thread, descriptor);
    };
    family::find(fs::proc::process_of(&**open.inode())?).ok_or(Errno::SRCH)
}

/// `pidfd_send_signal(fd, signal, info, flags)`
pub(super) async fn pidfd_send_signal(thread: &Thread, call: &Call) -> Result {
    if call.unsigned(3) != 0 {
        return Err(Errno::INVAL.into());
    }
    let target = addressee(thread, call.int(0))?;
    let signal = signal_or_none(call.int(1))?;
    let told = match call.word(2) {
        0 => None,
        address => {
            let named: i32 = thread.memory.read(address + offset_of!(Info, signal)).await?;
            if named != call.int(1) {
                return Err(Errno::INVAL.into());
            }
            Some(queued_info(thread, target.pid, named, address).await?.1)
        }
    };
    if !may_signal(&thread.process, &target, signal) {
        return Err(Errno::PERM.into());
    }
    let send = |signal| target.send(signal, told.unwrap_or_else(|| sender_info(thread, signal, Info::USER)));
    if signal.is_none_or(send) {
        Ok(0)
    } else {
        Err(Errno::AGAIN.into())
    }
}

/// `process_mrelease(fd, flags)`: the memory of a process that ends goes with it, and does not wait for anybody.
pub(super) fn process_mrelease(thread: &Thread, call: &Call) -> Result {
    if call.unsigned(1) != 0 {
        return Err(Errno::INVAL.into());
    }
    let target = process(thread, call.int(0))?;
    if target.memory().is_none() {
        return Err(Errno::SRCH.into());
    }
    if target.exit_status().is_none() {
        return Err(Errno::INVAL.into());
    }
    Ok(0)
}

/// Whether a process may look into another as a debugger (`ptrace(2)`): the same user in all ways, or `CAP_SYS_PTRACE`.
pub(super) fn may_look_into(thread: &Thread, other: &Process) -> bool {
    let (uid, gid) = thread.process.with_credentials(|own| (own.uid, own.gid));
    let is_own = other.with_credentials(|theirs| {
        [theirs.uid, theirs.euid, theirs.suid] == [uid; 3] && [theirs.gid, theirs.egid, theirs.sgid] == [gid; 3]
    });
    is_own || other.pid == thread.process.pid || thread.process.can(Capability::SYS_PTRACE)
}

/// `pidfd_getfd(fd, descriptor, flags)`
pub(super) fn pidfd_getfd(thread: &Thread, call: &Call) -> Result {
    if call.unsigned(2) != 0 {
        return Err(Errno::INVAL.into());
    }
    let other = process(thread, call.int(0))?;
    if !may_look_into(thread, &other) {
        return Err(Errno::PERM.into());
    }
    Ok(thread.install(other.files.get_any(call.int(1))?, true)? as usize)
}
