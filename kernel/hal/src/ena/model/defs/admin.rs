//! Commands, their completions and events: `ena_admin_defs.h`, `ena_common_defs.h`.

/// Bytes of an entry of the admin queue, of its completion queue and of the event queue.
pub(in crate::ena::model) const ENTRY_SIZE: usize = 64;

// ena_admin_aq_opcode
pub(in crate::ena::model) const CREATE_SQ: u8 = 1;
pub(in crate::ena::model) const DESTROY_SQ: u8 = 2;
pub(in crate::ena::model) const CREATE_CQ: u8 = 3;
pub(in crate::ena::model) const DESTROY_CQ: u8 = 4;
pub(in crate::ena::model) const GET_FEATURE: u8 = 8;
pub(in crate::ena::model) const SET_FEATURE: u8 = 9;
pub(in crate::ena::model) const GET_STATS: u8 = 11;

// ena_admin_aq_completion_status
pub(in crate::ena::model) const SUCCESS: u8 = 0;
pub(in crate::ena::model) const RESOURCE_ALLOCATION_FAILURE: u8 = 1;
pub(in crate::ena::model) const BAD_OPCODE: u8 = 2;
pub(in crate::ena::model) const UNSUPPORTED_OPCODE: u8 = 3;
pub(in crate::ena::model) const MALFORMED_REQUEST: u8 = 4;
pub(in crate::ena::model) const ILLEGAL_PARAMETER: u8 = 5;
pub(in crate::ena::model) const RESOURCE_BUSY: u8 = 7;

// ena_admin_aq_feature_id
pub(in crate::ena::model) const DEVICE_ATTRIBUTES: u8 = 1;
pub(in crate::ena::model) const MAX_QUEUES_NUM: u8 = 2;
pub(in crate::ena::model) const HW_HINTS: u8 = 3;
pub(in crate::ena::model) const LLQ: u8 = 4;
pub(in crate::ena::model) const MAX_QUEUES_EXT: u8 = 7;
pub(in crate::ena::model) const STATELESS_OFFLOAD_CONFIG: u8 = 11;
pub(in crate::ena::model) const MTU: u8 = 14;
pub(in crate::ena::model) const INTERRUPT_MODERATION: u8 = 20;
pub(in crate::ena::model) const AENQ_CONFIG: u8 = 26;
pub(in crate::ena::model) const LINK_CONFIG: u8 = 27;
pub(in crate::ena::model) const HOST_ATTR_CONFIG: u8 = 28;
pub(in crate::ena::model) const PHC_CONFIG: u8 = 29;

// ena_admin_aq_caps_id
pub(in crate::ena::model) const EXTENDED_RESET_REASONS: u32 = 3;
pub(in crate::ena::model) const CDESC_MBZ: u32 = 4;

// ena_admin_placement_policy_type, ena_admin_completion_policy_type, ena_admin_sq_direction
pub(in crate::ena::model) const PLACEMENT_POLICY_HOST: u8 = 1;
pub(in crate::ena::model) const PLACEMENT_POLICY_DEV: u8 = 3;
pub(in crate::ena::model) const COMPLETION_POLICY_DESC: u8 = 0;
pub(in crate::ena::model) const COMPLETION_POLICY_DESC_ON_DEMAND: u8 = 1;
pub(in crate::ena::model) const SQ_DIRECTION_TX: u8 = 1;
pub(in crate::ena::model) const SQ_DIRECTION_RX: u8 = 2;

// ena_admin_llq_header_location, ena_admin_llq_ring_entry_size, ena_admin_llq_stride_ctrl, ena_admin_accel_mode_feat
pub(in crate::ena::model) const INLINE_HEADER: u16 = 1;
pub(in crate::ena::model) const LIST_ENTRY_SIZE_128B: u16 = 1;
pub(in crate::ena::model) const LIST_ENTRY_SIZE_192B: u16 = 2;
pub(in crate::ena::model) const LIST_ENTRY_SIZE_256B: u16 = 4;
pub(in crate::ena::model) const SINGLE_DESC_PER_ENTRY: u16 = 1;
pub(in crate::ena::model) const MULTIPLE_DESCS_PER_ENTRY: u16 = 2;
pub(in crate::ena::model) const DISABLE_META_CACHING: u16 = 1 << 0;
pub(in crate::ena::model) const LIMIT_TX_BURST: u16 = 1 << 1;

// ena_admin_feature_offload_desc
pub(in crate::ena::model) const TX_L3_CSUM_IPV4: u32 = 1 << 0;
pub(in crate::ena::model) const TX_L4_IPV4_CSUM_PART: u32 = 1 << 1;
pub(in crate::ena::model) const TX_L4_IPV4_CSUM_FULL: u32 = 1 << 2;
pub(in crate::ena::model) const TX_L4_IPV6_CSUM_PART: u32 = 1 << 3;
pub(in crate::ena::model) const TX_L4_IPV6_CSUM_FULL: u32 = 1 << 4;
pub(in crate::ena::model) const TSO_IPV4: u32 = 1 << 5;
pub(in crate::ena::model) const TSO_IPV6: u32 = 1 << 6;
pub(in crate::ena::model) const RX_L3_CSUM_IPV4: u32 = 1 << 0;
pub(in crate::ena::model) const RX_L4_IPV4_CSUM: u32 = 1 << 1;
pub(in crate::ena::model) const RX_L4_IPV6_CSUM: u32 = 1 << 2;

// ena_admin_aenq_group, ena_admin_aenq_notification_syndrome
pub(in crate::ena::model) const LINK_CHANGE: u16 = 0;
pub(in crate::ena::model) const FATAL_ERROR: u16 = 1;
pub(in crate::ena::model) const WARNING: u16 = 2;
pub(in crate::ena::model) const NOTIFICATION: u16 = 3;
pub(in crate::ena::model) const KEEP_ALIVE: u16 = 4;
pub(in crate::ena::model) const DEVICE_REQUEST_RESET: u16 = 7;
pub(in crate::ena::model) const UPDATE_HINTS: u16 = 2;

// ena_admin_host_info: offsets, bits of driver_supported_features, and the version of the specification that `ena_common_defs.h` has.
pub(in crate::ena::model) const HOST_INFO_ENA_SPEC_VERSION: usize = 184;
pub(in crate::ena::model) const HOST_INFO_NUM_CPUS: usize = 188;
pub(in crate::ena::model) const HOST_INFO_DRIVER_SUPPORTED_FEATURES: usize = 192;
pub(in crate::ena::model) const HOST_INFO_RX_OFFSET: u32 = 1 << 1;
pub(in crate::ena::model) const HOST_INFO_PHC: u32 = 1 << 8;
pub(in crate::ena::model) const SPEC_VERSION: u16 = 2 << 8;

// ena_admin_phc_resp: its length, and offsets.
pub(in crate::ena::model) const PHC_RESP_SIZE: usize = 64;
pub(in crate::ena::model) const PHC_RESP_TIMESTAMP: usize = 8;
pub(in crate::ena::model) const PHC_RESP_ERROR_BOUND: usize = 24;
pub(in crate::ena::model) const PHC_RESP_ERROR_FLAGS: usize = 28;
