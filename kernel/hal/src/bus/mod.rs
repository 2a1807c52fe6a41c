//! How devices are found and reached: PCI, and virtio-mmio as the microvm machine has it.

mod messages;
mod mmio;
mod pci;
mod ports;
mod registers;
mod virtio_mmio;
mod virtio_pci;
mod virtio_pci_legacy;

use alloc::vec::Vec;

use crate::boot::Boot;
use crate::virtio::VirtioDevice;
use crate::{ahci, ena, gve, nvme};

pub(crate) use messages::Messages;
pub(crate) use pci::{Function, window};
#[cfg(test)]
pub(crate) use registers::Model;
pub(crate) use registers::Registers;

/// Classes of PCI functions, with their programming interfaces (PCI Code and ID Assignment Specification, section 1.2).
const CLASS_AHCI: u32 = 0x01_06_01;
const CLASS_NVME: u32 = 0x01_08_02;

/// A device that was found, not yet driven.
pub enum Device {
    /// One that speaks virtio.
    Virtio(VirtioDevice),
    /// A controller of disks: NVM Express.
    Nvme(nvme::Found),
    /// A controller of disks: Serial ATA.
    Ahci(ahci::Found),
    /// A network card: the Elastic Network Adapter.
    Ena(ena::Found),
    /// A network card: Google Virtual Ethernet.
    Gve(gve::Found),
}

/// All devices of the machine that there are drivers for: those of PCI in the order of their addresses, then those in memory.
pub fn devices(boot: &Boot) -> Vec<Device> {
    let functions = pci::functions();
    let mut driven: Vec<_> = functions
        .iter()
        .filter_map(|&function| Some((function, driver(function)?)))
        .collect();
    pci::give_addresses(&functions, &mut driven);
    let on_pci = driven.into_iter().filter_map(|(function, open)| open(function));
    let in_memory = mmio::devices(boot).filter_map(|slot| virtio_mmio::open(&slot));
    on_pci.chain(in_memory.map(Device::Virtio)).collect()
}

/// What opens a function, when there is a driver for it.
fn driver(function: Function) -> Option<fn(Function) -> Option<Device>> {
    let (vendor, device) = (function.vendor(), function.device());
    match function.class() {
        CLASS_NVME => Some(|function| Some(Device::Nvme(nvme::Found(function)))),
        CLASS_AHCI => Some(|function| Some(Device::Ahci(ahci::Found(function)))),
        _ if ena::is_known(vendor, device) => Some(|function| Some(Device::Ena(ena::Found(function)))),
        _ if gve::is_known(vendor, device) => Some(|function| Some(Device::Gve(gve::Found(function)))),
        _ if virtio_pci::is_known(vendor, device) => Some(|function| virtio_pci::open(function).map(Device::Virtio)),
        _ => None,
    }
}
