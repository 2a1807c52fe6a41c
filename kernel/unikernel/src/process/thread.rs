//! A thread of the application.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use core::task::{Poll, Waker};

use file::DescriptorTable;
use hal::sync::SpinLock;
use once_cell::race::OnceBox;
use task::{Affinity, Task};

use super::cpu_time::CpuTime;
use super::rseq::Sequences;
use super::{Counters, Paths, Process, ThreadSettings};
use crate::futex::Waiter;
use crate::memory::AddressSpace;
use crate::seccomp::Seccomp;
use crate::signal::{DefaultAction, Disposition, Info, Pending, Signal, SignalSet};

/// `stack_t`: where handlers with `SA_ONSTACK` run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlternateStack {
    /// First address.
    pub address: usize,
    /// Bytes.
    pub size: usize,
    /// `SS_DISABLE`, `SS_AUTODISARM`.
    pub flags: u32,
}

impl AlternateStack {
    /// None.
    pub const DISABLED: Self = Self {
        address: 0,
        size: 0,
        flags: linux_raw_sys::general::SS_DISABLE,
    };

    /// Whether handlers may run there.
    pub fn is_enabled(&self) -> bool {
        self.flags & linux_raw_sys::general::SS_DISABLE == 0
    }

    /// Whether a stack pointer lies on it. One that disarms itself is never in use as far as anybody can tell.
    pub fn holds(&self, stack_pointer: usize) -> bool {
        self.is_enabled()
            && self.flags & linux_raw_sys::general::SS_AUTODISARM == 0
            && stack_pointer > self.address
            && stack_pointer - self.address <= self.size
    }
}

/// The last fault of a thread, as a signal frame tells it.
#[derive(Clone, Copy, Debug, Default)]
pub struct FaultRecord {
    /// The exception's number.
    pub vector: u8,
    /// Its error code.
    pub error: usize,
    /// What the instruction reached for.
    pub address: usize,
}

/// A thread: what the rest of the kernel knows of it. Its registers belong to the future that runs it.
pub struct Thread {
    /// Thread ID; the first thread's is the process ID.
    pub tid: i32,
    /// The process it belongs to.
    pub process: Arc<Process>,
    /// The memory it sees.
    pub memory: Arc<AddressSpace>,
    /// Signals for this thread.
    pub pending: Pending,
    /// Signals that wait until they are unblocked.
    mask: AtomicU64,
    /// Signals that `sigtimedwait` and the like wait for, though they are blocked.
    awaited: AtomicU64,
    /// The mask to go back to once the signal that ended `sigsuspend`, `ppoll` and the like was handled.
    pub saved_mask: SpinLock<Option<SignalSet>>,
    /// The stack of signal handlers.
    pub alternate_stack: SpinLock<AlternateStack>,
    /// The last fault.
    pub fault: SpinLock<FaultRecord>,
    /// Where a zero is written and a futex woken at the end (`set_tid_address(2)`).
    pub clear_tid: AtomicUsize,
    /// Head of the list of robust futexes.
    pub robust_list: AtomicUsize,
    /// Its place in the queue of a futex.
    pub futex_waiter: Arc<Waiter>,
    /// Its descriptors, when they are not those of its process.
    pub(super) own_files: OnceBox<DescriptorTable>,
    /// Its working directory, root and umask, likewise.
    pub(super) own_paths: OnceBox<Paths>,
    /// Restartable sequences.
    pub rseq: Sequences,
    /// What it has given up of system calls.
    pub seccomp: Seccomp,
    /// Of what it does not do.
    pub settings: SpinLock<ThreadSettings>,
    /// Name, up to 15 bytes (`PR_SET_NAME`).
    pub name: SpinLock<[u8; 16]>,
    /// The CPUs' time that it uses.
    pub cpu_time: CpuTime,
    /// What else is counted of it.
    pub counters: Counters,
    /// When it started, in nanoseconds since boot.
    pub started: u64,
    /// Its nice value (`setpriority(2)`), -20 to 19.
    pub nice: AtomicI32,
    /// Its scheduling policy (`sched_setscheduler(2)`).
    pub policy: AtomicU32,
    /// Its I/O priority (`ioprio_set(2)`); 0 for none.
    pub io_priority: AtomicU32,
    /// The CPUs that it may run on (`sched_setaffinity(2)`).
    pub affinity: Arc<Affinity>,
    /// `exit(2)` was called: the lowest byte is the status, the next says so.
    exiting: AtomicU32,
    /// When a wait is over that goes on with the next system call; 0 when none does.
    kept_deadline: AtomicU64,
    /// Wakes the task that runs the thread.
    waker: SpinLock<Option<Waker>>,
    /// That task.
    task: SpinLock<Weak<Task>>,
}

impl Thread {
    /// A thread of `process`, which knows it from now on.
    pub fn new(tid: i32, process: Arc<Process>, memory: Arc<AddressSpace>, mask: SignalSet) -> Arc<Self> {
        let thread = Arc::new(Self {
            tid,
            memory,
            process,
            pending: Pending::default(),
            mask: AtomicU64::new(mask.bits()),
            awaited: AtomicU64::new(0),
            saved_mask: SpinLock::new(None),
            alternate_stack: SpinLock::new(AlternateStack::DISABLED),
            fault: SpinLock::default(),
            clear_tid: AtomicUsize::new(0),
            robust_list: AtomicUsize::new(0),
            futex_waiter: Waiter::new(),
            own_files: OnceBox::new(),
            own_paths: OnceBox::new(),
            rseq: Sequences::default(),
            seccomp: Seccomp::default(),
            settings: SpinLock::default(),
            name: SpinLock::new([0; 16]),
            cpu_time: CpuTime::default(),
            counters: Counters::default(),
            started: hal::time::monotonic(),
            nice: AtomicI32::new(0),
            policy: AtomicU32::new(linux_raw_sys::general::SCHED_NORMAL),
            io_priority: AtomicU32::new(0),
            affinity: Arc::default(),
            exiting: AtomicU32::new(0),
            kept_deadline: AtomicU64::new(0),
            waker: SpinLock::new(None),
            task: SpinLock::default(),
        });
        thread.memory.begin_use();
        thread.process.add_thread(&thread);
        thread
    }

    /// Gets its turns as another thread does, its parent or whom it follows.
    pub fn take_scheduling_of(&self, other: &Self) {
        self.nice.store(other.nice.load(Ordering::Relaxed), Ordering::Relaxed);
        self.policy
            .store(other.policy.load(Ordering::Relaxed), Ordering::Relaxed);
        self.io_priority
            .store(other.io_priority.load(Ordering::Relaxed), Ordering::Relaxed);
        self.affinity.set(other.affinity.get());
    }

    /// The signals it blocks.
    pub fn blocked(&self) -> SignalSet {
        SignalSet::from_bits(self.mask.load(Ordering::Acquire))
    }

    /// Blocks these signals from now on and no others.
    pub fn set_blocked(&self, mask: SignalSet) {
        let mask = mask.without(SignalSet::UNSTOPPABLE);
        // Stored before the look at what waits: a sender adds a signal and then looks at the masks.
        let before = self.mask.swap(mask.bits(), Ordering::SeqCst);
        self.pass_on(mask.without(SignalSet::from_bits(before)));
    }

    /// Waits for blocked signals, so that they interrupt; the empty set ends it.
    pub fn set_awaited(&self, signals: SignalSet) {
        // In the same order.
        let before = self.awaited.swap(signals.bits(), Ordering::SeqCst);
        self.pass_on(SignalSet::from_bits(before).without(signals));
    }

    fn awaited(&self) -> SignalSet {
        SignalSet::from_bits(self.awaited.load(Ordering::Acquire))
    }

    /// Whether it waits for a signal that it may block.
    pub fn awaits(&self, signal: Signal) -> bool {
        self.awaited().contains(signal)
    }

    /// The signals that it takes: those that it does not block, or waits for.
    pub fn takes(&self) -> SignalSet {
        SignalSet::from_bits(!self.blocked().bits()).with(self.awaited())
    }

    /// Leaves to others what waits for the process and it may have been chosen for, now that it no longer takes these signals.
    fn pass_on(&self, signals: SignalSet) {
        let left = self.process.pending.set().and(signals).without(self.takes());
        if !left.is_empty() {
            self.process.offer(left);
        }
    }

    /// The signals that wait for it or for its process, blocked or not.
    #[inline]
    pub fn all_pending(&self) -> SignalSet {
        self.pending.set().with(self.process.pending.set())
    }

    /// Whether there may be something that keeps the thread from user mode: a signal, its end, a stop. Asked with each system call, and seldom so.
    #[inline]
    pub(super) fn may_be_held(&self) -> bool {
        let process = &*self.process;
        let signals = self.all_pending();
        let exiting = self.exiting.load(Ordering::Acquire) != 0;
        !signals.is_empty() | exiting | process.is_changing() | process.kinship.is_stopped()
    }

    /// Whether a signal is to be delivered or the process ends: waits end then.
    #[inline]
    pub fn is_interrupted(&self) -> bool {
        let pending = self.all_pending();
        (!pending.is_empty() || self.process.is_changing()) && self.has_interruption()
    }

    fn has_interruption(&self) -> bool {
        !self.all_pending().and(self.takes()).is_empty()
            || self.process.exit_status().is_some()
            || self.process.is_replaced(self.tid)
    }

    /// Takes the next signal to deliver.
    pub fn take_signal(&self) -> Option<(Signal, Info)> {
        let wanted = SignalSet::from_bits(!self.blocked().bits());
        self.take_signal_of(wanted)
    }

    /// Takes the next pending signal of a set, blocked or not.
    pub fn take_signal_of(&self, wanted: SignalSet) -> Option<(Signal, Info)> {
        if self.all_pending().and(wanted).is_empty() {
            return None;
        }
        let taken = self
            .pending
            .take(wanted)
            .or_else(|| self.process.pending.take(wanted))?;
        self.process.timers.note_taken(&taken.1);
        Some(taken)
    }

    /// Sends a signal to this thread alone. False when too many wait.
    pub fn send(&self, signal: Signal, info: Info) -> bool {
        self.process.prepare(signal);
        let ignored = self.process.ignores(signal);
        if ignored && !self.blocked().contains(signal) && !self.awaits(signal) {
            return true;
        }
        let sent = self.pending.push(signal, info);
        self.interrupt();
        self.process.arrivals.notify();
        sent
    }

    /// Makes the thread look at its signals: ends its wait, or its run in user mode.
    pub fn interrupt(&self) {
        let waker = self.waker.lock().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
        // Where it runs now it would see the signal only with the next trap.
        crate::describe::cpus::interrupt_where_running(self.tid);
    }

    /// Keeps the deadline of a wait that a signal without a handler interrupted: the next system call goes on with it.
    pub fn keep_deadline(&self, deadline: u64) {
        self.kept_deadline.store(deadline, Ordering::Relaxed);
    }

    /// Takes the deadline of a wait that goes on.
    pub fn take_deadline(&self) -> Option<u64> {
        Some(self.kept_deadline.swap(0, Ordering::Relaxed)).filter(|&deadline| deadline != 0)
    }

    /// Waits while the process is stopped.
    pub(super) async fn stand_still(&self) {
        // Whoever lets it go on or ends it interrupts all threads, which polls this again.
        core::future::poll_fn(|_| {
            if self.process.kinship.is_stopped() && !self.is_leaving() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    /// Sends a signal that an instruction of this thread caused: one that is blocked or ignored ends the process.
    pub fn force(&self, signal: Signal, info: Info) {
        let actions = &self.process.actions;
        let mut action = actions.get(signal);
        if self.blocked().contains(signal) || action.handler == crate::signal::Action::IGNORE {
            action.handler = crate::signal::Action::DEFAULT;
            actions.set(signal, action);
            self.set_blocked(self.blocked().without(SignalSet::of(signal)));
        }
        self.process.expose_to(signal);
        self.pending.push(signal, info);
    }

    /// Ends this thread before it enters user mode again.
    pub fn exit(&self, code: u8) {
        self.exiting.store(1 << 8 | u32::from(code), Ordering::Release);
    }

    /// The status that [`Thread::exit`] was given.
    pub fn exit_code(&self) -> u8 {
        self.exiting.load(Ordering::Acquire) as u8
    }

    /// Whether the thread or its process ends.
    #[inline]
    pub fn is_leaving(&self) -> bool {
        self.exiting.load(Ordering::Acquire) != 0
            || self.process.is_changing()
                && (self.process.exit_status().is_some() || self.process.is_replaced(self.tid))
    }

    /// Whether a signal that ends the process waits for it, or it is leaving: what takes long is not gone on with.
    pub fn is_killed(&self) -> bool {
        let ends = |action| matches!(action, DefaultAction::Terminate | DefaultAction::Crash);
        self.pending_with(ends).is_some() || self.is_leaving()
    }

    /// A signal that waits for it and ends the process without any more being told of it.
    pub fn deadly_signal(&self) -> Option<Signal> {
        self.pending_with(|action| action == DefaultAction::Terminate)
    }

    /// The first signal that waits for it and has such an effect.
    fn pending_with(&self, effect: impl Fn(DefaultAction) -> bool) -> Option<Signal> {
        let mut pending = self.all_pending().without(self.blocked());
        while let Some(signal) = pending.first() {
            match self.process.disposition(signal) {
                Disposition::Default(action) if effect(action) => return Some(signal),
                _ => pending = pending.without(SignalSet::of(signal)),
            }
        }
        None
    }

    /// Notes a fault for the frame of its signal.
    pub fn note_fault(&self, vector: u8, error: usize, address: usize) {
        *self.fault.lock() = FaultRecord { vector, error, address };
    }

    /// Names it, with what fits of a name.
    pub fn set_name(&self, name: &[u8]) {
        let mut field = [0; 16];
        let length = name.len().min(field.len() - 1);
        field[..length].copy_from_slice(&name[..length]);
        *self.name.lock() = field;
    }

    pub(super) fn set_task(&self, task: &Arc<Task>) {
        *self.task.lock() = Arc::downgrade(task);
    }

    /// Whether it waits for something; otherwise it runs, or would if there were CPUs enough.
    pub fn is_waiting(&self) -> bool {
        self.task.lock().upgrade().is_some_and(|task| task.is_waiting())
    }

    /// Whether it waits for the disk, or for a child to which it lent its memory, or did until it was woken.
    pub fn was_uninterruptible(&self) -> bool {
        self.task.lock().upgrade().is_some_and(|task| task.was_blocked())
    }

    /// Whether it waits for the disk, or for a child to which it lent its memory.
    pub fn is_uninterruptible(&self) -> bool {
        self.was_uninterruptible() && self.is_waiting()
    }

    /// Wakes the task that runs the thread.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.lock().clone().unwrap_or_else(|| Waker::noop().clone())
    }

    pub(crate) fn set_waker(&self, waker: &Waker) {
        *self.waker.lock() = Some(waker.clone());
    }
}
