//! How devices are found and reached: PCI, and virtio-mmio as the microvm machine has it.

mod mmio;
mod pci;
mod registers;
mod virtio_mmio;
mod virtio_pci;

use alloc::vec::Vec;

use crate::boot::Boot;
use crate::virtio::VirtioDevice;

pub(crate) use registers::Registers;

/// All virtio devices of the machine, reset and acknowledged.
pub fn virtio_devices(boot: &Boot) -> Vec<VirtioDevice> {
    let mut found: Vec<_> = pci::functions().filter_map(virtio_pci::open).collect();
    found.extend(mmio::devices(boot).filter_map(|slot| virtio_mmio::open(&slot)));
    found
}
