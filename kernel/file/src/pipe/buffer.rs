//! The pages of a pipe.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use abi::Errno;
use hal::mem::{Frame, PAGE_SIZE};

use crate::{Error, Fault, Result, Sink, Source};

/// A run of bytes in a page. Pages of pipes are never changed where they hold bytes, so they can be shared.
#[derive(Clone, Debug)]
pub struct Segment {
    pub(super) frame: Frame,
    pub(super) offset: usize,
    pub(super) length: usize,
    /// Ends a packet (`O_DIRECT`), or shares its page with something else: nothing is added behind it.
    pub(super) sealed: bool,
    /// Is a packet: what a read leaves of it is dropped.
    pub(super) packet: bool,
}

impl Segment {
    /// `length` bytes of a page from `offset` on, such as a page of the page cache.
    ///
    /// # Panics
    /// When they leave the page.
    pub fn new(frame: Frame, offset: usize, length: usize) -> Self {
        assert!(
            offset <= PAGE_SIZE && length <= PAGE_SIZE - offset,
            "{length} bytes at {offset} leave the page"
        );
        Self {
            frame,
            offset,
            length,
            sealed: true,
            packet: false,
        }
    }

    /// Bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Leaves out the first bytes.
    pub fn skip(&mut self, count: usize) {
        self.offset += count;
        self.length -= count;
    }
}

/// Gives the bytes of segments.
pub struct SegmentSource<'a> {
    segments: &'a [Segment],
    /// Bytes of the first segment that were given.
    given: usize,
}

impl<'a> SegmentSource<'a> {
    /// From the first byte on.
    pub fn new(segments: &'a [Segment]) -> Self {
        Self { segments, given: 0 }
    }
}

impl Source for SegmentSource<'_> {
    fn remaining(&self) -> usize {
        self.segments.iter().map(Segment::length).sum::<usize>() - self.given
    }

    fn read(&mut self, into: &mut [u8]) -> core::result::Result<usize, Fault> {
        let mut done = 0;
        while let Some((segment, rest)) = self.segments.split_first() {
            if self.given == segment.length {
                (self.segments, self.given) = (rest, 0);
                continue;
            }
            let part = (segment.length - self.given).min(into.len() - done);
            if part == 0 {
                break;
            }
            segment
                .frame
                .read(segment.offset + self.given, &mut into[done..done + part]);
            self.given += part;
            done += part;
        }
        Ok(done)
    }
}

/// Collects bytes in pages of its own.
pub struct SegmentSink {
    segments: Vec<Segment>,
    remaining: usize,
}

impl SegmentSink {
    /// For at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            segments: Vec::new(),
            remaining: limit,
        }
    }

    /// What it collected.
    pub fn into_segments(self) -> Vec<Segment> {
        self.segments
    }
}

impl Sink for SegmentSink {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn write(&mut self, bytes: &[u8]) -> core::result::Result<usize, Fault> {
        let mut bytes = &bytes[..bytes.len().min(self.remaining)];
        let total = bytes.len();
        while !bytes.is_empty() {
            let last = match self.segments.last_mut() {
                Some(last) if last.offset + last.length < PAGE_SIZE && !last.sealed => last,
                _ => {
                    let Some(frame) = Frame::allocate_free() else { break };
                    self.segments.push(Segment {
                        sealed: false,
                        ..Segment::new(frame, 0, 0)
                    });
                    continue;
                }
            };
            let part = bytes.len().min(PAGE_SIZE - last.offset - last.length);
            last.frame.write(last.offset + last.length, &bytes[..part]);
            last.length += part;
            self.remaining -= part;
            bytes = &bytes[part..];
        }
        Ok(total - bytes.len())
    }

    fn write_frame(&mut self, frame: &Frame, offset: usize, length: usize) -> core::result::Result<usize, Fault> {
        let length = length.min(self.remaining);
        if length == PAGE_SIZE {
            self.segments.push(Segment::new(frame.clone(), offset, length));
            self.remaining -= length;
            return Ok(length);
        }
        let mut chunk = [0; 512];
        let mut done = 0;
        while done < length {
            let part = (length - done).min(chunk.len());
            frame.read(offset + done, &mut chunk[..part]);
            let taken = self.write(&chunk[..part])?;
            done += taken;
            if taken < part {
                break;
            }
        }
        Ok(done)
    }
}

/// The content of a pipe: as on Linux, a queue of pages with a limit on their number.
#[derive(Debug)]
pub(super) struct Buffer {
    segments: VecDeque<Segment>,
    slots: usize,
    bytes: usize,
    /// An empty page kept for the next write.
    spare: Option<Frame>,
}

impl Buffer {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            segments: VecDeque::new(),
            slots,
            bytes: 0,
            spare: None,
        }
    }

    pub(super) fn clear(&mut self) {
        self.segments.clear();
        self.bytes = 0;
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_full(&self) -> bool {
        self.segments.len() >= self.slots
    }

    pub(super) fn free_slots(&self) -> usize {
        self.slots.saturating_sub(self.segments.len())
    }

    pub(super) fn capacity(&self) -> usize {
        self.slots * PAGE_SIZE
    }

    pub(super) fn set_slots(&mut self, slots: usize) -> core::result::Result<(), Errno> {
        if slots < self.segments.len() {
            return Err(Errno::BUSY);
        }
        self.slots = slots;
        Ok(())
    }

    /// Takes what `source` has as far as there is room; up to a page of it whole or not at all.
    pub(super) fn write(&mut self, source: &mut dyn Source, packet: bool) -> Result<usize> {
        let total = source.remaining();
        let mut done = 0;
        // The part that does not fill a page goes behind the last one if it fits there whole, as on Linux.
        let odd = total % PAGE_SIZE;
        if let Some(last) = self
            .segments
            .back_mut()
            .filter(|last| odd > 0 && !packet && !last.sealed && last.offset + last.length + odd <= PAGE_SIZE)
        {
            let count = source.read_frame(&last.frame, last.offset + last.length, odd)?;
            if count < odd && total <= PAGE_SIZE {
                return Err(missing(source));
            }
            last.length += count;
            self.bytes += count;
            done = count;
            if count < odd {
                return Ok(done);
            }
        }
        while done < total && !self.is_full() {
            let Some(frame) = self.spare.take().or_else(Frame::allocate_free) else {
                if done == 0 {
                    return Err(Errno::NOMEM.into());
                }
                break;
            };
            let wanted = (total - done).min(PAGE_SIZE);
            let count = match source.read_frame(&frame, 0, wanted) {
                Ok(count) if count == wanted || total > PAGE_SIZE => count,
                Ok(_) => {
                    self.spare = Some(frame);
                    return Err(missing(source));
                }
                Err(fault) => {
                    self.spare = Some(frame);
                    if done == 0 {
                        return Err(fault.into());
                    }
                    break;
                }
            };
            self.segments.push_back(Segment {
                frame,
                offset: 0,
                length: count,
                sealed: packet,
                packet,
            });
            self.bytes += count;
            done += count;
            if count < wanted {
                break;
            }
        }
        if done == 0 { Err(Error::WouldBlock) } else { Ok(done) }
    }

    /// Gives `sink` what it takes; of packets only one.
    pub(super) fn read(&mut self, sink: &mut dyn Sink) -> Result<usize> {
        let mut done = 0;
        while let Some(first) = self.segments.front_mut() {
            let wanted = first.length.min(sink.remaining());
            if wanted == 0 {
                break;
            }
            let packet = first.packet;
            let count = match sink.write_frame(&first.frame, first.offset, wanted) {
                // A packet is taken whole, once all the memory is there.
                Ok(count) if packet && count < wanted => return Err(no_room(sink)),
                Ok(count) => count,
                Err(fault) if done == 0 => return Err(fault.into()),
                Err(_) => break,
            };
            done += count;
            let dropped = if packet { first.length } else { count };
            first.skip(dropped);
            self.bytes -= dropped;
            if first.length == 0 {
                self.drop_first();
            }
            if packet || count < wanted {
                break;
            }
        }
        Ok(done)
    }

    fn drop_first(&mut self) {
        if let Some(empty) = self.segments.pop_front()
            && self.spare.is_none()
            && empty.frame.shares() == 1
        {
            self.spare = Some(empty.frame);
        }
    }

    /// Takes out at most `limit` bytes.
    pub(super) fn take(&mut self, limit: usize) -> Vec<Segment> {
        let mut taken = Vec::new();
        let mut left = limit;
        while left > 0 {
            let Some(first) = self.segments.front_mut() else { break };
            let part = first.length.min(left);
            if part == first.length {
                taken.extend(self.segments.pop_front());
            } else {
                taken.push(Segment {
                    length: part,
                    sealed: true,
                    ..first.clone()
                });
                first.skip(part);
            }
            left -= part;
            self.bytes -= part;
        }
        taken
    }

    /// Copies of the first segments, at most `limit` bytes.
    pub(super) fn peek(&mut self, limit: usize) -> Vec<Segment> {
        let mut left = limit;
        let mut copies = Vec::new();
        for segment in &mut self.segments {
            if left == 0 {
                break;
            }
            // Nothing may be added behind a segment whose page two pipes share.
            segment.sealed = true;
            let length = segment.length.min(left);
            left -= length;
            copies.push(Segment {
                length,
                ..segment.clone()
            });
        }
        copies
    }

    /// Puts back what [`Buffer::take`] took and nobody wanted.
    pub(super) fn put_back(&mut self, segments: Vec<Segment>) {
        for segment in segments.into_iter().rev().filter(|segment| segment.length > 0) {
            self.bytes += segment.length;
            self.segments.push_front(segment);
        }
    }

    /// Adds segments as they are.
    pub(super) fn extend(&mut self, segments: Vec<Segment>) {
        for segment in segments.into_iter().filter(|segment| segment.length > 0) {
            self.bytes += segment.length;
            self.segments.push_back(segment);
        }
    }
}

/// Why a sink took less than it said it has room for.
fn no_room(sink: &mut dyn Sink) -> Error {
    match sink.write(&[0]) {
        Err(fault) => fault.into(),
        Ok(_) => Errno::FAULT.into(),
    }
}

/// Why a source gave less than it said it has.
fn missing(source: &mut dyn Source) -> Error {
    match source.read(&mut [0]) {
        Err(fault) => fault.into(),
        Ok(_) => Errno::FAULT.into(),
    }
}
