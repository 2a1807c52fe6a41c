//! The Internet checksum (RFC 1071), eight bytes a step.

use core::net::IpAddr;

/// A sum of 16-bit words in the order of the machine, not yet folded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    sum: u64,
    /// Whether an odd number of bytes was added, so that the next byte is a word's second.
    odd: bool,
}

impl Sum {
    /// Adds bytes that follow those added before.
    #[inline]
    pub(crate) fn add(&mut self, mut bytes: &[u8]) {
        if self.odd {
            let Some((first, rest)) = bytes.split_first() else {
                return;
            };
            self.add_word(u64::from(u16::from_ne_bytes([0, *first])));
            self.odd = false;
            bytes = rest;
        }
        // Two sums of 32-bit halves cannot overflow 64 bits for any packet, and need no carry.
        let (mut low, mut high) = (0u64, 0u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let word = u64::from_ne_bytes(*word);
            low += word & 0xffff_ffff;
            high += word >> 32;
        }
        self.add_word(low);
        self.add_word(high);
        let (pairs, rest) = rest.as_chunks::<2>();
        for pair in pairs {
            self.add_word(u64::from(u16::from_ne_bytes(*pair)));
        }
        if let [last] = rest {
            self.add_word(u64::from(u16::from_ne_bytes([*last, 0])));
            self.odd = true;
        }
    }

    /// Adds the pseudo-header of TCP, UDP and `ICMPv6` (RFC 9293 section 3.1, RFC 8200 section 8.1).
    #[inline]
    pub(crate) fn add_pseudo_header(&mut self, source: IpAddr, destination: IpAddr, protocol: u8, length: usize) {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.add_word(u64::from(u32::from_ne_bytes(source.octets())));
                self.add_word(u64::from(u32::from_ne_bytes(destination.octets())));
            }
            (source, destination) => {
                for address in [source, destination] {
                    if let IpAddr::V6(address) = address {
                        self.add(&address.octets());
                    }
                }
            }
        }
        self.add_word(u64::from((length as u32).to_be()));
        self.add_word(u64::from(u16::from(protocol).to_be()));
    }

    #[inline]
    fn add_word(&mut self, word: u64) {
        let (sum, carry) = self.sum.overflowing_add(word);
        self.sum = sum + u64::from(carry);
    }

    /// The sum folded to 16 bits, as its two bytes in a packet; what a device that completes the checksum wants in its place.
    #[inline]
    pub(crate) fn folded(self) -> [u8; 2] {
        let sum = (self.sum >> 32) + (self.sum & 0xffff_ffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        (sum as u16).to_ne_bytes()
    }

    /// The checksum, as its two bytes in a packet. Over bytes that contain a right one it is zero.
    #[inline]
    pub(crate) fn checksum(self) -> [u8; 2] {
        let [first, second] = self.folded();
        [!first, !second]
    }
}

/// The checksum of `bytes` alone.
#[inline]
pub(crate) fn of(bytes: &[u8]) -> [u8; 2] {
    let mut sum = Sum::default();
    sum.add(bytes);
    sum.checksum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition of RFC 1071, word by word.
    fn reference(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition_however_the_bytes_are_cut(bytes: Vec<u8>, cut: prop::sample::Index) {
            let cut = cut.index(bytes.len() + 1);
            let mut sum = Sum::default();
            sum.add(&bytes[..cut]);
            sum.add(&bytes[cut..]);
            prop_assert_eq!(u16::from_be_bytes(sum.checksum()), reference(&bytes));
        }
    }

    #[test]
    fn the_pseudo_header_counts_as_its_bytes() {
        let mut sum = Sum::default();
        sum.add_pseudo_header([192, 168, 0, 1].into(), [10, 1, 2, 3].into(), 6, 0x1234);
        let bytes = [192, 168, 0, 1, 10, 1, 2, 3, 0, 6, 0x12, 0x34];
        assert_eq!(u16::from_be_bytes(sum.checksum()), reference(&bytes));
    }
}
