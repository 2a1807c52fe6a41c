//! The loopback interface: packets to ourselves, queued so that no layer calls itself.

use alloc::collections::VecDeque;
use core::net::IpAddr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hal::sync::SpinLock;
use smallvec::SmallVec;

use super::Interface;
use crate::Chunk;
use crate::header::Header;

/// A packet to ourselves, without an Internet header.
pub(crate) struct LoopbackPacket {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    /// The transport's header.
    pub(crate) header: Header,
    pub(crate) payload: SmallVec<[Chunk; 2]>,
    /// Where it comes in: by another interface than this one when it is the copy of what went to a group or to all there.
    pub(crate) interface: Interface,
    /// It is for a group, or for all.
    pub(crate) is_group: bool,
}

/// The queue of the loopback interface.
pub(crate) struct Loopback {
    queue: SpinLock<VecDeque<LoopbackPacket>>,
    length: AtomicUsize,
    /// How many packets were put in ever, and how many of them have arrived.
    pushed: AtomicUsize,
    delivered: AtomicUsize,
    /// Somebody takes packets out: one at a time, so that their order stays.
    draining: AtomicBool,
}

impl Loopback {
    /// Linux's default queue length of a device.
    const MOST_PACKETS: usize = 1000;

    pub(crate) fn new() -> Self {
        Self {
            queue: SpinLock::new(VecDeque::new()),
            length: AtomicUsize::new(0),
            pushed: AtomicUsize::new(0),
            delivered: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
        }
    }

    /// Queues a packet; false when the queue is full and the packet lost.
    pub(crate) fn push(&self, packet: LoopbackPacket) -> bool {
        let mut queue = self.queue.lock();
        if queue.len() >= Self::MOST_PACKETS {
            return false;
        }
        queue.push_back(packet);
        self.length.store(queue.len(), Ordering::SeqCst);
        self.pushed.fetch_add(1, Ordering::SeqCst);
        true
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.length.load(Ordering::SeqCst) == 0
    }

    /// How many packets were put in ever.
    pub(crate) fn pushed(&self) -> usize {
        self.pushed.load(Ordering::SeqCst)
    }

    /// Whether the first `count` of them have arrived.
    pub(crate) fn has_delivered(&self, count: usize) -> bool {
        // Both wrap around.
        count.wrapping_sub(self.delivered.load(Ordering::SeqCst)).cast_signed() <= 0
    }

    /// Gives up to `limit` packets to `take`, unless somebody does so already. False when some may be left.
    pub(crate) fn drain(&self, limit: usize, mut take: impl FnMut(LoopbackPacket)) -> bool {
        for _ in 0..limit {
            if self.is_empty() {
                return true;
            }
            if self.draining.swap(true, Ordering::SeqCst) {
                return true;
            }
            let packet = {
                let mut queue = self.queue.lock();
                let packet = queue.pop_front();
                if queue.is_empty() && queue.capacity() > 64 {
                    queue.shrink_to(8);
                }
                self.length.store(queue.len(), Ordering::Release);
                packet
            };
            if let Some(packet) = packet {
                take(packet);
                self.delivered.fetch_add(1, Ordering::SeqCst);
            }
            // Before the next look at the length: who adds a packet looks at the two in the other order.
            self.draining.store(false, Ordering::SeqCst);
        }
        self.is_empty()
    }
}
