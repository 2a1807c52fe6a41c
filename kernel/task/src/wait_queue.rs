//! Who waits for a change of some object's readiness.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};

use hal::sync::{SpinLock, SpinLockGuard};

/// Told of every notification of a queue, such as an epoll instance. Called with no lock of the queue held.
pub trait Observer: Send + Sync {
    /// The object that `key` was registered for may have become ready.
    fn notify(&self, key: u64);
}

/// The tasks and observers that wait for one object.
///
/// Waiting is: take a ticket ([`WaitQueue::ticket`]), look whether the object is ready, and if it is not, await [`WaitQueue::wait`]
/// with that ticket. A notification between the look and the wait ends the wait at once, so none is lost.
#[derive(Default)]
pub struct WaitQueue {
    /// How many notifications there have been.
    generation: AtomicU64,
    /// Entries of both lists, so that a notification that nobody waits for costs no lock.
    waiting: AtomicUsize,
    lists: SpinLock<Lists>,
}

#[derive(Default)]
struct Lists {
    wakers: Vec<(u64, Waker)>,
    observers: Vec<(u64, u64, Weak<dyn Observer>)>,
    next: u64,
}

impl WaitQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self {
            generation: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            lists: SpinLock::new(Lists {
                wakers: Vec::new(),
                observers: Vec::new(),
                next: 0,
            }),
        }
    }

    /// A mark of the present, for [`WaitQueue::wait`].
    pub fn ticket(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Ends with the first notification after `ticket`.
    pub fn wait(&self, ticket: u64) -> Wait<'_> {
        Wait {
            queue: self,
            ticket,
            entry: None,
        }
    }

    /// Wakes all who wait and tells the observers. Call it after the change, without holding a lock that they take to look.
    pub fn notify(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut lists = self.lists.lock();
        // Most queues have one who waits.
        if lists.observers.is_empty() && lists.wakers.len() == 1 {
            let only = lists.wakers.pop();
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            drop(lists);
            if let Some((_, waker)) = only {
                waker.wake();
            }
            return;
        }
        self.notify_all(lists);
    }

    #[inline(never)]
    fn notify_all(&self, mut lists: SpinLockGuard<'_, Lists>) {
        // What is more than one goes to lists, which need memory only then.
        let (first, others, observer, observers) = {
            let first = lists.wakers.pop();
            let others = if lists.wakers.is_empty() {
                Vec::new()
            } else {
                core::mem::take(&mut lists.wakers)
            };
            self.waiting
                .fetch_sub(usize::from(first.is_some()) + others.len(), Ordering::SeqCst);
            let mut living = lists
                .observers
                .iter()
                .filter_map(|(_, key, observer)| Some((*key, observer.upgrade()?)));
            let observer = living.next();
            let observers: Vec<_> = living.collect();
            let count = usize::from(observer.is_some()) + observers.len();
            if count < lists.observers.len() {
                self.forget_observers(&mut lists, |_, observer| observer.strong_count() == 0);
            }
            (first, others, observer, observers)
        };
        drop(lists);
        for (_, waker) in first.into_iter().chain(others) {
            waker.wake();
        }
        for (key, observer) in observer.into_iter().chain(observers) {
            observer.notify(key);
        }
    }

    /// Tells `observer` of every notification, with `key`, until the registration is given to [`WaitQueue::unregister`].
    pub fn register(&self, observer: &Arc<dyn Observer>, key: u64) -> Registration {
        let mut lists = self.lists.lock();
        lists.next += 1;
        let number = lists.next;
        lists.observers.push((number, key, Arc::downgrade(observer)));
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Registration(number)
    }

    /// Ends a registration; one of another queue has no effect.
    pub fn unregister(&self, registration: &Registration) {
        self.forget_observers(&mut self.lists.lock(), |number, _| number == registration.0);
    }

    fn forget_observers(&self, lists: &mut Lists, is_gone: impl Fn(u64, &Weak<dyn Observer>) -> bool) {
        let before = lists.observers.len();
        lists
            .observers
            .retain(|(number, _, observer)| !is_gone(*number, observer));
        self.waiting.fetch_sub(before - lists.observers.len(), Ordering::SeqCst);
    }
}

impl core::fmt::Debug for WaitQueue {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "WaitQueue({} waiting)", self.waiting.load(Ordering::Relaxed))
    }
}

/// An observer's place in a queue.
#[derive(Debug)]
pub struct Registration(u64);

/// What [`WaitQueue::wait`] returns. Dropping it leaves the queue.
#[derive(Debug)]
pub struct Wait<'a> {
    queue: &'a WaitQueue,
    ticket: u64,
    entry: Option<u64>,
}

impl Wait<'_> {
    fn leave(&mut self) {
        if let Some(entry) = self.entry.take() {
            // Most often who notified has taken it out.
            if self.queue.waiting.load(Ordering::SeqCst) == 0 {
                return;
            }
            let mut lists = self.queue.lists.lock();
            let before = lists.wakers.len();
            lists.wakers.retain(|(number, _)| *number != entry);
            self.queue
                .waiting
                .fetch_sub(before - lists.wakers.len(), Ordering::SeqCst);
        }
    }
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.queue.ticket() != self.ticket {
            self.leave();
            return Poll::Ready(());
        }
        let queue = self.queue;
        let mut lists = queue.lists.lock();
        if let Some(place) = self
            .entry
            .and_then(|entry| lists.wakers.iter().position(|(number, _)| *number == entry))
        {
            lists.wakers[place].1.clone_from(context.waker());
        } else {
            lists.next += 1;
            let number = lists.next;
            lists.wakers.push((number, context.waker().clone()));
            queue.waiting.fetch_add(1, Ordering::SeqCst);
            self.entry = Some(number);
        }
        drop(lists);
        // A notification between the first look and the entry found the list without it.
        if queue.ticket() != self.ticket {
            self.leave();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(wait: &mut Wait<'_>) -> bool {
        Pin::new(wait).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_notification_after_the_ticket_is_not_lost() {
        let queue = WaitQueue::new();
        let ticket = queue.ticket();
        queue.notify();
        assert!(poll(&mut queue.wait(ticket)));
    }

    #[test]
    fn a_wait_ends_with_a_notification_and_leaves_no_entry() {
        let queue = WaitQueue::new();
        let mut wait = queue.wait(queue.ticket());
        assert!(!poll(&mut wait));
        assert!(!poll(&mut wait));
        queue.notify();
        assert!(poll(&mut wait));
        drop(wait);
        let mut dropped = queue.wait(queue.ticket());
        assert!(!poll(&mut dropped));
        drop(dropped);
        assert_eq!(queue.waiting.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn an_observer_hears_until_it_is_unregistered() {
        struct Count(AtomicU64);
        impl Observer for Count {
            fn notify(&self, key: u64) {
                self.0.fetch_add(key, Ordering::Relaxed);
            }
        }
        let queue = WaitQueue::new();
        let count = Arc::new(Count(AtomicU64::new(0)));
        let observer: Arc<dyn Observer> = count.clone();
        let registration = queue.register(&observer, 7);
        queue.notify();
        queue.notify();
        queue.unregister(&registration);
        queue.notify();
        assert_eq!(count.0.load(Ordering::Relaxed), 14);

        queue.register(&observer, 7);
        drop((observer, count));
        queue.notify();
        assert_eq!(queue.waiting.load(Ordering::SeqCst), 0, "one that is gone is forgotten");
    }
}
