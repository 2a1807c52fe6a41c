//! Segments on their way out: what to send now, and what to hold back.

use abi::Errno;

use super::congestion::Phase;
use super::connection::{Link, Outcome, Retransmit, State, Tcb, WINDOW_SHIFT, own_mss};
use super::input::DELAYED_ACK;
use super::rtt::{MILLISECOND, SECOND};
use super::segment::{CHECKSUM_AT, Flags, Options, Outline};
use super::send_queue::Gathered;
use super::sequence::Seq;
use crate::counters::Count;
use crate::header::Header;
use crate::ip::{Outgoing, protocol};
use crate::stack::NEVER;
use crate::{Chunk, LEAST_SEGMENT};

/// How long `TCP_CORK` and `MSG_MORE` hold data back.
const CORK_TIMEOUT: u64 = 200 * MILLISECOND;
/// How long to leave a full device alone.
const BUSY_RETRY: u64 = MILLISECOND;
/// Bytes of the largest segment that a device cuts or the loopback interface carries.
const LARGEST_SEGMENT: usize = 65535 - 120;

impl Tcb {
    /// Sends what may be sent, and an acknowledgement when one is due and nothing carried it.
    pub(super) fn output(&mut self, link: &Link<'_>) {
        // In FIN-WAIT-2 all that there ever was to send is acknowledged, the FIN with it.
        if !matches!(
            self.state,
            State::SynSent | State::SynReceived | State::FinWait2 | State::TimeWait | State::Closed
        ) {
            let idle = self.una == self.max && self.max != self.una + self.send.len();
            if idle && link.now > self.last_sent + self.round_trip.timeout() {
                self.congestion.restart_after_idle(self.mss);
            }
            while self.send_one(link) {}
            self.arm_retransmit(link);
        }
        if self.ack_now {
            self.send_ack(link);
        }
    }

    /// Sends one segment when the rules let it; false when there is nothing more to send now.
    fn send_one(&mut self, link: &Link<'_>) -> bool {
        if self.busy != NEVER {
            return false;
        }
        if matches!(self.congestion.phase, Phase::Recovery { .. }) && self.resend_lost(link) {
            return true;
        }
        self.busy == NEVER && self.send_next(link)
    }

    /// In recovery: sends the next segment that counts as lost again (`NextSeg` of RFC 6675, rules 1 and 3).
    fn resend_lost(&mut self, link: &Link<'_>) -> bool {
        let from = self.resent.max(self.una);
        let limit = self.scoreboard.highest().unwrap_or(self.una + self.mss).min(self.max);
        let Some((start, end)) = self.scoreboard.hole(from, limit) else {
            return false;
        };
        let first = start == self.una;
        if !first && (!self.scoreboard.is_lost(start, self.mss) || self.congestion.window < self.in_flight() + self.mss)
        {
            return false;
        }
        let length = end.since(start).min(self.mss);
        if !self.retransmit_range(link, start, length) {
            return false;
        }
        self.resent = start + length;
        true
    }

    /// Sends bytes again; false when the device is full.
    pub(super) fn retransmit_range(&mut self, link: &Link<'_>, start: Seq, length: usize) -> bool {
        self.count_retransmission(link);
        // Karn's algorithm: what was sent twice gives no sample.
        self.timed = None;
        let data = length.min(self.data_end().since(start));
        let mut flags = Flags::ACK;
        if length > data && self.fin_sent() {
            flags |= Flags::FIN;
        }
        self.emit_data(link, start, data, flags)
    }

    pub(super) fn count_retransmission(&mut self, link: &Link<'_>) {
        self.retransmissions += 1;
        link.stack.counters.add(Count::TcpRetransmitted);
    }

    /// Sends the next segment from `next` on.
    fn send_next(&mut self, link: &Link<'_>) -> bool {
        let data_end = self.data_end();
        let mut seq = self.next;
        let mut limit = data_end;
        if seq < self.max {
            // After a time-out all is sent again but what the peer has.
            match self.scoreboard.hole(seq, self.max) {
                Some((start, end)) => {
                    seq = start;
                    if end < self.max {
                        limit = limit.min(end);
                    }
                }
                None => seq = self.max,
            }
        }
        if seq > data_end {
            return false;
        }
        let again = seq < self.max;
        let available = limit.since(seq);
        let room = (self.una + self.window).since(seq).min(available);
        let largest = self.largest_segment(link);
        let flight = self.in_flight();
        let budget = self.congestion.window.saturating_sub(flight);
        let mut length = room.min(largest);
        if length > budget {
            // Whole segments, at the least one when nothing is on its way.
            length = if budget >= self.mss {
                budget - budget % self.mss
            } else if flight == 0 {
                length.min(self.mss)
            } else {
                0
            };
        }
        if length > self.mss {
            let whole = length - length % self.mss;
            if whole > 0 && (length < available || self.must_hold(link, length - whole)) {
                length = whole;
            }
        }
        let is_last = seq + length == data_end;
        let fin = is_last && self.fin_queued;
        if length == 0 && !fin {
            return false;
        }
        if length > 0 && length < self.mss && !again && !fin {
            let half_window = self.largest_window > 0 && length >= self.largest_window / 2;
            if (!is_last && !half_window) || (is_last && self.must_hold(link, length)) {
                return false;
            }
        }
        let mut flags = Flags::ACK;
        if is_last && length > 0 {
            flags |= Flags::PSH;
        }
        if fin {
            flags |= Flags::FIN;
        }
        if !self.emit_data(link, seq, length, flags) {
            return false;
        }
        if again {
            self.count_retransmission(link);
            self.timed = None;
        } else if self.timed.is_none() {
            self.timed = Some((seq + length, link.now));
        }
        self.next = seq + length + usize::from(fin);
        self.max = self.max.max(self.next);
        true
    }

    /// Whether the last, partial segment waits for more (RFC 9293 section 3.7.4; Minshall's variant as Linux has it).
    fn must_hold(&self, link: &Link<'_>, length: usize) -> bool {
        if self.fin_queued || length >= self.mss {
            return false;
        }
        if (self.settings.cork || self.more)
            && !(self.retransmit.0 == Retransmit::Cork && link.now >= self.retransmit.1)
        {
            return true;
        }
        !self.settings.no_delay && self.next > self.una
    }

    fn largest_segment(&self, link: &Link<'_>) -> usize {
        let offload = if self.path.is_loopback() {
            0
        } else {
            let capabilities = &link.stack.device_capabilities;
            capabilities.offloads(link.connection.local.address).segmentation
        };
        if offload < 2 * self.mss || self.mss < LEAST_SEGMENT {
            return self.mss;
        }
        let most = offload.min(LARGEST_SEGMENT);
        most - most % self.mss
    }

    /// Sends `length` bytes from `seq` on; false when the device is full.
    pub(super) fn emit_data(&mut self, link: &Link<'_>, seq: Seq, length: usize, flags: Flags) -> bool {
        let gathered = if length > 0 {
            self.answers |= link.now < self.data_received + DELAYED_ACK;
            self.send.gather(seq.since(self.data_start()), length)
        } else {
            Gathered::new()
        };
        let outline = self.outline(link, seq, flags);
        self.transmit(link, &outline, &gathered)
    }

    fn outline(&mut self, link: &Link<'_>, seq: Seq, flags: Flags) -> Outline {
        let window = self.offer_window(link);
        self.last_ack_sent = self.receive_next;
        self.ack_now = false;
        self.delayed_ack = NEVER;
        self.unacknowledged = 0;
        self.small_waits = false;
        Outline {
            local: link.connection.local,
            remote: link.connection.remote,
            seq,
            ack: self.receive_next,
            flags,
            window,
            options: Options {
                timestamp: self
                    .timestamps
                    .map(|timestamps| (self.timestamp(link.now), timestamps.recent)),
                ..Options::default()
            },
        }
    }

    fn transmit(&mut self, link: &Link<'_>, outline: &Outline, payload: &[Chunk]) -> bool {
        let mut header = Header::new();
        outline.write(&mut header);
        let length: usize = payload.iter().map(|chunk| chunk.len()).sum();
        let source = link.connection.local.address;
        let fields = self.settings.fields.of(source);
        let outgoing = Outgoing {
            source,
            destination: link.connection.remote.address,
            protocol: protocol::TCP,
            ttl: fields.hops.unwrap_or_else(|| link.stack.default_hops(source)),
            tos: fields.class,
            dont_fragment: true,
            checksum_at: Some(CHECKSUM_AT),
            segment_size: (length > self.mss).then_some(self.mss as u16),
            payload,
        };
        self.last_sent = link.now;
        self.segments.0 = self.segments.0.wrapping_add(1);
        link.stack.counters.add(Count::TcpSent);
        match link.stack.send(header, &outgoing, &mut self.path) {
            Ok(()) => true,
            Err(Errno::NOBUFS) => {
                self.busy = link.now + BUSY_RETRY;
                self.ack_now = true;
                false
            }
            // The timers see to it.
            Err(errno) => {
                self.soft_error = Some(errno);
                true
            }
        }
    }

    /// Sends an acknowledgement without data, with what arrived out of order.
    pub(super) fn send_ack(&mut self, link: &Link<'_>) {
        // Not from `next`, which a time-out moves back: the peer would take the acknowledgement for an old one. Nor from beyond the window, when
        // the peer has taken less of it than it had offered: it would not take that at all.
        let seq = match self.state {
            State::SynSent | State::SynReceived => self.max,
            _ => self.max.min(self.una + self.window),
        };
        let mut outline = self.outline(link, seq, Flags::ACK);
        if self.sack && self.receive.has_gap() {
            outline.options.sack = self.receive.blocks(self.latest);
        }
        self.transmit(link, &outline, &[]);
    }

    /// Sends a segment that the peer must answer although it takes nothing of the sequence space: for closed windows and keep-alive.
    pub(super) fn send_window_probe(&mut self, link: &Link<'_>) {
        let outline = self.outline(link, Seq(self.una.0.wrapping_sub(1)), Flags::ACK);
        self.transmit(link, &outline, &[]);
    }

    /// Sends our SYN, with an acknowledgement when the peer's has come.
    pub(super) fn send_syn(&mut self, link: &Link<'_>) {
        let passive = self.state == State::SynReceived;
        let flags = if passive { Flags::SYN | Flags::ACK } else { Flags::SYN };
        let mut outline = self.outline(link, self.una, flags);
        let capacity = self.receive_capacity.min(65535);
        outline.window = capacity as u16;
        if passive {
            self.offered = self.offered.max(self.receive_next + capacity);
        } else {
            outline.ack = Seq(0);
        }
        let mut mss = own_mss(link.stack, link.connection.remote);
        if self.settings.max_segment > 0 {
            mss = mss.min(self.settings.max_segment);
        }
        outline.options = Options {
            mss: Some(mss),
            window_scale: (!passive || self.scale_windows).then_some(WINDOW_SHIFT),
            sack_permitted: !passive || self.sack,
            timestamp: match self.timestamps {
                Some(timestamps) => Some((self.timestamp(link.now), timestamps.recent)),
                None if passive => None,
                None => Some((self.timestamp(link.now), 0)),
            },
            sack: [None; 3],
        };
        self.next = self.una + 1;
        self.max = self.max.max(self.next);
        if self.timed.is_none() && self.round_trip.backoff == 0 {
            self.timed = Some((self.next, link.now));
        } else {
            self.timed = None;
        }
        self.retransmit = (Retransmit::Timeout, link.now + self.round_trip.timeout());
        self.transmit(link, &outline, &[]);
    }

    /// Sends a reset that the peer believes.
    pub(super) fn send_reset(&mut self, link: &Link<'_>) {
        link.stack.counters.add(Count::TcpResetSent);
        let outline = self.outline(link, self.max, Flags::RST | Flags::ACK);
        self.transmit(link, &outline, &[]);
    }

    /// Resets the connection and ends it.
    pub(super) fn abort(&mut self, link: &Link<'_>, outcome: &mut Outcome) {
        if self.state.is_synchronized() && self.state != State::TimeWait || self.state == State::SynReceived {
            self.send_reset(link);
        }
        if self.state == State::TimeWait {
            self.state = State::Closed;
            return;
        }
        self.finish(outcome);
    }

    /// The window to put into a segment, as it stands there. What was offered is never taken back, and grows in steps worth a segment
    /// (RFC 9293 section 3.8.6.2.2).
    pub(super) fn offer_window(&mut self, link: &Link<'_>) -> u16 {
        let edge = self.possible_edge(link);
        let step = self.mss.min(self.largest_offer() / 2);
        if edge.since(self.offered) >= step {
            self.offered = edge;
        }
        let window = self.offered.since(self.receive_next);
        let shift = if self.scale_windows { WINDOW_SHIFT } else { 0 };
        // Rounded up, so that the edge does not move back; what the peer sends up to there is taken.
        let stands = ((window + (1 << shift) - 1) >> shift).min(65535);
        self.offered = self.offered.max(self.receive_next + (stands << shift));
        stands as u16
    }

    /// The right edge that memory allows.
    pub(super) fn possible_edge(&self, link: &Link<'_>) -> Seq {
        let capacity = link.stack.tcp.receive_capacity(self.receive_capacity, self.mss);
        self.receive_next + capacity.saturating_sub(self.receive.len()).min(self.largest_offer())
    }

    /// The most that the window may be: what the buffer takes, or less when the application says so (`TCP_WINDOW_CLAMP`).
    pub(super) fn largest_offer(&self) -> usize {
        match self.settings.window_clamp {
            0 => self.receive_capacity,
            clamp => self.receive_capacity.min(clamp as usize),
        }
    }

    /// Sets the retransmission timer to what is on its way, or what cannot go.
    fn arm_retransmit(&mut self, link: &Link<'_>) {
        let (kind, deadline) = self.retransmit;
        if self.max > self.una {
            if deadline == NEVER || matches!(kind, Retransmit::Persist | Retransmit::Cork) {
                self.restart_retransmit(link);
            }
        } else if self.send.len() == 0 {
            self.retransmit.1 = NEVER;
        } else if self.window < self.send.len().min(self.mss) {
            // Also when the application would hold the rest back: nobody else may tell that the window opens.
            if deadline == NEVER || kind != Retransmit::Persist {
                self.round_trip.backoff = 0;
                self.retransmit = (Retransmit::Persist, link.now + self.round_trip.timeout());
            }
        } else if deadline == NEVER || kind != Retransmit::Cork {
            self.retransmit = (Retransmit::Cork, link.now + CORK_TIMEOUT);
        }
    }

    /// Starts the retransmission timer for what is on its way; first as a probe when that is worth it.
    pub(super) fn restart_retransmit(&mut self, link: &Link<'_>) {
        let timeout = self.round_trip.timeout();
        let may_probe = !self.probe_sent
            && self.sack
            && self.congestion.phase == Phase::Open
            && self.round_trip.smoothed > 0
            && self.round_trip.backoff == 0;
        if may_probe {
            // One segment alone may wait for the peer's delayed acknowledgement.
            let alone = if self.max.since(self.una) <= self.mss {
                50 * MILLISECOND
            } else {
                0
            };
            let probe = (2 * self.round_trip.smoothed).max(10 * MILLISECOND) + alone;
            if probe < timeout {
                self.retransmit = (Retransmit::Probe, link.now + probe.min(SECOND));
                return;
            }
        }
        self.retransmit = (Retransmit::Timeout, link.now + timeout);
    }
}
