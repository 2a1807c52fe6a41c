//! `execve(2)`: another program in the same process.

use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

use super::{Call, Result};
use crate::process::{Thread, start_thread};
use crate::program;

/// Bytes of the longest path.
const PATH_MAX: usize = 4096;
/// Bytes of the longest argument (`MAX_ARG_STRLEN`).
const ARGUMENT_MAX: usize = 131_072;
/// Bytes of all arguments and the environment.
const TOTAL_MAX: usize = crate::memory::STACK_LIMIT / 4;

pub(super) async fn execve(thread: &Arc<Thread>, call: &Call) -> Result {
    let path = thread
        .memory
        .read_string(call.word(0), PATH_MAX, Errno::NAMETOOLONG)
        .await?;
    if path.is_empty() {
        return Err(Errno::NOENT.into());
    }
    execute(thread, thread.process.context(None), path, call.word(1), call.word(2)).await
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
    if call.int(0) != linux::AT_FDCWD && path.first() != Some(&b'/') {
        let open = thread.process.files.get_any(call.int(0))?;
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
    execute(thread, thread.process.context(base), path, call.word(2), call.word(3)).await
}

/// Reads a vector of strings that ends with a null pointer.
async fn read_strings(thread: &Thread, mut address: usize, total: &mut usize) -> Result<Vec<Vec<u8>>> {
    let mut strings = Vec::new();
    while address != 0 {
        let string = thread.memory.read::<usize>(address).await?;
        if string == 0 {
            break;
        }
        let string = thread.memory.read_string(string, ARGUMENT_MAX, Errno::TOOBIG).await?;
        *total += string.len() + 9;
        if *total > TOTAL_MAX {
            return Err(Errno::TOOBIG.into());
        }
        strings.push(string);
        address += size_of::<usize>();
    }
    Ok(strings)
}

async fn execute(
    thread: &Arc<Thread>,
    context: fs::vfs::Context,
    path: Vec<u8>,
    arguments: usize,
    environment: usize,
) -> Result {
    let process = &thread.process;
    let mut total = 0;
    let mut arguments = read_strings(thread, arguments, &mut total).await?;
    if arguments.is_empty() {
        arguments.push(Vec::new());
    }
    let environment = read_strings(thread, environment, &mut total).await?;
    let mut credentials = process.credentials();
    credentials.capabilities.execute(credentials.users());
    let prepared = program::prepare(&context, &credentials, &path, arguments, environment)
        .await
        .map_err(|error| error.errno())?;

    // From here on there is no way back: the other threads end.
    process.end_other_threads(thread).await?;
    process.update_credentials(|own| own.capabilities.execute(own.users()));
    process.actions.reset_handlers();
    process.timers.clear();
    process.set_memory(prepared.memory.clone());
    let successor = Thread::new(process.pid, process.clone(), prepared.memory, thread.blocked());
    successor.take_scheduling_of(thread);
    successor.set_name_from_path(&prepared.program.path);
    *process.program.lock() = prepared.program;
    while let Some((signal, info)) = thread.pending.take(crate::signal::SignalSet::from_bits(!0)) {
        successor.pending.push(signal, info);
    }
    // Last: who sees a descriptor closed by it finds the new program.
    for file in process.files.remove_close_on_exec() {
        process.note_closed(&file);
    }
    process.kinship.note_execution();
    start_thread(successor, prepared.context, None);
    thread.exit(0);
    Ok(0)
}
