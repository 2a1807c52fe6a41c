//! What a process is to others: its parent, its group and session, and what its parent has yet to learn of it.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use hal::sync::SpinLock;
use task::{Completion, WaitQueue};
use tty::Terminal;

use super::news::{Event, Kinds, Wanted};
use super::{Ending, ExitStatus, Process};
use crate::signal::Signal;

/// What a process is to others.
pub struct Kinship {
    pub(super) parent: AtomicI32,
    group: AtomicI32,
    session: AtomicI32,
    /// The controlling terminal.
    terminal: SpinLock<Option<Arc<Terminal>>>,
    /// Of a session leader whose terminal hung up: the group that had it, which the leader's end is told; 0 for none.
    pub(super) left_behind: AtomicI32,
    /// What the parent is sent at the end (`CLONE_…`'s lowest byte); 0 for nothing.
    pub(super) exit_signal: AtomicI32,
    /// What the process is sent when its parent ends (`PR_SET_PDEATHSIG`); 0 for nothing.
    pub death_signal: AtomicI32,
    /// Whether orphans below it become its children (`PR_SET_CHILD_SUBREAPER`).
    pub adopts: AtomicBool,
    /// Whether it has no children any more, since it ends.
    has_left: AtomicBool,
    /// Whether it runs another program than it was forked with: its parent no longer moves it to another group.
    has_executed: AtomicBool,
    /// Completed when a child of `vfork(2)` gives its parent's memory back.
    borrowed: SpinLock<Option<Completion>>,
    /// The signal that stopped it; 0 while it runs. Changes with `news` locked, and is looked at without on each way to user mode.
    stopped: AtomicI32,
    /// How often it was let go on, stopped or not. Changes with `news` locked.
    continuations: AtomicU64,
    /// What `wait(2)` tells of it next.
    news: SpinLock<News>,
    /// Notified when a child has news.
    pub children_changed: WaitQueue,
    /// Its own end.
    pub(super) ending: Arc<Ending>,
    /// Nanoseconds of user and system time of children that were waited for.
    pub(super) children_user: AtomicU64,
    pub(super) children_system: AtomicU64,
}

#[derive(Default)]
struct News {
    ended: Option<ExitStatus>,
    /// A stop or its end that nobody has waited for yet.
    change: Option<Event>,
}

impl Kinship {
    /// Of the first process.
    pub fn first(pid: i32) -> Self {
        Self::new(0, pid, pid, None)
    }

    /// Of a child of `parent`, whose end somebody may wait for already.
    pub(super) fn child_of(parent: &Process, exit_signal: Option<Signal>, ending: Option<Arc<Ending>>) -> Self {
        let own = &parent.kinship;
        let kinship = Self {
            terminal: SpinLock::new(own.terminal()),
            ..Self::new(parent.pid, own.group(), own.session(), exit_signal)
        };
        match ending {
            Some(ending) => Self { ending, ..kinship },
            None => kinship,
        }
    }

    /// Its end, to wait for.
    pub fn ending(&self) -> Arc<Ending> {
        self.ending.clone()
    }

    fn new(parent: i32, group: i32, session: i32, exit_signal: Option<Signal>) -> Self {
        Self {
            parent: AtomicI32::new(parent),
            group: AtomicI32::new(group),
            session: AtomicI32::new(session),
            terminal: SpinLock::new(None),
            left_behind: AtomicI32::new(0),
            exit_signal: AtomicI32::new(exit_signal.map_or(0, |signal| i32::from(signal.number()))),
            death_signal: AtomicI32::new(0),
            adopts: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
            has_executed: AtomicBool::new(false),
            borrowed: SpinLock::new(None),
            stopped: AtomicI32::new(0),
            continuations: AtomicU64::new(0),
            news: SpinLock::default(),
            children_changed: WaitQueue::new(),
            ending: Arc::default(),
            children_user: AtomicU64::new(0),
            children_system: AtomicU64::new(0),
        }
    }

    /// Process ID of the parent; 0 for none.
    pub fn parent(&self) -> i32 {
        self.parent.load(Ordering::Acquire)
    }

    /// Process group.
    pub fn group(&self) -> i32 {
        self.group.load(Ordering::Acquire)
    }

    /// Session.
    pub fn session(&self) -> i32 {
        self.session.load(Ordering::Acquire)
    }

    /// Moves the process to a group of its session.
    pub fn set_group(&self, group: i32) {
        self.group.store(group, Ordering::Release);
    }

    /// The controlling terminal.
    pub fn terminal(&self) -> Option<Arc<Terminal>> {
        self.terminal.lock().clone()
    }

    /// Gives the process its controlling terminal, or takes it away.
    pub fn set_terminal(&self, terminal: Option<Arc<Terminal>>) {
        // Its last share goes when the lock has been released.
        let _old = core::mem::replace(&mut *self.terminal.lock(), terminal);
    }

    /// Makes the process the leader of a session and a group of its own, without a terminal.
    pub fn lead_session(&self, pid: i32) {
        self.set_terminal(None);
        self.session.store(pid, Ordering::Release);
        self.set_group(pid);
    }

    /// Whether it runs another program than it was forked with.
    pub fn has_executed(&self) -> bool {
        self.has_executed.load(Ordering::Acquire)
    }

    /// Runs another program from now on: what it borrowed of its parent is free.
    pub fn note_execution(&self) {
        self.has_executed.store(true, Ordering::Release);
        self.return_memory();
    }

    /// Has the `parent` of another process, and tells it as that one does (`CLONE_PARENT`).
    pub(super) fn become_sibling(&self, other: &Self, parent: i32) {
        self.parent.store(parent, Ordering::Release);
        self.exit_signal
            .store(other.exit_signal.load(Ordering::Acquire), Ordering::Release);
    }

    /// Happens when the process runs another program or ends: until then it uses its parent's memory (`vfork(2)`).
    pub fn hold_parent(&self) -> Completion {
        self.borrowed.lock().get_or_insert_with(Completion::new).clone()
    }

    /// Lets the parent go on that waits for its memory.
    pub(super) fn return_memory(&self) {
        let borrowed = self.borrowed.lock().take();
        if let Some(borrowed) = borrowed {
            borrowed.complete();
        }
    }

    /// Whether it has ended and waits for its parent to take notice.
    pub fn is_zombie(&self) -> bool {
        self.ended().is_some()
    }

    /// Whether it is stopped.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire) != 0
    }

    /// How often it was let go on, for [`Kinship::note_stop`].
    pub fn continuations(&self) -> u64 {
        self.continuations.load(Ordering::Acquire)
    }

    /// Notes a stop by a signal that was taken after a look at [`Kinship::continuations`]; false when it is stopped already, or was let go on since.
    pub(super) fn note_stop(&self, signal: Signal, continuations: u64) -> bool {
        let mut news = self.news.lock();
        if self.continuations() != continuations {
            return false;
        }
        let changes = self.stopped.swap(i32::from(signal.number()), Ordering::AcqRel) == 0;
        if changes {
            news.change = Some(Event::Stopped(signal));
        }
        changes
    }

    /// Notes the end of a stop, which the parent learns of if `tells`; false when there was none.
    pub(super) fn note_continuation(&self, tells: bool) -> bool {
        let mut news = self.news.lock();
        self.continuations.fetch_add(1, Ordering::AcqRel);
        let changes = self.stopped.swap(0, Ordering::AcqRel) != 0;
        if changes {
            news.change = tells.then_some(Event::Continued);
        }
        changes
    }

    /// Notes the end. Nobody can look for it before `tell` has told the parent, and the parent stays the same.
    pub(super) fn note_end<T>(&self, status: ExitStatus, tell: impl FnOnce() -> T) -> T {
        let told = {
            let mut news = self.news.lock();
            let told = tell();
            news.ended = Some(status);
            told
        };
        self.ending.note();
        told
    }

    /// Has another parent from now on. Returns how it has ended, when it has: then that one is to be told.
    pub(super) fn become_child_of(&self, parent: i32) -> Option<ExitStatus> {
        let news = self.news.lock();
        self.parent.store(parent, Ordering::SeqCst);
        self.exit_signal
            .store(i32::from(Signal::CHLD.number()), Ordering::Release);
        news.ended
    }

    /// Gives its children away from now on and takes no others.
    pub(super) fn leave(&self) {
        self.has_left.store(true, Ordering::SeqCst);
    }

    /// Whether it gives its children away, or has.
    pub(super) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::SeqCst)
    }

    /// How it ended, when it has.
    pub(super) fn ended(&self) -> Option<ExitStatus> {
        self.news.lock().ended
    }

    /// Nanoseconds in user mode and in the kernel of children that were waited for, and of theirs.
    pub fn children_times(&self) -> (u64, u64) {
        (
            self.children_user.load(Ordering::Relaxed),
            self.children_system.load(Ordering::Relaxed),
        )
    }

    /// Whether its end is told by another signal than `SIGCHLD`, or by none.
    pub(super) fn is_clone(&self) -> bool {
        self.exit_signal.load(Ordering::Acquire) != i32::from(Signal::CHLD.number())
    }

    /// The news that a wait asks for.
    pub(super) fn look(&self, wanted: &Wanted) -> Option<Event> {
        let mut news = self.news.lock();
        if let Some(status) = news.ended {
            return wanted.kinds.contains(Kinds::ENDED).then_some(Event::Ended(status));
        }
        let change = news.change.filter(|change| wanted.kinds.contains(change.kind()))?;
        if !wanted.keep {
            news.change = None;
        }
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_a_process_go_on_counts_for_a_stop_that_was_begun_before() {
        let kinship = Kinship::first(1);
        let before = kinship.continuations();
        assert!(!kinship.note_continuation(true));
        assert!(!kinship.note_stop(Signal::STOP, before));
        assert!(!kinship.is_stopped());
        assert!(kinship.note_stop(Signal::STOP, kinship.continuations()));
        assert!(kinship.is_stopped());
        assert!(kinship.note_continuation(true));
        assert!(!kinship.is_stopped());
    }
}
