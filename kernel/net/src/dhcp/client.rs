//! The states of a client (RFC 2131 section 4.4).

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use smoltcp::wire::DhcpMessageType;

use super::message::{self, Answer, Lease, Request};
use crate::random::Secret;
use crate::stack::NEVER;

const SECOND: u64 = 1_000_000_000;
/// How often the first messages are repeated: a guest wants its address now, and its server is near.
const FIRST_RETRY: u64 = SECOND / 4;
const LAST_RETRY: u64 = 16 * SECOND;
/// Requests without an answer until another server is looked for.
const MOST_REQUESTS: u32 = 5;
/// The least time between repetitions while a lease is renewed (RFC 2131 section 4.4.5).
const RENEWAL_RETRY: u64 = 60 * SECOND;

enum State {
    Disabled,
    Discovering,
    Requesting(Lease),
    Bound { lease: Lease, since: u64 },
}

/// What is to be done, outside the client's lock.
pub(super) enum Step {
    Nothing,
    /// Send a message: to all when there is no server, else from our address to the server.
    Send {
        message: Vec<u8>,
        source: Ipv4Addr,
        server: Option<Ipv4Addr>,
    },
    /// There is an address.
    Bound(Lease),
    /// The address is gone.
    Lost,
}

/// The DHCP client.
pub(crate) struct Client {
    state: State,
    mac: [u8; 6],
    hostname: Option<String>,
    transaction: u32,
    started: u64,
    attempts: u32,
    deadline: u64,
}

impl Client {
    pub(crate) fn new(enabled: bool, hostname: Option<String>, mac: [u8; 6], secret: &Secret, now: u64) -> Self {
        Self {
            state: if enabled { State::Discovering } else { State::Disabled },
            mac,
            hostname,
            transaction: secret.next() as u32,
            started: now,
            attempts: 0,
            deadline: if enabled { now } else { NEVER },
        }
    }

    pub(super) fn is_enabled(&self) -> bool {
        !matches!(self.state, State::Disabled)
    }

    /// When [`Client::run`] has something to do.
    pub(crate) fn deadline(&self) -> u64 {
        self.deadline
    }

    /// Takes a server's message.
    pub(super) fn receive(&mut self, bytes: &[u8], now: u64) -> Step {
        let Some(answer) = message::decode(bytes, self.transaction, self.mac) else {
            return Step::Nothing;
        };
        match (answer, &self.state) {
            (Answer::Offer(lease), State::Discovering) => {
                self.state = State::Requesting(lease);
                self.attempts = 0;
                self.request(now)
            }
            (Answer::Acknowledgement(lease), State::Requesting(offer)) if lease.server == offer.server => {
                self.bind(lease, now)
            }
            (Answer::Acknowledgement(lease), State::Bound { .. }) => self.bind(lease, now),
            (Answer::Refusal, State::Requesting(_)) => {
                self.restart(now);
                Step::Nothing
            }
            (Answer::Refusal, State::Bound { .. }) => {
                self.restart(now);
                Step::Lost
            }
            _ => Step::Nothing,
        }
    }

    /// Does what is due.
    pub(super) fn run(&mut self, now: u64, random: impl Fn() -> u64) -> Step {
        if now < self.deadline {
            return Step::Nothing;
        }
        match &self.state {
            State::Disabled => Step::Nothing,
            State::Discovering => {
                if self.attempts == 0 {
                    self.transaction = random() as u32;
                }
                self.deadline = now + self.retry();
                self.attempts += 1;
                self.send(now, DhcpMessageType::Discover, None)
            }
            State::Requesting(_) if self.attempts >= MOST_REQUESTS => {
                self.restart(now);
                Step::Nothing
            }
            State::Requesting(_) => self.request(now),
            State::Bound { lease, since } => {
                let (lease, since) = (lease.clone(), *since);
                if now >= since + lease.duration {
                    self.restart(now);
                    return Step::Lost;
                }
                if now < since + lease.renewal {
                    self.deadline = since + lease.renewal;
                    return Step::Nothing;
                }
                // Half of what remains until the next stage, at the least a minute.
                let rebinding = now >= since + lease.rebinding;
                let stage = since + if rebinding { lease.duration } else { lease.rebinding };
                self.deadline = (now + ((stage - now) / 2).max(RENEWAL_RETRY)).min(stage);
                self.transaction = random() as u32;
                self.started = now;
                let server = (!rebinding).then_some(lease.server);
                self.renew(now, &lease, server)
            }
        }
    }

    fn retry(&self) -> u64 {
        (FIRST_RETRY << self.attempts.min(6)).min(LAST_RETRY)
    }

    fn request(&mut self, now: u64) -> Step {
        let State::Requesting(offer) = &self.state else {
            return Step::Nothing;
        };
        let offer = offer.clone();
        self.deadline = now + self.retry();
        self.attempts += 1;
        self.send(now, DhcpMessageType::Request, Some(&offer))
    }

    fn send(&self, now: u64, kind: DhcpMessageType, offer: Option<&Lease>) -> Step {
        let request = Request {
            kind,
            transaction: self.transaction,
            seconds: ((now - self.started) / SECOND) as u16,
            mac: self.mac,
            own: None,
            wanted: offer.map(address),
            server: offer.map(|offer| offer.server),
            hostname: self.hostname.as_deref(),
        };
        Step::Send {
            message: request.encode(),
            source: Ipv4Addr::UNSPECIFIED,
            server: None,
        }
    }

    fn renew(&self, now: u64, lease: &Lease, server: Option<Ipv4Addr>) -> Step {
        let request = Request {
            kind: DhcpMessageType::Request,
            transaction: self.transaction,
            seconds: ((now - self.started) / SECOND) as u16,
            mac: self.mac,
            own: Some(address(lease)),
            wanted: None,
            server: None,
            hostname: self.hostname.as_deref(),
        };
        Step::Send {
            message: request.encode(),
            source: address(lease),
            server,
        }
    }

    fn bind(&mut self, lease: Lease, now: u64) -> Step {
        let is_known = matches!(&self.state, State::Bound { lease: old, .. } if *old == lease);
        self.deadline = now + lease.renewal;
        self.attempts = 0;
        self.state = State::Bound {
            lease: lease.clone(),
            since: now,
        };
        if is_known { Step::Nothing } else { Step::Bound(lease) }
    }

    fn restart(&mut self, now: u64) {
        self.state = State::Discovering;
        self.attempts = 0;
        self.started = now;
        self.deadline = now + SECOND;
    }
}

fn address(lease: &Lease) -> Ipv4Addr {
    match lease.address.address {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}
