//! UDP-Lite (RFC 3828): UDP whose checksum covers the header and as much of the payload as the sender says.

use core::net::IpAddr;

use smoltcp::wire::UdpPacket;

use super::{CHECKSUM_AT, HEADER};
use crate::Chunk;
use crate::checksum::Sum;
use crate::ip::{Datagram, protocol};

/// What the header says of a checksum that covers the whole datagram.
const WHOLE: u16 = 0;

/// Bytes from the header on, which is covered always, that a socket's option names: none for the whole datagram.
pub(crate) fn coverage(option: i32) -> u16 {
    match u16::try_from(option) {
        Ok(WHOLE) => WHOLE,
        Ok(bytes) => bytes.max(HEADER as u16),
        Err(_) if option < 0 => HEADER as u16,
        Err(_) => u16::MAX,
    }
}

/// The sum of what a checksum covers and of the pseudo-header, which has the length of the whole.
fn sum(source: IpAddr, destination: IpAddr, length: usize, covered: usize, parts: &[&[u8]]) -> Sum {
    let mut sum = Sum::default();
    sum.add_pseudo_header(source, destination, protocol::UDP_LITE, length);
    let mut left = covered;
    for part in parts {
        let end = part.len().min(left);
        sum.add(&part[..end]);
        left -= end;
    }
    sum
}

/// Whether a datagram is in order, and how many bytes of it the checksum covers.
pub(super) fn check(datagram: &Datagram<'_>) -> Option<usize> {
    let length = datagram.len();
    let packet = UdpPacket::new_unchecked(datagram.bytes);
    let covered = match packet.len() {
        WHOLE => length,
        bytes => usize::from(bytes),
    };
    if covered < HEADER || covered > length {
        return None;
    }
    if !datagram.is_loopback {
        let sum = sum(
            datagram.source,
            datagram.destination,
            length,
            covered,
            &[datagram.bytes],
        );
        // There is no datagram without a checksum (section 3.1).
        if packet.checksum() == 0 || sum.checksum() != [0, 0] {
            return None;
        }
    }
    Some(covered)
}

/// Completes the header of a datagram of `length` bytes, of which `coverage` are to be covered.
pub(super) fn complete(header: &mut [u8], ends: (IpAddr, IpAddr), length: usize, coverage: u16, payload: &[Chunk]) {
    let covered = match usize::from(coverage) {
        bytes if bytes == usize::from(WHOLE) || bytes > length => length,
        bytes => bytes,
    };
    UdpPacket::new_unchecked(&mut *header).set_len(covered as u16);
    let mut parts = alloc::vec![&*header];
    parts.extend(payload.iter().map(|chunk| &**chunk));
    let checksum = match sum(ends.0, ends.1, length, covered, &parts).checksum() {
        [0, 0] => [0xff, 0xff],
        checksum => checksum,
    };
    let at = usize::from(CHECKSUM_AT);
    header[at..at + 2].copy_from_slice(&checksum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_covers_the_header_at_least() {
        let options = [0, -1, 1, 8, 20, 65_535, 65_536];
        assert_eq!(options.map(coverage), [0, 8, 8, 8, 20, 65_535, 65_535]);
    }

    #[test]
    fn what_is_not_covered_does_not_count() {
        let ends = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let checksum = |coverage, payload: &[u8]| {
            let mut header = [0, 1, 0, 2, 0, 0, 0, 0];
            let length = HEADER + payload.len();
            complete(&mut header, ends, length, coverage, &[Chunk::copy_of(payload)]);
            header
        };
        assert_eq!(checksum(10, b"abcdef"), checksum(10, b"abXXXX"));
        assert_ne!(checksum(10, b"abcdef"), checksum(10, b"aXcdef"));
        assert_ne!(checksum(0, b"abcdef"), checksum(0, b"abXXXX"));
        assert_eq!(checksum(100, b"abcdef"), checksum(0, b"abcdef"));
    }
}
