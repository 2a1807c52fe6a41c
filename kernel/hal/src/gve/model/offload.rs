//! What descriptors ask the device to do with a packet: checksums, segmentation.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::network::model::{Headers, cut};

/// The headers of a packet of TCP or UDP.
pub(super) fn headers(frame: &[u8]) -> Result<Headers, String> {
    let headers = Headers::of(frame).ok_or("an offload for what is no whole IPv4 or IPv6 packet")?;
    if headers.is_fragment {
        return Err("an offload of TCP or UDP for a fragment".into());
    }
    if headers.l4_checksum().is_none() {
        return Err("an offload for what is not TCP or UDP, or cut off".into());
    }
    Ok(headers)
}

fn field(frame: &[u8], headers: &Headers) -> u16 {
    let at = headers.l4_checksum().unwrap_or(0);
    u16::from_be_bytes([frame[at], frame[at + 1]])
}

/// Completes a checksum. Its place must have the sum of the pseudo-header.
pub(super) fn complete(mut frame: Vec<u8>, headers: &Headers) -> Result<Vec<u8>, String> {
    let sum = headers.pseudo_sum(&frame, headers.end - headers.l4);
    let field = field(&frame, headers);
    if field != sum {
        return Err(format!(
            "a checksum to complete with {field:#06x} in its place, where the pseudo-header's sum is {sum:#06x}"
        ));
    }
    headers.set_l4_checksum(&mut frame, sum);
    Ok(frame)
}

/// What must lie in the place of the checksum of a packet to be segmented.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sum {
    /// The sum of the pseudo-header without the length.
    WithoutLength,
    /// That, or the sum with the length of the whole packet: of the vendor's drivers each does one of these.
    Either,
}

/// Cuts a packet of TCP into segments.
pub(super) fn segment(frame: &[u8], headers: &Headers, mss: usize, sum: Sum) -> Result<Vec<Vec<u8>>, String> {
    if !headers.is_tcp() {
        return Err("segmentation of what is not TCP".into());
    }
    let (field, without) = (field(frame, headers), headers.pseudo_sum(frame, 0));
    let with = headers.pseudo_sum(frame, headers.end - headers.l4);
    if field != without && (sum == Sum::WithoutLength || field != with) {
        return Err(format!(
            "segmentation with {field:#06x} in the checksum's place, where the pseudo-header's sum \
             without length is {without:#06x}"
        ));
    }
    let start = headers.l4 + headers.tcp_length(frame);
    if start >= headers.end {
        return Err("segmentation of a packet without payload".into());
    }
    Ok(cut(frame, headers, start, mss))
}
