//! `epoll_ctl(2)` and `epoll_wait(2)`.

use abi::general::EPOLL_CTL_DEL;
use abi::{EpollEvent, Errno};
use file::Fault;
use file::epoll::Epoll;
use hal::mem::PAGE_SIZE;
use hal::user;
use zerocopy::IntoBytes;

use super::mask::with_mask;
use super::wait::deadline_after;
use super::{Call, Error, Progress, Result, Stop};
use crate::process::Thread;

/// Events that are written to the application at a time.
const BATCH: usize = 64;
/// Events that are told without a future.
const FEW: usize = 16;

/// `epoll_ctl(epfd, operation, fd, event)`
pub(super) async fn ctl(thread: &Thread, call: &Call) -> Result {
    let operation = call.unsigned(1);
    let event: EpollEvent = match operation {
        EPOLL_CTL_DEL => EpollEvent::default(),
        _ => thread.memory.read(call.word(3)).await?,
    };
    let epoll = thread.file(call.int(0))?;
    let target = thread.file(call.int(2))?;
    if target.file().wait_queue().is_none() {
        return Err(Errno::PERM.into());
    }
    let epoll = epoll.downcast::<Epoll>().ok_or(Errno::INVAL)?;
    epoll.control(operation, call.int(2), &target, event)?;
    Ok(0)
}

/// The end of a time of milliseconds from now; none when negative.
pub(super) fn deadline_after_milliseconds(milliseconds: i32) -> Option<u64> {
    let milliseconds = u64::try_from(milliseconds).ok()?;
    Some(hal::time::monotonic() + milliseconds * 1_000_000)
}

/// `epoll_wait(epfd, events, count, milliseconds)`
pub(super) async fn wait(thread: &Thread, call: &Call) -> Result {
    let milliseconds = call.int(3);
    collect(thread, call, milliseconds == 0, || {
        deadline_after_milliseconds(milliseconds)
    })
    .await
}

/// `epoll_wait` where something is to be told already.
pub(super) fn begin_wait<'a>(thread: &Thread, call: &Call) -> Progress<'a> {
    Progress::at_once(collect_at_once(thread, call))
}

/// Nothing has happened when it gives nothing.
fn collect_at_once(thread: &Thread, call: &Call) -> Option<Result> {
    let (address, maximum) = (call.word(1), usize::try_from(call.int(2)).ok()?);
    let file = thread.file(call.int(0)).ok()?;
    let epoll = file.downcast::<Epoll>()?;
    let mut left = epoll.candidates();
    let wanted = left.min(maximum);
    if wanted == 0 || wanted > FEW {
        return None;
    }
    check_room(address, wanted).ok()?;
    let mut events = [EpollEvent::default(); FEW];
    let count = epoll.collect(&mut events[..wanted], &mut left);
    if count == 0 {
        return None;
    }
    Some(match user::copy_to_user(address, events[..count].as_bytes()) {
        Ok(()) => Ok(count),
        Err(_) => Err(Errno::FAULT.into()),
    })
}

/// `epoll_pwait(epfd, events, count, milliseconds, mask, size)`
pub(super) async fn pwait(thread: &Thread, call: &Call) -> Result {
    with_mask(thread, call.word(4), call.word(5), wait(thread, call)).await
}

/// `epoll_pwait2(epfd, events, count, time, mask, size)`
pub(super) async fn pwait2(thread: &Thread, call: &Call) -> Result {
    let deadline = deadline_after(thread, call.word(3)).await?;
    let wait = collect(thread, call, false, || deadline);
    with_mask(thread, call.word(4), call.word(5), wait).await
}

async fn collect(thread: &Thread, call: &Call, polls: bool, deadline: impl FnOnce() -> Option<u64>) -> Result {
    let (address, maximum) = (call.word(1), call.int(2));
    if maximum <= 0 || maximum as usize > i32::MAX as usize / size_of::<EpollEvent>() {
        return Err(Errno::INVAL.into());
    }
    let file = thread.file(call.int(0))?;
    let epoll = file.downcast::<Epoll>().ok_or(Errno::INVAL)?;
    let mut deadline = Some(deadline);
    let mut ends = None;
    loop {
        let ticket = epoll.waiters().ticket();
        let count = report(thread, epoll, address, maximum as usize).await?;
        if count > 0 {
            return Ok(count);
        }
        if polls {
            return Ok(0);
        }
        // The clock is read only by who has to wait.
        if let Some(deadline) = deadline.take() {
            ends = deadline();
        }
        match thread.wait_until(ends, epoll.waiters().wait(ticket)).await {
            Ok(()) => {}
            Err(Stop::TimedOut) => return Ok(0),
            Err(Stop::Signal) => return Err(Error::Errno(Errno::INTR)),
        }
    }
}

/// Whether so many events, a batch at most, can be written now. What is told is told once: it is not taken before there is room for it.
fn check_room(address: usize, count: usize) -> core::result::Result<(), Fault> {
    let last = address.wrapping_add(count * size_of::<EpollEvent>() - 1);
    // A batch lies in two pages at most.
    for place in [address, last] {
        let word = place & !(size_of::<u32>() - 1);
        // A write that changes nothing.
        let write = |value| user::compare_exchange_u32(word, value, value);
        if user::load_u32(word).and_then(write).is_err() {
            return Err(Fault {
                address: place,
                write: true,
            });
        }
    }
    Ok(())
}

/// Writes the events that there are, `maximum` at most, and returns how many.
async fn report(thread: &Thread, epoll: &Epoll, address: usize, maximum: usize) -> Result {
    let mut events = [EpollEvent::default(); BATCH];
    let mut left = epoll.candidates();
    let mut done = 0;
    while done < maximum && left > 0 {
        let mut wanted = BATCH.min(maximum - done).min(left);
        let place = address.wrapping_add(done * size_of::<EpollEvent>());
        while let Err(fault) = check_room(place, wanted) {
            if let Err(errno) = thread.memory.fault_in(fault).await {
                // What fits before that is told.
                let page = fault.address & !(PAGE_SIZE - 1);
                wanted = page.saturating_sub(place) / size_of::<EpollEvent>();
                match (wanted, done) {
                    (0, 0) => return Err(errno.into()),
                    (0, _) => return Ok(done),
                    _ => {}
                }
            }
        }
        let count = epoll.collect(&mut events[..wanted], &mut left);
        match thread.memory.write_bytes(place, events[..count].as_bytes()).await {
            Ok(()) => done += count,
            Err(errno) if done == 0 => return Err(errno.into()),
            Err(_) => break,
        }
    }
    Ok(done)
}
