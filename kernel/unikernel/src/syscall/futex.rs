//! `futex(2)` and robust lists.

use core::future::{Future, poll_fn};
use core::task::Poll;

use abi::{Errno, Timespec};
use hal::user::UserContext;
use linux_raw_sys::general as linux;
use task::Deadline;

use super::wait::deadline_of_wait;
use super::{Call, Error, Progress, Result, Stop};
use crate::futex::{self, Key, Place, WakeOperation};
use crate::process::Thread;

const OPTIONS: u32 = linux::FUTEX_PRIVATE_FLAG | linux::FUTEX_CLOCK_REALTIME;

fn key(thread: &Thread, call: &Call) -> core::result::Result<Key, Errno> {
    let shared = call.unsigned(1) & linux::FUTEX_PRIVATE_FLAG == 0;
    Key::of(&thread.memory, call.word(0), shared)
}

/// Wakes, or begins to wait without a time limit.
pub(super) fn attempt<'a>(thread: &'a Thread, call: &Call) -> Progress<'a> {
    let value = call.unsigned(2);
    let operation = call.unsigned(1) & !OPTIONS;
    let bits = match operation {
        linux::FUTEX_WAKE_BITSET | linux::FUTEX_WAIT_BITSET => call.unsigned(5),
        _ => futex::ANY,
    };
    match operation {
        linux::FUTEX_WAKE | linux::FUTEX_WAKE_BITSET if bits != 0 => {
            let wake = |key| futex::wake(key, value.max(1) as usize, bits);
            Progress::Over(key(thread, call).map(wake).map_err(Error::from))
        }
        linux::FUTEX_WAIT | linux::FUTEX_WAIT_BITSET if bits != 0 && call.word(3) == 0 => {
            let key = match key(thread, call) {
                Ok(key) => key,
                Err(errno) => return Progress::Over(Err(errno.into())),
            };
            match futex::begin(thread, key, bits, || check(call.word(0), value)) {
                Ok(place) => Progress::Futex(place),
                Err(Some(errno)) => Progress::Over(Err(errno.into())),
                // The word has to be brought in.
                Err(None) => Progress::Waits,
            }
        }
        linux::FUTEX_WAKE_BITSET => Progress::Over(Err(Errno::INVAL.into())),
        _ => Progress::Waits,
    }
}

/// Waits in a place without a time limit.
pub fn stay(thread: &Thread, context: &mut UserContext, place: &Place<'_>) -> impl Future<Output = Result> {
    poll_fn(move |_| {
        if place.is_woken() {
            return Poll::Ready(Ok(0));
        }
        if thread.is_interrupted() {
            let woken = place.leave();
            return Poll::Ready(if woken { Ok(0) } else { Err(Error::INTERRUPTED) });
        }
        context.park();
        Poll::Pending
    })
}

/// Whether to wait: `EAGAIN` for another value, no number when the word is not there.
fn check(address: usize, value: u32) -> core::result::Result<(), Option<Errno>> {
    match hal::user::load_u32(address) {
        Ok(found) if found == value => Ok(()),
        Ok(_) => Err(Some(Errno::AGAIN)),
        Err(_) => Err(None),
    }
}

/// What [`attempt`] leaves.
pub(super) async fn futex(thread: &Thread, call: &Call) -> Result {
    let operation = call.unsigned(1);
    let shared = operation & linux::FUTEX_PRIVATE_FLAG == 0;
    let address = call.word(0);
    let value = call.unsigned(2);
    let memory = &thread.memory;
    let key = || key(thread, call);
    let second = || Key::of(memory, call.word(4), shared);
    match operation & !OPTIONS {
        linux::FUTEX_WAIT => {
            // A duration is the same on either clock.
            let deadline = deadline_of_wait(thread, call.word(3)).await?.map(Deadline::from);
            wait(thread, key()?, address, value, futex::ANY, deadline).await
        }
        linux::FUTEX_WAIT_BITSET => {
            let bits = call.unsigned(5);
            if bits == 0 {
                return Err(Errno::INVAL.into());
            }
            let realtime = operation & linux::FUTEX_CLOCK_REALTIME != 0;
            let deadline = absolute_deadline(thread, call.word(3), realtime).await?;
            wait(thread, key()?, address, value, bits, deadline).await
        }
        linux::FUTEX_REQUEUE => {
            let counts = counts(value, call.word(3))?;
            let (woken, moved) = futex::requeue(key()?, second()?, counts.0, counts.1, || Ok::<_, Error>(()))?;
            Ok(woken + moved)
        }
        linux::FUTEX_CMP_REQUEUE => {
            let counts = counts(value, call.word(3))?;
            let (key, second) = (key()?, second()?);
            loop {
                // The page is brought in first; the comparison itself must not wait.
                futex::load(memory, address).await?;
                let compared = futex::requeue(key, second, counts.0, counts.1, || match hal::user::load_u32(address) {
                    Ok(found) if found == call.unsigned(5) => Ok(()),
                    Ok(_) => Err(Some(Errno::AGAIN)),
                    Err(_) => Err(None),
                });
                match compared {
                    Ok((woken, moved)) => return Ok(woken + moved),
                    Err(Some(errno)) => return Err(errno.into()),
                    Err(None) => {}
                }
            }
        }
        linux::FUTEX_WAKE_OP => {
            let change = WakeOperation::new(call.unsigned(5))?;
            let (key, second) = (key()?, second()?);
            let old = futex::modify(memory, call.word(4), |word| change.apply(word)).await?;
            let mut woken = futex::wake(key, value.max(1) as usize, futex::ANY);
            if change.wakes(old) {
                woken += futex::wake(second, (call.word(3) as u32).max(1) as usize, futex::ANY);
            }
            Ok(woken)
        }
        linux::FUTEX_LOCK_PI | linux::FUTEX_LOCK_PI2 => {
            let realtime = operation & !linux::FUTEX_PRIVATE_FLAG == linux::FUTEX_LOCK_PI
                || operation & linux::FUTEX_CLOCK_REALTIME != 0;
            let deadline = absolute_deadline(thread, call.word(3), realtime).await?;
            lock_inheriting(thread, key()?, address, deadline).await
        }
        linux::FUTEX_TRYLOCK_PI => try_lock_inheriting(thread, address).await,
        linux::FUTEX_UNLOCK_PI => unlock_inheriting(thread, key()?, address).await,
        _ => Err(Errno::NOSYS.into()),
    }
}

fn counts(first: u32, second: usize) -> Result<(usize, usize)> {
    if i32::try_from(first).is_err() || i32::try_from(second as u32).is_err() {
        return Err(Errno::INVAL.into());
    }
    Ok((first as usize, second as u32 as usize))
}

async fn wait(thread: &Thread, key: Key, address: usize, value: u32, bits: u32, deadline: Option<Deadline>) -> Result {
    loop {
        let place = match futex::begin(thread, key, bits, || check(address, value)) {
            Ok(place) => place,
            Err(Some(errno)) => return Err(errno.into()),
            Err(None) => {
                futex::load(&thread.memory, address).await?;
                continue;
            }
        };
        return match place.wait(thread, deadline).await {
            Ok(()) => Ok(0),
            Err(Stop::TimedOut) => Err(Errno::TIMEDOUT.into()),
            Err(Stop::Signal) => Err(match deadline {
                None => Error::INTERRUPTED,
                Some(Deadline::Monotonic(deadline)) => Error::interrupted_until(deadline),
                Some(Deadline::Realtime(_)) => Error::INTERRUPTED_ONCE,
            }),
        };
    }
}

async fn absolute_deadline(thread: &Thread, address: usize, realtime: bool) -> Result<Option<Deadline>> {
    if address == 0 {
        return Ok(None);
    }
    // A wait that goes on is told its end anew.
    let _ = thread.take_deadline();
    let time = thread.memory.read::<Timespec>(address).await?.to_nanoseconds()?;
    Ok(Some(if realtime {
        Deadline::Realtime(time)
    } else {
        Deadline::Monotonic(time)
    }))
}

const TID_MASK: u32 = linux::FUTEX_TID_MASK;
const WAITERS: u32 = linux::FUTEX_WAITERS;

async fn try_lock_inheriting(thread: &Thread, address: usize) -> Result {
    let tid = thread.tid as u32;
    loop {
        let word = futex::load(&thread.memory, address).await?;
        if word & TID_MASK == tid {
            return Err(Errno::DEADLK.into());
        }
        if word & TID_MASK != 0 {
            return Err(Errno::AGAIN.into());
        }
        let taken = word & (WAITERS | linux::FUTEX_OWNER_DIED) | tid;
        if futex::compare_exchange(&thread.memory, address, word, taken).await? == word {
            return Ok(0);
        }
    }
}

/// There are no priorities to inherit; what remains is a lock that the kernel hands over.
async fn lock_inheriting(thread: &Thread, key: Key, address: usize, deadline: Option<Deadline>) -> Result {
    loop {
        match try_lock_inheriting(thread, address).await {
            Err(Error::Errno(Errno::AGAIN)) => {}
            result => return result,
        }
        let word = futex::load(&thread.memory, address).await?;
        if word & TID_MASK == 0 {
            continue;
        }
        let marked = word | WAITERS;
        if futex::compare_exchange(&thread.memory, address, word, marked).await? != word {
            continue;
        }
        match wait(thread, key, address, marked, futex::ANY, deadline).await {
            Ok(_) | Err(Error::Errno(Errno::AGAIN)) => {}
            Err(error) => return Err(error),
        }
    }
}

async fn unlock_inheriting(thread: &Thread, key: Key, address: usize) -> Result {
    let word = futex::load(&thread.memory, address).await?;
    if word & TID_MASK != thread.tid as u32 {
        return Err(Errno::PERM.into());
    }
    // Waiters mark the word again when they fail to take it.
    futex::modify(&thread.memory, address, |_| 0).await?;
    futex::wake(key, usize::MAX, futex::ANY);
    Ok(0)
}

pub(super) fn set_robust_list(thread: &Thread, call: &Call) -> Result {
    const HEAD_SIZE: usize = 24;
    if call.word(1) != HEAD_SIZE {
        return Err(Errno::INVAL.into());
    }
    thread
        .robust_list
        .store(call.word(0), core::sync::atomic::Ordering::Relaxed);
    Ok(0)
}

pub(super) async fn get_robust_list(thread: &Thread, call: &Call) -> Result {
    let tid = if call.int(0) == 0 { thread.tid } else { call.int(0) };
    let target = thread.process.thread(tid).ok_or(Errno::SRCH)?;
    let head = target.robust_list.load(core::sync::atomic::Ordering::Relaxed);
    thread.memory.write(call.word(1), &head).await?;
    thread.memory.write(call.word(2), &24_usize).await?;
    Ok(0)
}
