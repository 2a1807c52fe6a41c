//! Access to user memory from system calls.

use abi::Errno;
use alloc::vec::Vec;
use core::mem::size_of;
use core::ops::Range;

use file::{Fault, Sink, Source, find_byte};
use hal::mem::{Frame, PAGE_SIZE};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::AddressSpace;
use hal::user;

/// A piece of user memory: start and length in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// First address.
    pub address: usize,
    /// Bytes.
    pub length: usize,
}

/// Pieces of the active address space as a [`Sink`] and a [`Source`]. It stops at the first byte that cannot be reached; see
/// `syscall::retry` for how that is repaired.
pub struct UserBuffers<'a> {
    segments: &'a [Segment],
    /// Bytes of the first segment that are done.
    done: usize,
    remaining: usize,
    fault: Option<Fault>,
}

impl<'a> UserBuffers<'a> {
    /// Goes through `segments` in order.
    pub fn new(segments: &'a [Segment]) -> Self {
        Self {
            segments,
            done: 0,
            remaining: segments.iter().map(|segment| segment.length).sum(),
            fault: None,
        }
    }

    /// The first `count` bytes of them.
    pub fn first(segments: &'a [Segment], count: usize) -> Self {
        let mut buffers = Self::new(segments);
        buffers.remaining = buffers.remaining.min(count);
        buffers
    }

    /// What the last transfer stopped at, when it was memory and not for want of room or bytes.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Runs `copy` on contiguous parts until `wanted` bytes are done or one fails; gives the number done, or the fault when it is none.
    fn transfer(
        &mut self,
        wanted: usize,
        write: bool,
        mut copy: impl FnMut(usize, usize, usize) -> Result<(), usize>,
    ) -> Result<usize, Fault> {
        let mut total = 0;
        self.fault = None;
        while total < wanted {
            let Some(segment) = self.segments.first() else { break };
            let part = (segment.length - self.done).min(wanted - total);
            let address = segment.address.wrapping_add(self.done);
            let (copied, failed) = match copy(address, total, part) {
                Ok(()) => (part, false),
                Err(copied) => (copied, true),
            };
            total += copied;
            self.remaining -= copied;
            self.done += copied;
            if failed {
                let fault = Fault {
                    address: address + copied,
                    write,
                };
                self.fault = Some(fault);
                if total == 0 {
                    return Err(fault);
                }
                break;
            }
            if self.done == segment.length {
                self.segments = &self.segments[1..];
                self.done = 0;
            }
        }
        Ok(total)
    }
}

impl Sink for UserBuffers<'_> {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let wanted = bytes.len().min(self.remaining);
        self.transfer(wanted, true, |address, done, part| {
            user::copy_to_user(address, &bytes[done..done + part])
        })
    }

    fn write_frame(&mut self, frame: &Frame, offset: usize, length: usize) -> Result<usize, Fault> {
        let wanted = length.min(self.remaining);
        self.transfer(wanted, true, |address, done, part| {
            user::copy_frame_to_user(frame, offset + done, part, address)
        })
    }
}

impl Source for UserBuffers<'_> {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, Fault> {
        let wanted = into.len().min(self.remaining);
        self.transfer(wanted, false, |address, done, part| {
            user::copy_from_user(address, &mut into[done..done + part])
        })
    }

    fn read_frame(&mut self, frame: &Frame, offset: usize, length: usize) -> Result<usize, Fault> {
        let wanted = length.min(self.remaining);
        self.transfer(wanted, false, |address, done, part| {
            user::copy_frame_from_user(frame, offset + done, part, address)
        })
    }
}

/// User memory for [`file::File::control`]: stops at a fault, which the caller repairs before it calls again.
pub struct UserAccess;

impl file::UserMemory for UserAccess {
    fn read(&mut self, address: usize, into: &mut [u8]) -> Result<(), Fault> {
        user::copy_from_user(address, into).map_err(|copied| Fault {
            address: address + copied,
            write: false,
        })
    }

    fn write(&mut self, address: usize, bytes: &[u8]) -> Result<(), Fault> {
        user::copy_to_user(address, bytes).map_err(|copied| Fault {
            address: address + copied,
            write: true,
        })
    }
}

impl AddressSpace {
    /// Copies out of this address space, which must be the active one, bringing pages in as needed.
    pub async fn read_bytes(&self, mut address: usize, mut into: &mut [u8]) -> Result<(), Errno> {
        while let Err(copied) = user::copy_from_user(address, into) {
            address += copied;
            into = &mut into[copied..];
            self.fault_in(Fault { address, write: false }).await?;
        }
        Ok(())
    }

    /// Copies into this address space, which must be the active one, bringing pages in as needed.
    pub async fn write_bytes(&self, mut address: usize, mut bytes: &[u8]) -> Result<(), Errno> {
        while let Err(copied) = user::copy_to_user(address, bytes) {
            address += copied;
            bytes = &bytes[copied..];
            self.fault_in(Fault { address, write: true }).await?;
        }
        Ok(())
    }

    /// Reads a value.
    pub async fn read<T: FromBytes + IntoBytes>(&self, address: usize) -> Result<T, Errno> {
        let mut value = T::new_zeroed();
        self.read_bytes(address, value.as_mut_bytes()).await?;
        Ok(value)
    }

    /// Writes a value.
    pub async fn write<T: IntoBytes + Immutable>(&self, address: usize, value: &T) -> Result<(), Errno> {
        self.write_bytes(address, value.as_bytes()).await
    }

    /// Reads an array.
    pub async fn read_array<T: FromBytes + IntoBytes>(&self, address: usize, count: usize) -> Result<Vec<T>, Errno> {
        count.checked_mul(size_of::<T>()).ok_or(Errno::FAULT)?;
        let mut values = T::new_vec_zeroed(count).map_err(|_| Errno::NOMEM)?;
        self.read_bytes(address, values.as_mut_slice().as_mut_bytes()).await?;
        Ok(values)
    }

    /// Reads a string that is in memory into a buffer which holds its terminating zero too, without waiting; gives its length without it.
    pub fn try_read_string(&self, address: usize, into: &mut [u8]) -> Option<usize> {
        // Most are shorter than a second part; what follows a string need not be there.
        const PART: usize = 32;
        let mut done = 0;
        while done < into.len() {
            let at = address.wrapping_add(done);
            let part = PART.min(PAGE_SIZE - at % PAGE_SIZE).min(into.len() - done);
            let chunk = &mut into[done..done + part];
            user::copy_from_user(at, chunk).ok()?;
            if let Some(end) = find_byte(chunk, 0) {
                return Some(done + end);
            }
            done += part;
        }
        None
    }

    /// Reads a string up to its terminating zero, which is left out; `too_long` when there is none within `limit` bytes.
    pub async fn read_string(&self, address: usize, limit: usize, too_long: Errno) -> Result<Vec<u8>, Errno> {
        let mut string = Vec::new();
        let mut chunk = [0; 256];
        let mut at = address;
        while string.len() < limit {
            // Never past the end of the page: the next one need not exist.
            let part = chunk.len().min(4096 - at % 4096).min(limit - string.len());
            self.read_bytes(at, &mut chunk[..part]).await?;
            if let Some(end) = find_byte(&chunk[..part], 0) {
                string.extend_from_slice(&chunk[..end]);
                return Ok(string);
            }
            string.extend_from_slice(&chunk[..part]);
            at += part;
        }
        Err(too_long)
    }
}

impl AddressSpace {
    /// Reads from this address space, which need not be the active one, what is in memory: up to the first page that is not.
    pub fn peek(&self, range: Range<usize>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut address = range.start;
        while address < range.end {
            let page = address & !(PAGE_SIZE - 1);
            let Some(mapping) = self.table.lookup(page) else { break };
            let (offset, done) = (address - page, bytes.len());
            let part = (range.end - address).min(PAGE_SIZE - offset);
            bytes.resize(done + part, 0);
            mapping.frame.read(offset, &mut bytes[done..]);
            address += part;
        }
        bytes
    }

    /// Writes into this address space, which need not be the active one and in which nothing runs yet.
    pub async fn poke(&self, mut address: usize, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            self.fault_in(Fault { address, write: true }).await?;
            let page = address & !(PAGE_SIZE - 1);
            let offset = address - page;
            let part = bytes.len().min(PAGE_SIZE - offset);
            let mapping = self.table.lookup(page).ok_or(Errno::FAULT)?;
            mapping.frame.write(offset, &bytes[..part]);
            address += part;
            bytes = &bytes[part..];
        }
        Ok(())
    }
}
