//! Delivering signals to a thread on its way to user mode.

use alloc::sync::Arc;
use core::pin::pin;

use abi::Errno;

use super::{Action, ActionFlags, DefaultAction, Disposition, Frame, Info, Signal, SignalSet};
use crate::process::{ExitStatus, InterruptedCall, Thread, is_orphaned, parked};
use crate::syscall::Restart;
use hal::user::UserContext;

/// Delivers all signals that are not blocked: changes the registers so that handlers run, or ends the process. Finishes a call that
/// a signal interrupted; gives it back when the process is stopped, for what comes after the stop decides of it.
pub async fn deliver(
    thread: &Arc<Thread>,
    context: &mut UserContext,
    mut call: Option<InterruptedCall>,
) -> Option<InterruptedCall> {
    loop {
        // Before all else: what lets it go on from here on counts for a signal that stops it.
        let continuations = thread.process.kinship.continuations();
        if thread.is_leaving() {
            break;
        }
        let Some((signal, info)) = thread.take_signal() else {
            break;
        };
        let action = thread.process.actions.get(signal);
        match thread.process.disposition(signal) {
            Disposition::Ignore | Disposition::Default(DefaultAction::Ignore | DefaultAction::Continue) => {}
            // Nobody would continue it.
            Disposition::Default(DefaultAction::Stop)
                if signal != Signal::STOP && is_orphaned(thread.process.kinship.group(), None) => {}
            Disposition::Default(DefaultAction::Stop) => {
                thread.process.stop(signal, continuations);
                if thread.process.kinship.is_stopped() {
                    if call.is_some() {
                        return call;
                    }
                    break;
                }
            }
            Disposition::Default(end) => {
                if end == DefaultAction::Crash {
                    crate::system::report_crash(thread, context, signal, &info);
                }
                thread.process.end(ExitStatus::Signal(signal));
            }
            Disposition::Handler => {
                if let Some(call) = call.take() {
                    finish_call(context, call, &action);
                }
                if enter_handler(thread, context, signal, &info, &action).await.is_err() {
                    // No room for the frame: nothing the application could do about it.
                    crate::system::report_crash(thread, context, Signal::SEGV, &Info::kernel(Signal::SEGV));
                    thread.process.end(ExitStatus::Signal(Signal::SEGV));
                }
            }
        }
    }
    if let Some(call) = call {
        if let Restart::Until(deadline) = call.restart {
            thread.keep_deadline(deadline);
        }
        context.restart_system_call(call.number);
    }
    // A mask that was set for the time of a call whose signal did not run a handler.
    let saved = thread.saved_mask.lock().take();
    if let Some(mask) = saved {
        thread.set_blocked(mask);
    }
    None
}

fn finish_call(context: &mut UserContext, call: InterruptedCall, action: &Action) {
    let again = match call.restart {
        Restart::Always => true,
        Restart::UnlessHandler => action.flags().contains(ActionFlags::RESTART),
        Restart::WithoutHandler | Restart::Until(_) => false,
    };
    if again {
        context.restart_system_call(call.number);
    } else {
        context.set_return_value(Errno::INTR.to_return_value());
    }
}

async fn enter_handler(
    thread: &Arc<Thread>,
    context: &mut UserContext,
    signal: Signal,
    info: &Info,
    action: &Action,
) -> Result<(), Errno> {
    if thread.take_deadline().is_some() {
        // About to go on with a wait that no handler had interrupted until now.
        context.abandon_system_call();
        context.set_return_value(Errno::INTR.to_return_value());
    }
    let instruction = context.instruction_pointer();
    let left = parked(context, pin!(thread.rseq.leave_section(&thread.memory, instruction))).await?;
    if let Some(next) = left {
        context.set_instruction_pointer(next);
    }
    let flags = action.flags();
    if flags.contains(ActionFlags::RESET) {
        thread.process.actions.set(signal, Action::default());
    }
    let blocked = thread.blocked();
    let saved = thread.saved_mask.lock().take().unwrap_or(blocked);
    let stack = *thread.alternate_stack.lock();
    let frame = Frame::new(context, *thread.fault.lock(), info, action, saved, &stack);
    parked(context, pin!(frame.store(&thread.memory))).await?;
    frame.enter(context, signal, action);
    if stack.flags & linux_raw_sys::general::SS_AUTODISARM != 0 && stack.is_enabled() {
        *thread.alternate_stack.lock() = crate::process::AlternateStack::DISABLED;
    }
    let mut mask = blocked.with(action.mask());
    if !flags.contains(ActionFlags::NO_DEFER) {
        mask = mask.with(SignalSet::of(signal));
    }
    thread.set_blocked(mask);
    Ok(())
}

/// The signal and its code for an exception of the CPU (Intel SDM volume 3, chapter 6).
pub fn of_exception(vector: u8) -> (Signal, i32) {
    const DIVIDE: u8 = 0;
    const DEBUG: u8 = 1;
    const BREAKPOINT: u8 = 3;
    const INVALID_OPCODE: u8 = 6;
    const FLOATING_POINT: u8 = 16;
    const ALIGNMENT: u8 = 17;
    const SIMD: u8 = 19;
    match vector {
        DIVIDE => (Signal::FPE, 1),
        DEBUG => (Signal::TRAP, 1),
        BREAKPOINT => (Signal::TRAP, Info::KERNEL),
        INVALID_OPCODE => (Signal::ILL, 2),
        FLOATING_POINT | SIMD => (Signal::FPE, 7),
        ALIGNMENT => (Signal::BUS, 1),
        _ => (Signal::SEGV, Info::KERNEL),
    }
}
