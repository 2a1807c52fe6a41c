//! The names of a directory that are known in memory.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use core::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::Dentry;

/// Name → what was found by it. Looked into at each step of each path, so it hashes and compares bytes and nothing around them.
pub(super) struct Children {
    entries: HashTable<Entry>,
    hasher: DefaultHashBuilder,
}

struct Entry {
    name: Box<[u8]>,
    dentry: Weak<Dentry>,
}

impl Children {
    pub(super) fn new() -> Self {
        Self {
            entries: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    #[inline]
    fn hash(hasher: &DefaultHashBuilder, name: &[u8]) -> u64 {
        let mut state = hasher.build_hasher();
        state.write(name);
        state.finish()
    }

    #[inline]
    fn find(&self, name: &[u8]) -> Option<&Entry> {
        self.entries
            .find(Self::hash(&self.hasher, name), |entry| is_same(&entry.name, name))
    }

    /// What is in use by this name.
    #[inline]
    pub(super) fn get(&self, name: &[u8]) -> Option<Arc<Dentry>> {
        self.find(name)?.dentry.upgrade()
    }

    /// Whether the name is here and nobody uses it any more.
    pub(super) fn is_unused(&self, name: &[u8]) -> bool {
        self.find(name).is_some_and(|entry| entry.dentry.strong_count() == 0)
    }

    /// Puts a name in, and gives what was used by it before.
    pub(super) fn insert(&mut self, name: &[u8], dentry: &Arc<Dentry>) -> Option<Arc<Dentry>> {
        let hash = Self::hash(&self.hasher, name);
        let dentry = Arc::downgrade(dentry);
        if let Some(entry) = self.entries.find_mut(hash, |entry| is_same(&entry.name, name)) {
            return core::mem::replace(&mut entry.dentry, dentry).upgrade();
        }
        // A name whose last user could not take it out stays here; such names go when the table would have to grow.
        if self.entries.len() == self.entries.capacity() {
            self.entries.retain(|entry| entry.dentry.strong_count() > 0);
        }
        let name = name.into();
        self.entries.insert_unique(hash, Entry { name, dentry }, |entry| {
            Self::hash(&self.hasher, &entry.name)
        });
        None
    }

    /// Takes a name out.
    pub(super) fn remove(&mut self, name: &[u8]) {
        let hash = Self::hash(&self.hasher, name);
        if let Ok(entry) = self.entries.find_entry(hash, |entry| is_same(&entry.name, name)) {
            entry.remove();
        }
    }

    /// All that are in use.
    pub(super) fn used(&self) -> impl Iterator<Item = Arc<Dentry>> {
        self.entries.iter().filter_map(|entry| entry.dentry.upgrade())
    }
}

/// Whether two names are the same; eight bytes at a time, for most names have few more.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let (ones, one_rest) = one.as_chunks::<8>();
    let (others, other_rest) = other.as_chunks::<8>();
    let words = ones.iter().zip(others);
    let mut rests = one_rest.iter().zip(other_rest);
    words
        .into_iter()
        .all(|(one, other)| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other))
        && rests.all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tmpfs::{Options, Tmpfs};

    #[test]
    fn names_that_nobody_uses_any_more_take_no_room() {
        let (_file_system, root) = Tmpfs::create(&Options::default());
        let mut children = Children::new();
        for number in 0..10_000u32 {
            // Gone, but its name is not, as when another CPU holds the lock meanwhile.
            children.insert(&number.to_ne_bytes(), &Dentry::top(root.clone(), b"/"));
        }
        assert!(children.entries.capacity() < 64);
    }
}
