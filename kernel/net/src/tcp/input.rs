//! Segments on their way in (RFC 9293 section 3.10.7, RFC 5961, RFC 7323).

use abi::Errno;

use super::congestion::Phase;
use super::connection::{Link, Outcome, Retransmit, State, Tcb};
use super::rtt::{MILLISECOND, SECOND};
use super::segment::{Flags, Segment};
use super::sequence::Seq;
use crate::ip::{Datagram, Unreachable};
use crate::stack::NEVER;

/// How long an acknowledgement may wait for data to ride on.
pub(super) const DELAYED_ACK: u64 = 40 * MILLISECOND;
/// Timestamps older than this prove nothing (RFC 7323 section 5.5).
const TIMESTAMP_LIFETIME: u64 = 24 * 24 * 3600 * SECOND;
/// Bytes at the start of a connection whose full segments are acknowledged at once, while the peer's window is small.
const QUICK_BYTES: usize = 32 << 10;

impl Tcb {
    /// Takes a segment for this connection.
    pub(super) fn input(&mut self, link: &Link<'_>, segment: &Segment, datagram: &Datagram<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        self.segments.1 = self.segments.1.wrapping_add(1);
        match self.state {
            State::Closed | State::TimeWait => {}
            State::SynSent => self.input_syn_sent(link, segment, &mut outcome),
            _ => self.input_synchronized(link, segment, datagram, &mut outcome),
        }
        if self.state != State::Closed {
            self.output(link);
        }
        self.account(link.stack);
        outcome
    }

    fn input_syn_sent(&mut self, link: &Link<'_>, segment: &Segment, outcome: &mut Outcome) {
        let has_ack = segment.has(Flags::ACK);
        if has_ack && (segment.ack <= self.una || segment.ack > self.max) {
            if !segment.has(Flags::RST) {
                super::send_reset_for(link.stack, link.connection.local, link.connection.remote, segment);
            }
            return;
        }
        if segment.has(Flags::RST) {
            if has_ack {
                self.fail(Some(Errno::CONNREFUSED), outcome);
            }
            return;
        }
        if !segment.has(Flags::SYN) {
            return;
        }
        self.accept_syn(link.stack, link.connection.remote, segment);
        self.last_received = link.now;
        if !has_ack {
            // Both opened at once.
            self.state = State::SynReceived;
            self.send_syn(link);
            return;
        }
        self.sample_round_trip(link, segment);
        self.una = segment.ack;
        self.establish(link, segment);
        self.ack_now = true;
        outcome.notify = true;
    }

    fn establish(&mut self, link: &Link<'_>, segment: &Segment) {
        self.state = State::Established;
        self.retransmit.1 = NEVER;
        self.round_trip.backoff = 0;
        self.progress = link.now;
        self.resent = self.una;
        self.window_seq = segment.seq;
        self.window_ack = segment.ack;
        // The window of a SYN is not scaled.
        let shift = if segment.has(Flags::SYN) { 0 } else { self.send_shift };
        self.window = usize::from(segment.window) << shift;
        self.largest_window = self.window;
        self.offered = self.offered.max(self.receive_next);
        self.start_keep_alive(link.now);
        if self.fin_queued {
            self.state = State::FinWait1;
        }
    }

    pub(super) fn start_keep_alive(&mut self, now: u64) {
        self.keep_alive = if self.settings.keep_alive && self.state.is_synchronized() && self.state != State::TimeWait {
            now + u64::from(self.settings.keep_idle) * SECOND
        } else {
            NEVER
        };
        self.keep_probes = 0;
    }

    fn input_synchronized(
        &mut self,
        link: &Link<'_>,
        segment: &Segment,
        datagram: &Datagram<'_>,
        outcome: &mut Outcome,
    ) {
        if self.is_old_duplicate(link.now, segment) && !segment.has(Flags::RST) {
            self.ack_now = true;
            return;
        }
        if !self.is_acceptable(segment) {
            if segment.has(Flags::RST) {
                return;
            }
            if self.state == State::SynReceived
                && segment.has(Flags::SYN)
                && !segment.has(Flags::ACK)
                && segment.seq == self.irs
            {
                // Our answer was lost.
                self.send_syn(link);
            } else {
                self.ack_now = segment.sequence_length() > 0 || link.stack.tcp.may_challenge(link.now);
            }
            return;
        }
        if segment.has(Flags::RST) {
            if segment.seq == self.receive_next {
                self.reset_by_peer(outcome);
            } else if link.stack.tcp.may_challenge(link.now) {
                self.ack_now = true;
            }
            return;
        }
        if segment.has(Flags::SYN) {
            self.ack_now = link.stack.tcp.may_challenge(link.now);
            return;
        }
        if !segment.has(Flags::ACK) {
            return;
        }
        if self.state == State::SynReceived && !self.complete_handshake(link, segment, outcome) {
            return;
        }
        self.note_timestamp(link.now, segment);
        self.last_received = link.now;
        if self.keep_probes > 0 {
            self.start_keep_alive(link.now);
        }
        if !self.input_ack(link, segment, outcome) {
            return;
        }
        if segment.length > 0 || segment.has(Flags::FIN) {
            self.input_data(link, segment, datagram, outcome);
        }
    }

    /// The last acknowledgement of the handshake; false when it is none, or the listener cannot take the connection yet.
    fn complete_handshake(&mut self, link: &Link<'_>, segment: &Segment, outcome: &mut Outcome) -> bool {
        if segment.ack <= self.una || segment.ack > self.max {
            super::send_reset_for(link.stack, link.connection.local, link.connection.remote, segment);
            return false;
        }
        if let Some(listener) = &link.connection.listener {
            let Some(listener) = listener.upgrade().filter(|listener| !listener.is_closed()) else {
                self.abort(link, outcome);
                return false;
            };
            if !listener.reserve() {
                // As if the acknowledgement were lost: ours goes out again, and the peer's follows.
                return false;
            }
            outcome.established = true;
        }
        self.sample_round_trip(link, segment);
        self.una += 1;
        self.establish(link, segment);
        outcome.notify = true;
        true
    }

    /// Protection against wrapped sequence numbers (RFC 7323 section 5).
    fn is_old_duplicate(&self, now: u64, segment: &Segment) -> bool {
        match (self.timestamps, segment.options.timestamp) {
            (Some(known), Some((value, _))) => {
                Seq(value) < Seq(known.recent) && now - known.recent_at.min(now) < TIMESTAMP_LIFETIME
            }
            _ => false,
        }
    }

    fn note_timestamp(&mut self, now: u64, segment: &Segment) {
        if let (Some(known), Some((value, _))) = (&mut self.timestamps, segment.options.timestamp)
            && segment.seq <= self.last_ack_sent
            && Seq(value) >= Seq(known.recent)
        {
            known.recent = value;
            known.recent_at = now;
        }
    }

    /// The test of RFC 9293 section 3.10.7.4, step one.
    fn is_acceptable(&self, segment: &Segment) -> bool {
        let window = self.offered.since(self.receive_next);
        let length = segment.sequence_length();
        if length == 0 && window == 0 {
            return segment.seq == self.receive_next;
        }
        let end = self.receive_next + window;
        if length == 0 {
            return self.receive_next <= segment.seq && segment.seq <= end;
        }
        // A closed window still lets the acknowledgement of a segment count that starts where it should.
        if window == 0 {
            return segment.seq == self.receive_next;
        }
        segment.seq < end && segment.seq + length > self.receive_next
    }

    fn reset_by_peer(&mut self, outcome: &mut Outcome) {
        let errno = match self.state {
            State::SynReceived => Some(Errno::CONNREFUSED),
            State::CloseWait => Some(Errno::PIPE),
            State::Closing | State::LastAck => None,
            _ => Some(Errno::CONNRESET),
        };
        self.fail(errno, outcome);
    }

    /// Takes the acknowledgement; false when the segment is to be dropped.
    fn input_ack(&mut self, link: &Link<'_>, segment: &Segment, outcome: &mut Outcome) -> bool {
        if segment.ack > self.max || segment.ack + self.largest_window.max(65535) < self.una {
            if link.stack.tcp.may_challenge(link.now) {
                self.ack_now = true;
            }
            return false;
        }
        let window = usize::from(segment.window) << self.send_shift;
        let news = self.take_sack(segment);
        if segment.ack > self.una {
            self.acknowledge(link, segment, outcome);
            if outcome.gone.is_some() {
                return false;
            }
        } else if segment.ack == self.una
            && self.max > self.una
            && segment.sequence_length() == 0
            && (news || (!self.sack && window == self.window))
        {
            self.duplicate_acks += 1;
        }
        let newer = self.window_seq < segment.seq || (self.window_seq == segment.seq && self.window_ack <= segment.ack);
        if newer {
            if self.retransmit.0 == Retransmit::Persist && window > self.window {
                self.round_trip.backoff = 0;
                self.retransmit.1 = NEVER;
            }
            self.window = window;
            self.largest_window = self.largest_window.max(window);
            self.window_seq = segment.seq;
            self.window_ack = segment.ack;
        }
        self.find_loss(link);
        true
    }

    fn take_sack(&mut self, segment: &Segment) -> bool {
        if !self.sack {
            return false;
        }
        let mut news = false;
        for (start, end) in segment.options.sack.into_iter().flatten() {
            let (start, end) = (Seq(start), Seq(end));
            if start < end && start > self.una && end <= self.max && start >= segment.ack {
                news |= self.scoreboard.insert(start, end);
            }
        }
        news
    }

    /// Something new is acknowledged.
    fn acknowledge(&mut self, link: &Link<'_>, segment: &Segment, outcome: &mut Outcome) {
        let acknowledged = segment.ack.since(self.una);
        let fin = self.fin_sent() && segment.ack == self.max;
        let bytes = acknowledged - usize::from(fin);
        self.sample_round_trip(link, segment);
        let was_limited = self.in_flight() + self.mss >= self.congestion.window;
        self.send.acknowledge(bytes.min(self.send.len()));
        self.una = segment.ack;
        self.next = self.next.max(self.una);
        self.scoreboard.advance(self.una);
        self.round_trip.backoff = 0;
        self.probe_sent = false;
        self.progress = link.now;
        self.soft_error = None;
        match self.congestion.phase {
            Phase::Open => {
                self.duplicate_acks = 0;
                if was_limited {
                    let round_trip = self.round_trip.smoothed;
                    self.congestion.acknowledged(bytes, self.mss, round_trip, link.now);
                }
            }
            Phase::Recovery { point } if self.una < point => {
                self.duplicate_acks = self.duplicate_acks.saturating_sub((bytes / self.mss) as u32);
                if self.scoreboard.is_empty() {
                    // NewReno: a partial acknowledgement shows the next loss.
                    self.resent = self.una;
                }
            }
            Phase::Loss { point } if self.una < point => {
                let round_trip = self.round_trip.smoothed;
                self.congestion.acknowledged(bytes, self.mss, round_trip, link.now);
            }
            Phase::Recovery { .. } | Phase::Loss { .. } => {
                self.duplicate_acks = 0;
                self.congestion.recovered(self.mss);
            }
        }
        if self.max > self.una {
            self.restart_retransmit(link);
        } else {
            self.retransmit.1 = NEVER;
        }
        if self.wants_space && self.send_space(link.stack) * 3 >= self.send_capacity(link.stack) {
            self.wants_space = false;
            outcome.notify = true;
        }
        if fin {
            self.fin_acknowledged(link, outcome);
        }
    }

    fn fin_acknowledged(&mut self, link: &Link<'_>, outcome: &mut Outcome) {
        match self.state {
            State::FinWait1 => {
                self.state = State::FinWait2;
                outcome.notify = true;
                if self.orphaned {
                    self.close = link.now + self.settings.fin_wait();
                }
            }
            State::Closing => self.enter_time_wait(link, outcome),
            State::LastAck => self.finish(outcome),
            _ => {}
        }
    }

    fn sample_round_trip(&mut self, link: &Link<'_>, segment: &Segment) {
        if let Some((end, sent)) = self.timed
            && segment.ack >= end
        {
            self.round_trip.sample(link.now - sent);
            self.timed = None;
        }
    }

    /// Begins recovery when acknowledgements tell of a loss (RFC 6675 section 5).
    fn find_loss(&mut self, link: &Link<'_>) {
        if self.congestion.phase != Phase::Open || self.max == self.una {
            return;
        }
        let lost = self.duplicate_acks >= 3 || self.scoreboard.is_lost(self.una, self.mss);
        if lost {
            let flight = self.max.since(self.una);
            self.congestion.enter_recovery(flight, self.max, self.mss);
            self.resent = self.una;
            self.next = self.max;
            self.retransmit = (Retransmit::Timeout, link.now + self.round_trip.timeout());
        }
    }

    fn input_data(&mut self, link: &Link<'_>, segment: &Segment, datagram: &Datagram<'_>, outcome: &mut Outcome) {
        if !matches!(self.state, State::Established | State::FinWait1 | State::FinWait2) {
            // Beyond the peer's FIN there is nothing; it may have sent that again.
            self.ack_now = true;
            return;
        }
        if self.orphaned && segment.length > 0 && segment.seq + segment.length > self.receive_next {
            // Nobody will read it (RFC 9293 section 3.10.4).
            self.abort(link, outcome);
            return;
        }
        let before = self.receive_next;
        let known = self.receive_next.since(segment.seq);
        let window = self.offered.since(self.receive_next);
        let mut length = segment.length.saturating_sub(known);
        let mut fin = segment.has(Flags::FIN);
        let start = segment.seq.max(self.receive_next);
        let fits = window.saturating_sub(start.since(self.receive_next));
        if length > fits {
            length = fits;
            fin = false;
            self.ack_now = true;
        }
        if segment.has(Flags::URG) {
            self.urgent = Some(segment.seq + segment.length);
        }
        if length > 0 {
            if start == self.receive_next {
                self.take_in_order(segment, datagram, known, length);
            } else {
                self.take_later(link, segment, datagram, start, length);
            }
        } else if segment.length > 0 {
            self.ack_now = true;
        }
        if self.receive_next != before {
            outcome.notify = true;
            self.delay_ack(link, self.receive_next.since(before), segment);
        }
        if fin {
            if self.receive_next == segment.seq + segment.length {
                self.take_fin(link, outcome);
            } else {
                self.ack_now = true;
            }
        }
    }

    fn take_in_order(&mut self, segment: &Segment, datagram: &Datagram<'_>, known: usize, length: usize) {
        let (mut skip, mut left) = (known, length);
        let discard = self.receive_shut;
        datagram.chunks_from(segment.header_length, |mut chunk| {
            let skipped = skip.min(chunk.len());
            skip -= skipped;
            chunk.advance(skipped);
            chunk.truncate(left);
            left -= chunk.len();
            if !chunk.is_empty() && !discard {
                self.receive.push(chunk);
            }
        });
        self.receive_next += length;
        if self.receive.has_gap() {
            self.receive_next = self.receive.close_gap(self.receive_next);
            self.ack_now = true;
        }
    }

    fn take_later(&mut self, link: &Link<'_>, segment: &Segment, datagram: &Datagram<'_>, start: Seq, length: usize) {
        self.ack_now = true;
        self.latest = start;
        if link.stack.tcp.is_under_pressure() {
            return;
        }
        let (mut seq, mut left) = (segment.seq, start.since(segment.seq) + length);
        datagram.chunks_from(segment.header_length, |mut chunk| {
            chunk.truncate(left);
            left -= chunk.len();
            let next = seq + chunk.len();
            if !chunk.is_empty() {
                self.receive.insert_later(seq, chunk);
            }
            seq = next;
        });
    }

    /// Decides when received bytes are acknowledged (RFC 9293 section 3.8.6.3).
    fn delay_ack(&mut self, link: &Link<'_>, bytes: usize, segment: &Segment) {
        self.unacknowledged += bytes;
        self.data_received = link.now;
        let is_small = segment.length < self.mss;
        let quick = if is_small {
            self.quick_acks = self.quick_acks.saturating_sub(1);
            self.quick_acks > 0 && !self.answers
        } else {
            self.receive_next.since(self.irs) <= QUICK_BYTES
        };
        if self.ack_now || quick && self.settings.quick_ack || self.unacknowledged >= 2 * self.mss {
            self.ack_now = true;
        } else {
            self.small_waits |= is_small;
            self.delayed_ack = self.delayed_ack.min(link.now + DELAYED_ACK);
        }
    }

    fn take_fin(&mut self, link: &Link<'_>, outcome: &mut Outcome) {
        self.receive_next += 1;
        self.offered = self.offered.max(self.receive_next);
        self.fin_received = true;
        self.ack_now = true;
        outcome.notify = true;
        match self.state {
            State::Established => self.state = State::CloseWait,
            State::FinWait1 => self.state = State::Closing,
            State::FinWait2 => {
                // The acknowledgement goes out before the connection becomes an entry.
                self.send_ack(link);
                self.enter_time_wait(link, outcome);
            }
            _ => {}
        }
    }

    /// An ICMP error quotes a segment of ours.
    pub(super) fn input_error(&mut self, link: &Link<'_>, unreachable: &Unreachable<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(&[.., s0, s1, s2, s3]) = unreachable.quoted.first_chunk::<8>() else {
            return outcome;
        };
        let seq = Seq(u32::from_be_bytes([s0, s1, s2, s3]));
        if seq < self.una || seq > self.max || self.state == State::Closed {
            return outcome;
        }
        if unreachable.mtu.is_some() {
            self.shrink_path(link);
            self.output(link);
            return outcome;
        }
        if matches!(self.state, State::SynSent | State::SynReceived) {
            self.fail(Some(unreachable.errno), &mut outcome);
        } else {
            // An attacker could send it: an established connection only remembers (RFC 5927 section 5.2).
            self.soft_error = Some(unreachable.errno);
        }
        outcome
    }

    /// The path carries less than it did (RFC 1191, RFC 8201): cut smaller and send again at once.
    fn shrink_path(&mut self, link: &Link<'_>) {
        let before = self.mss;
        self.update_mss(link.stack, link.connection.remote);
        if self.mss >= before {
            return;
        }
        if self.max > self.una && self.state.is_synchronized() {
            self.next = self.una;
            self.scoreboard.clear();
            self.timed = None;
        }
    }
}
