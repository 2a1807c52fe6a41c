//! SYN cookies: what a half-open connection is, kept by the peer (RFC 4987 section 3.6).
//!
//! The initial sequence number is 5 bits of time, 3 bits of segment size, and 24 bits of a keyed hash. When the peer speaks timestamps,
//! the lowest 6 bits of the first one hold its window shift and whether it permits SACK.

use super::segment::{Options, Segment};
use super::sequence::Seq;
use crate::ip::Endpoint;
use crate::stack::Stack;

const PURPOSE: u64 = 3;
/// Nanoseconds of one step of the time in a cookie.
const STEP: u64 = 32_000_000_000;
/// Steps that a cookie is good for.
const LIFETIME: u64 = 2;
const SIZES: [u16; 8] = [536, 1024, 1220, 1360, 1440, 1460, 4312, 8960];
const HASH_BITS: u32 = 24;
const NO_SHIFT: u32 = 15;
const SACK: u32 = 1 << 4;
const OPTION_BITS: u32 = 0x3f;

/// The initial sequence number for the answer to a SYN.
pub(super) fn make(stack: &Stack, local: Endpoint, remote: Endpoint, segment: &Segment) -> Seq {
    let offered = segment.options.mss.unwrap_or(super::connection::DEFAULT_MSS);
    let size = SIZES.iter().rposition(|&size| size <= offered).unwrap_or(0) as u32;
    let time = stack.now() / STEP;
    cookie(stack, local, remote, segment.seq, time, size)
}

/// Our first timestamp, with the peer's options in its lowest bits. It is the last one not after `clock`: the peer drops a segment whose
/// timestamp is before the one that it has seen (RFC 7323 section 5.3).
pub(super) fn timestamp(clock: u32, options: &Options) -> u32 {
    let shift = options.window_scale.map_or(NO_SHIFT, u32::from);
    let sack = if options.sack_permitted { SACK } else { 0 };
    clock.wrapping_sub(clock.wrapping_sub(sack | shift) & OPTION_BITS)
}

/// The options of the SYN whose cookie `segment` acknowledges; `None` when it is none of ours.
pub(super) fn check(stack: &Stack, local: Endpoint, remote: Endpoint, segment: &Segment) -> Option<Options> {
    let iss = Seq(segment.ack.0.wrapping_sub(1));
    let peer = Seq(segment.seq.0.wrapping_sub(1));
    let now = stack.now() / STEP;
    let size = (iss.0 >> HASH_BITS) & 7;
    let time = (0..=LIFETIME)
        .filter_map(|age| now.checked_sub(age))
        .find(|time| (*time & 31) as u32 == iss.0 >> 27)?;
    if cookie(stack, local, remote, peer, time, size) != iss {
        return None;
    }
    let mut options = Options {
        mss: Some(SIZES[size as usize]),
        timestamp: segment.options.timestamp,
        ..Options::default()
    };
    if let Some((_, echo)) = segment.options.timestamp {
        let shift = echo & 15;
        options.window_scale = (shift != NO_SHIFT).then_some(shift as u8);
        options.sack_permitted = echo & SACK != 0;
    }
    Some(options)
}

fn cookie(stack: &Stack, local: Endpoint, remote: Endpoint, peer: Seq, time: u64, size: u32) -> Seq {
    let salt = time << 35 | u64::from(size) << 32 | u64::from(peer.0);
    let hash = stack.secret.hash(local, remote, PURPOSE, salt) as u32;
    Seq(((time & 31) as u32) << 27 | size << HASH_BITS | (hash & ((1 << HASH_BITS) - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_timestamp_holds_the_options_and_is_not_in_the_future(
            clock: u32, window_scale in prop::option::of(0..15u8), sack_permitted: bool
        ) {
            let options = Options { window_scale, sack_permitted, ..Options::default() };
            let stamp = timestamp(clock, &options);
            prop_assert!(clock.wrapping_sub(stamp) <= OPTION_BITS);
            prop_assert_eq!(stamp & 15, window_scale.map_or(NO_SHIFT, u32::from));
            prop_assert_eq!(stamp & SACK != 0, sack_permitted);
        }
    }
}
