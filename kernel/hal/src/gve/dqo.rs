//! Descriptors of queues out of order (`gve_desc_dqo.h`): little-endian.

use super::offload::Offload;
use super::transmit_ring::Words;

/// Bytes of a transmit completion, of a buffer to receive into, and of its completion.
pub(super) const TRANSMIT_COMPLETION: usize = 8;
pub(super) const RECEIVE: usize = 32;
/// The device says which descriptors it has fetched when one asks it to, which at most one in so many may (`GVE_TX_MIN_RE_INTERVAL`).
pub(super) const REPORT_INTERVAL: u16 = 32;
/// Tags of packets are smaller.
pub(super) const TAGS: u16 = 1 << 15;
/// The most buffers of a packet, or of each segment that one is cut into, which pages cannot exceed there.
pub(super) const MOST_BUFFERS: usize = 10;
/// Buffers to receive into are announced so many at a time.
pub(super) const ANNOUNCED: u64 = 8;

const END_OF_PACKET: u32 = 1 << 5;

/// The generation bit of the entry that comes after `count` others in a ring: 1 in its first round, 0 in the second, and so on.
pub(super) fn generation(count: u64, entries: u16) -> bool {
    (count / u64::from(entries)).is_multiple_of(2)
}

/// What the device is told before a packet that it cuts into segments (`gve_tx_tso_context_desc_dqo`), of so many bytes in all.
pub(super) fn segmentation(header: u16, size: u16, total: usize) -> Words {
    const DTYPE: u32 = 0x5;
    const TSO: u32 = 1 << 5;
    let payload = total - usize::from(header);
    [
        payload as u32,
        u32::from(size) | u32::from(header) << 16,
        DTYPE | TSO,
        0,
    ]
    .map(u32::to_le)
}

/// Bytes of a packet (`gve_tx_pkt_desc_dqo`); the packet's completion will have the tag.
pub(super) fn buffer(offload: Offload, tag: u16, length: usize, address: u64) -> Words {
    const DTYPE: u32 = 0xc;
    const CHECKSUM: u32 = 1 << 6;
    let checksum = if offload.checksum.is_some() { CHECKSUM } else { 0 };
    [
        address as u32,
        (address >> 32) as u32,
        DTYPE | checksum,
        u32::from(tag) | (length as u32) << 16,
    ]
    .map(u32::to_le)
}

/// Makes a descriptor the last one of its packet.
pub(super) fn end(words: &mut Words) {
    words[2] |= END_OF_PACKET.to_le();
}

/// Makes the last descriptor of a packet ask for a report of what was fetched.
pub(super) fn report(words: &mut Words) {
    const REPORT_EVENT: u32 = 1 << 7;
    words[2] |= REPORT_EVENT.to_le();
}

/// What the device says of packets to send (`gve_tx_compl_desc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The packet of a tag has left.
    Packet(u16),
    /// It has not left yet, and will be put in again.
    Missed(u16),
    /// It has left after that.
    Reinjected(u16),
    /// The descriptors before a place were fetched.
    Fetched(u16),
}

impl Sent {
    /// The generation bit, in the first word.
    pub(super) fn generation(word: u32) -> bool {
        u32::from_le(word) >> 15 & 1 != 0
    }

    /// From the first word; `None` for what is not known, and for other queues than the one that there is.
    pub(super) fn decode(word: u32) -> Option<Self> {
        const QUEUE: u32 = 0x7ff;
        let word = u32::from_le(word);
        if word & QUEUE != 0 {
            return None;
        }
        let tag = (word >> 16) as u16;
        match word >> 11 & 0x7 {
            0x1 => Some(Self::Missed(tag)),
            // In the tag's highest bit devices may say so, too.
            0x2 if tag >= TAGS => Some(Self::Missed(tag - TAGS)),
            0x2 => Some(Self::Packet(tag)),
            0x3 => Some(Self::Reinjected(tag)),
            0x4 => Some(Self::Fetched(tag)),
            _ => None,
        }
    }
}

/// A buffer to receive into (`gve_rx_desc_dqo`): its first words, with zeroes behind them.
pub(super) fn posted(number: u16, address: u64) -> Words {
    [u32::from(number), 0, address as u32, (address >> 32) as u32].map(u32::to_le)
}

/// A buffer that was received into (`gve_rx_compl_desc_dqo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) number: u16,
    pub(super) length: usize,
    pub(super) is_last: bool,
    pub(super) has_failed: bool,
    /// The packet's type, when headers were understood and nothing was found wrong.
    pub(super) sound_type: Option<u16>,
}

impl Received {
    /// The generation bit, in the second word.
    pub(super) fn generation(word: u32) -> bool {
        u32::from_le(word) >> 14 & 1 != 0
    }

    /// From the first words; `None` for a header in a buffer of its own, or a packet made of several, neither of which the driver asks for.
    pub(super) fn decode(words: Words) -> Option<Self> {
        const IPV6_EXTENSION: u32 = 1 << 9;
        const ERROR: u32 = 1 << 10;
        const IP_HEADER_ERROR: u32 = 1 << 26;
        const UDP_LENGTH_ERROR: u32 = 1 << 27;
        const OTHER_QUEUE: u32 = 1 << 15;
        const COALESCED: u32 = 1 << 26;
        const SPLIT: u32 = 1 << 27;
        const END: u32 = 1 << 1;
        const PROCESSED: u32 = 1 << 3;
        const WRONG: u32 = 0xf << 4;
        let words = words.map(u32::from_le);
        if words[1] & (OTHER_QUEUE | COALESCED | SPLIT) != 0 {
            return None;
        }
        let is_sound = words[2] & (PROCESSED | WRONG) == PROCESSED
            && words[0] & (IPV6_EXTENSION | IP_HEADER_ERROR | UDP_LENGTH_ERROR) == 0;
        Some(Self {
            number: words[3] as u16,
            length: (words[1] & 0x3fff) as usize,
            is_last: words[2] & END != 0,
            has_failed: words[0] & ERROR != 0,
            sound_type: is_sound.then_some((words[0] >> 16 & 0x3ff) as u16),
        })
    }
}

/// Bytes of what packet types mean (`gve_ptype_map`): two for each of 1024, network and transport layer.
pub(super) const TYPES: usize = 2048;

/// Whether a type is TCP or UDP over IP, from the word with its entry and another one's.
pub(super) fn is_transport(word: u32, kind: u16) -> bool {
    const IPV4: u8 = 2;
    const IPV6: u8 = 3;
    const TCP: u8 = 2;
    const UDP: u8 = 3;
    let at = usize::from(kind % 2) * 2;
    let entry = word.to_ne_bytes();
    matches!(entry[at], IPV4 | IPV6) && matches!(entry[at + 1], TCP | UDP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gve_transmit_descriptors_out_of_order() {
        let mut plain = buffer(Offload::default(), 0x1234, 60, 0x5_0000_6000);
        assert_eq!(plain, [0x6000, 5, 0xc, 0x1234 | 60 << 16]);
        end(&mut plain);
        assert_eq!(plain[2], 0x2c);
        report(&mut plain);
        assert_eq!(plain[2], 0xac);
        let summed = Offload {
            checksum: Some((34, 16)),
            ..Offload::default()
        };
        assert_eq!(buffer(summed, 0, 4096, 0)[2..], [0x4c, 4096 << 16]);
        assert_eq!(segmentation(54, 1448, 65_521), [65_467, 0x05a8 | 54 << 16, 0x25, 0]);
    }

    #[test]
    fn gve_transmit_completions_out_of_order() {
        let decode = |kind: u32, tag: u32| Sent::decode(kind << 11 | tag << 16);
        assert_eq!(decode(2, 7), Some(Sent::Packet(7)));
        assert_eq!(decode(2, 0x8007), Some(Sent::Missed(7)));
        assert_eq!(decode(1, 7), Some(Sent::Missed(7)));
        assert_eq!(decode(3, 7), Some(Sent::Reinjected(7)));
        assert_eq!(decode(4, 7), Some(Sent::Fetched(7)));
        assert_eq!(decode(0, 7), None);
        assert_eq!(decode(7, 7), None);
        assert_eq!(Sent::decode(2 << 11 | 1), None, "another queue");
        assert!(Sent::generation(0x8000) && !Sent::generation(!0x8000));
    }

    #[test]
    fn gve_generations_change_with_each_round() {
        let bits: alloc::vec::Vec<bool> = [0, 511, 512, 1023, 1024].map(|count| generation(count, 512)).into();
        assert_eq!(bits, [true, true, false, false, true]);
    }

    #[test]
    fn gve_receive_descriptors_out_of_order() {
        assert_eq!(posted(3, 0x5_0000_6800), [3, 0, 0x6800, 5]);
        let good = [1 | 0x155 << 16, 0x05ea | 1 << 14, 0b1011, 9];
        assert_eq!(
            Received::decode(good),
            Some(Received {
                number: 9,
                length: 1514,
                is_last: true,
                has_failed: false,
                sound_type: Some(0x155),
            })
        );
        let with = |at: usize, bits: u32| {
            let mut words = good;
            words[at] ^= bits;
            Received::decode(words)
        };
        let sound = |at, bits| with(at, bits).map(|received| received.sound_type.is_some());
        for bit in [4, 5, 6, 7, 3] {
            assert_eq!(sound(2, 1 << bit), Some(false), "bit {bit} of the flags");
        }
        for bit in [9, 26, 27] {
            assert_eq!(sound(0, 1 << bit), Some(false), "bit {bit} of the first word");
        }
        assert_eq!(sound(0, 1 << 8), Some(true), "from this machine");
        assert_eq!(with(0, 1 << 10).map(|received| received.has_failed), Some(true));
        assert_eq!(with(2, 1 << 1).map(|received| received.is_last), Some(false));
        for bit in [15, 26, 27] {
            assert_eq!(with(1, 1 << bit), None, "bit {bit} of the second word");
        }
        assert!(Received::generation(good[1]) && !Received::generation(!(1 << 14)));
    }

    #[test]
    fn gve_packet_types_are_pairs_of_layers() {
        let word = u32::from_ne_bytes([2, 2, 3, 3]);
        assert!(is_transport(word, 0) && is_transport(word, 0x3ff));
        for (layers, what) in [([2, 4], "ICMP"), ([1, 2], "not IP"), ([0, 0], "unknown")] {
            let [network, transport] = layers;
            assert!(
                !is_transport(u32::from_ne_bytes([network, transport, 2, 2]), 2),
                "{what}"
            );
        }
    }
}
