//! Bytes that arrived: in order for the application, and out of order until the gap is filled.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use file::{Fault, Sink};

use super::sequence::Seq;
use crate::Chunk;

/// Small segments are gathered in buffers of this size, so that the memory they take stays near what they carry.
const SHARED_CHUNK: usize = 2048;

/// The receive buffer.
#[derive(Debug, Default)]
pub(super) struct ReceiveQueue {
    chunks: VecDeque<Chunk>,
    length: usize,
    footprint: usize,
    /// Chunks beyond the next expected byte: disjoint, in order.
    later: Vec<(Seq, Chunk)>,
}

impl ReceiveQueue {
    /// Bytes that can be read.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Bytes of memory that it holds, with those out of order.
    pub(super) fn footprint(&self) -> usize {
        self.footprint
    }

    pub(super) fn has_gap(&self) -> bool {
        !self.later.is_empty()
    }

    /// Appends bytes that are in order.
    pub(super) fn push(&mut self, chunk: Chunk) {
        self.length += chunk.len();
        if let Some(last) = self.chunks.back_mut()
            && chunk.len() < SHARED_CHUNK / 4
        {
            let taken = if last.spare() >= chunk.len() {
                last.append(&chunk)
            } else {
                0
            };
            if taken == chunk.len() {
                return;
            }
            let shared = Chunk::filled(SHARED_CHUNK, |bytes| {
                bytes[..chunk.len()].copy_from_slice(&chunk);
                Ok::<_, core::convert::Infallible>(chunk.len())
            });
            let Ok(shared) = shared;
            self.footprint += shared.footprint();
            self.chunks.push_back(shared);
            return;
        }
        self.footprint += chunk.footprint();
        self.chunks.push_back(chunk);
    }

    /// Keeps bytes beyond a gap; what is there already stays. Returns whether there was anything new.
    pub(super) fn insert_later(&mut self, mut seq: Seq, mut chunk: Chunk) -> bool {
        let mut place = self.later.partition_point(|(start, _)| *start <= seq);
        if let Some((start, before)) = place.checked_sub(1).map(|index| &self.later[index]) {
            let overlap = (*start + before.len()).since(seq);
            if overlap >= chunk.len() {
                return false;
            }
            chunk.advance(overlap);
            seq += overlap;
        }
        while let Some((start, after)) = self.later.get(place) {
            let end = seq + chunk.len();
            if end <= *start {
                break;
            }
            if end >= *start + after.len() {
                // The new bytes cover it whole.
                self.footprint -= after.footprint();
                self.later.remove(place);
                continue;
            }
            chunk.truncate(start.since(seq));
            break;
        }
        if chunk.is_empty() {
            return false;
        }
        place = place.min(self.later.len());
        self.footprint += chunk.footprint();
        self.later.insert(place, (seq, chunk));
        true
    }

    /// Moves what is in order now from beyond the gap; returns the next expected byte.
    pub(super) fn close_gap(&mut self, mut next: Seq) -> Seq {
        let mut moved = 0;
        while let Some((start, chunk)) = self.later.get(moved) {
            if *start > next {
                break;
            }
            let mut chunk = chunk.clone();
            self.footprint -= chunk.footprint();
            let known = next.since(*start);
            if known < chunk.len() {
                chunk.advance(known);
                next += chunk.len();
                self.push(chunk);
            }
            moved += 1;
        }
        self.later.drain(..moved);
        if self.later.is_empty() {
            self.later = Vec::new();
        }
        next
    }

    /// The blocks to report as selectively acknowledged, the one around `latest` first (RFC 2018 section 4).
    pub(super) fn blocks(&self, latest: Seq) -> [Option<(u32, u32)>; 3] {
        let mut blocks: Vec<(Seq, Seq)> = Vec::new();
        for (start, chunk) in &self.later {
            match blocks.last_mut() {
                Some((_, end)) if *end == *start => *end += chunk.len(),
                _ => blocks.push((*start, *start + chunk.len())),
            }
        }
        let first = blocks
            .iter()
            .position(|(start, end)| *start <= latest && latest < *end)
            .unwrap_or(0);
        let mut order = blocks.get(first).into_iter().chain(
            blocks
                .iter()
                .enumerate()
                .filter(|(index, _)| *index != first)
                .map(|(_, block)| block),
        );
        core::array::from_fn(|_| order.next().map(|(start, end)| (start.0, end.0)))
    }

    /// Gives the first bytes to `sink` and forgets them, unless `peek`; returns how many.
    pub(super) fn read(&mut self, sink: &mut dyn Sink, peek: bool) -> Result<usize, Fault> {
        let mut done = 0;
        let mut index = 0;
        while let Some(chunk) = self.chunks.get_mut(index) {
            if sink.remaining() == 0 {
                break;
            }
            let taken = match sink.write(chunk) {
                Ok(taken) => taken,
                Err(fault) if done == 0 => return Err(fault),
                Err(_) => break,
            };
            done += taken;
            let whole = taken == chunk.len();
            if peek {
                index += 1;
            } else if whole {
                self.footprint -= chunk.footprint();
                self.length -= taken;
                self.chunks.pop_front();
            } else {
                self.length -= taken;
                chunk.advance(taken);
            }
            if !whole {
                break;
            }
        }
        if self.chunks.is_empty() && self.chunks.capacity() > 16 {
            self.chunks = VecDeque::new();
        }
        Ok(done)
    }

    /// Forgets up to `count` bytes (`MSG_TRUNC`); returns how many.
    pub(super) fn discard(&mut self, count: usize) -> usize {
        let mut done = 0;
        while let Some(chunk) = self.chunks.front_mut() {
            let part = chunk.len().min(count - done);
            done += part;
            self.length -= part;
            if part < chunk.len() {
                chunk.advance(part);
                break;
            }
            self.footprint -= chunk.footprint();
            self.chunks.pop_front();
        }
        done
    }

    /// Forgets what is out of order, which the peer sends again.
    pub(super) fn prune(&mut self) {
        for (_, chunk) in core::mem::take(&mut self.later) {
            self.footprint -= chunk.footprint();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use file::BytesSink;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn segments_in_any_order_make_the_stream(origin: u32, segments: Vec<(u16, u8)>) {
            let stream: Vec<u8> = (0..70_000u32).map(|index| ((index * 7) >> 3) as u8).collect();
            let origin = Seq(origin);
            let mut queue = ReceiveQueue::default();
            let mut next = origin;
            let mut known = vec![false; stream.len()];
            for (offset, length) in segments {
                let (offset, length) = (usize::from(offset % 2000), usize::from(length) + 1);
                known[offset..offset + length].fill(true);
                let mut seq = origin + offset;
                let mut chunk = Chunk::copy_of(&stream[offset..offset + length]);
                if seq + length <= next { continue; }
                if seq < next { chunk.advance(next.since(seq)); seq = next; }
                if seq == next { next += chunk.len(); queue.push(chunk); next = queue.close_gap(next); }
                else { queue.insert_later(seq, chunk); }
                let blocks = queue.blocks(seq);
                prop_assert_eq!(blocks[0].is_some(), queue.has_gap());
            }
            let whole = known.iter().position(|known| !known).unwrap_or(known.len());
            prop_assert_eq!(queue.len(), whole);
            let held: usize = queue.chunks.iter().chain(queue.later.iter().map(|(_, chunk)| chunk)).map(Chunk::footprint).sum();
            prop_assert_eq!(queue.footprint(), held);
            let mut out = vec![0; whole];
            let mut sink = BytesSink::new(&mut out);
            prop_assert_eq!(queue.read(&mut sink, false), Ok(whole));
            prop_assert_eq!(&out[..], &stream[..whole]);
        }
    }

    #[test]
    fn tiny_segments_take_little_memory() {
        let mut queue = ReceiveQueue::default();
        for _ in 0..10_000 {
            queue.push(Chunk::copy_of(b"x"));
        }
        assert_eq!(queue.len(), 10_000);
        assert!(queue.footprint() < 12_000);
    }
}
