//! Segments of shared memory, by identifier and by key.

use abi::Errno;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicI32, Ordering};

use file::Pages;
use hal::sync::SpinLock;
use hal::time::realtime;

use super::permissions::{PRIVATE, Permissions};
use crate::memory::attachments;

/// Segments that there may be (`SHMMNI`).
const LIMIT: usize = 4096;
const SECOND: u64 = 1_000_000_000;

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

static SEGMENTS: SpinLock<BTreeMap<i32, Arc<Segment>>> = SpinLock::new(BTreeMap::new());

/// Forgets the segments that were removed and are attached nowhere any more.
fn living(segments: &mut BTreeMap<i32, Arc<Segment>>) -> &mut BTreeMap<i32, Arc<Segment>> {
    segments.retain(|_, segment| segment.pages.strong_count() > 0);
    segments
}

/// The segment of a key.
pub fn find(key: i32) -> Option<Arc<Segment>> {
    let mut segments = SEGMENTS.lock();
    let mut all = living(&mut segments).values();
    all.find(|segment| key != PRIVATE && segment.state.lock().permissions.key == key)
        .cloned()
}

/// The segment of an identifier; `EINVAL` when there is none.
pub fn get(id: i32) -> Result<Arc<Segment>, Errno> {
    let mut segments = SEGMENTS.lock();
    living(&mut segments).get(&id).cloned().ok_or(Errno::INVAL)
}

/// The segment whose memory has this identity.
pub fn showing(identity: usize) -> Option<Arc<Segment>> {
    let mut segments = SEGMENTS.lock();
    let mut all = living(&mut segments).values();
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
    static NEXT: AtomicI32 = AtomicI32::new(0);
    let mut segments = SEGMENTS.lock();
    let segments = living(&mut segments);
    if segments.len() >= LIMIT {
        return Err(Errno::NOSPC);
    }
    let key = permissions.key;
    if key != PRIVATE && segments.values().any(|other| other.state.lock().permissions.key == key) {
        return Err(Errno::EXIST);
    }
    let id = loop {
        let id = NEXT.fetch_add(1, Ordering::Relaxed) & i32::MAX;
        if !segments.contains_key(&id) {
            break id;
        }
    };
    let segment = Arc::new(Segment {
        id,
        size,
        creator,
        state: SpinLock::new(State {
            permissions,
            removed: false,
            locked: false,
            attached: 0,
            detached: 0,
            changed: realtime() / SECOND,
            last: 0,
        }),
        held: SpinLock::new(Some(pages.clone())),
        pages: Arc::downgrade(pages),
    });
    segments.insert(id, segment.clone());
    Ok(segment)
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
        self.update(|state| (state.attached, state.last) = (realtime() / SECOND, process));
    }

    /// Notes that a process has detached it.
    pub fn note_detached(&self, process: i32) {
        self.update(|state| (state.detached, state.last) = (realtime() / SECOND, process));
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
    let mut segments = SEGMENTS.lock();
    let segments = living(&mut segments);
    Totals {
        segments: segments.len(),
        highest: segments.keys().next_back().copied().unwrap_or(0),
        size: segments.values().map(|segment| segment.size).sum(),
    }
}
