//! POSIX message queues.

use abi::general::{SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD};
use abi::{Errno, OpenFlags, Timespec};
use alloc::sync::Arc;
use alloc::vec::Vec;
use file::OpenFile;
use fs::vfs::{Access, Place};
use fs::{Inode, NewInode, NewKind};
use net::{Domain, SocketFile};
use task::Deadline;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::path::PERMISSIONS;
use super::signal::signal_or_none;
use super::timer::Event;
use super::{Call, Error, Result, Stop, retry_ready};
use crate::ipc::posix::{self, Attributes, COOKIE, Directory, Means, Message, Notification, Queue, Received, Sent};
use crate::process::Thread;

/// Bytes of the longest name, with its terminating zero.
const NAME_MAX: usize = 256;
/// The highest priority is one less.
const PRIORITIES: u32 = 32768;

/// `struct mq_attr`
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Description {
    flags: u64,
    most_messages: u64,
    message_size: u64,
    messages: u64,
    reserved: [u64; 4],
}

/// The name of a queue, which leads nowhere else.
async fn read_name(thread: &Thread, address: usize) -> Result<Vec<u8>> {
    let name = thread.memory.read_string(address, NAME_MAX, Errno::NAMETOOLONG).await?;
    match &name[..] {
        b"" => Err(Errno::NOENT.into()),
        b"." | b".." => Err(Errno::ACCES.into()),
        name if name.contains(&b'/') => Err(Errno::ACCES.into()),
        _ => Ok(name),
    }
}

/// `mq_open(name, flags, mode, attributes)`
pub(super) async fn mq_open(thread: &Thread, call: &Call) -> Result {
    let flags = OpenFlags::from_bits_truncate(call.unsigned(1));
    let attributes = match call.word(3) {
        0 => Attributes::usual(),
        address => {
            let wanted: Description = thread.memory.read(address).await?;
            Attributes {
                messages: wanted.most_messages as usize,
                message_size: wanted.message_size as usize,
            }
        }
    };
    let name = read_name(thread, call.word(0)).await?;
    let number = thread.files().reserve(thread.descriptor_limit())?;
    let file = retry_ready(thread, || {
        let (inode, created) = find_or_make(thread, &name, flags, call.unsigned(2), attributes)?;
        let place = Place::anonymous(inode, &[b"/", &name[..]].concat());
        let context = thread.context(None);
        context.open_place(&place, flags.difference(OpenFlags::TRUNC), created)
    })
    .await?;
    Ok(number.open(file, flags | OpenFlags::CLOEXEC) as usize)
}

/// The queue of a name, or a new one (true).
fn find_or_make(
    thread: &Thread,
    name: &[u8],
    flags: OpenFlags,
    mode: u32,
    attributes: Attributes,
) -> file::Result<(Arc<dyn Inode>, bool)> {
    let directory = Directory::get();
    loop {
        match directory.lookup(name) {
            Ok(_) if flags.contains(OpenFlags::CREAT | OpenFlags::EXCL) => return Err(Errno::EXIST.into()),
            Ok(_) if flags.access() == OpenFlags::WRONLY | OpenFlags::RDWR => return Err(Errno::INVAL.into()),
            Err(file::Error::Errno(Errno::NOENT)) if flags.contains(OpenFlags::CREAT) => {}
            found => return Ok((found?, false)),
        }
        let context = thread.context(None);
        let credentials = &context.credentials;
        credentials.check(&directory.status()?, Access::WRITE | Access::EXECUTE)?;
        let new = NewInode {
            kind: NewKind::Regular,
            permissions: (mode & PERMISSIONS) as u16 & !context.umask,
            uid: credentials.user,
            gid: credentials.group,
        };
        match directory.make(name, &new, attributes, &thread.process) {
            // Somebody else was faster.
            Err(Errno::EXIST) => {}
            result => return Ok((result?, true)),
        }
    }
}

/// `mq_unlink(name)`
pub(super) async fn mq_unlink(thread: &Thread, call: &Call) -> Result {
    let name = read_name(thread, call.word(0)).await?;
    let context = Directory::context(&thread.context(None));
    retry_ready(thread, || context.unlink(&name)).await?;
    Ok(0)
}

/// When a call gives up that waits until a time of the wall clock; never for a null pointer.
async fn deadline(thread: &Thread, address: usize) -> Result<Option<Deadline>> {
    if address == 0 {
        return Ok(None);
    }
    let time: Timespec = thread.memory.read(address).await?;
    Ok(Some(Deadline::Realtime(time.to_nanoseconds()?)))
}

/// Waits for what `look` finds at a queue; an error when that has not come before a signal or the deadline, as far as the caller has seen.
async fn wait<T>(
    thread: &Thread,
    queue: &Queue,
    deadline: Option<Deadline>,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T> {
    loop {
        let ticket = queue.changed.ticket();
        if let Some(found) = look() {
            return Ok(found);
        }
        match thread.wait_until(deadline, queue.changed.wait(ticket)).await {
            Ok(()) => {}
            Err(Stop::TimedOut) => return Err(Errno::TIMEDOUT.into()),
            Err(Stop::Signal) => return Err(Error::INTERRUPTED),
        }
    }
}

/// `mq_timedsend(queue, content, length, priority, deadline)`
pub(super) async fn mq_timedsend(thread: &Thread, call: &Call) -> Result {
    let (length, priority) = (call.word(2), call.unsigned(3));
    let deadline = deadline(thread, call.word(4)).await?;
    if priority >= PRIORITIES {
        return Err(Errno::INVAL.into());
    }
    let file = thread.file(call.int(0))?;
    let queue = posix::of_file(&file)?;
    file.check_writes()?;
    if length > queue.attributes.message_size {
        return Err(Errno::MSGSIZE.into());
    }
    let content = thread.memory.read_array(call.word(1), length).await?;
    match queue.send(Message { priority, content }, !file.is_nonblocking())? {
        Sent::Done(told) => {
            if let Some(told) = told {
                told.tell(&thread.process);
            }
        }
        Sent::Full => return Err(Errno::AGAIN.into()),
        Sent::Waits(number) => {
            let waited = wait(thread, queue, deadline, || queue.has_sent(number).then_some(())).await;
            if let Err(error) = waited
                && queue.withdraw(number)
            {
                return Err(error);
            }
        }
    }
    Ok(0)
}

/// `mq_timedreceive(queue, buffer, length, priority, deadline)`
pub(super) async fn mq_timedreceive(thread: &Thread, call: &Call) -> Result {
    let deadline = deadline(thread, call.word(4)).await?;
    let file = thread.file(call.int(0))?;
    let queue = posix::of_file(&file)?;
    file.check_reads()?;
    if call.word(2) < queue.attributes.message_size {
        return Err(Errno::MSGSIZE.into());
    }
    let message = match queue.receive(!file.is_nonblocking()) {
        Received::Message(message) => message,
        Received::Empty => return Err(Errno::AGAIN.into()),
        Received::Waits(number) => match wait(thread, queue, deadline, || queue.collect(number)).await {
            Ok(message) => message,
            Err(error) => queue.leave(number).ok_or(error)?,
        },
    };
    if call.word(3) != 0 {
        thread.memory.write(call.word(3), &message.priority).await?;
    }
    thread.memory.write_bytes(call.word(1), &message.content).await?;
    Ok(message.content.len())
}

/// `mq_notify(queue, event)`
pub(super) async fn mq_notify(thread: &Thread, call: &Call) -> Result {
    let means = match call.word(1) {
        0 => None,
        address => Some(read_means(thread, thread.memory.read(address).await?).await?),
    };
    let file = thread.file(call.int(0))?;
    let queue = posix::of_file(&file)?;
    let process = thread.process.pid;
    match means {
        Some(means) => posix::notify(queue, Notification { process, means })?,
        None => queue.forget_notification(process),
    }
    Ok(0)
}

async fn read_means(thread: &Thread, event: Event) -> Result<Means> {
    Ok(match event.notify as u32 {
        SIGEV_NONE => Means::Nothing,
        SIGEV_SIGNAL => Means::Signal(signal_or_none(event.signal)?, event.value),
        SIGEV_THREAD => {
            let mut cookie = [0; COOKIE];
            thread.memory.read_bytes(event.value as usize, &mut cookie).await?;
            let socket = thread.file(event.signal)?;
            let domain = socket.downcast::<SocketFile>().ok_or(Errno::NOTSOCK)?.domain();
            if domain != Domain::Netlink {
                return Err(Errno::INVAL.into());
            }
            Means::Socket(socket, cookie)
        }
        _ => return Err(Errno::INVAL.into()),
    })
}

/// `mq_getsetattr(queue, new, old)`
pub(super) async fn mq_getsetattr(thread: &Thread, call: &Call) -> Result {
    let nonblocking = u64::from(OpenFlags::NONBLOCK.bits());
    let new = match call.word(1) {
        0 => None,
        address => Some(thread.memory.read::<Description>(address).await?.flags),
    };
    if new.is_some_and(|flags| flags & !nonblocking != 0) {
        return Err(Errno::INVAL.into());
    }
    let file = thread.file(call.int(0))?;
    let old = describe(&file)?;
    if let Some(flags) = new {
        file.set_flag(OpenFlags::NONBLOCK, flags != 0);
    }
    if call.word(2) != 0 {
        thread.memory.write(call.word(2), &old).await?;
    }
    Ok(0)
}

fn describe(file: &OpenFile) -> Result<Description> {
    let queue = posix::of_file(file)?;
    let flags = file.flags() & OpenFlags::NONBLOCK;
    Ok(Description {
        flags: flags.bits().into(),
        most_messages: queue.attributes.messages as u64,
        message_size: queue.attributes.message_size as u64,
        messages: queue.filling().0 as u64,
        reserved: [0; 4],
    })
}
