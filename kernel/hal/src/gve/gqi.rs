//! Descriptors of queues in order (`gve_desc.h`): big-endian.

use super::offload::Offload;
use super::transmit_ring::Words;

const ETHERNET_HEADER: u32 = 14;
const L4_CHECKSUM: u32 = 1 << 0;
const TSO: u32 = 0x1 << 4;
const SEGMENT: u32 = 0x2 << 4;
/// Of a packet of IPv6 that is cut (`GVE_TXSF_IPV6`).
const SEGMENT_OF_IPV6: u32 = 1 << 1;

/// The first descriptor of a packet (`gve_tx_pkt_desc`): of so many, with so many bytes in all and `length` of them at an address.
pub(super) fn packet(offload: Offload, count: usize, total: usize, length: usize, address: u64) -> Words {
    let kind = match offload {
        Offload { checksum: None, .. } => 0,
        Offload { segments: None, .. } => L4_CHECKSUM,
        Offload { .. } => TSO | L4_CHECKSUM,
    };
    let (start, offset) = offload.checksum.unwrap_or_default();
    big_endian(
        kind << 24 | u32::from(offset / 2) << 16 | u32::from(start / 2) << 8 | count as u32,
        (total as u32) << 16 | length as u32,
        address,
    )
}

/// Another descriptor of a packet (`gve_tx_seg_desc`).
pub(super) fn segment(offload: Offload, length: usize, address: u64) -> Words {
    let (l3, size) = match offload.segments {
        Some((_, size)) => (ETHERNET_HEADER / 2, size),
        None => (0, 0),
    };
    let kind = SEGMENT | if offload.is_cut_ipv6 { SEGMENT_OF_IPV6 } else { 0 };
    big_endian(kind << 24 | l3 << 16, u32::from(size) << 16 | length as u32, address)
}

fn big_endian(first: u32, second: u32, address: u64) -> Words {
    [first, second, (address >> 32) as u32, address as u32].map(u32::to_be)
}

/// Bytes of a description of a received buffer (`gve_rx_desc`), and of its words where anything is that counts.
pub(super) const RECEIVE: usize = 64;
pub(super) const LENGTH_AND_FLAGS: usize = 60;
pub(super) const CHECKSUM: usize = 56;
/// Bytes before a packet in its first buffer.
pub(super) const PADDING: usize = 2;

/// A buffer that was received into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// With the padding.
    pub(super) length: usize,
    pub(super) is_last: bool,
    pub(super) has_failed: bool,
    /// The sum of all behind the Ethernet header, of TCP and UDP that is no fragment.
    pub(super) sum: Option<u16>,
}

/// The number that the description has that comes after `count` others: from 1 to 7.
pub(super) fn sequence(count: u64) -> u32 {
    (count % 7) as u32 + 1
}

/// Whether the word at [`LENGTH_AND_FLAGS`] is of the description that comes after `count` others.
pub(super) fn is_of(word: u32, count: u64) -> bool {
    u32::from_be(word) & 0x7 == sequence(count)
}

impl Received {
    /// From the words at [`LENGTH_AND_FLAGS`] and [`CHECKSUM`].
    pub(super) fn decode(word: u32, checksum: u32) -> Self {
        const FRAGMENT: u32 = 1 << 6;
        const IPV4: u32 = 1 << 7;
        const IPV6: u32 = 1 << 8;
        const TCP: u32 = 1 << 9;
        const UDP: u32 = 1 << 10;
        const ERROR: u32 = 1 << 11;
        const CONTINUES: u32 = 1 << 13;
        let word = u32::from_be(word);
        let sum = u32::from_be(checksum) as u16;
        let is_known = word & FRAGMENT == 0 && word & (IPV4 | IPV6) != 0 && word & (TCP | UDP) != 0;
        Self {
            length: (word >> 16) as usize,
            is_last: word & CONTINUES == 0,
            has_failed: word & ERROR != 0,
            sum: (is_known && sum != 0).then_some(sum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gve_transmit_descriptors_in_order() {
        let plain = packet(Offload::default(), 1, 60, 60, 0x1_0000_2000).map(u32::from_be);
        assert_eq!(plain, [0x0000_0001, 0x003c_003c, 1, 0x2000]);
        let summed = Offload {
            checksum: Some((34, 6)),
            ..Offload::default()
        };
        assert_eq!(u32::from_be(packet(summed, 2, 0, 0, 0)[0]), 0x0103_1102);
        assert_eq!(segment(summed, 100, 0).map(u32::from_be), [0x2000_0000, 100, 0, 0]);
        let cut = Offload {
            checksum: Some((34, 16)),
            segments: Some((54, 1448)),
            ..Offload::default()
        };
        assert_eq!(u32::from_be(packet(cut, 18, 65_535, 54, 0)[0]), 0x1108_1112);
        assert_eq!(
            segment(cut, 4096, 0x5000).map(u32::from_be),
            [0x2007_0000, 1448 << 16 | 4096, 0, 0x5000]
        );
    }

    #[test]
    fn gve_receive_descriptors_in_order() {
        let decode = |word: u32, sum: u16| Received::decode(word.to_be(), u32::from(sum).to_be());
        let tcp = 1516 << 16 | 1 << 7 | 1 << 9;
        assert_eq!(
            decode(tcp, 0x1234),
            Received {
                length: 1516,
                is_last: true,
                has_failed: false,
                sum: Some(0x1234),
            }
        );
        assert_eq!(decode(1 << 7 | 1 << 10, 1).sum, Some(1), "UDP");
        assert_eq!(decode(tcp, 0).sum, None, "not computed");
        assert_eq!(decode(tcp | 1 << 6, 1).sum, None, "a fragment");
        assert_eq!(decode(1 << 7, 1).sum, None, "neither TCP nor UDP");
        assert_eq!(decode(1 << 8 | 1 << 9, 1).sum, Some(1), "IPv6");
        assert_eq!(decode(1 << 9, 1).sum, None, "over neither");
        assert!(decode(1 << 11, 0).has_failed);
        assert!(!decode(1 << 13, 0).is_last);
    }

    #[test]
    fn gve_sequence_numbers_go_round_and_are_never_zero() {
        let numbers: alloc::vec::Vec<u32> = (0..9).map(sequence).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 1, 2]);
        assert!(is_of(0x1234_0009_u32.to_be(), 0));
        assert!(!is_of(0, 6));
    }
}
