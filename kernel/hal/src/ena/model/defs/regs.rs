//! Registers of BAR 0: `ena_regs_defs.h`.

pub(in crate::ena::model) const VERSION_OFF: usize = 0x0;
pub(in crate::ena::model) const CONTROLLER_VERSION_OFF: usize = 0x4;
pub(in crate::ena::model) const CAPS_OFF: usize = 0x8;
pub(in crate::ena::model) const CAPS_EXT_OFF: usize = 0xc;
pub(in crate::ena::model) const AQ_BASE_LO_OFF: usize = 0x10;
pub(in crate::ena::model) const AQ_BASE_HI_OFF: usize = 0x14;
pub(in crate::ena::model) const AQ_CAPS_OFF: usize = 0x18;
pub(in crate::ena::model) const ACQ_BASE_LO_OFF: usize = 0x20;
pub(in crate::ena::model) const ACQ_BASE_HI_OFF: usize = 0x24;
pub(in crate::ena::model) const ACQ_CAPS_OFF: usize = 0x28;
pub(in crate::ena::model) const AQ_DB_OFF: usize = 0x2c;
pub(in crate::ena::model) const ACQ_TAIL_OFF: usize = 0x30;
pub(in crate::ena::model) const AENQ_CAPS_OFF: usize = 0x34;
pub(in crate::ena::model) const AENQ_BASE_LO_OFF: usize = 0x38;
pub(in crate::ena::model) const AENQ_BASE_HI_OFF: usize = 0x3c;
pub(in crate::ena::model) const AENQ_HEAD_DB_OFF: usize = 0x40;
pub(in crate::ena::model) const AENQ_TAIL_OFF: usize = 0x44;
pub(in crate::ena::model) const INTR_MASK_OFF: usize = 0x4c;
pub(in crate::ena::model) const DEV_CTL_OFF: usize = 0x54;
pub(in crate::ena::model) const DEV_STS_OFF: usize = 0x58;
pub(in crate::ena::model) const MMIO_REG_READ_OFF: usize = 0x5c;
pub(in crate::ena::model) const MMIO_RESP_LO_OFF: usize = 0x60;
pub(in crate::ena::model) const MMIO_RESP_HI_OFF: usize = 0x64;

pub(in crate::ena::model) const CAPS_CONTIGUOUS_QUEUE_REQUIRED_MASK: u32 = 0x1;
pub(in crate::ena::model) const CAPS_RESET_TIMEOUT_SHIFT: u32 = 1;
pub(in crate::ena::model) const CAPS_DMA_ADDR_WIDTH_SHIFT: u32 = 8;
pub(in crate::ena::model) const CAPS_ADMIN_CMD_TO_SHIFT: u32 = 16;

pub(in crate::ena::model) const DEV_CTL_DEV_RESET_MASK: u32 = 0x1;
pub(in crate::ena::model) const DEV_CTL_RESET_REASON_EXT_SHIFT: u32 = 24;
pub(in crate::ena::model) const DEV_CTL_RESET_REASON_SHIFT: u32 = 28;

pub(in crate::ena::model) const DEV_STS_READY_MASK: u32 = 0x1;
pub(in crate::ena::model) const DEV_STS_RESET_IN_PROGRESS_MASK: u32 = 0x8;
pub(in crate::ena::model) const DEV_STS_RESET_FINISHED_MASK: u32 = 0x10;
pub(in crate::ena::model) const DEV_STS_FATAL_ERROR_MASK: u32 = 0x20;

/// One more than the last of `ena_regs_reset_reason_types`.
pub(in crate::ena::model) const RESET_LAST: u32 = 21;
/// The only bit of the interrupt mask: that of the admin completion queue and the events (`ena_com.c`).
pub(in crate::ena::model) const ADMIN_INTR_MASK: u32 = 1;
