//! How threads share the CPUs: nice values, policies, and which CPU a thread runs on.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use abi::{Errno, Timespec};
use hal::mem::PAGE_SIZE;
use linux_raw_sys::general as linux;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{Call, Result};
use crate::process::{Capability, Resource, Thread, family};

/// The thread with a number; 0 is the caller's.
fn target(thread: &Thread, tid: i32) -> Result<Option<Arc<Thread>>> {
    match tid {
        0 => Ok(None),
        tid => match thread.process.thread(tid).or_else(|| family::find_thread(tid)) {
            Some(target) => Ok(Some(target)),
            None => Err(Errno::SRCH.into()),
        },
    }
}

/// The same for calls to which a negative number is no number at all.
fn valid_target(thread: &Thread, tid: i32) -> Result<Option<Arc<Thread>>> {
    if tid < 0 {
        return Err(Errno::INVAL.into());
    }
    target(thread, tid)
}

/// A thread by its number, all threads of a process group or all of a user, for `getpriority(2)`: 0 means the caller's.
fn chosen(thread: &Thread, which: u32, who: i32) -> Result<Vec<Arc<Thread>>> {
    const PROCESS: u32 = 0;
    const GROUP: u32 = 1;
    const USER: u32 = 2;
    let own_uid = |process: &crate::process::Process| process.with_credentials(|own| own.uid);
    let found: Vec<_> = match which {
        PROCESS if who == 0 => thread.process.thread(thread.tid).into_iter().collect(),
        PROCESS => target(thread, who)?.into_iter().collect(),
        GROUP => {
            let group = if who == 0 { thread.process.kinship.group() } else { who };
            family::members(group)
                .iter()
                .flat_map(|process| process.threads())
                .collect()
        }
        USER => {
            let uid = if who == 0 { own_uid(&thread.process) } else { who as u32 };
            let all = family::all();
            let theirs = all.iter().filter(|process| own_uid(process) == uid);
            theirs.flat_map(|process| process.threads()).collect()
        }
        _ => return Err(Errno::INVAL.into()),
    };
    if found.is_empty() {
        return Err(Errno::SRCH.into());
    }
    Ok(found)
}

/// `getpriority(which, who)`: 20 less the lowest nice value, so that it is never negative.
pub(super) fn getpriority(thread: &Thread, call: &Call) -> Result {
    let found = chosen(thread, call.unsigned(0), call.int(1))?;
    let lowest = found.iter().map(|thread| thread.nice.load(Ordering::Relaxed)).min();
    Ok((20 - lowest.unwrap_or(0)) as usize)
}

/// `setpriority(which, who, nice)`
pub(super) fn setpriority(thread: &Thread, call: &Call) -> Result {
    let found = chosen(thread, call.unsigned(0), call.int(1))?;
    let nice = call.int(2).clamp(-20, 19);
    let privileged = thread.process.can(Capability::SYS_NICE);
    let (uid, euid) = thread.process.with_credentials(|own| (own.uid, own.euid));
    let mut result = Ok(0);
    for target in found {
        let users = target.process.with_credentials(|own| [own.uid, own.euid]);
        let lowest = 20 - i64::try_from(target.process.limits.lock().get(Resource::Nice).soft).unwrap_or(i64::MAX / 2);
        result = match () {
            () if !privileged && users[0] != euid && users[1] != euid && users[0] != uid => Err(Errno::PERM.into()),
            () if !privileged && nice < target.nice.load(Ordering::Relaxed) && i64::from(nice) < lowest => {
                Err(Errno::ACCES.into())
            }
            () => {
                target.nice.store(nice, Ordering::Relaxed);
                result
            }
        };
    }
    result
}

pub(super) async fn sched_getaffinity(thread: &Thread, call: &Call) -> Result {
    let size = call.unsigned(1) as usize;
    if size < 8 || !size.is_multiple_of(8) {
        return Err(Errno::INVAL.into());
    }
    let target = target(thread, call.int(0))?;
    let mask = target.as_deref().unwrap_or(thread).affinity.get();
    thread.memory.write(call.word(2), &mask).await?;
    Ok(8)
}

pub(super) async fn sched_setaffinity(thread: &Thread, call: &Call) -> Result {
    let mut mask = [0; 8];
    let size = (call.unsigned(1) as usize).min(mask.len());
    thread.memory.read_bytes(call.word(2), &mut mask[..size]).await?;
    let target = target(thread, call.int(0))?;
    let moved = target.as_deref().unwrap_or(thread);
    let own = thread.process.with_credentials(|own| own.euid);
    let is_own = moved
        .process
        .with_credentials(|other| own == other.euid || own == other.uid);
    if !is_own && !thread.process.can(Capability::SYS_NICE) {
        return Err(Errno::PERM.into());
    }
    if !moved.affinity.set(u64::from_ne_bytes(mask)) {
        return Err(Errno::INVAL.into());
    }
    // The caller moves on its way back to user mode, another wherever it enters that again.
    crate::describe::cpus::interrupt_where_running(moved.tid);
    Ok(0)
}

pub(super) async fn sched_getparam(thread: &Thread, call: &Call) -> Result {
    if call.word(1) == 0 {
        return Err(Errno::INVAL.into());
    }
    valid_target(thread, call.int(0))?;
    thread.memory.write(call.word(1), &0_i32).await?;
    Ok(0)
}

/// Refuses a policy with a priority that it does not go with, and those of real time.
fn check_policy(policy: u32, priority: i32) -> Result<()> {
    match policy {
        linux::SCHED_NORMAL | linux::SCHED_BATCH | linux::SCHED_IDLE if priority == 0 => Ok(()),
        // Nothing here runs in real time.
        linux::SCHED_FIFO | linux::SCHED_RR if (1..=99).contains(&priority) => Err(Errno::PERM.into()),
        _ => Err(Errno::INVAL.into()),
    }
}

/// The policy, and what goes with it: a priority, which is 0 where there is none.
async fn set_scheduler(thread: &Thread, tid: i32, policy: Option<u32>, parameter: usize) -> Result {
    if tid < 0 || parameter == 0 {
        return Err(Errno::INVAL.into());
    }
    let priority = thread.memory.read::<i32>(parameter).await?;
    let target = target(thread, tid)?;
    let kept = target.as_deref().unwrap_or(thread);
    let policy = policy.unwrap_or_else(|| kept.policy.load(Ordering::Relaxed));
    check_policy(policy, priority)?;
    kept.policy.store(policy, Ordering::Relaxed);
    Ok(0)
}

pub(super) async fn sched_setparam(thread: &Thread, call: &Call) -> Result {
    set_scheduler(thread, call.int(0), None, call.word(1)).await
}

pub(super) async fn sched_setscheduler(thread: &Thread, call: &Call) -> Result {
    if call.int(1) < 0 {
        return Err(Errno::INVAL.into());
    }
    // Children begin with it anyway: they begin with everything.
    let policy = call.unsigned(1) & !linux::SCHED_RESET_ON_FORK;
    set_scheduler(thread, call.int(0), Some(policy), call.word(2)).await
}

pub(super) fn sched_getscheduler(thread: &Thread, call: &Call) -> Result {
    let target = valid_target(thread, call.int(0))?;
    let kept = target.as_deref().unwrap_or(thread);
    Ok(kept.policy.load(Ordering::Relaxed) as usize)
}

pub(super) fn sched_priority(call: &Call, real_time: usize) -> Result {
    match call.unsigned(0) {
        linux::SCHED_NORMAL | linux::SCHED_BATCH | linux::SCHED_IDLE | linux::SCHED_DEADLINE => Ok(0),
        linux::SCHED_FIFO | linux::SCHED_RR => Ok(real_time),
        _ => Err(Errno::INVAL.into()),
    }
}

pub(super) async fn sched_rr_get_interval(thread: &Thread, call: &Call) -> Result {
    valid_target(thread, call.int(0))?;
    let slice = Timespec::from_nanoseconds(crate::scheduler::SLICE);
    thread.memory.write(call.word(1), &slice).await?;
    Ok(0)
}

/// `struct sched_attr`, without the hints of later versions.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// `sched_setattr(tid, attributes, flags)`
pub(super) async fn sched_setattr(thread: &Thread, call: &Call) -> Result {
    let (tid, address) = (call.int(0), call.word(1));
    if tid < 0 || address == 0 || call.unsigned(2) != 0 {
        return Err(Errno::INVAL.into());
    }
    let size: u32 = thread.memory.read(address).await?;
    let known = size_of::<Attributes>();
    // 0 means the first version. What is larger may be, as long as the rest is zero.
    let size = if size == 0 { known } else { size as usize };
    if size < known || size > PAGE_SIZE {
        thread.memory.write(address, &(known as u32)).await?;
        return Err(Errno::TOOBIG.into());
    }
    let bytes = thread.memory.read_array::<u8>(address, size).await?;
    let (attributes, rest) = Attributes::read_from_prefix(&bytes).map_err(|_| Errno::INVAL)?;
    if rest.iter().any(|&byte| byte != 0) {
        return Err(Errno::TOOBIG.into());
    }
    let target = target(thread, tid)?;
    let kept = target.as_deref().unwrap_or(thread);
    if attributes.policy == linux::SCHED_DEADLINE && attributes.priority == 0 {
        return Err(Errno::PERM.into());
    }
    check_policy(
        attributes.policy,
        i32::try_from(attributes.priority).unwrap_or(i32::MAX),
    )?;
    let nice = attributes.nice.clamp(-20, 19);
    let lowest = 20 - kept.process.limits.lock().get(Resource::Nice).soft.min(40) as i32;
    let current = kept.nice.load(Ordering::Relaxed);
    if nice < current && nice < lowest && !thread.process.can(Capability::SYS_NICE) {
        return Err(Errno::PERM.into());
    }
    kept.nice.store(nice, Ordering::Relaxed);
    kept.policy.store(attributes.policy, Ordering::Relaxed);
    Ok(0)
}

/// `sched_getattr(tid, attributes, size, flags)`
pub(super) async fn sched_getattr(thread: &Thread, call: &Call) -> Result {
    let (tid, address, size) = (call.int(0), call.word(1), call.unsigned(2) as usize);
    let known = size_of::<Attributes>();
    if tid < 0 || address == 0 || size < known || size > PAGE_SIZE || call.unsigned(3) != 0 {
        return Err(Errno::INVAL.into());
    }
    let target = target(thread, tid)?;
    let kept = target.as_deref().unwrap_or(thread);
    let attributes = Attributes {
        size: known as u32,
        policy: kept.policy.load(Ordering::Relaxed),
        nice: kept.nice.load(Ordering::Relaxed),
        ..Attributes::default()
    };
    thread.memory.write(address, &attributes).await?;
    Ok(0)
}

/// What `ioprio_get(2)` and `ioprio_set(2)` call the targets of `getpriority(2)`, from 1 on.
fn chosen_for_io(thread: &Thread, call: &Call) -> Result<Vec<Arc<Thread>>> {
    let which = call.unsigned(0).checked_sub(1).ok_or(Errno::INVAL)?;
    chosen(thread, which, call.int(1))
}

/// Bits of an I/O priority below its class.
const IO_CLASS_SHIFT: u32 = 13;
const IO_REAL_TIME: u32 = 1;
const IO_BEST_EFFORT: u32 = 2;

/// `ioprio_get(which, who)`: the most urgent of those that are chosen.
pub(super) fn ioprio_get(thread: &Thread, call: &Call) -> Result {
    let chosen = chosen_for_io(thread, call)?;
    let priorities = chosen.iter().map(|thread| thread.io_priority.load(Ordering::Relaxed));
    // One who never said anything is as one of best effort.
    let urgency = |&priority: &u32| {
        if priority == 0 {
            IO_BEST_EFFORT << IO_CLASS_SHIFT | 4
        } else {
            priority
        }
    };
    Ok(priorities.min_by_key(urgency).unwrap_or(0) as usize)
}

/// `ioprio_set(which, who, priority)`
pub(super) fn ioprio_set(thread: &Thread, call: &Call) -> Result {
    let priority = call.unsigned(2);
    let (class, level) = (priority >> IO_CLASS_SHIFT, priority & ((1 << IO_CLASS_SHIFT) - 1));
    match class {
        0 if level == 0 => {}
        IO_REAL_TIME if !thread.process.can(Capability::SYS_NICE) && !thread.process.can(Capability::SYS_ADMIN) => {
            return Err(Errno::PERM.into());
        }
        IO_REAL_TIME | IO_BEST_EFFORT if level & 7 == level => {}
        // The idle class has no levels.
        3 => {}
        _ => return Err(Errno::INVAL.into()),
    }
    let (uid, euid) = thread.process.with_credentials(|own| (own.uid, own.euid));
    for target in chosen_for_io(thread, call)? {
        let theirs = target.process.with_credentials(|other| other.uid);
        if theirs != uid && theirs != euid && !thread.process.can(Capability::SYS_NICE) {
            return Err(Errno::PERM.into());
        }
        target.io_priority.store(priority, Ordering::Relaxed);
    }
    Ok(0)
}

pub(super) async fn sched_yield() -> usize {
    task::yield_now().await;
    0
}

pub(super) async fn getcpu(thread: &Thread, call: &Call) -> Result {
    if call.word(0) != 0 {
        thread.memory.write(call.word(0), &(hal::cpu::current() as u32)).await?;
    }
    if call.word(1) != 0 {
        thread.memory.write(call.word(1), &0_u32).await?;
    }
    Ok(0)
}
