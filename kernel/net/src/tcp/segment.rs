//! TCP segments: what is read from a header, and how one is written.

use smoltcp::wire::{TcpOption, TcpPacket, TcpSeqNumber};

use super::sequence::Seq;
use crate::checksum::Sum;
use crate::header::Header;
use crate::ip::{Datagram, Endpoint, protocol};

bitflags::bitflags! {
    /// Control bits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Flags: u8 {
        const FIN = 0x01;
        const SYN = 0x02;
        const RST = 0x04;
        const PSH = 0x08;
        const ACK = 0x10;
        const URG = 0x20;
    }
}

/// What the options of a segment say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) mss: Option<u16>,
    pub(crate) window_scale: Option<u8>,
    pub(crate) sack_permitted: bool,
    pub(crate) sack: [Option<(u32, u32)>; 3],
    /// Value and echo reply.
    pub(crate) timestamp: Option<(u32, u32)>,
}

/// The header of a received segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) seq: Seq,
    pub(crate) ack: Seq,
    pub(crate) flags: Flags,
    /// As it stands in the header, not scaled.
    pub(crate) window: u16,
    pub(crate) options: Options,
    pub(crate) header_length: usize,
    /// Bytes of payload.
    pub(crate) length: usize,
}

impl Segment {
    /// Reads the header; `None` for one that is malformed or whose checksum is wrong.
    #[inline]
    pub(crate) fn parse(datagram: &Datagram<'_>) -> Option<Self> {
        let packet = TcpPacket::new_checked(datagram.bytes).ok()?;
        let length = datagram.len();
        if !datagram.checksum_verified {
            let mut sum = Sum::default();
            sum.add_pseudo_header(datagram.source, datagram.destination, protocol::TCP, length);
            sum.add(datagram.bytes);
            if sum.checksum() != [0, 0] {
                return None;
            }
        }
        let header_length = usize::from(packet.header_len());
        let (source_port, destination_port) = (packet.src_port(), packet.dst_port());
        if source_port == 0 || destination_port == 0 {
            return None;
        }
        Some(Self {
            source_port,
            destination_port,
            seq: Seq(packet.seq_number().0 as u32),
            ack: Seq(packet.ack_number().0 as u32),
            flags: Flags::from_bits_truncate(datagram.bytes[13]),
            window: packet.window_len(),
            options: parse_options(packet.options())?,
            header_length,
            length: length - header_length,
        })
    }

    #[inline]
    pub(crate) fn has(&self, flags: Flags) -> bool {
        self.flags.contains(flags)
    }

    /// What it takes of the sequence space.
    #[inline]
    pub(crate) fn sequence_length(&self) -> usize {
        self.length + usize::from(self.has(Flags::SYN)) + usize::from(self.has(Flags::FIN))
    }
}

fn parse_options(mut bytes: &[u8]) -> Option<Options> {
    let mut options = Options::default();
    // The one layout that nearly all segments have.
    if let [1, 1, 8, 10, v0, v1, v2, v3, e0, e1, e2, e3] = *bytes {
        options.timestamp = Some((
            u32::from_be_bytes([v0, v1, v2, v3]),
            u32::from_be_bytes([e0, e1, e2, e3]),
        ));
        return Some(options);
    }
    while !bytes.is_empty() {
        let (rest, option) = TcpOption::parse(bytes).ok()?;
        match option {
            TcpOption::EndOfList => break,
            TcpOption::MaxSegmentSize(mss) => options.mss = Some(mss),
            // RFC 7323 section 2.3: a shift beyond 14 counts as 14.
            TcpOption::WindowScale(shift) => options.window_scale = Some(shift.min(14)),
            TcpOption::SackPermitted => options.sack_permitted = true,
            TcpOption::SackRange(ranges) => options.sack = ranges,
            TcpOption::TimeStamp { tsval, tsecr } => options.timestamp = Some((tsval, tsecr)),
            TcpOption::NoOperation | TcpOption::Unknown { .. } => {}
        }
        bytes = rest;
    }
    Some(options)
}

/// The header of a segment to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outline {
    pub(crate) local: Endpoint,
    pub(crate) remote: Endpoint,
    pub(crate) seq: Seq,
    pub(crate) ack: Seq,
    pub(crate) flags: Flags,
    /// Already scaled.
    pub(crate) window: u16,
    pub(crate) options: Options,
}

/// Where the checksum stands in the header.
pub(crate) const CHECKSUM_AT: u16 = 16;

impl Outline {
    /// Writes the header, its checksum still zero.
    pub(crate) fn write(&self, header: &mut Header) {
        let options_length = self.options.length();
        let bytes = header.prepend(20 + options_length);
        self.options.write(&mut bytes[20..]);
        bytes[13] = self.flags.bits();
        let mut packet = TcpPacket::new_unchecked(bytes);
        packet.set_src_port(self.local.port);
        packet.set_dst_port(self.remote.port);
        packet.set_seq_number(wire(self.seq));
        packet.set_ack_number(wire(self.ack));
        packet.set_header_len((20 + options_length) as u8);
        packet.set_window_len(self.window);
    }
}

#[expect(clippy::cast_possible_wrap, reason = "the wire format counts in signed numbers")]
fn wire(seq: Seq) -> TcpSeqNumber {
    TcpSeqNumber(seq.0 as i32)
}

impl Options {
    /// Bytes that they take, padded to words.
    fn length(&self) -> usize {
        let blocks = self.sack.iter().flatten().count();
        let word = |present: bool| if present { 4 } else { 0 };
        let sack = if blocks > 0 { 4 + 8 * blocks } else { 0 };
        let timestamp = if self.timestamp.is_some() {
            12
        } else {
            word(self.sack_permitted)
        };
        word(self.mss.is_some()) + word(self.window_scale.is_some()) + timestamp + sack
    }

    fn write(&self, mut into: &mut [u8]) {
        const NOP: TcpOption<'static> = TcpOption::NoOperation;
        if let Some(mss) = self.mss {
            into = TcpOption::MaxSegmentSize(mss).emit(into);
        }
        if let Some((tsval, tsecr)) = self.timestamp {
            // SACK-permitted takes the place of the padding.
            if self.sack_permitted {
                into = TcpOption::SackPermitted.emit(into);
            } else {
                into = NOP.emit(into);
                into = NOP.emit(into);
            }
            into = TcpOption::TimeStamp { tsval, tsecr }.emit(into);
        } else if self.sack_permitted {
            into = NOP.emit(into);
            into = NOP.emit(into);
            into = TcpOption::SackPermitted.emit(into);
        }
        if let Some(shift) = self.window_scale {
            into = NOP.emit(into);
            into = TcpOption::WindowScale(shift).emit(into);
        }
        if self.sack.iter().any(Option::is_some) {
            into = NOP.emit(into);
            into = NOP.emit(into);
            TcpOption::SackRange(self.sack).emit(into);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn datagram(bytes: &[u8]) -> Datagram<'_> {
        Datagram {
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
            protocol: protocol::TCP,
            ttl: 64,
            tos: 0,
            ip_header: &[],
            bytes,
            tail: &[],
            checksum_verified: true,
            is_loopback: false,
            interface: crate::ip::Interface::Ethernet,
            is_broadcast: false,
            is_reassembled: false,
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seq: u32, ack: u32, window: u16, flags in 0u8..64, mss: Option<u16>, scale in prop::option::of(0u8..15),
                                   sack_permitted: bool, timestamp: Option<(u32, u32)>, sack: [Option<(u32, u32)>; 2]) {
            let mut sack = [sack[0], sack[1], None];
            sack.sort_by_key(Option::is_none);
            let has_sack = sack[0].is_some();
            let options = Options { mss: if has_sack { None } else { mss }, window_scale: if has_sack { None } else { scale }, sack_permitted: sack_permitted && !has_sack, sack, timestamp };
            let outline = Outline {
                local: Endpoint::new([10, 0, 0, 1].into(), 1), remote: Endpoint::new([10, 0, 0, 2].into(), 2),
                seq: Seq(seq), ack: Seq(ack), flags: Flags::from_bits_truncate(flags), window, options,
            };
            let mut header = Header::new();
            outline.write(&mut header);
            let segment = Segment::parse(&datagram(header.bytes())).expect("a written header is well-formed");
            prop_assert_eq!(segment.options, options);
            prop_assert_eq!((segment.seq, segment.ack, segment.window, segment.flags), (Seq(seq), Seq(ack), window, outline.flags));
            prop_assert_eq!((segment.source_port, segment.destination_port, segment.length), (1, 2, 0));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = Segment::parse(&datagram(&bytes));
        }
    }
}
