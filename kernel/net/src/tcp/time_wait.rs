//! Connections that are over, kept so that late segments do no harm (RFC 9293 section 3.6.1, RFC 6191).

use super::lone;
use super::rtt::{MILLISECOND, SECOND};
use super::segment::{Flags, Options, Outline, Segment};
use super::sequence::Seq;
use crate::ip::Endpoint;
use crate::stack::Stack;

/// All that is left of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeWait {
    pub(super) local: Endpoint,
    pub(super) remote: Endpoint,
    pub(super) next: Seq,
    pub(super) receive_next: Seq,
    pub(super) timestamp_recent: Option<u32>,
    pub(super) timestamp_offset: u32,
    pub(super) expires: u64,
}

/// What becomes of an entry when a segment comes for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Keep,
    /// It is a new connection's SYN: the entry makes way.
    Reuse,
    /// The peer reset it.
    Remove,
}

impl TimeWait {
    /// Linux's `TCP_TIMEWAIT_LEN`.
    pub(super) const LIFETIME: u64 = 60 * SECOND;

    /// Takes a segment.
    pub(super) fn input(&self, stack: &Stack, segment: &Segment) -> Verdict {
        let newer_timestamp = match (self.timestamp_recent, segment.options.timestamp) {
            (Some(known), Some((value, _))) => Some(Seq(value) > Seq(known)),
            _ => None,
        };
        if segment.has(Flags::RST) {
            // Only one that is exactly in place; TIME-WAIT assassination helps nobody (RFC 1337).
            return if segment.seq == self.receive_next {
                Verdict::Remove
            } else {
                Verdict::Keep
            };
        }
        if segment.has(Flags::SYN)
            && !segment.has(Flags::ACK)
            && newer_timestamp.unwrap_or(segment.seq > self.receive_next)
        {
            return Verdict::Reuse;
        }
        if segment.sequence_length() > 0 || segment.seq != self.receive_next {
            self.send_ack(stack);
        }
        Verdict::Keep
    }

    fn send_ack(&self, stack: &Stack) {
        let clock = ((stack.now() / MILLISECOND) as u32).wrapping_add(self.timestamp_offset);
        let outline = Outline {
            local: self.local,
            remote: self.remote,
            seq: self.next,
            ack: self.receive_next,
            flags: Flags::ACK,
            window: 0,
            options: Options {
                timestamp: self.timestamp_recent.map(|recent| (clock, recent)),
                ..Options::default()
            },
        };
        lone::send(stack, &outline);
    }
}
