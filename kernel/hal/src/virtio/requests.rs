//! The queue of a device that reads blocks: each request lies between two buffers of its own, what the device reads first and its response,
//! and carries a tag of the channel's.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::device::{Notifier, Transport};
use super::queue::{Part, Queue};
use crate::block::{Outcome, Read, Reason};
use crate::dma::Buffer;
use crate::mem::PAGE_SIZE;
use crate::sync::{SpinLock, SpinLockGuard};

/// A queue of requests, with the device's bell and interrupt.
pub(super) struct RequestQueue {
    requests: SpinLock<Requests>,
    notifier: Notifier,
    transport: Box<dyn Transport>,
}

/// What is under way, and the buffers of what is not.
pub(super) struct Requests {
    queue: Queue,
    /// Bytes of a request's and of a response's buffer.
    rooms: (usize, usize),
    spare: Vec<(Buffer, Buffer)>,
    /// The channel's tags by the queue's numbers.
    tags: Vec<u16>,
}

impl RequestQueue {
    /// Without requests. `rooms` are the bytes of a request's and of a response's buffer.
    pub(super) fn new(queue: Queue, rooms: (usize, usize), notifier: Notifier, transport: Box<dyn Transport>) -> Self {
        Self {
            requests: SpinLock::new(Requests {
                tags: alloc::vec![0; queue.limit()],
                queue,
                rooms,
                spare: Vec::new(),
            }),
            notifier,
            transport,
        }
    }

    /// To queue requests.
    pub(super) fn lock(&self) -> SpinLockGuard<'_, Requests> {
        self.requests.lock()
    }

    /// Tells the device of what was queued.
    pub(super) fn ring(&self) {
        let notify = self.lock().queue.needs_notification();
        if notify {
            (self.notifier.0)();
        }
    }

    /// The tag and the outcome, by its response, of a request that has ended. With none, the next one raises an interrupt.
    pub(super) fn collect(&self, decode: impl Fn(&[u8]) -> Outcome) -> Option<(u16, Outcome)> {
        self.transport.acknowledge_interrupt();
        let mut requests = self.lock();
        loop {
            if let Some((tag, buffers)) = requests.pop() {
                let outcome = match <[Buffer; 2]>::try_from(buffers) {
                    Ok([request, response]) => {
                        let outcome = decode(response.bytes());
                        requests.give_back(request, response);
                        outcome
                    }
                    Err(_) => Outcome::Retry(Reason("the device returned half a request", 0)),
                };
                return Some((tag, outcome));
            }
            requests.queue.set_interrupts(true);
            if !requests.queue.has_used() {
                return None;
            }
        }
    }
}

impl Requests {
    /// Buffers for a request and its response, unless what it reads finds no room in the queue or there is no memory.
    pub(super) fn buffers_for(&mut self, read: &Read<'_>) -> Option<(Buffer, Buffer)> {
        if read.frames.len() + 2 > self.queue.free_descriptors() {
            return None;
        }
        self.buffers()
    }

    /// Buffers for a request and its response; `None` without memory.
    pub(super) fn buffers(&mut self) -> Option<(Buffer, Buffer)> {
        if self.spare.is_empty() {
            let mut rest = Buffer::page()?;
            while rest.len() >= self.rooms.0 + self.rooms.1 {
                let (request, after) = rest.split(self.rooms.0);
                let (response, after) = after.split(self.rooms.1);
                self.spare.push((request, response));
                rest = after;
            }
        }
        let (request, mut response) = self.spare.pop()?;
        // A device that writes no response must not leave that of a former request.
        response.bytes_mut().fill(0xff);
        Some((request, response))
    }

    /// Keeps buffers for another request.
    pub(super) fn give_back(&mut self, request: Buffer, response: Buffer) {
        self.spare.push((request, response));
    }

    /// Queues a request: what the device reads of it, and the parts that it writes.
    pub(super) fn push(&mut self, tag: u16, request: Part, written: impl IntoIterator<Item = Part>) {
        let number = self.queue.push([request], written);
        self.tags[usize::from(number)] = tag;
    }

    /// Takes a request back that has ended: its tag, and its buffers in the order in which they were queued.
    pub(super) fn pop(&mut self) -> Option<(u16, Vec<Buffer>)> {
        let mut buffers = Vec::with_capacity(3);
        let (number, _) = self.queue.pop(|part| {
            if let Part::Buffer(buffer, _) = part {
                buffers.push(buffer);
            }
        })?;
        Some((self.tags[usize::from(number)], buffers))
    }
}

/// The pages that a read fills, as parts of its request.
pub(super) fn data<'a>(read: &'a Read<'_>) -> impl Iterator<Item = Part> + use<'a> {
    let mut left = read.bytes();
    read.frames.iter().map(move |frame| {
        let length = left.min(PAGE_SIZE);
        left -= length;
        Part::Frame(frame.clone(), length)
    })
}
