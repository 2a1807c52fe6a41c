//! Objects that processes find by a key or an identifier.

use abi::Errno;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicI32, Ordering};
use litemap::LiteMap;

use hal::sync::{SpinLock, SpinLockGuard};

use super::permissions::PRIVATE;

/// What a registry holds.
pub trait Object {
    /// The key it is found by; [`PRIVATE`] for none.
    fn key(&self) -> i32;
}

/// The objects of a kind.
pub struct Registry<T> {
    objects: SpinLock<LiteMap<i32, Arc<T>>>,
    next: AtomicI32,
    limit: usize,
}

impl<T: Object> Registry<T> {
    /// With room for `limit`.
    pub const fn new(limit: usize) -> Self {
        Self {
            objects: SpinLock::new(LiteMap::new()),
            next: AtomicI32::new(0),
            limit,
        }
    }

    /// All objects by identifier.
    pub fn lock(&self) -> SpinLockGuard<'_, LiteMap<i32, Arc<T>>> {
        self.objects.lock()
    }

    /// The object of a key.
    pub fn find(&self, key: i32) -> Option<Arc<T>> {
        if key == PRIVATE {
            return None;
        }
        self.lock().values().find(|object| object.key() == key).cloned()
    }

    /// The object of an identifier; `EINVAL` when there is none.
    pub fn get(&self, id: i32) -> Result<Arc<T>, Errno> {
        self.lock().get(&id).cloned().ok_or(Errno::INVAL)
    }

    /// The object of a key, or one that `make` adds, and whether it did. When others add one meanwhile it is theirs, unless `exclusive`.
    pub fn find_or_add(
        &self,
        key: i32,
        exclusive: bool,
        make: impl Fn() -> Result<Arc<T>, Errno>,
    ) -> Result<(Arc<T>, bool), Errno> {
        loop {
            if let Some(found) = self.find(key) {
                return Ok((found, false));
            }
            match make() {
                Err(Errno::EXIST) if !exclusive => {}
                result => return result.map(|object| (object, true)),
            }
        }
    }

    /// Adds an object that is made with its identifier. `EEXIST` when its key has one by now, `ENOSPC` when there are too many.
    pub fn add(&self, make: impl FnOnce(i32) -> T) -> Result<Arc<T>, Errno> {
        let mut objects = self.lock();
        if objects.len() >= self.limit {
            return Err(Errno::NOSPC);
        }
        let id = loop {
            let id = self.next.fetch_add(1, Ordering::Relaxed) & i32::MAX;
            if !objects.contains_key(&id) {
                break id;
            }
        };
        let object = Arc::new(make(id));
        let key = object.key();
        if key != PRIVATE && objects.values().any(|other| other.key() == key) {
            return Err(Errno::EXIST);
        }
        objects.insert(id, object.clone());
        Ok(object)
    }

    /// Takes an object away; `EINVAL` when somebody else has.
    pub fn remove(&self, id: i32) -> Result<(), Errno> {
        let object = self.lock().remove(&id);
        object.map(drop).ok_or(Errno::INVAL)
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    struct Keyed(i32);

    impl Object for Keyed {
        fn key(&self) -> i32 {
            self.0
        }
    }

    #[test]
    fn what_another_has_added_meanwhile_is_found() {
        let registry = Registry::new(8);
        let others = Cell::new(None);
        let make = || {
            // Between the look and the addition.
            others.set(Some(registry.add(|_| Keyed(1))));
            registry.add(|_| Keyed(1))
        };
        let (found, is_new) = registry.find_or_add(1, false, make).expect("it is there");
        let other = others
            .take()
            .expect("it was asked to make one")
            .expect("there was none");
        assert!(Arc::ptr_eq(&found, &other) && !is_new);
        registry.lock().clear();
        assert_eq!(registry.find_or_add(1, true, make).err(), Some(Errno::EXIST));
    }
}
