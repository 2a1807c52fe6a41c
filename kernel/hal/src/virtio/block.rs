//! Disks (section 5.2).

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::device::{Kind, Notifier, Transport, VirtioDevice};
use super::queue::{Part, Queue};
use crate::block::{Channel, Disk, Driver, Outcome, Place, Read, Reason, Unit};
use crate::dma::Buffer;
use crate::mem::PAGE_SIZE;
use crate::sync::SpinLock;

/// Feature: the configuration says how many parts a request may have.
const SEG_MAX: u64 = 1 << 2;

const QUEUE_SIZE: u16 = 256;
/// Bytes of a request's header and, behind it, its status.
const HEADER: usize = 16;
const REQUEST: usize = 32;
const READ: u32 = 0;
const STATUS_OK: u8 = 0;
const STATUS_UNSUPPORTED: u8 = 2;
/// The binary logarithm of a sector's size, whatever the disk's own blocks are.
const SECTOR_SHIFT: u8 = 9;

struct Block {
    inner: SpinLock<Inner>,
    depth: u16,
    most_frames: usize,
    notifier: Notifier,
    transport: Box<dyn Transport>,
}

struct Inner {
    queue: Queue,
    /// Headers and statuses of requests that are not under way.
    spare: Vec<(Buffer, Buffer)>,
    /// The channel's tags by the queue's numbers.
    tags: Vec<u16>,
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
        inner: SpinLock::new(Inner {
            tags: alloc::vec![0; limit],
            queue,
            spare: Vec::new(),
        }),
        notifier,
        transport: device.start(),
    };
    let channel = Channel::new(name.clone(), Box::new(driver));
    place.put(&channel);
    let unit = Unit {
        number: 0,
        name,
        block_shift: SECTOR_SHIFT,
        blocks,
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
        let mut inner = self.inner.lock();
        if read.frames.len() + 2 > inner.queue.free_descriptors() {
            return false;
        }
        let Some((mut header, mut status)) = inner.spare() else {
            return false;
        };
        let bytes = header.bytes_mut();
        bytes[0..4].copy_from_slice(&READ.to_le_bytes());
        bytes[4..8].fill(0);
        bytes[8..16].copy_from_slice(&read.block.to_le_bytes());
        status.bytes_mut()[0] = !STATUS_OK;
        let mut left = read.bytes();
        let data = read.frames.iter().map(|frame| {
            let length = left.min(PAGE_SIZE);
            left -= length;
            Part::Frame(frame.clone(), length)
        });
        let number = inner
            .queue
            .push([Part::Buffer(header, HEADER)], data.chain([Part::Buffer(status, 1)]));
        inner.tags[usize::from(number)] = tag;
        true
    }

    fn ring(&self) {
        let notify = self.inner.lock().queue.needs_notification();
        if notify {
            (self.notifier.0)();
        }
    }

    fn collect(&self) -> Option<(u16, Outcome)> {
        self.transport.acknowledge_interrupt();
        let mut inner = self.inner.lock();
        loop {
            if let Some(ended) = inner.take() {
                return Some(ended);
            }
            inner.queue.set_interrupts(true);
            if !inner.queue.has_used() {
                return None;
            }
        }
    }
}

impl Inner {
    fn spare(&mut self) -> Option<(Buffer, Buffer)> {
        if self.spare.is_empty() {
            let mut rest = Buffer::page()?;
            while rest.len() >= REQUEST {
                let (request, after) = rest.split(REQUEST);
                self.spare.push(request.split(HEADER));
                rest = after;
            }
        }
        self.spare.pop()
    }

    /// Takes one request back.
    fn take(&mut self) -> Option<(u16, Outcome)> {
        let mut buffers = Vec::with_capacity(2);
        let (number, _) = self.queue.pop(|part| {
            if let Part::Buffer(buffer, _) = part {
                buffers.push(buffer);
            }
        })?;
        let mut outcome = Outcome::Retry(Reason("the device returned half a request", 0));
        if let (Some(status), Some(header)) = (buffers.pop(), buffers.pop()) {
            outcome = match status.bytes()[0] {
                STATUS_OK => Outcome::Done,
                status @ STATUS_UNSUPPORTED => Outcome::Failed(Reason("unsupported request", u32::from(status))),
                status => Outcome::Retry(Reason("I/O error", u32::from(status))),
            };
            self.spare.push((header, status));
        }
        Some((self.tags[usize::from(number)], outcome))
    }
}
