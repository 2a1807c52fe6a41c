//! The controller's registers (section 3.1.3) and what their bits mean.

/// Controller Capabilities.
pub(super) const CAP: usize = 0x00;
/// Controller Configuration.
pub(super) const CC: usize = 0x14;
/// Controller Status.
pub(super) const CSTS: usize = 0x1c;
/// Admin Queue Attributes.
pub(super) const AQA: usize = 0x24;
/// Admin Submission Queue Base Address.
pub(super) const ASQ: usize = 0x28;
/// Admin Completion Queue Base Address.
pub(super) const ACQ: usize = 0x30;
/// The first doorbell.
pub(super) const DOORBELLS: usize = 0x1000;
/// Bytes of registers that every controller has.
pub(super) const LENGTH: u32 = 0x2000;

/// `CC.EN`: enable.
pub(super) const CC_ENABLE: u32 = 1 << 0;
/// `CC.IOSQES` and `CC.IOCQES`: entries of 64 and 16 bytes. The other fields are zero: pages of 4 KiB, the NVM command set, round robin.
pub(super) const CC_ENTRY_SIZES: u32 = 6 << 16 | 4 << 20;

/// `CSTS.RDY`: ready.
pub(super) const CSTS_READY: u32 = 1 << 0;
/// `CSTS.CFS`: controller fatal status.
pub(super) const CSTS_FATAL: u32 = 1 << 1;
/// What a controller reads as that is gone.
pub(super) const GONE: u32 = u32::MAX;

/// What `CAP` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// The most entries of a queue (`MQES`, which counts from zero).
    pub(super) queue_entries: u32,
    /// How long the controller may take to become ready, in nanoseconds (`TO`, in units of 500 ms).
    pub(super) ready_time: u64,
    /// Bytes from one doorbell to the next (`DSTRD`).
    pub(super) doorbell_stride: usize,
    /// The smallest page is 4 KiB (`MPSMIN`).
    pub(super) takes_small_pages: bool,
}

impl From<u64> for Capabilities {
    fn from(value: u64) -> Self {
        const HALF_SECOND: u64 = 500_000_000;
        Self {
            queue_entries: (value & 0xffff) as u32 + 1,
            ready_time: ((value >> 24 & 0xff).max(1)) * HALF_SECOND,
            doorbell_stride: 4 << (value >> 32 & 0xf),
            takes_small_pages: matches!(value >> 48 & 0xf, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_field_by_field() {
        // QEMU's: 2048 entries, 7.5 s, stride 4.
        let qemu = Capabilities::from(0x0040_0020_0f01_07ff);
        assert_eq!(
            qemu,
            Capabilities {
                queue_entries: 2048,
                ready_time: 7_500_000_000,
                doorbell_stride: 4,
                takes_small_pages: true,
            }
        );
        let other = Capabilities::from(0x0001_0003_0000_0001);
        assert_eq!((other.queue_entries, other.doorbell_stride), (2, 32));
        assert!(!other.takes_small_pages);
    }
}
