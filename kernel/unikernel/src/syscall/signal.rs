//! Signals: actions, masks, sending and waiting.

use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::wait::deadline_after;
use super::{Call, Error, Outcome, Result, Stop};
use crate::process::{AlternateStack, Broadcast, Capability, Process, Thread, family};
use crate::signal::{Action, Info, MINIMUM_STACK, Signal, SignalSet};

const SET_SIZE: usize = 8;

fn check_set_size(size: usize) -> Result<()> {
    if size == SET_SIZE {
        Ok(())
    } else {
        Err(Errno::INVAL.into())
    }
}

/// Reads a `sigset_t`.
pub(super) async fn read_set(thread: &Thread, address: usize, size: usize) -> Result<SignalSet> {
    check_set_size(size)?;
    Ok(SignalSet::from_bits(thread.memory.read(address).await?))
}

pub(super) async fn rt_sigaction(thread: &Thread, call: &Call) -> Result {
    check_set_size(call.word(3))?;
    let signal = Signal::new(call.int(0))?;
    let new = if call.word(1) == 0 {
        None
    } else {
        Some(thread.memory.read::<Action>(call.word(1)).await?)
    };
    if new.is_some() && SignalSet::UNSTOPPABLE.contains(signal) {
        return Err(Errno::INVAL.into());
    }
    let actions = &thread.process.actions;
    let old = match new {
        Some(action) => {
            let old = actions.set(signal, action);
            if action.disposition(signal).ignores() {
                thread.process.discard(SignalSet::of(signal));
            }
            old
        }
        None => actions.get(signal),
    };
    if call.word(2) != 0 {
        thread.memory.write(call.word(2), &old).await?;
    }
    Ok(0)
}

pub(super) async fn rt_sigprocmask(thread: &Thread, call: &Call) -> Result {
    check_set_size(call.word(3))?;
    let old = thread.blocked();
    if call.word(1) != 0 {
        let set = SignalSet::from_bits(thread.memory.read(call.word(1)).await?);
        thread.set_blocked(match call.unsigned(0) {
            linux::SIG_BLOCK => old.with(set),
            linux::SIG_UNBLOCK => old.without(set),
            linux::SIG_SETMASK => set,
            _ => return Err(Errno::INVAL.into()),
        });
    }
    if call.word(2) != 0 {
        thread.memory.write(call.word(2), &old.bits()).await?;
    }
    Ok(0)
}

pub(super) async fn rt_sigpending(thread: &Thread, call: &Call) -> Result {
    if call.word(1) > SET_SIZE {
        return Err(Errno::INVAL.into());
    }
    let pending = thread.all_pending().and(thread.blocked());
    thread
        .memory
        .write_bytes(call.word(0), &pending.bits().to_ne_bytes()[..call.word(1)])
        .await?;
    Ok(0)
}

pub(super) async fn rt_sigsuspend(thread: &Thread, call: &Call) -> Result {
    let mask = read_set(thread, call.word(0), call.word(1)).await?;
    thread.suspend_mask(mask);
    let _ = thread.wait(core::future::pending::<()>()).await;
    Err(Error::INTERRUPTED_ONCE)
}

pub(super) async fn pause(thread: &Thread) -> Result {
    let _ = thread.wait(core::future::pending::<()>()).await;
    Err(Error::INTERRUPTED_ONCE)
}

pub(super) async fn rt_sigtimedwait(thread: &Thread, call: &Call) -> Result {
    let wanted = read_set(thread, call.word(0), call.word(3))
        .await?
        .without(SignalSet::UNSTOPPABLE);
    let deadline = deadline_after(thread, call.word(2)).await?;
    thread.set_awaited(wanted);
    let mut taken = thread.take_signal_of(wanted);
    let mut otherwise = Errno::INTR;
    if taken.is_none() {
        // Until one of those comes that are awaited, or another, which is delivered.
        if let Err(Stop::TimedOut) = thread.wait_until(deadline, core::future::pending::<()>()).await {
            otherwise = Errno::AGAIN;
        }
        taken = thread.take_signal_of(wanted);
    }
    thread.set_awaited(SignalSet::EMPTY);
    // Who has sent one up to here may count on this thread.
    let taken = taken.or_else(|| thread.take_signal_of(wanted));
    let (signal, info) = taken.ok_or(otherwise)?;
    if call.word(1) != 0 {
        thread.memory.write(call.word(1), &info).await?;
    }
    Ok(usize::from(signal.number()))
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct StackRecord {
    address: usize,
    flags: u32,
    padding: u32,
    size: usize,
}

pub(super) async fn sigaltstack(thread: &Thread, call: &Call) -> Result {
    let old = *thread.alternate_stack.lock();
    let on_stack = old.holds(call.stack_pointer);
    if call.word(0) != 0 {
        let new = thread.memory.read::<StackRecord>(call.word(0)).await?;
        if on_stack {
            return Err(Errno::PERM.into());
        }
        let mode = new.flags & !linux::SS_AUTODISARM;
        if mode != 0 && mode != linux::SS_DISABLE && mode != linux::SS_ONSTACK {
            return Err(Errno::INVAL.into());
        }
        if mode != linux::SS_DISABLE && new.size < MINIMUM_STACK.min(2048) {
            return Err(Errno::NOMEM.into());
        }
        *thread.alternate_stack.lock() = if mode == linux::SS_DISABLE {
            AlternateStack::DISABLED
        } else {
            AlternateStack {
                address: new.address,
                size: new.size,
                flags: new.flags & linux::SS_AUTODISARM,
            }
        };
    }
    if call.word(1) != 0 {
        let record = StackRecord {
            address: old.address,
            flags: old.flags | if on_stack { linux::SS_ONSTACK } else { 0 },
            padding: 0,
            size: old.size,
        };
        thread.memory.write(call.word(1), &record).await?;
    }
    Ok(0)
}

pub(super) async fn rt_sigreturn(thread: &Thread, call: &Call) -> Result {
    let frame = crate::signal::read_frame(&thread.memory, call.stack_pointer).await;
    Err(Error::registers(move |thread, context| {
        match frame {
            Ok(frame) => frame.restore(thread, context),
            // As Linux: a frame that cannot be read ends the program.
            Err(_) => thread.force(Signal::SEGV, Info::kernel(Signal::SEGV)),
        }
        Outcome::Replaced
    }))
}

pub(super) fn sender_info(thread: &Thread, signal: Signal, code: i32) -> Info {
    let uid = thread.process.with_credentials(|credentials| credentials.uid);
    Info::from_process(signal, code, thread.process.pid, uid)
}

/// Whether a process may send another a signal: root (`CAP_KILL`), the same user, or anybody of a session who lets it go on (`kill(2)`).
pub(super) fn may_signal(sender: &Process, target: &Process, signal: Option<Signal>) -> bool {
    let (uid, euid, may_kill) = sender.with_credentials(|own| (own.uid, own.euid, own.can(Capability::KILL)));
    let theirs = target.with_credentials(|other| [other.uid, other.suid]);
    let same_session = sender.kinship.session() == target.kinship.session();
    may_kill || theirs.contains(&uid) || theirs.contains(&euid) || signal == Some(Signal::CONT) && same_session
}

/// The processes that a number means: one, the caller's group (0), all others but the first (-1), a group (its negative).
fn targets(thread: &Thread, pid: i32) -> Vec<Arc<Process>> {
    match pid {
        0 => family::members(thread.process.kinship.group()),
        -1 => {
            let mut others = family::all();
            others.retain(|process| process.pid != thread.process.pid && process.kinship.parent() != 0);
            others
        }
        // Any thread's ID stands for its process, as on Linux.
        pid if pid > 0 => family::find(pid)
            .or_else(|| family::find_thread(pid).map(|thread| thread.process.clone()))
            .into_iter()
            .collect(),
        group => group.checked_neg().map_or_else(Vec::new, family::members),
    }
}

/// Sends a signal to what a number means: succeeds when one process took it.
fn send(thread: &Thread, pid: i32, signal: Option<Signal>, info: impl Fn(Signal) -> Info) -> Result {
    let mut result = Err(Errno::SRCH);
    let mut broadcast = (pid <= 0).then(Broadcast::begin);
    let targets = targets(thread, pid);
    for process in &targets {
        if pid > 0 {
            expose_to_own(thread, process, signal);
        }
        let mut tell = |signal| match &mut broadcast {
            Some(broadcast) => broadcast.send(process, signal, info(signal)),
            None => process.send(signal, info(signal)),
        };
        let sent = if !may_signal(&thread.process, process, signal) {
            Err(Errno::PERM)
        } else if signal.is_none_or(&mut tell) {
            Ok(0)
        } else {
            Err(Errno::AGAIN)
        };
        if result.is_err() {
            result = sent;
        }
    }
    // Before the processes, of which this may be the last share.
    drop(broadcast);
    Ok(result?)
}

/// Whoever sends a signal to itself means to end of it: `abort`, and what does after its clean-up what the signal would have done.
fn expose_to_own(thread: &Thread, target: &Arc<Process>, signal: Option<Signal>) {
    if let Some(signal) = signal.filter(|_| Arc::ptr_eq(target, &thread.process)) {
        target.expose_to(signal);
    }
}

/// A signal's number, where 0 stands for none and only asks whether it could be sent.
pub(super) fn signal_or_none(number: i32) -> Result<Option<Signal>> {
    match number {
        0 => Ok(None),
        number => Ok(Some(Signal::new(number)?)),
    }
}

pub(super) fn kill(thread: &Thread, call: &Call) -> Result {
    let signal = signal_or_none(call.int(1))?;
    send(thread, call.int(0), signal, |signal| {
        sender_info(thread, signal, Info::USER)
    })
}

/// The thread with an ID, of a process if one is named.
fn find_thread(thread: &Thread, pid: Option<i32>, tid: i32) -> Result<Arc<Thread>> {
    if tid <= 0 || pid.is_some_and(|pid| pid <= 0) {
        return Err(Errno::INVAL.into());
    }
    let own = thread.process.thread(tid);
    let found = own.or_else(|| family::find_thread(tid)).ok_or(Errno::SRCH)?;
    if pid.is_some_and(|pid| pid != found.process.pid) {
        return Err(Errno::SRCH.into());
    }
    Ok(found)
}

/// `tkill(2)` and, with a process, `tgkill(2)`.
pub(super) fn thread_kill(thread: &Thread, pid: Option<i32>, tid: i32, number: i32) -> Result {
    let target = find_thread(thread, pid, tid)?;
    let signal = signal_or_none(number)?;
    if !may_signal(&thread.process, &target.process, signal) {
        return Err(Errno::PERM.into());
    }
    expose_to_own(thread, &target.process, signal);
    if signal.is_none_or(|signal| target.send(signal, sender_info(thread, signal, Info::THREAD))) {
        Ok(0)
    } else {
        Err(Errno::AGAIN.into())
    }
}

/// A signal with what the caller says of it. Of itself a process may say anything, to others only what does not look like the kernel's.
pub(super) async fn queued_info(thread: &Thread, pid: i32, number: i32, address: usize) -> Result<(Signal, Info)> {
    let signal = Signal::new(number)?;
    let mut info = thread.memory.read::<Info>(address).await?;
    if (info.code >= 0 || info.code == Info::THREAD) && pid != thread.process.pid {
        return Err(Errno::PERM.into());
    }
    info.signal = number;
    Ok((signal, info))
}

pub(super) async fn rt_sigqueueinfo(thread: &Thread, call: &Call) -> Result {
    let pid = call.int(0);
    let (signal, info) = queued_info(thread, pid, call.int(1), call.word(2)).await?;
    if pid <= 0 {
        return Err(Errno::SRCH.into());
    }
    send(thread, pid, Some(signal), |_| info)
}

pub(super) async fn rt_tgsigqueueinfo(thread: &Thread, call: &Call) -> Result {
    let (signal, info) = queued_info(thread, call.int(0), call.int(2), call.word(3)).await?;
    let target = find_thread(thread, Some(call.int(0)), call.int(1))?;
    if !may_signal(&thread.process, &target.process, Some(signal)) {
        return Err(Errno::PERM.into());
    }
    if target.send(signal, info) {
        Ok(0)
    } else {
        Err(Errno::AGAIN.into())
    }
}
