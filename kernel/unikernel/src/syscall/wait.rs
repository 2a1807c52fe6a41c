//! Waiting in system calls: for files, for time, until a signal comes.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;

use abi::{Errno, Timespec};
use file::File;
use hal::user::UserContext;
use task::{Completion, Deadline, WaitQueue};

use super::{Error, Result};
use crate::memory::{self, Use};
use crate::process::{ExitStatus, Thread};

/// Why a wait ended before what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The time is over.
    TimedOut,
    /// A signal is to be delivered.
    Signal,
}

impl Thread {
    /// Waits for a future until a signal comes or a deadline passes; a number is one of `hal::time::monotonic`, in nanoseconds.
    pub async fn wait_until<F: Future>(
        &self,
        deadline: Option<impl Into<Deadline>>,
        future: F,
    ) -> core::result::Result<F::Output, Stop> {
        let mut future = pin!(future);
        let mut sleep = deadline.map(task::sleep_until);
        poll_fn(|context| {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(value));
            }
            // The thread's waker is the task's own, so a signal's sender reaches this wait without an entry anywhere.
            if self.is_interrupted() {
                return Poll::Ready(Err(Stop::Signal));
            }
            match &mut sleep {
                Some(sleep) => pin!(sleep).poll(context).map(|()| Err(Stop::TimedOut)),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Waits for the first notification of a queue after `ticket`, until a signal comes. The CPU may run other threads meanwhile.
    pub(super) fn wait_notified(
        &self,
        context: &mut UserContext,
        queue: &WaitQueue,
        ticket: u64,
    ) -> impl Future<Output = Result<()>> {
        let mut wait = queue.wait(ticket);
        poll_fn(move |task| match Pin::new(&mut wait).poll(task) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending if self.is_interrupted() => Poll::Ready(Err(Error::INTERRUPTED)),
            Poll::Pending => {
                context.park();
                Poll::Pending
            }
        })
    }

    /// Waits for something that happens, whatever signals come, unless the thread ends.
    pub(crate) async fn wait_or_leave(&self, mut completion: Completion) {
        poll_fn(|context| {
            if Pin::new(&mut completion).poll(context).is_ready() {
                return Poll::Ready(());
            }
            // No other thread may have been told of it.
            if let Some(signal) = self.deadly_signal() {
                self.process.end(ExitStatus::Signal(signal));
            }
            if self.is_leaving() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Waits for a future until a signal comes.
    pub async fn wait<F: Future>(&self, future: F) -> Result<F::Output> {
        self.wait_until(None::<Deadline>, future)
            .await
            .map_err(|_| Error::INTERRUPTED)
    }
}

/// The end of a `struct timespec` from now; none for a null pointer.
pub(super) async fn deadline_after(thread: &Thread, address: usize) -> Result<Option<u64>> {
    if address == 0 {
        return Ok(None);
    }
    let time: Timespec = thread.memory.read(address).await?;
    Ok(Some(hal::time::monotonic().saturating_add(time.to_nanoseconds()?)))
}

/// The same for a call that ends with [`Error::interrupted_until`]: a wait that goes on keeps its end.
pub(super) async fn deadline_of_wait(thread: &Thread, address: usize) -> Result<Option<u64>> {
    let kept = thread.take_deadline();
    Ok(deadline_after(thread, address)
        .await?
        .map(|deadline| kept.unwrap_or(deadline)))
}

/// How a call waits for a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting {
    /// `EAGAIN` instead of a wait.
    pub nonblocking: bool,
    /// `EAGAIN` at this time of `hal::time::monotonic`, as with `SO_RCVTIMEO`; an interrupted call then does not start again.
    pub deadline: Option<u64>,
}

/// How often an operation has found no memory.
#[derive(Default)]
struct Shortages(u32);

impl Shortages {
    /// Gives memory back, and says whether to try again. There is an end to that: some operations fail for a limit, not for memory.
    async fn relieve(&mut self) -> bool {
        const MOST: u32 = 16;
        self.0 += 1;
        self.0 <= MOST && memory::relieve_in_time(Use::Lasting).await
    }
}

/// Runs an operation on a file until it gives a result: waits for its readiness (unless told not to), for the disk and for memory, and brings in
/// pages of user memory. The operation starts afresh each time.
pub async fn retry<T>(
    thread: &Thread,
    file: &dyn File,
    waiting: Waiting,
    mut operation: impl FnMut() -> file::Result<T>,
) -> Result<T> {
    let mut shortages = Shortages::default();
    loop {
        let ticket = file.wait_queue().map(|queue| (queue, queue.ticket()));
        match operation() {
            Ok(value) => return Ok(value),
            Err(file::Error::Errno(errno)) => {
                if errno != Errno::NOMEM || !shortages.relieve().await {
                    return Err(errno.into());
                }
            }
            Err(file::Error::Interrupted) => return Err(Error::INTERRUPTED),
            Err(file::Error::Fault(fault)) => thread.memory.fault_in(fault).await?,
            Err(file::Error::Pending(completion)) => completion.await,
            Err(file::Error::Shortage) => memory::find_page(Use::File).await,
            Err(file::Error::WouldBlock) => {
                let Some((queue, ticket)) = ticket.filter(|_| !waiting.nonblocking) else {
                    return Err(Errno::AGAIN.into());
                };
                match thread.wait_until(waiting.deadline, queue.wait(ticket)).await {
                    Ok(()) => {}
                    Err(Stop::TimedOut) => return Err(Errno::AGAIN.into()),
                    Err(Stop::Signal) if waiting.deadline.is_some() => return Err(Errno::INTR.into()),
                    Err(Stop::Signal) => return Err(Error::INTERRUPTED),
                }
            }
        }
    }
}

/// As [`retry`], for an operation that never waits for readiness, such as path lookup.
pub async fn retry_ready<T>(thread: &Thread, mut operation: impl FnMut() -> file::Result<T>) -> Result<T> {
    loop {
        match operation() {
            Ok(value) => return Ok(value),
            Err(file::Error::Errno(errno)) => return Err(errno.into()),
            Err(file::Error::Interrupted) => return Err(Error::INTERRUPTED),
            Err(file::Error::Fault(fault)) => thread.memory.fault_in(fault).await?,
            Err(file::Error::Pending(completion)) => completion.await,
            Err(file::Error::Shortage) => memory::find_page(Use::File).await,
            Err(file::Error::WouldBlock) => return Err(Errno::AGAIN.into()),
        }
    }
}
