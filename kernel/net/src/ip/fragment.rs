//! Reassembly of fragments (RFC 791, RFC 815, RFC 8200 section 4.5), bounded in number, bytes and time.

use alloc::vec::Vec;
use core::net::IpAddr;

/// What the fragments of one packet share.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ident: u32,
    /// Of IPv4 only: IPv6 tells packets apart without it.
    pub(super) protocol: u8,
}

struct Partial {
    key: Key,
    /// What the first fragment says that the payload is.
    protocol: u8,
    /// Parts by offset, without overlaps.
    parts: Vec<(usize, Vec<u8>)>,
    /// Known from the last fragment.
    length: Option<usize>,
    deadline: u64,
}

/// Packets of which some fragments have come.
#[derive(Default)]
pub(crate) struct Reassembler {
    partial: Vec<Partial>,
    bytes: usize,
}

impl Reassembler {
    /// RFC 1122 section 3.3.2 asks for 60 to 120 seconds, Linux gives 30.
    const LIFETIME: u64 = 30_000_000_000;
    const MOST_PACKETS: usize = 16;
    const MOST_BYTES: usize = 256 << 10;

    /// Takes a fragment; gives the packet's payload, and what its first fragment says that it is, when it is whole.
    pub(super) fn add(
        &mut self,
        key: Key,
        protocol: u8,
        offset: usize,
        more: bool,
        bytes: &[u8],
        now: u64,
    ) -> Option<(u8, Vec<u8>)> {
        self.expire(now);
        if offset + bytes.len() > usize::from(u16::MAX) || (more && !bytes.len().is_multiple_of(8)) || bytes.is_empty()
        {
            return None;
        }
        let index = if let Some(index) = self.partial.iter().position(|partial| partial.key == key) {
            index
        } else {
            if self.partial.len() >= Self::MOST_PACKETS {
                self.remove(0);
            }
            self.partial.push(Partial {
                key,
                protocol,
                parts: Vec::new(),
                length: None,
                deadline: now + Self::LIFETIME,
            });
            self.partial.len() - 1
        };
        let partial = &mut self.partial[index];
        let end = offset + bytes.len();
        let place = partial.parts.partition_point(|(start, _)| *start < offset);
        let before = place
            .checked_sub(1)
            .map_or(0, |index| partial.parts[index].0 + partial.parts[index].1.len());
        let after = partial.parts.get(place).map_or(usize::MAX, |part| part.0);
        if partial
            .parts
            .get(place)
            .is_some_and(|part| part.0 == offset && part.1 == bytes)
        {
            return None;
        }
        let contradicts = partial
            .length
            .is_some_and(|length| end > length || (!more && end != length));
        if before > offset || end > after || contradicts {
            // Overlaps serve attacks only: the whole packet goes (RFC 5722 section 4).
            self.remove(index);
            return None;
        }
        if !more {
            partial.length = Some(end);
        }
        if offset == 0 {
            partial.protocol = protocol;
        }
        partial.parts.insert(place, (offset, bytes.to_vec()));
        self.bytes += bytes.len();
        let mut reached = 0;
        for (start, part) in &partial.parts {
            if *start != reached {
                break;
            }
            reached += part.len();
        }
        if partial.length == Some(reached) {
            let whole = partial
                .parts
                .iter()
                .flat_map(|(_, part)| part.iter().copied())
                .collect();
            let protocol = partial.protocol;
            self.remove(index);
            return Some((protocol, whole));
        }
        while self.bytes > Self::MOST_BYTES {
            self.remove(0);
        }
        None
    }

    /// Forgets what has waited too long.
    pub(crate) fn expire(&mut self, now: u64) {
        while self.partial.first().is_some_and(|partial| partial.deadline <= now) {
            self.remove(0);
        }
    }

    fn remove(&mut self, index: usize) {
        let partial = self.partial.remove(index);
        self.bytes -= partial.parts.iter().map(|(_, part)| part.len()).sum::<usize>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;
    use proptest::prelude::*;

    const KEY: Key = Key {
        source: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
        destination: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
        ident: 7,
        protocol: 17,
    };

    proptest! {
        #[test]
        fn fragments_in_any_order_make_the_packet(bytes in prop::collection::vec(any::<u8>(), 1..5000), order: Vec<prop::sample::Index>) {
            let mut fragments: Vec<_> = bytes.chunks(512).enumerate().map(|(index, part)| (index * 512, part)).collect();
            for (index, swap) in order.iter().enumerate().take(fragments.len()) {
                let other = swap.index(fragments.len());
                fragments.swap(index, other);
            }
            let mut reassembler = Reassembler::default();
            let mut whole = None;
            for (offset, part) in fragments {
                prop_assert!(whole.is_none());
                // Only the first fragment says what it is.
                let protocol = if offset == 0 { 17 } else { 6 };
                whole = reassembler.add(KEY, protocol, offset, offset + part.len() < bytes.len(), part, 0);
            }
            prop_assert_eq!(whole, Some((17, bytes)));
            prop_assert_eq!(reassembler.bytes, 0);
        }

        #[test]
        fn memory_stays_bounded(fragments: Vec<(u16, u8, bool, u16)>) {
            let mut reassembler = Reassembler::default();
            for (ident, offset, more, length) in fragments {
                reassembler.add(Key { ident: ident.into(), ..KEY }, 17, usize::from(offset) * 8, more, &vec![0; usize::from(length & !7)], 0);
                let held: usize = reassembler.partial.iter().flat_map(|partial| &partial.parts).map(|part| part.1.len()).sum();
                prop_assert_eq!(held, reassembler.bytes);
                prop_assert!(held <= Reassembler::MOST_BYTES && reassembler.partial.len() <= Reassembler::MOST_PACKETS);
            }
        }
    }

    #[test]
    fn an_overlap_drops_the_packet_and_time_forgets() {
        let mut reassembler = Reassembler::default();
        assert_eq!(reassembler.add(KEY, 17, 0, true, &[1; 16], 0), None);
        assert_eq!(reassembler.add(KEY, 17, 8, false, &[2; 16], 0), None);
        assert!(reassembler.partial.is_empty());
        assert_eq!(reassembler.add(KEY, 17, 0, true, &[1; 16], 0), None);
        reassembler.expire(Reassembler::LIFETIME);
        assert_eq!(reassembler.bytes, 0);
    }
}
