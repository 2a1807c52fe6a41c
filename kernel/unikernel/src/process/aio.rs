//! Contexts of Linux's own asynchronous input and output (`io_setup(2)`): queues of what has been done.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use abi::Errno;
use hal::sync::SpinLock;
use litemap::LiteMap;
use task::WaitQueue;
use zerocopy::{Immutable, IntoBytes};

/// `struct io_event`: what became of a request.
#[derive(Clone, Copy, Debug, IntoBytes, Immutable)]
#[repr(C)]
pub struct Event {
    /// What the request carries for its maker.
    pub data: u64,
    /// The request's address.
    pub request: u64,
    /// What `pread(2)` and its kin return, an error as its negative number.
    pub result: i64,
    /// Always 0 here, as for files on Linux.
    pub second_result: i64,
}

/// A queue of events.
pub struct Context {
    capacity: usize,
    events: SpinLock<VecDeque<Event>>,
    is_destroyed: AtomicBool,
    /// Notified when there is one more, and when there will be none.
    pub arrivals: WaitQueue,
}

impl Context {
    /// With room for so many.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            capacity,
            events: SpinLock::default(),
            is_destroyed: AtomicBool::new(false),
            arrivals: WaitQueue::new(),
        })
    }

    /// Whether there is room for one more.
    pub fn has_room(&self) -> bool {
        self.events.lock().len() < self.capacity
    }

    /// Adds an event.
    pub fn add(&self, event: Event) {
        self.events.lock().push_back(event);
        self.arrivals.notify();
    }

    /// Takes the oldest, up to `most` of them, if there are `least` or no more to come.
    ///
    /// # Errors
    /// `EINVAL` when there are none and the context is destroyed.
    pub fn take(&self, least: usize, most: usize) -> Result<Option<Vec<Event>>, Errno> {
        let mut events = self.events.lock();
        let count = events.len().min(most);
        let is_destroyed = self.is_destroyed.load(Ordering::Acquire);
        if is_destroyed && count == 0 {
            return Err(Errno::INVAL);
        }
        Ok((count >= least || is_destroyed).then(|| events.drain(..count).collect()))
    }
}

/// The contexts of a process, by the addresses that stand for them.
#[derive(Default)]
pub struct Contexts(SpinLock<LiteMap<usize, Arc<Context>>>);

impl Contexts {
    /// Adds one.
    pub fn add(&self, address: usize, context: Arc<Context>) {
        self.0.lock().insert(address, context);
    }

    /// Events that all of them have room for.
    pub fn capacity(&self) -> usize {
        self.0.lock().values().map(|context| context.capacity).sum()
    }

    /// The one at an address.
    pub fn get(&self, address: usize) -> Option<Arc<Context>> {
        self.0.lock().get(&address).cloned()
    }

    /// Takes one away, and ends waits for its events. False when there is none.
    pub fn destroy(&self, address: usize) -> bool {
        let context = self.0.lock().remove(&address);
        if let Some(context) = &context {
            context.is_destroyed.store(true, Ordering::Release);
            context.arrivals.notify();
        }
        context.is_some()
    }

    /// Forgets all: their addresses are another program's now.
    pub fn clear(&self) {
        self.0.lock().clear();
    }
}
