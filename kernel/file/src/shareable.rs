//! What a process or thread has of its own until it shares it.

use alloc::sync::Arc;
use core::mem;
use hal::sync::SpinLock;

/// A holder of something that it may share with other holders. As long as it has it alone, a look takes one lock.
pub struct Shareable<T>(SpinLock<Holding<T>>);

enum Holding<T> {
    Own(T),
    Shared(Arc<SpinLock<T>>),
}

impl<T: Default> Default for Shareable<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Shareable<T> {
    /// One that has `value` alone.
    pub const fn new(value: T) -> Self {
        Self(SpinLock::new(Holding::Own(value)))
    }

    /// Looks at it or changes it.
    #[inline]
    pub fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> R {
        let mut holding = self.0.lock();
        let mut guard;
        let value = match &mut *holding {
            Holding::Own(value) => value,
            Holding::Shared(shared) => {
                guard = shared.lock();
                &mut *guard
            }
        };
        look(value)
    }

    /// What tells it from what others hold: the same for all that share it, as long as they do.
    pub fn identity(&self) -> usize {
        match &*self.0.lock() {
            Holding::Own(_) => core::ptr::from_ref(self).addr(),
            Holding::Shared(shared) => Arc::as_ptr(shared).addr(),
        }
    }
}

impl<T: Clone> Shareable<T> {
    /// Another holder of the same.
    #[must_use]
    pub fn share(&self) -> Self {
        let mut holding = self.0.lock();
        let shared = match &*holding {
            Holding::Own(value) => Arc::new(SpinLock::new(value.clone())),
            Holding::Shared(shared) => shared.clone(),
        };
        *holding = Holding::Shared(shared.clone());
        Self(SpinLock::new(Holding::Shared(shared)))
    }

    /// Has its own from now on: what `copy` makes of it, unless nobody else holds it any more.
    pub fn unshare(&self, copy: impl FnOnce(&T) -> T) {
        let mut holding = self.0.lock();
        if let Holding::Shared(shared) = &mut *holding {
            let value = match Arc::get_mut(shared) {
                Some(last) => last.get_mut().clone(),
                None => copy(&shared.lock()),
            };
            *holding = Holding::Own(value);
        }
    }

    /// Holds `other` from now on. Gives what it held, or a copy of that when others still hold it.
    pub fn replace(&self, other: T) -> T {
        let held = mem::replace(&mut *self.0.lock(), Holding::Own(other));
        match held {
            Holding::Own(value) => value,
            Holding::Shared(shared) => {
                Arc::try_unwrap(shared).map_or_else(|shared| shared.lock().clone(), SpinLock::into_inner)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_see_the_same_until_one_has_its_own() {
        let first = Shareable::new(1);
        let alone = first.identity();
        let second = first.share();
        second.with(|value| *value += 1);
        assert_eq!(first.with(|value| *value), 2);
        assert!(first.identity() == second.identity() && first.identity() != alone);
        second.unshare(|value| *value + 10);
        second.with(|value| *value += 1);
        assert_eq!((first.with(|value| *value), second.with(|value| *value)), (2, 13));
        first.unshare(|_| panic!("nobody else holds it"));
        assert_eq!(first.with(|value| *value), 2);
    }

    #[test]
    fn a_holder_gets_what_it_gives_up_and_others_keep_it() {
        let first = Shareable::new(5);
        let second = first.share();
        assert_eq!(first.replace(0), 5);
        second.with(|value| *value += 1);
        assert_eq!((first.replace(0), second.replace(0)), (0, 6));
        assert_eq!(second.replace(7), 0);
    }
}
