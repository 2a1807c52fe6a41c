//! What a socket does with its connection.

use abi::Errno;
use alloc::sync::Arc;

use file::{Error, Readiness, Sink, Source};
use task::WaitQueue;

use super::connection::{Connection, Link, Outcome, Retransmit, State, Tcb, initial_sequence};
use super::settings::Settings;
use crate::counters::Count;
use crate::ip::Endpoint;
use crate::stack::{NEVER, Stack};

/// What `TCP_INFO` reports, times in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Information {
    pub(crate) state: u8,
    pub(crate) backoff: u8,
    pub(crate) has_timestamps: bool,
    pub(crate) has_sack: bool,
    pub(crate) window_scales: Option<(u8, u8)>,
    pub(crate) timeout: u32,
    pub(crate) send_mss: u32,
    pub(crate) round_trip: u32,
    pub(crate) round_trip_variation: u32,
    pub(crate) congestion_window: u32,
    pub(crate) threshold: u32,
    pub(crate) unacknowledged: u32,
    pub(crate) retransmissions: u32,
    pub(crate) receive_space: u32,
    pub(crate) path_mtu: u32,
    pub(crate) segments_out: u32,
    pub(crate) segments_in: u32,
}

impl Connection {
    /// Begins an active open.
    pub(crate) fn connect(
        stack: &Stack,
        local: Endpoint,
        remote: Endpoint,
        settings: Settings,
        wait_queue: Arc<WaitQueue>,
    ) -> Result<Arc<Self>, Errno> {
        let iss = initial_sequence(stack, local, remote);
        let tcb = Tcb::new(stack, (local, remote), settings, State::SynSent, iss);
        let connection = Self::new(stack, (local, remote), None, wait_queue, tcb);
        if !stack.tcp.table.insert(&stack.secret, &connection) {
            return Err(Errno::ADDRNOTAVAIL);
        }
        let mut tcb = connection.tcb.lock();
        tcb.send_syn(&Link::new(stack, &connection));
        if let Some(errno) = tcb.soft_error.take() {
            tcb.fail(None, &mut Outcome::default());
            drop(tcb);
            // Nobody is told, for nobody else knows of it; and the socket is locked, which who is told would look at.
            stack.tcp.table.retire(&stack.secret, &connection, None);
            return Err(errno);
        }
        connection.rearm(stack, &mut tcb);
        drop(tcb);
        stack.counters.add(Count::TcpActiveOpen);
        Ok(connection)
    }

    /// Queues bytes and sends what may be sent.
    pub(crate) fn write(self: &Arc<Self>, stack: &Stack, source: &mut dyn Source, more: bool) -> file::Result<usize> {
        let mut result = Ok(0);
        let mut holds = false;
        self.change(stack, |tcb, link| {
            result = tcb.write(link, source, more, &mut holds);
            Outcome::default()
        });
        if holds {
            stack.hold(self);
        } else if crate::holds() {
            stack.forget(self);
        }
        result
    }

    /// Sends what may be sent of what was held back.
    pub(crate) fn push(self: &Arc<Self>, stack: &Stack) {
        self.change(stack, |tcb, link| {
            tcb.output(link);
            Outcome::default()
        });
    }

    /// Takes bytes that arrived. With `discard`, they go nowhere (`MSG_TRUNC`).
    pub(crate) fn read(
        self: &Arc<Self>,
        stack: &Stack,
        sink: &mut dyn Sink,
        peek: bool,
        discard: bool,
    ) -> file::Result<usize> {
        let mut tcb = self.tcb.lock();
        let result = tcb.read(&Link::new(stack, self), sink, peek, discard);
        self.rearm(stack, &mut tcb);
        result
    }

    /// What the connection is ready for.
    pub(crate) fn readiness(&self, stack: &Stack) -> Readiness {
        let mut tcb = self.tcb.lock();
        let mut readiness = Readiness::empty();
        let no_more_in = tcb.fin_received || tcb.receive_shut || tcb.state == State::Closed;
        if tcb.error.is_some() {
            readiness |= Readiness::ERR;
        }
        if tcb.state == State::SynSent || tcb.state == State::SynReceived {
            return readiness;
        }
        if no_more_in {
            readiness |= Readiness::RDHUP | Readiness::IN | Readiness::RDNORM;
        }
        if tcb.state == State::Closed || (no_more_in && tcb.fin_queued) {
            readiness |= Readiness::HUP;
        }
        // What fills half of the buffer is worth reading, whatever was asked for: more might never fit.
        let least = (tcb.settings.receive_low as usize).min(tcb.receive_capacity / 2).max(1);
        if tcb.receive.len() >= least {
            readiness |= Readiness::IN | Readiness::RDNORM;
        }
        if tcb.urgent.is_some() {
            readiness |= Readiness::PRI;
        }
        if tcb.is_writable(stack) {
            readiness |= Readiness::OUT | Readiness::WRNORM;
        } else {
            tcb.wants_space = true;
        }
        readiness
    }

    /// Ends one direction or both.
    pub(crate) fn shutdown(self: &Arc<Self>, stack: &Stack, read: bool, write: bool) -> Result<(), Errno> {
        let mut result = Ok(());
        self.change(stack, |tcb, link| {
            let mut outcome = Outcome::default();
            if matches!(tcb.state, State::Closed | State::TimeWait) {
                result = Err(Errno::NOTCONN);
                return outcome;
            }
            if read {
                tcb.receive_shut = true;
            }
            if write {
                if tcb.state == State::SynSent {
                    tcb.fail(None, &mut outcome);
                } else {
                    tcb.queue_fin(link);
                }
            }
            outcome.notify = true;
            outcome
        });
        result
    }

    /// The socket is gone. What was written still goes out, unless `reset` or data that nobody read says otherwise.
    pub(crate) fn release(self: &Arc<Self>, stack: &Stack, reset: bool) {
        self.change(stack, |tcb, link| {
            let mut outcome = Outcome::default();
            tcb.orphaned = true;
            let unread = tcb.receive.len() > 0;
            tcb.receive.clear();
            match tcb.state {
                State::Closed | State::TimeWait => {}
                State::SynSent => tcb.finish(&mut outcome),
                _ if reset || unread || tcb.settings.linger == Some(0) => tcb.abort(link, &mut outcome),
                _ => {
                    tcb.queue_fin(link);
                    if tcb.state == State::FinWait2 {
                        tcb.close = link.now + tcb.settings.fin_wait();
                    }
                }
            }
            tcb.account(link.stack);
            outcome
        });
    }

    /// The error that happened since it was last asked for.
    pub(crate) fn take_error(&self) -> Option<Errno> {
        self.tcb.lock().error.take()
    }

    /// Whether the handshake is done: `None` while it goes on.
    pub(crate) fn connected(&self) -> Option<Result<(), Errno>> {
        let mut tcb = self.tcb.lock();
        match tcb.state {
            State::SynSent | State::SynReceived => None,
            State::Closed => Some(Err(tcb.error.take().unwrap_or(Errno::CONNABORTED))),
            _ => Some(Ok(())),
        }
    }

    pub(crate) fn state(&self) -> State {
        self.tcb.lock().state
    }

    /// Changes the settings; what they hold back goes on.
    pub(crate) fn set(self: &Arc<Self>, stack: &Stack, change: impl FnOnce(&mut Settings)) {
        self.change(stack, |tcb, link| {
            let before = tcb.settings;
            change(&mut tcb.settings);
            let after = tcb.settings;
            if after.receive_buffer != before.receive_buffer {
                tcb.receive_capacity = tcb.receive_capacity.max(after.receive_buffer as usize);
            }
            if (before.keep_alive, before.keep_idle) != (after.keep_alive, after.keep_idle) {
                tcb.start_keep_alive(link.now);
            }
            if (before.cork && !after.cork) || (!before.no_delay && after.no_delay) {
                tcb.more = false;
                if tcb.retransmit.0 == Retransmit::Cork {
                    tcb.retransmit.1 = NEVER;
                }
                tcb.output(link);
            }
            Outcome::default()
        });
    }

    pub(crate) fn settings(&self) -> Settings {
        self.tcb.lock().settings
    }

    /// Bytes that can be read.
    pub(crate) fn readable(&self) -> usize {
        self.tcb.lock().receive.len()
    }

    /// Bytes written and not acknowledged, and those of them not yet sent.
    pub(crate) fn unsent(&self) -> (usize, usize) {
        let tcb = self.tcb.lock();
        (tcb.send.len(), tcb.data_end().since(tcb.max.min(tcb.data_end())))
    }

    /// Bytes that the buffers may hold: to send, and received.
    pub(crate) fn capacities(&self, stack: &Stack) -> (usize, usize) {
        let tcb = self.tcb.lock();
        (tcb.send_capacity(stack), tcb.receive_capacity)
    }

    /// Bytes of payload of a full segment.
    pub(crate) fn mss(&self) -> usize {
        self.tcb.lock().mss
    }

    pub(crate) fn information(&self, stack: &Stack) -> Information {
        let tcb = self.tcb.lock();
        let micro = |nanoseconds: u64| (nanoseconds / 1000) as u32;
        let segments = |bytes: usize| (bytes / tcb.mss).min(u32::MAX as usize) as u32;
        Information {
            state: tcb.state.number(),
            backoff: tcb.round_trip.backoff,
            has_timestamps: tcb.timestamps.is_some(),
            has_sack: tcb.sack,
            window_scales: tcb
                .scale_windows
                .then_some((tcb.send_shift, super::connection::WINDOW_SHIFT)),
            timeout: micro(tcb.round_trip.timeout()),
            send_mss: tcb.mss as u32,
            round_trip: micro(tcb.round_trip.smoothed),
            round_trip_variation: micro(tcb.round_trip.variation),
            congestion_window: segments(tcb.congestion.window),
            threshold: if tcb.congestion.threshold == usize::MAX {
                i32::MAX as u32
            } else {
                segments(tcb.congestion.threshold)
            },
            unacknowledged: tcb.max.since(tcb.una).div_ceil(tcb.mss) as u32,
            retransmissions: tcb.retransmissions,
            receive_space: tcb.receive_capacity as u32,
            path_mtu: stack.path_mtu(self.remote.address) as u32,
            segments_out: tcb.segments.0,
            segments_in: tcb.segments.1,
        }
    }
}

impl Tcb {
    /// Whether what is queued and less than a segment is to wait for what the application writes next.
    fn expects_more(&mut self, link: &Link<'_>) -> bool {
        if !link.stack.may_hold || self.path.is_loopback() {
            return false;
        }
        let is_expected = self.burst.write(link.now, self.data_received);
        is_expected && self.data_end().since(self.next) < self.mss && self.next == self.max
    }

    fn is_writable(&self, stack: &Stack) -> bool {
        if self.fin_queued || self.state == State::Closed {
            return true;
        }
        let capacity = self.send_capacity(stack);
        let unsent = self.data_end().since(self.max.min(self.data_end()));
        capacity.saturating_sub(self.send.len()) * 3 >= capacity && unsent < self.settings.not_sent_low as usize
    }

    /// Queues bytes, and sends what may be sent unless that is held back.
    fn write(&mut self, link: &Link<'_>, source: &mut dyn Source, more: bool, holds: &mut bool) -> file::Result<usize> {
        if matches!(self.state, State::SynSent | State::SynReceived) {
            return Err(Error::WouldBlock);
        }
        if let Some(errno) = self.error.take() {
            return Err(errno.into());
        }
        if self.fin_queued || !matches!(self.state, State::Established | State::CloseWait) {
            return Err(Errno::PIPE.into());
        }
        self.more = more;
        let mut total = 0;
        while source.remaining() > 0 {
            let space = self.send_space(link.stack);
            if space == 0 {
                break;
            }
            match self.send.fill(source, space) {
                Ok(0) => break,
                Ok(count) => total += count,
                Err(fault) if total == 0 => return Err(fault.into()),
                Err(_) => break,
            }
            *holds = source.remaining() == 0 && self.expects_more(link);
            if !*holds {
                self.output(link);
            }
        }
        self.account(link.stack);
        if source.remaining() > 0 {
            // Also who gets less than all of it in may wait for more room.
            self.wants_space = true;
            if total == 0 {
                return Err(Error::WouldBlock);
            }
        }
        Ok(total)
    }

    fn read(&mut self, link: &Link<'_>, sink: &mut dyn Sink, peek: bool, discard: bool) -> file::Result<usize> {
        if self.receive.len() == 0 {
            return self.read_nothing(sink);
        }
        let count = if discard && !peek {
            self.receive.discard(sink.remaining())
        } else {
            self.receive.read(sink, peek)?
        };
        if !peek {
            if self.urgent.is_some() && self.receive.len() == 0 {
                self.urgent = None;
            }
            self.size_receive_buffer(link, count);
            let grown = self.possible_edge(link).since(self.offered);
            // Two segments, for most of what is read; over the loopback interface they may be more than the buffer.
            let largest = self.largest_offer();
            let step = (2 * self.mss).max(largest / 4).min(largest / 2);
            // The peer may be waiting for the window to open, or with a small segment for the acknowledgement of the one before.
            let is_waited_for = grown >= step
                || self.small_waits && self.settings.quick_ack && !self.answers && self.receive.len() == 0;
            if is_waited_for && !self.fin_received && self.state.is_synchronized() && self.state != State::TimeWait {
                self.send_ack(link);
            }
            self.account(link.stack);
        }
        Ok(count)
    }

    fn read_nothing(&mut self, sink: &mut dyn Sink) -> file::Result<usize> {
        // What was sent ended as it should, whatever came after.
        if self.fin_received {
            return Ok(0);
        }
        if let Some(errno) = self.error.take() {
            return Err(errno.into());
        }
        if self.receive_shut || self.state == State::Closed || sink.remaining() == 0 {
            return Ok(0);
        }
        Err(Error::WouldBlock)
    }

    /// Lets the buffer grow with what the application reads in one round trip.
    fn size_receive_buffer(&mut self, link: &Link<'_>, count: usize) {
        self.read_since += count;
        let period = self.round_trip.smoothed.max(super::rtt::MILLISECOND);
        if link.now < self.measured_at + period {
            return;
        }
        let wanted = 2 * self.read_since;
        if wanted > self.receive_capacity && self.settings.receive_buffer == 0 {
            self.receive_capacity = wanted
                .min(link.stack.tcp.most_receive_capacity())
                .max(self.receive_capacity);
        }
        self.read_since = 0;
        self.measured_at = link.now;
    }

    /// Ends our direction after what is queued.
    pub(super) fn queue_fin(&mut self, link: &Link<'_>) {
        if self.fin_queued {
            return;
        }
        self.fin_queued = true;
        self.more = false;
        match self.state {
            State::Established => self.state = State::FinWait1,
            State::CloseWait => self.state = State::LastAck,
            _ => {}
        }
        self.output(link);
    }
}
