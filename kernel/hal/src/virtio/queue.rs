//! Split virtqueues (section 2.7) with event indices (2.7.10).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

use crate::dma::Buffer;
use crate::mem::{Frame, PAGE_SIZE, pool};

pub(super) const NEXT: u64 = 1;
pub(super) const DEVICE_WRITES: u64 = 2;
/// Flag of the available ring: no interrupts, please.
const NO_INTERRUPT: u16 = 1;
/// Flag of the used ring: no notifications, please.
const NO_NOTIFY: u16 = 1;

/// A part of a request. The queue owns it while the device does.
pub(crate) enum Part {
    /// Bytes of the driver's own, `length` of them from the start on.
    Buffer(Buffer, usize),
    /// A page, or its first bytes, which user space may map as well.
    Frame(Frame, usize),
}

/// Where the device finds a queue's three parts.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) size: u16,
    pub(crate) descriptors: u64,
    pub(crate) available: u64,
    pub(crate) used: u64,
}

/// A split virtqueue. The device reaches only memory that the queue holds: the rings, which are never freed, and the parts of requests that
/// the device has not returned.
pub(crate) struct Queue {
    size: u16,
    /// Consecutive pages with the rings.
    rings: Vec<Frame>,
    available: usize,
    used: usize,
    event_index: bool,
    /// The first free descriptor; the others follow in `next`.
    free: u16,
    free_count: u16,
    next: Box<[u16]>,
    held: Box<[Option<Part>]>,
    next_available: u16,
    /// `next_available` when the device was last notified.
    notified: u16,
    next_used: u16,
}

impl Queue {
    /// A queue whose rings have `size` entries, a power of two, of which requests take up to `limit` descriptors at a time. The used ring begins at a
    /// multiple of `alignment`. `None` when memory is used up.
    pub(crate) fn new(size: u16, limit: u16, alignment: usize, event_index: bool) -> Option<Self> {
        assert!(
            size.is_power_of_two() && (1..=size).contains(&limit),
            "a queue has a power of two of descriptors"
        );
        let available = usize::from(size) * 16;
        let used = (available + 6 + 2 * usize::from(size)).next_multiple_of(alignment);
        let length = used + 6 + 8 * usize::from(size);
        let rings = Frame::allocate_run(length.div_ceil(PAGE_SIZE))?;
        pool::DEVICES.fetch_add(rings.len(), Ordering::Relaxed);
        for frame in &rings {
            frame.fill(0, PAGE_SIZE, 0);
        }
        Some(Self {
            size,
            rings,
            available,
            used,
            event_index,
            free: 0,
            free_count: limit,
            next: (1..=limit).collect(),
            held: (0..limit).map(|_| None).collect(),
            next_available: 0,
            notified: 0,
            next_used: 0,
        })
    }

    /// Where the device finds it.
    pub(crate) fn layout(&self) -> Layout {
        let base = self.rings[0].address();
        Layout {
            size: self.size,
            descriptors: base,
            available: base + self.available as u64,
            used: base + self.used as u64,
        }
    }

    /// How many descriptors are free.
    pub(crate) fn free_descriptors(&self) -> usize {
        usize::from(self.free_count)
    }

    /// The most descriptors that a request can have; numbers of requests are below it.
    pub(crate) fn limit(&self) -> usize {
        self.held.len()
    }

    #[expect(clippy::inline_always, reason = "each packet goes through a dozen of these")]
    #[inline(always)]
    fn place(&self, offset: usize) -> *mut u8 {
        debug_assert!(offset < self.rings.len() * PAGE_SIZE);
        self.rings[0].pointer().wrapping_add(offset)
    }

    #[expect(clippy::inline_always, reason = "each packet goes through a dozen of these")]
    #[inline(always)]
    fn u16_at(&self, offset: usize) -> &AtomicU16 {
        // SAFETY: all offsets lie in the rings, are even, and the rings are only reached by atomics, here and by the device.
        unsafe { AtomicU16::from_ptr(self.place(offset).cast()) }
    }

    #[expect(clippy::inline_always, reason = "each packet goes through a dozen of these")]
    #[inline(always)]
    fn u32_at(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: as in `u16_at`, with offsets that are multiples of 4.
        unsafe { AtomicU32::from_ptr(self.place(offset).cast()) }
    }

    #[expect(clippy::inline_always, reason = "each packet goes through a dozen of these")]
    #[inline(always)]
    fn u64_at(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: as in `u16_at`, with offsets that are multiples of 8.
        unsafe { AtomicU64::from_ptr(self.place(offset).cast()) }
    }

    /// Offers a request: first the parts that the device reads, then those that it writes. Returns the number that [`Queue::pop`] will give back. Panics
    /// when there are fewer free descriptors than parts, or no parts.
    pub(crate) fn push(
        &mut self,
        device_reads: impl IntoIterator<Item = Part>,
        device_writes: impl IntoIterator<Item = Part>,
    ) -> u16 {
        let head = self.free;
        let mut last: Option<u16> = None;
        let reads = device_reads.into_iter().map(|part| (part, 0));
        let writes = device_writes.into_iter().map(|part| (part, DEVICE_WRITES));
        for (part, flags) in reads.chain(writes) {
            assert!(self.free_count > 0, "the caller looked for free descriptors");
            let index = self.free;
            self.free = self.next[usize::from(index)];
            self.free_count -= 1;
            let (address, length) = match &part {
                Part::Buffer(buffer, length) => {
                    assert!(*length <= buffer.len(), "a part lies inside its buffer");
                    (buffer.address(), *length)
                }
                Part::Frame(frame, length) => {
                    assert!(*length <= PAGE_SIZE, "a part lies inside its page");
                    (frame.address(), *length)
                }
            };
            self.held[usize::from(index)] = Some(part);
            let at = usize::from(index) * 16;
            self.u64_at(at).store(address, Ordering::Relaxed);
            self.u64_at(at + 8)
                .store(length as u64 | flags << 32, Ordering::Relaxed);
            if let Some(last) = last {
                let word = self.u64_at(usize::from(last) * 16 + 8);
                word.store(
                    word.load(Ordering::Relaxed) | NEXT << 32 | u64::from(index) << 48,
                    Ordering::Relaxed,
                );
            }
            last = Some(index);
        }
        assert!(last.is_some(), "a request has parts");
        let slot = self.available + 4 + 2 * usize::from(self.next_available % self.size);
        self.u16_at(slot).store(head, Ordering::Relaxed);
        self.next_available = self.next_available.wrapping_add(1);
        self.u16_at(self.available + 2)
            .store(self.next_available, Ordering::Release);
        head
    }

    /// Whether the device wants to be told of what was pushed since the last call.
    pub(crate) fn needs_notification(&mut self) -> bool {
        // The device may have gone to sleep before it saw the new index, so the index goes out before its wish is read.
        fence(Ordering::SeqCst);
        let from = core::mem::replace(&mut self.notified, self.next_available);
        if from == self.next_available {
            return false;
        }
        if self.event_index {
            let wanted = self
                .u16_at(self.used + 4 + 8 * usize::from(self.size))
                .load(Ordering::Relaxed);
            // Whether `wanted` lies among the entries added since.
            self.next_available.wrapping_sub(wanted).wrapping_sub(1) < self.next_available.wrapping_sub(from)
        } else {
            self.u16_at(self.used).load(Ordering::Relaxed) & NO_NOTIFY == 0
        }
    }

    /// Whether the device has returned a request.
    pub(crate) fn has_used(&self) -> bool {
        self.u16_at(self.used + 2).load(Ordering::Acquire) != self.next_used
    }

    /// Takes a request back that the device has done: its number and how many bytes the device wrote. Its parts go to `part` in order. What
    /// the device says is not believed further than memory safety allows: a number that was not offered is passed over.
    pub(crate) fn pop(&mut self, mut part: impl FnMut(Part)) -> Option<(u16, usize)> {
        while self.has_used() {
            let at = self.used + 4 + 8 * usize::from(self.next_used % self.size);
            let head = self.u32_at(at).load(Ordering::Relaxed);
            let written = self.u32_at(at + 4).load(Ordering::Relaxed) as usize;
            self.next_used = self.next_used.wrapping_add(1);
            let Some(head) = u16::try_from(head)
                .ok()
                .filter(|&head| usize::from(head) < self.held.len())
            else {
                continue;
            };
            let mut index = head;
            let mut found = false;
            // The device can write to the table: what stands there is only followed where it makes sense.
            while let Some(held) = self.held.get_mut(usize::from(index)).and_then(Option::take) {
                found = true;
                part(held);
                let word = self.u64_at(usize::from(index) * 16 + 8).load(Ordering::Relaxed);
                self.next[usize::from(index)] = self.free;
                self.free = index;
                self.free_count += 1;
                if word >> 32 & NEXT == 0 {
                    break;
                }
                index = (word >> 48) as u16;
            }
            if found {
                return Some((head, written));
            }
        }
        None
    }

    /// Asks for an interrupt when the device returns the next request, or for none. After asking, look at [`Queue::has_used`] once more.
    pub(crate) fn set_interrupts(&mut self, wanted: bool) {
        if self.event_index {
            // Without a wish the index stays behind what the device has passed, which asks for none.
            let event = if wanted {
                self.next_used
            } else {
                self.next_used.wrapping_sub(1)
            };
            self.u16_at(self.available + 4 + 2 * usize::from(self.size))
                .store(event, Ordering::Relaxed);
        } else {
            self.u16_at(self.available)
                .store(if wanted { 0 } else { NO_INTERRUPT }, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtio::model::Device;

    fn pair(size: u16, event_index: bool) -> (Queue, Device) {
        let queue = Queue::new(size, size, 4, event_index).expect("memory");
        let device = Device::of(&queue);
        (queue, device)
    }

    fn buffer(bytes: &[u8]) -> Part {
        let mut buffer = Buffer::page().expect("memory");
        buffer.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
        Part::Buffer(buffer, bytes.len())
    }

    #[test]
    fn a_request_travels_there_and_back() {
        let (mut queue, mut device) = pair(8, false);
        for round in 0..100u8 {
            let number = queue.push(
                [buffer(&[round; 5])],
                [
                    buffer(&[0; 3]),
                    Part::Frame(Frame::allocate().expect("memory"), PAGE_SIZE),
                ],
            );
            assert!(queue.needs_notification());
            let (head, parts) = device.take().expect("the request");
            assert_eq!(head, number);
            let shape: Vec<_> = parts.iter().map(|&(_, length, writes)| (length, writes)).collect();
            assert_eq!(shape, [(5, false), (3, true), (PAGE_SIZE, true)]);
            // SAFETY: the part's page, which the queue holds.
            unsafe {
                assert_eq!(Device::at(parts[0].0).read(), round);
                Device::at(parts[1].0).write(round);
            }
            device.give(u32::from(head), 3);
            let mut back = Vec::new();
            assert_eq!(queue.pop(|part| back.push(part)), Some((number, 3)));
            assert!(matches!(&back[1], Part::Buffer(buffer, 3) if buffer.bytes()[0] == round));
            assert!(matches!(back[2], Part::Frame(..)));
            assert_eq!(queue.free_descriptors(), 8);
        }
        assert!(device.take().is_none());
    }

    #[test]
    fn requests_come_back_in_any_order() {
        let (mut queue, mut device) = pair(8, true);
        let numbers: Vec<_> = (0..4).map(|n| queue.push([buffer(&[n]), buffer(&[n])], [])).collect();
        assert_eq!(queue.free_descriptors(), 0);
        let heads: Vec<_> = core::iter::from_fn(|| device.take()).map(|(head, _)| head).collect();
        assert_eq!(heads, numbers);
        for &head in &[heads[2], heads[0], heads[3], heads[1]] {
            device.give(u32::from(head), 0);
            assert_eq!(queue.pop(drop).map(|(number, _)| number), Some(head));
        }
        assert_eq!(queue.free_descriptors(), 8);
    }

    #[test]
    fn a_device_that_lies_about_what_it_returns_is_passed_over() {
        let (mut queue, mut device) = pair(4, false);
        queue.push([buffer(b"x")], []);
        let (head, _) = device.take().expect("the request");
        device.give(77_777, 0);
        device.give(u32::from(head) + 1, 0);
        device.give(u32::from(head), u32::MAX);
        device.give(u32::from(head), 0);
        assert!(queue.pop(drop).is_some());
        assert!(queue.pop(drop).is_none());
        assert_eq!(queue.free_descriptors(), 4);
    }

    #[test]
    fn the_device_is_told_when_it_asks_to_be() {
        let (mut queue, device) = pair(4, true);
        let wish = Device::u16(device.layout.used + 4 + 8 * 4);
        queue.push([buffer(b"a")], []);
        assert!(queue.needs_notification());
        assert!(!queue.needs_notification());
        wish.store(2, Ordering::Relaxed);
        queue.push([buffer(b"b")], []);
        assert!(!queue.needs_notification());
        queue.push([buffer(b"c")], []);
        assert!(queue.needs_notification());
    }
}
