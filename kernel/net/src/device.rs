//! What the stack asks of a network card.

use alloc::sync::Arc;
use core::net::IpAddr;

use crate::Chunk;

/// A network card that carries Ethernet frames. All methods may be called from any CPU, and [`Device::transmit`] from within
/// [`Device::receive`]'s handler: an implementation holds no lock there that transmitting takes.
pub trait Device: Send + Sync {
    /// Its hardware address.
    fn mac(&self) -> [u8; 6];

    /// The longest packet after the Ethernet header, in bytes, unless DHCP says otherwise: 1500 on most networks.
    fn mtu(&self) -> usize;

    /// The most that DHCP may say, in bytes: the longest packet that the card carries, which it receives whatever is said.
    fn max_mtu(&self) -> usize;

    /// What it does by itself.
    fn capabilities(&self) -> Capabilities;

    /// Hands the next received frame to `handler` and takes its buffer back; false when there is none, and from then on the next one
    /// raises an interrupt.
    fn receive(&self, handler: &mut dyn FnMut(Received<'_>)) -> bool;

    /// Sets what to call when frames have come after [`Device::receive`] found none. It may be called from any CPU, with no lock held that
    /// a method here takes.
    fn on_receive(&self, call: Arc<dyn Fn() + Send + Sync>);

    /// Queues a frame; false when there is no room, and the frame is lost. It may be put off until [`Device::flush`].
    fn transmit(&self, frame: &Transmit<'_>) -> bool;

    /// Starts what was queued: called once after a batch.
    fn flush(&self);
}

/// What a device does by itself, for packets of each version.
#[derive(Clone, Copy, Debug, Default)]
pub struct Capabilities {
    /// For IPv4.
    pub ipv4: Offloads,
    /// For IPv6 without extension headers.
    pub ipv6: Offloads,
}

impl Capabilities {
    /// What it does for packets from `source`.
    pub(crate) fn offloads(&self, source: IpAddr) -> Offloads {
        match source {
            IpAddr::V4(_) => self.ipv4,
            IpAddr::V6(_) => self.ipv6,
        }
    }
}

/// What a device does by itself for packets of one version.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offloads {
    /// It completes the checksum of TCP and UDP, from the sum of the pseudo-header in its place (`VIRTIO_NET_F_CSUM`).
    pub checksum: bool,
    /// The most bytes after the Ethernet header that it cuts into TCP segments (`VIRTIO_NET_F_HOST_TSO4`, `VIRTIO_NET_F_HOST_TSO6`) of
    /// [`LEAST_SEGMENT`] or more; 0 when it does not.
    pub segmentation: usize,
}

/// The fewest bytes of a segment that a device is asked to cut: some do not make smaller ones (gVNIC, `GVE_TX_MIN_TSO_MSS_DQO`).
pub const LEAST_SEGMENT: usize = 88;

/// A received frame.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The frame from the Ethernet header on, without the checksum at its end.
    pub frame: &'a [u8],
    /// Whether the device vouches for the checksum of TCP and UDP.
    pub checksum_verified: bool,
}

/// A frame to transmit.
#[derive(Clone, Copy, Debug)]
pub struct Transmit<'a> {
    /// The headers from Ethernet on.
    pub header: &'a [u8],
    /// What follows them. A device that reads it later keeps clones.
    pub payload: &'a [Chunk],
    /// What the device has to do.
    pub offload: Offload,
}

impl Transmit<'_> {
    /// Bytes of the frame.
    pub fn length(&self) -> usize {
        self.header.len() + self.payload.iter().map(|chunk| chunk.len()).sum::<usize>()
    }

    /// Copies the frame into the first bytes of `into` and returns how many. Panics when it is too small.
    pub fn copy_to(&self, into: &mut [u8]) -> usize {
        let mut end = self.header.len();
        into[..end].copy_from_slice(self.header);
        for chunk in self.payload {
            into[end..end + chunk.len()].copy_from_slice(chunk);
            end += chunk.len();
        }
        end
    }
}

/// What a device has to do with a frame that it transmits; only what its [`Capabilities`] offer is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// Complete the checksum: where the sum starts in the frame, and where its place is, counted from there.
    pub checksum: Option<(u16, u16)>,
    /// Cut the TCP payload into segments of so many bytes.
    pub segment_size: Option<u16>,
}
