//! Listening: the queues of a port, and SYN cookies when one of them overflows.

use abi::Errno;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hal::sync::SpinLock;
use hashbrown::HashMap;
use task::WaitQueue;

use super::connection::{Connection, Link, State, Tcb, WINDOW_SHIFT, initial_sequence, own_mss, timestamp_offset};
use super::cookie;
use super::lone;
use super::rtt::MILLISECOND;
use super::segment::{Flags, Options, Outline, Segment};
use super::settings::Settings;
use crate::ip::{Datagram, Endpoint};
use crate::stack::Stack;

/// Half-open connections that a listener keeps at the least before it turns to cookies.
const LEAST_HALF_OPEN: usize = 16;
const MOST_HALF_OPEN: usize = 1024;

/// A listening port.
pub(crate) struct Listener {
    pub(crate) local: Endpoint,
    /// An IPv6 wildcard that takes no IPv4.
    v6_only: bool,
    pub(crate) wait_queue: Arc<WaitQueue>,
    pub(crate) settings: SpinLock<Settings>,
    backlog: AtomicUsize,
    queue: SpinLock<VecDeque<Arc<Connection>>>,
    /// Places of the queue that are taken.
    reserved: AtomicUsize,
    pub(super) half_open: AtomicUsize,
    closed: AtomicBool,
    this: Weak<Listener>,
}

impl Listener {
    pub(crate) fn new(
        local: Endpoint,
        v6_only: bool,
        settings: Settings,
        backlog: usize,
        wait_queue: Arc<WaitQueue>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            local,
            v6_only,
            wait_queue,
            settings: SpinLock::new(settings),
            backlog: AtomicUsize::new(backlog),
            queue: SpinLock::new(VecDeque::new()),
            reserved: AtomicUsize::new(0),
            half_open: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            this: this.clone(),
        })
    }

    pub(crate) fn set_backlog(&self, backlog: usize) {
        self.backlog.store(backlog, Ordering::Relaxed);
    }

    pub(crate) fn backlog(&self) -> usize {
        self.backlog.load(Ordering::Relaxed)
    }

    /// Connections that wait to be accepted.
    pub(crate) fn pending(&self) -> usize {
        self.queue.lock().len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes a place in the queue; false when there is none. As on Linux it holds one more than the backlog.
    pub(super) fn reserve(&self) -> bool {
        let limit = self.backlog() + 1;
        self.reserved
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                (taken < limit).then_some(taken + 1)
            })
            .is_ok()
    }

    fn is_full(&self) -> bool {
        self.reserved.load(Ordering::Acquire) > self.backlog()
    }

    /// Queues a connection for which a place is taken.
    pub(super) fn push(&self, stack: &Stack, connection: &Arc<Connection>) {
        self.queue.lock().push_back(connection.clone());
        if self.is_closed() {
            self.drain(stack);
        }
        self.wait_queue.notify();
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> Option<Arc<Connection>> {
        let connection = self.queue.lock().pop_front()?;
        self.reserved.fetch_sub(1, Ordering::AcqRel);
        Some(connection)
    }

    /// Ends listening and resets what nobody accepted.
    pub(crate) fn close(&self, stack: &Stack) {
        self.closed.store(true, Ordering::Release);
        stack.tcp.listeners.remove(self);
        self.drain(stack);
        self.wait_queue.notify();
    }

    fn drain(&self, stack: &Stack) {
        while let Some(connection) = self.accept() {
            connection.release(stack, true);
        }
    }

    fn matches(&self, address: IpAddr) -> Option<u8> {
        if self.local.address == address {
            return Some(2);
        }
        if !self.local.address.is_unspecified() {
            return None;
        }
        match (self.local.address, address) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => Some(1),
            (IpAddr::V6(_), IpAddr::V4(_)) if !self.v6_only => Some(0),
            _ => None,
        }
    }

    /// Takes a segment that belongs to no connection.
    fn input(&self, stack: &Stack, (local, remote): (Endpoint, Endpoint), segment: &Segment, datagram: &Datagram<'_>) {
        if segment.has(Flags::RST) {
            return;
        }
        if segment.has(Flags::ACK) {
            match cookie::check(stack, local, remote, segment) {
                // As if it were lost. A connection that had no place in the queue would be kept for as long as its peer likes.
                Some(_) if !segment.has(Flags::SYN) && self.is_full() => {}
                Some(options) if !segment.has(Flags::SYN) => {
                    self.open_by_cookie(stack, (local, remote), segment, datagram, &options);
                }
                _ => super::send_reset_for(stack, local, remote, segment),
            }
            return;
        }
        if !segment.has(Flags::SYN) || segment.has(Flags::FIN) || self.is_full() {
            return;
        }
        let limit = self.backlog().clamp(LEAST_HALF_OPEN, MOST_HALF_OPEN);
        if self.half_open.load(Ordering::Relaxed) >= limit || stack.tcp.is_under_pressure() {
            answer_by_cookie(stack, local, remote, segment);
            return;
        }
        let iss = initial_sequence(stack, local, remote);
        let mut tcb = Tcb::new(stack, (local, remote), *self.settings.lock(), State::SynReceived, iss);
        tcb.accept_syn(stack, remote, segment);
        tcb.half_open = true;
        let connection = Connection::new(
            stack,
            (local, remote),
            Some(self.this.clone()),
            Arc::new(WaitQueue::new()),
            tcb,
        );
        if !stack.tcp.table.insert(&stack.secret, &connection) {
            return;
        }
        self.half_open.fetch_add(1, Ordering::Relaxed);
        let mut tcb = connection.tcb.lock();
        tcb.send_syn(&Link::new(stack, &connection));
        connection.rearm(stack, &mut tcb);
    }

    /// A cookie came back: the connection begins here.
    fn open_by_cookie(
        &self,
        stack: &Stack,
        (local, remote): (Endpoint, Endpoint),
        segment: &Segment,
        datagram: &Datagram<'_>,
        options: &Options,
    ) {
        let iss = super::sequence::Seq(segment.ack.0.wrapping_sub(1));
        let mut tcb = Tcb::new(stack, (local, remote), *self.settings.lock(), State::SynReceived, iss);
        let syn = Segment {
            seq: super::sequence::Seq(segment.seq.0.wrapping_sub(1)),
            options: *options,
            ..*segment
        };
        tcb.accept_syn(stack, remote, &syn);
        tcb.next = iss + 1;
        tcb.max = iss + 1;
        tcb.offered = tcb.receive_next + 65535;
        let connection = Connection::new(
            stack,
            (local, remote),
            Some(self.this.clone()),
            Arc::new(WaitQueue::new()),
            tcb,
        );
        if stack.tcp.table.insert(&stack.secret, &connection) {
            connection.receive(stack, segment, datagram);
        }
    }
}

/// Answers a SYN without remembering it.
fn answer_by_cookie(stack: &Stack, local: Endpoint, remote: Endpoint, segment: &Segment) {
    let mss = own_mss(stack, remote);
    let clock = ((stack.now() / MILLISECOND) as u32).wrapping_add(timestamp_offset(stack, local, remote));
    let timestamp = segment
        .options
        .timestamp
        .map(|(value, _)| (cookie::timestamp(clock, &segment.options), value));
    let outline = Outline {
        local,
        remote,
        seq: cookie::make(stack, local, remote, segment),
        ack: segment.seq + 1,
        flags: Flags::SYN | Flags::ACK,
        window: 65535,
        options: Options {
            mss: Some(mss),
            window_scale: (timestamp.is_some() && segment.options.window_scale.is_some()).then_some(WINDOW_SHIFT),
            sack_permitted: timestamp.is_some() && segment.options.sack_permitted,
            timestamp,
            sack: [None; 3],
        },
    };
    lone::send(stack, &outline);
}

/// Listeners by port.
pub(super) struct Listeners(SpinLock<HashMap<u16, Vec<Arc<Listener>>>>);

impl Listeners {
    pub(super) fn new() -> Self {
        Self(SpinLock::new(HashMap::new()))
    }

    pub(super) fn insert(&self, listener: &Arc<Listener>) {
        self.0
            .lock()
            .entry(listener.local.port)
            .or_default()
            .push(listener.clone());
    }

    fn remove(&self, listener: &Listener) {
        let mut ports = self.0.lock();
        if let Some(same_port) = ports.get_mut(&listener.local.port) {
            same_port.retain(|other| !core::ptr::eq(&raw const **other, &raw const *listener));
            if same_port.is_empty() {
                ports.remove(&listener.local.port);
            }
        }
    }

    /// The listener for a segment: the most specific one; among equals (`SO_REUSEPORT`) the ends of the connection choose.
    fn find(&self, stack: &Stack, local: Endpoint, remote: Endpoint) -> Option<Arc<Listener>> {
        let ports = self.0.lock();
        let same_port = ports.get(&local.port)?;
        if let [only] = &same_port[..] {
            return only.matches(local.address).map(|_| only.clone());
        }
        let best = same_port
            .iter()
            .filter_map(|listener| listener.matches(local.address))
            .max()?;
        let equals: Vec<_> = same_port
            .iter()
            .filter(|listener| listener.matches(local.address) == Some(best))
            .collect();
        let hash = stack.secret.table_hash(local, remote);
        equals
            .get(hash as usize % equals.len())
            .map(|listener| (*listener).clone())
    }

    /// Gives a segment to whoever listens; false when nobody does.
    pub(super) fn input(
        &self,
        stack: &Stack,
        ends: (Endpoint, Endpoint),
        segment: &Segment,
        datagram: &Datagram<'_>,
    ) -> bool {
        match self.find(stack, ends.0, ends.1) {
            Some(listener) => {
                listener.input(stack, ends, segment, datagram);
                true
            }
            None => false,
        }
    }
}

/// Begins to listen.
pub(crate) fn listen(
    stack: &Stack,
    local: Endpoint,
    v6_only: bool,
    settings: Settings,
    backlog: usize,
    wait_queue: Arc<WaitQueue>,
) -> Result<Arc<Listener>, Errno> {
    if local.port == 0 {
        return Err(Errno::INVAL);
    }
    let listener = Listener::new(local, v6_only, settings, backlog, wait_queue);
    stack.tcp.listeners.insert(&listener);
    Ok(listener)
}
