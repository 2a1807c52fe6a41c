//! Descriptors in flight: sent over Unix sockets, and not received yet.
//!
//! A socket that nothing refers to but messages in the queues of such sockets cannot be reached any more. Circles of them are found by marking
//! what can be reached, as on Linux when another Unix socket closes, or when much is in flight. The last way to a circle may also end with a
//! descriptor whose socket stays open in it, which nothing tells of: as long as anything is in flight, a task looks now and then.

#[cfg(test)]
pub(super) mod tests;

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use abi::Errno;
use file::OpenFile;
use hal::sync::{SpinLock, SpinLockGuard};
use hashbrown::{HashMap, HashSet};
use litemap::LiteMap;

use super::end::{End, Packet, Role, State};
use crate::socket::SocketFile;

/// Descriptors that may be in flight at a time: as many as a process may have open unless it asks for more.
const MOST: usize = 1 << 16;
/// After how many descriptors sent the unreachable ones are looked for, when no socket closes.
const COLLECT_EVERY: usize = 1 << 12;
/// How long unreachable ones may stay when nothing else sets the search for them off, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;

/// How many are in flight.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Ends in whose queues descriptors wait, by their addresses. Whoever puts descriptors into a queue or takes them out holds the lock meanwhile;
/// it is taken before that of an end.
static HOLDERS: SpinLock<Holders> = SpinLock::new(Holders {
    ends: LiteMap::new(),
    watched: false,
});

struct Holders {
    ends: LiteMap<usize, Weak<End>>,
    /// A task runs that looks for unreachable ones.
    watched: bool,
}

/// The lock on all queues with descriptors.
pub(super) struct Flight(SpinLockGuard<'static, Holders>);

impl Flight {
    pub(super) fn lock() -> Self {
        Self(HOLDERS.lock())
    }

    /// Puts a message with descriptors at the end of the queue of `end`, whose state this is.
    pub(super) fn enter(&mut self, end: &Weak<End>, state: &mut State, packet: Packet) {
        self.0.ends.insert(end.as_ptr().addr(), end.clone());
        state.holding += packet.rights.len();
        COUNT.fetch_add(packet.rights.len(), Ordering::Relaxed);
        state.inbox.push_back(packet);
        if !core::mem::replace(&mut self.0.watched, true) {
            task::spawn(watch());
        }
    }

    /// So many descriptors have left the queue of `end`.
    pub(super) fn left(&mut self, end: &Weak<End>, state: &mut State, count: usize) {
        state.holding -= count;
        COUNT.fetch_sub(count, Ordering::Relaxed);
        if state.holding == 0 {
            self.0.ends.remove(&end.as_ptr().addr());
        }
    }

    /// Takes all messages of `end`.
    pub(super) fn take_all(&mut self, end: &Weak<End>, state: &mut State) -> VecDeque<Packet> {
        self.left(end, state, state.holding);
        state.bytes = 0;
        core::mem::take(&mut state.inbox)
    }
}

/// An end's state, for who may take messages out of its queue: with the lock on descriptors in flight if there are any in it.
pub(super) fn lock_to_take(end: &End) -> (Option<Flight>, SpinLockGuard<'_, State>) {
    let state = end.state.lock();
    if state.holding == 0 {
        return (None, state);
    }
    drop(state);
    let flight = Flight::lock();
    (Some(flight), end.state.lock())
}

/// Whether so many more may be sent.
pub(super) fn check_room(count: usize) -> Result<(), Errno> {
    let before = COUNT.load(Ordering::Relaxed);
    if (before + count) / COLLECT_EVERY > before / COLLECT_EVERY {
        collect();
    }
    if COUNT.load(Ordering::Relaxed) + count > MOST {
        return Err(Errno::TOOMANYREFS);
    }
    Ok(())
}

/// A socket has closed. Looks for those that nobody can reach any more, once for each few descriptors in flight: it has to look at all of them.
pub(super) fn closed() {
    const WORTH: usize = 16;
    static CLOSED: AtomicUsize = AtomicUsize::new(0);
    let closed = CLOSED.fetch_add(1, Ordering::Relaxed) + 1;
    if closed * WORTH > COUNT.load(Ordering::Relaxed) {
        CLOSED.store(0, Ordering::Relaxed);
        collect();
    }
}

/// Looks for sockets that nobody can reach any more as long as anything is in flight.
async fn watch() {
    loop {
        task::sleep_until(hal::time::monotonic() + PATIENCE).await;
        collect();
        let mut flight = Flight::lock();
        if flight.0.ends.is_empty() {
            flight.0.watched = false;
            return;
        }
    }
}

/// Closes sockets that nobody can reach any more.
fn collect() {
    if COUNT.load(Ordering::Relaxed) == 0 || BURYING.load(Ordering::Relaxed) {
        return;
    }
    let unreachable = {
        let mut flight = Flight::lock();
        let holders: Vec<Arc<End>> = flight.0.ends.values().filter_map(Weak::upgrade).collect();
        take_unreachable(&mut flight, &holders)
    };
    bury(unreachable);
}

/// The sockets that become reachable with a descriptor: its own end, and those that wait there to be accepted.
fn ends_of(file: &OpenFile) -> Vec<Arc<End>> {
    let Some(end) = file.downcast::<SocketFile>().and_then(SocketFile::unix_end) else {
        return Vec::new();
    };
    let mut ends = Vec::from([end.clone()]);
    if let Role::Listening { queue, .. } = &end.state.lock().role {
        ends.extend(queue.iter().cloned());
    }
    ends
}

/// Empties the queues of those holders that only descriptors in flight lead to, which no descriptor that can be received leads to.
fn take_unreachable(flight: &mut Flight, holders: &[Arc<End>]) -> VecDeque<Packet> {
    let held: Vec<Vec<Arc<OpenFile>>> = holders
        .iter()
        .map(|end| {
            let state = end.state.lock();
            state.inbox.iter().flat_map(|packet| &packet.rights).cloned().collect()
        })
        .collect();
    let mut shares: HashMap<*const OpenFile, usize> = HashMap::new();
    for file in held.iter().flatten() {
        *shares.entry(Arc::as_ptr(file)).or_default() += 1;
    }
    // Of the shares of a file that is only in flight, one is the message's and one is `held`'s, for each message.
    let mut doubtful: HashSet<*const End> = HashSet::new();
    for file in held.iter().flatten() {
        if Arc::strong_count(file) == 2 * shares[&Arc::as_ptr(file)] {
            doubtful.extend(ends_of(file).iter().map(Arc::as_ptr));
        }
    }
    let numbers: HashMap<*const End, usize> = holders.iter().map(Arc::as_ptr).zip(0..).collect();
    let mut reached: Vec<usize> = (0..holders.len())
        .filter(|&number| !doubtful.contains(&Arc::as_ptr(&holders[number])))
        .collect();
    while let Some(number) = reached.pop() {
        for end in held[number].iter().flat_map(|file| ends_of(file)) {
            if doubtful.remove(&Arc::as_ptr(&end)) {
                reached.extend(numbers.get(&Arc::as_ptr(&end)));
            }
        }
    }
    let lost = holders.iter().filter(|end| doubtful.contains(&Arc::as_ptr(end)));
    lost.flat_map(|end| flight.take_all(&end.this, &mut end.state.lock()))
        .collect()
}

/// Messages that nobody will receive.
static GRAVES: SpinLock<VecDeque<Packet>> = SpinLock::new(VecDeque::new());
static BURYING: AtomicBool = AtomicBool::new(false);

/// Drops messages outside of all locks. A descriptor in one may be the last of a socket with messages of its own, and so on: those are dropped
/// after it, not within, since there may be more than a stack has room for.
pub(super) fn bury(packets: VecDeque<Packet>) {
    let (empty, with_rights): (VecDeque<_>, VecDeque<_>) =
        packets.into_iter().partition(|packet| packet.rights.is_empty());
    drop(empty);
    GRAVES.lock().extend(with_rights);
    while !GRAVES.lock().is_empty() && !BURYING.swap(true, Ordering::AcqRel) {
        loop {
            let packet = {
                let mut graves = GRAVES.lock();
                let packet = graves.pop_front();
                if graves.is_empty() {
                    // There may have been as many as there may be in flight.
                    *graves = VecDeque::new();
                }
                packet
            };
            if packet.is_none() {
                break;
            }
        }
        BURYING.store(false, Ordering::Release);
    }
}
