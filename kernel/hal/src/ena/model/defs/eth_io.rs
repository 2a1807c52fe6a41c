//! Descriptors of frames: `ena_eth_io_defs.h`.

/// Bytes of a descriptor of either direction.
pub(in crate::ena::model) const DESC_SIZE: usize = 16;
/// 32-bit words of a completion by direction; the longer forms carry time stamps, which the model does not offer.
pub(in crate::ena::model) const TX_CDESC_WORDS: u8 = 2;
pub(in crate::ena::model) const RX_CDESC_WORDS: u8 = 4;

pub(in crate::ena::model) const L3_PROTO_UNKNOWN: u32 = 0;
pub(in crate::ena::model) const L3_PROTO_IPV4: u32 = 8;
pub(in crate::ena::model) const L3_PROTO_IPV6: u32 = 11;
pub(in crate::ena::model) const L4_PROTO_UNKNOWN: u32 = 0;
pub(in crate::ena::model) const L4_PROTO_TCP: u32 = 12;
pub(in crate::ena::model) const L4_PROTO_UDP: u32 = 13;

// tx_desc and tx_meta_desc, len_ctrl
pub(in crate::ena::model) const TX_DESC_REQ_ID_HI_SHIFT: u32 = 16;
pub(in crate::ena::model) const TX_DESC_META_DESC: u32 = 1 << 23;
pub(in crate::ena::model) const TX_DESC_PHASE_SHIFT: u32 = 24;
pub(in crate::ena::model) const TX_DESC_FIRST: u32 = 1 << 26;
pub(in crate::ena::model) const TX_DESC_LAST: u32 = 1 << 27;
pub(in crate::ena::model) const TX_DESC_COMP_REQ: u32 = 1 << 28;
/// Bits 22, 25, 29 to 31.
pub(in crate::ena::model) const TX_DESC_LEN_CTRL_MBZ: u32 = 1 << 22 | 1 << 25 | 0b111 << 29;

// tx_desc, meta_ctrl
pub(in crate::ena::model) const TX_DESC_L3_PROTO_IDX_MASK: u32 = 0xf;
pub(in crate::ena::model) const TX_DESC_DF: u32 = 1 << 4;
pub(in crate::ena::model) const TX_DESC_TSO_EN: u32 = 1 << 7;
pub(in crate::ena::model) const TX_DESC_L4_PROTO_IDX_SHIFT: u32 = 8;
pub(in crate::ena::model) const TX_DESC_L4_PROTO_IDX_MASK: u32 = 0x1f << 8;
pub(in crate::ena::model) const TX_DESC_L3_CSUM_EN: u32 = 1 << 13;
pub(in crate::ena::model) const TX_DESC_L4_CSUM_EN: u32 = 1 << 14;
pub(in crate::ena::model) const TX_DESC_ETHERNET_FCS_DIS: u32 = 1 << 15;
pub(in crate::ena::model) const TX_DESC_L4_CSUM_PARTIAL: u32 = 1 << 17;
pub(in crate::ena::model) const TX_DESC_REQ_ID_LO_SHIFT: u32 = 22;
/// Bits 5, 6, 16, 18 to 21.
pub(in crate::ena::model) const TX_DESC_META_CTRL_MBZ: u32 = 0b11 << 5 | 1 << 16 | 0b1111 << 18;

// tx_desc, buff_addr_hi_hdr_sz
pub(in crate::ena::model) const TX_DESC_HEADER_LENGTH_SHIFT: u32 = 24;
pub(in crate::ena::model) const TX_DESC_HI_MBZ: u32 = 0xff << 16;

// tx_meta_desc, len_ctrl and word2
pub(in crate::ena::model) const TX_META_DESC_EXT_VALID: u32 = 1 << 14;
pub(in crate::ena::model) const TX_META_DESC_MSS_HI_SHIFT: u32 = 16;
pub(in crate::ena::model) const TX_META_DESC_ETH_META_TYPE: u32 = 1 << 20;
pub(in crate::ena::model) const TX_META_DESC_META_STORE: u32 = 1 << 21;
/// Bits 0 to 13, 15, 22, 25, 29 to 31.
pub(in crate::ena::model) const TX_META_DESC_LEN_CTRL_MBZ: u32 = 0x3fff | 1 << 15 | TX_DESC_LEN_CTRL_MBZ;
pub(in crate::ena::model) const TX_META_DESC_L3_HDR_OFF_SHIFT: u32 = 8;
pub(in crate::ena::model) const TX_META_DESC_L4_HDR_LEN_IN_WORDS_SHIFT: u32 = 16;
pub(in crate::ena::model) const TX_META_DESC_MSS_LO_SHIFT: u32 = 22;

// rx_desc, ctrl
pub(in crate::ena::model) const RX_DESC_PHASE: u8 = 1 << 0;
pub(in crate::ena::model) const RX_DESC_FIRST: u8 = 1 << 2;
pub(in crate::ena::model) const RX_DESC_LAST: u8 = 1 << 3;
pub(in crate::ena::model) const RX_DESC_COMP_REQ: u8 = 1 << 4;
/// Bits 1, 6 and 7. Bit 5 is "MBO" in the definitions, and zero in the vendor's own drivers: the model takes both.
pub(in crate::ena::model) const RX_DESC_CTRL_MBZ: u8 = 0b1100_0010;

// rx_cdesc_base, status
pub(in crate::ena::model) const RX_CDESC_L4_PROTO_IDX_SHIFT: u32 = 8;
pub(in crate::ena::model) const RX_CDESC_MBZ7: u32 = 1 << 7;
pub(in crate::ena::model) const RX_CDESC_L3_CSUM_ERR: u32 = 1 << 13;
pub(in crate::ena::model) const RX_CDESC_L4_CSUM_ERR: u32 = 1 << 14;
pub(in crate::ena::model) const RX_CDESC_IPV4_FRAG: u32 = 1 << 15;
pub(in crate::ena::model) const RX_CDESC_L4_CSUM_CHECKED: u32 = 1 << 16;
pub(in crate::ena::model) const RX_CDESC_MBZ17: u32 = 1 << 17;
pub(in crate::ena::model) const RX_CDESC_PHASE_SHIFT: u32 = 24;
pub(in crate::ena::model) const RX_CDESC_FIRST: u32 = 1 << 26;
pub(in crate::ena::model) const RX_CDESC_LAST: u32 = 1 << 27;
pub(in crate::ena::model) const RX_CDESC_BUFFER: u32 = 1 << 30;

// tx_cdesc, flags
pub(in crate::ena::model) const TX_CDESC_MBZ6: u8 = 1 << 6;

// intr_reg
pub(in crate::ena::model) const INTR_REG_DELAYS_MASK: u32 = 0x3fff_ffff;
pub(in crate::ena::model) const INTR_REG_INTR_UNMASK: u32 = 1 << 30;
pub(in crate::ena::model) const INTR_REG_NO_MODERATION_UPDATE: u32 = 1 << 31;

// numa_node_cfg_reg
pub(in crate::ena::model) const NUMA_NODE_CFG_REG_RESERVED: u32 = 0x7fff_ff00;
