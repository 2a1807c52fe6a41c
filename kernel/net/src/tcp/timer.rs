//! Timers: one entry for each connection that has any, found by deadline.

use abi::Errno;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU64, Ordering};

use hal::sync::SpinLock;

use super::congestion::Phase;
use super::connection::{Connection, Link, Outcome, Retransmit, State, Tcb};
use super::rtt::{MILLISECOND, SECOND};
use super::segment::Flags;
use crate::stack::{NEVER, Stack};

/// Retransmissions of data until a connection is given up: Linux's `tcp_retries2`, and for orphans `tcp_orphan_retries`.
const MOST_RETRIES: u8 = 15;
const MOST_ORPHAN_RETRIES: u8 = 8;
/// Answers to a SYN until it is forgotten: Linux's `tcp_synack_retries`.
const MOST_ANSWERS: u8 = 5;

/// Deadlines of connections.
pub(super) struct Timers {
    entries: SpinLock<BTreeMap<(u64, u64), Weak<Connection>>>,
    earliest: AtomicU64,
}

impl Timers {
    pub(super) fn new() -> Self {
        Self {
            entries: SpinLock::new(BTreeMap::new()),
            earliest: AtomicU64::new(NEVER),
        }
    }

    pub(super) fn earliest(&self) -> u64 {
        self.earliest.load(Ordering::SeqCst)
    }

    /// Replaces the entry of a connection; `NEVER` for none.
    fn replace(&self, connection: &Arc<Connection>, old: u64, new: u64) {
        let mut entries = self.entries.lock();
        if old != NEVER {
            entries.remove(&(old, connection.id));
        }
        if new != NEVER {
            entries.insert((new, connection.id), Arc::downgrade(connection));
        }
        self.publish(&entries);
    }

    fn publish(&self, entries: &BTreeMap<(u64, u64), Weak<Connection>>) {
        let earliest = entries.first_key_value().map_or(NEVER, |(key, _)| key.0);
        self.earliest.store(earliest, Ordering::SeqCst);
    }

    /// Takes out an entry that is due.
    pub(super) fn pop(&self, now: u64) -> Option<(u64, Weak<Connection>)> {
        if self.earliest() > now {
            return None;
        }
        let mut entries = self.entries.lock();
        let entry = entries.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((deadline, _), connection) = entry.remove_entry();
        self.publish(&entries);
        Some((deadline, connection))
    }
}

impl Connection {
    /// Brings the timers' table to what `tcb` needs. A deadline that moved later keeps its entry: it is looked at when that is due.
    pub(super) fn rearm(self: &Arc<Self>, stack: &Stack, tcb: &mut Tcb) {
        let deadline = tcb.deadline();
        if deadline < tcb.armed
            || (deadline == NEVER && tcb.armed != NEVER && matches!(tcb.state, State::Closed | State::TimeWait))
        {
            stack.tcp.timers.replace(self, tcb.armed, deadline);
            tcb.armed = deadline;
            stack.replan(deadline);
        }
    }
}

impl Tcb {
    fn deadline(&self) -> u64 {
        self.retransmit
            .1
            .min(self.delayed_ack)
            .min(self.keep_alive)
            .min(self.close)
            .min(self.busy)
    }

    /// Does what is due.
    pub(super) fn run_timers(&mut self, link: &Link<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        if link.now >= self.close {
            self.fail(None, &mut outcome);
            return outcome;
        }
        if link.now >= self.busy {
            self.busy = NEVER;
            if matches!(self.state, State::SynSent | State::SynReceived) {
                self.send_syn(link);
            } else {
                self.output(link);
            }
        }
        if link.now >= self.delayed_ack {
            self.send_ack(link);
        }
        if link.now >= self.keep_alive {
            self.keep_alive_due(link, &mut outcome);
        }
        if outcome.gone.is_none() && link.now >= self.retransmit.1 {
            match self.retransmit.0 {
                Retransmit::Timeout => self.timed_out(link, &mut outcome),
                Retransmit::Probe => self.probe(link),
                Retransmit::Persist => self.persist(link, &mut outcome),
                Retransmit::Cork => {
                    // Its time is over: what is held goes out once.
                    self.output(link);
                    if self.retransmit.0 == Retransmit::Cork {
                        self.retransmit.1 = NEVER;
                    }
                }
            }
        }
        if outcome.gone.is_none() {
            self.account(link.stack);
        }
        outcome
    }

    fn timed_out(&mut self, link: &Link<'_>, outcome: &mut Outcome) {
        self.round_trip.backoff += 1;
        if self.gives_up(link) {
            let errno = match self.state {
                State::SynReceived => None,
                _ => Some(self.soft_error.unwrap_or(Errno::TIMEDOUT)),
            };
            self.fail(errno, outcome);
            return;
        }
        if matches!(self.state, State::SynSent | State::SynReceived) {
            self.count_retransmission(link);
            self.send_syn(link);
            return;
        }
        let flight = self.max.since(self.una);
        self.congestion.enter_loss(flight, self.max, self.mss);
        self.duplicate_acks = 0;
        self.scoreboard.clear();
        self.resent = self.una;
        self.next = self.una;
        self.timed = None;
        self.path = crate::ip::Path::default();
        self.retransmit = (Retransmit::Timeout, link.now + self.round_trip.timeout());
        if self.window == 0 {
            // The window closed on what is on its way: one segment asks whether it still is.
            let length = self.mss.min(self.max.since(self.una));
            self.retransmit_range(link, self.una, length);
        } else {
            self.output(link);
        }
    }

    fn gives_up(&self, link: &Link<'_>) -> bool {
        let retries = self.round_trip.backoff;
        match self.state {
            State::SynSent => retries > self.settings.syn_retries || self.exceeds_user_timeout(link, self.progress),
            State::SynReceived => retries > MOST_ANSWERS,
            _ if self.settings.user_timeout > 0 => self.exceeds_user_timeout(link, self.progress),
            _ => {
                retries
                    > if self.orphaned {
                        MOST_ORPHAN_RETRIES
                    } else {
                        MOST_RETRIES
                    }
            }
        }
    }

    fn exceeds_user_timeout(&self, link: &Link<'_>, since: u64) -> bool {
        let timeout = u64::from(self.settings.user_timeout) * MILLISECOND;
        timeout > 0 && link.now >= since + timeout
    }

    /// Sends one segment more, so that acknowledgements tell what became of the last ones.
    fn probe(&mut self, link: &Link<'_>) {
        self.probe_sent = true;
        self.retransmit = (Retransmit::Timeout, link.now + self.round_trip.timeout());
        if self.max == self.una || self.congestion.phase != Phase::Open {
            return;
        }
        let before = self.max;
        if self.window > self.max.since(self.una) {
            self.output(link);
        }
        if self.max == before {
            let length = self.mss.min(self.max.since(self.una));
            let start = crate::tcp::sequence::Seq(self.max.0.wrapping_sub(length as u32));
            self.retransmit_range(link, start, length);
        }
    }

    /// Asks whether the window is still closed (RFC 9293 section 3.8.6.1).
    fn persist(&mut self, link: &Link<'_>, outcome: &mut Outcome) {
        let retries = self.round_trip.backoff;
        let orphan_gives_up = self.orphaned && retries > MOST_ORPHAN_RETRIES;
        if orphan_gives_up
            || self.exceeds_user_timeout(link, self.progress)
            || (retries > MOST_RETRIES && link.now > self.last_received + 120 * SECOND)
        {
            self.fail(Some(Errno::TIMEDOUT), outcome);
            return;
        }
        self.round_trip.backoff = retries.saturating_add(1);
        self.retransmit = (
            Retransmit::Persist,
            link.now + self.round_trip.timeout().min(60 * SECOND),
        );
        let fits = self.window.min(self.send.len());
        if fits > 0 && self.max == self.una {
            // Less than a segment fits, and has waited long enough.
            self.send_forced(link, fits);
        } else {
            self.send_window_probe(link);
        }
    }

    fn keep_alive_due(&mut self, link: &Link<'_>, outcome: &mut Outcome) {
        let idle = u64::from(self.settings.keep_idle) * SECOND;
        let interval = u64::from(self.settings.keep_interval) * SECOND;
        if self.keep_probes == 0 && link.now < self.last_received + idle {
            self.keep_alive = self.last_received + idle;
            return;
        }
        if self.max > self.una || self.send.len() > 0 {
            // The retransmission timer sees to it.
            self.keep_alive = link.now + idle;
            return;
        }
        let exceeded = if self.settings.user_timeout > 0 {
            self.keep_probes > 0 && self.exceeds_user_timeout(link, self.last_received)
        } else {
            self.keep_probes >= self.settings.keep_count
        };
        if exceeded {
            self.send_reset(link);
            self.fail(Some(self.soft_error.unwrap_or(Errno::TIMEDOUT)), outcome);
            return;
        }
        self.keep_probes += 1;
        self.send_window_probe(link);
        self.keep_alive = link.now + interval;
    }

    /// Sends `length` bytes although they are less than a segment.
    fn send_forced(&mut self, link: &Link<'_>, length: usize) {
        let length = length.min(self.mss);
        let start = self.next;
        self.emit_data(link, start, length, Flags::ACK | Flags::PSH);
        self.next = start + length;
        self.max = self.max.max(self.next);
        self.restart_retransmit(link);
    }
}
