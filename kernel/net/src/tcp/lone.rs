//! Segments without data that no connection keeps track of.

use super::segment::{CHECKSUM_AT, Flags, Outline};
use crate::counters::Count;
use crate::header::Header;
use crate::ip::{Outgoing, Path, protocol};
use crate::stack::Stack;

/// Sends a segment without data, once: who is not reached by it asks again, or finds out by its own timers.
pub(super) fn send(stack: &Stack, outline: &Outline) {
    let mut header = Header::new();
    outline.write(&mut header);
    let outgoing = Outgoing {
        source: outline.local.address,
        destination: outline.remote.address,
        protocol: protocol::TCP,
        ttl: 64,
        tos: 0,
        dont_fragment: true,
        checksum_at: Some(CHECKSUM_AT),
        segment_size: None,
        payload: &[],
    };
    stack.counters.add(Count::TcpSent);
    if outline.flags.contains(Flags::RST) {
        stack.counters.add(Count::TcpResetSent);
    }
    let _ = stack.send(header, &outgoing, &mut Path::default());
}
