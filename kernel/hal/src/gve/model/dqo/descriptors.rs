//! What the descriptors of a packet must be.

use alloc::string::String;
use alloc::vec::Vec;

use super::super::defs::dqo;
use super::super::fields::{is_zero, le16, le64};
use super::super::offload::{self, Sum};

pub(super) type Descriptor = [u8; dqo::TX_DESC_SIZE];

/// What a TSO context says.
#[derive(Clone, Copy)]
struct Tso {
    total: usize,
    mss: usize,
    header: usize,
}

/// The descriptors of a packet.
#[derive(Default)]
pub(super) struct Packet {
    tso: Option<Tso>,
    has_general: bool,
    /// Address and length of each.
    pub(super) buffers: Vec<(u64, usize)>,
    pub(super) tag: u16,
    /// Those of the last.
    flags: u8,
}

impl Packet {
    /// Whether its last descriptor asks for a descriptor completion.
    pub(super) fn reports(&self) -> bool {
        self.flags & dqo::TX_REPORT_EVENT != 0
    }

    /// Whether it has its last descriptor.
    pub(super) fn is_whole(&self) -> bool {
        self.flags & dqo::TX_END_OF_PACKET != 0
    }

    fn has_checksum(&self) -> bool {
        self.flags & dqo::TX_CHECKSUM_OFFLOAD_ENABLE != 0
    }

    /// Takes the next descriptor; what is wrong with it.
    pub(super) fn take(&mut self, descriptor: &Descriptor) -> Result<(), String> {
        match descriptor[dqo::TX_DTYPE] & dqo::TX_DTYPE_MASK {
            dqo::TX_TSO_CTX_DESC_DTYPE => self.take_tso(descriptor),
            dqo::TX_GENERAL_CTX_DESC_DTYPE => self.take_general(descriptor),
            dqo::TX_PKT_DESC_DTYPE => self.take_buffer(descriptor),
            other => Err(alloc::format!(
                "a descriptor of dtype {other:#x}, which gve_desc_dqo.h does not name"
            )),
        }
    }

    fn take_tso(&mut self, descriptor: &Descriptor) -> Result<(), String> {
        if self.tso.is_some() || self.has_general || !self.buffers.is_empty() {
            return Err("a TSO context that is not a packet's first descriptor".into());
        }
        let mss = le16(descriptor, 4);
        let flags = descriptor[dqo::TX_DTYPE] & !dqo::TX_DTYPE_MASK;
        let total = u32::from_le_bytes([descriptor[0], descriptor[1], descriptor[2], 0]) as usize;
        if flags != dqo::TX_TSO || descriptor[9] != 0 || mss & 0xc000 != 0 {
            return Err("a TSO context without its bit tso, or with reserved bits".into());
        }
        if descriptor[10] != dqo::TX_METADATA_VERSION {
            return Err(alloc::format!(
                "metadata of version {} in a TSO context",
                descriptor[10]
            ));
        }
        self.tso = Some(Tso {
            total,
            mss: mss.into(),
            header: descriptor[6].into(),
        });
        Ok(())
    }

    fn take_general(&mut self, descriptor: &Descriptor) -> Result<(), String> {
        if self.has_general || !self.buffers.is_empty() {
            return Err("a general context that does not lie before a packet's buffers, or a second one".into());
        }
        if descriptor[dqo::TX_DTYPE] & !dqo::TX_DTYPE_MASK != 0 || !is_zero(&descriptor[9..12]) {
            return Err("a general context with the bit tso, or reserved bits".into());
        }
        if descriptor[12] != dqo::TX_METADATA_VERSION {
            return Err(alloc::format!(
                "metadata of version {} in a general context",
                descriptor[12]
            ));
        }
        self.has_general = true;
        Ok(())
    }

    fn take_buffer(&mut self, descriptor: &Descriptor) -> Result<(), String> {
        let flags = descriptor[dqo::TX_DTYPE];
        let (tag, size) = (le16(descriptor, 12), le16(descriptor, 14));
        let is_first = self.buffers.is_empty();
        let is_same = tag == self.tag && (flags ^ self.flags) & dqo::TX_CHECKSUM_OFFLOAD_ENABLE == 0;
        self.buffers
            .push((le64(descriptor, 0), usize::from(size & dqo::TX_MAX_BUF_SIZE)));
        (self.tag, self.flags) = (tag, flags);
        if !is_zero(&descriptor[9..12]) || size & !dqo::TX_MAX_BUF_SIZE != 0 {
            return Err("a packet descriptor with reserved bits".into());
        }
        if size == 0 {
            return Err("a packet descriptor with buf_size 0".into());
        }
        if self.reports() && !self.is_whole() {
            return Err("report_event on a descriptor that is not the last of its packet".into());
        }
        if !is_first && !is_same {
            return Err("descriptors of a packet with different compl_tag or checksum_offload_enable".into());
        }
        Ok(())
    }

    /// The frames that go out, or what is wrong.
    pub(super) fn offload(&self, frame: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        if let Some(tso) = self.tso {
            return self.segment(frame, tso);
        }
        let (length, count) = (frame.len(), self.buffers.len());
        if !(dqo::TX_MIN_PACKET..=dqo::TX_MAX_PACKET).contains(&length) {
            return Err(alloc::format!(
                "a packet of {length} bytes; the hardware takes {} to {}",
                dqo::TX_MIN_PACKET,
                dqo::TX_MAX_PACKET
            ));
        }
        if count > dqo::TX_MAX_DATA_DESCS {
            return Err(alloc::format!(
                "a packet of {count} buffers, more than GVE_TX_MAX_DATA_DESCS"
            ));
        }
        if !self.has_checksum() {
            return Ok(alloc::vec![frame.to_vec()]);
        }
        let headers = offload::headers(frame)?;
        Ok(alloc::vec![offload::complete(frame.to_vec(), &headers)?])
    }

    fn segment(&self, frame: &[u8], tso: Tso) -> Result<Vec<Vec<u8>>, String> {
        let headers = offload::headers(frame)?;
        let start = headers.l4 + if headers.is_tcp() { headers.tcp_length(frame) } else { 0 };
        if !self.has_checksum() {
            return Err("segmentation without checksum_offload_enable".into());
        }
        if tso.header != start || start > dqo::TX_MAX_HDR_SIZE {
            return Err(alloc::format!(
                "header_len {} of a packet whose headers have {start} bytes, of {} at most",
                tso.header,
                dqo::TX_MAX_HDR_SIZE
            ));
        }
        let payload = frame.len().saturating_sub(start);
        if tso.total != payload || payload > dqo::TX_MAX_TSO {
            return Err(alloc::format!(
                "tso_total_len {} of a packet whose payload has {payload} bytes, of {} at most",
                tso.total,
                dqo::TX_MAX_TSO
            ));
        }
        if !(dqo::TX_MIN_TSO_MSS..=dqo::TX_MAX_PACKET).contains(&tso.mss) {
            return Err(alloc::format!(
                "mss {}; the hardware takes GVE_TX_MIN_TSO_MSS_DQO to {}",
                tso.mss,
                dqo::TX_MAX_PACKET
            ));
        }
        self.check_segments(start, payload, tso.mss)?;
        offload::segment(frame, &headers, tso.mss, Sum::WithoutLength)
    }

    /// Checks of how many buffers each segment is: the headers are one, and each that has some of its payload.
    fn check_segments(&self, start: usize, payload: usize, mss: usize) -> Result<(), String> {
        let mut ranges = Vec::new();
        let mut at = 0;
        for &(_, length) in &self.buffers {
            ranges.push((at, at + length));
            at += length;
        }
        for segment in (0..payload).step_by(mss) {
            let (first, end) = (start + segment, start + (segment + mss).min(payload));
            let count = 1 + ranges.iter().filter(|range| range.0 < end && first < range.1).count();
            if count > dqo::TX_MAX_DATA_DESCS {
                return Err(alloc::format!(
                    "a segment of {count} buffers, with its headers; more than GVE_TX_MAX_DATA_DESCS"
                ));
            }
        }
        Ok(())
    }
}
