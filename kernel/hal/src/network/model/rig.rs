//! A card and the model that it drives, as tests of any driver use them.

use alloc::vec::Vec;

use super::frames::{HEADERS, joined_ipv6, over_ipv6, tcp_payload, tcp_to_cut, udp, udp_to_complete};
use crate::network::{Card, Outgoing, Version};
use crate::time;

/// What no frames have brought.
pub(crate) const NOTHING: [(Vec<u8>, bool); 0] = [];
/// Bytes of the headers of Ethernet, IPv6 and TCP.
const HEADERS_IPV6: usize = 74;

/// A device, and the driver that drives it.
pub(crate) trait Rig {
    fn card(&self) -> &dyn Card;

    /// What the device has sent, by a driver that has broken no rule.
    fn sent(&self) -> Vec<Vec<u8>>;

    /// A frame arrives, and the driver hears of it; false when the device drops it.
    fn arrive(&self, frame: &[u8]) -> bool;

    /// How often the device was reset.
    fn count_resets(&self) -> usize;

    /// Sends frames; whether the driver took all of them.
    fn send(&self, frames: &[(Outgoing, Vec<u8>)]) -> bool {
        let sent = frames.iter().all(|(outgoing, frame)| {
            // As the network does: headers first, then what follows in chunks.
            let (header, payload) = frame.split_at(frame.len().min(HEADERS));
            let mut pieces = core::iter::once(header).chain(payload.chunks(1000));
            self.card().send(*outgoing, &mut pieces)
        });
        self.card().flush();
        sent
    }

    fn send_plain(&self, frame: &[u8]) -> bool {
        self.send(&[(Outgoing::default(), frame.to_vec())])
    }

    /// All that was received, with whether its checksum was found right.
    fn received(&self) -> Vec<(Vec<u8>, bool)> {
        let mut frames = Vec::new();
        while self
            .card()
            .receive(&mut |frame, is_verified| frames.push((frame.to_vec(), is_verified)))
        {}
        frames
    }

    /// Lets time pass and the driver look after the device, until `is_over`.
    #[track_caller]
    fn watch_until(&self, is_over: impl Fn() -> bool) {
        for _ in 0..1000 {
            let next = self.card().watch().expect("a card that is looked after");
            if is_over() {
                return;
            }
            time::advance(next.saturating_sub(time::monotonic()));
        }
        panic!("not in all this time; {} resets", self.count_resets());
    }

    /// Carries a packet each way.
    #[track_caller]
    fn check(&self) {
        let frame = udp(100);
        assert!(self.send_plain(&frame), "takes a frame");
        assert_eq!(self.sent(), core::slice::from_ref(&frame));
        assert!(self.arrive(&frame), "has buffers");
        assert_eq!(self.received(), [(frame, true)]);
        assert_eq!(self.sent(), [[0; 0]; 0]);
    }

    /// Sends frames of all these lengths of payload, again and again: more often than a queue has places.
    #[track_caller]
    fn check_sending(&self, rounds: usize, lengths: [usize; 10], batch: usize) {
        for round in 0..rounds {
            let frame = udp(lengths[round % lengths.len()]);
            assert!(self.send_plain(&frame), "round {round}");
            assert_eq!(self.sent(), [frame], "round {round}");
        }
        let batch: Vec<_> = (0..batch).map(udp).collect();
        let plain = batch.iter().map(|frame| (Outgoing::default(), frame.clone()));
        assert!(self.send(&plain.collect::<Vec<_>>()));
        assert_eq!(self.sent(), batch);
        let other = [0xff; 60];
        assert!(self.send_plain(&other), "neither IPv4 nor anything known");
        assert_eq!(self.sent(), [other]);
    }

    /// Sends frames whose checksums the card completes, of these lengths of payload, and one with each that is whole.
    #[track_caller]
    fn check_checksums(&self, lengths: &[usize]) {
        for &length in lengths {
            assert!(self.send(&[udp_to_complete(length), (Outgoing::default(), udp(3))]));
            assert_eq!(self.sent(), [udp(length), udp(3)]);
            let (outgoing, frame) = over_ipv6(udp_to_complete(length));
            let payload = frame[62..].to_vec();
            assert!(self.send(&[(outgoing, frame)]));
            assert_eq!(joined_ipv6(&self.sent(), 62), payload);
        }
    }

    /// Sends pieces of a stream that the card cuts: so many bytes, or as many as it takes, in segments of a size.
    #[track_caller]
    fn check_segments(&self, pieces: &[(usize, u16)]) {
        for &(length, size) in pieces {
            let most = |version, headers| self.card().offloads(version).segmented - (headers - 14);
            let wanted = length.min(most(Version::V4, HEADERS));
            let cut = tcp_to_cut(wanted, size);
            let payload = cut.1[HEADERS..].to_vec();
            assert!(self.send(&[cut]), "{length} bytes");
            let sent = self.sent();
            assert_eq!(sent.len(), wanted.div_ceil(size.into()));
            let joined: Vec<u8> = sent.iter().flat_map(|frame| tcp_payload(frame).to_vec()).collect();
            assert!(joined == payload, "{length} bytes in segments of {size}");

            let wanted = length.min(most(Version::V6, HEADERS_IPV6));
            let (outgoing, frame) = over_ipv6(tcp_to_cut(wanted, size));
            let payload = frame[HEADERS_IPV6..].to_vec();
            assert!(self.send(&[(outgoing, frame)]), "{length} bytes");
            let sent = self.sent();
            assert_eq!(sent.len(), wanted.div_ceil(size.into()));
            let joined = joined_ipv6(&sent, HEADERS_IPV6);
            assert!(joined == payload, "{length} bytes in segments of {size}");
        }
    }

    /// Waits until the driver takes frames, then packets come through again.
    #[track_caller]
    fn works_again(&self) {
        self.watch_until(|| self.send_plain(&udp(10)));
        self.sent();
        assert_eq!(self.received(), NOTHING);
        self.check();
    }

    /// Answers from within the handler of what was received.
    #[track_caller]
    fn check_answering(&self) {
        let frame = udp(100);
        assert!(self.arrive(&frame), "has buffers");
        let mut is_sent = false;
        let found = self.card().receive(&mut |frame, _| is_sent = self.send_plain(frame));
        assert!(found && is_sent);
        assert_eq!(self.sent(), [frame]);
    }
}
