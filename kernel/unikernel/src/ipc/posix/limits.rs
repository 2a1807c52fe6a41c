//! How many queues there may be, and how large they are.

use abi::Errno;
use core::sync::atomic::{AtomicUsize, Ordering};

use hal::sync::SpinLock;
use litemap::LiteMap;

use crate::process::{Capability, Process, Resource};

/// A setting in `/proc/sys/fs/mqueue`.
pub struct Setting(AtomicUsize);

impl Setting {
    const fn new(value: usize) -> Self {
        Self(AtomicUsize::new(value))
    }

    /// What it is.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Changes it for queues that are made from now on.
    pub fn set(&self, value: usize) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Queues that there may be (`queues_max`).
pub static QUEUES: Setting = Setting::new(256);
/// The most messages that a queue may be made for (`msg_max`).
pub static MESSAGES: Setting = Setting::new(10);
/// The most bytes of a message (`msgsize_max`).
pub static MESSAGE_SIZE: Setting = Setting::new(8192);
/// Messages of a queue whose maker does not say how many (`msg_default`).
pub static USUAL_MESSAGES: Setting = Setting::new(10);
/// Bytes of its messages (`msgsize_default`).
pub static USUAL_MESSAGE_SIZE: Setting = Setting::new(8192);

/// What a privileged process may ask for, instead of [`MESSAGES`] and [`MESSAGE_SIZE`].
const MOST_MESSAGES: usize = 65536;
const MOST_MESSAGE_SIZE: usize = 16 << 20;

/// What a queue is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The most messages.
    pub messages: usize,
    /// The most bytes of one.
    pub message_size: usize,
}

impl Attributes {
    /// Of a queue whose maker does not say.
    pub fn usual() -> Self {
        Self {
            messages: USUAL_MESSAGES.get().min(MESSAGES.get()),
            message_size: USUAL_MESSAGE_SIZE.get().min(MESSAGE_SIZE.get()),
        }
    }

    /// What counts for `RLIMIT_MSGQUEUE`: all messages at their largest, and what Linux keeps of each message and each priority.
    fn bytes(self) -> usize {
        const PRIORITIES: usize = 32768;
        const RECORD: usize = 48;
        self.messages * (self.message_size + RECORD) + self.messages.min(PRIORITIES) * RECORD
    }
}

/// Bytes of the queues that users have made, and how many queues there are.
static HELD: SpinLock<(LiteMap<u32, usize>, usize)> = SpinLock::new((LiteMap::new(), 0));

/// A queue's part of what its maker may have; given back when it is dropped.
pub struct Share {
    user: u32,
    bytes: usize,
}

impl Share {
    /// For a queue that a process makes. `ENOSPC` for too many queues, `EINVAL` for one that is too large, `EMFILE` where the user has too much.
    pub fn take(process: &Process, attributes: Attributes) -> Result<Self, Errno> {
        let privileged = process.can(Capability::SYS_RESOURCE);
        let (messages, message_size) = if privileged {
            (MOST_MESSAGES, MOST_MESSAGE_SIZE)
        } else {
            (MESSAGES.get(), MESSAGE_SIZE.get())
        };
        let user = process.with_credentials(|own| own.uid);
        let limit = process.limits.lock().get(Resource::MessageQueues).soft;
        let mut held = HELD.lock();
        if held.1 >= QUEUES.get() && !privileged {
            return Err(Errno::NOSPC);
        }
        if !(1..=messages).contains(&attributes.messages) || !(1..=message_size).contains(&attributes.message_size) {
            return Err(Errno::INVAL);
        }
        let bytes = attributes.bytes();
        let sum = held.0.get(&user).copied().unwrap_or(0) + bytes;
        if sum as u64 > limit {
            return Err(Errno::MFILE);
        }
        held.0.insert(user, sum);
        held.1 += 1;
        Ok(Self { user, bytes })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = HELD.lock();
        held.1 -= 1;
        let Some(sum) = held.0.get_mut(&self.user) else { return };
        *sum -= self.bytes;
        if *sum == 0 {
            held.0.remove(&self.user);
        }
    }
}
