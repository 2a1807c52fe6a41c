//! Virtio over memory-mapped registers (section 4.2 of the virtio specification), version 2.

use alloc::boxed::Box;

use super::Registers;
use super::mmio::Slot;
use crate::arch;
use crate::interrupt::{self, Handler};
use crate::virtio::{Layout, Notifier, Transport, VirtioDevice};

const MAGIC: usize = 0x000;
const VERSION: usize = 0x004;
const DEVICE_ID: usize = 0x008;
const DEVICE_FEATURES: usize = 0x010;
const DEVICE_FEATURES_SELECT: usize = 0x014;
const DRIVER_FEATURES: usize = 0x020;
const DRIVER_FEATURES_SELECT: usize = 0x024;
const QUEUE_SELECT: usize = 0x030;
const QUEUE_SIZE_MAX: usize = 0x034;
const QUEUE_SIZE: usize = 0x038;
const QUEUE_READY: usize = 0x044;
const QUEUE_NOTIFY: usize = 0x050;
const INTERRUPT_STATUS: usize = 0x060;
const INTERRUPT_ACKNOWLEDGE: usize = 0x064;
const STATUS: usize = 0x070;
const QUEUE_DESCRIPTORS: usize = 0x080;
const QUEUE_AVAILABLE: usize = 0x090;
const QUEUE_USED: usize = 0x0a0;
const CONFIGURATION: usize = 0x100;

const MAGIC_VALUE: u32 = u32::from_le_bytes(*b"virt");

struct Mmio {
    registers: Registers,
    length: usize,
    interrupt: u32,
    routed: bool,
}

/// A virtio device, when the slot has one.
pub(super) fn open(slot: &Slot) -> Option<VirtioDevice> {
    // SAFETY: the hypervisor names the range as a device's.
    let registers = unsafe { Registers::map(slot.address, slot.length) };
    if registers.read32(MAGIC) != MAGIC_VALUE || registers.read32(VERSION) != 2 {
        return None;
    }
    let number = registers.read32(DEVICE_ID);
    if number == 0 {
        return None;
    }
    let transport = Mmio {
        registers,
        length: slot.length,
        interrupt: slot.interrupt,
        routed: false,
    };
    VirtioDevice::new(number, alloc::format!("{:#x}", slot.address), Box::new(transport))
}

impl Transport for Mmio {
    fn set_status(&self, status: u8) {
        self.registers.write32(STATUS, u32::from(status));
    }

    fn status(&self) -> u8 {
        self.registers.read32(STATUS) as u8
    }

    fn device_features(&self) -> u64 {
        let half = |number: u32| {
            self.registers.write32(DEVICE_FEATURES_SELECT, number);
            u64::from(self.registers.read32(DEVICE_FEATURES))
        };
        half(0) | half(1) << 32
    }

    fn set_driver_features(&self, features: u64) {
        for (number, half) in [(0, features as u32), (1, (features >> 32) as u32)] {
            self.registers.write32(DRIVER_FEATURES_SELECT, number);
            self.registers.write32(DRIVER_FEATURES, half);
        }
    }

    fn queue_limit(&self, queue: u16) -> u16 {
        self.registers.write32(QUEUE_SELECT, u32::from(queue));
        self.registers.read32(QUEUE_SIZE_MAX) as u16
    }

    unsafe fn enable_queue(&mut self, queue: u16, layout: Layout, handler: Handler) -> Option<Notifier> {
        // All queues of a device share its one line, and a driver gives one handler.
        if !self.routed {
            arch::route_interrupt(self.interrupt, interrupt::allocate("IO-APIC virtio".into(), handler)?);
            self.routed = true;
        }
        self.registers.write32(QUEUE_SELECT, u32::from(queue));
        self.registers.write32(QUEUE_SIZE, u32::from(layout.size));
        self.registers.write64(QUEUE_DESCRIPTORS, layout.descriptors);
        self.registers.write64(QUEUE_AVAILABLE, layout.available);
        self.registers.write64(QUEUE_USED, layout.used);
        self.registers.write32(QUEUE_READY, 1);
        let registers = self.registers;
        Some(Notifier(Box::new(move || {
            registers.write32(QUEUE_NOTIFY, u32::from(queue));
        })))
    }

    fn configuration(&self, offset: usize) -> u8 {
        if CONFIGURATION + offset < self.length {
            self.registers.read8(CONFIGURATION + offset)
        } else {
            0
        }
    }

    fn acknowledge_interrupt(&self) {
        let status = self.registers.read32(INTERRUPT_STATUS);
        self.registers.write32(INTERRUPT_ACKNOWLEDGE, status);
    }
}
