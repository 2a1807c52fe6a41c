//! Bytes that the application wrote and the peer has not acknowledged.

use alloc::collections::VecDeque;

use file::Source;
use smallvec::SmallVec;

use crate::Chunk;

/// The chunks of one segment.
pub(super) type Gathered = SmallVec<[Chunk; 4]>;

/// Bytes of the largest chunk: what one device segment can take.
const LARGEST_CHUNK: usize = 32 << 10;
/// Small writes into a queue that waits get a buffer that takes more of them.
const SHARED_CHUNK: usize = 1024;

/// The send buffer, a queue of chunks that starts with the first unacknowledged byte.
#[derive(Debug, Default)]
pub(super) struct SendQueue {
    chunks: VecDeque<Chunk>,
    length: usize,
    footprint: usize,
    /// Index and offset of the chunk where the last gathering ended: the next one mostly starts there.
    cursor: (usize, usize),
}

impl SendQueue {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Bytes of memory that it holds.
    pub(super) fn footprint(&self) -> usize {
        self.footprint
    }

    /// Takes up to `space` bytes of `source`; returns how many.
    pub(super) fn fill(&mut self, source: &mut dyn Source, space: usize) -> Result<usize, file::Fault> {
        let mut done = 0;
        while done < space && source.remaining() > 0 {
            let want = source.remaining().min(space - done).min(LARGEST_CHUNK);
            let capacity = if self.chunks.is_empty() {
                want
            } else {
                want.max(SHARED_CHUNK)
            };
            match self.extend_last(source, want) {
                Some(Ok(0)) => break,
                Some(Ok(taken)) => {
                    done += taken;
                    continue;
                }
                Some(Err(fault)) if done == 0 => return Err(fault),
                Some(Err(_)) => break,
                None => {}
            }
            let chunk = match Chunk::filled(capacity, |bytes| source.read(&mut bytes[..want])) {
                Ok(chunk) => chunk,
                Err(fault) if done == 0 => return Err(fault),
                Err(_) => break,
            };
            if chunk.is_empty() {
                break;
            }
            let short = chunk.len() < want;
            done += chunk.len();
            self.push(chunk);
            if short {
                break;
            }
        }
        Ok(done)
    }

    /// Appends a small write to the last chunk, when it has room and nobody else sees it. `None` when it cannot.
    fn extend_last(&mut self, source: &mut dyn Source, want: usize) -> Option<Result<usize, file::Fault>> {
        let last = self.chunks.back_mut()?;
        if want > SHARED_CHUNK || last.spare() < want {
            return None;
        }
        let taken = last.extend(want, |bytes| source.read(bytes))?;
        self.length += taken.unwrap_or(0);
        Some(taken)
    }

    pub(super) fn push(&mut self, chunk: Chunk) {
        self.length += chunk.len();
        self.footprint += chunk.footprint();
        self.chunks.push_back(chunk);
    }

    /// Forgets the first `count` bytes.
    pub(super) fn acknowledge(&mut self, mut count: usize) {
        self.length -= count;
        let (index, offset) = self.cursor;
        self.cursor = if offset >= count {
            (index, offset - count)
        } else {
            (0, 0)
        };
        while count > 0 {
            let Some(first) = self.chunks.front_mut() else {
                break;
            };
            if first.len() > count {
                first.advance(count);
                if self.cursor.0 == 0 {
                    self.cursor.1 = 0;
                }
                return;
            }
            count -= first.len();
            self.footprint -= first.footprint();
            self.chunks.pop_front();
            self.cursor.0 = self.cursor.0.saturating_sub(1);
        }
        if self.cursor.0 == 0 {
            self.cursor.1 = 0;
        }
        if self.chunks.is_empty() && self.chunks.capacity() > 16 {
            self.chunks = VecDeque::new();
        }
    }

    /// `length` bytes from `offset` on. Panics when there are fewer.
    pub(super) fn gather(&mut self, offset: usize, length: usize) -> Gathered {
        assert!(
            offset + length <= self.length,
            "{length} bytes at {offset} of {}",
            self.length
        );
        let (mut index, mut start) = if self.cursor.1 <= offset { self.cursor } else { (0, 0) };
        while start + self.chunks[index].len() <= offset && index + 1 < self.chunks.len() {
            start += self.chunks[index].len();
            index += 1;
        }
        let mut gathered = Gathered::new();
        let mut left = length;
        let mut skip = offset - start;
        while left > 0 {
            let chunk = &self.chunks[index];
            let end = chunk.len().min(skip + left);
            gathered.push(chunk.slice(skip, end));
            left -= end - skip;
            if left > 0 {
                skip = 0;
                start += chunk.len();
                index += 1;
            }
        }
        self.cursor = (index, start);
        gathered
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use file::BytesSource;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_window_on_the_stream(steps: Vec<(u16, prop::sample::Index, prop::sample::Index)>) {
            let mut queue = SendQueue::default();
            let (mut stream, mut acknowledged) = (Vec::new(), 0);
            for (count, first, second) in steps {
                let bytes: Vec<u8> = (0..count % 3000).map(|index| (index as usize + stream.len()) as u8).collect();
                stream.extend_from_slice(&bytes);
                prop_assert_eq!(queue.fill(&mut BytesSource::new(&bytes), usize::MAX), Ok(bytes.len()));
                let offset = first.index(queue.len() + 1);
                let length = second.index(queue.len() - offset + 1);
                if length > 0 {
                    let gathered: Vec<u8> = queue.gather(offset, length).iter().flat_map(|chunk| chunk.to_vec()).collect();
                    prop_assert_eq!(&gathered[..], &stream[acknowledged + offset..acknowledged + offset + length]);
                }
                let done = second.index(queue.len() + 1);
                queue.acknowledge(done);
                acknowledged += done;
                prop_assert_eq!(queue.len(), stream.len() - acknowledged);
                prop_assert_eq!(queue.footprint(), queue.chunks.iter().map(Chunk::footprint).sum::<usize>());
            }
        }
    }

    #[test]
    fn small_writes_share_a_buffer() {
        let mut queue = SendQueue::default();
        for _ in 0..100 {
            queue
                .fill(&mut BytesSource::new(b"x"), 1)
                .expect("a slice does not fault");
        }
        assert_eq!(queue.len(), 100);
        assert!(queue.chunks.len() <= 2);
    }

    /// Memory of a program that is not there yet.
    struct Absent;

    impl Source for Absent {
        fn remaining(&self) -> usize {
            1
        }

        fn read(&mut self, _bytes: &mut [u8]) -> Result<usize, file::Fault> {
            Err(ABSENT)
        }
    }

    const ABSENT: file::Fault = file::Fault {
        address: 1 << 12,
        write: false,
    };

    #[test]
    fn who_writes_is_told_of_a_fault() {
        let mut queue = SendQueue::default();
        for before in 0..3 {
            assert_eq!(queue.fill(&mut Absent, 1), Err(ABSENT), "behind {before} bytes");
            assert_eq!(queue.fill(&mut BytesSource::new(b"x"), 1), Ok(1));
        }
    }
}
