//! Disks (section 5.2).

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use super::buffer::Buffer;
use super::device::{Kind, Notifier, Transport, VirtioDevice};
use super::queue::{Part, Queue};
use crate::mem::{Frame, PAGE_SIZE};
use crate::sync::SpinLock;

const QUEUE_SIZE: u16 = 128;
/// Bytes of a request's header and, behind it, its status.
const HEADER: usize = 16;
const REQUEST: usize = 32;
const READ: u32 = 0;
const STATUS_OK: u8 = 0;
/// Bytes of a sector, whatever the disk's own blocks are.
const SECTOR: u64 = 512;
/// The most pages of one request.
const MAX_FRAMES: usize = QUEUE_SIZE as usize - 2;

/// Called once with whether all pages were read.
pub type Done = Box<dyn FnOnce(bool) + Send>;

/// A disk.
pub struct Block {
    sectors: u64,
    state: SpinLock<State>,
    notifier: Notifier,
    transport: Box<dyn Transport>,
}

struct State {
    queue: Queue,
    /// Headers and statuses of requests that are not under way.
    spare: Vec<(Buffer, Buffer)>,
    /// What each request under way calls, by its number.
    running: Vec<Option<Done>>,
    waiting: VecDeque<Request>,
}

struct Request {
    sector: u64,
    frames: Vec<Frame>,
    done: Done,
}

impl Block {
    /// Starts a disk; `None` when the device is none or does not work.
    pub fn start(mut device: VirtioDevice) -> Option<Arc<Self>> {
        if device.kind() != Kind::Block {
            return None;
        }
        device.negotiate(0)?;
        let sectors = u64::from_le_bytes(device.configuration(0));
        // The handler finds the disk here once it exists.
        let place: Arc<SpinLock<Option<Arc<Self>>>> = Arc::new(SpinLock::new(None));
        let handler_place = place.clone();
        let (queue, notifier) = device.queue(
            0,
            QUEUE_SIZE,
            Arc::new(move || {
                let disk = handler_place.lock().clone();
                if let Some(disk) = disk {
                    disk.serve();
                }
            }),
        )?;
        let running = (0..queue.size()).map(|_| None).collect();
        let disk = Arc::new(Self {
            sectors,
            state: SpinLock::new(State {
                queue,
                spare: Vec::new(),
                running,
                waiting: VecDeque::new(),
            }),
            notifier,
            transport: device.start(),
        });
        *place.lock() = Some(disk.clone());
        Some(disk)
    }

    /// Bytes of the disk.
    pub fn size(&self) -> u64 {
        self.sectors.saturating_mul(SECTOR)
    }

    /// Starts to fill whole pages from the byte `offset` on, a multiple of 512. The frames hold undefined bytes until `done` was called; it is
    /// called without a lock held, from [`crate::interrupt::dispatch`] or at once.
    pub fn read(&self, offset: u64, frames: &[Frame], done: Done) {
        let length = (frames.len() * PAGE_SIZE) as u64;
        let inside = offset.is_multiple_of(SECTOR) && offset.checked_add(length).is_some_and(|end| end <= self.size());
        if !inside || frames.is_empty() {
            return done(inside);
        }
        if frames.len() <= MAX_FRAMES {
            self.submit(Request {
                sector: offset / SECTOR,
                frames: frames.to_vec(),
                done,
            });
            return;
        }
        let whole = Arc::new(Whole {
            failed: AtomicBool::new(false),
            done: SpinLock::new(Some(done)),
        });
        for (index, chunk) in frames.chunks(MAX_FRAMES).enumerate() {
            let sector = (offset + (index * MAX_FRAMES * PAGE_SIZE) as u64) / SECTOR;
            let whole = whole.clone();
            let done = Box::new(move |succeeded: bool| {
                whole.failed.fetch_or(!succeeded, Ordering::Relaxed);
            });
            self.submit(Request {
                sector,
                frames: chunk.to_vec(),
                done,
            });
        }
    }

    fn submit(&self, request: Request) {
        let mut state = self.state.lock();
        state.waiting.push_back(request);
        let refused = state.fill();
        let notify = state.queue.needs_notification();
        drop(state);
        if notify {
            (self.notifier.0)();
        }
        for done in refused {
            done(false);
        }
    }

    /// Takes what the disk has done.
    fn serve(&self) {
        self.transport.acknowledge_interrupt();
        loop {
            let mut state = self.state.lock();
            let Some((done, succeeded)) = state.take() else {
                state.queue.set_interrupts(true);
                if state.queue.has_used() {
                    continue;
                }
                return;
            };
            let refused = state.fill();
            let notify = state.queue.needs_notification();
            drop(state);
            if notify {
                (self.notifier.0)();
            }
            done(succeeded);
            for done in refused {
                done(false);
            }
        }
    }
}

/// A read of several requests: `done` is called when the last share goes.
struct Whole {
    failed: AtomicBool,
    done: SpinLock<Option<Done>>,
}

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some(done) = self.done.get_mut().take() {
            done(!self.failed.load(Ordering::Relaxed));
        }
    }
}

impl State {
    /// Offers waiting requests while there is room; what has to fail for want of memory is returned.
    fn fill(&mut self) -> Vec<Done> {
        let mut refused = Vec::new();
        while self
            .waiting
            .front()
            .is_some_and(|request| request.frames.len() + 2 <= self.queue.free_descriptors())
        {
            let Some(request) = self.waiting.pop_front() else { break };
            let Some((mut header, mut status)) = self.spare() else {
                refused.push(request.done);
                continue;
            };
            let bytes = header.bytes_mut();
            bytes[0..4].copy_from_slice(&READ.to_le_bytes());
            bytes[4..8].fill(0);
            bytes[8..16].copy_from_slice(&request.sector.to_le_bytes());
            status.bytes_mut()[0] = !STATUS_OK;
            let data = request.frames.into_iter().map(Part::Frame);
            let number = self
                .queue
                .push([Part::Buffer(header, HEADER)], data.chain([Part::Buffer(status, 1)]));
            self.running[usize::from(number)] = Some(request.done);
        }
        refused
    }

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

    /// Takes one request back: what to call, and whether it succeeded.
    fn take(&mut self) -> Option<(Done, bool)> {
        loop {
            let mut buffers = Vec::with_capacity(2);
            let (number, _) = self.queue.pop(|part| {
                if let Part::Buffer(buffer, _) = part {
                    buffers.push(buffer);
                }
            })?;
            let mut succeeded = false;
            if let (Some(status), Some(header)) = (buffers.pop(), buffers.pop()) {
                succeeded = status.bytes()[0] == STATUS_OK;
                self.spare.push((header, status));
            }
            if let Some(done) = self.running[usize::from(number)].take() {
                return Some((done, succeeded));
            }
        }
    }
}
