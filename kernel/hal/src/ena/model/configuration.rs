//! What a device is, before anybody talks to it.

use super::defs::admin;
use super::phc::PhcOffer;

/// How registers can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegisterReads {
    /// By loads and by the readless way.
    Both,
    /// By loads only: bit 0 of the PCI function's revision is set.
    Loads,
    /// By the readless way only; a load gives all ones.
    Readless,
}

/// The low latency queues that a device offers: bit fields as in `ena_admin_feature_llq_desc`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LlqOffer {
    /// Queues.
    pub(crate) queues: u32,
    /// Entries of a queue.
    pub(crate) depth: u32,
    /// `ena_admin_llq_ring_entry_size`.
    pub(crate) entry_sizes: u16,
    /// `ena_admin_llq_num_descs_before_header`.
    pub(crate) descs_before_header: u16,
    /// `ena_admin_llq_stride_ctrl`.
    pub(crate) strides: u16,
    /// `ena_admin_accel_mode_feat`: what the driver must do.
    pub(crate) accelerations: u16,
    /// Bytes of entries between two doorbells, where `LIMIT_TX_BURST` is among the accelerations.
    pub(crate) burst_bytes: u16,
}

/// A device. The default is a small one that can do everything that the model knows.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    /// How registers can be read.
    pub(crate) reads: RegisterReads,
    /// The register `version`.
    pub(crate) version: u32,
    /// The register `controller_version`.
    pub(crate) controller_version: u32,
    /// Units of 100 ms; 0 to 31.
    pub(crate) reset_timeout: u32,
    /// Units of 100 ms; 0 to 15, and 0 leaves it to the driver.
    pub(crate) admin_timeout: u32,
    /// Bits of an address.
    pub(crate) address_bits: u32,
    /// Looks at the status that a change of it takes.
    pub(crate) reset_looks: u32,
    /// `ena_admin_aq_feature_id`, a bit each.
    pub(crate) features: u32,
    /// `ena_admin_aq_caps_id`, a bit each.
    pub(crate) capabilities: u32,
    /// The device's address.
    pub(crate) mac: [u8; 6],
    /// Bytes without the Ethernet header.
    pub(crate) max_mtu: u32,
    /// Submission queues of each direction, and as many completion queues.
    pub(crate) queues: u32,
    /// Entries of a queue in host memory.
    pub(crate) tx_depth: u32,
    /// As above.
    pub(crate) rx_depth: u32,
    /// Bytes.
    pub(crate) max_tx_header: u32,
    /// With the metadata descriptor.
    pub(crate) max_tx_descs: u16,
    /// Buffers of a received frame.
    pub(crate) max_rx_descs: u16,
    /// Low latency queues, if there are any.
    pub(crate) llq: Option<LlqOffer>,
    /// The PTP hardware clock, if there is one; the bit of its feature is one of `features`.
    pub(crate) phc: Option<PhcOffer>,
    /// `ena_admin_aenq_group`, a bit each.
    pub(crate) groups: u32,
    /// `tx` of `ena_admin_feature_offload_desc`.
    pub(crate) tx_offloads: u32,
    /// `rx_supported`.
    pub(crate) rx_offloads: u32,
    /// Bytes left free before a received frame, for drivers that say that they can.
    pub(crate) rx_offset: u8,
    /// Messages that the function can send.
    pub(crate) vectors: u16,
}

impl Default for Configuration {
    fn default() -> Self {
        let features = [
            admin::DEVICE_ATTRIBUTES,
            admin::MAX_QUEUES_EXT,
            admin::HW_HINTS,
            admin::LLQ,
            admin::STATELESS_OFFLOAD_CONFIG,
            admin::MTU,
            admin::AENQ_CONFIG,
            admin::LINK_CONFIG,
            admin::HOST_ATTR_CONFIG,
        ];
        let groups = [
            admin::LINK_CHANGE,
            admin::FATAL_ERROR,
            admin::WARNING,
            admin::NOTIFICATION,
            admin::KEEP_ALIVE,
            admin::DEVICE_REQUEST_RESET,
        ];
        Self {
            reads: RegisterReads::Both,
            version: 0x000a,
            controller_version: 0x0100_0001,
            reset_timeout: 30,
            admin_timeout: 10,
            address_bits: 48,
            reset_looks: 2,
            features: features.iter().fold(0, |bits, feature| bits | 1 << feature),
            capabilities: 1 << admin::EXTENDED_RESET_REASONS | 1 << admin::CDESC_MBZ,
            mac: [0x02, 0x11, 0x22, 0x33, 0x44, 0x55],
            max_mtu: 9216,
            queues: 2,
            tx_depth: 1024,
            rx_depth: 1024,
            max_tx_header: 224,
            max_tx_descs: 17,
            max_rx_descs: 8,
            llq: Some(LlqOffer {
                queues: 2,
                depth: 512,
                entry_sizes: admin::LIST_ENTRY_SIZE_128B | admin::LIST_ENTRY_SIZE_256B,
                descs_before_header: 1 | 2 | 4,
                strides: admin::SINGLE_DESC_PER_ENTRY | admin::MULTIPLE_DESCS_PER_ENTRY,
                accelerations: 0,
                burst_bytes: 0,
            }),
            phc: None,
            groups: groups.iter().fold(0, |bits, group| bits | 1 << group),
            tx_offloads: 0x7f,
            rx_offloads: 0x7,
            rx_offset: 0,
            vectors: 3,
        }
    }
}
