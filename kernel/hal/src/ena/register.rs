//! Registers of base address 0 (`ena_regs_defs.h`).

pub(super) const VERSION: usize = 0x00;
pub(super) const CONTROLLER_VERSION: usize = 0x04;
pub(super) const CAPS: usize = 0x08;
pub(super) const AQ_BASE: usize = 0x10;
pub(super) const AQ_CAPS: usize = 0x18;
pub(super) const ACQ_BASE: usize = 0x20;
pub(super) const ACQ_CAPS: usize = 0x28;
pub(super) const AQ_DOORBELL: usize = 0x2c;
pub(super) const AENQ_CAPS: usize = 0x34;
pub(super) const AENQ_BASE: usize = 0x38;
pub(super) const AENQ_HEAD_DOORBELL: usize = 0x40;
pub(super) const INTR_MASK: usize = 0x4c;
pub(super) const DEV_CTL: usize = 0x54;
pub(super) const DEV_STS: usize = 0x58;
pub(super) const MMIO_REG_READ: usize = 0x5c;
pub(super) const MMIO_RESP: usize = 0x60;
/// The least that the driver reaches.
pub(super) const LENGTH: usize = 0x100;

/// In `INTR_MASK`: no interrupts of the admin and event queues.
pub(super) const INTR_MASK_ADMIN: u32 = 1 << 0;
/// In `DEV_CTL`.
pub(super) const DEV_CTL_RESET: u32 = 1 << 0;
/// In `DEV_STS`.
pub(super) const DEV_STS_READY: u32 = 1 << 0;
pub(super) const DEV_STS_RESET_IN_PROGRESS: u32 = 1 << 3;
pub(super) const DEV_STS_FATAL_ERROR: u32 = 1 << 5;
/// What a device reads as that is gone.
pub(super) const GONE: u32 = u32::MAX;
/// The oldest controller that is driven: 0.0.1, without the implementation's number in bits 31:24.
pub(super) const OLDEST_CONTROLLER: u32 = 0x00_00_01;

/// Of a queue's `*_CAPS`: entries, and bytes of each.
pub(super) fn queue_caps(entries: u16, size: usize) -> u32 {
    u32::from(entries) | (size as u32) << 16
}

/// Why the driver resets the device (`ena_regs_reset_reason_types`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Normal = 0,
    KeepAlive = 1,
    Admin = 2,
    MissingTransmitCompletions = 3,
    InvalidReceiveIdentifier = 4,
    InvalidTransmitIdentifier = 5,
    TooManyReceiveDescriptors = 6,
    Initialization = 7,
    Generic = 13,
    MalformedReceiveDescriptor = 16,
    MalformedTransmitDescriptor = 17,
    DeviceRequest = 19,
}

impl Reason {
    /// What to write to `DEV_CTL`. Bits 27:24 take the upper half of the reason on devices that know it; others are told a general one.
    pub(super) fn dev_ctl(self, extended: bool) -> u32 {
        let number = if self as u32 > 0xf && !extended {
            Self::Generic
        } else {
            self
        } as u32;
        DEV_CTL_RESET | (number & 0xf) << 28 | (number >> 4) << 24
    }

    /// What happened, after the card's name.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Normal => "is started",
            Self::KeepAlive => "has not said that it is alive",
            Self::Admin => "has not answered a command",
            Self::MissingTransmitCompletions => "has not said what became of packets to send",
            Self::InvalidReceiveIdentifier => "has received into a buffer that it was not given",
            Self::InvalidTransmitIdentifier => "has sent a packet that it was not given",
            Self::TooManyReceiveDescriptors => "has received a packet in too many pieces",
            Self::Initialization => "could not be set up",
            Self::Generic => "has failed",
            Self::MalformedReceiveDescriptor => "has described a received packet wrongly",
            Self::MalformedTransmitDescriptor => "has described a sent packet wrongly",
            Self::DeviceRequest => "asks for a reset",
        }
    }
}

/// What `CAPS` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// How long each half of a reset may take, in nanoseconds (units of 100 ms).
    pub(super) reset_time: u64,
    /// Bits of an address that the device reaches.
    pub(super) address_bits: u32,
    /// How long an admin command may take, in nanoseconds (units of 100 ms); 0 when the device does not say.
    pub(super) admin_time: u64,
}

impl From<u32> for Capabilities {
    fn from(value: u32) -> Self {
        const UNIT: u64 = 100_000_000;
        Self {
            reset_time: u64::from(value >> 1 & 0x1f) * UNIT,
            address_bits: value >> 8 & 0xff,
            admin_time: u64::from(value >> 16 & 0xf) * UNIT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ena_capabilities_are_read_field_by_field() {
        let read = Capabilities::from(1 | 30 << 1 | 48 << 8 | 5 << 16);
        assert_eq!(
            read,
            Capabilities {
                reset_time: 3_000_000_000,
                address_bits: 48,
                admin_time: 500_000_000,
            }
        );
    }

    #[test]
    fn ena_reasons_fit_the_register_of_old_devices_too() {
        assert_eq!(Reason::KeepAlive.dev_ctl(false), 1 | 1 << 28);
        assert_eq!(Reason::MalformedReceiveDescriptor.dev_ctl(true), 1 | 1 << 24);
        assert_eq!(Reason::DeviceRequest.dev_ctl(true), 1 | 3 << 28 | 1 << 24);
        assert_eq!(Reason::DeviceRequest.dev_ctl(false), 1 | 13 << 28);
    }
}
