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

use crate::affinity::{self, Affinity};

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
    /// Whether the last poll came to a [`crate::Completion`] that has not happened.
    blocked: AtomicBool,
    /// The CPUs that it may run on.
    affinity: Arc<Affinity>,
}

static READY: [SpinLock<VecDeque<Arc<Task>>>; MAX_CPUS] = [const { SpinLock::new(VecDeque::new()) }; MAX_CPUS];
/// Length of each queue, so that placing and stealing look without locking.
static LENGTH: [AtomicUsize; MAX_CPUS] = [const { AtomicUsize::new(0) }; MAX_CPUS];
/// Whether a CPU waits for work.
static SLEEPING: [AtomicBool; MAX_CPUS] = [const { AtomicBool::new(false) }; MAX_CPUS];
/// Whether a CPU polls a task, which may be a program that keeps it for as long as nothing interrupts it.
static POLLING: [AtomicBool; MAX_CPUS] = [const { AtomicBool::new(false) }; MAX_CPUS];
/// Whether what a CPU polls has come to a [`crate::Completion`] that has not happened.
static BLOCKED: [AtomicBool; MAX_CPUS] = [const { AtomicBool::new(false) }; MAX_CPUS];

impl Task {
    /// Whether it waits for something: it neither runs nor could.
    pub fn is_waiting(&self) -> bool {
        self.state.load(Ordering::Relaxed) == IDLE
    }

    /// Whether it waits for a [`crate::Completion`], such as the end of a disk read, or did until it was woken.
    pub fn was_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }
}

/// Notes that the task that this CPU polls has come to a [`crate::Completion`] that has not happened.
pub(crate) fn note_blocked() {
    BLOCKED[cpu::current()].store(true, Ordering::Relaxed);
}

/// Makes a task of a future. It starts on an idle CPU if there is one, else on the caller's.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Arc<Task> {
    spawn_on(Arc::default(), future)
}

/// The same for a task that runs on some CPUs alone; the caller may change which.
pub fn spawn_on(affinity: Arc<Affinity>, future: impl Future<Output = ()> + Send + 'static) -> Arc<Task> {
    let task = Arc::new(Task {
        future: SpinLock::new(Some(Box::pin(future))),
        state: AtomicU8::new(QUEUED),
        home: AtomicUsize::new(cpu::current()),
        blocked: AtomicBool::new(false),
        affinity,
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

/// Whether a task waits for a CPU that the caller's could run, or stands in its queue.
pub fn has_ready() -> bool {
    let this = cpu::current();
    let suits = |task: &Arc<Task>| task.affinity.contains(this);
    (0..cpu::count()).any(|number| {
        LENGTH[number].load(Ordering::SeqCst) > 0
            && (number == this || !affinity::is_used() || READY[number].lock().iter().any(suits))
    })
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
    let this = cpu::current();
    let (polling, blocked) = (&POLLING[this], &BLOCKED[this]);
    polling.store(true, Ordering::SeqCst);
    let result = future.as_mut().poll(&mut context);
    polling.store(false, Ordering::SeqCst);
    task.blocked.store(blocked.load(Ordering::Relaxed), Ordering::Relaxed);
    blocked.store(false, Ordering::Relaxed);
    match result {
        Poll::Ready(()) => task.state.store(DONE, Ordering::Release),
        Poll::Pending => {
            *task.future.lock() = Some(future);
            if task
                .state
                .compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire)
                .is_err()
            {
                task.state.store(QUEUED, Ordering::Release);
                push_here(task);
            }
        }
    }
}

/// The next task of the CPU's own queue. Those whose affinity has changed since they came there go where they may run.
fn dequeue(this: usize) -> Option<Arc<Task>> {
    loop {
        let task = take(this, VecDeque::pop_front)?;
        if task.affinity.contains(this) {
            return Some(task);
        }
        enqueue(task);
    }
}

fn steal(this: usize) -> Option<Arc<Task>> {
    let count = cpu::count();
    let first_allowed = |queue: &mut VecDeque<Arc<Task>>| {
        let place = queue.iter().position(|task| task.affinity.contains(this))?;
        queue.remove(place)
    };
    (1..count).find_map(|distance| take((this + distance) % count, first_allowed))
}

/// Takes a task out of the queue of a CPU.
fn take(number: usize, choose: impl FnOnce(&mut VecDeque<Arc<Task>>) -> Option<Arc<Task>>) -> Option<Arc<Task>> {
    if LENGTH[number].load(Ordering::Relaxed) == 0 {
        return None;
    }
    let task = choose(&mut READY[number].lock());
    if task.is_some() {
        LENGTH[number].fetch_sub(1, Ordering::Relaxed);
    }
    task
}

fn push(number: usize, task: Arc<Task>) {
    LENGTH[number].fetch_add(1, Ordering::SeqCst);
    READY[number].lock().push_back(task);
}

/// Puts a task that was polled into the queue of its CPU, unless it may no longer run there.
fn push_here(task: Arc<Task>) {
    let this = cpu::current();
    if task.affinity.contains(this) {
        push(this, task);
    } else {
        enqueue(task);
    }
}

/// Puts a task into the queue of a CPU that runs it soon, and tells that CPU where it would not look by itself.
fn enqueue(task: Arc<Task>) {
    let current = cpu::current();
    let is = |states: &[AtomicBool], number: usize| states[number].load(Ordering::SeqCst);
    let home = task.home.load(Ordering::Relaxed);
    let target = if cpu::count() == 1 {
        home
    } else {
        let is_busy = |number: usize| is(&POLLING, number) || LENGTH[number].load(Ordering::Relaxed) > 0;
        let allows = |number: usize| task.affinity.contains(number);
        place(
            home,
            current,
            cpu::count(),
            allows,
            |number| is(&SLEEPING, number),
            is_busy,
        )
    };
    push(target, task);
    // It may have gone to sleep, or into a program, before it could see the task.
    if target != current && (is(&SLEEPING, target) || is(&POLLING, target)) {
        cpu::kick(target);
    }
}

/// The CPU for a task that woke: its home, unless that is busy with others; then one that sleeps, else the caller's. Of a task in its own queue a CPU
/// knows before it returns to a program; of one in another's it does not, and that one's program may go on for long. All of that among the CPUs that
/// the task's affinity allows.
fn place(
    home: usize,
    current: usize,
    count: usize,
    allows: impl Fn(usize) -> bool,
    sleeps: impl Fn(usize) -> bool,
    is_busy: impl Fn(usize) -> bool,
) -> usize {
    if allows(home) && (sleeps(home) || (home != current && !is_busy(home))) {
        return home;
    }
    let first = |suits: &dyn Fn(usize) -> bool| (0..count).find(|&number| allows(number) && suits(number));
    // One that sleeps and has something to do already is on its way.
    first(&|number| sleeps(number) && !is_busy(number))
        .or_else(|| [current, home].into_iter().find(|&number| allows(number)))
        .or_else(|| first(&|number| !is_busy(number)))
        .or_else(|| first(&|_| true))
        .unwrap_or(current)
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
    use crate::{Completion, WaitQueue};

    #[test]
    fn a_task_that_wakes_goes_where_it_runs_soon() {
        let placed = |home: usize, sleeping: &[usize], busy: &[usize]| {
            place(
                home,
                0,
                4,
                |_| true,
                |number| sleeping.contains(&number),
                |number| busy.contains(&number),
            )
        };
        assert_eq!(placed(2, &[1, 2], &[0, 3]), 2, "its home sleeps");
        assert_eq!(placed(2, &[1], &[0, 3]), 2, "its home looks for work");
        assert_eq!(
            placed(2, &[1, 3], &[0, 2]),
            1,
            "its home runs a program, another CPU sleeps"
        );
        assert_eq!(placed(2, &[1, 3], &[0, 1, 2]), 3, "CPU 1 has been told of another task");
        assert_eq!(
            placed(2, &[], &[0, 1, 2, 3]),
            0,
            "all run programs: the caller knows of it"
        );
        assert_eq!(placed(0, &[3], &[0]), 3, "the caller goes on with what it does");
        assert_eq!(placed(0, &[], &[1]), 0);
    }

    #[test]
    fn a_task_goes_only_where_its_affinity_allows() {
        let placed = |home: usize, allowed: &[usize], sleeping: &[usize], busy: &[usize]| {
            place(
                home,
                0,
                4,
                |number| allowed.contains(&number),
                |number| sleeping.contains(&number),
                |number| busy.contains(&number),
            )
        };
        assert_eq!(placed(2, &[1], &[2, 3], &[0, 1]), 1, "its home is none any more");
        assert_eq!(placed(2, &[2, 3], &[1], &[0, 2, 3]), 2, "busy, as all that it may have");
        assert_eq!(placed(0, &[1, 3], &[], &[0, 1]), 3, "one that is not busy");
        assert_eq!(placed(2, &[0, 2], &[3], &[0, 2]), 0, "the caller's");
    }

    #[test]
    fn a_task_runs_to_its_end_across_waits() {
        let completion = Completion::new();
        let ended = Completion::new();
        let queue = Arc::new(WaitQueue::new());
        let (wait, call, end) = (completion.clone(), queue.clone(), ended.clone());
        let task = spawn(async move {
            yield_now().await;
            wait.await;
            call.wait(call.ticket()).await;
            end.complete();
        });
        while run_ready(16) {}
        assert!(task.is_waiting() && task.was_blocked());
        completion.complete();
        assert!(!task.is_waiting() && task.was_blocked());
        while run_ready(16) {}
        assert!(
            task.is_waiting() && !task.was_blocked(),
            "a queue may never be notified"
        );
        assert!(!ended.is_complete());
        queue.notify();
        while run_ready(16) {}
        assert!(ended.is_complete());
    }
}
