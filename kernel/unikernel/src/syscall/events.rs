//! Files without names: pipes, `eventfd`, `timerfd`, `epoll_create`.

use abi::general::{EFD_SEMAPHORE, EPOLL_CLOEXEC, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET};
use abi::{Errno, IntervalTimer, OpenFlags};
use file::OpenFile;
use file::epoll::Epoll;
use file::eventfd::EventFd;
use file::pipe;
use file::timerfd::TimerFd;

use super::{Call, Result};
use crate::process::Thread;
use crate::signal::SignalFd;

/// The flags of a call that knows only these.
pub(super) fn flags(bits: u32, known: OpenFlags) -> core::result::Result<OpenFlags, Errno> {
    let flags = OpenFlags::from_bits_retain(bits);
    if known.contains(flags) {
        Ok(flags)
    } else {
        Err(Errno::INVAL)
    }
}

const NONBLOCK_CLOEXEC: OpenFlags = OpenFlags::NONBLOCK.union(OpenFlags::CLOEXEC);

/// `pipe2(fds, flags)`; `pipe(fds)` is the same without flags.
pub(super) async fn pipe2(thread: &Thread, address: usize, bits: u32) -> Result {
    let flags = flags(bits, NONBLOCK_CLOEXEC | OpenFlags::DIRECT)?;
    let owner = thread.process.with_credentials(|credentials| pipe::Owner {
        user: credentials.fsuid,
        group: credentials.fsgid,
    });
    let (reader, writer) = pipe::pipe(flags.contains(OpenFlags::DIRECT), owner);
    let ends = [
        OpenFile::new(reader, flags),
        OpenFile::new(writer, flags | OpenFlags::WRONLY),
    ];
    install_pair(thread, address, ends, flags).await
}

/// Gives two files descriptors and writes those to user memory; all or nothing.
pub(super) async fn install_pair(
    thread: &Thread,
    address: usize,
    files: [alloc::sync::Arc<OpenFile>; 2],
    flags: OpenFlags,
) -> Result {
    let close_on_exec = flags.contains(OpenFlags::CLOEXEC);
    let descriptors = thread.files();
    let [first, second] = files;
    let first = thread.install(first, close_on_exec)?;
    let undo = |number| drop(descriptors.remove(number));
    let second = thread.install(second, close_on_exec).inspect_err(|_| undo(first))?;
    if let Err(errno) = thread.memory.write(address, &[first, second]).await {
        undo(first);
        undo(second);
        return Err(errno.into());
    }
    Ok(0)
}

/// `eventfd2(count, flags)`; `eventfd(count)` is the same without flags.
pub(super) fn eventfd2(thread: &Thread, count: u32, bits: u32) -> Result {
    let semaphore = bits & EFD_SEMAPHORE != 0;
    let flags = flags(bits & !EFD_SEMAPHORE, NONBLOCK_CLOEXEC)?;
    thread.install_new(EventFd::new(count, semaphore), flags | OpenFlags::RDWR)
}

/// `epoll_create1(flags)`
pub(super) fn epoll_create1(thread: &Thread, call: &Call) -> Result {
    if call.unsigned(0) & !EPOLL_CLOEXEC != 0 {
        return Err(Errno::INVAL.into());
    }
    let flags = OpenFlags::from_bits_retain(call.unsigned(0));
    thread.install_new(Epoll::new(), flags | OpenFlags::RDWR)
}

/// `epoll_create(size)`
pub(super) fn epoll_create(thread: &Thread, call: &Call) -> Result {
    if call.int(0) <= 0 {
        return Err(Errno::INVAL.into());
    }
    thread.install_new(Epoll::new(), OpenFlags::RDWR)
}

/// `timerfd_create(clock, flags)`
pub(super) fn timerfd_create(thread: &Thread, call: &Call) -> Result {
    let flags = flags(call.unsigned(1), NONBLOCK_CLOEXEC)?;
    thread.install_new(TimerFd::new(call.unsigned(0))?, flags | OpenFlags::RDWR)
}

/// `timerfd_settime(fd, flags, new, old)`
pub(super) async fn timerfd_settime(thread: &Thread, call: &Call) -> Result {
    let new: IntervalTimer = thread.memory.read(call.word(2)).await?;
    let flags = call.unsigned(1);
    if flags & !(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::INVAL.into());
    }
    let file = thread.file(call.int(0))?;
    let timer = file.downcast::<TimerFd>().ok_or(Errno::INVAL)?;
    let absolute = flags & TFD_TIMER_ABSTIME != 0;
    let old = timer.set(&new, absolute, flags & TFD_TIMER_CANCEL_ON_SET != 0)?;
    if call.word(3) != 0 {
        thread.memory.write(call.word(3), &old).await?;
    }
    Ok(0)
}

/// `timerfd_gettime(fd, current)`
pub(super) async fn timerfd_gettime(thread: &Thread, call: &Call) -> Result {
    let file = thread.file(call.int(0))?;
    let timer = file.downcast::<TimerFd>().ok_or(Errno::INVAL)?;
    thread.memory.write(call.word(1), &timer.setting()).await?;
    Ok(0)
}

/// `signalfd4(fd, mask, size, flags)`; `signalfd` is the same without flags.
pub(super) async fn signalfd4(thread: &Thread, call: &Call, bits: u32) -> Result {
    let flags = flags(bits, NONBLOCK_CLOEXEC)?;
    let mask = super::signal::read_set(thread, call.word(1), call.word(2)).await?;
    if call.int(0) == -1 {
        return thread.install_new(SignalFd::new(&thread.process, mask), flags | OpenFlags::RDWR);
    }
    let file = thread.file(call.int(0))?;
    file.downcast::<SignalFd>().ok_or(Errno::INVAL)?.set_mask(mask);
    Ok(call.int(0) as usize)
}
