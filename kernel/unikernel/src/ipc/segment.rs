//! Segments of shared memory, by identifier and by key.

use abi::Errno;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicUsize, Ordering};

use file::Pages;
use hal::sync::SpinLock;

use super::now;
use super::permissions::{PRIVATE, Permissions};
use super::registry::{Object, Registry};
use crate::memory::attachments;

/// Segments that there may be (`SHMMNI`).
const LIMIT: usize = 4096;

/// The most bytes of a segment (`kernel.shmmax`).
static MAX_SIZE: AtomicUsize = AtomicUsize::new(usize::MAX - (1 << 24));

/// The most bytes of a segment.
pub fn max_size() -> usize {
    MAX_SIZE.load(Ordering::Relaxed)
}

/// Changes it for segments that are made from now on.
pub fn set_max_size(bytes: usize) {
    MAX_SIZE.store(bytes, Ordering::Relaxed);
}

/// A segment of shared memory.
pub struct Segment {
    /// Its identifier.
    pub id: i32,
    /// Bytes, as they were asked for.
    pub size: usize,
    /// Who made it.
    pub creator: i32,
    state: SpinLock<State>,
    /// Its memory, which mappings hold too. Once it is removed only they do, so that it ends with the last of them.
    held: SpinLock<Option<Arc<dyn Pages>>>,
    pages: Weak<dyn Pages>,
}

/// What changes of a segment.
#[derive(Clone)]
pub struct State {
    /// Who may do what.
    pub permissions: Permissions,
    /// Whether it ends with its last attachment.
    pub removed: bool,
    /// Whether it is locked in memory, as far as that is told.
    pub locked: bool,
    /// Seconds since 1970 of the last attachment, the last detachment and the last change; 0 for none.
    pub attached: u64,
    pub detached: u64,
    pub changed: u64,
    /// The process that attached or detached it last.
    pub last: i32,
}

static SEGMENTS: Registry<Segment> = Registry::new(LIMIT);

/// The segments, without those that were removed and are attached nowhere any more.
pub fn segments() -> &'static Registry<Segment> {
    SEGMENTS.lock().retain(|_, segment| segment.pages.strong_count() > 0);
    &SEGMENTS
}

impl Object for Segment {
    fn key(&self) -> i32 {
        self.state.lock().permissions.key
    }
}

/// The segment whose memory has this identity.
pub fn showing(identity: usize) -> Option<Arc<Segment>> {
    let segments = segments().lock();
    let mut all = segments.values();
    all.find(|segment| segment.pages().is_ok_and(|pages| pages.identity() == identity))
        .cloned()
}

/// Adds a segment. `EEXIST` when its key has one by now, `ENOSPC` when there are too many.
pub fn create(
    permissions: Permissions,
    size: usize,
    pages: &Arc<dyn Pages>,
    creator: i32,
) -> Result<Arc<Segment>, Errno> {
    segments().add(|id| Segment {
        id,
        size,
        creator,
        state: SpinLock::new(State {
            permissions,
            removed: false,
            locked: false,
            attached: 0,
            detached: 0,
            changed: now(),
            last: 0,
        }),
        held: SpinLock::new(Some(pages.clone())),
        pages: Arc::downgrade(pages),
    })
}

impl Segment {
    /// Its memory. `EIDRM` when it has ended meanwhile.
    pub fn pages(&self) -> Result<Arc<dyn Pages>, Errno> {
        self.pages.upgrade().ok_or(Errno::IDRM)
    }

    /// What changes of it, as it is now.
    pub fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// Changes it.
    pub fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock())
    }

    /// Notes that a process has attached it.
    pub fn note_attached(&self, process: i32) {
        self.update(|state| (state.attached, state.last) = (now(), process));
    }

    /// Notes that a process has detached it.
    pub fn note_detached(&self, process: i32) {
        self.update(|state| (state.detached, state.last) = (now(), process));
    }

    /// How often it is attached, in all processes.
    pub fn attachments(&self) -> usize {
        self.pages.upgrade().map_or(0, |pages| attachments(pages.identity()))
    }

    /// Takes its key away and ends it, as soon as it is attached nowhere.
    pub fn remove(&self) {
        self.update(|state| {
            state.removed = true;
            state.permissions.key = PRIVATE;
        });
        let held = self.held.lock().take();
        drop(held);
    }
}

/// What `ipcs(1)` sums up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Segments.
    pub segments: usize,
    /// The highest identifier.
    pub highest: i32,
    /// Bytes.
    pub size: usize,
}

/// All segments together.
pub fn totals() -> Totals {
    let segments = segments().lock();
    Totals {
        segments: segments.len(),
        highest: segments.keys().next_back().copied().unwrap_or(0),
        size: segments.values().map(|segment| segment.size).sum(),
    }
}
