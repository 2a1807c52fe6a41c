//! Linux's own asynchronous input and output (`io_submit(2)`). What is asked for is done before the call returns: files lie in the page cache,
//! and a caller that cares for more has threads.

use abi::Errno;
use alloc::sync::Arc;
use file::eventfd::EventFd;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::wait::deadline_after;
use super::{Call, Error, Result, Stop, mask, storage, transfer};
use crate::memory::{Place, Protection, Request};
use crate::process::Thread;
use crate::process::aio::{Context, Event};
use hal::mem::PAGE_SIZE;

/// Events that all contexts of a process have room for (`fs.aio-max-nr`).
const EVENTS_MAX: usize = 65536;
/// Events that make no sense to ask for.
const TOO_MANY: u32 = (1 << 28) / size_of::<Event>() as u32;

const PREAD: u16 = 0;
const PWRITE: u16 = 1;
const FSYNC: u16 = 2;
const FDSYNC: u16 = 3;
const PREADV: u16 = 7;
const PWRITEV: u16 = 8;

/// The event also counts up an `eventfd(2)`.
const FLAG_EVENTFD: u32 = 1;
/// The request has an I/O priority.
const FLAG_PRIORITY: u32 = 2;

/// `struct iocb`
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Block {
    data: u64,
    key: u32,
    rw_flags: u32,
    operation: u16,
    priority: i16,
    descriptor: u32,
    buffer: u64,
    length: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    eventfd: u32,
}

/// `io_setup(events, context)`
pub(super) async fn io_setup(thread: &Thread, call: &Call) -> Result {
    let (count, address) = (call.unsigned(0), call.word(1));
    let before: usize = thread.memory.read(address).await?;
    if before != 0 || count == 0 || count > TOO_MANY {
        return Err(Errno::INVAL.into());
    }
    let contexts = &thread.process.aio;
    if contexts.capacity() + count as usize > EVENTS_MAX {
        return Err(Errno::AGAIN.into());
    }
    // A context is known by an address. libaio looks there for a ring that can be read without a call, and finds zeros: there is none.
    let id = thread
        .memory
        .map(Place::Hint(0), PAGE_SIZE, Request::anonymous(Protection::READ))?;
    if let Err(errno) = thread.memory.write(address, &id).await {
        thread.memory.unmap(id, PAGE_SIZE)?;
        return Err(errno.into());
    }
    contexts.add(id, Context::new(count as usize));
    Ok(0)
}

/// `io_destroy(context)`
pub(super) fn io_destroy(thread: &Thread, call: &Call) -> Result {
    if !thread.process.aio.destroy(call.word(0)) {
        return Err(Errno::INVAL.into());
    }
    // Who has put something else there has to do without the page.
    let _ = thread.memory.unmap(call.word(0), PAGE_SIZE);
    Ok(0)
}

fn context(thread: &Thread, call: &Call) -> core::result::Result<Arc<Context>, Errno> {
    thread.process.aio.get(call.word(0)).ok_or(Errno::INVAL)
}

/// Does what one request asks for. An error means that it was not taken; what went wrong with one that was is in its event.
async fn submit(thread: &Thread, context: &Context, address: usize) -> Result<()> {
    let block: Block = thread.memory.read(address).await?;
    if block.reserved != 0 || block.flags & !(FLAG_EVENTFD | FLAG_PRIORITY) != 0 || i64::try_from(block.length).is_err()
    {
        return Err(Errno::INVAL.into());
    }
    if !context.has_room() {
        return Err(Errno::AGAIN.into());
    }
    thread.file(block.descriptor as i32)?;
    let counter = if block.flags & FLAG_EVENTFD != 0 {
        let file = thread.file(block.eventfd as i32)?;
        if file.downcast::<EventFd>().is_none() {
            return Err(Errno::INVAL.into());
        }
        Some(file)
    } else {
        None
    };
    let call = Call {
        number: 0,
        arguments: [
            block.descriptor as usize,
            block.buffer as usize,
            block.length as usize,
            block.offset as usize,
            0,
            block.rw_flags as usize,
        ],
        stack_pointer: 0,
    };
    let result = match block.operation {
        FSYNC => storage::fsync(thread, &call, false).await,
        FDSYNC => storage::fsync(thread, &call, true).await,
        // No flag of `preadv2(2)` makes sense to somebody who does not wait.
        _ if block.rw_flags != 0 => return Err(Errno::OPNOTSUPP.into()),
        PREAD => transfer::pread(thread, &call).await,
        PWRITE => transfer::pwrite(thread, &call).await,
        PREADV => transfer::preadv(thread, &call).await,
        PWRITEV => transfer::pwritev(thread, &call).await,
        _ => return Err(Errno::INVAL.into()),
    };
    let result = match result {
        Ok(count) => count as i64,
        // What the file was not opened for is refused at once.
        Err(Error::Errno(Errno::BADF)) => return Err(Errno::BADF.into()),
        Err(Error::Errno(errno)) => errno.to_return_value() as i64,
        Err(_) => Errno::INTR.to_return_value() as i64,
    };
    context.add(Event {
        data: block.data,
        request: address as u64,
        result,
        second_result: 0,
    });
    if let Some(counter) = counter.as_ref().and_then(|file| file.downcast::<EventFd>()) {
        counter.increment();
    }
    Ok(())
}

/// `io_submit(context, count, requests)`: how many of them were taken, or why the first was not.
pub(super) async fn io_submit(thread: &Thread, call: &Call) -> Result {
    let count = usize::try_from(call.long(1)).map_err(|_| Errno::INVAL)?;
    let context = context(thread, call)?;
    for done in 0..count.min(EVENTS_MAX) {
        let taken = match call.word(2).checked_add(done * size_of::<usize>()) {
            Some(place) => match thread.memory.read::<usize>(place).await {
                Ok(address) => submit(thread, &context, address).await,
                Err(errno) => Err(errno.into()),
            },
            None => Err(Errno::FAULT.into()),
        };
        match taken {
            Ok(()) => {}
            Err(_) if done > 0 => return Ok(done),
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// `io_cancel(context, request, event)`: what was submitted is done.
pub(super) async fn io_cancel(thread: &Thread, call: &Call) -> Result {
    let _: Block = thread.memory.read(call.word(1)).await?;
    context(thread, call)?;
    Err(Errno::INVAL.into())
}

/// `io_getevents(context, least, most, events, timeout)`
pub(super) async fn io_getevents(thread: &Thread, call: &Call) -> Result {
    let deadline = deadline_after(thread, call.word(4)).await?;
    let context = context(thread, call)?;
    let (least, most) = (call.long(1), call.long(2));
    if least < 0 || most < least {
        return Err(Errno::INVAL.into());
    }
    let (least, most) = (least as usize, most as usize);
    let events = loop {
        let ticket = context.arrivals.ticket();
        if let Some(events) = context.take(least, most)? {
            break events;
        }
        match thread.wait_until(deadline, context.arrivals.wait(ticket)).await {
            Ok(()) => {}
            // Whoever has waited long enough gets what there is.
            Err(stop) => match context.take(0, most)? {
                Some(events) if events.is_empty() && stop == Stop::Signal => return Err(Errno::INTR.into()),
                Some(events) => break events,
                None => return Ok(0),
            },
        }
    };
    thread
        .memory
        .write_bytes(call.word(3), events.as_slice().as_bytes())
        .await?;
    Ok(events.len())
}

/// `io_pgetevents(context, least, most, events, timeout, mask)`
pub(super) async fn io_pgetevents(thread: &Thread, call: &Call) -> Result {
    let [address, size]: [usize; 2] = match call.word(5) {
        0 => [0; 2],
        place => thread.memory.read(place).await?,
    };
    mask::with_mask(thread, address, size, io_getevents(thread, call)).await
}

const _: () = assert!(size_of::<Block>() == 64);
