//! Registers of base address 0 (`gve_register.h`), which are big-endian, and the doorbells of base address 2.

use super::description::Format;
use super::failure::Failure;
use crate::bus::Registers;

pub(super) const DEVICE_STATUS: usize = 0x00;
pub(super) const DRIVER_STATUS: usize = 0x04;
pub(super) const ADMINQ_PFN: usize = 0x10;
pub(super) const ADMINQ_DOORBELL: usize = 0x14;
pub(super) const ADMINQ_EVENT_COUNTER: usize = 0x18;
pub(super) const ADMINQ_BASE_ADDRESS_HI: usize = 0x20;
pub(super) const ADMINQ_BASE_ADDRESS_LO: usize = 0x24;
/// Of 16 bits.
pub(super) const ADMINQ_LENGTH: usize = 0x28;
/// The least that the driver reaches.
pub(super) const LENGTH: usize = 0x2c;

/// In `DEVICE_STATUS`: the device asks for a reset.
pub(super) const DEVICE_STATUS_RESET: u32 = 1 << 1;
pub(super) const DEVICE_STATUS_LINK: u32 = 1 << 2;
/// The device has forgotten all, since revision 1.
pub(super) const DEVICE_STATUS_IS_RESET: u32 = 1 << 4;
/// In `DRIVER_STATUS`, since revision 1.
pub(super) const DRIVER_STATUS_RUN: u32 = 1 << 0;
pub(super) const DRIVER_STATUS_RESET: u32 = 1 << 1;
/// What a device reads as that is gone.
pub(super) const GONE: u32 = u32::MAX;

/// Registers with values in the other order.
#[derive(Clone, Copy)]
pub(super) struct BigEndian(pub(super) Registers);

impl BigEndian {
    pub(super) fn read(self, offset: usize) -> u32 {
        u32::from_be(self.0.read32(offset))
    }

    pub(super) fn write(self, offset: usize, value: u32) {
        self.0.write32(offset, value.to_be());
    }

    pub(super) fn write16(self, offset: usize, value: u16) {
        self.0.write16(offset, value.to_be());
    }
}

/// A doorbell: a word of base address 2, big-endian for queues in order.
#[derive(Clone, Copy)]
pub(super) struct Doorbell {
    register: Registers,
    is_big_endian: bool,
}

impl Doorbell {
    /// The one that the device has named by its index.
    pub(super) fn of(doorbells: Registers, index: u32, format: Format) -> Result<Self, Failure> {
        let offset = (index as usize).checked_mul(size_of::<u32>());
        let register = offset.and_then(|offset| doorbells.part(offset, size_of::<u32>()));
        Ok(Self {
            register: register.ok_or("puts a doorbell outside its own memory")?,
            is_big_endian: format.is_in_order(),
        })
    }

    pub(super) fn write(self, value: u32) {
        let value = if self.is_big_endian {
            value.to_be()
        } else {
            value.to_le()
        };
        self.register.write32(0, value);
    }
}

/// The interrupt of a notification block, behind its doorbell (`GVE_IRQ_*`, `GVE_ITR_*`).
#[derive(Clone, Copy)]
pub(super) struct Line(pub(super) Doorbell);

impl Line {
    /// Nothing comes from now on; out of order nothing does after an interrupt anyway.
    pub(super) fn mask(self) {
        const MASK: u32 = 1 << 30;
        if self.0.is_big_endian {
            self.0.write(MASK);
        }
    }

    /// Lets the next interrupt come. What has come before may raise none.
    pub(super) fn arm(self) {
        const ACK: u32 = 1 << 31;
        const EVENT: u32 = 1 << 29;
        const ENABLE: u32 = 1 << 0;
        const KEEP_INTERVAL: u32 = 3 << 3;
        self.0.write(if self.0.is_big_endian {
            ACK | EVENT
        } else {
            ENABLE | KEEP_INTERVAL
        });
    }

    /// Lets the next interrupt come, and of those that follow one in so many microseconds. Only out of order.
    pub(super) fn open(self, interval: u32) {
        const ENABLE: u32 = 1 << 0;
        // In units of 2 µs.
        self.0.write(ENABLE | (interval / 2).min(0xfff) << 5);
    }
}

/// Why the driver resets the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Gone,
    WasReset,
    DeviceRequest,
    Again,
    MissingTransmitCompletions,
    InvalidTransmitCompletion,
    MalformedTransmitCompletion,
    InvalidReceiveBuffer,
    MalformedReceiveDescriptor,
    TooManyReceiveBuffers,
}

impl Reason {
    /// What happened, after the card's name.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Gone => "is gone",
            Self::WasReset => "has forgotten its queues",
            Self::DeviceRequest => "asks for a reset",
            Self::Again => "could not be set up",
            Self::MissingTransmitCompletions => "has not said what became of packets to send",
            Self::InvalidTransmitCompletion => "has sent a packet that it was not given",
            Self::MalformedTransmitCompletion => "has described a sent packet wrongly",
            Self::InvalidReceiveBuffer => "has received into a buffer that it was not given",
            Self::MalformedReceiveDescriptor => "has described a received packet wrongly",
            Self::TooManyReceiveBuffers => "has received a packet in too many pieces",
        }
    }
}
