//! The processes of the machine: finding them, and what passes between parents and children, up to those that have ended but whose parent
//! does not know yet.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use hal::sync::SpinLock;
use litemap::LiteMap;

use super::news::{Clones, Event, Found, Report, Wanted, Which};
use super::{Broadcast, ExitStatus, Process, Thread};
use crate::signal::{ActionFlags, Disposition, Info, Signal};

/// Processes that there may be.
pub const LIMIT: usize = 32768;

/// Every process by its ID, until its parent has waited for it.
static PROCESSES: SpinLock<LiteMap<i32, Arc<Process>>> = SpinLock::new(LiteMap::new());

/// Lets others find a process.
pub fn add(process: &Arc<Process>) {
    PROCESSES.lock().insert(process.pid, process.clone());
}

/// Lets others find a process that has the same parent as another (`CLONE_PARENT`).
pub(super) fn add_sibling(process: &Arc<Process>, other: &Process) {
    // Locked all the way: a parent that has not left yet will find it among its children.
    let mut processes = PROCESSES.lock();
    let parent = processes
        .get(&other.kinship.parent())
        .filter(|parent| !parent.kinship.has_left())
        .or_else(|| adopter(&processes, other))
        .map_or(0, |parent| parent.pid);
    process.kinship.become_sibling(&other.kinship, parent);
    processes.insert(process.pid, process.clone());
}

/// The nearest process above another that adopts its children, at the last the first one.
fn adopter<'a>(processes: &'a LiteMap<i32, Arc<Process>>, of: &Process) -> Option<&'a Arc<Process>> {
    let mut adopter = processes.get(&of.kinship.parent());
    while let Some(process) = adopter {
        let next = process.kinship.parent();
        let adopts = process.kinship.adopts.load(Ordering::Acquire) && !process.kinship.has_left();
        if adopts || next == 0 {
            break;
        }
        adopter = processes.get(&next);
    }
    adopter
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

/// Ends all processes but the first, as its end does on Linux (`pid_namespaces(7)`).
pub(super) fn end_all_but(first: &Process) {
    Broadcast::to_all(|| select(|process| process.pid != first.pid), Signal::KILL);
}

/// Whether another process than the first still runs.
pub fn has_others() -> bool {
    let others = select(|process| process.kinship.parent() != 0);
    others.iter().any(|process| !process.kinship.is_zombie())
}

fn select(wanted: impl Fn(&Process) -> bool) -> Vec<Arc<Process>> {
    let processes = PROCESSES.lock();
    processes.values().filter(|process| wanted(process)).cloned().collect()
}

/// Looks for news of the children of a process, and takes them unless told not to. A child whose end is told is gone.
pub fn look_at_children(parent: &Process, wanted: &Wanted) -> Found {
    loop {
        // Another thread may take the end of a child first. Whether there are others to wait for shows another look.
        if let Some(found) = look_once(parent, wanted) {
            return found;
        }
    }
}

/// `None` when a child that had ended was gone before its end was taken.
fn look_once(parent: &Process, wanted: &Wanted) -> Option<Found> {
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
            PROCESSES.lock().remove(&child.pid)?;
            parent
                .kinship
                .children_user
                .fetch_add(report.times.0, Ordering::Relaxed);
            parent
                .kinship
                .children_system
                .fetch_add(report.times.1, Ordering::Relaxed);
        }
        return Some(Found::News(report));
    }
    Some(if children.is_empty() {
        Found::Nobody
    } else {
        Found::Nothing
    })
}

impl Process {
    /// What remains to be done when all threads of a process other than the first have ended.
    pub(super) fn leave_family(self: &Arc<Self>, status: ExitStatus) {
        self.kinship.return_memory();
        self.leave_terminal();
        let children = self.give_children_away();
        self.leave_groups(&children);
        let parent = self
            .kinship
            .note_end(status, || self.signal_parent(Event::Ended(status)));
        if let Some(parent) = parent {
            parent.kinship.children_changed.notify();
        }
    }

    /// The children go to the next ancestor that adopts, at the last to the first process. Returns them.
    fn give_children_away(&self) -> Vec<Arc<Process>> {
        // Who gives this one a child from now on sees it.
        self.kinship.leave();
        let children = select(|process| process.kinship.parent() == self.pid);
        for child in &children {
            let ended = loop {
                let heir = self.heir();
                let ended = child.kinship.become_child_of(heir.as_ref().map_or(0, |heir| heir.pid));
                // One that has left meanwhile may have looked for its children before.
                if heir.is_none_or(|heir| !heir.kinship.has_left()) {
                    break ended;
                }
            };
            if let Ok(signal) = Signal::new(child.kinship.death_signal.load(Ordering::Acquire)) {
                child.send(signal, Info::kernel(signal));
            }
            if let Some(status) = ended {
                child.tell_parent(Event::Ended(status));
            }
        }
        children
    }

    /// Who gets its children.
    fn heir(&self) -> Option<Arc<Self>> {
        // Locked all the way: who is gone has given its children away before.
        let heir = adopter(&PROCESSES.lock(), self).cloned();
        heir.or_else(super::first)
    }

    /// Sends the parent the signal that it expects and ends its waits.
    fn tell_parent(&self, event: Event) {
        if let Some(parent) = self.signal_parent(event) {
            parent.kinship.children_changed.notify();
        }
    }

    /// Sends the parent the signal that it expects. The end of a child that the parent does not care for is forgotten.
    fn signal_parent(&self, event: Event) -> Option<Arc<Self>> {
        let parent = find(self.kinship.parent())?;
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
        Some(parent)
    }

    /// Stops the process until it is continued, unless that has come since it was continued so often. The first never stops: nobody could continue
    /// it.
    pub fn stop(&self, signal: Signal, continuations: u64) {
        if self.kinship.parent() == 0 || !self.kinship.note_stop(signal, continuations) {
            return;
        }
        for thread in self.threads() {
            thread.interrupt();
        }
        self.tell_parent(Event::Stopped(signal));
    }

    /// Lets a process that is stopped go on. `tells` is false when it goes on only to end.
    pub fn resume(&self, tells: bool) {
        if !self.kinship.note_continuation(tells) {
            return;
        }
        for thread in self.threads() {
            thread.interrupt();
        }
        if tells {
            self.tell_parent(Event::Continued);
        }
    }
}
