//! Job control: which process group has the terminal, what becomes of those that have not, and whose terminal it is.

use abi::Errno;
use abi::general::{SIGCONT, SIGHUP, SIGTTIN, SIGTTOU};
use alloc::sync::Arc;
use file::{Error, Result};

use crate::Terminal;

/// What terminals ask of the kernel's processes. Called with no lock of a terminal held.
pub trait Jobs: Send + Sync {
    /// Who makes the call that this CPU serves; `None` for the kernel's own.
    fn caller(&self) -> Option<Caller>;

    /// Whether the calling thread blocks or ignores a signal.
    fn ignores(&self, signal: u32) -> bool;

    /// Whether no process of a group has a parent in another group of the session, so that nobody would continue it.
    fn is_orphaned(&self, group: i32) -> bool;

    /// The session of a process group; `None` when there is no such group.
    fn session_of(&self, group: i32) -> Option<i32>;

    /// Sends a signal to all processes of a group.
    fn signal(&self, group: i32, signal: u32);

    /// Gives the calling process its controlling terminal, or takes it away.
    fn set_terminal(&self, terminal: Option<&Arc<Terminal>>);

    /// Takes the terminal away from all processes of a session that have it.
    fn forget_terminal(&self, session: i32, terminal: &Terminal);

    /// The terminal of a session is gone: takes it away from all, and sends the leader `SIGHUP` and `SIGCONT`; once that ends, the group that was
    /// in the foreground gets them.
    fn hang_up(&self, session: i32, terminal: &Terminal, foreground: i32);
}

/// The calling process.
pub struct Caller {
    /// Process ID.
    pub process: i32,
    /// Process group.
    pub group: i32,
    /// Session.
    pub session: i32,
    /// Its controlling terminal.
    pub terminal: Option<Arc<Terminal>>,
    /// Whether it has `CAP_SYS_ADMIN`.
    pub administers: bool,
    /// User ID that files it makes get.
    pub user: u32,
}

impl Caller {
    fn controls(&self, terminal: &Terminal) -> bool {
        self.terminal
            .as_ref()
            .is_some_and(|own| core::ptr::eq(&raw const **own, terminal))
    }

    fn leads_session(&self) -> bool {
        self.session == self.process
    }
}

impl Terminal {
    /// Stops a process in the background that reads (`SIGTTIN`), or that writes or changes something (`SIGTTOU`).
    pub(crate) fn check_foreground(&self, signal: u32) -> Result<()> {
        let Some(caller) = self.jobs.caller().filter(|caller| caller.controls(self)) else {
            return Ok(());
        };
        let foreground = self.state.lock().foreground;
        if foreground == 0 || foreground == caller.group {
            return Ok(());
        }
        if self.jobs.ignores(signal) {
            return if signal == SIGTTIN {
                Err(Errno::IO.into())
            } else {
                Ok(())
            };
        }
        if self.jobs.is_orphaned(caller.group) {
            return Err(Errno::IO.into());
        }
        self.jobs.signal(caller.group, signal);
        Err(Error::Interrupted)
    }

    /// The caller, if the terminal is its controlling one.
    fn controlled(&self) -> Result<Caller> {
        let caller = self.jobs.caller().filter(|caller| caller.controls(self));
        Ok(caller.ok_or(Errno::NOTTY)?)
    }

    /// `TIOCGPGRP`
    pub(crate) fn foreground(&self, by_master: bool) -> Result<i32> {
        if !by_master {
            self.controlled()?;
        }
        Ok(self.state.lock().foreground)
    }

    /// `TIOCGSID`
    pub(crate) fn session(&self, by_master: bool) -> Result<i32> {
        if !by_master {
            self.controlled()?;
        }
        match self.state.lock().session {
            0 => Err(Errno::NOTTY.into()),
            session => Ok(session),
        }
    }

    /// `TIOCSPGRP`
    pub(crate) fn set_foreground(&self, group: i32) -> Result<()> {
        match self.check_foreground(SIGTTOU) {
            Err(Error::Errno(Errno::IO)) => return Err(Errno::NOTTY.into()),
            result => result?,
        }
        if group < 0 {
            return Err(Errno::INVAL.into());
        }
        let caller = self.controlled()?;
        if self.state.lock().session != caller.session {
            return Err(Errno::NOTTY.into());
        }
        match self.jobs.session_of(group) {
            None => Err(Errno::SRCH.into()),
            Some(session) if session != caller.session => Err(Errno::PERM.into()),
            Some(_) => {
                self.state.lock().foreground = group;
                Ok(())
            }
        }
    }

    /// `TIOCSCTTY`: makes it the controlling terminal of the caller's session. `steals`: root may take it from another.
    pub(crate) fn control_session(self: &Arc<Self>, reads: bool, steals: bool) -> Result<()> {
        let caller = self.jobs.caller().ok_or(Errno::PERM)?;
        let session = self.state.lock().session;
        if caller.leads_session() && session == caller.session {
            return Ok(());
        }
        let may = caller.leads_session() && caller.terminal.is_none() && (reads || caller.administers);
        if !may || session != 0 && !(steals && caller.administers) {
            return Err(Errno::PERM.into());
        }
        if session != 0 {
            self.jobs.forget_terminal(session, self);
        }
        self.give_to(&caller);
        Ok(())
    }

    /// The rule for opening one: a session leader without a terminal gets the first that is nobody's.
    pub(crate) fn opened(self: &Arc<Self>, reads: bool) {
        let Some(caller) = self.jobs.caller() else {
            return;
        };
        let free = self.state.lock().session == 0;
        if free && caller.leads_session() && caller.terminal.is_none() && (reads || caller.administers) {
            self.give_to(&caller);
        }
    }

    fn give_to(self: &Arc<Self>, caller: &Caller) {
        self.give_to_session(caller.session, caller.group);
        self.jobs.set_terminal(Some(self));
    }

    /// Makes it the terminal of a session, with a group of it in the foreground. Who is of the session has to be told.
    pub fn give_to_session(&self, session: i32, foreground: i32) {
        let mut state = self.state.lock();
        state.session = session;
        state.foreground = foreground;
    }

    /// `TIOCNOTTY`: the caller gives it up; a session leader for all of its session.
    pub(crate) fn give_up(&self) -> Result<()> {
        let caller = self.controlled()?;
        if caller.leads_session() {
            let foreground = self.leave_session(caller.session);
            for signal in [SIGHUP, SIGCONT] {
                self.jobs.signal(foreground, signal);
            }
        }
        self.jobs.set_terminal(None);
        Ok(())
    }

    /// The leader of its session ends: nobody of the session has it any more, and who was in the foreground is told.
    pub fn leader_ended(&self, session: i32) {
        let foreground = self.leave_session(session);
        self.jobs.signal(foreground, SIGHUP);
    }

    /// Is no session's from now on; returns the group that was in the foreground.
    fn leave_session(&self, session: i32) -> i32 {
        let foreground = {
            let mut state = self.state.lock();
            state.session = 0;
            core::mem::take(&mut state.foreground)
        };
        self.jobs.forget_terminal(session, self);
        foreground
    }

    /// The other side is gone for ever: whoever has it open finds its end.
    pub(crate) fn hang_up(&self) {
        let (session, foreground) = {
            let mut state = self.state.lock();
            state.hung_up = true;
            (
                core::mem::take(&mut state.session),
                core::mem::take(&mut state.foreground),
            )
        };
        if session != 0 {
            self.jobs.hang_up(session, self, foreground);
        }
        self.slaves.notify();
    }

    /// The process group in the foreground for `/proc/PID/stat`; 0 for none.
    pub fn foreground_group(&self) -> i32 {
        self.state.lock().foreground
    }
}
