//! Queues of messages.

use abi::Errno;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use hal::sync::SpinLock;
use task::WaitQueue;

use super::now;
use super::permissions::{PRIVATE, Permissions};
use super::registry::{Object, Registry};

/// The most bytes of a message (`MSGMAX`).
pub const MESSAGE_MAX: usize = 8192;
/// Bytes of a queue's messages until somebody says otherwise (`MSGMNB`).
pub const QUEUE_BYTES: usize = 16384;
/// Queues that there may be (`MSGMNI`).
pub const QUEUES_MAX: usize = 32000;

/// Every queue.
pub static QUEUES: Registry<MessageQueue> = Registry::new(QUEUES_MAX);

/// A message.
#[derive(Debug)]
struct Message {
    kind: i64,
    content: Vec<u8>,
}

/// Which message a receiver takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The first.
    First,
    /// The first of a type.
    Of(i64),
    /// The first of another type.
    Except(i64),
    /// The first of the lowest type up to this.
    LowestUpTo(i64),
}

/// What changes of a queue.
pub struct State {
    /// Who may do what.
    pub permissions: Permissions,
    /// Whether it was removed.
    pub removed: bool,
    messages: VecDeque<Message>,
    /// Bytes of all messages.
    pub bytes: usize,
    /// The most of them.
    pub limit: usize,
    /// When the last message was sent, in seconds since 1970; 0 for never.
    pub sent: u64,
    /// When the last one was received.
    pub received: u64,
    /// When its owner or its limit changed last.
    pub changed: u64,
    /// The process that sent last.
    pub sender: i32,
    /// The process that received last.
    pub receiver: i32,
}

impl State {
    /// How many messages there are.
    pub fn count(&self) -> usize {
        self.messages.len()
    }

    fn select(&self, selection: Selection) -> Option<usize> {
        let mut kinds = self.messages.iter().map(|message| message.kind);
        match selection {
            Selection::First => (!self.messages.is_empty()).then_some(0),
            Selection::Of(kind) => kinds.position(|other| other == kind),
            Selection::Except(kind) => kinds.position(|other| other != kind),
            Selection::LowestUpTo(most) => {
                let eligible = kinds.enumerate().filter(|&(_, kind)| kind <= most);
                eligible.min_by_key(|&(_, kind)| kind).map(|(index, _)| index)
            }
        }
    }
}

/// A queue of messages.
pub struct MessageQueue {
    /// Its identifier.
    pub id: i32,
    state: SpinLock<State>,
    /// Notified when a message comes or goes, and at the end.
    pub changed: WaitQueue,
}

impl Object for MessageQueue {
    fn key(&self) -> i32 {
        self.state.lock().permissions.key
    }
}

impl MessageQueue {
    /// A new one.
    pub fn new(id: i32, permissions: Permissions) -> Self {
        let state = State {
            permissions,
            removed: false,
            messages: VecDeque::new(),
            bytes: 0,
            limit: QUEUE_BYTES,
            sent: 0,
            received: 0,
            changed: now(),
            sender: 0,
            receiver: 0,
        };
        Self {
            id,
            state: SpinLock::new(state),
            changed: WaitQueue::new(),
        }
    }

    /// Looks at it or changes it. Who changes its limit notifies [`Self::changed`].
    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock())
    }

    /// Adds a message and takes its content; false when there is no room. `EIDRM` when the queue was removed.
    pub fn send(&self, kind: i64, content: &mut Vec<u8>, process: i32) -> Result<bool, Errno> {
        let mut state = self.state.lock();
        if state.removed {
            return Err(Errno::IDRM);
        }
        // A message of no bytes takes room, too.
        if state.bytes + content.len() > state.limit || state.count() >= state.limit {
            return Ok(false);
        }
        state.messages.try_reserve(1).map_err(|_| Errno::NOMEM)?;
        state.bytes += content.len();
        let content = core::mem::take(content);
        state.messages.push_back(Message { kind, content });
        (state.sent, state.sender) = (now(), process);
        drop(state);
        self.changed.notify();
        Ok(true)
    }

    /// Takes a message of at most `size` bytes, of a longer one the beginning if `cut`. `None` when there is none, `E2BIG` when it is longer,
    /// `EIDRM` when the queue was removed.
    pub fn receive(
        &self,
        selection: Selection,
        size: usize,
        cut: bool,
        process: i32,
    ) -> Result<Option<(i64, Vec<u8>)>, Errno> {
        let mut state = self.state.lock();
        if state.removed {
            return Err(Errno::IDRM);
        }
        let Some(index) = state.select(selection) else {
            return Ok(None);
        };
        if state.messages[index].content.len() > size && !cut {
            return Err(Errno::TOOBIG);
        }
        let Some(mut message) = state.messages.remove(index) else {
            return Ok(None);
        };
        state.bytes -= message.content.len();
        (state.received, state.receiver) = (now(), process);
        drop(state);
        self.changed.notify();
        message.content.truncate(size);
        Ok(Some((message.kind, message.content)))
    }

    /// Takes it away from all that wait for it.
    pub fn remove(&self) -> Result<(), Errno> {
        QUEUES.remove(self.id)?;
        self.with(|state| {
            state.removed = true;
            state.permissions.key = PRIVATE;
            state.messages.clear();
        });
        self.changed.notify();
        Ok(())
    }
}
