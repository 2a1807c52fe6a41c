//! Running a thread: user mode, what ends it, and back.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::sync::atomic::Ordering;
use core::task::Poll;

use super::{ExitStatus, Thread};
use crate::describe;
use crate::memory::{self, Attempt, FaultError};
use crate::seccomp;
use crate::signal::{self, Info, Signal};
use crate::syscall::{self, Call, Error, Outcome, Progress, Restart};
use hal::mem::PAGE_SIZE;
use hal::user::{Trap, UserContext};

/// A call that a signal interrupted.
#[derive(Clone, Copy, Debug)]
pub struct InterruptedCall {
    /// Which call.
    pub number: usize,
    /// What becomes of it.
    pub restart: Restart,
}

/// Starts a thread with its registers. Its ID is first stored at `child_tid` (`CLONE_CHILD_SETTID`).
pub fn start_thread(thread: Arc<Thread>, context: UserContext, child_tid: Option<usize>) {
    let owner = thread.clone();
    let shown = thread.clone();
    let thread_affinity = thread.affinity.clone();
    let mut body = Box::pin(async move {
        if let Some(address) = child_tid {
            // As Linux: a bad address is the application's loss.
            let _ = thread.memory.write(address, &thread.tid).await;
        }
        run(&thread, context).await;
        thread.finish().await;
    });
    let mut known = false;
    let task = task::spawn_on(
        thread_affinity,
        poll_fn(move |task| {
            if !core::mem::replace(&mut known, true) {
                owner.set_waker(task.waker());
            }
            owner.memory.activate();
            owner.rseq.note_moved();
            let begin = owner.cpu_time.begin_turn();
            describe::load::catch_up(begin, describe::loading_threads_before);
            let turn = describe::cpus::begin_turn(&owner, begin);
            let result = body.as_mut().poll(task);
            let spent = owner.cpu_time.end_turn();
            owner.counters.note_turn();
            describe::load::catch_up(begin + spent, describe::loading_threads);
            turn.end(&owner, spent);
            result
        }),
    );
    shown.set_task(&task);
}

/// Waits for a future of a system call, pinned where it was made: it has kilobytes, too many to move on each call. The CPU may run other
/// threads meanwhile, so the extended state leaves it first.
pub(crate) async fn parked<F: Future>(context: &mut UserContext, mut future: Pin<&mut F>) -> F::Output {
    poll_fn(|task| match future.as_mut().poll(task) {
        Poll::Ready(value) => Poll::Ready(value),
        Poll::Pending => {
            context.park();
            Poll::Pending
        }
    })
    .await
}

async fn run(thread: &Arc<Thread>, mut context: UserContext) {
    let mut interrupted = None;
    // Whether user mode was left somewhere in the program, and not for a system call.
    let mut amid = false;
    loop {
        let cpu_time_left = thread.process.count_cpu_time();
        if interrupted.is_some() || thread.may_be_held() {
            if interrupted.is_some() || thread.is_interrupted() {
                interrupted = signal::deliver(thread, &mut context, interrupted.take()).await;
            }
            if thread.is_leaving() {
                return;
            }
            // It may go on already, but what it was stopped in has not ended yet.
            if interrupted.is_some() || thread.process.kinship.is_stopped() {
                parked(&mut context, pin!(thread.stand_still())).await;
                continue;
            }
        }
        memory::balance();
        if !thread.affinity.contains(hal::cpu::current()) {
            parked(&mut context, pin!(task::yield_now())).await;
            continue;
        }
        if thread.rseq.is_due(amid) {
            let at = amid.then(|| context.instruction_pointer());
            match parked(&mut context, pin!(thread.rseq.update(&thread.memory, at))).await {
                Ok(Some(next)) => context.set_instruction_pointer(next),
                Ok(None) => {}
                Err(_) => thread.force(Signal::SEGV, Info::kernel(Signal::SEGV)),
            }
            continue;
        }
        crate::scheduler::prepare_user_mode(cpu_time_left);
        thread.cpu_time.enter_user();
        let trap = if thread.seccomp.is_on() {
            context.run(thread.memory.table())
        } else {
            run_quick(thread, &mut context)
        };
        thread.cpu_time.leave_user();
        amid = !matches!(trap, Trap::SystemCall);
        match trap {
            Trap::SystemCall if thread.seccomp.is_on() && !seccomp::admits(thread, &mut context) => {}
            Trap::SystemCall => {
                if let Some((call, mut progress)) = begin_call(thread, &mut context) {
                    interrupted = finish_call(thread, &mut context, &call, &mut progress).await;
                }
            }
            Trap::PageFault {
                address,
                write,
                execute,
                ..
            } => {
                let attempt = match () {
                    () if write && touches(context.instruction_pointer(), address) => Attempt::WriteOwnCode,
                    () if write => Attempt::Write,
                    () if execute => Attempt::Execute,
                    () => Attempt::Read,
                };
                page_fault(thread, &mut context, address, attempt).await;
            }
            Trap::Exception { vector, error } => {
                let (signal, code) = signal::of_exception(vector);
                thread.note_fault(vector, error, 0);
                // What the CPU refuses in general has no address.
                let address = if code == Info::KERNEL {
                    0
                } else {
                    context.instruction_pointer()
                };
                thread.force(signal, Info::fault(signal, code, address));
            }
            Trap::Interrupt => {
                if crate::scheduler::look_around() {
                    thread.counters.note_lost_turn();
                    parked(&mut context, pin!(task::yield_now())).await;
                }
            }
        }
    }
}

/// Runs user mode until something else ends it than a call that is served at once.
#[inline]
fn run_quick(thread: &Thread, context: &mut UserContext) -> Trap {
    loop {
        let trap = context.run(thread.memory.table());
        match trap {
            Trap::SystemCall => match syscall::quick(thread, context.system_call().0) {
                Some(value) => context.set_return_value(value as isize),
                None => return trap,
            },
            _ => return trap,
        }
    }
}

/// Whether an instruction at `code` may lie in the page of `address`.
fn touches(code: usize, address: usize) -> bool {
    const LONGEST: usize = 15;
    let page = address & !(PAGE_SIZE - 1);
    code < page + PAGE_SIZE && code + LONGEST > page
}

/// Serves a system call as far as that goes without a future: to its end, or what it has come to.
fn begin_call<'a>(thread: &'a Arc<Thread>, context: &mut UserContext) -> Option<(Call, Progress<'a>)> {
    let (number, arguments) = context.system_call();
    crate::network::release(Some(number as u32));
    let call = Call {
        number,
        arguments,
        stack_pointer: context.stack_pointer(),
    };
    let progress = if syscall::memory_allows(&call) {
        syscall::attempt(thread, &call)
    } else {
        Progress::Delayed
    };
    match progress {
        Progress::Over(Ok(value)) => context.set_return_value(value as isize),
        Progress::Over(Err(Error::Errno(errno))) => context.set_return_value(errno.to_return_value()),
        progress => return Some((call, progress)),
    }
    None
}

async fn finish_call(
    thread: &Arc<Thread>,
    context: &mut UserContext,
    call: &Call,
    progress: &mut Progress<'_>,
) -> Option<InterruptedCall> {
    let number = call.number;
    let result = match progress {
        Progress::Over(result) => core::mem::replace(result, Ok(0)),
        Progress::Transfer(transfer) => transfer.finish(thread, context).await,
        Progress::Futex(place) => syscall::stay(thread, context, place).await,
        Progress::Waits => parked(context, pin!(syscall::dispatch(thread, call))).await,
        Progress::Delayed => match parked(context, pin!(syscall::wait_for_memory(call))).await {
            Ok(()) => parked(context, pin!(syscall::dispatch(thread, call))).await,
            Err(error) => Err(error),
        },
    };
    match result {
        Ok(value) => context.set_return_value(value as isize),
        Err(Error::Errno(errno)) => context.set_return_value(errno.to_return_value()),
        Err(Error::Interrupted(restart)) => return Some(InterruptedCall { number, restart }),
        Err(Error::Registers(change)) => match change(thread, context) {
            Outcome::Return(value) => context.set_return_value(value as isize),
            Outcome::ReturnAfter(completion, value) => {
                parked(context, pin!(thread.wait_or_leave(completion))).await;
                context.set_return_value(value as isize);
            }
            Outcome::Fail(errno) => context.set_return_value(errno.to_return_value()),
            Outcome::Replaced => {}
        },
    }
    None
}

async fn page_fault(thread: &Arc<Thread>, context: &mut UserContext, address: usize, attempt: Attempt) {
    const MAPPING_ERROR: i32 = 1;
    const ACCESS_ERROR: i32 = 2;
    const NO_ADDRESS: i32 = 2;
    let result = thread.memory.fault(address, attempt);
    thread
        .counters
        .note_fault(matches!(result, Err(FaultError::Pending(_))));
    let failure = match result {
        Ok(()) => return,
        Err(FaultError::Pending(completion)) => {
            parked(context, pin!(completion)).await;
            // The instruction runs again and finds the page, or faults anew.
            return;
        }
        Err(failure) => failure,
    };
    let (signal, code) = match failure {
        FaultError::OutOfMemory(what_for) => return parked(context, pin!(memory::find_page(what_for))).await,
        FaultError::NoData => (Signal::BUS, NO_ADDRESS),
        FaultError::Denied => (Signal::SEGV, ACCESS_ERROR),
        FaultError::Unmapped | FaultError::Pending(_) => (Signal::SEGV, MAPPING_ERROR),
    };
    const PAGE_FAULT: u8 = 14;
    thread.note_fault(PAGE_FAULT, usize::from(attempt.writes()) << 1 | 4, address);
    thread.force(signal, Info::fault(signal, code, address));
}

impl Thread {
    /// Gives up what others see of the thread, and ends the process with its last one.
    async fn finish(self: &Arc<Self>) {
        use crate::futex;
        let head = self.robust_list.load(Ordering::Relaxed);
        if head != 0 {
            let _ = futex::release_robust_list(self, head).await;
        }
        let clear = self.clear_tid.load(Ordering::Relaxed);
        if clear != 0 && self.memory.write(clear, &0_u32).await.is_ok() {
            for shared in [false, true] {
                if let Ok(key) = futex::Key::of(&self.memory, clear, shared) {
                    futex::wake(key, 1, futex::ANY);
                }
            }
        }
        self.process.note_end(self);
        self.end_apart();
        // Before others learn of the end: they may count on the memory.
        self.memory.end_use();
        if self.process.remove_thread(self) {
            let status = self.process.exit_status().unwrap_or(ExitStatus::Code(self.exit_code()));
            self.process.finish(status).await;
        } else {
            // Others take what it was chosen for.
            self.process.offer(self.process.pending.set());
        }
    }
}
