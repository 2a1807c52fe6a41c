//! The operations of `prctl(2)` that change what is kept and told, and nothing else.

use abi::Errno;
use linux_raw_sys::prctl as operation;

use super::{Call, Result};
use crate::process::Thread;

/// `None` for other operations.
pub(super) fn control(thread: &Thread, call: &Call) -> Option<Result> {
    let are_zero = |from: usize| (from..5).all(|argument| call.word(argument) == 0);
    let (value, of_process) = (call.word(1), &thread.process.settings);
    Some(match call.unsigned(0) {
        operation::PR_GET_DUMPABLE => Ok(usize::from(of_process.lock().is_dumpable)),
        operation::PR_SET_DUMPABLE if value <= 1 => {
            of_process.lock().is_dumpable = value == 1;
            Ok(0)
        }
        operation::PR_GET_THP_DISABLE if are_zero(1) => Ok(usize::from(of_process.lock().no_huge_pages)),
        operation::PR_SET_THP_DISABLE if are_zero(2) => {
            of_process.lock().no_huge_pages = value != 0;
            Ok(0)
        }
        operation::PR_GET_TIMERSLACK => Ok(thread.settings.lock().slack as usize),
        operation::PR_SET_TIMERSLACK => {
            let mut settings = thread.settings.lock();
            settings.slack = if value == 0 { settings.first_slack } else { value as u64 };
            Ok(0)
        }
        operation::PR_MCE_KILL_GET if are_zero(1) => Ok(thread.settings.lock().memory_errors as usize),
        operation::PR_MCE_KILL if are_zero(3) => set_memory_errors(thread, call),
        // No process is watched, so there are no counters to stop. CPU time is not measured in any other way either.
        operation::PR_TASK_PERF_EVENTS_DISABLE | operation::PR_TASK_PERF_EVENTS_ENABLE | operation::PR_GET_TIMING => {
            Ok(0)
        }
        operation::PR_SET_TIMING if call.unsigned(1) == operation::PR_TIMING_STATISTICAL => Ok(0),
        _ => return None,
    })
}

/// `prctl(PR_MCE_KILL, what, policy, 0, 0)`
fn set_memory_errors(thread: &Thread, call: &Call) -> Result {
    let policy = match (call.unsigned(1), call.word(2) as u32) {
        (operation::PR_MCE_KILL_CLEAR, 0) => operation::PR_MCE_KILL_DEFAULT,
        (operation::PR_MCE_KILL_SET, policy) if policy <= operation::PR_MCE_KILL_DEFAULT => policy,
        _ => return Err(Errno::INVAL.into()),
    };
    thread.settings.lock().memory_errors = policy;
    Ok(0)
}

/// `prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, start, length, name)`: the name would be for `/proc/PID/maps` alone, so it is looked at and forgotten.
pub(super) async fn name_memory(thread: &Thread, name: usize) -> Result {
    /// Bytes, with the zero at the end.
    const LONGEST: usize = 80;
    if name != 0 {
        let name = thread.memory.read_string(name, LONGEST, Errno::INVAL).await?;
        let is_good = |byte: &u8| matches!(byte, b' '..=b'~') && !br"\`$[]".contains(byte);
        if !name.iter().all(is_good) {
            return Err(Errno::INVAL.into());
        }
    }
    Ok(0)
}
