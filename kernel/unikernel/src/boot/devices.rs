//! The machine's devices, as file systems and network want them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use fs::{BlockDevice, Transfer};
use hal::boot::Boot;
use hal::bus;
use hal::mem::{Frame, PAGE_SIZE};
use hal::virtio::{self, Block, Checksum, Kind, Network, Outgoing};

/// What was found and started.
pub(super) struct Devices {
    /// Every disk, in the order of the buses.
    pub(super) disks: Vec<Arc<dyn BlockDevice>>,
    /// The first network card.
    pub(super) network: Option<Arc<Network>>,
}

impl Devices {
    /// Starts the devices of the machine.
    pub(super) fn find(boot: &Boot) -> Self {
        let mut found = Self {
            disks: Vec::new(),
            network: None,
        };
        for device in bus::virtio_devices(boot) {
            match device.kind() {
                Kind::Block => {
                    let disk = Block::start(device).map(|block| Arc::new(Disk(block)) as Arc<dyn BlockDevice>);
                    found.disks.extend(disk);
                }
                Kind::Network if found.network.is_none() => found.network = Network::start(device),
                Kind::Entropy => {
                    virtio::seed_random(device);
                }
                _ => {}
            }
        }
        found
    }
}

struct Disk(Arc<Block>);

impl BlockDevice for Disk {
    fn block_count(&self) -> u64 {
        self.0.size() / PAGE_SIZE as u64
    }

    fn read(&self, first_block: u64, frames: &[Frame]) -> Transfer {
        let transfer = Transfer::new();
        let done = transfer.clone();
        let call = alloc::boxed::Box::new(move |succeeded| done.finish(succeeded));
        self.0.read(first_block * PAGE_SIZE as u64, frames, call);
        transfer
    }
}

/// A network card below the network stack.
pub(super) struct Card(pub(super) Arc<Network>);

impl net::Device for Card {
    fn mac(&self) -> [u8; 6] {
        self.0.mac()
    }

    fn mtu(&self) -> usize {
        self.0.mtu()
    }

    fn capabilities(&self) -> net::Capabilities {
        // The largest IPv4 packet.
        const LARGEST: usize = 65_535;
        net::Capabilities {
            transmit_checksum: self.0.completes_checksums(),
            segmentation: if self.0.cuts_segments() { LARGEST } else { 0 },
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
        let pieces = core::iter::once(frame.header).chain(frame.payload.iter().map(|chunk| &**chunk));
        self.0.send(outgoing, pieces)
    }

    fn flush(&self) {
        self.0.flush();
    }
}
