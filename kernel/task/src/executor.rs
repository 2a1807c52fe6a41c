//! The executor: a queue of ready tasks for each CPU.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};

use hal::cpu::{self, MAX_CPUS};
use hal::sync::SpinLock;

type TaskFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Waits for a wake-up.
const IDLE: u8 = 0;
/// Stands in a queue.
const QUEUED: u8 = 1;
/// Is being polled.
const RUNNING: u8 = 2;
/// Is being polled and was woken meanwhile.
const WOKEN: u8 = 3;
/// Has ended.
const DONE: u8 = 4;

/// A future that the executor drives to its end.
pub struct Task {
    future: SpinLock<Option<TaskFuture>>,
    state: AtomicU8,
    /// The CPU whose queue takes the task when it wakes.
    home: AtomicUsize,
}

static READY: [SpinLock<VecDeque<Arc<Task>>>; MAX_CPUS] = [const { SpinLock::new(VecDeque::new()) }; MAX_CPUS];
/// Length of each queue, so that placing and stealing look without locking.
static LENGTH: [AtomicUsize; MAX_CPUS] = [const { AtomicUsize::new(0) }; MAX_CPUS];
/// Whether a CPU waits for work.
static SLEEPING: [AtomicBool; MAX_CPUS] = [const { AtomicBool::new(false) }; MAX_CPUS];

impl Task {
    /// Whether it waits for something: it neither runs nor could.
    pub fn is_waiting(&self) -> bool {
        self.state.load(Ordering::Relaxed) == IDLE
    }
}

/// Makes a task of a future. It starts on an idle CPU if there is one, else on the caller's.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Arc<Task> {
    let task = Arc::new(Task {
        future: SpinLock::new(Some(Box::pin(future))),
        state: AtomicU8::new(QUEUED),
        home: AtomicUsize::new(cpu::current()),
    });
    enqueue(task.clone());
    task
}

/// Polls tasks that are ready on this CPU, those of others when it has none. Returns when there are none at all, or after `limit`
/// polls so that the caller can look at its devices; true when something was polled.
pub fn run_ready(limit: usize) -> bool {
    let this = cpu::current();
    let mut polled = false;
    for _ in 0..limit {
        let Some(task) = dequeue(this).or_else(|| steal(this)) else {
            break;
        };
        task.home.store(this, Ordering::Relaxed);
        run(task);
        polled = true;
    }
    polled
}

/// Whether a task waits for a CPU that the caller's could run.
pub fn has_ready() -> bool {
    (0..cpu::count()).any(|number| LENGTH[number].load(Ordering::SeqCst) > 0)
}

/// Declares that the caller's CPU is about to sleep (`true`) or awake (`false`), so that new work finds it. After declaring sleep, look
/// at [`has_ready`] once more before halting.
pub fn set_sleeping(sleeping: bool) {
    SLEEPING[cpu::current()].store(sleeping, Ordering::SeqCst);
}

fn run(task: Arc<Task>) {
    task.state.store(RUNNING, Ordering::Release);
    let waker = Waker::from(task.clone());
    let mut context = Context::from_waker(&waker);
    // Only the CPU that took the task from a queue polls it, so nobody else takes the future meanwhile.
    let Some(mut future) = task.future.lock().take() else {
        return;
    };
    match future.as_mut().poll(&mut context) {
        Poll::Ready(()) => task.state.store(DONE, Ordering::Release),
        Poll::Pending => {
            *task.future.lock() = Some(future);
            if task
                .state
                .compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire)
                .is_err()
            {
                task.state.store(QUEUED, Ordering::Release);
                push(cpu::current(), task);
            }
        }
    }
}

fn dequeue(number: usize) -> Option<Arc<Task>> {
    if LENGTH[number].load(Ordering::Relaxed) == 0 {
        return None;
    }
    let task = READY[number].lock().pop_front();
    if task.is_some() {
        LENGTH[number].fetch_sub(1, Ordering::Relaxed);
    }
    task
}

fn steal(this: usize) -> Option<Arc<Task>> {
    let count = cpu::count();
    (1..count).find_map(|distance| dequeue((this + distance) % count))
}

fn push(number: usize, task: Arc<Task>) {
    LENGTH[number].fetch_add(1, Ordering::SeqCst);
    READY[number].lock().push_back(task);
}

/// Puts a task into the queue of its home, or of a sleeping CPU when its home is busy.
fn enqueue(task: Arc<Task>) {
    let home = task.home.load(Ordering::Relaxed);
    let sleeping = |number: usize| SLEEPING[number].load(Ordering::SeqCst);
    let count = cpu::count();
    let busy = home == cpu::current() || LENGTH[home].load(Ordering::Relaxed) > 0;
    let target = if count > 1 && busy && !sleeping(home) {
        (0..count).find(|&number| sleeping(number)).unwrap_or(home)
    } else {
        home
    };
    push(target, task);
    if target != cpu::current() && sleeping(target) {
        cpu::kick(target);
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            let next = match state {
                IDLE => QUEUED,
                RUNNING => WOKEN,
                _ => return,
            };
            match self
                .state
                .compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if next == QUEUED => return enqueue(self),
                Ok(_) => return,
                Err(actual) => state = actual,
            }
        }
    }
}

/// Lets the other ready tasks of this CPU run first.
pub async fn yield_now() {
    let mut yielded = false;
    core::future::poll_fn(|context| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Completion;

    #[test]
    fn a_task_runs_to_its_end_across_waits() {
        let completion = Completion::new();
        let ended = Completion::new();
        let (wait, end) = (completion.clone(), ended.clone());
        let task = spawn(async move {
            yield_now().await;
            wait.await;
            end.complete();
        });
        while run_ready(16) {}
        assert!(!ended.is_complete() && task.is_waiting());
        completion.complete();
        assert!(!task.is_waiting());
        while run_ready(16) {}
        assert!(ended.is_complete());
    }
}
