//! What the descriptors of a packet must be, and the metadata that hold for it.

use super::defs::eth_io;
use super::state::{Direction, State};

/// A metadata descriptor's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) mss: u16,
    pub(super) l3_hdr_len: u8,
    pub(super) l3_hdr_off: u8,
    pub(super) l4_hdr_len_in_words: u8,
}

pub(super) fn is_meta(descriptor: &[u32; 4]) -> bool {
    descriptor[0] & eth_io::TX_DESC_META_DESC != 0
}

impl State {
    /// Checks the metadata descriptor, and returns what holds for the packet.
    pub(super) fn check_meta_use(&mut self, number: u16, descriptors: &[[u32; 4]]) -> Option<Meta> {
        let brings = self.settings.llq.is_some_and(|llq| llq.no_meta_caching);
        let first = descriptors[0];
        let misplaced = descriptors[1..].iter().any(is_meta);
        self.demand(
            !misplaced,
            format_args!("TX queue {number}: metadata that is not the first descriptor"),
        );
        let queue = self.submissions.get_mut(&(Direction::Tx, number))?;
        if !is_meta(&first) {
            let brings = brings && queue.address.is_none();
            let stored = queue.meta.filter(|_| !brings);
            self.demand(
                !brings,
                format_args!("TX queue {number}: each packet must bring its metadata, and one does not"),
            );
            return stored;
        }
        let meta = Meta {
            mss: ((first[0] >> eth_io::TX_META_DESC_MSS_HI_SHIFT & 0xf) << 10
                | first[2] >> eth_io::TX_META_DESC_MSS_LO_SHIFT) as u16,
            l3_hdr_len: first[2] as u8,
            l3_hdr_off: (first[2] >> eth_io::TX_META_DESC_L3_HDR_OFF_SHIFT) as u8,
            l4_hdr_len_in_words: (first[2] >> eth_io::TX_META_DESC_L4_HDR_LEN_IN_WORDS_SHIFT & 0x3f) as u8,
        };
        queue.meta = Some(meta);
        let always =
            eth_io::TX_META_DESC_EXT_VALID | eth_io::TX_META_DESC_ETH_META_TYPE | eth_io::TX_META_DESC_META_STORE;
        self.demand(
            first[0] & eth_io::TX_META_DESC_LEN_CTRL_MBZ == 0 && first[1] == 0 && first[3] == 0,
            format_args!("TX queue {number}: metadata with reserved bits"),
        );
        self.demand(
            first[0] & always == always,
            format_args!("TX queue {number}: metadata that are not extended, valid and stored"),
        );
        Some(meta)
    }

    pub(super) fn check_descriptors(&mut self, number: u16, descriptors: &[[u32; 4]]) {
        let most = usize::from(self.configuration.max_tx_descs);
        self.demand(
            descriptors.len() <= most,
            format_args!(
                "TX queue {number}: a packet of {} descriptors, and {most} may be",
                descriptors.len()
            ),
        );
        let data = usize::from(is_meta(&descriptors[0]));
        for (index, descriptor) in descriptors.iter().enumerate() {
            self.demand(
                (descriptor[0] & eth_io::TX_DESC_FIRST != 0) == (index == 0),
                format_args!("TX queue {number}: descriptor {index} of a packet is marked wrongly as first, or not"),
            );
            self.demand(
                index <= data || descriptor[0] & eth_io::TX_DESC_COMP_REQ == 0,
                format_args!(
                    "TX queue {number}: descriptor {index} of a packet asks for a completion, which the first does"
                ),
            );
            if is_meta(descriptor) {
                continue;
            }
            let reserved = descriptor[0] & eth_io::TX_DESC_LEN_CTRL_MBZ
                | descriptor[1] & eth_io::TX_DESC_META_CTRL_MBZ
                | descriptor[3] & eth_io::TX_DESC_HI_MBZ;
            self.demand(
                reserved == 0,
                format_args!("TX queue {number}: descriptor {index} of a packet has reserved bits"),
            );
            self.demand(
                descriptor[1] & eth_io::TX_DESC_ETHERNET_FCS_DIS == 0,
                format_args!("TX queue {number}: a frame without a check sequence"),
            );
            let of_first = descriptor[0] >> eth_io::TX_DESC_REQ_ID_HI_SHIFT & 0x3f
                | descriptor[1]
                | descriptor[3] >> eth_io::TX_DESC_HEADER_LENGTH_SHIFT;
            self.demand(
                index == data || of_first == 0,
                format_args!("TX queue {number}: descriptor {index} of a packet has fields of the first"),
            );
        }
    }
}
