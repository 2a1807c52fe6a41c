//! Network cards, whoever makes them.

#[cfg(test)]
pub(crate) mod model;
mod pages;
mod received;
mod starting;

use alloc::sync::Arc;

use crate::mem::{self, PAGE_SIZE};

pub(crate) use pages::{Pages, Store};
pub(crate) use received::{Packet, Part};
pub(crate) use starting::{Handlers, start};

/// Where the card completes a checksum.
#[derive(Clone, Copy, Debug)]
pub struct Checksum {
    /// Where the sum starts in the packet, in bytes.
    pub start: u16,
    /// Its place, counted from there.
    pub offset: u16,
}

/// Bytes of a header of Ethernet without tags.
pub(crate) const ETHERNET_HEADER: usize = 14;
/// The MTU of Ethernet, unless the network says otherwise (RFC 894).
pub(crate) const ETHERNET_MTU: u16 = 1500;
/// The least MTU of a card: what every machine receives of IPv4 (RFC 791).
pub(crate) const LEAST_MTU: u16 = 576;

/// A version of the Internet Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6, with no extension headers.
    V6,
}

impl Version {
    /// Of a frame, from its Ethernet header on.
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        match frame.get(12..14) {
            Some([0x08, 0x00]) => Some(Self::V4),
            Some([0x86, 0xdd]) => Some(Self::V6),
            _ => None,
        }
    }
}

/// What a card does by itself with packets of one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// It completes checksums of TCP and UDP, from the sum of the pseudo-header in their place.
    pub checksums: bool,
    /// The most bytes after the Ethernet header that it cuts into TCP segments of 88 bytes or more; 0 when it does not.
    pub segmented: usize,
}

/// What the card has to do with a packet; no more than it [offers](Card::offloads).
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing {
    /// Complete a checksum.
    pub checksum: Option<Checksum>,
    /// Cut the TCP payload behind so many bytes of headers into segments of so many.
    pub segments: Option<(u16, u16)>,
}

/// A network card that was started. All methods may be called from any CPU, and [`Card::send`] from within [`Card::receive`]'s handler.
pub trait Card: Send + Sync {
    /// Its hardware address.
    fn mac(&self) -> [u8; 6];

    /// The longest packet after the Ethernet header, in bytes, unless the network says otherwise.
    fn mtu(&self) -> usize;

    /// The longest that it carries, in bytes, and receives whatever the network says.
    fn max_mtu(&self) -> usize {
        self.mtu()
    }

    /// What it does by itself.
    fn offloads(&self, version: Version) -> Offloads;

    /// Sets what to call when packets have come: from [`crate::interrupt::dispatch`], once until [`Card::receive`] has found none.
    fn on_receive(&self, call: Arc<dyn Fn() + Send + Sync>);

    /// Hands the next received packet to `handler`, with whether the card vouches for its checksum; false when there is none.
    fn receive(&self, handler: &mut dyn FnMut(&[u8], bool)) -> bool;

    /// Queues a packet of these pieces, the headers in the first; false when there is no room or no memory. It leaves at the latest with
    /// [`Card::flush`].
    fn send(&self, outgoing: Outgoing, pieces: &mut dyn Iterator<Item = &[u8]>) -> bool;

    /// Tells the card of what was queued.
    fn flush(&self);

    /// Looks after a card that can fail: what it owes, and resets. When to look again, in nanoseconds of [`crate::time::monotonic`]; `None`
    /// for a card that needs no looking after.
    fn watch(&self) -> Option<u64> {
        None
    }
}

/// Descriptors of each queue: receive buffers take half a page each, so a small guest has few.
pub(crate) fn queue_size() -> u16 {
    match (mem::usage().total * PAGE_SIZE) >> 20 {
        ..12 => 32,
        12..32 => 64,
        32..128 => 128,
        _ => 256,
    }
}
