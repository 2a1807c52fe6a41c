//! TCP segmentation.

use alloc::vec::Vec;

use super::Headers;

/// FIN and PSH: of the last segment only. CWR: of the first only (RFC 3168, section 6.1.2).
const TCP_LAST: u8 = 0x01 | 0x08;
const TCP_FIRST: u8 = 0x80;

/// Cuts the payload, which begins at `start`, into segments of `mss` bytes, each with headers and checksums of its own.
pub(crate) fn cut(frame: &[u8], headers: &Headers, start: usize, mss: usize) -> Vec<Vec<u8>> {
    let payload = &frame[start..headers.end];
    let count = payload.len().div_ceil(mss);
    let segments = payload.chunks(mss).enumerate().map(|(index, part)| {
        let mut segment = frame[..start].to_vec();
        segment.extend_from_slice(part);
        finish(&mut segment, headers, index, index * mss, index + 1 == count);
        segment
    });
    segments.collect()
}

/// Sets lengths, identifier, sequence number, flags and checksums of a segment.
fn finish(segment: &mut [u8], headers: &Headers, index: usize, position: usize, is_last: bool) {
    let add = |segment: &mut [u8], at: usize, value: u16| {
        let old = u16::from_be_bytes([segment[at], segment[at + 1]]);
        segment[at..at + 2].copy_from_slice(&old.wrapping_add(value).to_be_bytes());
    };
    let end = segment.len();
    let here = Headers { end, ..*headers };
    if headers.is_ipv6 {
        let length = (end - headers.l4) as u16;
        segment[headers.l3 + 4..headers.l3 + 6].copy_from_slice(&length.to_be_bytes());
    } else {
        let length = (end - headers.l3) as u16;
        segment[headers.l3 + 2..headers.l3 + 4].copy_from_slice(&length.to_be_bytes());
        add(segment, headers.l3 + 4, index as u16);
        here.set_l3_checksum(segment);
    }
    let at = headers.l4 + 4;
    let sequence = u32::from_be_bytes([segment[at], segment[at + 1], segment[at + 2], segment[at + 3]]);
    segment[at..at + 4].copy_from_slice(&sequence.wrapping_add(position as u32).to_be_bytes());
    if !is_last {
        segment[headers.l4 + 13] &= !TCP_LAST;
    }
    if index != 0 {
        segment[headers.l4 + 13] &= !TCP_FIRST;
    }
    let pseudo = here.pseudo_sum(segment, end - headers.l4);
    here.set_l4_checksum(segment, pseudo);
}
