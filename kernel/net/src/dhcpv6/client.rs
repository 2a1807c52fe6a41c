//! The states of a client (RFC 8415 section 18.2).

use alloc::vec::Vec;
use core::net::Ipv6Addr;

use super::message::{self, Answer, Kind, Lease, Message};
use crate::stack::NEVER;

const SECOND: u64 = 1_000_000_000;
/// How long to wait for an answer at first, and at most (section 7.6).
const FIRST_RETRY: u64 = SECOND;
const LAST_RETRY: u64 = 3600 * SECOND;
const FIRST_RENEWAL_RETRY: u64 = 10 * SECOND;
const LAST_RENEWAL_RETRY: u64 = 600 * SECOND;
/// Requests without an answer until another server is looked for.
const MOST_REQUESTS: u32 = 10;

enum State {
    /// No router has said that there is a server.
    Idle,
    Soliciting,
    Requesting {
        server: Vec<u8>,
        address: Ipv6Addr,
    },
    Bound {
        server: Vec<u8>,
        lease: Lease,
        since: u64,
        /// The server that gave it does not answer: any may renew it.
        is_rebinding: bool,
    },
    /// Asking for name servers alone.
    Informing,
    Informed,
}

/// What is to be done, outside the client's lock.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send a message to all servers.
    Send(Vec<u8>),
    /// Use an address, until its times are over.
    Lease(Lease),
    /// Use name servers, for so many seconds.
    NameServers(Vec<Ipv6Addr>, u32),
}

/// The `DHCPv6` client.
pub(crate) struct Client {
    state: State,
    mac: [u8; 6],
    transaction: u32,
    /// When the exchange began, how often its message was sent, and how long to wait for an answer next.
    started: u64,
    attempts: u32,
    wait: u64,
    deadline: u64,
}

impl Client {
    pub(crate) fn new(mac: [u8; 6]) -> Self {
        Self {
            state: State::Idle,
            mac,
            transaction: 0,
            started: 0,
            attempts: 0,
            wait: FIRST_RETRY,
            deadline: NEVER,
        }
    }

    /// When [`Client::run`] has something to do.
    pub(crate) fn deadline(&self) -> u64 {
        self.deadline
    }

    /// A router says that addresses come from a server, or that name servers do.
    pub(super) fn advertised(&mut self, is_managed: bool, has_other: bool, now: u64) {
        let next = match self.state {
            State::Idle | State::Informing | State::Informed if is_managed => State::Soliciting,
            State::Idle if has_other => State::Informing,
            _ => return,
        };
        self.begin(next, now);
    }

    /// Begins an exchange.
    fn begin(&mut self, state: State, now: u64) {
        self.wait = match state {
            State::Bound { .. } => FIRST_RENEWAL_RETRY,
            _ => FIRST_RETRY,
        };
        self.state = state;
        self.started = now;
        self.attempts = 0;
        self.deadline = now;
    }

    /// Takes a server's message.
    pub(super) fn receive(&mut self, bytes: &[u8], now: u64) -> Vec<Step> {
        let Some(answer) = message::decode(bytes, self.transaction, self.mac) else {
            return Vec::new();
        };
        match (answer.kind, &self.state) {
            (Kind::Advertise, State::Soliciting) => {
                if let Some(lease) = answer.lease {
                    let server = answer.server;
                    let address = lease.address;
                    self.begin(State::Requesting { server, address }, now);
                }
                Vec::new()
            }
            (Kind::Reply, State::Soliciting) if answer.is_rapid => self.bind(answer, now),
            (Kind::Reply, State::Requesting { server, .. }) if *server == answer.server => self.bind(answer, now),
            (Kind::Reply, State::Bound { .. }) if self.attempts > 0 => self.bind(answer, now),
            (Kind::Reply, State::Informing) => {
                self.state = State::Informed;
                self.deadline = after(now, answer.refresh.max(600));
                Vec::from([name_servers(&answer, answer.refresh)])
            }
            _ => Vec::new(),
        }
    }

    fn bind(&mut self, answer: Answer, now: u64) -> Vec<Step> {
        let Some(lease) = answer.lease else {
            // It has none for us any more.
            self.begin(State::Soliciting, now);
            return Vec::new();
        };
        let steps = Vec::from([Step::Lease(lease), name_servers(&answer, lease.valid)]);
        let bound = State::Bound {
            server: answer.server,
            lease,
            since: now,
            is_rebinding: false,
        };
        self.begin(bound, now);
        self.deadline = after(now, lease.renewal);
        steps
    }

    /// Does what is due.
    pub(super) fn run(&mut self, now: u64, random: impl Fn() -> u64) -> Vec<Step> {
        if now < self.deadline {
            return Vec::new();
        }
        match &mut self.state {
            State::Idle => {
                self.deadline = NEVER;
                return Vec::new();
            }
            State::Requesting { .. } if self.attempts >= MOST_REQUESTS => self.begin(State::Soliciting, now),
            // The address has gone with its time.
            State::Bound { lease, since, .. } if now >= after(*since, lease.valid) => {
                self.begin(State::Soliciting, now);
            }
            State::Bound {
                lease,
                since,
                is_rebinding,
                ..
            } => {
                if now >= after(*since, lease.rebinding) && !*is_rebinding {
                    *is_rebinding = true;
                    self.attempts = 0;
                    self.wait = FIRST_RENEWAL_RETRY;
                }
                if self.attempts == 0 {
                    self.started = now;
                }
            }
            State::Informed => self.begin(State::Informing, now),
            _ => {}
        }
        if self.attempts == 0 {
            self.transaction = random() as u32 & 0xff_ffff;
        }
        let (kind, server, address) = match &self.state {
            State::Requesting { server, address } => (Kind::Request, Some(&server[..]), Some(*address)),
            State::Bound {
                lease,
                is_rebinding: true,
                ..
            } => (Kind::Rebind, None, Some(lease.address)),
            State::Bound { server, lease, .. } => (Kind::Renew, Some(&server[..]), Some(lease.address)),
            State::Informing => (Kind::InformationRequest, None, None),
            _ => (Kind::Solicit, None, None),
        };
        let message = Message {
            kind,
            transaction: self.transaction,
            mac: self.mac,
            elapsed: u16::try_from((now - self.started) / (SECOND / 100)).unwrap_or(u16::MAX),
            server,
            address,
        };
        let bytes = message.encode();
        self.attempts += 1;
        // A tenth more or less, so that those who began together do not stay together.
        let jittered = self.wait - self.wait / 10 + random() % (self.wait / 5);
        self.deadline = now + jittered;
        let (most, last) = match &self.state {
            State::Bound {
                lease,
                since,
                is_rebinding,
                ..
            } => {
                let stage = if *is_rebinding { lease.valid } else { lease.rebinding };
                (LAST_RENEWAL_RETRY, after(*since, stage))
            }
            _ => (LAST_RETRY, NEVER),
        };
        self.wait = (2 * self.wait).min(most);
        self.deadline = self.deadline.min(last);
        Vec::from([Step::Send(bytes)])
    }
}

fn name_servers(answer: &Answer, lifetime: u32) -> Step {
    Step::NameServers(answer.name_servers.clone(), lifetime)
}

/// The time so many seconds from now; the most stand for ever.
fn after(now: u64, seconds: u32) -> u64 {
    match seconds {
        u32::MAX => NEVER,
        seconds => now + u64::from(seconds) * SECOND,
    }
}

#[cfg(test)]
mod tests;
