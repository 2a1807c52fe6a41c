//! Threads: end and identity.

use core::sync::atomic::Ordering;

use abi::Errno;

use super::{Call, Error, Outcome, Result, capability, seccomp, setting};
use crate::process::rseq::SIZE;
use crate::process::{ExitStatus, Thread};
use crate::signal::{Signal, SignalSet};

pub(super) fn set_tid_address(thread: &Thread, call: &Call) -> usize {
    thread.clear_tid.store(call.word(0), Ordering::Relaxed);
    thread.tid as usize
}

pub(super) fn exit(thread: &Thread, call: &Call) -> usize {
    thread.exit(call.int(0) as u8);
    0
}

pub(super) fn exit_group(thread: &Thread, call: &Call) -> usize {
    thread.process.end(ExitStatus::Code(call.int(0) as u8));
    0
}

/// `rseq(address, length, flags, signature)`
pub(super) async fn rseq(thread: &Thread, call: &Call) -> Result {
    const UNREGISTER: u32 = 1;
    let (address, length, signature) = (call.word(0), call.unsigned(1) as usize, call.unsigned(3));
    if call.unsigned(2) & !UNREGISTER != 0 || length != SIZE || !address.is_multiple_of(SIZE) {
        return Err(Errno::INVAL.into());
    }
    if call.unsigned(2) == UNREGISTER {
        thread.rseq.unregister(&thread.memory, address, signature).await?;
        return Ok(0);
    }
    if address == 0 || address > hal::user::USER_END - SIZE {
        return Err(Errno::FAULT.into());
    }
    thread.rseq.register(address, signature)?;
    Ok(0)
}

pub(super) async fn arch_prctl(thread: &Thread, call: &Call) -> Result {
    const SET_GS: u32 = 0x1001;
    const SET_FS: u32 = 0x1002;
    const GET_FS: u32 = 0x1003;
    const GET_GS: u32 = 0x1004;
    let value = call.word(1);
    match call.unsigned(0) {
        SET_FS if value >= hal::user::USER_END => Err(Errno::PERM.into()),
        SET_FS => Err(Error::registers(move |_, context| {
            context.set_thread_pointer(value);
            Outcome::Return(0)
        })),
        SET_GS if value >= hal::user::USER_END => Err(Errno::PERM.into()),
        SET_GS => Err(Error::registers(move |_, context| {
            context.set_second_pointer(value);
            Outcome::Return(0)
        })),
        GET_FS | GET_GS => {
            thread.memory.write(value, &0_usize).await?;
            let gs = call.unsigned(0) == GET_GS;
            Err(Error::registers(move |_, context| {
                let base = if gs {
                    context.second_pointer()
                } else {
                    context.thread_pointer()
                };
                match hal::user::copy_to_user(value, &base.to_ne_bytes()) {
                    Ok(()) => Outcome::Return(0),
                    Err(_) => Outcome::Fail(Errno::FAULT),
                }
            }))
        }
        _ => Err(Errno::INVAL.into()),
    }
}

pub(super) async fn prctl(thread: &Thread, call: &Call) -> Result {
    use linux_raw_sys::prctl as operation;
    let has_no_more = |from: usize| (from..5).all(|argument| call.word(argument) == 0);
    match call.unsigned(0) {
        operation::PR_SET_NAME => {
            let mut name = [0; 16];
            let string = thread.memory.read_string(call.word(1), 16, Errno::INVAL).await;
            match string {
                Ok(string) => name[..string.len().min(15)].copy_from_slice(&string[..string.len().min(15)]),
                // Longer names are cut.
                Err(Errno::INVAL) => thread.memory.read_bytes(call.word(1), &mut name[..15]).await?,
                Err(errno) => return Err(errno.into()),
            }
            *thread.name.lock() = name;
            Ok(0)
        }
        operation::PR_GET_NAME => {
            let name = *thread.name.lock();
            thread.memory.write(call.word(1), &name).await?;
            Ok(0)
        }
        operation::PR_SET_PDEATHSIG => {
            let number = call.word(1);
            if number != 0 {
                Signal::new(i32::try_from(number).map_err(|_| Errno::INVAL)?)?;
            }
            let kinship = &thread.process.kinship;
            kinship.death_signal.store(number as i32, Ordering::Release);
            Ok(0)
        }
        operation::PR_SET_CHILD_SUBREAPER => {
            let kinship = &thread.process.kinship;
            kinship.adopts.store(call.word(1) != 0, Ordering::Release);
            Ok(0)
        }
        operation::PR_GET_CHILD_SUBREAPER => {
            let adopts = thread.process.kinship.adopts.load(Ordering::Acquire);
            thread.memory.write(call.word(1), &i32::from(adopts)).await?;
            Ok(0)
        }
        operation::PR_SET_SECUREBITS => Ok(0),
        operation::PR_GET_PDEATHSIG => {
            let signal = thread.process.kinship.death_signal.load(Ordering::Acquire);
            thread.memory.write(call.word(1), &signal).await?;
            Ok(0)
        }
        operation::PR_SET_SECCOMP => seccomp::set_mode(thread, call).await,
        operation::PR_GET_SECCOMP => Ok(usize::from(thread.seccomp.mode())),
        operation::PR_GET_SECUREBITS => Ok(0),
        operation::PR_SET_NO_NEW_PRIVS if call.word(1) == 1 && has_no_more(2) => {
            thread.process.update_credentials(|own| own.no_new_privileges = true);
            Ok(0)
        }
        operation::PR_GET_NO_NEW_PRIVS if has_no_more(1) => Ok(usize::from(
            thread.process.with_credentials(|own| own.no_new_privileges),
        )),
        operation::PR_SET_VMA if call.word(1) == operation::PR_SET_VMA_ANON_NAME as usize => {
            setting::name_memory(thread, call.word(4)).await
        }
        _ => capability::control(thread, call)
            .or_else(|| setting::control(thread, call))
            .unwrap_or(Err(Errno::INVAL.into())),
    }
}

/// A signal mask for the time of one call, which the next delivery takes back.
impl Thread {
    /// Sets the mask until the next signal was handled or the call ended without one.
    pub fn suspend_mask(&self, mask: SignalSet) {
        let old = self.blocked();
        self.set_blocked(mask);
        self.saved_mask.lock().get_or_insert(old);
    }
}
