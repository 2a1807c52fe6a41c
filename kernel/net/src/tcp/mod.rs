//! TCP (RFC 9293), with window scaling and timestamps (RFC 7323), SACK (RFC 2018, RFC 6675), CUBIC (RFC 9438), loss probes (RFC 8985)
//! and the protections of RFC 5961.

mod burst;
mod congestion;
mod connection;
mod cookie;
mod input;
mod listener;
mod local_ports;
mod lone;
mod memory;
mod output;
mod receive_queue;
mod rtt;
mod scoreboard;
mod segment;
mod send_queue;
mod sequence;
mod settings;
mod table;
mod time_wait;
mod timer;
mod user;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

pub(crate) use connection::{Connection, State};
use connection::{Gone, Link, Outcome, Tcb};
use listener::Listeners;
pub(crate) use listener::{Listener, listen};
use memory::Memory;
use segment::{Flags, Options, Outline, Segment};
use sequence::Seq;
pub(crate) use settings::Settings;
use table::{Found, Table};
use time_wait::Verdict;
use timer::Timers;
pub(crate) use user::Information;

use crate::counters::Count;
use crate::ip::{Datagram, Endpoint, Unreachable};
use crate::stack::{NEVER, Stack};

/// Everything about TCP that connections share.
pub(crate) struct Tcp {
    table: Table,
    listeners: Listeners,
    timers: Timers,
    memory: Memory,
    next_id: AtomicU64,
    /// The second that challenges are counted in, and how many there were.
    challenges: (AtomicU64, AtomicU32),
}

impl Tcp {
    pub(crate) fn new(buffer_memory: usize) -> Self {
        Self {
            table: Table::new((buffer_memory / 1024).clamp(256, 65536)),
            listeners: Listeners::new(),
            timers: Timers::new(),
            memory: Memory::new(buffer_memory),
            next_id: AtomicU64::new(1),
            challenges: (AtomicU64::new(0), AtomicU32::new(0)),
        }
    }

    pub(crate) fn next_deadline(&self) -> u64 {
        self.timers.earliest().min(self.table.next_expiry())
    }

    /// Runs what is due; returns the next deadline.
    pub(crate) fn run_timers(&self, stack: &Stack, now: u64) -> u64 {
        while let Some((deadline, connection)) = self.timers.pop(now) {
            let Some(connection) = connection.upgrade() else {
                continue;
            };
            connection.change(stack, |tcb, link| {
                if tcb.armed == deadline {
                    tcb.armed = NEVER;
                }
                tcb.run_timers(link)
            });
        }
        self.table.expire(&stack.secret, now);
        self.next_deadline()
    }

    /// Whether one more acknowledgement to a suspicious segment may go out: a hundred a second do (RFC 5961 section 7).
    fn may_challenge(&self, now: u64) -> bool {
        const PER_SECOND: u32 = 100;
        let second = now / rtt::SECOND;
        if self.challenges.0.swap(second, Ordering::Relaxed) != second {
            self.challenges.1.store(0, Ordering::Relaxed);
        }
        self.challenges.1.fetch_add(1, Ordering::Relaxed) < PER_SECOND
    }

    pub(crate) fn connections(&self) -> usize {
        self.table.connections()
    }

    /// Whether a connection, maybe one in TIME-WAIT, has the port at that address, or at any when it is unspecified.
    pub(crate) fn has_local_port(&self, local: Endpoint) -> bool {
        self.table.has_local_port(local)
    }

    /// Whether a connection that we ended has data, or its FIN, that the peer did not acknowledge.
    pub(crate) fn has_unfinished_ends(&self) -> bool {
        self.table.all().iter().any(|found| match found {
            Found::Connection(connection) => {
                matches!(connection.state(), State::FinWait1 | State::Closing | State::LastAck)
            }
            Found::TimeWait(_) => false,
        })
    }

    /// Calls `each` for all connections, those that are over among them: local and remote end, number of the state, bytes to send and to read.
    pub(crate) fn visit(&self, mut each: impl FnMut(Endpoint, Endpoint, u8, (usize, usize))) {
        for found in self.table.all() {
            match found {
                Found::Connection(connection) => each(
                    connection.local,
                    connection.remote,
                    connection.state().number(),
                    (connection.unsent().0, connection.readable()),
                ),
                Found::TimeWait(entry) => each(entry.local, entry.remote, State::TimeWait.number(), (0, 0)),
            }
        }
    }
}

impl Connection {
    /// Runs `change` on the connection and does what follows from it.
    fn change(self: &Arc<Self>, stack: &Stack, change: impl FnOnce(&mut Tcb, &Link<'_>) -> Outcome) {
        let outcome = {
            let mut tcb = self.tcb.lock();
            // Its time is taken under the lock, or one CPU's would be behind what another has done before it.
            let link = Link::new(stack, self);
            let before = tcb.state;
            let outcome = change(&mut tcb, &link);
            if tcb.state == State::Closed {
                match before {
                    State::SynSent | State::SynReceived => stack.counters.add(Count::TcpFailedAttempt),
                    State::Established | State::CloseWait => stack.counters.add(Count::TcpReset),
                    _ => {}
                }
            }
            if tcb.half_open && tcb.state != State::SynReceived {
                tcb.half_open = false;
                if let Some(listener) = self.listener.as_ref().and_then(alloc::sync::Weak::upgrade) {
                    listener.half_open.fetch_sub(1, Ordering::Relaxed);
                }
            }
            if outcome.gone.is_some() {
                tcb.account(stack);
            }
            self.rearm(stack, &mut tcb);
            outcome
        };
        self.follow(stack, &outcome);
    }

    fn follow(self: &Arc<Self>, stack: &Stack, outcome: &Outcome) {
        if outcome.established
            && let Some(listener) = &self.listener
        {
            stack.counters.add(Count::TcpPassiveOpen);
            match listener.upgrade() {
                Some(listener) => listener.push(stack, self),
                // It was closed since it gave the connection a place, and nobody else would end the connection.
                None => self.release(stack, true),
            }
        }
        match outcome.gone {
            Some(Gone::Closed) => stack.tcp.table.retire(&stack.secret, self, None),
            Some(Gone::TimeWait(rest)) => {
                stack.tcp.table.retire(&stack.secret, self, Some(rest));
                stack.replan(stack.tcp.table.next_expiry());
            }
            None => {}
        }
        if outcome.notify {
            self.wait_queue.notify();
        }
    }

    fn receive(self: &Arc<Self>, stack: &Stack, segment: &Segment, datagram: &Datagram<'_>) {
        self.change(stack, |tcb, link| tcb.input(link, segment, datagram));
    }
}

/// Takes a segment.
pub(crate) fn receive(stack: &Stack, datagram: &Datagram<'_>) {
    let Some(segment) = Segment::parse(datagram) else {
        return;
    };
    stack.counters.add(Count::TcpReceived);
    let ends = datagram.ends(segment.destination_port, segment.source_port);
    let (local, remote) = ends;
    match stack.tcp.table.find(&stack.secret, local, remote) {
        Some(Found::Connection(connection)) => return connection.receive(stack, &segment, datagram),
        Some(Found::TimeWait(entry)) => match entry.input(stack, &segment) {
            Verdict::Keep => return,
            Verdict::Remove => return stack.tcp.table.remove_time_wait(&stack.secret, local, remote, None),
            Verdict::Reuse => stack.tcp.table.remove_time_wait(&stack.secret, local, remote, None),
        },
        None => {}
    }
    if !stack.tcp.listeners.input(stack, ends, &segment, datagram) {
        send_reset_for(stack, local, remote, &segment);
    }
}

/// Takes an ICMP error about a segment of ours.
pub(crate) fn receive_error(stack: &Stack, unreachable: &Unreachable<'_>) {
    if let Some(Found::Connection(connection)) =
        stack
            .tcp
            .table
            .find(&stack.secret, unreachable.local, unreachable.remote)
    {
        connection.change(stack, |tcb, link| tcb.input_error(link, unreachable));
    }
}

/// Answers a segment that belongs nowhere (RFC 9293 section 3.10.7.1).
fn send_reset_for(stack: &Stack, local: Endpoint, remote: Endpoint, segment: &Segment) {
    if segment.has(Flags::RST) {
        return;
    }
    let (seq, ack, flags) = if segment.has(Flags::ACK) {
        (segment.ack, Seq(0), Flags::RST)
    } else {
        (Seq(0), segment.seq + segment.sequence_length(), Flags::RST | Flags::ACK)
    };
    let outline = Outline {
        local,
        remote,
        seq,
        ack,
        flags,
        window: 0,
        options: Options::default(),
    };
    lone::send(stack, &outline);
}
