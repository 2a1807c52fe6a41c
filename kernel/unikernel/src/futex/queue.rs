//! Who waits for which futex.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::task::{Poll, Waker};

use hal::sync::SpinLock;
use task::Deadline;

use crate::process::Thread;
use crate::syscall::Stop;

/// Names a futex: an address space or an object that is mapped, and a place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    object: usize,
    offset: usize,
}

const BUCKETS: usize = 64;
static QUEUES: [SpinLock<Vec<Entry>>; BUCKETS] = [const { SpinLock::new(Vec::new()) }; BUCKETS];

struct Entry {
    key: Key,
    bits: u32,
    waker: Waker,
    waiter: Arc<Waiter>,
}

/// The waiting side of an entry: each thread has one, for it waits in one place at a time.
pub struct Waiter {
    woken: AtomicBool,
    /// Where the entry is; a requeue moves it.
    bucket: AtomicUsize,
}

impl Waiter {
    /// One that does not wait.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            woken: AtomicBool::new(true),
            bucket: AtomicUsize::new(0),
        })
    }

    fn begin(&self, key: Key) {
        self.bucket.store(key.bucket(), Ordering::Relaxed);
        self.woken.store(false, Ordering::Release);
    }
}

/// Tasks to be woken when no lock is held. Most often there is one.
#[derive(Default)]
struct Wakers {
    first: Option<Waker>,
    others: Vec<Waker>,
}

impl Wakers {
    fn add(&mut self, entry: Entry) {
        entry.waiter.woken.store(true, Ordering::Release);
        if self.first.is_none() {
            self.first = Some(entry.waker);
        } else {
            self.others.push(entry.waker);
        }
    }

    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// Wakes them, and returns how many there were.
    fn wake(self) -> usize {
        let count = self.len();
        if let Some(first) = self.first {
            first.wake();
        }
        for other in self.others {
            other.wake();
        }
        count
    }
}

impl Key {
    pub(super) fn new(object: usize, offset: usize) -> Self {
        Self { object, offset }
    }

    fn bucket(self) -> usize {
        let mixed = (self.object ^ self.offset.rotate_left(23)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed >> (usize::BITS - BUCKETS.trailing_zeros())
    }
}

/// A thread's place in the queue of a futex. It leaves the queue when the wait ends, however it ends.
pub struct Place<'a>(&'a Arc<Waiter>);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Takes a place in the queue of a futex if `check`, called with the queue locked so that no wake-up passes between, says so; what it gave instead
/// when that is an error. Wake-ups whose bits meet `bits` end the wait.
pub fn begin<E>(thread: &Thread, key: Key, bits: u32, check: impl FnOnce() -> Result<(), E>) -> Result<Place<'_>, E> {
    let waiter = &thread.futex_waiter;
    let mut queue = QUEUES[key.bucket()].lock();
    check()?;
    waiter.begin(key);
    queue.push(Entry {
        key,
        bits,
        waker: thread.waker(),
        waiter: waiter.clone(),
    });
    Ok(Place(waiter))
}

impl Place<'_> {
    /// Whether a wake-up has come.
    pub fn is_woken(&self) -> bool {
        self.0.woken.load(Ordering::Acquire)
    }

    /// Leaves the queue. True when a wake-up came before: it was meant for this waiter and counts.
    pub fn leave(&self) -> bool {
        while !self.is_woken() {
            let bucket = self.0.bucket.load(Ordering::Acquire);
            let mut queue = QUEUES[bucket].lock();
            let place = queue.iter().position(|entry| Arc::ptr_eq(&entry.waiter, self.0));
            if let Some(place) = place {
                queue.remove(place);
                self.0.woken.store(true, Ordering::Release);
                return false;
            }
        }
        true
    }

    /// Waits for a wake-up, until the deadline, or a signal.
    pub async fn wait(self, thread: &Thread, deadline: Option<Deadline>) -> Result<(), Stop> {
        // The entry has the task's waker; nothing to register again.
        let woken = poll_fn(|_| {
            if self.is_woken() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        match thread.wait_until(deadline, woken).await {
            Err(_) if self.leave() => Ok(()),
            result => result,
        }
    }
}

/// Wakes up to `count` waiters whose bits meet `bits`, and returns how many.
pub fn wake(key: Key, count: usize, bits: u32) -> usize {
    let mut wakers = Wakers::default();
    {
        let mut queue = QUEUES[key.bucket()].lock();
        let mut index = 0;
        while index < queue.len() && wakers.len() < count {
            if queue[index].key == key && queue[index].bits & bits != 0 {
                // Often there is no other.
                let entry = if index + 1 == queue.len() {
                    queue.swap_remove(index)
                } else {
                    queue.remove(index)
                };
                wakers.add(entry);
            } else {
                index += 1;
            }
        }
    }
    wakers.wake()
}

/// Wakes up to `wake_count` waiters of a futex and lets up to `move_count` others wait for another one instead, if `check` agrees while
/// both are locked. Returns how many were woken and moved.
pub fn requeue<E>(
    from: Key,
    to: Key,
    wake_count: usize,
    move_count: usize,
    check: impl FnOnce() -> Result<(), E>,
) -> Result<(usize, usize), E> {
    let (first, second) = (from.bucket().min(to.bucket()), from.bucket().max(to.bucket()));
    let mut wakers = Wakers::default();
    let mut moved = 0;
    {
        // In the order of their numbers, so that two requeues do not wait for each other.
        let mut low = QUEUES[first].lock();
        let mut high = (first != second).then(|| QUEUES[second].lock());
        check()?;
        let mut index = 0;
        loop {
            let source = match &mut high {
                Some(high) if from.bucket() == second => &mut **high,
                _ => &mut *low,
            };
            let Some(entry) = source.get(index) else { break };
            if entry.key != from {
                index += 1;
            } else if wakers.len() < wake_count {
                wakers.add(source.remove(index));
            } else if moved < move_count {
                moved += 1;
                if from == to {
                    index += 1;
                    continue;
                }
                let mut entry = source.remove(index);
                entry.key = to;
                entry.waiter.bucket.store(to.bucket(), Ordering::Release);
                match &mut high {
                    Some(high) if to.bucket() == second => high.push(entry),
                    _ => low.push(entry),
                }
            } else {
                break;
            }
        }
    }
    Ok((wakers.wake(), moved))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::task::Context;

    fn enqueue(key: Key, bits: u32) -> Arc<Waiter> {
        let waiter = Waiter::new();
        waiter.begin(key);
        QUEUES[key.bucket()].lock().push(Entry {
            key,
            bits,
            waker: Context::from_waker(Waker::noop()).waker().clone(),
            waiter: waiter.clone(),
        });
        waiter
    }

    #[test]
    fn a_wake_up_takes_the_first_with_the_right_bits() {
        let key = Key::new(1, 4);
        let (one, two, three) = (enqueue(key, 1), enqueue(key, 2), enqueue(key, ANY_BITS));
        assert_eq!(wake(key, 1, 2), 1);
        assert_eq!(wake(Key::new(1, 8), 9, ANY_BITS), 0);
        assert!(!one.woken.load(Ordering::Relaxed) && two.woken.load(Ordering::Relaxed));
        assert_eq!(wake(key, 9, ANY_BITS), 2);
        assert!(one.woken.load(Ordering::Relaxed) && three.woken.load(Ordering::Relaxed));
    }

    #[test]
    fn a_requeue_wakes_some_and_moves_others_in_order() {
        let waiters: Vec<_> = (0..5).map(|_| enqueue(Key::new(2, 0), ANY_BITS)).collect();
        for target in [Key::new(2, 4), Key::new(3, 64)] {
            let moved = requeue::<()>(Key::new(2, 0), target, 1, 1, || Ok(())).unwrap();
            assert_eq!(moved, (1, 1));
            assert_eq!(wake(target, 9, ANY_BITS), 1);
        }
        assert_eq!(wake(Key::new(2, 0), 9, ANY_BITS), 1);
        assert!(waiters.iter().all(|waiter| waiter.woken.load(Ordering::Relaxed)));
        assert_eq!(requeue(Key::new(2, 0), Key::new(2, 4), 1, 1, || Err(7)), Err(7));
    }

    #[test]
    fn a_place_that_is_left_is_taken_out_also_after_a_requeue() {
        let key = Key::new(4, 0);
        let waiter = enqueue(key, ANY_BITS);
        let target = Key::new(5, 1 << 20);
        requeue::<()>(key, target, 0, 1, || Ok(())).unwrap();
        drop(Place(&waiter));
        assert_eq!(wake(target, 9, ANY_BITS), 0);
    }

    const ANY_BITS: u32 = super::super::ANY;
}
