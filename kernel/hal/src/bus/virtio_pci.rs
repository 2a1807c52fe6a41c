//! Virtio over PCI (section 4.1 of the virtio specification), the interface of version 1.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::messages::Messages;
use super::pci::Function;
use super::{Registers, virtio_pci_legacy};
use crate::interrupt::Handler;
use crate::virtio::{Layout, Notifier, Transport, VirtioDevice};

const VENDOR: u16 = 0x1af4;
const VENDOR_CAPABILITY: u8 = 0x09;

const COMMON: u8 = 1;
const NOTIFY: u8 = 2;
const DEVICE: u8 = 4;

/// Offsets in the common configuration (4.1.4.3).
mod common {
    pub(super) const DEVICE_FEATURE_SELECT: usize = 0x00;
    pub(super) const DEVICE_FEATURE: usize = 0x04;
    pub(super) const DRIVER_FEATURE_SELECT: usize = 0x08;
    pub(super) const DRIVER_FEATURE: usize = 0x0c;
    pub(super) const MSIX_CONFIG: usize = 0x10;
    pub(super) const STATUS: usize = 0x14;
    pub(super) const QUEUE_SELECT: usize = 0x16;
    pub(super) const QUEUE_SIZE: usize = 0x18;
    pub(super) const QUEUE_MSIX_VECTOR: usize = 0x1a;
    pub(super) const QUEUE_ENABLE: usize = 0x1c;
    pub(super) const QUEUE_NOTIFY_OFFSET: usize = 0x1e;
    pub(super) const QUEUE_DESCRIPTORS: usize = 0x20;
    pub(super) const QUEUE_AVAILABLE: usize = 0x28;
    pub(super) const QUEUE_USED: usize = 0x30;
    pub(super) const LENGTH: usize = 0x38;
}

const NO_VECTOR: u16 = 0xffff;

struct Pci {
    common: Registers,
    notify: Registers,
    notify_multiplier: usize,
    device: Option<(Registers, usize)>,
    messages: Messages,
}

/// Whether a PCI function is a virtio device.
pub(super) fn is_known(vendor: u16, device: u16) -> bool {
    vendor == VENDOR && (0x1000..=0x107f).contains(&device)
}

/// The device behind a function that is known to be one.
pub(super) fn open(function: Function) -> Option<VirtioDevice> {
    let number = match function.device() {
        modern @ 0x1040..=0x107f => u32::from(modern - 0x1040),
        // Transitional devices carry the number in their subsystem identifier.
        0x1000..=0x103f => function.read(0x2c) >> 16,
        _ => return None,
    };
    function.enable();
    let structures: Vec<_> = function
        .capabilities()
        .filter(|&(identifier, _)| identifier == VENDOR_CAPABILITY)
        .map(|(_, at)| {
            let word = function.read(at);
            (
                (word >> 24) as u8,
                at,
                function.read(at + 4) as u8,
                function.read(at + 8),
                function.read(at + 12),
            )
        })
        .collect();
    // The first of each kind is the one to use (4.1.4.1).
    let find = |kind: u8| {
        let &(_, at, bar, offset, length) = structures.iter().find(|structure| structure.0 == kind)?;
        Some((function.map(bar, offset, length)?, at, length))
    };
    let Some((common, _, length)) = find(COMMON) else {
        return virtio_pci_legacy::open(function, number);
    };
    if (length as usize) < common::LENGTH {
        return None;
    }
    let (notify, at, _) = find(NOTIFY)?;
    let notify_multiplier = function.read(at + 16) as usize;
    let device = find(DEVICE).map(|(registers, _, length)| (registers, length as usize));
    let messages = Messages::of(function)?;
    let transport = Pci {
        common,
        notify,
        notify_multiplier,
        device,
        messages,
    };
    transport.common.write16(common::MSIX_CONFIG, NO_VECTOR);
    VirtioDevice::new(number, alloc::format!("{function}"), Box::new(transport))
}

impl Transport for Pci {
    fn set_status(&self, status: u8) {
        self.common.write8(common::STATUS, status);
    }

    fn status(&self) -> u8 {
        self.common.read8(common::STATUS)
    }

    fn device_features(&self) -> u64 {
        let half = |number: u32| {
            self.common.write32(common::DEVICE_FEATURE_SELECT, number);
            u64::from(self.common.read32(common::DEVICE_FEATURE))
        };
        half(0) | half(1) << 32
    }

    fn set_driver_features(&self, features: u64) {
        for (number, half) in [(0, features as u32), (1, (features >> 32) as u32)] {
            self.common.write32(common::DRIVER_FEATURE_SELECT, number);
            self.common.write32(common::DRIVER_FEATURE, half);
        }
    }

    fn queue_limit(&self, queue: u16) -> u16 {
        self.common.write16(common::QUEUE_SELECT, queue);
        self.common.read16(common::QUEUE_SIZE)
    }

    unsafe fn enable_queue(&mut self, queue: u16, layout: Layout, handler: Handler) -> Option<Notifier> {
        let message = self.messages.add(handler)?;
        self.common.write16(common::QUEUE_SELECT, queue);
        self.common.write16(common::QUEUE_SIZE, layout.size);
        self.common.write16(common::QUEUE_MSIX_VECTOR, message);
        if self.common.read16(common::QUEUE_MSIX_VECTOR) != message {
            return None;
        }
        self.common.write64(common::QUEUE_DESCRIPTORS, layout.descriptors);
        self.common.write64(common::QUEUE_AVAILABLE, layout.available);
        self.common.write64(common::QUEUE_USED, layout.used);
        let offset = usize::from(self.common.read16(common::QUEUE_NOTIFY_OFFSET)) * self.notify_multiplier;
        let bell = self.notify.part(offset, 2)?;
        self.common.write16(common::QUEUE_ENABLE, 1);
        Some(Notifier(Box::new(move || bell.write16(0, queue))))
    }

    fn configuration(&self, offset: usize) -> u8 {
        match &self.device {
            Some((registers, length)) if offset < *length => registers.read8(offset),
            _ => 0,
        }
    }

    // Messages need no acknowledgement.
    fn acknowledge_interrupt(&self) {}
}
