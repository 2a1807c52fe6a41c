//! Signal-driven input and output: what `fcntl(2)` and `ioctl(2)` say of it.

use abi::general::{F_OWNER_PGRP, F_OWNER_PID, F_OWNER_TID};
use abi::{Errno, FileOwner};
use file::{OpenFile, SignalOwner};

use super::Result;
use crate::process::{FileSignals, Thread, has_receivers};
use crate::signal::Signal;

/// Sets or clears `O_ASYNC`. False when files of this kind send no signals.
pub(super) fn set_asynchronous(file: &OpenFile, descriptor: i32, on: bool) -> bool {
    file.set_asynchronous(on, descriptor, &FileSignals)
}

fn set(thread: &Thread, file: &OpenFile, owner: SignalOwner) {
    let (uid, euid) = thread.process.with_credentials(|own| (own.uid, own.euid));
    file.set_signal_target(&FileSignals, |target| {
        (target.owner, target.uid, target.euid) = (owner, uid, euid);
    });
}

/// The owner that two numbers mean, if it exists.
fn find(kind: u32, id: i32) -> Result<SignalOwner> {
    if id == 0 {
        return Ok(SignalOwner::Nobody);
    }
    let owner = match kind {
        F_OWNER_TID => SignalOwner::Thread(id),
        F_OWNER_PID => SignalOwner::Process(id),
        F_OWNER_PGRP => SignalOwner::Group(id),
        _ => return Err(Errno::INVAL.into()),
    };
    if has_receivers(owner) {
        Ok(owner)
    } else {
        Err(Errno::SRCH.into())
    }
}

/// The owner, unless it has gone.
fn living(file: &OpenFile) -> SignalOwner {
    let owner = file.signal_target().owner;
    if has_receivers(owner) {
        owner
    } else {
        SignalOwner::Nobody
    }
}

/// `F_SETOWN`: a process, or a group when negative.
pub(super) fn set_owner(thread: &Thread, file: &OpenFile, number: i32) -> Result {
    let owner = if number < 0 {
        find(F_OWNER_PGRP, number.checked_neg().ok_or(Errno::INVAL)?)?
    } else {
        find(F_OWNER_PID, number)?
    };
    set(thread, file, owner);
    Ok(0)
}

/// `F_GETOWN`
pub(super) fn owner(file: &OpenFile) -> i32 {
    match living(file) {
        SignalOwner::Nobody => 0,
        SignalOwner::Thread(id) | SignalOwner::Process(id) => id,
        SignalOwner::Group(group) => -group,
    }
}

/// `F_SETOWN_EX`
pub(super) async fn set_owner_by_kind(thread: &Thread, file: &OpenFile, address: usize) -> Result {
    let FileOwner { kind, id } = thread.memory.read(address).await?;
    set(thread, file, find(kind as u32, id)?);
    Ok(0)
}

/// `F_GETOWN_EX`
pub(super) async fn owner_by_kind(thread: &Thread, file: &OpenFile, address: usize) -> Result {
    let (kind, id) = match living(file) {
        SignalOwner::Nobody => (F_OWNER_TID, 0),
        SignalOwner::Thread(id) => (F_OWNER_TID, id),
        SignalOwner::Process(id) => (F_OWNER_PID, id),
        SignalOwner::Group(id) => (F_OWNER_PGRP, id),
    };
    let kind = kind as i32;
    thread.memory.write(address, &FileOwner { kind, id }).await?;
    Ok(0)
}

/// `F_GETOWNER_UIDS`: real and effective user of who said who the owner is.
pub(super) async fn owner_uids(thread: &Thread, file: &OpenFile, address: usize) -> Result {
    let target = file.signal_target();
    thread.memory.write(address, &[target.uid, target.euid]).await?;
    Ok(0)
}

/// `F_SETSIG`: the signal in the place of `SIGIO`, or 0.
pub(super) fn set_signal(file: &OpenFile, number: usize) -> Result {
    let signal = i32::try_from(number).map_err(|_| Errno::INVAL)?;
    if signal != 0 {
        Signal::new(signal)?;
    }
    file.set_signal_target(&FileSignals, |target| target.signal = signal);
    Ok(0)
}

/// `F_GETSIG`
pub(super) fn signal(file: &OpenFile) -> usize {
    file.signal_target().signal as usize
}
