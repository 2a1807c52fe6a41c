//! Queues of the format GQI.

mod descriptors;
mod offload;
pub(super) mod receive;
mod transmit;

use alloc::vec::Vec;

use super::bench::{Bench, Queue};
use crate::dma::reach;
use crate::gve::model::defs::gqi;
use crate::gve::model::{Configuration, Format};

pub(super) type Descriptor = [u8; 16];

pub(super) fn descriptor(kind: u8, bytes: [u8; 3], halves: [u16; 2], address: u64) -> Descriptor {
    let mut descriptor = [0; 16];
    descriptor[0] = kind;
    descriptor[1..4].copy_from_slice(&bytes);
    descriptor[4..6].copy_from_slice(&halves[0].to_be_bytes());
    descriptor[6..8].copy_from_slice(&halves[1].to_be_bytes());
    descriptor[8..].copy_from_slice(&address.to_be_bytes());
    descriptor
}

/// The first of a packet: kind and flags, offsets of the checksum and of L4 in bytes, descriptors, bytes of all and of this one.
pub(super) fn packet(
    kind: u8,
    (field, header): (u8, u8),
    count: u8,
    (length, part): (usize, usize),
    address: u64,
) -> Descriptor {
    descriptor(
        kind,
        [field / 2, header / 2, count],
        [length as u16, part as u16],
        address,
    )
}

pub(super) fn segment(kind: u8, l3: u8, mss: u16, length: usize, address: u64) -> Descriptor {
    descriptor(gqi::TXD_SEG | kind, [l3 / 2, 0, 0], [mss, length as u16], address)
}

pub(super) fn start() -> (Bench, Queue) {
    let mut bench = Bench::ready(Format::GqiQpl, Configuration::default());
    let queue = bench.transmitter(Format::GqiQpl);
    (bench, queue)
}

/// Writes bytes at an offset of the page list.
pub(super) fn fill(queue: &Queue, offset: usize, bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        reach::write(queue.place(offset + index), &[*byte]);
    }
}

pub(super) fn push(queue: &mut Queue, descriptors: &[Descriptor]) {
    for descriptor in descriptors {
        reach::write(queue.ring.address(queue.tail as usize % 256 * 16), descriptor);
        queue.tail = queue.tail.wrapping_add(1);
    }
}

pub(super) fn send(bench: &Bench, queue: &mut Queue, descriptors: &[Descriptor]) -> Vec<Vec<u8>> {
    push(queue, descriptors);
    queue.ring_big(queue.tail);
    bench.device.sent().into_iter().map(|sent| sent.bytes).collect()
}

/// Sends a frame that lies whole at offset 0.
pub(super) fn send_plain(bench: &Bench, queue: &mut Queue, frame: &[u8]) -> Vec<Vec<u8>> {
    fill(queue, 0, frame);
    let length = (frame.len(), frame.len());
    send(bench, queue, &[packet(gqi::TXD_STD, (0, 0), 1, length, 0)])
}
