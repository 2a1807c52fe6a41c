//! Virtio over PCI as it was before version 1 (section 4.1.4.10 of the virtio specification), which Google Cloud's machines and transitional
//! devices have.

use alloc::boxed::Box;

use super::messages::Messages;
use super::pci::Function;
use super::ports::Ports;
use crate::interrupt::Handler;
use crate::mem::PAGE_SIZE;
use crate::virtio::{Layout, Notifier, Transport, VirtioDevice};

const DEVICE_FEATURES: u16 = 0x00;
const DRIVER_FEATURES: u16 = 0x04;
const QUEUE_ADDRESS: u16 = 0x08;
const QUEUE_SIZE: u16 = 0x0c;
const QUEUE_SELECT: u16 = 0x0e;
const QUEUE_NOTIFY: u16 = 0x10;
const STATUS: u16 = 0x12;
// These two are there while MSI-X is on, which moves the device's own configuration behind them.
const CONFIGURATION_VECTOR: u16 = 0x14;
const QUEUE_VECTOR: u16 = 0x16;
const CONFIGURATION: u16 = 0x18;

const NO_VECTOR: u16 = 0xffff;
/// Ports that are reached: the header, and as much configuration as any driver here reads.
const LENGTH: u16 = CONFIGURATION + 0x40;

struct Legacy {
    ports: Ports,
    messages: Messages,
}

/// The device behind the old interface.
pub(super) fn open(function: Function, number: u32) -> Option<VirtioDevice> {
    let ports = function.ports(0, LENGTH)?;
    let messages = Messages::of(function)?;
    let transport = Legacy { ports, messages };
    transport.ports.write16(CONFIGURATION_VECTOR, NO_VECTOR);
    VirtioDevice::new(number, alloc::format!("{function}"), Box::new(transport))
}

impl Transport for Legacy {
    fn is_legacy(&self) -> bool {
        true
    }

    fn set_status(&self, status: u8) {
        self.ports.write8(STATUS, status);
    }

    fn status(&self) -> u8 {
        self.ports.read8(STATUS)
    }

    fn device_features(&self) -> u64 {
        u64::from(self.ports.read32(DEVICE_FEATURES))
    }

    fn set_driver_features(&self, features: u64) {
        self.ports.write32(DRIVER_FEATURES, features as u32);
    }

    fn queue_limit(&self, queue: u16) -> u16 {
        self.ports.write16(QUEUE_SELECT, queue);
        self.ports.read16(QUEUE_SIZE)
    }

    unsafe fn enable_queue(&mut self, queue: u16, layout: Layout, handler: Handler) -> Option<Notifier> {
        // The device works out where the other parts are from the first page's number.
        let page = u32::try_from(layout.descriptors / PAGE_SIZE as u64).ok()?;
        let message = self.messages.add(handler)?;
        self.ports.write16(QUEUE_SELECT, queue);
        self.ports.write16(QUEUE_VECTOR, message);
        if self.ports.read16(QUEUE_VECTOR) != message {
            return None;
        }
        self.ports.write32(QUEUE_ADDRESS, page);
        let ports = self.ports;
        Some(Notifier(Box::new(move || ports.write16(QUEUE_NOTIFY, queue))))
    }

    fn configuration(&self, offset: usize) -> u8 {
        match u16::try_from(offset) {
            Ok(offset) if offset < LENGTH - CONFIGURATION => self.ports.read8(CONFIGURATION + offset),
            _ => 0,
        }
    }

    // Messages need no acknowledgement.
    fn acknowledge_interrupt(&self) {}
}
