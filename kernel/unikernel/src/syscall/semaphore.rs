//! System V semaphores.

use abi::Errno;
use alloc::vec::Vec;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::ipc::{IPC_INFO, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT, Owner, find_or_make};
use super::wait::deadline_after;
use super::{Call, Error, Result, Stop};
use crate::ipc::{Operation, Permissions, SETS, SETS_MAX, SemaphoreSet, Step, VALUE_MAX, Wish};
use crate::process::Thread;

const GETPID: i32 = 11;
const GETVAL: i32 = 12;
const GETALL: i32 = 13;
const GETNCNT: i32 = 14;
const GETZCNT: i32 = 15;
const SETVAL: i32 = 16;
const SETALL: i32 = 17;
const SEM_STAT: i32 = 18;
const SEM_INFO: i32 = 19;
const SEM_STAT_ANY: i32 = 20;

const SEM_UNDO: u16 = 0o10000;

/// Semaphores of a set (`SEMMSL`).
const SET_MAX: usize = 32000;
/// Operations of a call (`SEMOPM`).
const OPERATIONS_MAX: usize = 500;

/// `struct semid64_ds`
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Description {
    owner: Owner,
    operated: u64,
    unused: u64,
    changed: u64,
    unused_too: u64,
    count: u64,
    rest: [u64; 2],
}

/// `struct sembuf`
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Record {
    number: u16,
    change: i16,
    flags: u16,
}

/// `semget(key, count, flags)`
pub(super) fn semget(thread: &Thread, call: &Call) -> Result {
    let (key, flags) = (call.int(0), call.unsigned(2));
    let count = usize::try_from(call.int(1)).ok().filter(|&count| count <= SET_MAX);
    let count = count.ok_or(Errno::INVAL)?;
    let permissions = |set: &SemaphoreSet| set.with(|state| state.permissions.clone());
    let (set, is_new) = find_or_make(thread, &SETS, key, flags, permissions, |credentials| {
        if count == 0 {
            return Err(Errno::INVAL);
        }
        SETS.add(|id| SemaphoreSet::new(id, Permissions::new(key, flags, credentials), count))
    })?;
    if !is_new && count > set.with(|state| state.semaphores.len()) {
        return Err(Errno::INVAL.into());
    }
    Ok(set.id as usize)
}

/// `semtimedop(id, operations, count, timeout)`, and `semop` without a time-out.
pub(super) async fn semtimedop(thread: &Thread, call: &Call, timeout: usize) -> Result {
    let (id, count) = (call.int(0), call.word(2));
    if count > OPERATIONS_MAX {
        return Err(Errno::TOOBIG.into());
    }
    if count == 0 || id < 0 {
        return Err(Errno::INVAL.into());
    }
    let records: Vec<Record> = thread.memory.read_array(call.word(1), count).await?;
    let deadline = deadline_after(thread, timeout).await?;
    let operations: Vec<Operation> = records
        .iter()
        .map(|record| Operation {
            number: record.number,
            change: record.change,
            nonblocking: u32::from(record.flags) & IPC_NOWAIT != 0,
            undone: record.flags & SEM_UNDO != 0,
        })
        .collect();
    let set = SETS.get(id)?;
    let (permissions, length) = set.with(|state| (state.permissions.clone(), state.semaphores.len()));
    if operations
        .iter()
        .any(|operation| usize::from(operation.number) >= length)
    {
        return Err(Errno::FBIG.into());
    }
    let alters = operations.iter().any(|operation| operation.change != 0);
    let wish = if alters { Wish::ALTER } else { Wish::READ };
    permissions.check(&thread.process.credentials(), wish)?;
    loop {
        let ticket = set.changed.ticket();
        let blocked = match set.attempt(&operations, thread.process.pid)? {
            Step::Done => return Ok(0),
            Step::Waits(index) => operations[index],
        };
        if blocked.nonblocking {
            return Err(Errno::AGAIN.into());
        }
        set.count_waiter(blocked, 1);
        let waited = thread.wait_until(deadline, set.changed.wait(ticket)).await;
        set.count_waiter(blocked, -1);
        match waited {
            Ok(()) => {}
            Err(Stop::TimedOut) => return Err(Errno::AGAIN.into()),
            Err(Stop::Signal) => return Err(Errno::INTR.into()),
        }
    }
}

fn describe(set: &SemaphoreSet) -> Description {
    set.with(|state| Description {
        owner: Owner::of(&state.permissions),
        operated: state.operated,
        changed: state.changed,
        count: state.semaphores.len() as u64,
        ..Description::default()
    })
}

/// `semctl(id, number, command, argument)`
pub(super) async fn semctl(thread: &Thread, call: &Call) -> Result {
    // Others may ask for the version of the records, of which there is one here.
    const VERSION: i32 = 0x100;
    let (id, number, command, argument) = (call.int(0), call.int(1), call.int(2) & !VERSION, call.word(3));
    if id < 0 {
        return Err(Errno::INVAL.into());
    }
    if let IPC_INFO | SEM_INFO = command {
        return describe_all(thread, command, argument).await;
    }
    let set = SETS.get(id)?;
    let credentials = thread.process.credentials();
    let permissions = set.with(|state| state.permissions.clone());
    match command {
        IPC_STAT | SEM_STAT | SEM_STAT_ANY => {
            if command != SEM_STAT_ANY {
                permissions.check(&credentials, Wish::READ)?;
            }
            thread.memory.write(argument, &describe(&set)).await?;
            return Ok(if command == IPC_STAT { 0 } else { set.id as usize });
        }
        IPC_SET => {
            let wanted: Description = thread.memory.read(argument).await?;
            permissions.check_owner(&credentials)?;
            set.with(|state| {
                let owner = wanted.owner;
                state.permissions.set(owner.user, owner.group, owner.mode);
                state.changed = crate::ipc::now();
            });
            return Ok(0);
        }
        IPC_RMID => {
            permissions.check_owner(&credentials)?;
            set.remove()?;
            return Ok(0);
        }
        GETALL => {
            permissions.check(&credentials, Wish::READ)?;
            let values: Vec<u16> = set.with(|state| state.semaphores.iter().map(|one| one.value as u16).collect());
            thread
                .memory
                .write_bytes(argument, values.as_slice().as_bytes())
                .await?;
            return Ok(0);
        }
        SETALL => {
            permissions.check(&credentials, Wish::ALTER)?;
            let count = set.with(|state| state.semaphores.len());
            let values: Vec<u16> = thread.memory.read_array(argument, count).await?;
            if values.iter().any(|&value| i32::from(value) > VALUE_MAX) {
                return Err(Errno::RANGE.into());
            }
            set.with(|state| {
                for (number, &value) in (0_u16..).zip(&values) {
                    state.set_value(number, i32::from(value), thread.process.pid);
                }
            });
            set.changed.notify();
            return Ok(0);
        }
        GETPID | GETVAL | GETNCNT | GETZCNT => permissions.check(&credentials, Wish::READ)?,
        SETVAL => {
            let value = argument as i32;
            if !(0..=VALUE_MAX).contains(&value) {
                return Err(Errno::RANGE.into());
            }
            permissions.check(&credentials, Wish::ALTER)?;
        }
        _ => return Err(Errno::INVAL.into()),
    }
    let semaphore = usize::try_from(number)
        .ok()
        .and_then(|number| set.with(|state| state.semaphores.get(number).copied()))
        .ok_or(Errno::INVAL)?;
    Ok(match command {
        GETPID => semaphore.last as usize,
        GETVAL => semaphore.value as usize,
        GETNCNT => semaphore.growth_waiters as usize,
        GETZCNT => semaphore.zero_waiters as usize,
        _ => {
            set.with(|state| state.set_value(number as u16, argument as i32, thread.process.pid));
            set.changed.notify();
            0
        }
    })
}

/// `IPC_INFO` and `SEM_INFO`: the limits, and for the latter what there is; the result is the highest identifier.
async fn describe_all(thread: &Thread, command: i32, address: usize) -> core::result::Result<usize, Error> {
    let (sets, semaphores, highest) = {
        let sets = SETS.lock();
        let semaphores: usize = sets.values().map(|set| set.with(|state| state.semaphores.len())).sum();
        (sets.len(), semaphores, sets.keys().next_back().copied().unwrap_or(0))
    };
    let most = SETS_MAX as u32;
    let all = most * SET_MAX as u32;
    let (usage, undo) = if command == IPC_INFO {
        (20, VALUE_MAX as u32)
    } else {
        (sets as u32, semaphores as u32)
    };
    let operations = OPERATIONS_MAX as u32;
    let limits = [
        all,
        most,
        all,
        all,
        SET_MAX as u32,
        operations,
        operations,
        usage,
        VALUE_MAX as u32,
        undo,
    ];
    thread.memory.write(address, &limits).await?;
    Ok(highest as usize)
}
