//! What the device has to do with a packet to send, and the checksum that it begins with.

use core::ops::Range;

use super::description::Format;
use crate::network::{Outgoing, Pages, Version};

const ETHERNET_HEADER: usize = 14;
const TCP: u32 = 6;

/// Where the addresses of a packet are in its frame.
fn addresses(version: Version) -> Range<usize> {
    match version {
        Version::V4 => ETHERNET_HEADER + 12..ETHERNET_HEADER + 20,
        Version::V6 => ETHERNET_HEADER + 8..ETHERNET_HEADER + 40,
    }
}

/// What the device has to do with a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offload {
    /// Complete a checksum: where the sum starts, and where its place is counted from there.
    pub(super) checksum: Option<(u16, u16)>,
    /// Cut what is behind so many bytes of headers into segments of so many.
    pub(super) segments: Option<(u16, u16)>,
    /// What is cut is a packet of IPv6.
    pub(super) is_cut_ipv6: bool,
}

impl Offload {
    /// Of a packet of TCP or UDP whose headers are in the first page. `None` when the device cannot do what is wanted.
    pub(super) fn of(outgoing: Outgoing, pages: &mut Pages, format: Format) -> Option<Self> {
        /// The largest header, and the smallest segment.
        const MOST_HEADER: usize = 255;
        const LEAST_SEGMENT: u16 = 88;
        let Some(checksum) = outgoing.checksum else {
            return outgoing.segments.is_none().then(Self::default);
        };
        let place = usize::from(checksum.start) + usize::from(checksum.offset);
        let in_words = |value: u16| value.is_multiple_of(2) && u8::try_from(value / 2).is_ok();
        if !in_words(checksum.start) || !in_words(checksum.offset) || place + 2 > pages.start().len() {
            return None;
        }
        let mut is_cut_ipv6 = false;
        if let Some((header, size)) = outgoing.segments {
            let version = Version::of(pages.first.bytes())?;
            is_cut_ipv6 = version == Version::V6;
            let addresses = addresses(version);
            let headers = addresses.end..pages.start().len().min(MOST_HEADER + 1);
            if !headers.contains(&header.into()) || place + 2 > header.into() || size < LEAST_SEGMENT {
                return None;
            }
            // In order the device is given the sum as without segments; out of order without the length, which it adds for each segment.
            let length = if format.is_in_order() {
                pages.length() - usize::from(checksum.start)
            } else {
                0
            };
            let bytes = pages.first.bytes_mut();
            let sum = pseudo_header(&bytes[addresses], TCP, length);
            bytes[place..place + 2].copy_from_slice(&sum.to_be_bytes());
        }
        Some(Self {
            checksum: Some((checksum.start, checksum.offset)),
            segments: outgoing.segments,
            is_cut_ipv6,
        })
    }
}

/// The sum of a pseudo-header (RFC 9293 section 3.1), from the two addresses.
fn pseudo_header(addresses: &[u8], protocol: u32, length: usize) -> u16 {
    fold(words(addresses) + protocol + length as u32)
}

/// The sum of words of 16 bits.
fn words(bytes: &[u8]) -> u32 {
    let words = bytes.as_chunks::<2>().0;
    words.iter().map(|&word| u32::from(u16::from_be_bytes(word))).sum()
}

/// The one's complement sum of 16 bits (RFC 1071).
fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Whether the checksum of a received frame of TCP or UDP is right, from the sum of all that is behind its Ethernet header. False when that
/// cannot be told.
pub(super) fn is_right(frame: &[u8], sum: u16) -> bool {
    const IPV6_HEADER: usize = 40;
    let version = Version::of(frame);
    let ip = frame.get(ETHERNET_HEADER..).unwrap_or_default();
    let word = |at: usize| usize::from(u16::from_be_bytes([ip[at], ip[at + 1]]));
    let (sum, protocol, length) = match version {
        // A header of IPv4 that is right adds nothing to the sum, and one that is wrong is found out later.
        Some(Version::V4) if ip.len() >= 20 => {
            let header = usize::from(ip[0] & 0xf) * 4;
            (u32::from(sum), ip[9], word(2).checked_sub(header))
        }
        Some(Version::V6) if ip.len() >= IPV6_HEADER => {
            let header = fold(words(&ip[..IPV6_HEADER]));
            (u32::from(sum) + u32::from(!header), ip[6], Some(word(4)))
        }
        _ => return false,
    };
    let (Some(version), Some(length)) = (version, length) else {
        return false;
    };
    let pseudo = pseudo_header(&frame[addresses(version)], protocol.into(), length);
    fold(sum + u32::from(pseudo)) == 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::model::{self, samples};
    use crate::network::{Checksum, Store};

    const TCP_SUM: Option<Checksum> = Some(Checksum { start: 34, offset: 16 });

    fn shaped(outgoing: Outgoing, format: Format, length: usize) -> (Option<Offload>, [u8; 2]) {
        let mut frame = alloc::vec![0; length];
        frame[12] = 8;
        frame[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        let mut pages = Store::up_to(u64::MAX)
            .copy(0, &mut core::iter::once(&frame[..]))
            .expect("memory");
        let offload = Offload::of(outgoing, &mut pages, format);
        let bytes = pages.first.bytes();
        (offload, [bytes[50], bytes[51]])
    }

    #[test]
    fn gve_packets_have_the_sum_that_their_format_wants() {
        let cut = Outgoing {
            checksum: TCP_SUM,
            segments: Some((54, 1448)),
        };
        let offload = Some(Offload {
            checksum: Some((34, 16)),
            segments: Some((54, 1448)),
            is_cut_ipv6: false,
        });
        // 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 6, and 66 + 5000 - 34 - 0x20.
        assert_eq!(shaped(cut, Format::DqoRda, 5000), (offload, 0x1409_u16.to_be_bytes()));
        assert_eq!(
            shaped(cut, Format::GqiQpl, 5000),
            (offload, (0x1409_u16 + 4966).to_be_bytes())
        );
        let whole = Outgoing {
            checksum: TCP_SUM,
            segments: None,
        };
        let (offload, sum) = shaped(whole, Format::DqoRda, 60);
        assert_eq!(
            (offload.map(|offload| offload.segments), sum),
            (Some(None), [0; 2]),
            "left alone"
        );
        assert_eq!(
            shaped(Outgoing::default(), Format::GqiQpl, 60).0,
            Some(Offload::default())
        );
    }

    #[test]
    fn gve_packets_that_the_device_cannot_cut_are_refused() {
        let with = |checksum: Option<(u16, u16)>, segments, length| {
            let checksum = checksum.map(|(start, offset)| Checksum { start, offset });
            shaped(Outgoing { checksum, segments }, Format::DqoRda, length).0
        };
        assert!(with(Some((34, 16)), Some((54, 88)), 5000).is_some());
        assert!(
            with(Some((34, 16)), Some((54, 87)), 5000).is_none(),
            "segments too small"
        );
        assert!(
            with(Some((34, 16)), Some((256, 88)), 5000).is_none(),
            "headers too large"
        );
        assert!(
            with(Some((34, 16)), Some((51, 88)), 5000).is_none(),
            "a sum behind the headers"
        );
        assert!(
            with(Some((34, 16)), Some((60, 88)), 60).is_none(),
            "nothing behind the headers"
        );
        assert!(with(None, Some((54, 88)), 5000).is_none(), "segments without sums");
        assert!(with(Some((34, 25)), None, 60).is_none(), "in the middle of a word");
        assert!(with(Some((34, 26)), None, 60).is_none(), "behind the end");
        assert!(with(Some((512, 0)), None, 5000).is_none(), "too far");
    }

    #[test]
    fn gve_sums_of_frames_of_ipv6_are_checked() {
        for sample in [samples::UDP6, samples::TCP6] {
            let mut frame = samples::bytes(sample);
            assert!(is_right(&frame, model::sum(0, &frame[14..])));
            frame[61] ^= 1;
            assert!(!is_right(&frame, model::sum(0, &frame[14..])));
            assert!(!is_right(&frame[..53], 0), "no whole header");
        }
    }

    #[test]
    fn gve_sums_of_received_frames_are_checked() {
        // UDP from 10.0.0.1:1 to 10.0.0.2:2, of one byte.
        let mut frame = [0; 60];
        frame[12] = 8;
        frame[14..34].copy_from_slice(&[0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame[34..43].copy_from_slice(&[0, 1, 0, 2, 0, 9, 0, 0, 0x61]);
        let all = |frame: &[u8]| {
            fold(
                frame
                    .chunks(2)
                    .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
                    .sum(),
            )
        };
        let header = !all(&frame[14..34]);
        frame[24..26].copy_from_slice(&header.to_be_bytes());
        let datagram = !fold(u32::from(all(&frame[34..])) + u32::from(pseudo_header(&frame[26..34], 17, 9)));
        frame[40..42].copy_from_slice(&datagram.to_be_bytes());
        assert!(is_right(&frame, all(&frame[14..])));
        frame[42] ^= 1;
        assert!(!is_right(&frame, all(&frame[14..])));
        assert!(!is_right(&frame[..33], 0), "no whole header");
        frame[16..18].copy_from_slice(&[0, 19]);
        assert!(!is_right(&frame, 0), "shorter than its header");
    }
}
