//! Giving up system calls: `seccomp(2)`, and the operations of `prctl(2)` that were before it.

use abi::Errno;
use linux_raw_sys::ptrace as linux;
use zerocopy::{FromBytes, IntoBytes};

use super::{Call, Result};
use crate::process::{Capability, Thread};
use crate::seccomp::{AttachError, Filter, Instruction, Program, Seccomp};

bitflags::bitflags! {
    /// `SECCOMP_FILTER_FLAG_…`
    #[derive(Clone, Copy)]
    struct Flags: u32 {
        const ALL_THREADS = linux::SECCOMP_FILTER_FLAG_TSYNC;
        const LOG = linux::SECCOMP_FILTER_FLAG_LOG;
        /// Speculation is not limited for filtered threads anyway.
        const SPECULATE = linux::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
        /// An error instead of the ID of the thread that cannot have the filter.
        const NO_ID = linux::SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    }
}

/// `seccomp(operation, flags, argument)`
pub(super) async fn seccomp(thread: &Thread, call: &Call) -> Result {
    let (flags, argument) = (call.unsigned(1), call.word(2));
    match call.unsigned(0) {
        linux::SECCOMP_SET_MODE_STRICT if flags == 0 && argument == 0 => be_strict(thread),
        linux::SECCOMP_SET_MODE_FILTER => filter(thread, flags, argument).await,
        linux::SECCOMP_GET_ACTION_AVAIL if flags == 0 => {
            let action = thread.memory.read::<u32>(argument).await?;
            let known = [
                linux::SECCOMP_RET_KILL_PROCESS,
                linux::SECCOMP_RET_KILL_THREAD,
                linux::SECCOMP_RET_TRAP,
                linux::SECCOMP_RET_ERRNO,
                linux::SECCOMP_RET_TRACE,
                linux::SECCOMP_RET_LOG,
                linux::SECCOMP_RET_ALLOW,
            ];
            if known.contains(&action) {
                Ok(0)
            } else {
                Err(Errno::OPNOTSUPP.into())
            }
        }
        linux::SECCOMP_GET_NOTIF_SIZES if flags == 0 => {
            let sizes = [
                size_of::<linux::seccomp_notif>(),
                size_of::<linux::seccomp_notif_resp>(),
                size_of::<linux::seccomp_data>(),
            ];
            thread.memory.write(argument, &sizes.map(|size| size as u16)).await?;
            Ok(0)
        }
        _ => Err(Errno::INVAL.into()),
    }
}

/// `prctl(PR_SET_SECCOMP, mode, filter)`
pub(super) async fn set_mode(thread: &Thread, call: &Call) -> Result {
    match call.unsigned(1) {
        linux::SECCOMP_MODE_STRICT => be_strict(thread),
        linux::SECCOMP_MODE_FILTER => filter(thread, 0, call.word(2)).await,
        _ => Err(Errno::INVAL.into()),
    }
}

fn be_strict(thread: &Thread) -> Result {
    thread.seccomp.be_strict()?;
    Ok(0)
}

/// `struct sock_fprog`
#[derive(FromBytes, IntoBytes)]
#[repr(C)]
struct FilterProgram {
    length: u16,
    padding: [u16; 3],
    instructions: usize,
}

async fn filter(thread: &Thread, flags: u32, address: usize) -> Result {
    const LISTENER: u32 = linux::SECCOMP_FILTER_FLAG_NEW_LISTENER | linux::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let Some(known) = Flags::from_bits(flags) else {
        if flags & LISTENER != 0 {
            super::unknown::report_once("seccomp with a listener");
        }
        return Err(Errno::INVAL.into());
    };
    let FilterProgram {
        length, instructions, ..
    } = thread.memory.read(address).await?;
    if length == 0 || u32::from(length) > linux::BPF_MAXINSNS || instructions == 0 {
        return Err(Errno::INVAL.into());
    }
    // Or it would hold for a program that has more privileges.
    let gains_none = thread.process.with_credentials(|own| own.no_new_privileges);
    if !gains_none && !thread.process.can(Capability::SYS_ADMIN) {
        return Err(Errno::ACCES.into());
    }
    let instructions = thread
        .memory
        .read_array::<Instruction>(instructions, usize::from(length))
        .await?;
    let filter = Filter {
        program: Program::new(instructions)?,
        logs: known.contains(Flags::LOG),
    };
    match Seccomp::attach(thread, filter, known.contains(Flags::ALL_THREADS)) {
        Ok(()) => Ok(0),
        Err(AttachError::Errno(errno)) => Err(errno.into()),
        Err(AttachError::Other(_)) if known.contains(Flags::NO_ID) => Err(Errno::SRCH.into()),
        Err(AttachError::Other(tid)) => Ok(tid as usize),
    }
}
