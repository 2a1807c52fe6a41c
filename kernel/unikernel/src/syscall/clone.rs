//! New threads and processes: `clone(2)`, `clone3(2)`, `fork(2)`, `vfork(2)`.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use abi::{Errno, OpenFlags};
use linux_raw_sys::general as linux;
use zerocopy::{FromBytes, IntoBytes};

use super::{Call, Error, Outcome, Restart, Result};
use crate::process::{Birth, Capability, Ending, PidFd, Resource, Thread, family, start_thread};
use crate::signal::Signal;

/// The lowest byte of the flags of `clone(2)`: the signal that tells the parent of the child's end.
const EXIT_SIGNAL: u64 = 0xff;
/// Flags that have an effect.
const SERVED: u64 = (linux::CLONE_VM
    | linux::CLONE_FS
    | linux::CLONE_FILES
    | linux::CLONE_SIGHAND
    | linux::CLONE_THREAD
    | linux::CLONE_VFORK
    | linux::CLONE_PARENT
    | linux::CLONE_SETTLS
    | linux::CLONE_PARENT_SETTID
    | linux::CLONE_PIDFD
    | linux::CLONE_CHILD_SETTID
    | linux::CLONE_CHILD_CLEARTID
    // Threads share what is undone of semaphores anyway, and the rest is not served: I/O contexts, traces. `CLONE_DETACHED` has meant nothing
    // for long.
    | linux::CLONE_SYSVSEM
    | linux::CLONE_IO
    | linux::CLONE_UNTRACED
    | linux::CLONE_DETACHED) as u64;

/// What the calls ask for.
#[derive(Clone, Copy, Debug, Default)]
struct Request {
    flags: u64,
    exit_signal: Option<Signal>,
    parent_tid: usize,
    child_tid: usize,
    pidfd: usize,
    /// 0 for the caller's.
    stack: usize,
    thread_pointer: usize,
}

impl Request {
    fn has(&self, flag: u32) -> bool {
        self.flags & u64::from(flag) != 0
    }
}

/// The signal with a number, or none for 0.
fn exit_signal(number: u64) -> Result<Option<Signal>> {
    match i32::try_from(number) {
        Ok(0) => Ok(None),
        Ok(number) => Ok(Some(Signal::new(number)?)),
        Err(_) => Err(Errno::INVAL.into()),
    }
}

/// `clone(flags, stack, parent_tid, child_tid, thread_pointer)`
pub(super) async fn clone(thread: &Thread, call: &Call) -> Result {
    let flags = call.word(0) as u64 & u64::from(u32::MAX);
    let request = Request {
        flags: flags & !EXIT_SIGNAL,
        exit_signal: exit_signal(flags & EXIT_SIGNAL)?,
        stack: call.word(1),
        parent_tid: call.word(2),
        child_tid: call.word(3),
        thread_pointer: call.word(4),
        // There is one place for both.
        pidfd: call.word(2),
    };
    if request.has(linux::CLONE_PIDFD) && request.has(linux::CLONE_PARENT_SETTID) {
        return Err(Errno::INVAL.into());
    }
    run(thread, request).await
}

/// `fork()`
pub(super) async fn fork(thread: &Thread) -> Result {
    let request = Request {
        exit_signal: Some(Signal::CHLD),
        ..Request::default()
    };
    run(thread, request).await
}

/// `vfork()`
pub(super) async fn vfork(thread: &Thread) -> Result {
    let request = Request {
        flags: u64::from(linux::CLONE_VM | linux::CLONE_VFORK),
        exit_signal: Some(Signal::CHLD),
        ..Request::default()
    };
    run(thread, request).await
}

#[derive(Default, FromBytes, IntoBytes)]
#[repr(C)]
struct Arguments {
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

/// `clone3(arguments, size)`
pub(super) async fn clone3(thread: &Thread, call: &Call) -> Result {
    const FIRST_VERSION: usize = 64;
    let size = call.word(1);
    if size < FIRST_VERSION {
        return Err(Errno::INVAL.into());
    }
    if size > 4096 {
        return Err(Errno::TOOBIG.into());
    }
    let mut arguments = Arguments::default();
    let known = size.min(size_of::<Arguments>());
    thread
        .memory
        .read_bytes(call.word(0), &mut arguments.as_mut_bytes()[..known])
        .await?;
    let unused = u64::from(linux::CLONE_DETACHED) | EXIT_SIGNAL;
    let has_stack = arguments.stack != 0;
    if arguments.set_tid_size != 0 || arguments.flags & unused != 0 || has_stack != (arguments.stack_size != 0) {
        return Err(Errno::INVAL.into());
    }
    let request = Request {
        flags: arguments.flags,
        exit_signal: exit_signal(arguments.exit_signal)?,
        parent_tid: arguments.parent_tid as usize,
        child_tid: arguments.child_tid as usize,
        pidfd: arguments.pidfd as usize,
        stack: arguments.stack.wrapping_add(arguments.stack_size) as usize,
        thread_pointer: arguments.thread_pointer as usize,
    };
    if request.exit_signal.is_some() && (request.has(linux::CLONE_THREAD) || request.has(linux::CLONE_PARENT)) {
        return Err(Errno::INVAL.into());
    }
    run(thread, request).await
}

/// Refuses what makes no sense, and what is not served.
fn check(thread: &Thread, request: &Request) -> Result<()> {
    let needs = |flag, other| request.has(flag) && !request.has(other);
    if needs(linux::CLONE_SIGHAND, linux::CLONE_VM) || needs(linux::CLONE_THREAD, linux::CLONE_SIGHAND) {
        return Err(Errno::INVAL.into());
    }
    let is_first = thread.process.kinship.parent() == 0;
    if request.has(linux::CLONE_PARENT) && is_first {
        return Err(Errno::INVAL.into());
    }
    if request.has(linux::CLONE_PIDFD) && (request.has(linux::CLONE_THREAD) || request.has(linux::CLONE_DETACHED)) {
        return Err(Errno::INVAL.into());
    }
    // A table of signal actions belongs to one process.
    if request.flags & !SERVED != 0 || needs(linux::CLONE_SIGHAND, linux::CLONE_THREAD) {
        super::unknown::report_once("clone with these flags");
        return Err(Errno::INVAL.into());
    }
    Ok(())
}

/// `EAGAIN` when the user or the machine has too many processes.
fn check_room(thread: &Thread) -> Result<()> {
    let process = &thread.process;
    let limit = process.limits.lock().get(Resource::Processes).soft;
    let uid = process.with_credentials(|credentials| credentials.uid);
    let is_own = |other: &Arc<crate::process::Process>| other.with_credentials(|credentials| credentials.uid) == uid;
    let own = || family::all().iter().filter(|other| is_own(other)).count() as u64;
    if family::count() >= family::LIMIT || limit != u64::MAX && !process.can(Capability::SYS_RESOURCE) && own() >= limit
    {
        return Err(Errno::AGAIN.into());
    }
    Ok(())
}

async fn run(thread: &Thread, request: Request) -> Result {
    check(thread, &request)?;
    let is_thread = request.has(linux::CLONE_THREAD);
    if is_thread && thread.process.thread_count() >= crate::process::MAX_THREADS {
        return Err(Errno::AGAIN.into());
    }
    if !is_thread {
        check_room(thread)?;
    }
    let tid = crate::process::next_tid();
    let mut birth = None;
    if !is_thread {
        birth = Some(Birth::announce(tid, &thread.process));
        // The child would not know of what was sent before.
        if thread.is_interrupted() {
            return Err(Error::Interrupted(Restart::Always));
        }
    }
    if request.has(linux::CLONE_PARENT_SETTID) {
        // Before the call returns: `pthread_join` takes a zero there for the thread's end. As Linux, a bad address is the application's loss.
        let _ = thread.memory.write(request.parent_tid, &tid).await;
    }
    let (pidfd, ending) = if request.has(linux::CLONE_PIDFD) {
        let ending = Arc::<Ending>::default();
        let pidfd = open_unborn(thread, tid, &ending, request.pidfd).await?;
        (Some(pidfd), Some(ending))
    } else {
        (None, None)
    };
    Err(Error::registers(move |parent, context| {
        let Some(child) = make(parent, tid, ending, birth, &request) else {
            drop(pidfd.map(|pidfd| parent.files().remove(pidfd)));
            return Outcome::Fail(Errno::NOMEM);
        };
        if !request.has(linux::CLONE_FILES) {
            // The parent's alone.
            drop(pidfd.map(|pidfd| child.files().remove(pidfd)));
        }
        let mut registers = context.duplicate();
        registers.set_return_value(0);
        if request.stack != 0 {
            registers.set_stack_pointer(request.stack);
        }
        if request.has(linux::CLONE_SETTLS) {
            registers.set_thread_pointer(request.thread_pointer);
        }
        let holds = request
            .has(linux::CLONE_VFORK)
            .then(|| child.process.kinship.hold_parent());
        let child_tid = request.has(linux::CLONE_CHILD_SETTID).then_some(request.child_tid);
        start_thread(child, registers, child_tid);
        match holds {
            Some(returned) => Outcome::ReturnAfter(returned, tid as usize),
            None => Outcome::Return(tid as usize),
        }
    }))
}

/// Opens a process that is about to be born, and writes the descriptor to user memory.
async fn open_unborn(thread: &Thread, pid: i32, ending: &Arc<Ending>, address: usize) -> Result<i32> {
    let pidfd = super::pidfd::install(thread, PidFd::new(pid, ending.clone()), OpenFlags::empty())?;
    if let Err(errno) = thread.memory.write(address, &pidfd).await {
        drop(thread.files().remove(pidfd));
        return Err(errno.into());
    }
    Ok(pidfd)
}

/// The new thread, of the caller's process or of a new one; `None` without memory for its page tables.
fn make(
    parent: &Arc<Thread>,
    tid: i32,
    ending: Option<Arc<Ending>>,
    birth: Option<Birth>,
    request: &Request,
) -> Option<Arc<Thread>> {
    let is_thread = request.has(linux::CLONE_THREAD);
    let shares_memory = request.has(linux::CLONE_VM);
    let (shares_files, shares_paths) = (request.has(linux::CLONE_FILES), request.has(linux::CLONE_FS));
    let memory = if shares_memory {
        parent.memory.clone()
    } else {
        parent.memory.duplicate()?
    };
    let process = if is_thread {
        parent.process.clone()
    } else {
        let files = parent.files_for_another(shares_files);
        let paths = parent.paths_for_another(shares_paths);
        let own = &parent.process;
        Arc::new(own.fork(tid, memory.clone(), (files, paths), request.exit_signal, ending))
    };
    let child = Thread::new(tid, process, memory, parent.blocked());
    if is_thread {
        child.set_apart(parent, shares_files, shares_paths);
    }
    *child.name.lock() = *parent.name.lock();
    *child.settings.lock() = parent.settings.lock().inherited();
    child.take_scheduling_of(parent);
    child.seccomp.inherit(&parent.seccomp);
    if !is_thread && (!shares_memory || request.has(linux::CLONE_VFORK)) {
        *child.alternate_stack.lock() = *parent.alternate_stack.lock();
    }
    if !shares_memory {
        child.rseq.inherit(&parent.rseq);
    }
    if request.has(linux::CLONE_CHILD_CLEARTID) {
        child.clear_tid.store(request.child_tid, Ordering::Relaxed);
    }
    if let Some(birth) = birth {
        let sibling = request.has(linux::CLONE_PARENT).then_some(&*parent.process);
        birth.complete(&child.process, sibling);
    }
    Some(child)
}
