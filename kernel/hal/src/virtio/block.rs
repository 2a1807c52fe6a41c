//! Disks (section 5.2).

use alloc::boxed::Box;

use super::device::{Kind, VirtioDevice};
use super::queue::Part;
use super::requests::{RequestQueue, data};
use crate::block::{Channel, Counter, Disk, Driver, Outcome, Place, Protocol, Read, Reason, Unit};

/// Feature: the configuration says how many parts a request may have.
const SEG_MAX: u64 = 1 << 2;

const QUEUE_SIZE: u16 = 256;
/// Bytes of a request's header, and of what its status lies in.
const HEADER: usize = 16;
const STATUS_ROOM: usize = 16;
const READ: u32 = 0;
const STATUS_OK: u8 = 0;
const STATUS_UNSUPPORTED: u8 = 2;
/// The binary logarithm of a sector's size, whatever the disk's own blocks are.
const SECTOR_SHIFT: u8 = 9;

struct Block {
    queue: RequestQueue,
    depth: u16,
    most_frames: usize,
}

/// Starts a disk; `None` when the device is none or does not work.
pub fn start(mut device: VirtioDevice) -> Option<Disk> {
    if device.kind() != Kind::Block {
        return None;
    }
    let features = device.negotiate(SEG_MAX)?;
    let blocks = u64::from_le_bytes(device.configuration(0));
    let parts = if features & SEG_MAX != 0 {
        u32::from_le_bytes(device.configuration(12)).max(1) as usize
    } else {
        usize::MAX
    };
    let name = alloc::format!("virtio-blk {}", device.place());
    let place = Place::default();
    let (queue, notifier) = device.queue(0, QUEUE_SIZE, place.handler())?;
    let limit = queue.limit();
    let driver = Block {
        most_frames: limit.checked_sub(2)?.min(parts),
        // A request has three parts at least.
        depth: (limit / 3).max(1) as u16,
        queue: RequestQueue::new(queue, (HEADER, STATUS_ROOM), notifier, device.start()),
    };
    let channel = Channel::new(name.clone(), Box::new(driver));
    place.put(&channel);
    let unit = Unit {
        number: 0,
        name,
        protocol: Protocol::Virtio,
        block_shift: SECTOR_SHIFT,
        blocks,
        counter: Counter::default(),
    };
    Some(Disk::new(&channel, unit))
}

impl Driver for Block {
    fn depth(&self) -> u16 {
        self.depth
    }

    fn most_frames(&self) -> usize {
        self.most_frames
    }

    fn start(&self, tag: u16, read: &Read<'_>) -> bool {
        let mut requests = self.queue.lock();
        let Some((mut header, status)) = requests.buffers_for(read) else {
            return false;
        };
        let bytes = header.bytes_mut();
        bytes[0..4].copy_from_slice(&READ.to_le_bytes());
        bytes[4..8].fill(0);
        bytes[8..16].copy_from_slice(&read.block.to_le_bytes());
        let written = data(read).chain([Part::Buffer(status, 1)]);
        requests.push(tag, Part::Buffer(header, HEADER), written);
        true
    }

    fn ring(&self) {
        self.queue.ring();
    }

    fn collect(&self) -> Option<(u16, Outcome)> {
        self.queue.collect(decode)
    }
}

fn decode(status: &[u8]) -> Outcome {
    match status[0] {
        STATUS_OK => Outcome::Done,
        status @ STATUS_UNSUPPORTED => Outcome::Failed(Reason("unsupported request", u32::from(status))),
        status => Outcome::Retry(Reason("I/O error", u32::from(status))),
    }
}
