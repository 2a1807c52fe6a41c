//! Descriptors of GQI queues: `gve_desc.h`. All of their fields are big endian.

// gve_tx_pkt_desc, gve_tx_mtd_desc, gve_tx_seg_desc
pub(in crate::gve::model) const TX_DESC_SIZE: usize = 16;
pub(in crate::gve::model) const TXD_TYPE: u8 = 0xf0;
pub(in crate::gve::model) const TXD_STD: u8 = 0x0 << 4;
pub(in crate::gve::model) const TXD_TSO: u8 = 0x1 << 4;
pub(in crate::gve::model) const TXD_SEG: u8 = 0x2 << 4;
pub(in crate::gve::model) const TXD_MTD: u8 = 0x3 << 4;
pub(in crate::gve::model) const TXF_L4CSUM: u8 = 1 << 0;
pub(in crate::gve::model) const TXSF_IPV6: u8 = 1 << 1;
/// The last of the path's states, and of its kinds of hashes.
pub(in crate::gve::model) const MTD_PATH_STATE_RETRANSMIT: u8 = 3;
pub(in crate::gve::model) const MTD_PATH_HASH_L4: u8 = 1;
/// `gve.h`, `gve_tx.c`: what a packet's first descriptor must have of it.
pub(in crate::gve::model) const GQ_TX_MIN_PKT_DESC_BYTES: usize = 182;

// gve_rx_desc, gve_rx_data_slot
pub(in crate::gve::model) const RX_DESC_SIZE: usize = 64;
pub(in crate::gve::model) const RX_DATA_SLOT_SIZE: usize = 8;
pub(in crate::gve::model) const RX_RSS_HASH: usize = 48;
pub(in crate::gve::model) const RX_HDR_LEN: usize = 56;
pub(in crate::gve::model) const RX_CSUM: usize = 58;
pub(in crate::gve::model) const RX_LEN: usize = 60;
pub(in crate::gve::model) const RX_FLAGS_SEQ: usize = 62;
pub(in crate::gve::model) const RX_PAD: usize = 2;
/// The last sequence number; 1 follows.
pub(in crate::gve::model) const RX_LAST_SEQNO: u8 = 7;
pub(in crate::gve::model) const RXF_FRAG: u16 = 1 << (3 + 3);
pub(in crate::gve::model) const RXF_IPV4: u16 = 1 << (3 + 4);
pub(in crate::gve::model) const RXF_IPV6: u16 = 1 << (3 + 5);
pub(in crate::gve::model) const RXF_TCP: u16 = 1 << (3 + 6);
pub(in crate::gve::model) const RXF_UDP: u16 = 1 << (3 + 7);
pub(in crate::gve::model) const RXF_ERR: u16 = 1 << (3 + 8);
pub(in crate::gve::model) const RXF_PKT_CONT: u16 = 1 << (3 + 10);
/// `gve_rx.c`: half a page, which the first devices take for granted.
pub(in crate::gve::model) const RX_BUFFER_SIZE: usize = 2048;

// Doorbells of interrupts.
pub(in crate::gve::model) const IRQ_ACK: u32 = 1 << 31;
pub(in crate::gve::model) const IRQ_MASK: u32 = 1 << 30;
pub(in crate::gve::model) const IRQ_EVENT: u32 = 1 << 29;
