//! `poll(2)` and `select(2)`.

use abi::{Errno, PollDescriptor, Timespec, Timeval};
use alloc::vec;
use alloc::vec::Vec;
use file::Readiness;
use file::poll::{PollEntry, poll, poll_now};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::epoll::deadline_after_milliseconds;
use super::mask::with_mask;
use super::wait::deadline_after;
use super::{Call, Error, Restart, Result, Stop};
use crate::process::Thread;

/// `POLLNVAL`: the descriptor is not open.
const NOT_OPEN: u16 = 0x20;

/// Looks at the entries, and waits until one is ready or the deadline passes.
async fn wait(thread: &Thread, entries: &mut [PollEntry], deadline: Option<u64>, restart: Restart) -> Result {
    let ready = poll_now(entries);
    if ready > 0 || deadline.is_some_and(|deadline| deadline <= hal::time::monotonic()) {
        return Ok(ready);
    }
    match thread.wait_until(deadline, poll(entries)).await {
        Ok(ready) => Ok(ready),
        Err(Stop::TimedOut) => Ok(0),
        Err(Stop::Signal) => Err(Error::Interrupted(restart)),
    }
}

async fn poll_descriptors(
    thread: &Thread,
    address: usize,
    count: usize,
    deadline: Option<u64>,
    restart: Restart,
) -> Result {
    if count > thread.descriptor_limit() {
        return Err(Errno::INVAL.into());
    }
    let mut descriptors: Vec<PollDescriptor> = thread.memory.read_array(address, count).await?;
    let mut unknown = 0;
    let mut entries: Vec<_> = descriptors
        .iter_mut()
        .map(|descriptor| {
            let file = match descriptor.descriptor {
                number if number < 0 => None,
                number => thread.file(number).ok(),
            };
            descriptor.returned = if file.is_none() && descriptor.descriptor >= 0 {
                NOT_OPEN
            } else {
                0
            };
            unknown += usize::from(descriptor.returned != 0);
            PollEntry {
                file,
                interest: Readiness::from_bits_truncate(u32::from(descriptor.events)),
                ready: Readiness::empty(),
            }
        })
        .collect();
    let ready = if unknown > 0 {
        poll_now(&mut entries)
    } else {
        wait(thread, &mut entries, deadline, restart).await?
    };
    for (descriptor, entry) in descriptors.iter_mut().zip(&entries) {
        descriptor.returned |= entry.ready.bits() as u16;
    }
    thread
        .memory
        .write_bytes(address, descriptors.as_slice().as_bytes())
        .await?;
    Ok(ready + unknown)
}

/// `poll(fds, count, milliseconds)`
pub(super) async fn poll_call(thread: &Thread, call: &Call) -> Result {
    let kept = thread.take_deadline();
    let deadline = kept.or_else(|| deadline_after_milliseconds(call.int(2)));
    let restart = deadline.map_or(Restart::WithoutHandler, Restart::Until);
    poll_descriptors(thread, call.word(0), call.word(1), deadline, restart).await
}

/// `ppoll(fds, count, time, mask, size)`
pub(super) async fn ppoll(thread: &Thread, call: &Call) -> Result {
    let deadline = deadline_after(thread, call.word(2)).await?;
    // Its time is written back as what is left.
    let wait = poll_descriptors(thread, call.word(0), call.word(1), deadline, Restart::WithoutHandler);
    let result = with_mask(thread, call.word(3), call.word(4), wait).await;
    write_rest(thread, call.word(2), deadline).await;
    result
}

/// Writes what is left of a time, as Linux does. Where the memory cannot be written, the call's result stands.
async fn write_rest(thread: &Thread, address: usize, deadline: Option<u64>) {
    if let Some(deadline) = deadline {
        let left = deadline.saturating_sub(hal::time::monotonic());
        let _ = thread.memory.write(address, &Timespec::from_nanoseconds(left)).await;
    }
}

const READABLE: Readiness = Readiness::IN.union(Readiness::RDNORM);
const WRITABLE: Readiness = Readiness::OUT.union(Readiness::WRNORM);

/// The three sets of `select(2)`: addresses, what they ask for, and what counts as an answer.
const SETS: [(Readiness, Readiness); 3] = [
    (READABLE, READABLE.union(Readiness::HUP).union(Readiness::ERR)),
    (WRITABLE, WRITABLE.union(Readiness::ERR)),
    (Readiness::PRI, Readiness::PRI),
];

async fn select_descriptors(thread: &Thread, call: &Call, deadline: Option<u64>) -> Result {
    let count = usize::try_from(call.int(0)).map_err(|_| Errno::INVAL)?;
    let count = count.min(thread.files().capacity());
    let words = count.div_ceil(64);
    let mut sets: [Option<Vec<u64>>; 3] = [None, None, None];
    for (index, set) in sets.iter_mut().enumerate() {
        let address = call.word(1 + index);
        if address != 0 {
            *set = Some(thread.memory.read_array(address, words).await?);
        }
    }
    let asks = |set: &Option<Vec<u64>>, number: usize| {
        set.as_ref()
            .is_some_and(|words| words[number / 64] >> (number % 64) & 1 == 1)
    };
    let mut chosen = Vec::new();
    let mut entries = Vec::new();
    for number in 0..count {
        let mut interest = Readiness::empty();
        for (set, (wanted, _)) in sets.iter().zip(SETS) {
            interest.set(wanted, asks(set, number));
        }
        if !interest.is_empty() {
            chosen.push(number);
            entries.push(PollEntry {
                file: Some(thread.file(number as i32)?),
                interest,
                ready: Readiness::empty(),
            });
        }
    }
    wait(thread, &mut entries, deadline, Restart::WithoutHandler).await?;
    let mut total = 0;
    for (index, set) in sets.iter().enumerate().filter(|(_, set)| set.is_some()) {
        let mut answer = vec![0_u64; words];
        for (&number, entry) in chosen.iter().zip(&entries) {
            if asks(set, number) && entry.ready.intersects(SETS[index].1) {
                answer[number / 64] |= 1 << (number % 64);
                total += 1;
            }
        }
        thread
            .memory
            .write_bytes(call.word(1 + index), answer.as_bytes())
            .await?;
    }
    Ok(total)
}

/// `select(count, reads, writes, exceptions, time)`
pub(super) async fn select(thread: &Thread, call: &Call) -> Result {
    let address = call.word(4);
    let deadline = match address {
        0 => None,
        _ => {
            let time: Timeval = thread.memory.read(address).await?;
            // Linux takes more than a second's microseconds here.
            let (seconds, microseconds) = (time.seconds, time.microseconds);
            if seconds < 0 || microseconds < 0 {
                return Err(Errno::INVAL.into());
            }
            let length = (seconds as u64).saturating_mul(1_000_000_000);
            let length = length.saturating_add((microseconds as u64).saturating_mul(1000));
            Some(hal::time::monotonic().saturating_add(length))
        }
    };
    let result = select_descriptors(thread, call, deadline).await;
    if let Some(deadline) = deadline {
        let left = deadline.saturating_sub(hal::time::monotonic());
        let _ = thread.memory.write(address, &Timeval::from_nanoseconds(left)).await;
    }
    result
}

/// The last argument of `pselect6`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct MaskArgument {
    address: usize,
    size: usize,
}

/// `pselect6(count, reads, writes, exceptions, time, mask)`
pub(super) async fn pselect6(thread: &Thread, call: &Call) -> Result {
    let mask: MaskArgument = match call.word(5) {
        0 => MaskArgument::default(),
        address => thread.memory.read(address).await?,
    };
    let deadline = deadline_after(thread, call.word(4)).await?;
    let wait = select_descriptors(thread, call, deadline);
    let result = with_mask(thread, mask.address, mask.size, wait).await;
    write_rest(thread, call.word(4), deadline).await;
    result
}
