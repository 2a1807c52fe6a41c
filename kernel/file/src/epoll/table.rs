//! The entries of an epoll instance and its list of those that may be ready.

use abi::general::{EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLONESHOT};
use abi::{EpollEvent, Errno};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use task::{Registration, WaitQueue};

use super::MODES;
use crate::OpenFile;

/// A watched file.
pub(super) struct Entry {
    descriptor: i32,
    file: Weak<OpenFile>,
    /// What is asked for and how; an entry of `EPOLLONESHOT` that was reported asks for nothing.
    events: u32,
    data: u64,
    registration: Option<Registration>,
    /// It stands on the ready list.
    queued: bool,
}

impl Entry {
    pub(super) fn new(descriptor: i32, file: &Arc<OpenFile>, event: EpollEvent) -> Self {
        Self {
            descriptor,
            file: Arc::downgrade(file),
            events: event.events | EPOLLERR | EPOLLHUP,
            data: event.data,
            registration: None,
            queued: false,
        }
    }

    pub(super) fn file(&self) -> Option<Arc<OpenFile>> {
        self.file.upgrade()
    }

    /// Makes the file's queue forget the entry.
    pub(super) fn unregister(&self, queue: &WaitQueue) {
        if let Some(registration) = &self.registration {
            queue.unregister(registration);
        }
    }

    fn is_disabled(&self) -> bool {
        self.events & !MODES == 0
    }

    fn candidate(&self, key: u64) -> Option<Candidate> {
        Some(Candidate {
            key,
            file: self.file.upgrade()?,
            interest: if self.is_disabled() { 0 } else { self.events & !MODES },
            data: self.data,
            events: self.events,
        })
    }
}

/// An entry of the ready list, to be asked.
pub(super) struct Candidate {
    pub(super) key: u64,
    pub(super) file: Arc<OpenFile>,
    pub(super) interest: u32,
    pub(super) data: u64,
    /// As the entry had them.
    events: u32,
}

impl Candidate {
    /// What of its interest its file is ready for.
    pub(super) fn readiness(&self) -> u32 {
        self.file.file().readiness().bits() & self.interest
    }
}

/// A place for an entry. Its generation grows when the entry goes, so that old keys find nothing.
struct Slot {
    generation: u32,
    entry: Option<Entry>,
}

#[derive(Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Slots by descriptor and address of the open file description.
    index: BTreeMap<(i32, usize), u32>,
    ready: VecDeque<u32>,
    /// Entries that somebody has taken off the ready list and not given back, or not yet.
    taken: usize,
    /// Somebody has looked at the list meanwhile, and may have missed them.
    missed: bool,
}

fn identity(descriptor: i32, file: &Weak<OpenFile>) -> (i32, usize) {
    (descriptor, file.as_ptr().addr())
}

impl Table {
    /// Adds an entry, as one that may be ready, and returns its key.
    pub(super) fn insert(&mut self, entry: Entry) -> Result<u64, Errno> {
        let identity = identity(entry.descriptor, &entry.file);
        if self.index.contains_key(&identity) {
            return Err(Errno::EXIST);
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                entry: None,
            });
            // So that marking an entry ready never allocates.
            self.ready.reserve(self.slots.len() - self.ready.len());
            (self.slots.len() - 1) as u32
        });
        self.index.insert(identity, number);
        self.slots[number as usize].entry = Some(entry);
        let key = self.key(number);
        self.mark_ready(key);
        Ok(key)
    }

    fn key(&self, number: u32) -> u64 {
        u64::from(self.slots[number as usize].generation) << 32 | u64::from(number)
    }

    fn entry(&mut self, key: u64) -> Option<&mut Entry> {
        let slot = self.slots.get_mut(key as u32 as usize)?;
        if u64::from(slot.generation) == key >> 32 {
            slot.entry.as_mut()
        } else {
            None
        }
    }

    pub(super) fn set_registration(&mut self, key: u64, registration: Registration) {
        if let Some(entry) = self.entry(key) {
            entry.registration = Some(registration);
        }
    }

    /// Changes what an entry asks for.
    pub(super) fn modify(&mut self, descriptor: i32, file: &Arc<OpenFile>, event: EpollEvent) -> Result<(), Errno> {
        let identity = identity(descriptor, &Arc::downgrade(file));
        let number = *self.index.get(&identity).ok_or(Errno::NOENT)?;
        let key = self.key(number);
        let entry = self.entry(key).ok_or(Errno::NOENT)?;
        if entry.events & EPOLLEXCLUSIVE != 0 {
            return Err(Errno::INVAL);
        }
        entry.events = event.events | EPOLLERR | EPOLLHUP;
        entry.data = event.data;
        self.mark_ready(key);
        Ok(())
    }

    pub(super) fn remove(&mut self, descriptor: i32, file: &Arc<OpenFile>) -> Option<(u64, Entry)> {
        let number = *self.index.get(&identity(descriptor, &Arc::downgrade(file)))?;
        let key = self.key(number);
        Some((key, self.remove_key(key)?))
    }

    pub(super) fn remove_key(&mut self, key: u64) -> Option<Entry> {
        self.entry(key)?;
        let number = key as u32;
        let slot = &mut self.slots[number as usize];
        let entry = slot.entry.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        if entry.queued {
            self.ready.retain(|&other| other != number);
        }
        self.index.remove(&identity(entry.descriptor, &entry.file));
        self.free.push(number);
        Some(entry)
    }

    /// Takes all entries out.
    pub(super) fn drain(&mut self) -> Vec<(u64, Entry)> {
        let keys: Vec<_> = self.index.values().map(|&number| self.key(number)).collect();
        keys.into_iter()
            .filter_map(|key| Some((key, self.remove_key(key)?)))
            .collect()
    }

    /// Puts an entry on the ready list; false when it stands there or asks for nothing.
    pub(super) fn mark_ready(&mut self, key: u64) -> bool {
        let Some(entry) = self.entry(key) else { return false };
        if entry.queued || entry.is_disabled() {
            return false;
        }
        entry.queued = true;
        self.ready.push_back(key as u32);
        true
    }

    pub(super) fn ready_length(&self) -> usize {
        self.ready.len()
    }

    /// Takes the first entry off the ready list.
    pub(super) fn take_ready(&mut self) -> Option<Candidate> {
        loop {
            let number = self.ready.pop_front()?;
            let key = self.key(number);
            let Some(entry) = self.entry(key) else { continue };
            entry.queued = false;
            // A description that is just being closed cannot be asked any more.
            let Some(candidate) = entry.candidate(key) else {
                continue;
            };
            self.taken += 1;
            return Some(candidate);
        }
    }

    /// Says what became of entries that were taken off the list. True when those who only look at it have to be told: they may have missed one that
    /// was `kept`.
    pub(super) fn settle(&mut self, taken: usize, kept: bool) -> bool {
        self.taken -= taken;
        let tell = kept && self.missed;
        if tell || self.taken == 0 {
            self.missed = false;
        }
        tell
    }

    /// The entries on the ready list, which stay there.
    pub(super) fn look(&mut self) -> Vec<Candidate> {
        self.missed |= self.taken > 0;
        let candidate = |&number: &u32| self.slots[number as usize].entry.as_ref()?.candidate(self.key(number));
        self.ready.iter().filter_map(candidate).collect()
    }

    /// Takes this entry off the ready list.
    pub(super) fn take_off(&mut self, key: u64) -> Option<Candidate> {
        let entry = self.entry(key).filter(|entry| entry.queued)?;
        entry.queued = false;
        let candidate = entry.candidate(key);
        self.ready.retain(|&number| number != key as u32);
        candidate
    }

    /// Notes that an entry is reported: an entry of `EPOLLONESHOT` asks for nothing from now on, a level-triggered one goes back to the list
    /// (`true`). `None` when it has gone, was reported to somebody else, or was changed since, which has put it on the list again.
    pub(super) fn reported(&mut self, candidate: &Candidate) -> Option<bool> {
        let key = candidate.key;
        let entry = self.entry(key)?;
        if (entry.events, entry.data) != (candidate.events, candidate.data) {
            return None;
        }
        if entry.events & EPOLLONESHOT != 0 {
            entry.events &= MODES;
            return Some(false);
        }
        if entry.events & EPOLLET != 0 {
            return Some(false);
        }
        self.mark_ready(key);
        Some(true)
    }

    /// The descriptions that are watched.
    pub(super) fn files(&self) -> Vec<Arc<OpenFile>> {
        self.slots
            .iter()
            .filter_map(|slot| slot.entry.as_ref()?.file())
            .collect()
    }
}
