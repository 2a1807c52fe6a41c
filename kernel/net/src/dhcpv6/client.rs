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
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x77];
    const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x50);

    /// A server's message of this type to the client's last one, with an address for 120 seconds unless it has none.
    fn answer(kind: u8, client: &Client, has_lease: bool) -> Vec<u8> {
        let mut bytes = Vec::from([kind]);
        bytes.extend_from_slice(&client.transaction.to_be_bytes()[1..]);
        bytes.extend_from_slice(&[0, 1, 0, 10, 0, 3, 0, 1]);
        bytes.extend_from_slice(&MAC);
        bytes.extend_from_slice(b"\0\x02\0\x03me!");
        if has_lease {
            bytes.extend_from_slice(&[0, 3, 0, 40, 0, 0, 0, 0x77, 0, 0, 0, 60, 0, 0, 0, 96, 0, 5, 0, 24]);
            bytes.extend_from_slice(&ADDRESS.octets());
            bytes.extend_from_slice(&[0, 0, 0, 120, 0, 0, 0, 120]);
        }
        bytes
    }

    /// The type of the one message that is due at `now`.
    fn sent(client: &mut Client, now: u64) -> u8 {
        match &client.run(now, || 7)[..] {
            [Step::Send(message)] => message[0],
            other => panic!("{other:?}"),
        }
    }

    fn bound() -> Client {
        let mut client = Client::new(MAC);
        client.advertised(true, false, 0);
        assert_eq!(sent(&mut client, 0), Kind::Solicit as u8);
        assert_eq!(client.receive(&answer(2, &client, true), 0), []);
        assert_eq!(sent(&mut client, 0), Kind::Request as u8);
        let steps = client.receive(&answer(7, &client, true), 0);
        assert!(
            matches!(
                steps[..],
                [Step::Lease(Lease { address: ADDRESS, .. }), Step::NameServers(..)]
            ),
            "{steps:?}"
        );
        client
    }

    #[test]
    fn an_address_is_leased_renewed_and_rebound() {
        let mut client = bound();
        assert_eq!(client.deadline(), 60 * SECOND);
        assert_eq!(sent(&mut client, 60 * SECOND), Kind::Renew as u8);
        client.receive(&answer(7, &client, true), 61 * SECOND);
        assert_eq!(client.deadline(), 121 * SECOND, "from then on");
        let mut kinds = Vec::new();
        while client.deadline() < 181 * SECOND {
            let now = client.deadline();
            kinds.push(sent(&mut client, now));
        }
        assert_eq!(kinds.first(), Some(&(Kind::Renew as u8)));
        assert_eq!(kinds.last(), Some(&(Kind::Rebind as u8)), "of any server");
        assert_eq!(sent(&mut client, 181 * SECOND), Kind::Solicit as u8, "its time is over");
    }

    #[test]
    fn without_an_answer_the_client_goes_on_patiently() {
        let mut client = Client::new(MAC);
        client.advertised(true, false, 0);
        let mut times = Vec::new();
        for _ in 0..20 {
            times.push(client.deadline() / SECOND);
            let now = client.deadline();
            assert_eq!(sent(&mut client, now), Kind::Solicit as u8);
        }
        assert!(times[3] <= 7 && times[19] - times[18] <= 3960, "{times:?}");
        let now = client.deadline();
        assert_eq!(
            client.receive(&answer(2, &client, false), now),
            [],
            "an offer of nothing"
        );
        assert_eq!(sent(&mut client, now), Kind::Solicit as u8);
    }

    #[test]
    fn a_server_that_falls_silent_or_has_nothing_is_left() {
        let mut client = Client::new(MAC);
        client.advertised(true, false, 0);
        sent(&mut client, 0);
        client.receive(&answer(2, &client, true), 0);
        for _ in 0..MOST_REQUESTS {
            let now = client.deadline();
            assert_eq!(sent(&mut client, now), Kind::Request as u8);
        }
        let now = client.deadline();
        assert_eq!(sent(&mut client, now), Kind::Solicit as u8);
        let mut client = bound();
        assert_eq!(sent(&mut client, 60 * SECOND), Kind::Renew as u8);
        assert_eq!(client.receive(&answer(7, &client, false), 60 * SECOND), []);
        assert_eq!(sent(&mut client, 60 * SECOND), Kind::Solicit as u8);
    }

    #[test]
    fn name_servers_are_asked_for_alone_where_addresses_need_no_server() {
        let mut client = Client::new(MAC);
        assert_eq!(client.deadline(), NEVER);
        client.advertised(false, true, 0);
        assert_eq!(sent(&mut client, 0), Kind::InformationRequest as u8);
        assert!(matches!(
            client.receive(&answer(7, &client, false), 0)[..],
            [Step::NameServers(..)]
        ));
        assert_eq!(client.deadline(), 86_400 * SECOND);
        client.advertised(true, true, 0);
        assert_eq!(sent(&mut client, 0), Kind::Solicit as u8);
    }
}
