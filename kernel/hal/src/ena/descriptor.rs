//! Descriptors of the I/O queues, and their completions (`ena_eth_io_defs.h`).

use core::ops::Range;

use crate::dma::Buffer;
use crate::network::{Outgoing, Version};

/// Words of a descriptor of either direction, and of a receive completion.
pub(super) type Words = [u32; 4];
/// Their bytes.
pub(super) const SIZE: usize = 16;
/// Bytes of a transmit completion.
pub(super) const TRANSMIT_COMPLETION: usize = 8;
pub(super) const RECEIVE_COMPLETION: usize = 16;
/// The phase is the same bit of the first word of every descriptor and completion.
pub(super) const PHASE_SHIFT: u32 = 24;

/// The phase of the entry that comes after `count` others in a queue: 1 in its first round, 0 in the second, and so on.
pub(super) fn phase(count: u16, depth: u16) -> u32 {
    u32::from((count / depth).is_multiple_of(2))
}

const FIRST: u32 = 1 << 26;
const LAST: u32 = 1 << 27;
const COMPLETION_REQUESTED: u32 = 1 << 28;

const ETHERNET_HEADER: usize = 14;
const DONT_FRAGMENT: u32 = 1 << 4;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// What a transmit descriptor says beside where the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// `meta_ctrl` without the request's number.
    control: u32,
    /// What the device needs to know of headers for it.
    pub(super) meta: Option<Meta>,
    /// Bytes up to the end of TCP's or UDP's header without options; 0 for what is neither.
    header: usize,
}

/// Where headers are (`ena_eth_io_tx_meta_desc`): Ethernet's is before the IP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meta {
    ip_offset: u8,
    ip_length: u8,
    tcp_words: u8,
    segment: u16,
}

/// What a packet's Internet header says.
struct Internet {
    /// What a descriptor calls the version, and asks for a checksum of the header itself.
    number: u32,
    own_checksum: u32,
    /// What a descriptor says of it in any case.
    control: u32,
    length: usize,
    protocol: u8,
    is_later_fragment: bool,
}

impl Internet {
    fn of(start: &[u8]) -> Option<Self> {
        const L3_IPV4: u32 = 8;
        const L3_IPV6: u32 = 11;
        const L3_CHECKSUM: u32 = 1 << 13;
        const IPV6_HEADER: usize = 40;
        let ip = start.get(ETHERNET_HEADER..)?;
        match Version::of(start)? {
            Version::V4 if ip.len() >= 20 => {
                let fragment = u16::from_be_bytes([ip[6], ip[7]]);
                Some(Self {
                    number: L3_IPV4,
                    own_checksum: L3_CHECKSUM,
                    control: if fragment & 0x4000 != 0 { DONT_FRAGMENT } else { 0 },
                    length: usize::from(ip[0] & 0xf) * 4,
                    protocol: ip[9],
                    is_later_fragment: fragment & 0x1fff != 0,
                })
            }
            // What has extension headers is neither TCP nor UDP here, and nothing is wanted for it.
            Version::V6 if ip.len() >= IPV6_HEADER => Some(Self {
                number: L3_IPV6,
                own_checksum: 0,
                control: 0,
                length: IPV6_HEADER,
                protocol: ip[6],
                is_later_fragment: false,
            }),
            _ => None,
        }
    }
}

impl Shape {
    /// Of a packet that begins with these bytes, all headers among them. `None` when the device cannot do with it what is wanted.
    pub(super) fn of(outgoing: Outgoing, start: &[u8]) -> Option<Self> {
        const SEGMENT: u32 = 1 << 7;
        const L4_TCP: u32 = 12 << 8;
        const L4_UDP: u32 = 13 << 8;
        const L4_CHECKSUM: u32 = 1 << 14;
        const L4_PARTIAL: u32 = 1 << 17;
        let plain = |control| Self {
            control,
            meta: None,
            header: 0,
        };
        let wants_nothing = outgoing.checksum.is_none() && outgoing.segments.is_none();
        let Some(internet) = Internet::of(start) else {
            return wants_nothing.then(|| plain(DONT_FRAGMENT));
        };
        let control = internet.control;
        let (l4, l4_length) = match internet.protocol {
            TCP => (L4_TCP, 20),
            UDP => (L4_UDP, 8),
            _ => (0, 0),
        };
        let l4_start = ETHERNET_HEADER + internet.length;
        let header = l4_start + l4_length;
        if l4 == 0 || internet.is_later_fragment || start.len() < header {
            return wants_nothing.then(|| plain(control));
        }
        if wants_nothing {
            return Some(Self {
                header,
                ..plain(control)
            });
        }
        let is_tcp = internet.protocol == TCP;
        let tcp_words = if is_tcp { start[l4_start + 12] >> 4 } else { 0 };
        let (what, segment) = match outgoing.segments {
            // The device computes all sums of the segments, the pseudo-header's too.
            Some((_, size)) if is_tcp => (SEGMENT | internet.own_checksum | L4_CHECKSUM, size),
            Some(_) => return None,
            None => (L4_CHECKSUM | L4_PARTIAL, 0),
        };
        let meta = Meta {
            ip_offset: ETHERNET_HEADER as u8,
            ip_length: internet.length as u8,
            tcp_words,
            segment,
        };
        Some(Self {
            control: control | what | internet.number | l4,
            meta: Some(meta),
            header,
        })
    }

    /// What to say of headers in a queue in the guest's memory, of a packet of so many bytes: the end of TCP's or UDP's, when the packet is
    /// longer than the most that can be said.
    pub(super) fn told_header(&self, length: usize, most: usize) -> usize {
        if length > most && self.header <= most {
            self.header
        } else {
            0
        }
    }
}

impl Meta {
    /// The descriptor, which is the first of its packet and is remembered for those that follow.
    pub(super) fn encode(self) -> Words {
        const VALID: u32 = 1 << 14;
        const EXTENDED: u32 = 1 << 20;
        const STORE: u32 = 1 << 21;
        const IS_META: u32 = 1 << 23;
        let segment = u32::from(self.segment);
        let first = VALID | EXTENDED | STORE | IS_META | FIRST | (segment >> 10 & 0xf) << 16;
        let lengths = u32::from(self.ip_length) | u32::from(self.ip_offset) << 8 | u32::from(self.tcp_words) << 16;
        [first, 0, lengths | segment << 22, 0]
    }
}

/// Bytes of a packet for a transmit descriptor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) address: u64,
    pub(super) length: usize,
}

impl Piece {
    /// A part of a page; without an address when it is empty.
    pub(super) fn of(page: &Buffer, part: Range<usize>) -> Self {
        let address = page.address() + part.start as u64;
        Self {
            address: if part.is_empty() { 0 } else { address },
            length: part.len(),
        }
    }
}

/// The first descriptor of a packet behind its metadata (`ena_eth_io_tx_desc`). `is_first` when there is none of these; `header` bytes of
/// headers are told of.
pub(super) fn first_transmit(shape: &Shape, number: u16, piece: Piece, header: usize, is_first: bool) -> Words {
    let number = u32::from(number);
    let mut words = next_transmit(piece);
    words[0] |= COMPLETION_REQUESTED | (number >> 10) << 16 | if is_first { FIRST } else { 0 };
    words[1] = shape.control | number << 22;
    words[3] |= (header as u32) << 24;
    words
}

/// Another descriptor of a packet.
pub(super) fn next_transmit(piece: Piece) -> Words {
    let high = (piece.address >> 32) as u32 & 0xffff;
    [piece.length as u32, 0, piece.address as u32, high]
}

/// Makes a descriptor the last one of its packet.
pub(super) fn end_transmit(words: &mut Words) {
    words[0] |= LAST;
}

/// What became of a packet to send, from the first word (`ena_eth_io_tx_cdesc`): its request's number; `None` when there is something where
/// the device keeps zeroes.
pub(super) fn transmit_completion(word: u32, zeroes_are_kept: bool) -> Option<u16> {
    const ZEROES: u32 = 0b11 << 30;
    (word & ZEROES == 0 || !zeroes_are_kept).then_some(word as u16)
}

/// A buffer to receive into (`ena_eth_io_rx_desc`).
pub(super) fn receive(number: u16, address: u64, length: usize) -> Words {
    const RECEIVE_FIRST: u32 = 1 << 2;
    const RECEIVE_LAST: u32 = 1 << 3;
    const RECEIVE_COMPLETION: u32 = 1 << 4;
    /// `reserved5`, which must be one.
    const ONE: u32 = 1 << 5;
    let control = RECEIVE_FIRST | RECEIVE_LAST | RECEIVE_COMPLETION | ONE;
    [
        length as u32 | control << 24,
        number.into(),
        address as u32,
        (address >> 32) as u32 & 0xffff,
    ]
}

/// A buffer that was received into (`ena_eth_io_rx_cdesc_base`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) number: u16,
    pub(super) length: usize,
    /// Where the packet begins, in its first buffer.
    pub(super) offset: usize,
    pub(super) is_first: bool,
    pub(super) is_last: bool,
    /// TCP's or UDP's checksum was found right. Says something in the last one only.
    pub(super) is_verified: bool,
}

impl Received {
    /// `None` when there is something where the device keeps zeroes.
    pub(super) fn decode(words: Words, zeroes_are_kept: bool) -> Option<Self> {
        const ZEROES: u32 = 1 << 7 | 1 << 17;
        const L4_ERROR: u32 = 1 << 14;
        const IPV4_FRAGMENT: u32 = 1 << 15;
        const L4_CHECKED: u32 = 1 << 16;
        const L4_TCP: u32 = 12;
        const L4_UDP: u32 = 13;
        let status = words[0];
        if status & ZEROES != 0 && zeroes_are_kept {
            return None;
        }
        let protocol = status >> 8 & 0x1f;
        Some(Self {
            number: (words[1] >> 16) as u16,
            length: (words[1] & 0xffff) as usize,
            offset: (words[3] >> 16 & 0xff) as usize,
            is_first: status & FIRST != 0,
            is_last: status & LAST != 0,
            is_verified: status & (L4_CHECKED | L4_ERROR | IPV4_FRAGMENT) == L4_CHECKED
                && matches!(protocol, L4_TCP | L4_UDP),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Checksum;

    fn packet(protocol: u8, fragment: u16) -> [u8; 60] {
        let mut bytes = [0; 60];
        bytes[12] = 8;
        bytes[14] = 0x45;
        bytes[20..22].copy_from_slice(&fragment.to_be_bytes());
        bytes[23] = protocol;
        bytes[34 + 12] = 6 << 4;
        bytes
    }

    const CHECKSUM: Outgoing = Outgoing {
        checksum: Some(Checksum { start: 34, offset: 16 }),
        segments: None,
    };

    #[test]
    fn ena_packets_are_shaped_by_their_headers() {
        let plain = Shape::of(Outgoing::default(), &packet(TCP, 0x4000)).expect("sent");
        assert_eq!((plain.control, plain.meta, plain.header), (1 << 4, None, 54));
        assert_eq!((plain.told_header(60, 96), plain.told_header(97, 96)), (0, 54));
        let udp = Shape::of(CHECKSUM, &packet(UDP, 0)).expect("sent");
        assert_eq!(udp.control, 8 | 13 << 8 | 1 << 14 | 1 << 17);
        assert_eq!(udp.header, 42);
        let other = Shape::of(Outgoing::default(), &[0xff; 60]).expect("sent");
        assert_eq!((other.control, other.told_header(1000, 96)), (1 << 4, 0));
        assert!(Shape::of(CHECKSUM, &[0xff; 60]).is_none());
        assert!(Shape::of(CHECKSUM, &packet(1, 0)).is_none(), "ICMP");
        assert!(Shape::of(CHECKSUM, &packet(UDP, 0x0001)).is_none(), "a later fragment");
        assert_eq!(
            Shape::of(Outgoing::default(), &packet(UDP, 1)).map(|shape| shape.header),
            Some(0)
        );

        let cut = Outgoing {
            segments: Some((58, 1460)),
            ..CHECKSUM
        };
        let cut = Shape::of(cut, &packet(TCP, 0x4000)).expect("sent");
        assert_eq!(cut.control, 8 | 1 << 4 | 1 << 7 | 12 << 8 | 1 << 13 | 1 << 14);
        let meta = cut.meta.expect("headers").encode();
        // 1460 is 436 and 1 · 1024.
        assert_eq!(meta[0], 1 << 14 | 1 << 16 | 1 << 20 | 1 << 21 | 1 << 23 | 1 << 26);
        assert_eq!(meta[1..], [0, 0x14 | 0xe << 8 | 6 << 16 | 436 << 22, 0]);
    }

    #[test]
    fn ena_transmit_descriptors_split_the_number() {
        let shape = Shape::of(Outgoing::default(), &packet(TCP, 0)).expect("sent");
        let piece = Piece {
            address: 0x1234_5678_9abc,
            length: 60,
        };
        let mut words = first_transmit(&shape, 0x0c05, piece, 54, true);
        end_transmit(&mut words);
        assert_eq!(words[0], 0x3c | 3 << 16 | 1 << 26 | 1 << 27 | 1 << 28);
        assert_eq!(words[1..], [5 << 22, 0x5678_9abc, 0x1234 | 54 << 24]);
        assert_eq!(first_transmit(&shape, 0, piece, 0, false)[0], 0x3c | 1 << 28);
        assert_eq!(transmit_completion(0x0100_0007, true), Some(7));
        assert_eq!(transmit_completion(0x4100_0007, true), None);
        assert_eq!(transmit_completion(0x4100_0007, false), Some(7));
    }

    #[test]
    fn ena_receive_descriptors_and_completions() {
        assert_eq!(
            receive(3, 0x1_0000_2800, 2048),
            [2048 | 0b0011_1100 << 24, 3, 0x2800, 1]
        );
        let status = |status| Received::decode([status, 9 << 16 | 0x5ea, 0, 2 << 16], true);
        let good = status(8 | 12 << 8 | 1 << 16 | 0b11 << 26).expect("zeroes");
        assert_eq!(
            good,
            Received {
                number: 9,
                length: 1514,
                offset: 2,
                is_first: true,
                is_last: true,
                is_verified: true,
            }
        );
        let verified = |bits| status(bits).map(|received| received.is_verified);
        assert_eq!(verified(13 << 8 | 1 << 16 | 1 << 14), Some(false), "found wrong");
        assert_eq!(verified(13 << 8), Some(false), "not looked at");
        assert_eq!(verified(13 << 8 | 1 << 16 | 1 << 15), Some(false), "a fragment");
        assert_eq!(verified(1 << 16), Some(false), "neither TCP nor UDP");
        assert_eq!(status(1 << 7), None);
        assert!(Received::decode([1 << 17, 0, 0, 0], false).is_some());
    }
}
