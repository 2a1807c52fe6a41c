//! The machine's devices, as file systems and network want them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use fs::BlockDevice;
use hal::boot::Boot;
use hal::bus::{self, Device};
use hal::network::{self, Checksum, Offloads, Outgoing, Version};
use hal::virtio::{self, Kind};

use super::disks::block_devices;

/// What was found and started.
pub(super) struct Devices {
    /// The disks, in the order of their places.
    pub(super) disks: Vec<Arc<dyn BlockDevice>>,
    /// The first network card.
    pub(super) network: Option<Arc<dyn network::Card>>,
}

impl Devices {
    /// Starts the devices of the machine.
    pub(super) fn find(boot: &Boot) -> Self {
        let mut disks = Vec::new();
        let mut network = None;
        for device in bus::devices(boot) {
            match device {
                Device::Virtio(device) => match device.kind() {
                    Kind::Block => disks.extend(virtio::start_disk(device)),
                    Kind::Scsi => disks.extend(virtio::start_disks(device)),
                    Kind::Network if network.is_none() => network = virtio::start_network(device),
                    Kind::Entropy => {
                        virtio::seed_random(device);
                    }
                    _ => {}
                },
                Device::Nvme(found) => disks.extend(hal::nvme::start(&found)),
                Device::Ahci(found) => disks.extend(hal::ahci::start(&found)),
                Device::Ena(found) if network.is_none() => network = hal::ena::start(&found),
                Device::Gve(found) if network.is_none() => network = hal::gve::start(&found),
                Device::Ena(_) | Device::Gve(_) => {}
            }
        }
        if let Some(card) = &network {
            task::spawn(watch(card.clone()));
        }
        Self {
            disks: block_devices(boot, &disks),
            network,
        }
    }
}

/// Looks after a card that can fail, for as long as it wants to be looked after.
async fn watch(card: Arc<dyn network::Card>) {
    while let Some(next) = card.watch() {
        task::sleep_until(next).await;
    }
}

/// A network card below the network stack.
pub(super) struct Card(pub(super) Arc<dyn network::Card>);

impl net::Device for Card {
    fn mac(&self) -> [u8; 6] {
        self.0.mac()
    }

    fn mtu(&self) -> usize {
        self.0.mtu()
    }

    fn max_mtu(&self) -> usize {
        self.0.max_mtu()
    }

    fn capabilities(&self) -> net::Capabilities {
        let of = |version| {
            let Offloads { checksums, segmented } = self.0.offloads(version);
            net::Offloads {
                checksum: checksums,
                segmentation: segmented,
            }
        };
        net::Capabilities {
            ipv4: of(Version::V4),
            ipv6: of(Version::V6),
        }
    }

    fn receive(&self, handler: &mut dyn FnMut(net::Received<'_>)) -> bool {
        self.0.receive(&mut |frame, checksum_verified| {
            handler(net::Received {
                frame,
                checksum_verified,
            });
        })
    }

    fn on_receive(&self, call: Arc<dyn Fn() + Send + Sync>) {
        self.0.on_receive(call);
    }

    fn transmit(&self, frame: &net::Transmit<'_>) -> bool {
        let outgoing = Outgoing {
            checksum: frame.offload.checksum.map(|(start, offset)| Checksum { start, offset }),
            segments: frame.offload.segment_size.map(|size| (frame.header.len() as u16, size)),
        };
        let mut pieces = core::iter::once(frame.header).chain(frame.payload.iter().map(|chunk| &**chunk));
        self.0.send(outgoing, &mut pieces)
    }

    fn flush(&self) {
        self.0.flush();
    }
}
