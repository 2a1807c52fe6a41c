//! The ring of descriptors of packets to send, of any format.

use core::sync::atomic::{Ordering, fence};

use super::description::Format;
use super::dqo;
use super::register::Doorbell;
use crate::dma::Shared;

/// Words of a descriptor, and its bytes.
pub(super) type Words = [u32; 4];
const SIZE: usize = 16;
/// Descriptors that stay free, so that the device fetches none that is being written (`GVE_TX_MIN_DESC_PREVENT_CACHE_OVERLAP`).
const GAP: u32 = 4;

/// All counts go on for ever, modulo 2^32, which the number of entries divides.
pub(super) struct Ring {
    memory: Shared,
    format: Format,
    entries: u16,
    /// Descriptors so far, how many of them the device was told of, and how many it is known not to need any more.
    tail: u32,
    told: u32,
    head: u32,
    /// The last one that asks for a report.
    reporting: u32,
}

impl Ring {
    /// Of so many entries, a power of two. `None` when memory is used up.
    pub(super) fn new(format: Format, entries: u16) -> Option<Self> {
        Some(Self {
            memory: Shared::allocate(usize::from(entries) * SIZE)?,
            format,
            entries,
            tail: 0,
            told: 0,
            head: 0,
            reporting: 0,
        })
    }

    /// The device has forgotten the ring: makes it as it was at first.
    pub(super) fn clear(&mut self) {
        self.memory.clear();
        (self.tail, self.told, self.head, self.reporting) = (0, 0, 0, 0);
    }

    pub(super) fn address(&self) -> u64 {
        self.memory.address(0)
    }

    fn place(&self, count: u32) -> u16 {
        (count % u32::from(self.entries)) as u16
    }

    /// Whether so many more descriptors have room.
    pub(super) fn has_room(&self, count: usize) -> bool {
        let used = self.tail.wrapping_sub(self.head);
        used as usize + count < (u32::from(self.entries) - GAP) as usize
    }

    /// The place of the last descriptor.
    pub(super) fn last(&self) -> u16 {
        self.place(self.tail.wrapping_sub(1))
    }

    /// Puts the descriptors of a packet in place, for which there is room.
    pub(super) fn put(&mut self, descriptors: &mut [Words]) {
        let last = self.tail.wrapping_add(descriptors.len() as u32).wrapping_sub(1);
        if !self.format.is_in_order() && last.wrapping_sub(self.reporting) >= dqo::REPORT_INTERVAL.into() {
            self.reporting = last;
            descriptors.last_mut().into_iter().for_each(dqo::report);
        }
        for words in descriptors {
            let at = usize::from(self.place(self.tail)) * SIZE;
            for (index, &word) in words.iter().enumerate() {
                self.memory.set32(at + index * 4, word, Ordering::Relaxed);
            }
            self.tail = self.tail.wrapping_add(1);
        }
    }

    /// Tells the device of the descriptors in place.
    pub(super) fn tell(&mut self, doorbell: Doorbell) {
        if self.told == self.tail {
            return;
        }
        self.told = self.tail;
        fence(Ordering::SeqCst);
        doorbell.write(if self.format.is_in_order() {
            self.tail
        } else {
            self.place(self.tail).into()
        });
    }

    /// In order: the place of the next descriptor that the device has done with, when it says that it has with `count` in all. `Err` when that
    /// is more than it was told of.
    pub(super) fn done(&mut self, count: u32) -> Result<Option<u16>, ()> {
        let new = count.wrapping_sub(self.head);
        if new > self.told.wrapping_sub(self.head) {
            return Err(());
        }
        let place = self.place(self.head);
        Ok((new > 0).then(|| {
            self.head = self.head.wrapping_add(1);
            place
        }))
    }

    /// Out of order: the device has fetched all descriptors before a place. False when it cannot have.
    pub(super) fn fetched(&mut self, place: u16) -> bool {
        let new = self.place(u32::from(place).wrapping_sub(self.head)).into();
        let is_possible = place <= self.entries && new <= self.told.wrapping_sub(self.head);
        if is_possible {
            self.head = self.head.wrapping_add(new);
        }
        is_possible
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(ring: &mut Ring, count: usize) {
        ring.put(&mut alloc::vec![[0; 4]; count]);
        ring.told = ring.tail;
    }

    /// The third words of the descriptors in the ring, where reports are asked for.
    fn reports(ring: &Ring) -> alloc::vec::Vec<usize> {
        let asks = |&place: &usize| ring.memory.get32(place * SIZE + 8, Ordering::Relaxed) != 0;
        (0..ring.entries.into()).filter(asks).collect()
    }

    #[test]
    fn gve_rings_in_order_are_done_with_one_by_one() {
        let mut ring = Ring::new(Format::GqiQpl, 128).expect("memory");
        (ring.head, ring.tail) = (u32::MAX, u32::MAX);
        put(&mut ring, 3);
        assert_eq!(ring.last(), 1);
        assert_eq!(ring.done(u32::MAX), Ok(None));
        assert_eq!(
            [ring.done(1), ring.done(1), ring.done(1)],
            [Ok(Some(127)), Ok(Some(0)), Ok(None)]
        );
        assert_eq!(ring.done(3), Err(()), "of which the device does not know");
        assert_eq!(ring.done(0), Err(()), "fewer than before");
        assert_eq!(ring.done(2), Ok(Some(1)));
        assert!(reports(&ring).is_empty());
    }

    #[test]
    fn gve_rings_out_of_order_ask_for_reports_now_and_then() {
        let mut ring = Ring::new(Format::DqoRda, 128).expect("memory");
        assert!(ring.has_room(123) && !ring.has_room(124));
        for _ in 0..30 {
            put(&mut ring, 3);
        }
        // Of packets of three the last one that is 32 or more behind the one before.
        assert_eq!(reports(&ring), [32, 65]);
        assert!(ring.has_room(33) && !ring.has_room(34));
        assert!(ring.fetched(66));
        assert!(ring.has_room(99) && !ring.has_room(100));
        assert!(ring.fetched(66), "nothing new");
        assert!(!ring.fetched(91), "more than there are");
        assert!(!ring.fetched(65), "fewer than before");
        put(&mut ring, 38);
        assert!(ring.fetched(128), "all of the first round");
        assert!(!ring.fetched(129), "no place");
        put(&mut ring, 100);
        assert!(ring.fetched(100));
        assert_eq!(ring.head, 228);
    }
}
