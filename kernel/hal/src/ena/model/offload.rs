//! What a TX descriptor asks the device to do with a packet: checksums, segmentation. It is checked against the packet, then done.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::defs::{admin, eth_io};
use super::descriptors::Meta;
use crate::network::model::{Headers, cut};

/// What is asked for: `meta_ctrl` of the first descriptor, and the metadata that hold for it.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) control: u32,
    pub(super) meta: Option<Meta>,
    /// The device's offloads.
    pub(super) offered: u32,
}

impl Request {
    fn asks(&self, bit: u32) -> bool {
        self.control & bit != 0
    }

    /// The frames that go out, or what is wrong.
    pub(super) fn carry_out(&self, mut frame: Vec<u8>) -> Result<Vec<Vec<u8>>, String> {
        let asked = eth_io::TX_DESC_TSO_EN | eth_io::TX_DESC_L3_CSUM_EN | eth_io::TX_DESC_L4_CSUM_EN;
        if self.asks(eth_io::TX_DESC_L4_CSUM_PARTIAL) && !self.asks(eth_io::TX_DESC_L4_CSUM_EN) {
            return Err("l4_csum_partial without l4_csum_en".into());
        }
        if !self.asks(asked) {
            return Ok(alloc::vec![frame]);
        }
        let headers = Headers::of(&frame).ok_or("an offload for what is no whole IPv4 or IPv6 packet")?;
        self.check_protocols(&headers)?;
        self.check_meta(&headers)?;
        self.check_offered(&headers)?;
        if self.asks(eth_io::TX_DESC_TSO_EN) {
            return self.segment(&frame, &headers);
        }
        if self.asks(eth_io::TX_DESC_L4_CSUM_EN) {
            let at = headers.l4_checksum().ok_or("l4_csum_en for a header that is cut off")?;
            let pseudo = headers.pseudo_sum(&frame, headers.end - headers.l4);
            let field = u16::from_be_bytes([frame[at], frame[at + 1]]);
            if self.asks(eth_io::TX_DESC_L4_CSUM_PARTIAL) && field != pseudo {
                return Err(format!(
                    "l4_csum_partial with {field:#06x} in the packet, where the pseudo-header's sum is {pseudo:#06x}"
                ));
            }
            headers.set_l4_checksum(&mut frame, pseudo);
        }
        if self.asks(eth_io::TX_DESC_L3_CSUM_EN) {
            headers.set_l3_checksum(&mut frame);
        }
        Ok(alloc::vec![frame])
    }

    fn check_protocols(&self, headers: &Headers) -> Result<(), String> {
        let l3 = if headers.is_ipv6 {
            eth_io::L3_PROTO_IPV6
        } else {
            eth_io::L3_PROTO_IPV4
        };
        let told = self.control & eth_io::TX_DESC_L3_PROTO_IDX_MASK;
        if told != l3 {
            return Err(format!("l3_proto_idx {told}, and the packet has {l3}"));
        }
        if self.asks(eth_io::TX_DESC_TSO_EN | eth_io::TX_DESC_L4_CSUM_EN) {
            let l4 = match headers {
                _ if headers.is_tcp() => eth_io::L4_PROTO_TCP,
                _ if headers.is_udp() => eth_io::L4_PROTO_UDP,
                _ => eth_io::L4_PROTO_UNKNOWN,
            };
            let told = (self.control & eth_io::TX_DESC_L4_PROTO_IDX_MASK) >> eth_io::TX_DESC_L4_PROTO_IDX_SHIFT;
            if told != l4 || l4 == eth_io::L4_PROTO_UNKNOWN {
                return Err(format!("l4_proto_idx {told}, and the packet has {l4}"));
            }
            if headers.is_fragment {
                return Err("an offload of TCP or UDP for a fragment".into());
            }
        }
        if !headers.is_ipv6 && self.asks(eth_io::TX_DESC_DF) != headers.dont_fragment {
            return Err("DF is not what the packet's header says".into());
        }
        if headers.is_ipv6 && self.asks(eth_io::TX_DESC_L3_CSUM_EN) {
            return Err("l3_csum_en for IPv6, which has no such checksum".into());
        }
        Ok(())
    }

    fn check_meta(&self, headers: &Headers) -> Result<(), String> {
        let meta = self.meta.ok_or("an offload without metadata, and none is stored")?;
        let (offset, length) = (headers.l3, headers.l4 - headers.l3);
        if (usize::from(meta.l3_hdr_off), usize::from(meta.l3_hdr_len)) != (offset, length) {
            return Err(format!(
                "metadata with the IP header at {}, {} bytes, and the packet has it at {offset}, {length} bytes",
                meta.l3_hdr_off, meta.l3_hdr_len
            ));
        }
        Ok(())
    }

    fn check_offered(&self, headers: &Headers) -> Result<(), String> {
        let is_partial = self.asks(eth_io::TX_DESC_L4_CSUM_PARTIAL);
        let (tso, checksum) = match (headers.is_ipv6, is_partial) {
            (false, true) => (admin::TSO_IPV4, admin::TX_L4_IPV4_CSUM_PART),
            (false, false) => (admin::TSO_IPV4, admin::TX_L4_IPV4_CSUM_FULL),
            (true, true) => (admin::TSO_IPV6, admin::TX_L4_IPV6_CSUM_PART),
            (true, false) => (admin::TSO_IPV6, admin::TX_L4_IPV6_CSUM_FULL),
        };
        let needed = [
            (eth_io::TX_DESC_TSO_EN, tso, "tso_en"),
            (eth_io::TX_DESC_L3_CSUM_EN, admin::TX_L3_CSUM_IPV4, "l3_csum_en"),
            (eth_io::TX_DESC_L4_CSUM_EN, checksum, "l4_csum_en"),
        ];
        // Segmentation brings its own checksums.
        let is_tso = self.asks(eth_io::TX_DESC_TSO_EN);
        for (bit, offer, name) in needed {
            let counts = bit == eth_io::TX_DESC_TSO_EN || !is_tso;
            if counts && self.asks(bit) && self.offered & offer == 0 {
                return Err(format!("{name} of a device that does not offer it"));
            }
        }
        Ok(())
    }

    fn segment(&self, frame: &[u8], headers: &Headers) -> Result<Vec<Vec<u8>>, String> {
        let meta = self.meta.ok_or("segmentation without metadata")?;
        let checksum_at = headers.l4_checksum().filter(|_| headers.is_tcp());
        let checksum_at = checksum_at.ok_or("tso_en for what is not TCP, or cut off")?;
        let l4_length = headers.tcp_length(frame);
        let mss = usize::from(meta.mss);
        if mss == 0 || usize::from(meta.l4_hdr_len_in_words) * 4 != l4_length {
            return Err(format!(
                "segmentation with mss {mss} and l4_hdr_len_in_words {}, and the header has {l4_length} bytes",
                meta.l4_hdr_len_in_words
            ));
        }
        if !self.asks(eth_io::TX_DESC_L4_CSUM_EN) || !headers.is_ipv6 && !self.asks(eth_io::TX_DESC_L3_CSUM_EN) {
            return Err("segmentation without the checksums that it changes".into());
        }
        if self.asks(eth_io::TX_DESC_L4_CSUM_PARTIAL) {
            let field = u16::from_be_bytes([frame[checksum_at], frame[checksum_at + 1]]);
            let pseudo = headers.pseudo_sum(frame, 0);
            if field != pseudo {
                return Err(format!(
                    "segmentation with {field:#06x} where the sum without length is {pseudo:#06x}"
                ));
            }
        }
        let start = headers.l4 + l4_length;
        let payload = frame.get(start..headers.end).filter(|payload| !payload.is_empty());
        payload.ok_or("segmentation of a packet without payload")?;
        Ok(cut(frame, headers, start, mss))
    }
}
