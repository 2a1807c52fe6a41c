//! Queues of the format DQO.

mod buffers;
mod completions;
mod descriptors;
mod offload;
mod receive;
mod transmit;

use alloc::vec::Vec;

use super::bench::{Bench, Queue, TX_ENTRIES};
use crate::dma::{Shared, reach};
use crate::gve::model::defs::dqo;
use crate::gve::model::fields::le16;
use crate::gve::model::{Configuration, Format};
use crate::mem::PAGE_SIZE;

pub(super) type Descriptor = [u8; 16];

pub(super) const LAST: u8 = dqo::TX_END_OF_PACKET;
pub(super) const SUM: u8 = dqo::TX_CHECKSUM_OFFLOAD_ENABLE;
pub(super) const REPORT: u8 = dqo::TX_REPORT_EVENT;

pub(super) fn buffer(flags: u8, tag: u16, address: u64, length: usize) -> Descriptor {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&address.to_le_bytes());
    bytes[8] = dqo::TX_PKT_DESC_DTYPE | flags;
    bytes[12..14].copy_from_slice(&tag.to_le_bytes());
    bytes[14..].copy_from_slice(&(length as u16).to_le_bytes());
    bytes
}

pub(super) fn tso(total: usize, mss: u16, header: u8) -> Descriptor {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&(total as u32).to_le_bytes());
    bytes[4..6].copy_from_slice(&mss.to_le_bytes());
    bytes[6] = header;
    bytes[8] = dqo::TX_TSO_CTX_DESC_DTYPE | dqo::TX_TSO;
    bytes
}

pub(super) fn general() -> Descriptor {
    let mut bytes = [0xab; 16];
    bytes[8..13].copy_from_slice(&[dqo::TX_GENERAL_CTX_DESC_DTYPE, 0, 0, 0, 0]);
    bytes
}

pub(super) fn changed(mut descriptor: Descriptor, at: usize, bits: u8) -> Descriptor {
    descriptor[at] ^= bits;
    descriptor
}

pub(super) fn push(queue: &mut Queue, descriptors: &[Descriptor]) {
    for descriptor in descriptors {
        let at = queue.tail as usize % usize::from(TX_ENTRIES) * 16;
        reach::write(queue.ring.address(at), descriptor);
        queue.tail += 1;
    }
}

pub(super) fn send(bench: &Bench, queue: &mut Queue, descriptors: &[Descriptor]) -> Vec<Vec<u8>> {
    push(queue, descriptors);
    queue.ring_little(queue.tail % u32::from(TX_ENTRIES));
    bench.device.sent().into_iter().map(|sent| sent.bytes).collect()
}

/// The next completion, if there is one: queue, type and value.
pub(super) fn completion(queue: &mut Queue) -> Option<(u16, u8, u16)> {
    completion_of(queue, TX_ENTRIES.into())
}

/// As above, in a ring of so many.
pub(super) fn completion_of(queue: &mut Queue, entries: u32) -> Option<(u16, u8, u16)> {
    let mut bytes = [0; 8];
    reach::read(queue.second.address((queue.head % entries) as usize * 8), &mut bytes);
    let word = le16(&bytes, 0);
    if word >> 15 != u16::from((queue.head / entries).is_multiple_of(2)) {
        return None;
    }
    queue.head += 1;
    Some((word & 0x7ff, (word >> 11 & 7) as u8, le16(&bytes, 2)))
}

pub(super) fn start() -> (Bench, Queue, Shared) {
    let mut bench = Bench::ready(Format::DqoRda, Configuration::of(Format::DqoRda));
    let queue = bench.transmitter(Format::DqoRda);
    (bench, queue, Shared::allocate(4 * PAGE_SIZE).expect("memory"))
}

pub(super) const PACKET: u8 = dqo::COMPL_TYPE_PKT;
