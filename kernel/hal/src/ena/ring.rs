//! A submission queue: its entries, in the guest's memory or in the device's, and its doorbell.

use core::sync::atomic::{Ordering, fence};

use super::command::{Placement, SubmissionQueue};
use super::descriptor::{self, PHASE_SHIFT, SIZE, Words};
use super::failure::Failure;
use super::feature::LowLatency;
use crate::bus::Registers;
use crate::dma::Shared;

/// Bytes of the largest entry of a low-latency queue.
const LARGEST_ENTRY: usize = 256;

pub(super) struct Ring {
    memory: Memory,
    depth: u16,
    /// Entries so far: also the next place, and its phase.
    tail: u16,
    /// What the device was told of it.
    told: u16,
    /// None while the device knows no queue.
    doorbell: Option<Registers>,
}

enum Memory {
    Host(Shared),
    /// A low-latency queue; where it is is known while the device knows it.
    Device(LowLatency, Option<Registers>),
}

impl Ring {
    /// A queue of `depth` entries, a power of two. `None` when memory is used up.
    pub(super) fn new(depth: u16, low_latency: Option<LowLatency>) -> Option<Self> {
        let memory = match low_latency {
            Some(shape) => Memory::Device(shape, None),
            None => Memory::Host(Shared::allocate(usize::from(depth) * SIZE)?),
        };
        Some(Self {
            memory,
            depth,
            tail: 0,
            told: 0,
            doorbell: None,
        })
    }

    pub(super) fn placement(&self) -> Placement {
        match &self.memory {
            Memory::Host(shared) => Placement::Host(shared.address(0)),
            Memory::Device(..) => Placement::Device,
        }
    }

    /// The device has forgotten the queue, or does not know it yet.
    pub(super) fn detach(&mut self) {
        self.doorbell = None;
        (self.tail, self.told) = (0, 0);
        match &mut self.memory {
            Memory::Host(shared) => shared.clear(),
            Memory::Device(_, place) => *place = None,
        }
    }

    /// The device knows the queue now: in `registers` is its doorbell, in `memory` are the entries of a low-latency queue.
    pub(super) fn attach(
        &mut self,
        made: SubmissionQueue,
        registers: Registers,
        memory: Option<Registers>,
    ) -> Result<(), Failure> {
        let outside = Failure::Plain("puts a queue outside its own memory");
        if let Memory::Device(shape, place) = &mut self.memory {
            let length = usize::from(self.depth) * shape.entry;
            let inside = memory.filter(|_| made.entries.is_multiple_of(size_of::<u64>()));
            *place = Some(
                inside
                    .and_then(|memory| memory.part(made.entries, length))
                    .ok_or(outside)?,
            );
        }
        self.doorbell = Some(register(registers, made.doorbell).ok_or(outside)?);
        Ok(())
    }

    /// How many entries a packet of so many descriptors takes.
    pub(super) fn entries(&self, descriptors: usize) -> usize {
        match &self.memory {
            Memory::Host(_) => descriptors,
            Memory::Device(shape, _) => shape.entries(descriptors),
        }
    }

    /// Puts descriptors in place, and the header into a low-latency queue. The caller keeps one entry free.
    pub(super) fn push(&mut self, descriptors: &[Words], header: &[u8]) {
        let shape = match &self.memory {
            Memory::Host(_) => return descriptors.iter().for_each(|words| self.push_host(words)),
            Memory::Device(shape, _) => *shape,
        };
        let untold = usize::from(self.tail.wrapping_sub(self.told));
        if shape
            .burst
            .is_some_and(|burst| untold + shape.entries(descriptors.len()) > burst)
        {
            self.tell();
        }
        let (first, mut others) = descriptors.split_at(descriptors.len().min(shape.before_header));
        self.push_device(shape, first, header);
        while !others.is_empty() {
            let (entry, rest) = others.split_at(others.len().min(shape.per_entry));
            self.push_device(shape, entry, &[]);
            others = rest;
        }
    }

    fn phase(&self) -> u32 {
        descriptor::phase(self.tail, self.depth) << PHASE_SHIFT
    }

    fn push_host(&mut self, words: &Words) {
        let phase = self.phase();
        let at = usize::from(self.tail % self.depth) * SIZE;
        if let Memory::Host(shared) = &self.memory {
            for (index, &word) in words.iter().enumerate().skip(1) {
                shared.set32(at + index * 4, word, Ordering::Relaxed);
            }
            shared.set32(at, words[0] | phase, Ordering::Release);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    fn push_device(&mut self, shape: LowLatency, descriptors: &[Words], header: &[u8]) {
        let mut bytes = [0; LARGEST_ENTRY];
        let phase = self.phase();
        for (words, place) in descriptors.iter().zip(bytes.as_chunks_mut::<SIZE>().0) {
            let words = [words[0] | phase, words[1], words[2], words[3]];
            for (word, place) in words.iter().zip(place.as_chunks_mut::<4>().0) {
                *place = word.to_le_bytes();
            }
        }
        if !header.is_empty() {
            let at = shape.before_header * SIZE;
            bytes[at..at + header.len()].copy_from_slice(header);
        }
        if let Memory::Device(_, Some(memory)) = &self.memory {
            let at = usize::from(self.tail % self.depth) * shape.entry;
            for (index, &word) in bytes[..shape.entry].as_chunks::<8>().0.iter().enumerate() {
                memory.write_whole64(at + index * 8, u64::from_le_bytes(word));
            }
        }
        self.tail = self.tail.wrapping_add(1);
    }

    /// Tells the device of the entries in place.
    pub(super) fn tell(&mut self) {
        if let Some(doorbell) = self.doorbell
            && self.told != self.tail
        {
            self.told = self.tail;
            fence(Ordering::SeqCst);
            doorbell.write32(0, self.tail.into());
        }
    }
}

/// The register at an offset that the device has named; `None` when it lies outside.
pub(super) fn register(registers: Registers, offset: usize) -> Option<Registers> {
    let inside = offset.is_multiple_of(size_of::<u32>());
    registers.part(offset, size_of::<u32>()).filter(|_| inside)
}
