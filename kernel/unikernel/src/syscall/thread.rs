//! Threads: creation, end, identity, scheduling.

use core::sync::atomic::Ordering;

use abi::Errno;
use linux_raw_sys::general as linux;
use zerocopy::{FromBytes, IntoBytes};

use super::{Call, Error, Outcome, Result};
use crate::process::{ExitStatus, Thread, start_thread};
use crate::signal::SignalSet;

/// What `clone(2)` and `clone3(2)` ask for.
#[derive(Clone, Copy, Debug, Default)]
struct CloneRequest {
    flags: u64,
    parent_tid: usize,
    child_tid: usize,
    stack: usize,
    thread_pointer: usize,
}

pub(super) async fn clone(thread: &Thread, call: &Call) -> Result {
    const EXIT_SIGNAL: u64 = 0xff;
    run_clone(
        thread,
        CloneRequest {
            flags: call.word(0) as u64 & !EXIT_SIGNAL,
            stack: call.word(1),
            parent_tid: call.word(2),
            child_tid: call.word(3),
            thread_pointer: call.word(4),
        },
    )
    .await
}

#[derive(Default, FromBytes, IntoBytes)]
#[repr(C)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    thread_pointer: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

pub(super) async fn clone3(thread: &Thread, call: &Call) -> Result {
    const FIRST_VERSION: usize = 64;
    let size = call.word(1);
    if size < FIRST_VERSION {
        return Err(Errno::INVAL.into());
    }
    if size > 4096 {
        return Err(Errno::TOOBIG.into());
    }
    let mut arguments = CloneArguments::default();
    let known = size.min(size_of::<CloneArguments>());
    thread
        .memory
        .read_bytes(call.word(0), &mut arguments.as_mut_bytes()[..known])
        .await?;
    if arguments.set_tid_size != 0 || arguments.flags & 0xff != 0 {
        return Err(Errno::INVAL.into());
    }
    run_clone(
        thread,
        CloneRequest {
            flags: arguments.flags,
            parent_tid: arguments.parent_tid as usize,
            child_tid: arguments.child_tid as usize,
            stack: arguments.stack.wrapping_add(arguments.stack_size) as usize,
            thread_pointer: arguments.thread_pointer as usize,
        },
    )
    .await
}

async fn run_clone(thread: &Thread, request: CloneRequest) -> Result {
    const THREAD: u64 =
        (linux::CLONE_VM | linux::CLONE_FS | linux::CLONE_FILES | linux::CLONE_SIGHAND | linux::CLONE_THREAD) as u64;
    let has = move |flag: u32| request.flags & u64::from(flag) != 0;
    if request.flags & THREAD != THREAD {
        if has(linux::CLONE_THREAD) {
            return Err(Errno::INVAL.into());
        }
        super::unknown::report_once("fork");
        return Err(Errno::NOSYS.into());
    }
    if thread.process.thread_count() >= crate::process::MAX_THREADS {
        return Err(Errno::AGAIN.into());
    }
    let tid = crate::process::next_tid();
    if has(linux::CLONE_PARENT_SETTID) {
        // Before the call returns: `pthread_join` takes a zero there for the thread's end. As Linux, a bad address is the application's loss.
        let _ = thread.memory.write(request.parent_tid, &tid).await;
    }
    Err(Error::registers(move |parent, context| {
        let child = Thread::new(tid, parent.process.clone(), parent.blocked());
        *child.name.lock() = *parent.name.lock();
        let mut registers = context.duplicate();
        registers.set_return_value(0);
        if request.stack != 0 {
            registers.set_stack_pointer(request.stack);
        }
        if has(linux::CLONE_SETTLS) {
            registers.set_thread_pointer(request.thread_pointer);
        }
        if has(linux::CLONE_CHILD_CLEARTID) {
            child.clear_tid.store(request.child_tid, Ordering::Relaxed);
        }
        let child_tid = has(linux::CLONE_CHILD_SETTID).then_some(request.child_tid);
        start_thread(child, registers, child_tid);
        Outcome::Return(tid as usize)
    }))
}

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

/// A thread by the number that scheduling calls take: 0 is the caller.
fn check_target(thread: &Thread, tid: i32) -> Result<()> {
    match tid {
        0 => Ok(()),
        tid if tid < 0 => Err(Errno::INVAL.into()),
        tid if tid == thread.process.pid || thread.process.thread(tid).is_some() => Ok(()),
        _ => Err(Errno::SRCH.into()),
    }
}

pub(super) async fn sched_getaffinity(thread: &Thread, call: &Call) -> Result {
    check_target(thread, call.int(0))?;
    let size = call.unsigned(1) as usize;
    if size < 8 || !size.is_multiple_of(8) {
        return Err(Errno::INVAL.into());
    }
    let mask = (1_u64 << hal::cpu::count()) - 1;
    thread.memory.write(call.word(2), &mask).await?;
    Ok(8)
}

pub(super) async fn sched_setaffinity(thread: &Thread, call: &Call) -> Result {
    check_target(thread, call.int(0))?;
    let mut mask = [0; 8];
    let size = (call.unsigned(1) as usize).min(mask.len());
    thread.memory.read_bytes(call.word(2), &mut mask[..size]).await?;
    let running = (1_u64 << hal::cpu::count()) - 1;
    if u64::from_ne_bytes(mask) & running == 0 {
        Err(Errno::INVAL.into())
    } else {
        Ok(0)
    }
}

pub(super) async fn sched_getparam(thread: &Thread, call: &Call) -> Result {
    check_target(thread, call.int(0))?;
    thread.memory.write(call.word(1), &0_i32).await?;
    Ok(0)
}

pub(super) fn sched_setscheduler(thread: &Thread, call: &Call) -> Result {
    check_target(thread, call.int(0))?;
    match call.unsigned(1) {
        linux::SCHED_NORMAL | linux::SCHED_BATCH | linux::SCHED_IDLE => Ok(0),
        linux::SCHED_FIFO | linux::SCHED_RR => Err(Errno::PERM.into()),
        _ => Err(Errno::INVAL.into()),
    }
}

pub(super) fn sched_getscheduler(thread: &Thread, call: &Call) -> Result {
    check_target(thread, call.int(0))?;
    Ok(linux::SCHED_NORMAL as usize)
}

pub(super) fn sched_priority(call: &Call, real_time: usize) -> Result {
    match call.unsigned(0) {
        linux::SCHED_NORMAL | linux::SCHED_BATCH | linux::SCHED_IDLE | linux::SCHED_DEADLINE => Ok(0),
        linux::SCHED_FIFO | linux::SCHED_RR => Ok(real_time),
        _ => Err(Errno::INVAL.into()),
    }
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
        operation::PR_SET_PDEATHSIG
        | operation::PR_SET_DUMPABLE
        | operation::PR_SET_KEEPCAPS
        | operation::PR_SET_TIMERSLACK
        | operation::PR_SET_CHILD_SUBREAPER
        | operation::PR_SET_THP_DISABLE
        | operation::PR_CAPBSET_DROP
        | operation::PR_SET_SECUREBITS => Ok(0),
        operation::PR_GET_PDEATHSIG => {
            thread.memory.write(call.word(1), &0_i32).await?;
            Ok(0)
        }
        operation::PR_GET_DUMPABLE | operation::PR_CAPBSET_READ => Ok(1),
        operation::PR_GET_KEEPCAPS | operation::PR_GET_SECCOMP | operation::PR_GET_SECUREBITS => Ok(0),
        operation::PR_GET_TIMERSLACK => Ok(50_000),
        operation::PR_SET_NO_NEW_PRIVS if call.word(1) == 1 => Ok(0),
        operation::PR_GET_NO_NEW_PRIVS => Ok(1),
        operation::PR_CAP_AMBIENT => Err(Errno::PERM.into()),
        // Naming anonymous memory is for `/proc/PID/maps` alone.
        operation::PR_SET_VMA => Ok(0),
        _ => Err(Errno::INVAL.into()),
    }
}

pub(super) async fn sched_yield() -> usize {
    task::yield_now().await;
    0
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
