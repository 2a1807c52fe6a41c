//! Registers of BAR 0: `gve_register.h`. All of them are big endian.

pub(in crate::gve::model) const DEVICE_STATUS: usize = 0;
pub(in crate::gve::model) const DRIVER_STATUS: usize = 4;
pub(in crate::gve::model) const MAX_TX_QUEUES: usize = 8;
pub(in crate::gve::model) const MAX_RX_QUEUES: usize = 12;
pub(in crate::gve::model) const ADMINQ_PFN: usize = 16;
pub(in crate::gve::model) const ADMINQ_DOORBELL: usize = 20;
pub(in crate::gve::model) const ADMINQ_EVENT_COUNTER: usize = 24;
/// One byte, which takes a text byte by byte up to a line feed.
pub(in crate::gve::model) const DRIVER_VERSION: usize = 31;
pub(in crate::gve::model) const ADMINQ_BASE_ADDRESS_HI: usize = 32;
pub(in crate::gve::model) const ADMINQ_BASE_ADDRESS_LO: usize = 36;
/// Two bytes.
pub(in crate::gve::model) const ADMINQ_LENGTH: usize = 40;

// gve_device_status_flags
pub(in crate::gve::model) const DEVICE_STATUS_RESET: u32 = 1 << 1;
pub(in crate::gve::model) const DEVICE_STATUS_LINK_STATUS: u32 = 1 << 2;
pub(in crate::gve::model) const DEVICE_STATUS_REPORT_STATS: u32 = 1 << 3;
pub(in crate::gve::model) const DEVICE_STATUS_DEVICE_IS_RESET: u32 = 1 << 4;

// gve_driver_status_flags
pub(in crate::gve::model) const DRIVER_STATUS_RUN: u32 = 1 << 0;
pub(in crate::gve::model) const DRIVER_STATUS_RESET: u32 = 1 << 1;
