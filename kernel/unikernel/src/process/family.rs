//! The processes of the machine, and what they are to each other: parents and children, groups and sessions, and those that have ended
//! but whose parent does not know yet.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use bitflags::bitflags;
use hal::sync::SpinLock;
use task::{Completion, WaitQueue};

use super::{ExitStatus, Process, Thread};
use crate::signal::{ActionFlags, Disposition, Info, Signal};

/// Processes that there may be.
pub const LIMIT: usize = 32768;

/// Every process by its ID, until its parent has waited for it.
static PROCESSES: SpinLock<BTreeMap<i32, Arc<Process>>> = SpinLock::new(BTreeMap::new());

/// What a process is to others.
pub struct Kinship {
    parent: AtomicI32,
    group: AtomicI32,
    session: AtomicI32,
    /// What the parent is sent at the end (`CLONE_…`'s lowest byte); 0 for nothing.
    exit_signal: AtomicI32,
    /// What the process is sent when its parent ends (`PR_SET_PDEATHSIG`); 0 for nothing.
    pub death_signal: AtomicI32,
    /// Whether orphans below it become its children (`PR_SET_CHILD_SUBREAPER`).
    pub adopts: AtomicBool,
    /// Whether it runs another program than it was forked with: its parent no longer moves it to another group.
    has_executed: AtomicBool,
    /// Completed when a child of `vfork(2)` gives its parent's memory back.
    borrowed: SpinLock<Option<Completion>>,
    /// What `wait(2)` tells of it next.
    news: SpinLock<News>,
    /// Notified when a child has news.
    pub children_changed: WaitQueue,
    /// Nanoseconds of user and system time of children that were waited for.
    children_user: AtomicU64,
    children_system: AtomicU64,
}

#[derive(Default)]
struct News {
    ended: Option<ExitStatus>,
    /// Stopped by this signal.
    stopped: Option<Signal>,
    /// A stop or its end that nobody has waited for yet.
    change: Option<Event>,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The process has ended.
    Ended(ExitStatus),
    /// It was stopped.
    Stopped(Signal),
    /// It goes on after a stop.
    Continued,
}

impl Event {
    fn kind(self) -> Kinds {
        match self {
            Self::Ended(_) => Kinds::ENDED,
            Self::Stopped(_) => Kinds::STOPPED,
            Self::Continued => Kinds::CONTINUED,
        }
    }

    /// `si_code` and `si_status` of its `SIGCHLD`.
    pub fn code_and_status(self) -> (i32, i32) {
        const EXITED: i32 = 1;
        const KILLED: i32 = 2;
        const STOPPED: i32 = 5;
        const CONTINUED: i32 = 6;
        match self {
            Self::Ended(ExitStatus::Code(code)) => (EXITED, i32::from(code)),
            Self::Ended(ExitStatus::Signal(signal)) => (KILLED, i32::from(signal.number())),
            Self::Stopped(signal) => (STOPPED, i32::from(signal.number())),
            Self::Continued => (CONTINUED, i32::from(Signal::CONT.number())),
        }
    }

    /// As `wait(2)` encodes it.
    pub fn wait_status(self) -> i32 {
        const STOPPED: i32 = 0x7f;
        const CONTINUED: i32 = 0xffff;
        match self {
            Self::Ended(ExitStatus::Code(code)) => i32::from(code) << 8,
            Self::Ended(ExitStatus::Signal(signal)) => i32::from(signal.number()),
            Self::Stopped(signal) => i32::from(signal.number()) << 8 | STOPPED,
            Self::Continued => CONTINUED,
        }
    }
}

/// News of a child.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// The child.
    pub pid: i32,
    /// Its real user ID.
    pub uid: u32,
    /// What happened.
    pub event: Event,
    /// Nanoseconds that it and its children used, in user mode and in the kernel.
    pub times: (u64, u64),
}

/// Which children a wait is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    Any,
    /// One.
    Process(i32),
    /// Those of a process group.
    Group(i32),
}

bitflags! {
    /// Kinds of [`Event`]s.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Kinds: u8 {
        /// Ends.
        const ENDED = 1;
        /// Stops.
        const STOPPED = 2;
        /// Continuations.
        const CONTINUED = 4;
    }
}

/// What to wait for, and how.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Of which children.
    pub which: Which,
    /// For what.
    pub kinds: Kinds,
    /// Leave the news there for another wait (`WNOWAIT`).
    pub keep: bool,
    /// Children with an exit signal other than `SIGCHLD`: only those, or also those.
    pub clones: Option<Clones>,
}

/// What a wait makes of children whose exit signal is not `SIGCHLD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clones {
    /// `__WCLONE`
    Only,
    /// `__WALL`
    Too,
}

/// What a look at the children found.
pub enum Found {
    /// News.
    News(Report),
    /// No child could ever have any.
    Nobody,
    /// There is none yet.
    Nothing,
}

impl Kinship {
    /// Of the first process.
    pub fn first(pid: i32) -> Self {
        Self::new(0, pid, pid, None)
    }

    /// Of a child of `parent`.
    pub(super) fn child_of(parent: &Process, exit_signal: Option<Signal>) -> Self {
        let own = &parent.kinship;
        Self::new(parent.pid, own.group(), own.session(), exit_signal)
    }

    fn new(parent: i32, group: i32, session: i32, exit_signal: Option<Signal>) -> Self {
        Self {
            parent: AtomicI32::new(parent),
            group: AtomicI32::new(group),
            session: AtomicI32::new(session),
            exit_signal: AtomicI32::new(exit_signal.map_or(0, |signal| i32::from(signal.number()))),
            death_signal: AtomicI32::new(0),
            adopts: AtomicBool::new(false),
            has_executed: AtomicBool::new(false),
            borrowed: SpinLock::new(None),
            news: SpinLock::default(),
            children_changed: WaitQueue::new(),
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

    /// Makes the process the leader of a session and a group of its own.
    pub fn lead_session(&self, pid: i32) {
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

    /// Has the same parent as another process from now on (`CLONE_PARENT`).
    pub fn become_sibling(&self, other: &Self) {
        self.parent.store(other.parent(), Ordering::Release);
        self.exit_signal
            .store(other.exit_signal.load(Ordering::Acquire), Ordering::Release);
    }

    /// Happens when the process runs another program or ends: until then it uses its parent's memory (`vfork(2)`).
    pub fn hold_parent(&self) -> Completion {
        self.borrowed.lock().get_or_insert_with(Completion::new).clone()
    }

    fn return_memory(&self) {
        let borrowed = self.borrowed.lock().take();
        if let Some(borrowed) = borrowed {
            borrowed.complete();
        }
    }

    /// Whether it has ended and waits for its parent to take notice.
    pub fn is_zombie(&self) -> bool {
        self.news.lock().ended.is_some()
    }

    /// Whether it is stopped.
    pub fn is_stopped(&self) -> bool {
        self.news.lock().stopped.is_some()
    }

    /// Nanoseconds in user mode and in the kernel of children that were waited for, and of theirs.
    pub fn children_times(&self) -> (u64, u64) {
        (
            self.children_user.load(Ordering::Relaxed),
            self.children_system.load(Ordering::Relaxed),
        )
    }

    fn is_clone(&self) -> bool {
        self.exit_signal.load(Ordering::Acquire) != i32::from(Signal::CHLD.number())
    }

    /// The news that a wait asks for.
    fn look(&self, wanted: &Wanted) -> Option<Event> {
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

/// Lets others find a process.
pub fn add(process: &Arc<Process>) {
    PROCESSES.lock().insert(process.pid, process.clone());
}

/// A process by its ID, be it one that has ended and was not waited for.
pub fn find(pid: i32) -> Option<Arc<Process>> {
    PROCESSES.lock().get(&pid).cloned()
}

/// A thread by its ID, of whichever process.
pub fn find_thread(tid: i32) -> Option<Arc<Thread>> {
    find(tid)
        .and_then(|process| process.thread(tid))
        .or_else(|| all().iter().find_map(|process| process.thread(tid)))
}

/// All processes, by ID.
pub fn all() -> Vec<Arc<Process>> {
    PROCESSES.lock().values().cloned().collect()
}

/// How many there are.
pub fn count() -> usize {
    PROCESSES.lock().len()
}

/// The processes of a group, by ID.
pub fn members(group: i32) -> Vec<Arc<Process>> {
    select(|process| process.kinship.group() == group)
}

fn select(wanted: impl Fn(&Process) -> bool) -> Vec<Arc<Process>> {
    let processes = PROCESSES.lock();
    processes.values().filter(|process| wanted(process)).cloned().collect()
}

/// Looks for news of the children of a process, and takes them unless told not to. A child whose end is told is gone.
pub fn look_at_children(parent: &Process, wanted: &Wanted) -> Found {
    let children = select(|process| {
        let kinship = &process.kinship;
        kinship.parent() == parent.pid
            && match wanted.which {
                Which::Any => true,
                Which::Process(pid) => process.pid == pid,
                Which::Group(group) => kinship.group() == group,
            }
            && match wanted.clones {
                Some(Clones::Too) => true,
                Some(Clones::Only) => kinship.is_clone(),
                None => !kinship.is_clone(),
            }
    });
    for child in &children {
        let Some(event) = child.kinship.look(wanted) else {
            continue;
        };
        let (own, others) = (child.cpu_times(), child.kinship.children_times());
        let report = Report {
            pid: child.pid,
            uid: child.credentials().uid,
            event,
            times: (own.0 + others.0, own.1 + others.1),
        };
        if matches!(event, Event::Ended(_)) && !wanted.keep {
            // Another thread may have been faster.
            if PROCESSES.lock().remove(&child.pid).is_none() {
                continue;
            }
            parent
                .kinship
                .children_user
                .fetch_add(report.times.0, Ordering::Relaxed);
            parent
                .kinship
                .children_system
                .fetch_add(report.times.1, Ordering::Relaxed);
        }
        return Found::News(report);
    }
    if children.is_empty() {
        Found::Nobody
    } else {
        Found::Nothing
    }
}

impl Process {
    /// What remains to be done when all threads of a process other than the first have ended.
    pub(super) fn leave_family(self: &Arc<Self>, status: ExitStatus) {
        self.kinship.return_memory();
        self.give_children_away();
        self.kinship.news.lock().ended = Some(status);
        self.tell_parent(Event::Ended(status));
    }

    /// The children go to the next ancestor that adopts, at the last to the first process.
    fn give_children_away(&self) {
        let children = select(|process| process.kinship.parent() == self.pid);
        if children.is_empty() {
            return;
        }
        let mut heir = self.kinship.parent();
        while let Some(process) = find(heir) {
            let next = process.kinship.parent();
            let adopts = process.kinship.adopts.load(Ordering::Acquire) && !process.kinship.is_zombie();
            if adopts || next == 0 {
                break;
            }
            heir = next;
        }
        for child in children {
            child.kinship.parent.store(heir, Ordering::Release);
            child
                .kinship
                .exit_signal
                .store(i32::from(Signal::CHLD.number()), Ordering::Release);
            if let Ok(signal) = Signal::new(child.kinship.death_signal.load(Ordering::Acquire)) {
                child.send(signal, Info::kernel(signal));
            }
            let ended = child.kinship.news.lock().ended;
            if let Some(status) = ended {
                child.tell_parent(Event::Ended(status));
            }
        }
    }

    /// Sends the parent the signal that it expects and ends its waits. The end of a child that the parent does not care for is forgotten.
    fn tell_parent(&self, event: Event) {
        let Some(parent) = find(self.kinship.parent()) else {
            return;
        };
        let signal = match event {
            Event::Ended(_) => Signal::new(self.kinship.exit_signal.load(Ordering::Acquire)).ok(),
            _ => Some(Signal::CHLD),
        };
        let action = parent.actions.get(Signal::CHLD);
        let mut tells = true;
        if signal == Some(Signal::CHLD) {
            let ignored = action.disposition(Signal::CHLD) == Disposition::Ignore;
            tells = match event {
                Event::Ended(_) => {
                    if ignored || action.flags().contains(ActionFlags::NO_CHILD_WAIT) {
                        PROCESSES.lock().remove(&self.pid);
                    }
                    !ignored
                }
                _ => !ignored && !action.flags().contains(ActionFlags::NO_CHILD_STOP),
            };
        }
        if let Some(signal) = signal.filter(|_| tells) {
            let (code, status) = event.code_and_status();
            let (user, system) = self.cpu_times();
            const TICK: u64 = 10_000_000;
            let uid = self.with_credentials(|credentials| credentials.uid);
            let sender = u64::from(self.pid as u32) | u64::from(uid) << 32;
            let fields = [sender, u64::from(status as u32), user / TICK, system / TICK];
            parent.send(signal, Info::new(signal, code, &fields));
        }
        parent.kinship.children_changed.notify();
    }

    /// Stops the process until it is continued. The first never stops: nobody could continue it.
    pub fn stop(&self, signal: Signal) {
        if self.kinship.parent() == 0 {
            return;
        }
        {
            let mut news = self.kinship.news.lock();
            if news.stopped.replace(signal).is_some() {
                return;
            }
            news.change = Some(Event::Stopped(signal));
        }
        for thread in self.threads() {
            thread.interrupt();
        }
        self.tell_parent(Event::Stopped(signal));
    }

    /// Lets a process that is stopped go on. `tells` is false when it goes on only to end.
    pub fn resume(&self, tells: bool) {
        {
            let mut news = self.kinship.news.lock();
            if news.stopped.take().is_none() {
                return;
            }
            news.change = tells.then_some(Event::Continued);
        }
        for thread in self.threads() {
            thread.interrupt();
        }
        if tells {
            self.tell_parent(Event::Continued);
        }
    }
}
