//! Commands of the admin queue: `gve_adminq.h`. All of their fields are big endian.

/// Bytes of a command (`gve_adminq_command`).
pub(in crate::gve::model) const COMMAND_SIZE: usize = 64;
/// Where a command's status lies, and its parameters.
pub(in crate::gve::model) const STATUS: usize = 4;
pub(in crate::gve::model) const PARAMETERS: usize = 8;

// gve_adminq_opcodes
pub(in crate::gve::model) const DESCRIBE_DEVICE: u32 = 0x1;
pub(in crate::gve::model) const CONFIGURE_DEVICE_RESOURCES: u32 = 0x2;
pub(in crate::gve::model) const REGISTER_PAGE_LIST: u32 = 0x3;
pub(in crate::gve::model) const UNREGISTER_PAGE_LIST: u32 = 0x4;
pub(in crate::gve::model) const CREATE_TX_QUEUE: u32 = 0x5;
pub(in crate::gve::model) const CREATE_RX_QUEUE: u32 = 0x6;
pub(in crate::gve::model) const DESTROY_TX_QUEUE: u32 = 0x7;
pub(in crate::gve::model) const DESTROY_RX_QUEUE: u32 = 0x8;
pub(in crate::gve::model) const DECONFIGURE_DEVICE_RESOURCES: u32 = 0x9;
pub(in crate::gve::model) const CONFIGURE_RSS: u32 = 0xa;
pub(in crate::gve::model) const SET_DRIVER_PARAMETER: u32 = 0xb;
pub(in crate::gve::model) const REPORT_STATS: u32 = 0xc;
pub(in crate::gve::model) const REPORT_LINK_SPEED: u32 = 0xd;
pub(in crate::gve::model) const GET_PTYPE_MAP: u32 = 0xe;
pub(in crate::gve::model) const VERIFY_DRIVER_COMPATIBILITY: u32 = 0xf;
pub(in crate::gve::model) const QUERY_FLOW_RULES: u32 = 0x10;
pub(in crate::gve::model) const REPORT_NIC_TIMESTAMP: u32 = 0x11;
pub(in crate::gve::model) const QUERY_RSS: u32 = 0x12;
pub(in crate::gve::model) const EXTENDED_COMMAND: u32 = 0xff;

// gve_adminq_statuses
pub(in crate::gve::model) const UNSET: u32 = 0;
pub(in crate::gve::model) const PASSED: u32 = 1;
pub(in crate::gve::model) const ERROR_ALREADY_EXISTS: u32 = 0xffff_fff1;
pub(in crate::gve::model) const ERROR_FAILED_PRECONDITION: u32 = 0xffff_fff5;
pub(in crate::gve::model) const ERROR_INVALID_ARGUMENT: u32 = 0xffff_fff7;
pub(in crate::gve::model) const ERROR_NOT_FOUND: u32 = 0xffff_fff8;
pub(in crate::gve::model) const ERROR_RESOURCE_EXHAUSTED: u32 = 0xffff_fffc;
pub(in crate::gve::model) const ERROR_UNIMPLEMENTED: u32 = 0xffff_fffe;

// gve_device_descriptor: bytes of it, offsets of its fields
pub(in crate::gve::model) const DEVICE_DESCRIPTOR_VERSION: u32 = 1;
pub(in crate::gve::model) const DEVICE_DESCRIPTOR_SIZE: usize = 40;

// gve_dev_opt_id
pub(in crate::gve::model) const OPT_GQI_RDA: u16 = 0x2;
pub(in crate::gve::model) const OPT_GQI_QPL: u16 = 0x3;
pub(in crate::gve::model) const OPT_DQO_RDA: u16 = 0x4;
pub(in crate::gve::model) const OPT_MODIFY_RING: u16 = 0x6;
pub(in crate::gve::model) const OPT_DQO_QPL: u16 = 0x7;
pub(in crate::gve::model) const OPT_JUMBO_FRAMES: u16 = 0x8;
pub(in crate::gve::model) const OPT_BUFFER_SIZES: u16 = 0xa;

// gve_sup_feature_mask
pub(in crate::gve::model) const SUP_MODIFY_RING: u32 = 1 << 0;
pub(in crate::gve::model) const SUP_JUMBO_FRAMES: u32 = 1 << 2;
pub(in crate::gve::model) const SUP_BUFFER_SIZES: u32 = 1 << 4;

// gve_driver_info, gve_driver_capbility
pub(in crate::gve::model) const DRIVER_INFO_SIZE: usize = 16 + 32 + 2 * 128;
pub(in crate::gve::model) const DRIVER_INFO_CAPABILITIES: usize = 16;
pub(in crate::gve::model) const DRIVER_INFO_STRINGS: usize = 48;
pub(in crate::gve::model) const VERSION_STR_LEN: usize = 128;
pub(in crate::gve::model) const CAPABILITY_GQI_QPL: u32 = 0;
pub(in crate::gve::model) const CAPABILITY_GQI_RDA: u32 = 1;
pub(in crate::gve::model) const CAPABILITY_DQO_QPL: u32 = 2;
pub(in crate::gve::model) const CAPABILITY_DQO_RDA: u32 = 3;
pub(in crate::gve::model) const CAPABILITY_ALT_MISS_COMPL: u32 = 4;

pub(in crate::gve::model) const RAW_ADDRESSING_QPL_ID: u32 = 0xffff_ffff;
/// `gve_queue_resources`.
pub(in crate::gve::model) const QUEUE_RESOURCES_SIZE: usize = 64;
pub(in crate::gve::model) const SET_PARAM_MTU: u32 = 1;

// gve_ptype_map, gve_l3_type, gve_l4_type
pub(in crate::gve::model) const PTYPE_MAP_SIZE: usize = 2 << 10;
pub(in crate::gve::model) const L3_TYPE_OTHER: u8 = 1;
pub(in crate::gve::model) const L3_TYPE_IPV4: u8 = 2;
pub(in crate::gve::model) const L3_TYPE_IPV6: u8 = 3;
pub(in crate::gve::model) const L4_TYPE_OTHER: u8 = 1;
pub(in crate::gve::model) const L4_TYPE_TCP: u8 = 2;
pub(in crate::gve::model) const L4_TYPE_UDP: u8 = 3;
