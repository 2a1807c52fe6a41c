//! One end: its queue of messages, and who it is connected to.

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::AtomicBool;

use abi::Errno;
use file::OpenFile;
use hal::sync::SpinLock;
use task::WaitQueue;

use super::flight::{self, Flight};
use crate::Chunk;
use crate::socket::{Address, Caller, Credentials, SocketType};

/// Bytes that may wait for a reader: Linux's `wmem_default`.
pub(super) const DEFAULT_CAPACITY: usize = 212_992;
/// Messages that may wait for the reader of a datagram socket.
const MOST_DATAGRAMS: usize = 512;

/// A message, or a piece of a stream.
#[derive(Clone)]
pub(super) struct Packet {
    pub(super) bytes: Chunk,
    pub(super) rights: Vec<Arc<OpenFile>>,
    pub(super) credentials: Credentials,
    pub(super) sender: Address,
}

pub(super) enum Role {
    Idle,
    Listening { backlog: usize, queue: VecDeque<Arc<End>> },
    Connected(Weak<End>),
}

pub(super) struct State {
    pub(super) name: Address,
    pub(super) role: Role,
    /// A call is about to make it connected.
    pub(super) connecting: bool,
    pub(super) peer_name: Address,
    /// Whose the peer is: who connected, or who made the listener one. Of a listener it is that already.
    pub(super) peer_process: Option<Arc<Caller>>,
    pub(super) inbox: VecDeque<Packet>,
    pub(super) bytes: usize,
    /// Descriptors in `inbox`.
    pub(super) holding: usize,
    /// Nothing more will be read, as this side or the other has it.
    pub(super) read_shut: bool,
    pub(super) peer_done: bool,
    /// Nothing more may be written.
    pub(super) write_shut: bool,
    pub(super) closed: bool,
    pub(super) error: Option<Errno>,
    /// Who waits for room in `inbox`, or in the backlog.
    pub(super) blocked: Vec<Weak<End>>,
}

/// One end of a connection, or an unconnected socket.
pub(crate) struct End {
    pub(super) kind: SocketType,
    pub(super) wait_queue: WaitQueue,
    /// Whether it wants to know who sends: as `SO_PASSCRED` says, and while it may still be set by who accepts it.
    pub(super) wants_credentials: AtomicBool,
    pub(super) state: SpinLock<State>,
    pub(super) this: Weak<End>,
}

/// What became of a message that was to be delivered.
pub(super) enum Delivery {
    Done,
    /// There is no room: the sender is told when there is.
    Full,
    Failed(Errno),
}

impl End {
    pub(super) fn new(kind: SocketType) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            kind,
            wait_queue: WaitQueue::new(),
            wants_credentials: AtomicBool::new(false),
            state: SpinLock::new(State {
                name: Address::Unnamed,
                role: Role::Idle,
                connecting: false,
                peer_name: Address::Unnamed,
                peer_process: None,
                inbox: VecDeque::new(),
                bytes: 0,
                holding: 0,
                read_shut: false,
                peer_done: false,
                write_shut: false,
                closed: false,
                error: None,
                blocked: Vec::new(),
            }),
            this: this.clone(),
        })
    }

    pub(super) fn is_stream(&self) -> bool {
        self.kind == SocketType::Stream
    }

    /// Whether it keeps to one peer for ever.
    pub(super) fn is_connection(&self) -> bool {
        self.kind != SocketType::Datagram
    }

    pub(super) fn peer(&self) -> Option<Arc<End>> {
        match &self.state.lock().role {
            Role::Connected(peer) => peer.upgrade(),
            _ => None,
        }
    }

    /// Makes two ends each other's peers, by a call of `process`.
    pub(super) fn join(one: &Arc<End>, other: &Arc<End>, process: &Arc<Caller>) {
        one.attach(other, Some(process.clone()));
        other.attach(one, Some(process.clone()));
    }

    /// Makes `peer`, which is of `process`, this end's peer.
    pub(super) fn attach(&self, peer: &Arc<End>, process: Option<Arc<Caller>>) {
        let name = peer.state.lock().name.clone();
        let mut state = self.state.lock();
        state.role = Role::Connected(Arc::downgrade(peer));
        state.peer_name = name;
        state.peer_process = process;
    }

    /// Whether `bytes` more may wait for this end, within a sender's `limit`. Otherwise `sender` is told when they may.
    fn has_room(state: &mut State, kind: SocketType, bytes: usize, limit: usize, sender: &Weak<End>) -> bool {
        let full = match kind {
            SocketType::Stream => state.bytes >= limit,
            _ => (state.bytes > 0 && state.bytes + bytes > limit) || state.inbox.len() >= MOST_DATAGRAMS,
        };
        if full {
            Self::block(state, sender);
        }
        !full
    }

    pub(super) fn block(state: &mut State, sender: &Weak<End>) {
        // Those that are gone would stay until there is room, which may be never.
        state.blocked.retain(|known| known.strong_count() > 0);
        if !state.blocked.iter().any(|known| known.ptr_eq(sender)) {
            state.blocked.push(sender.clone());
        }
    }

    /// Room for a stream's bytes at this end; `sender` is told when there is more if there is none.
    pub(super) fn room(&self, limit: usize, sender: &Weak<End>) -> usize {
        let mut state = self.state.lock();
        let room = limit.saturating_sub(state.bytes);
        if room == 0 {
            Self::block(&mut state, sender);
        }
        room
    }

    /// Whether a sender may write without waiting: on Linux while not more than a quarter is taken.
    pub(super) fn is_writable(&self, limit: usize, sender: &Weak<End>) -> bool {
        let mut state = self.state.lock();
        let writable = state.bytes * 4 <= limit && (self.is_stream() || state.inbox.len() < MOST_DATAGRAMS);
        if !writable {
            Self::block(&mut state, sender);
        }
        writable
    }

    /// Queues a message of `sender` at this end.
    pub(super) fn deliver(&self, packet: Packet, limit: usize, sender: &Weak<End>) -> Delivery {
        {
            let flight = (!packet.rights.is_empty()).then(Flight::lock);
            let mut state = self.state.lock();
            // Also what its peer has done since the sender looked: nothing comes after the end.
            let is_over = self.is_connection() && state.peer_done;
            if state.closed || state.read_shut || is_over {
                return Delivery::Failed(match self.kind {
                    SocketType::Datagram if state.closed => Errno::CONNREFUSED,
                    _ => Errno::PIPE,
                });
            }
            if let (SocketType::Datagram, Role::Connected(peer)) = (self.kind, &state.role)
                && !peer.ptr_eq(sender)
            {
                return Delivery::Failed(Errno::PERM);
            }
            if !Self::has_room(&mut state, self.kind, packet.bytes.len(), limit, sender) {
                return Delivery::Full;
            }
            state.bytes += packet.bytes.len();
            match flight {
                Some(mut flight) => flight.enter(&self.this, &mut state, packet),
                None => self.queue(&mut state, packet),
            }
        }
        self.wait_queue.notify();
        Delivery::Done
    }

    /// Appends a message without descriptors to the queue; small pieces of a stream share a buffer.
    fn queue(&self, state: &mut State, packet: Packet) {
        if self.is_stream()
            && let Some(last) = state.inbox.back_mut()
            && last.rights.is_empty()
            && last.credentials == packet.credentials
            && last.bytes.spare() >= packet.bytes.len()
            && last.bytes.append(&packet.bytes) == packet.bytes.len()
        {
            return;
        }
        state.inbox.push_back(packet);
    }

    /// Tells those who wait for room.
    pub(super) fn wake_blocked(&self) {
        let blocked = core::mem::take(&mut self.state.lock().blocked);
        for end in blocked.iter().filter_map(Weak::upgrade) {
            end.wait_queue.notify();
        }
    }

    /// Ends directions of this end, and with them the peer's opposite ones.
    pub(super) fn shut(&self, read: bool, write: bool) {
        {
            let mut state = self.state.lock();
            state.read_shut |= read;
            state.write_shut |= write;
        }
        if let Some(peer) = self.peer().filter(|_| self.is_connection()) {
            {
                let mut state = peer.state.lock();
                state.peer_done |= write;
                state.write_shut |= read;
            }
            peer.wait_queue.notify();
        }
        self.wait_queue.notify();
    }

    /// The socket is gone.
    pub(super) fn close(&self) {
        let (role, unread) = {
            let (flight, mut state) = flight::lock_to_take(self);
            if state.closed {
                return;
            }
            state.closed = true;
            let inbox = match flight {
                Some(mut flight) => flight.take_all(&self.this, &mut state),
                None => core::mem::take(&mut state.inbox),
            };
            state.bytes = 0;
            (core::mem::replace(&mut state.role, Role::Idle), inbox)
        };
        match role {
            Role::Idle => {}
            Role::Listening { queue, .. } => queue.iter().for_each(|end| end.close()),
            Role::Connected(peer) => {
                if let Some(peer) = peer.upgrade().filter(|_| self.is_connection()) {
                    {
                        let mut state = peer.state.lock();
                        state.peer_done = true;
                        state.write_shut = true;
                        if !unread.is_empty() {
                            state.error = Some(Errno::CONNRESET);
                        }
                    }
                    peer.wait_queue.notify();
                }
            }
        }
        self.wake_blocked();
        self.wait_queue.notify();
        flight::bury(unread);
    }
}
