//! Process groups and sessions.

use alloc::sync::Arc;

use abi::Errno;

use super::{Call, Result};
use crate::process::{Process, Thread, family};

/// The process with an ID; 0 is the caller's.
fn process(thread: &Thread, pid: i32) -> Result<Arc<Process>> {
    if pid == 0 {
        return Ok(thread.process.clone());
    }
    Ok(family::find(pid).ok_or(Errno::SRCH)?)
}

/// `getpgid(pid)`
pub(super) fn getpgid(thread: &Thread, pid: i32) -> Result {
    Ok(process(thread, pid)?.kinship.group() as usize)
}

/// `getsid(pid)`
pub(super) fn getsid(thread: &Thread, pid: i32) -> Result {
    Ok(process(thread, pid)?.kinship.session() as usize)
}

/// `setpgid(pid, group)`
pub(super) fn setpgid(thread: &Thread, call: &Call) -> Result {
    let own = &thread.process;
    let target = match call.int(0) {
        0 => own.clone(),
        pid => family::find(pid).ok_or(Errno::SRCH)?,
    };
    let group = match call.int(1) {
        0 => target.pid,
        group if group < 0 => return Err(Errno::INVAL.into()),
        group => group,
    };
    if target.pid != own.pid {
        if target.kinship.parent() != own.pid {
            return Err(Errno::SRCH.into());
        }
        if target.kinship.session() != own.kinship.session() {
            return Err(Errno::PERM.into());
        }
        if target.kinship.has_executed() {
            return Err(Errno::ACCES.into());
        }
    }
    let is_session_leader = target.kinship.session() == target.pid;
    let session = own.kinship.session();
    let exists = || {
        family::members(group)
            .iter()
            .any(|member| member.kinship.session() == session)
    };
    if is_session_leader || group != target.pid && !exists() {
        return Err(Errno::PERM.into());
    }
    target.kinship.set_group(group);
    Ok(0)
}

/// `setsid()`
pub(super) fn setsid(thread: &Thread) -> Result {
    let pid = thread.process.pid;
    if !family::members(pid).is_empty() {
        return Err(Errno::PERM.into());
    }
    thread.process.kinship.lead_session(pid);
    Ok(pid as usize)
}
