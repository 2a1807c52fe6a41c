//! Something that happens once.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};

use hal::sync::SpinLock;

use crate::executor;

/// An event that happens at most once, such as the end of a disk read. Clones share it; awaiting it is cheap once it has happened.
#[derive(Clone)]
pub struct Completion(Arc<Inner>);

struct Inner {
    done: AtomicBool,
    wakers: SpinLock<Vec<Waker>>,
}

impl Completion {
    /// One that has not happened yet.
    #[expect(
        clippy::new_without_default,
        reason = "a default event would read as one that nobody completes"
    )]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            done: AtomicBool::new(false),
            wakers: SpinLock::new(Vec::new()),
        }))
    }

    /// Says that it has happened and wakes all who wait. Doing so again has no effect.
    pub fn complete(&self) {
        let wakers = {
            let mut wakers = self.0.wakers.lock();
            self.0.done.store(true, Ordering::Release);
            core::mem::take(&mut *wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether it has happened.
    pub fn is_complete(&self) -> bool {
        self.0.done.load(Ordering::Acquire)
    }
}

impl Future for Completion {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.is_complete() {
            return Poll::Ready(());
        }
        let mut wakers = self.0.wakers.lock();
        if self.is_complete() {
            return Poll::Ready(());
        }
        if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            wakers.push(context.waker().clone());
        }
        executor::note_blocked();
        Poll::Pending
    }
}

impl core::fmt::Debug for Completion {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "Completion({})", self.is_complete())
    }
}
