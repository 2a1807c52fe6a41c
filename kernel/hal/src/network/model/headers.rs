//! Headers and checksums of frames, as far as offloads need them.

/// Of Ethernet, and with a tag (IEEE 802.1Q).
const ETHERNET: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Where a frame's headers lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Headers {
    pub(crate) is_ipv6: bool,
    pub(crate) l3: usize,
    pub(crate) l4: usize,
    /// The end of the packet; what follows is padding.
    pub(crate) end: usize,
    pub(crate) protocol: u8,
    pub(crate) is_fragment: bool,
    pub(crate) dont_fragment: bool,
}

fn half(frame: &[u8], at: usize) -> u16 {
    frame
        .get(at..at + 2)
        .map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// The one's complement sum (RFC 1071), folded.
pub(crate) fn sum(start: u32, bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut total = words.fold(start, u32::wrapping_add);
    while total >> 16 != 0 {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

impl Headers {
    /// `None` for what is neither IPv4 nor IPv6, or cut off. Extension headers of IPv6 are not walked.
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let is_tagged = half(frame, ETHERNET - 2) == 0x8100;
        let l3 = if is_tagged { ETHERNET + 4 } else { ETHERNET };
        let first = frame.get(l3)?;
        match (half(frame, l3 - 2), first >> 4) {
            (0x0800, 4) => {
                let l4 = l3 + usize::from(first & 0xf) * 4;
                let end = l3 + usize::from(half(frame, l3 + 2));
                let fragment = half(frame, l3 + 6);
                (l4 >= l3 + 20 && l4 <= end && end <= frame.len()).then(|| Self {
                    is_ipv6: false,
                    l3,
                    l4,
                    end,
                    protocol: frame[l3 + 9],
                    is_fragment: fragment & 0x3fff != 0,
                    dont_fragment: fragment & 0x4000 != 0,
                })
            }
            (0x86dd, 6) => {
                let end = l3 + 40 + usize::from(half(frame, l3 + 4));
                (end <= frame.len()).then(|| Self {
                    is_ipv6: true,
                    l3,
                    l4: l3 + 40,
                    end,
                    protocol: frame[l3 + 6],
                    is_fragment: false,
                    dont_fragment: false,
                })
            }
            _ => None,
        }
    }

    pub(crate) fn is_tcp(&self) -> bool {
        self.protocol == TCP
    }

    pub(crate) fn is_udp(&self) -> bool {
        self.protocol == UDP
    }

    /// Where the checksum of TCP or UDP lies; `None` when the header is cut off.
    pub(crate) fn l4_checksum(&self) -> Option<usize> {
        let (at, length) = match self.protocol {
            TCP => (16, 20),
            UDP => (6, 8),
            _ => return None,
        };
        (self.l4 + length <= self.end).then_some(self.l4 + at)
    }

    /// Bytes of the header of TCP.
    pub(crate) fn tcp_length(&self, frame: &[u8]) -> usize {
        usize::from(frame[self.l4 + 12] >> 4) * 4
    }

    /// The sum of the pseudo-header for a TCP or UDP packet of a length; without length for 0.
    pub(crate) fn pseudo_sum(&self, frame: &[u8], length: usize) -> u16 {
        let addresses = if self.is_ipv6 {
            self.l3 + 8..self.l3 + 40
        } else {
            self.l3 + 12..self.l3 + 20
        };
        sum(u32::from(self.protocol) + length as u32, &frame[addresses])
    }

    /// Whether the checksum of the IPv4 header is right.
    pub(crate) fn has_l3_checksum(&self, frame: &[u8]) -> bool {
        sum(0, &frame[self.l3..self.l4]) == u16::MAX
    }

    /// Whether the checksum of TCP or UDP is right.
    pub(crate) fn has_l4_checksum(&self, frame: &[u8]) -> bool {
        let pseudo = self.pseudo_sum(frame, self.end - self.l4);
        sum(pseudo.into(), &frame[self.l4..self.end]) == u16::MAX
    }

    /// Computes the checksum of the IPv4 header.
    pub(crate) fn set_l3_checksum(&self, frame: &mut [u8]) {
        frame[self.l3 + 10..self.l3 + 12].fill(0);
        let value = !sum(0, &frame[self.l3..self.l4]);
        frame[self.l3 + 10..self.l3 + 12].copy_from_slice(&value.to_be_bytes());
    }

    /// Computes the checksum of TCP or UDP over the sum of a pseudo-header.
    pub(crate) fn set_l4_checksum(&self, frame: &mut [u8], pseudo: u16) {
        let Some(at) = self.l4_checksum() else {
            return;
        };
        frame[at..at + 2].fill(0);
        let value = !sum(pseudo.into(), &frame[self.l4..self.end]);
        // RFC 768: no checksum is what zero would say.
        let value = if value == 0 && self.is_udp() { u16::MAX } else { value };
        frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }
}
