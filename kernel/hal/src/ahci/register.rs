//! The controller's registers (section 3) and what their bits mean.

use crate::bus::Registers;

/// Ports that a controller can have.
pub(super) const PORTS: u8 = 32;
/// Bytes of all registers.
pub(super) const LENGTH: u32 = 0x100 + PORTS as u32 * PORT_LENGTH as u32;
const PORT_LENGTH: usize = 0x80;

/// Generic host control (section 3.1).
pub(super) mod hba {
    /// `CAP`.
    pub(in crate::ahci) const CAPABILITIES: usize = 0x00;
    /// `CAP.S64A`.
    pub(in crate::ahci) const ADDRESSES_64: u32 = 1 << 31;
    /// `GHC`.
    pub(in crate::ahci) const CONTROL: usize = 0x04;
    /// `GHC.HR`.
    pub(in crate::ahci) const RESET: u32 = 1 << 0;
    /// `GHC.IE`.
    pub(in crate::ahci) const INTERRUPTS: u32 = 1 << 1;
    /// `GHC.AE`.
    pub(in crate::ahci) const ENABLE: u32 = 1 << 31;
    /// `IS`.
    pub(in crate::ahci) const INTERRUPT_STATUS: usize = 0x08;
    /// `PI`.
    pub(in crate::ahci) const PORTS_IMPLEMENTED: usize = 0x0c;
    /// `CAP2`.
    pub(in crate::ahci) const CAPABILITIES_2: usize = 0x24;
    /// `CAP2.BOH`.
    pub(in crate::ahci) const HAS_HAND_OVER: u32 = 1 << 0;
    /// `BOHC`.
    pub(in crate::ahci) const HAND_OVER: usize = 0x28;
    /// `BOHC.BOS`.
    pub(in crate::ahci) const OWNED_BY_FIRMWARE: u32 = 1 << 0;
    /// `BOHC.OOS`.
    pub(in crate::ahci) const OWNED_BY_KERNEL: u32 = 1 << 1;
}

/// Port registers (section 3.3).
pub(super) mod port {
    /// `PxCLB`.
    pub(in crate::ahci) const COMMAND_LIST: usize = 0x00;
    /// `PxFB`.
    pub(in crate::ahci) const RECEIVED_FIS: usize = 0x08;
    /// `PxIS`.
    pub(in crate::ahci) const INTERRUPT_STATUS: usize = 0x10;
    /// Bits of `PxIS` that say that commands stopped: task file error, host bus errors, interface fatal error.
    pub(in crate::ahci) const ERRORS: u32 = 1 << 30 | 1 << 29 | 1 << 28 | 1 << 27;
    /// `PxIE`.
    pub(in crate::ahci) const INTERRUPT_ENABLE: usize = 0x14;
    /// Bits of `PxIE`: ends of commands (`DHRE`, `PSE`, `DSE`) and errors.
    pub(in crate::ahci) const INTERRUPTS: u32 = 0b111 | ERRORS;
    /// `PxCMD`.
    pub(in crate::ahci) const COMMAND: usize = 0x18;
    /// `PxCMD.ST`.
    pub(in crate::ahci) const START: u32 = 1 << 0;
    /// `PxCMD.SUD` and `PxCMD.POD`.
    pub(in crate::ahci) const POWER: u32 = 1 << 1 | 1 << 2;
    /// `PxCMD.FRE`.
    pub(in crate::ahci) const RECEIVE: u32 = 1 << 4;
    /// `PxCMD.FR`.
    pub(in crate::ahci) const RECEIVES: u32 = 1 << 14;
    /// `PxCMD.CR`.
    pub(in crate::ahci) const RUNS: u32 = 1 << 15;
    /// `PxTFD`.
    pub(in crate::ahci) const TASK_FILE: usize = 0x20;
    /// `PxTFD.STS.BSY` and `DRQ`.
    pub(in crate::ahci) const BUSY: u32 = 1 << 7 | 1 << 3;
    /// `PxTFD.STS.ERR`.
    pub(in crate::ahci) const ERROR: u32 = 1 << 0;
    /// `PxSIG`.
    pub(in crate::ahci) const SIGNATURE: usize = 0x24;
    /// The signature of a disk.
    pub(in crate::ahci) const DISK: u32 = 0x0000_0101;
    /// `PxSSTS`.
    pub(in crate::ahci) const SATA_STATUS: usize = 0x28;
    /// `PxSSTS.DET`: a device is there and communicates.
    pub(in crate::ahci) const DEVICE_PRESENT: u32 = 3;
    /// `PxSCTL`.
    pub(in crate::ahci) const SATA_CONTROL: usize = 0x2c;
    /// `PxSCTL.DET`: reset the link (`COMRESET`).
    pub(in crate::ahci) const RESET_LINK: u32 = 1;
    /// `PxSERR`.
    pub(in crate::ahci) const SATA_ERROR: usize = 0x30;
    /// `PxCI`.
    pub(in crate::ahci) const COMMAND_ISSUE: usize = 0x38;
}

/// The registers of a port.
pub(super) fn port_range(registers: Registers, number: u8) -> Option<Registers> {
    registers.part(0x100 + usize::from(number) * PORT_LENGTH, PORT_LENGTH)
}
