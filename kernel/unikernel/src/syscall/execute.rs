//! `execve(2)`: another program in the same process.

use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use fs::vfs::Lookup;
use linux_raw_sys::general as linux;

use super::{Call, Result};
use crate::process::{Resource, Thread, start_thread};
use crate::program::{self, Command};

/// Bytes of the longest path.
const PATH_MAX: usize = 4096;
/// Bytes of the longest argument (`MAX_ARG_STRLEN`).
const ARGUMENT_MAX: usize = 131_072;

pub(super) async fn execve(thread: &Arc<Thread>, call: &Call) -> Result {
    let path = thread
        .memory
        .read_string(call.word(0), PATH_MAX, Errno::NAMETOOLONG)
        .await?;
    if path.is_empty() {
        return Err(Errno::NOENT.into());
    }
    let command = Command::at(&path);
    execute(thread, thread.context(None), command, call.word(1), call.word(2)).await
}

pub(super) async fn execveat(thread: &Arc<Thread>, call: &Call) -> Result {
    let flags = call.unsigned(4);
    let path = thread
        .memory
        .read_string(call.word(1), PATH_MAX, Errno::NAMETOOLONG)
        .await?;
    if flags & !(linux::AT_EMPTY_PATH | linux::AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::INVAL.into());
    }
    let mut base = None;
    let mut told = path.clone();
    let mut is_lost = false;
    let (number, files) = (call.int(0), thread.files());
    if number != linux::AT_FDCWD && path.first() != Some(&b'/') {
        let open = files.get_any(number)?;
        told = alloc::format!("/dev/fd/{number}").into_bytes();
        if !path.is_empty() {
            told.push(b'/');
            told.extend_from_slice(&path);
        }
        is_lost = files.close_on_exec(number)?;
        base = Some(
            open.downcast::<fs::vfs::OpenInode>()
                .ok_or(Errno::ACCES)?
                .place()
                .clone(),
        );
    }
    if path.is_empty() && flags & linux::AT_EMPTY_PATH == 0 {
        return Err(Errno::NOENT.into());
    }
    let mut lookup = Lookup::EMPTY;
    lookup.set(Lookup::FOLLOW, flags & linux::AT_SYMLINK_NOFOLLOW == 0);
    let command = Command {
        path: &path,
        lookup,
        told: &told,
        is_lost,
    };
    execute(thread, thread.context(base), command, call.word(2), call.word(3)).await
}

/// Reads a vector of strings that ends with a null pointer.
async fn read_strings(thread: &Thread, mut address: usize, left: &mut usize) -> Result<Vec<Vec<u8>>> {
    let mut strings = Vec::new();
    while address != 0 {
        let string = thread.memory.read::<usize>(address).await?;
        if string == 0 {
            break;
        }
        let string = thread.memory.read_string(string, ARGUMENT_MAX, Errno::TOOBIG).await?;
        *left = left.checked_sub(string.len() + 9).ok_or(Errno::TOOBIG)?;
        strings.push(string);
        address += size_of::<usize>();
    }
    Ok(strings)
}

async fn execute(
    thread: &Arc<Thread>,
    context: fs::vfs::Context,
    command: Command<'_>,
    arguments: usize,
    environment: usize,
) -> Result {
    let process = &thread.process;
    let stack_limit = process.limits.lock().get(Resource::Stack).soft as usize;
    let mut left = program::string_limit(stack_limit);
    let mut arguments = read_strings(thread, arguments, &mut left).await?;
    if arguments.is_empty() {
        arguments.push(Vec::new());
    }
    let environment = read_strings(thread, environment, &mut left).await?;
    let prepared = program::prepare(process, &context, command, arguments, environment)
        .await
        .map_err(|error| error.errno())?;

    // From here on there is no way back: the other threads end.
    process.end_other_threads(thread).await?;
    thread.rejoin();
    let is_itself = process.with_credentials(|own| (own.euid, own.egid) == (own.uid, own.gid));
    process.settings.lock().is_dumpable = is_itself;
    process.update_credentials(|own| *own = prepared.credentials);
    if prepared.is_secure {
        process.kinship.death_signal.store(0, Ordering::Release);
    }
    process.reset_personality(prepared.is_secure);
    process.actions.reset_handlers();
    process.timers.clear();
    process.set_memory(prepared.memory.clone());
    let successor = Thread::new(process.pid, process.clone(), prepared.memory, thread.blocked());
    *successor.settings.lock() = *thread.settings.lock();
    successor.take_scheduling_of(thread);
    successor.seccomp.inherit(&thread.seccomp);
    successor.set_name(&prepared.name);
    let old = core::mem::replace(&mut *process.program.lock(), prepared.program);
    // Beyond the lock: the last share of a file that was removed takes its pages with it.
    drop(old);
    while let Some((signal, info)) = thread.pending.take(crate::signal::SignalSet::from_bits(!0)) {
        successor.pending.push(signal, info);
    }
    // Last: who sees a descriptor closed by it finds the new program.
    process.note_all_closed(process.files.remove_close_on_exec());
    process.kinship.note_execution();
    start_thread(successor, prepared.context, None);
    thread.exit(0);
    Ok(0)
}
