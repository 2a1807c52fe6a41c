//! What processes have to do with terminals: the groups that signals go to, and the controlling terminal of each.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use fs::proc::System;
use tty::{Caller, Jobs, Terminal};

use super::{Broadcast, Capability, Process, family};
use crate::signal::{Disposition, Info, Signal};

/// The processes of the machine, for its terminals.
pub struct Processes;

/// Sends a signal of the kernel's to all processes of a group; 0 is none.
fn signal_group(group: i32, signal: Signal) {
    if group > 0 {
        Broadcast::to_all(|| family::members(group), signal);
    }
}

fn current() -> Option<(Arc<Process>, i32)> {
    let (pid, tid) = crate::describe::Machine.current()?;
    Some((family::find(pid)?, tid))
}

impl Jobs for Processes {
    fn caller(&self) -> Option<Caller> {
        let (process, _) = current()?;
        let kinship = &process.kinship;
        Some(Caller {
            process: process.pid,
            group: kinship.group(),
            session: kinship.session(),
            terminal: kinship.terminal(),
            administers: process.can(Capability::SYS_ADMIN),
            user: process.with_credentials(|credentials| credentials.fsuid),
        })
    }

    fn ignores(&self, signal: u32) -> bool {
        let (Some((process, tid)), Ok(signal)) = (current(), Signal::new(signal as i32)) else {
            return false;
        };
        let blocks = process
            .thread(tid)
            .is_some_and(|thread| thread.blocked().contains(signal));
        blocks || process.actions.get(signal).disposition(signal) == Disposition::Ignore
    }

    fn is_orphaned(&self, group: i32) -> bool {
        is_orphaned(group, None)
    }

    fn session_of(&self, group: i32) -> Option<i32> {
        family::members(group).first().map(|member| member.kinship.session())
    }

    fn signal(&self, group: i32, signal: u32) {
        if let Ok(signal) = Signal::new(signal as i32) {
            signal_group(group, signal);
        }
    }

    fn set_terminal(&self, terminal: Option<&Arc<Terminal>>) {
        if let Some((process, _)) = current() {
            process.kinship.set_terminal(terminal.cloned());
        }
    }

    fn forget_terminal(&self, session: i32, terminal: &Terminal) {
        for process in family::all() {
            let has_it = |own: Arc<Terminal>| core::ptr::eq(&raw const *own, terminal);
            if process.kinship.session() == session && process.kinship.terminal().is_some_and(has_it) {
                process.kinship.set_terminal(None);
            }
        }
    }

    fn hang_up(&self, session: i32, terminal: &Terminal, foreground: i32) {
        let leader = family::find(session).filter(|leader| !leader.kinship.is_zombie());
        // In this order: once it has no terminal it may end, and once it has the signals it looks for one.
        if let Some(leader) = &leader {
            leader.kinship.left_behind.store(foreground, Ordering::Release);
        }
        self.forget_terminal(session, terminal);
        if let Some(leader) = leader {
            for signal in [Signal::HUP, Signal::CONT] {
                leader.send(signal, Info::kernel(signal));
            }
        }
    }
}

/// Whether nobody outside a process group would continue it: no member has a parent in another group of the session. `leaving` does not count.
pub fn is_orphaned(group: i32, leaving: Option<i32>) -> bool {
    family::members(group).iter().all(|member| {
        let kinship = &member.kinship;
        if Some(member.pid) == leaving || kinship.is_zombie() {
            return true;
        }
        family::find(kinship.parent())
            .is_none_or(|parent| parent.kinship.group() == group || parent.kinship.session() != kinship.session())
    })
}

/// Lets the stopped processes of a group go on, or end, when it has just become one that nobody would continue.
fn release_orphans(group: i32, leaving: Option<i32>) {
    let has_stopped = || family::members(group).iter().any(|member| member.kinship.is_stopped());
    if has_stopped() && is_orphaned(group, leaving) {
        signal_group(group, Signal::HUP);
        signal_group(group, Signal::CONT);
    }
}

impl Process {
    /// What the end of a process is to its terminal, when it leads a session: that is nobody's from now on.
    pub(super) fn leave_terminal(&self) {
        let terminal = self.kinship.terminal();
        if self.kinship.session() == self.pid {
            match terminal {
                Some(terminal) => terminal.leader_ended(self.pid),
                None => {
                    let group = self.kinship.left_behind.swap(0, Ordering::AcqRel);
                    signal_group(group, Signal::HUP);
                    signal_group(group, Signal::CONT);
                }
            }
        }
        self.kinship.set_terminal(None);
    }

    /// What the end of a process is to the groups that it connects to the rest of the session: its own, and those of `children`.
    pub(super) fn leave_groups(&self, children: &[Arc<Process>]) {
        let kinship = &self.kinship;
        let connects = |parent: &Process, group: i32, session: i32| {
            parent.kinship.group() != group && parent.kinship.session() == session
        };
        for child in children {
            let (group, session) = (child.kinship.group(), child.kinship.session());
            if connects(self, group, session) {
                release_orphans(group, None);
            }
        }
        if let Some(parent) = family::find(kinship.parent())
            && connects(&parent, kinship.group(), kinship.session())
        {
            release_orphans(kinship.group(), Some(self.pid));
        }
    }
}
