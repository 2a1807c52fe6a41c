//! Connections by their ends, in shards.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use hal::sync::SpinLock;
use hashbrown::HashTable;

use super::connection::Connection;
use super::time_wait::TimeWait;
use crate::ip::Endpoint;
use crate::random::Secret;
use crate::stack::NEVER;

const SHARDS: usize = 16;

pub(super) enum Entry {
    Connection(Arc<Connection>),
    TimeWait(Box<TimeWait>),
}

/// What is known of a pair of ends.
pub(super) enum Found {
    Connection(Arc<Connection>),
    TimeWait(TimeWait),
}

pub(super) struct Table {
    shards: [SpinLock<HashTable<Entry>>; SHARDS],
    /// Entries of connections that are over, the oldest first.
    expiring: SpinLock<VecDeque<(u64, Endpoint, Endpoint)>>,
    next_expiry: AtomicU64,
    most_time_waits: usize,
}

impl Entry {
    fn ends(&self) -> (Endpoint, Endpoint) {
        match self {
            Self::Connection(connection) => (connection.local, connection.remote),
            Self::TimeWait(entry) => (entry.local, entry.remote),
        }
    }
}

impl Table {
    pub(super) fn new(most_time_waits: usize) -> Self {
        Self {
            shards: [const { SpinLock::new(HashTable::new()) }; SHARDS],
            expiring: SpinLock::new(VecDeque::new()),
            next_expiry: AtomicU64::new(NEVER),
            most_time_waits,
        }
    }

    fn shard(&self, hash: u64) -> &SpinLock<HashTable<Entry>> {
        // hashbrown takes the lowest and the highest bits.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }

    pub(super) fn find(&self, secret: &Secret, local: Endpoint, remote: Endpoint) -> Option<Found> {
        let hash = secret.table_hash(local, remote);
        let shard = self.shard(hash).lock();
        Some(match shard.find(hash, |entry| entry.ends() == (local, remote))? {
            Entry::Connection(connection) => Found::Connection(connection.clone()),
            Entry::TimeWait(entry) => Found::TimeWait(**entry),
        })
    }

    /// Adds a connection; false when its ends are taken.
    pub(super) fn insert(&self, secret: &Secret, connection: &Arc<Connection>) -> bool {
        let ends = (connection.local, connection.remote);
        let hash = secret.table_hash(ends.0, ends.1);
        let mut shard = self.shard(hash).lock();
        if shard.find(hash, |entry| entry.ends() == ends).is_some() {
            return false;
        }
        shard.insert_unique(hash, Entry::Connection(connection.clone()), |entry| {
            let (local, remote) = entry.ends();
            secret.table_hash(local, remote)
        });
        true
    }

    /// Removes a connection, or puts what is left of it in its place.
    pub(super) fn retire(&self, secret: &Secret, connection: &Connection, rest: Option<TimeWait>) {
        let ends = (connection.local, connection.remote);
        let hash = secret.table_hash(ends.0, ends.1);
        let old = {
            let mut shard = self.shard(hash).lock();
            let is_it = |entry: &Entry| matches!(entry, Entry::Connection(other) if other.id == connection.id);
            match (shard.find_entry(hash, is_it), rest) {
                (Ok(mut found), Some(rest)) => {
                    Some(core::mem::replace(found.get_mut(), Entry::TimeWait(Box::new(rest))))
                }
                (Ok(found), None) => Some(found.remove().0),
                (Err(_), _) => None,
            }
        };
        if let (Some(rest), Some(_)) = (rest, &old) {
            let oldest = {
                let mut expiring = self.expiring.lock();
                expiring.push_back((rest.expires, ends.0, ends.1));
                let oldest = if expiring.len() > self.most_time_waits {
                    expiring.pop_front()
                } else {
                    None
                };
                self.publish(&expiring);
                oldest
            };
            if let Some((expires, local, remote)) = oldest {
                self.remove_time_wait(secret, local, remote, Some(expires));
            }
        }
    }

    /// Removes the entry of a connection that is over; the one that expires then, when a time is given.
    pub(super) fn remove_time_wait(&self, secret: &Secret, local: Endpoint, remote: Endpoint, expires: Option<u64>) {
        let hash = secret.table_hash(local, remote);
        let is_it = |entry: &Entry| match entry {
            Entry::TimeWait(entry) => {
                (entry.local, entry.remote) == (local, remote) && expires.is_none_or(|expires| entry.expires == expires)
            }
            Entry::Connection(_) => false,
        };
        let mut shard = self.shard(hash).lock();
        if let Ok(found) = shard.find_entry(hash, is_it) {
            found.remove();
        }
    }

    /// Removes what has expired.
    pub(super) fn expire(&self, secret: &Secret, now: u64) {
        while self.next_expiry() <= now {
            let first = {
                let mut expiring = self.expiring.lock();
                let first = expiring.pop_front_if(|(expires, ..)| *expires <= now);
                if expiring.is_empty() && expiring.capacity() > 64 {
                    *expiring = VecDeque::new();
                }
                self.publish(&expiring);
                first
            };
            let Some((expires, local, remote)) = first else {
                return;
            };
            self.remove_time_wait(secret, local, remote, Some(expires));
        }
    }

    pub(super) fn next_expiry(&self) -> u64 {
        self.next_expiry.load(Ordering::SeqCst)
    }

    fn publish(&self, expiring: &VecDeque<(u64, Endpoint, Endpoint)>) {
        self.next_expiry
            .store(expiring.front().map_or(NEVER, |entry| entry.0), Ordering::SeqCst);
    }

    /// Everything in the table.
    pub(super) fn all(&self) -> Vec<Found> {
        let found = |entry: &Entry| match entry {
            Entry::Connection(connection) => Found::Connection(connection.clone()),
            Entry::TimeWait(entry) => Found::TimeWait(**entry),
        };
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(shard.lock().iter().map(found));
        }
        all
    }

    /// How many connections there are that are not over.
    pub(super) fn connections(&self) -> usize {
        let is_connection = |entry: &&Entry| matches!(entry, Entry::Connection(_));
        self.shards
            .iter()
            .map(|shard| shard.lock().iter().filter(is_connection).count())
            .sum()
    }
}
