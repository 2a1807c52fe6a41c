//! System V message queues.

use abi::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::ipc::{IPC_INFO, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT, Owner, find_or_make};
use super::{Call, Error, Result};
use crate::ipc::{MESSAGE_MAX, MessageQueue, Permissions, QUEUE_BYTES, QUEUES, QUEUES_MAX, Selection, Wish};
use crate::process::{Capability, Thread};

const MSG_STAT: i32 = 11;
const MSG_INFO: i32 = 12;
const MSG_STAT_ANY: i32 = 13;

const MSG_NOERROR: u32 = 0o10000;
const MSG_EXCEPT: u32 = 0o20000;
const MSG_COPY: u32 = 0o40000;

/// `struct msqid64_ds`
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Description {
    owner: Owner,
    sent: u64,
    received: u64,
    changed: u64,
    bytes: u64,
    count: u64,
    limit: u64,
    sender: i32,
    receiver: i32,
    unused: [u64; 2],
}

/// `msgget(key, flags)`
pub(super) fn msgget(thread: &Thread, call: &Call) -> Result {
    let (key, flags) = (call.int(0), call.unsigned(1));
    let permissions = |queue: &MessageQueue| queue.with(|state| state.permissions.clone());
    let (queue, _) = find_or_make(thread, &QUEUES, key, flags, permissions, |credentials| {
        QUEUES.add(|id| MessageQueue::new(id, Permissions::new(key, flags, credentials)))
    })?;
    Ok(queue.id as usize)
}

/// Waits for a change of a queue after `ticket` was taken.
async fn wait(thread: &Thread, queue: &MessageQueue, ticket: u64) -> Result<()> {
    let waited = thread
        .wait_until(None::<task::Deadline>, queue.changed.wait(ticket))
        .await;
    waited.map_err(|_| Error::INTERRUPTED_ONCE)
}

/// `msgsnd(id, message, size, flags)`
pub(super) async fn msgsnd(thread: &Thread, call: &Call) -> Result {
    let (id, address, size, flags) = (call.int(0), call.word(1), call.word(2), call.unsigned(3));
    let kind: i64 = thread.memory.read(address).await?;
    if size > MESSAGE_MAX || id < 0 || kind < 1 {
        return Err(Errno::INVAL.into());
    }
    let content = address.checked_add(size_of::<i64>()).ok_or(Errno::FAULT)?;
    let mut content = thread.memory.read_array(content, size).await?;
    let queue = QUEUES.get(id)?;
    loop {
        let ticket = queue.changed.ticket();
        let permissions = queue.with(|state| state.permissions.clone());
        permissions.check(&thread.process.credentials(), Wish::ALTER)?;
        if queue.send(kind, &mut content, thread.process.pid)? {
            return Ok(0);
        }
        if flags & IPC_NOWAIT != 0 {
            return Err(Errno::AGAIN.into());
        }
        wait(thread, &queue, ticket).await?;
    }
}

/// `msgrcv(id, message, size, type, flags)`
pub(super) async fn msgrcv(thread: &Thread, call: &Call) -> Result {
    let (id, address, flags) = (call.int(0), call.word(1), call.unsigned(4));
    let size = call.word(2);
    if id < 0 || i64::try_from(size).is_err() {
        return Err(Errno::INVAL.into());
    }
    if flags & MSG_COPY != 0 {
        return Err(Errno::NOSYS.into());
    }
    let selection = match call.long(3) {
        0 => Selection::First,
        kind if kind < 0 => Selection::LowestUpTo(kind.checked_neg().unwrap_or(i64::MAX)),
        kind if flags & MSG_EXCEPT != 0 => Selection::Except(kind),
        kind => Selection::Of(kind),
    };
    let queue = QUEUES.get(id)?;
    let (kind, content) = loop {
        let ticket = queue.changed.ticket();
        let permissions = queue.with(|state| state.permissions.clone());
        permissions.check(&thread.process.credentials(), Wish::READ)?;
        let cut = flags & MSG_NOERROR != 0;
        if let Some(message) = queue.receive(selection, size, cut, thread.process.pid)? {
            break message;
        }
        if flags & IPC_NOWAIT != 0 {
            return Err(Errno::NOMSG.into());
        }
        wait(thread, &queue, ticket).await?;
    };
    thread.memory.write(address, &kind).await?;
    let after = address.checked_add(size_of::<i64>()).ok_or(Errno::FAULT)?;
    thread.memory.write_bytes(after, &content).await?;
    Ok(content.len())
}

fn describe(queue: &MessageQueue) -> Description {
    queue.with(|state| Description {
        owner: Owner::of(&state.permissions),
        sent: state.sent,
        received: state.received,
        changed: state.changed,
        bytes: state.bytes as u64,
        count: state.count() as u64,
        limit: state.limit as u64,
        sender: state.sender,
        receiver: state.receiver,
        ..Description::default()
    })
}

/// `msgctl(id, command, buffer)`
pub(super) async fn msgctl(thread: &Thread, call: &Call) -> Result {
    let (id, command, buffer) = (call.int(0), call.int(1), call.word(2));
    if id < 0 {
        return Err(Errno::INVAL.into());
    }
    if let IPC_INFO | MSG_INFO = command {
        return describe_all(thread, command, buffer).await;
    }
    let credentials = thread.process.credentials();
    match command {
        IPC_STAT | MSG_STAT | MSG_STAT_ANY => {
            let queue = QUEUES.get(id)?;
            if command != MSG_STAT_ANY {
                let permissions = queue.with(|state| state.permissions.clone());
                permissions.check(&credentials, Wish::READ)?;
            }
            thread.memory.write(buffer, &describe(&queue)).await?;
            Ok(if command == IPC_STAT { 0 } else { queue.id as usize })
        }
        IPC_SET => {
            let wanted: Description = thread.memory.read(buffer).await?;
            let queue = QUEUES.get(id)?;
            queue.with(|state| state.permissions.check_owner(&credentials))?;
            if wanted.limit > QUEUE_BYTES as u64 && !credentials.can(Capability::SYS_RESOURCE) {
                return Err(Errno::PERM.into());
            }
            queue.with(|state| {
                let owner = wanted.owner;
                state.permissions.set(owner.user, owner.group, owner.mode);
                state.limit = wanted.limit as usize;
                state.changed = crate::ipc::now();
            });
            queue.changed.notify();
            Ok(0)
        }
        IPC_RMID => {
            let queue = QUEUES.get(id)?;
            queue.with(|state| state.permissions.check_owner(&credentials))?;
            queue.remove()?;
            Ok(0)
        }
        _ => Err(Errno::INVAL.into()),
    }
}

/// `IPC_INFO` and `MSG_INFO`: the limits, and for the latter what there is; the result is the highest identifier.
async fn describe_all(thread: &Thread, command: i32, address: usize) -> Result {
    let (queues, messages, bytes, highest) = {
        let queues = QUEUES.lock();
        let sum = |of: fn(&crate::ipc::QueueState) -> usize| -> usize {
            queues.values().map(|queue| queue.with(|state| of(state))).sum()
        };
        let highest = queues.keys().next_back().copied().unwrap_or(0);
        (
            queues.len(),
            sum(crate::ipc::QueueState::count),
            sum(|state| state.bytes),
            highest,
        )
    };
    let (most, queue_bytes) = (QUEUES_MAX as u32, QUEUE_BYTES as u32);
    let [pool, map, headers] = if command == IPC_INFO {
        [most * queue_bytes / 1024, queue_bytes, queue_bytes]
    } else {
        [queues as u32, messages as u32, bytes as u32]
    };
    // The last is 16 bits wide, and what follows it is padding.
    let segments = 0xffff;
    let limits = [pool, map, MESSAGE_MAX as u32, queue_bytes, most, 16, headers, segments];
    thread.memory.write(address, &limits).await?;
    Ok(highest as usize)
}
