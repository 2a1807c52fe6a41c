//! Connections by their ends, in shards.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use hal::sync::SpinLock;
use hashbrown::HashTable;

use super::connection::Connection;
use super::local_ports::LocalPorts;
use super::time_wait::TimeWait;
use crate::ip::Endpoint;
use crate::random::Secret;
use crate::stack::NEVER;

const SHARDS: usize = 16;
/// Entries that a shard always has room for once there were so many.
const KEPT: usize = 64;

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
    local_ports: LocalPorts,
}

impl Entry {
    fn ends(&self) -> (Endpoint, Endpoint) {
        match self {
            Self::Connection(connection) => (connection.local, connection.remote),
            Self::TimeWait(entry) => (entry.local, entry.remote),
        }
    }

    fn hash(&self, secret: &Secret) -> u64 {
        let (local, remote) = self.ends();
        secret.table_hash(local, remote)
    }
}

/// Takes an entry out. The shard gives memory back when there were many more entries than there are.
fn remove(shard: &mut HashTable<Entry>, secret: &Secret, hash: u64, is_it: impl Fn(&Entry) -> bool) -> Option<Entry> {
    let removed = shard.find_entry(hash, is_it).ok()?.remove().0;
    if shard.capacity() > KEPT && shard.len() < shard.capacity() / 8 {
        shard.shrink_to(2 * shard.len(), |entry| entry.hash(secret));
    }
    Some(removed)
}

impl Table {
    pub(super) fn new(most_time_waits: usize) -> Self {
        Self {
            shards: [const { SpinLock::new(HashTable::new()) }; SHARDS],
            expiring: SpinLock::new(VecDeque::new()),
            next_expiry: AtomicU64::new(NEVER),
            most_time_waits,
            local_ports: LocalPorts::new(),
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
        shard.insert_unique(hash, Entry::Connection(connection.clone()), |entry| entry.hash(secret));
        self.local_ports.add(connection.local);
        true
    }

    /// Removes a connection, or puts what is left of it in its place.
    pub(super) fn retire(&self, secret: &Secret, connection: &Connection, rest: Option<TimeWait>) {
        let ends = (connection.local, connection.remote);
        let hash = secret.table_hash(ends.0, ends.1);
        let old = {
            let mut shard = self.shard(hash).lock();
            let is_it = |entry: &Entry| matches!(entry, Entry::Connection(other) if other.id == connection.id);
            match rest {
                Some(rest) => shard
                    .find_mut(hash, is_it)
                    .map(|found| core::mem::replace(found, Entry::TimeWait(Box::new(rest)))),
                None => remove(&mut shard, secret, hash, is_it),
            }
        };
        if rest.is_none() && old.is_some() {
            self.local_ports.remove(connection.local);
        }
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
        if remove(&mut self.shard(hash).lock(), secret, hash, is_it).is_some() {
            self.local_ports.remove(local);
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

    /// Whether a connection, or what is left of one, has the port at that address, or at any when it is unspecified.
    pub(super) fn has_local_port(&self, local: Endpoint) -> bool {
        self.local_ports.has(local)
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

#[cfg(test)]
mod tests {
    use super::super::sequence::Seq;
    use super::*;
    use crate::environment::Nowhere;

    #[test]
    fn a_shard_that_has_few_entries_left_has_room_for_few() {
        let secret = Secret::new(&Nowhere);
        let ends = |port| Endpoint {
            address: core::net::Ipv4Addr::LOCALHOST.into(),
            port,
        };
        let mut shard = HashTable::new();
        for port in 1..=10_000 {
            let entry = Entry::TimeWait(Box::new(TimeWait {
                local: ends(80),
                remote: ends(port),
                next: Seq(0),
                receive_next: Seq(0),
                timestamp_recent: None,
                timestamp_offset: 0,
                expires: 0,
            }));
            shard.insert_unique(entry.hash(&secret), entry, |entry| entry.hash(&secret));
        }
        for port in 11..=10_000 {
            let (local, remote) = (ends(80), ends(port));
            let removed = remove(&mut shard, &secret, secret.table_hash(local, remote), |entry| {
                entry.ends() == (local, remote)
            });
            assert!(removed.is_some());
        }
        assert_eq!(shard.len(), 10);
        assert!(shard.capacity() < 2 * KEPT);
    }
}
