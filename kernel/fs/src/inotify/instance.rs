//! What `inotify_init1(2)` makes: a queue of events.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt::Write as _;

use abi::Errno;
use abi::ioctl::FIONREAD;
use file::{Error, File, FileType, Readiness, Result, Sink, Status, UserMemory, anonymous_inode};
use hal::sync::SpinLock;
use litemap::LiteMap;
use task::WaitQueue;

use super::Events;
use super::table::{self, MAX_QUEUED};
use crate::inode::FileId;

/// Bytes of `struct inotify_event` without the name; names are padded to a multiple of it.
const HEADER: usize = 16;

/// A queue of what happened to the files that it watches.
pub struct Inotify {
    state: SpinLock<State>,
    queue: WaitQueue,
    inode: u64,
    /// Whose it is, for the limits.
    pub(super) user: u32,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    /// Bytes that reading all events takes.
    bytes: usize,
    /// The event that says that some were lost is in the queue.
    overflowed: bool,
    watches: LiteMap<i32, FileId>,
    /// The number of the last watch: numbers come again only after all others.
    last: i32,
}

#[derive(PartialEq, Eq)]
struct Event {
    watch: i32,
    events: Events,
    cookie: u32,
    name: Box<[u8]>,
}

impl Event {
    fn size(&self) -> usize {
        match self.name.len() {
            0 => HEADER,
            length => HEADER + (length + 1).next_multiple_of(HEADER),
        }
    }

    /// As `struct inotify_event`.
    fn record(&self) -> Vec<u8> {
        let size = self.size();
        let mut bytes = Vec::with_capacity(size);
        bytes.extend(self.watch.to_ne_bytes());
        bytes.extend(self.events.bits().to_ne_bytes());
        bytes.extend(self.cookie.to_ne_bytes());
        bytes.extend(((size - HEADER) as u32).to_ne_bytes());
        bytes.extend(&self.name);
        bytes.resize(size, 0);
        bytes
    }
}

impl Inotify {
    /// An instance of a user's; `EMFILE` when they have too many.
    pub fn new(user: u32) -> core::result::Result<Arc<Self>, Errno> {
        table::add_instance(user)?;
        Ok(Arc::new(Self {
            state: SpinLock::default(),
            queue: WaitQueue::new(),
            inode: anonymous_inode(),
            user,
        }))
    }

    /// Ends a watch by its number (`inotify_rm_watch(2)`); `EINVAL` when there is none.
    pub fn remove(&self, watch: i32) -> core::result::Result<(), Errno> {
        table::remove(self, watch)
    }

    /// A number for a new watch.
    pub(super) fn add(&self, file: FileId) -> i32 {
        let mut state = self.state.lock();
        loop {
            state.last = state.last.checked_add(1).unwrap_or(1);
            let number = state.last;
            if state.watches.try_insert(number, file).is_none() {
                return number;
            }
        }
    }

    /// The file that a watch is for.
    pub(super) fn watched(&self, watch: i32) -> Option<FileId> {
        self.state.lock().watches.get(&watch).copied()
    }

    /// All watches.
    pub(super) fn watches(&self) -> Vec<(i32, FileId)> {
        let state = self.state.lock();
        state.watches.iter().map(|(&watch, &file)| (watch, file)).collect()
    }

    /// Takes note that a watch has ended.
    pub(super) fn forget(&self, watch: i32) {
        self.state.lock().watches.remove(&watch);
        self.push(watch, Events::IGNORED, 0, &[]);
    }

    /// Adds an event, unless it repeats the last one. [`Inotify::wake`] is to be called then, without locks.
    pub(super) fn push(&self, watch: i32, events: Events, cookie: u32, name: &[u8]) {
        let mut state = self.state.lock();
        let repeats = |last: &Event| {
            (last.watch, last.events) == (watch, events) && *last.name == *name && events != Events::IGNORED
        };
        let event = if state.events.len() >= MAX_QUEUED {
            if state.overflowed {
                return;
            }
            state.overflowed = true;
            Event {
                watch: -1,
                events: Events::OVERFLOW,
                cookie: 0,
                name: Box::default(),
            }
        } else if state.events.back().is_some_and(repeats) {
            return;
        } else {
            Event {
                watch,
                events,
                cookie,
                name: name.into(),
            }
        };
        state.bytes += event.size();
        state.events.push_back(event);
    }

    /// Tells those who wait for events.
    pub(super) fn wake(&self) {
        self.queue.notify();
    }
}

impl File for Inotify {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        Ok(Status::anonymous(self.inode, FileType::Anonymous, 0o600))
    }

    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let mut state = self.state.lock();
        let mut done = 0;
        while let Some(event) = state.events.front() {
            let record = event.record();
            if record.len() > sink.remaining() {
                if done == 0 {
                    return Err(Errno::INVAL.into());
                }
                break;
            }
            match file::put_record(sink, &record) {
                Ok(()) => {}
                Err(fault) if done == 0 => return Err(fault.into()),
                Err(_) => break,
            }
            done += record.len();
            state.bytes -= record.len();
            if state
                .events
                .pop_front()
                .is_some_and(|event| event.events == Events::OVERFLOW)
            {
                state.overflowed = false;
            }
        }
        if done == 0 { Err(Error::WouldBlock) } else { Ok(done) }
    }

    fn readiness(&self) -> Readiness {
        if self.state.lock().events.is_empty() {
            Readiness::empty()
        } else {
            Readiness::IN | Readiness::RDNORM
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn is_signal_driven(&self) -> bool {
        true
    }

    fn control(&self, command: u32, argument: usize, memory: &mut dyn UserMemory) -> Result<usize> {
        if command != FIONREAD {
            return Err(Errno::NOTTY.into());
        }
        let bytes = self.state.lock().bytes as i32;
        memory.write(argument, &bytes.to_ne_bytes())?;
        Ok(0)
    }

    fn anonymous_name(&self) -> &'static str {
        "anon_inode:inotify"
    }

    fn describe(&self, out: &mut String) {
        for (watch, file, mask) in table::masks(self) {
            let (device, inode) = file;
            let _ = writeln!(
                out,
                "inotify wd:{watch:x} ino:{inode:x} sdev:{:x} mask:{:x} ignored_mask:0 ",
                internal_device(device),
                mask.bits()
            );
        }
    }

    fn close(&self) {
        table::remove_instance(self);
    }
}

/// A device number as the kernel's tables show it: the major number above 20 bits of the minor.
fn internal_device(device: u64) -> u64 {
    let major = device >> 8 & 0xfff;
    let minor = device & 0xff | device >> 12 & 0xfff00;
    major << 20 | minor
}
