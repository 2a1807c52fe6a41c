//! The virtio network card as a [`Device`].

use hal::virtio::{Checksum, Network, Outgoing};

use crate::{Capabilities, Device, Received, Transmit};

/// Bytes after the Ethernet header of the largest packet that the card cuts (section 5.1.6.2: the length field of IPv4 counts 16 bits).
const LARGEST_PACKET: usize = 65535;
/// Where the TCP header says how long it is, and in which unit.
const DATA_OFFSET: usize = 12;
const WORD: u16 = 4;

impl Device for Network {
    fn mac(&self) -> [u8; 6] {
        Network::mac(self)
    }

    fn mtu(&self) -> usize {
        Network::mtu(self)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            transmit_checksum: self.completes_checksums(),
            segmentation: if self.cuts_segments() { LARGEST_PACKET } else { 0 },
        }
    }

    fn receive(&self, handler: &mut dyn FnMut(Received<'_>)) -> bool {
        Network::receive(self, &mut |frame, checksum_verified| {
            handler(Received {
                frame,
                checksum_verified,
            });
        })
    }

    fn transmit(&self, frame: &Transmit<'_>) -> bool {
        let checksum = frame.offload.checksum.map(|(start, offset)| Checksum { start, offset });
        let segments = frame
            .offload
            .segment_size
            .zip(checksum)
            .map(|(size, Checksum { start, .. })| {
                let words = frame.header[usize::from(start) + DATA_OFFSET] >> 4;
                (start + u16::from(words) * WORD, size)
            });
        let outgoing = Outgoing { checksum, segments };
        let payload = frame.payload.iter().map(|chunk| &**chunk);
        self.send(outgoing, core::iter::once(frame.header).chain(payload))
    }

    fn flush(&self) {
        Network::flush(self);
    }
}
