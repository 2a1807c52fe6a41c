//! Waiting for many files at a cost that depends only on those that became ready (`epoll(7)`).
//!
//! Each watched file has an entry. The file's wait queue tells the entry's key, which puts the entry on the ready list; collecting takes entries
//! from that list, asks their files, and puts level-triggered ones that are still ready back at its end.

mod table;

use abi::general::{
    EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN, EPOLLONESHOT,
    EPOLLOUT, EPOLLWAKEUP,
};
use abi::{EpollEvent, Errno};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use hal::sync::SpinLock;
use task::{Observer, WaitQueue};

use crate::{File, FileType, OpenFile, Readiness, Result, Status, Watcher, anonymous_inode};
use table::{Candidate, Entry, Table};

/// How deep epoll instances may watch each other.
const MAX_DEPTH: usize = 5;

/// Flags that say how to report, not what.
const MODES: u32 = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP;

/// What an entry with `EPOLLEXCLUSIVE` may ask for.
const EXCLUSIVE_ALLOWED: u32 = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

/// Serialises changes that could close a loop of instances.
static NESTING: SpinLock<()> = SpinLock::new(());

/// An epoll instance.
pub struct Epoll {
    this: Weak<Self>,
    table: SpinLock<Table>,
    /// For those who wait in `epoll_wait(2)`.
    waiters: WaitQueue,
    /// For those who watch the instance itself.
    watchers: WaitQueue,
    /// The instances that watch this one.
    parents: SpinLock<Vec<Weak<Self>>>,
    inode: u64,
}

impl Epoll {
    /// One that watches nothing.
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            table: SpinLock::default(),
            waiters: WaitQueue::new(),
            watchers: WaitQueue::new(),
            parents: SpinLock::new(Vec::new()),
            inode: anonymous_inode(),
        })
    }

    /// Adds, changes or removes (`EPOLL_CTL_*`) the entry of a descriptor and its open file description.
    pub fn control(
        &self,
        operation: u32,
        descriptor: i32,
        file: &Arc<OpenFile>,
        event: EpollEvent,
    ) -> core::result::Result<(), Errno> {
        // Files that are always ready cannot be watched.
        let queue = file.file().wait_queue().ok_or(Errno::PERM)?;
        let nested = file.downcast::<Self>();
        if nested.is_some_and(|nested| core::ptr::eq(nested, self)) {
            return Err(Errno::INVAL);
        }
        let exclusive = event.events & EPOLLEXCLUSIVE != 0;
        match operation {
            EPOLL_CTL_ADD if exclusive && (nested.is_some() || event.events & !EXCLUSIVE_ALLOWED != 0) => {
                Err(Errno::INVAL)
            }
            EPOLL_CTL_ADD => match nested {
                Some(nested) => {
                    let _nesting = NESTING.lock();
                    if nested.depth(self, 0)? + self.height(0) >= MAX_DEPTH {
                        return Err(Errno::LOOP);
                    }
                    self.add(descriptor, file, queue, event)?;
                    nested.parents.lock().push(self.this.clone());
                    Ok(())
                }
                None => self.add(descriptor, file, queue, event),
            },
            EPOLL_CTL_MOD if exclusive => Err(Errno::INVAL),
            EPOLL_CTL_MOD => self.modify(descriptor, file, event),
            EPOLL_CTL_DEL => self.remove(descriptor, file),
            _ => Err(Errno::INVAL),
        }
    }

    fn add(
        &self,
        descriptor: i32,
        file: &Arc<OpenFile>,
        queue: &WaitQueue,
        event: EpollEvent,
    ) -> core::result::Result<(), Errno> {
        let this: Arc<dyn Observer> = self.this.upgrade().ok_or(Errno::BADF)?;
        let watcher: Weak<dyn Watcher> = self.this.clone();
        let mut table = self.table.lock();
        let key = table.insert(Entry::new(descriptor, file, event))?;
        // The list of the queue is locked inside, which nobody holds while it tells an observer.
        table.set_registration(key, queue.register(&this, key));
        file.watch(watcher, key);
        drop(table);
        self.wake();
        Ok(())
    }

    fn modify(&self, descriptor: i32, file: &Arc<OpenFile>, event: EpollEvent) -> core::result::Result<(), Errno> {
        self.table.lock().modify(descriptor, file, event)?;
        self.wake();
        Ok(())
    }

    fn remove(&self, descriptor: i32, file: &Arc<OpenFile>) -> core::result::Result<(), Errno> {
        let removed = self.table.lock().remove(descriptor, file);
        let (key, entry) = removed.ok_or(Errno::NOENT)?;
        self.leave(&entry, &**file.file());
        let watcher: Weak<dyn Watcher> = self.this.clone();
        file.unwatch(&watcher, key);
        Ok(())
    }

    /// How many entries may be ready: what one call looks at.
    pub fn candidates(&self) -> usize {
        self.table.lock().ready_length()
    }

    /// Fills `events` with what is ready, without waiting, and returns how many there are. Looks at `left` entries at most, and takes from it what it
    /// has looked at: entries that are put back come after those that there were, so that none is reported twice.
    pub fn collect(&self, events: &mut [EpollEvent], left: &mut usize) -> usize {
        let (mut count, mut taken) = (0, 0);
        let mut kept = false;
        while count < events.len() && *left > 0 {
            *left -= 1;
            let Some(candidate) = self.table.lock().take_ready() else {
                break;
            };
            taken += 1;
            let found = candidate.readiness();
            if found == 0 {
                continue;
            }
            let Some(again) = self.table.lock().reported(&candidate) else {
                continue;
            };
            kept |= again;
            events[count] = EpollEvent {
                events: found,
                data: candidate.data,
            };
            count += 1;
        }
        let tell = taken > 0 && self.table.lock().settle(taken, kept);
        if kept {
            // Others who wait may find the entries that stay ready.
            self.waiters.notify();
        }
        if tell {
            self.watchers.notify();
        }
        count
    }

    /// Notified when [`Epoll::collect`] may find something.
    pub fn waiters(&self) -> &WaitQueue {
        &self.waiters
    }

    /// Takes an entry off the ready list whose file was not ready, so that its next notification is told of. True when it is ready by now.
    fn is_ready_after_all(&self, key: u64) -> bool {
        let Some(candidate) = self.table.lock().take_off(key) else {
            return false;
        };
        let is_ready = candidate.readiness() != 0;
        // What notified it while it stood on the list has told nobody.
        if is_ready && self.table.lock().mark_ready(key) {
            self.wake();
        }
        is_ready
    }

    fn wake(&self) {
        self.waiters.notify();
        self.watchers.notify();
    }

    /// How deep the instances that this one watches are nested; `ELOOP` when `target` is among them.
    fn depth(&self, target: &Self, level: usize) -> core::result::Result<usize, Errno> {
        if core::ptr::eq(self, target) || level >= MAX_DEPTH {
            return Err(Errno::LOOP);
        }
        let mut deepest = 0;
        let files = self.table.lock().files();
        for file in files {
            if let Some(nested) = file.downcast::<Self>() {
                deepest = deepest.max(1 + nested.depth(target, level + 1)?);
            }
        }
        Ok(deepest)
    }

    /// How many instances watch this one in a chain.
    fn height(&self, level: usize) -> usize {
        if level >= MAX_DEPTH {
            return level;
        }
        let parents: Vec<_> = self.parents.lock().iter().filter_map(Weak::upgrade).collect();
        let heights = parents.iter().map(|parent| 1 + parent.height(level + 1));
        heights.max().unwrap_or(0)
    }

    /// Stops hearing of a file whose entry was removed.
    fn leave(&self, entry: &Entry, file: &dyn File) {
        if let Some(queue) = file.wait_queue() {
            entry.unregister(queue);
        }
        if let Some(nested) = file.as_any().downcast_ref::<Self>() {
            let mut parents = nested.parents.lock();
            if let Some(place) = parents.iter().position(|parent| parent.ptr_eq(&self.this)) {
                parents.swap_remove(place);
            }
        }
    }
}

impl Observer for Epoll {
    fn notify(&self, key: u64) {
        if self.table.lock().mark_ready(key) {
            self.wake();
        }
    }
}

impl Watcher for Epoll {
    fn closed(&self, key: u64, file: &dyn File) {
        let entry = self.table.lock().remove_key(key);
        if let Some(entry) = entry {
            self.leave(&entry, file);
        }
    }
}

impl File for Epoll {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        Ok(Status::anonymous(self.inode, FileType::Anonymous, 0o600))
    }

    fn readiness(&self) -> Readiness {
        // Whoever is ready stays on the list: those who wait for it in `epoll_wait(2)` would not find it meanwhile.
        let candidates = self.table.lock().look();
        let is_ready = |candidate: &Candidate| candidate.readiness() != 0 || self.is_ready_after_all(candidate.key);
        if candidates.iter().any(is_ready) {
            Readiness::IN | Readiness::RDNORM
        } else {
            Readiness::empty()
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.watchers)
    }

    fn anonymous_name(&self) -> &'static str {
        "anon_inode:[eventpoll]"
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        let watcher: Weak<dyn Watcher> = self.this.clone();
        let entries = self.table.lock().drain();
        for (key, entry) in entries {
            if let Some(file) = entry.file() {
                self.leave(&entry, &**file.file());
                file.unwatch(&watcher, key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
