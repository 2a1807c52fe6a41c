//! What filters say of a call, and what follows.

use alloc::string::String;
use alloc::vec::Vec;

use hal::sync::SpinLock;
use hal::user::UserContext;
use linux_raw_sys::general::SYS_SECCOMP;
use linux_raw_sys::ptrace as linux;

use super::CallData;
use crate::process::{ExitStatus, Thread};
use crate::signal::{Info, Signal};
use abi::Errno;

/// What a filter says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    value: u32,
    /// Whether a refusal is told.
    pub(super) logs: bool,
}

impl Verdict {
    /// What a call is that no filter has to do with.
    pub(super) const ALLOW: Self = Self {
        value: linux::SECCOMP_RET_ALLOW,
        logs: false,
    };

    pub(super) const fn new(value: u32, logs: bool) -> Self {
        Self { value, logs }
    }

    /// What is to be done (`SECCOMP_RET_…`).
    fn action(self) -> u32 {
        self.value & linux::SECCOMP_RET_ACTION_FULL
    }

    /// What an action has beside it, such as an error's number.
    fn data(self) -> u32 {
        self.value & linux::SECCOMP_RET_DATA
    }

    /// Whether it allows less.
    pub(super) fn is_before(self, other: Self) -> bool {
        // Ending the process is the lowest, as a signed number.
        self.action().cast_signed() < other.action().cast_signed()
    }
}

/// Asks what a thread has given up about the call that it makes. False when there is nothing left to do: the call is refused, or served.
pub(crate) fn admits(thread: &Thread, context: &mut UserContext) -> bool {
    const MAX_ERRNO: u32 = 4095;
    let (number, arguments) = context.system_call();
    let place = context.instruction_pointer();
    let call = CallData {
        number: number as i32,
        architecture: hal::cpu::AUDIT_ARCHITECTURE,
        instruction_pointer: place as u64,
        arguments: arguments.map(|argument| argument as u64),
    };
    let Some(verdict) = thread.seccomp.judge(&call) else {
        end(thread, Signal::KILL);
        return false;
    };
    let (action, data) = (verdict.action(), verdict.data());
    if action == linux::SECCOMP_RET_LOG || verdict.logs && action != linux::SECCOMP_RET_ALLOW {
        tell(number, action == linux::SECCOMP_RET_LOG);
    }
    let mut info = Info::new(
        Signal::SYS,
        SYS_SECCOMP as i32,
        &[
            place as u64,
            u64::from(call.number.cast_unsigned()) | u64::from(call.architecture) << 32,
        ],
    );
    info.error = data as i32;
    match action {
        linux::SECCOMP_RET_ALLOW | linux::SECCOMP_RET_LOG => match crate::syscall::quick(thread, number) {
            Some(value) => context.set_return_value(value as isize),
            None => return true,
        },
        linux::SECCOMP_RET_ERRNO => context.set_return_value(-(data.min(MAX_ERRNO) as isize)),
        // The handler finds the call's number where the result would be, and may put one there.
        linux::SECCOMP_RET_TRAP => thread.force(Signal::SYS, info),
        // There is nobody to ask: no tracer, and no listener.
        linux::SECCOMP_RET_TRACE | linux::SECCOMP_RET_USER_NOTIF => {
            context.set_return_value(Errno::NOSYS.to_return_value());
        }
        linux::SECCOMP_RET_KILL_THREAD if thread.process.thread_count() > 1 => {
            tell(number, false);
            end(thread, Signal::SYS);
        }
        _ => {
            crate::system::report_crash(thread, context, Signal::SYS, &info);
            thread.process.end(ExitStatus::Signal(Signal::SYS));
        }
    }
    false
}

/// Ends a thread. The last one takes the process with it, which a signal has ended then.
fn end(thread: &Thread, signal: Signal) {
    if thread.process.thread_count() > 1 {
        thread.exit(0);
    } else {
        thread.process.end(ExitStatus::Signal(signal));
    }
}

/// Says what a filter wants to be told, once for each call.
fn tell(number: usize, is_allowed: bool) {
    const MOST: usize = 64;
    static TOLD: SpinLock<Vec<(usize, bool)>> = SpinLock::new(Vec::new());
    let mut told = TOLD.lock();
    if told.len() >= MOST || told.contains(&(number, is_allowed)) {
        return;
    }
    told.push((number, is_allowed));
    drop(told);
    let what = if is_allowed { "allows" } else { "refuses" };
    crate::system::say(&alloc::format!("a filter of the application {what} {}", name(number)));
}

/// A call in a sentence.
pub(crate) fn name(number: usize) -> String {
    let name = u32::try_from(number).ok().and_then(abi::system_call_name);
    name.map_or_else(
        || alloc::format!("system call number {number}"),
        |name| alloc::format!("the system call {name}"),
    )
}
