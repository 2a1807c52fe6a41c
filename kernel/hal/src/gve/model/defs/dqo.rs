//! Descriptors of DQO queues and doorbells of their interrupts: `gve_desc_dqo.h`, `gve_dqo.h`. All of their fields are little endian.

// gve_tx_pkt_desc_dqo, gve_tx_tso_context_desc_dqo, gve_tx_general_context_desc_dqo
pub(in crate::gve::model) const TX_DESC_SIZE: usize = 16;
/// Where all three have their type, with flags above it.
pub(in crate::gve::model) const TX_DTYPE: usize = 8;
pub(in crate::gve::model) const TX_DTYPE_MASK: u8 = 0x1f;
pub(in crate::gve::model) const TX_PKT_DESC_DTYPE: u8 = 0xc;
pub(in crate::gve::model) const TX_TSO_CTX_DESC_DTYPE: u8 = 0x5;
pub(in crate::gve::model) const TX_GENERAL_CTX_DESC_DTYPE: u8 = 0x4;
pub(in crate::gve::model) const TX_END_OF_PACKET: u8 = 1 << 5;
pub(in crate::gve::model) const TX_CHECKSUM_OFFLOAD_ENABLE: u8 = 1 << 6;
pub(in crate::gve::model) const TX_REPORT_EVENT: u8 = 1 << 7;
/// Of the context descriptors.
pub(in crate::gve::model) const TX_TSO: u8 = 1 << 5;
pub(in crate::gve::model) const TX_METADATA_VERSION: u8 = 0;
pub(in crate::gve::model) const TX_MAX_BUF_SIZE: u16 = 16 * 1024 - 1;
pub(in crate::gve::model) const TX_MAX_HDR_SIZE: usize = 255;
pub(in crate::gve::model) const TX_MIN_TSO_MSS: usize = 88;
pub(in crate::gve::model) const TX_MAX_DATA_DESCS: usize = 10;
pub(in crate::gve::model) const TX_MIN_DESC_PREVENT_CACHE_OVERLAP: u16 = 4;
pub(in crate::gve::model) const TX_MIN_RE_INTERVAL: u32 = 32;
/// `gve_tx_dqo.c`: what the hardware asks of a packet, of an MSS and of the payload to be segmented, in bytes.
pub(in crate::gve::model) const TX_MIN_PACKET: usize = 17;
pub(in crate::gve::model) const TX_MAX_PACKET: usize = 9728;
pub(in crate::gve::model) const TX_MAX_TSO: usize = 0x3_ffff;

// gve_tx_compl_desc
pub(in crate::gve::model) const TX_COMPL_SIZE: usize = 8;
pub(in crate::gve::model) const TX_COMPL_TYPE_SHIFT: u32 = 11;
pub(in crate::gve::model) const TX_COMPL_GENERATION_SHIFT: u32 = 15;
pub(in crate::gve::model) const COMPL_TYPE_MISS: u8 = 0x1;
pub(in crate::gve::model) const COMPL_TYPE_PKT: u8 = 0x2;
pub(in crate::gve::model) const COMPL_TYPE_REINJECTION: u8 = 0x3;
pub(in crate::gve::model) const COMPL_TYPE_DESC: u8 = 0x4;
pub(in crate::gve::model) const ALT_MISS_COMPL_BIT: u16 = 1 << 15;

// gve_rx_desc_dqo
pub(in crate::gve::model) const RX_DESC_SIZE: usize = 32;
/// As many buffers there must be, at least, from one doorbell to the next.
pub(in crate::gve::model) const RX_MIN_BUF_THRESH: u32 = 8;
/// `gve.h`: sizes of buffers.
pub(in crate::gve::model) const RX_BUFFER_SIZE: u16 = 2048;
pub(in crate::gve::model) const MIN_RX_BUFFER_SIZE: u16 = 2048;

// gve_rx_compl_desc_dqo
pub(in crate::gve::model) const RX_COMPL_SIZE: usize = 32;
pub(in crate::gve::model) const RX_RXDID: u8 = 1;
pub(in crate::gve::model) const RX_ERROR: u8 = 1 << 2;
/// The word with the length, the generation and the buffer queue.
pub(in crate::gve::model) const RX_PACKET_LEN: usize = 4;
pub(in crate::gve::model) const RX_PACKET_LEN_MASK: u16 = 0x3fff;
pub(in crate::gve::model) const RX_GENERATION_SHIFT: u32 = 14;
pub(in crate::gve::model) const RX_STATUS: usize = 8;
pub(in crate::gve::model) const RX_DESCRIPTOR_DONE: u8 = 1 << 0;
pub(in crate::gve::model) const RX_END_OF_PACKET: u8 = 1 << 1;
pub(in crate::gve::model) const RX_L3_L4_PROCESSED: u8 = 1 << 3;
pub(in crate::gve::model) const RX_CSUM_IP_ERR: u8 = 1 << 4;
pub(in crate::gve::model) const RX_CSUM_L4_ERR: u8 = 1 << 5;
pub(in crate::gve::model) const RX_BUF_ID: usize = 12;
pub(in crate::gve::model) const RX_RAW_CS: usize = 14;
pub(in crate::gve::model) const RX_HASH: usize = 16;

// gve_dqo.h: doorbells of interrupts
pub(in crate::gve::model) const ITR_ENABLE_BIT: u32 = 1 << 0;
pub(in crate::gve::model) const ITR_CLEAR_PBA_BIT: u32 = 1 << 1;
pub(in crate::gve::model) const ITR_NO_UPDATE: u32 = 3 << 3;
pub(in crate::gve::model) const ITR_INTERVAL_SHIFT: u32 = 5;
pub(in crate::gve::model) const ITR_INTERVAL_MASK: u32 = (1 << 12) - 1;
