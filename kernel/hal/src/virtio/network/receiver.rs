//! Packets that have come, each in one buffer or, where the device may, in several (section 5.1.6.4).

use alloc::vec::Vec;

use super::NEEDS_CHECKSUM;
use crate::dma::Buffer;
use crate::mem::PAGE_SIZE;
use crate::network::{Packet, Part as Filled};
use crate::virtio::queue::{Part, Queue};

/// Bytes of a buffer: two to a page hold the largest packet of Ethernet each.
pub(super) const RECEIVE_BUFFER: usize = PAGE_SIZE / 2;
/// Flag of the header: the device has looked at the checksum.
const CHECKSUM_VALID: u8 = 2;
/// Where the header has the number of buffers.
const COUNT: usize = 10;

/// The queue that the device puts packets into.
pub(super) struct Receiver {
    pub(super) queue: Queue,
    /// Bytes of the header before each packet.
    header: usize,
    /// Whether a packet may take several buffers.
    merges: bool,
    /// Of the packet that is being taken.
    parts: Vec<Filled>,
    /// Buffers given back since the device was last told.
    pub(super) returned: usize,
}

impl Receiver {
    pub(super) fn new(queue: Queue, header: usize, merges: bool) -> Self {
        Self {
            queue,
            header,
            merges,
            parts: Vec::new(),
            returned: 0,
        }
    }

    /// Gives the device all the buffers that it can have.
    pub(super) fn fill(&mut self) {
        while self.queue.free_descriptors() >= 2 {
            let Some(page) = Buffer::page() else { break };
            let (first, second) = page.split(RECEIVE_BUFFER);
            for half in [first, second] {
                self.queue.push([], [Part::Buffer(half, RECEIVE_BUFFER)]);
            }
        }
    }

    /// The next packet, to be given back; `None` when there is none.
    pub(super) fn take(&mut self) -> Option<Packet> {
        loop {
            let mut first = self.pop()?;
            let Some((header, packet)) = first.bytes().split_at_checked(self.header) else {
                self.push(first.buffer);
                continue;
            };
            let is_verified = header[0] & (NEEDS_CHECKSUM | CHECKSUM_VALID) != 0;
            let count = match header.get(COUNT..COUNT + 2) {
                Some(&[low, high]) if self.merges => usize::from(u16::from_le_bytes([low, high])).max(1),
                _ => 1,
            };
            (first.start, first.length) = (self.header, packet.len());
            self.parts.push(first);
            // The device returns the buffers of a packet all at once: one that comes short is none.
            while self.parts.len() < count {
                let Some(part) = self.pop() else { break };
                self.parts.push(part);
            }
            let is_whole = self.parts.len() == count;
            let packet = Packet::of(&mut self.parts, is_verified)?;
            if is_whole {
                return Some(packet);
            }
            self.give_back(packet);
        }
    }

    /// Lets the device have the packet's buffers for others.
    pub(super) fn give_back(&mut self, packet: Packet) {
        packet.into_parts().for_each(|part| self.push(part.buffer));
    }

    /// The next buffer that the device has filled.
    fn pop(&mut self) -> Option<Filled> {
        loop {
            let mut buffer = None;
            let (number, written) = self.queue.pop(|part| {
                if let Part::Buffer(part, _) = part {
                    buffer = Some(part);
                }
            })?;
            if let Some(buffer) = buffer {
                let length = written.min(buffer.len());
                return Some(Filled {
                    number,
                    buffer,
                    start: 0,
                    length,
                });
            }
        }
    }

    fn push(&mut self, buffer: Buffer) {
        let length = buffer.len();
        self.queue.push([], [Part::Buffer(buffer, length)]);
        self.returned += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dma::reach;
    use crate::virtio::model::Device;

    const HEADER: usize = 12;

    /// A receiver and its device, which has `count` of its buffers.
    fn pair(count: u16, merges: bool) -> (Receiver, Device) {
        let queue = Queue::new(count, count, 4, false).expect("memory");
        let device = Device::of(&queue);
        let mut receiver = Receiver::new(queue, HEADER, merges);
        receiver.fill();
        (receiver, device)
    }

    fn header(flags: u8, count: u16) -> Vec<u8> {
        let mut header = [0; HEADER];
        header[0] = flags;
        header[COUNT..].copy_from_slice(&count.to_le_bytes());
        header.to_vec()
    }

    /// Puts these bytes into the next buffer.
    fn put(device: &mut Device, bytes: &[u8]) {
        let (head, parts) = device.take().expect("a buffer");
        assert_eq!(parts, [(parts[0].0, RECEIVE_BUFFER, true)]);
        reach::write(parts[0].0, bytes);
        device.give(u32::from(head), bytes.len() as u32);
    }

    /// What the next packet has in it, and whether its checksum was looked at.
    fn read(receiver: &mut Receiver) -> Option<(Vec<u8>, bool)> {
        let packet = receiver.take()?;
        let mut read = None;
        packet.read(&mut |bytes, is_verified| read = Some((bytes.to_vec(), is_verified)));
        receiver.give_back(packet);
        read
    }

    #[test]
    fn a_packet_may_take_one_buffer_or_several() {
        let (mut receiver, mut device) = pair(4, true);
        for round in 0..10u8 {
            put(&mut device, &[header(0, 1), [round; 5].to_vec()].concat());
            let whole = RECEIVE_BUFFER - HEADER;
            put(&mut device, &[header(CHECKSUM_VALID, 3), [1].repeat(whole)].concat());
            put(&mut device, &[2].repeat(RECEIVE_BUFFER));
            put(&mut device, &[3]);
            assert_eq!(read(&mut receiver), Some(([round; 5].to_vec(), false)));
            let joined = [[1].repeat(whole), [2].repeat(RECEIVE_BUFFER), [3].to_vec()].concat();
            assert_eq!(read(&mut receiver), Some((joined, true)));
            assert_eq!(read(&mut receiver), None);
        }
    }

    #[test]
    fn without_leave_each_packet_has_one_buffer() {
        let (mut receiver, mut device) = pair(2, false);
        put(&mut device, &[header(NEEDS_CHECKSUM, 2), b"one".to_vec()].concat());
        put(&mut device, &[header(0, 0), b"two".to_vec()].concat());
        assert_eq!(read(&mut receiver), Some((b"one".to_vec(), true)));
        assert_eq!(read(&mut receiver), Some((b"two".to_vec(), false)));
    }

    #[test]
    fn a_device_that_lies_loses_packets_and_no_buffers() {
        let (mut receiver, mut device) = pair(4, true);
        for _ in 0..10 {
            // Of no buffers; of more than there are, which takes what follows; and shorter than a header.
            put(&mut device, &[header(0, 0), b"one".to_vec()].concat());
            put(&mut device, &[header(0, u16::MAX), b"two".to_vec()].concat());
            put(&mut device, b"three");
            assert_eq!(read(&mut receiver), Some((b"one".to_vec(), false)));
            assert_eq!(read(&mut receiver), None);
            put(&mut device, b"four");
            let (head, _) = device.take().expect("a buffer");
            device.give(u32::from(head), u32::MAX);
            let longest = read(&mut receiver).expect("a packet of what the buffer had in it");
            assert_eq!(longest.0.len(), RECEIVE_BUFFER - HEADER);
            assert_eq!(read(&mut receiver), None);
        }
        assert_eq!(receiver.queue.free_descriptors(), 0);
    }
}
