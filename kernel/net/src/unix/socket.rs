//! The calls of a Unix socket.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicUsize, Ordering};

use abi::Errno;
use file::{Error, Readiness, Sink, Source, put_record};
use task::WaitQueue;

use super::Namespace;
use super::end::{DEFAULT_CAPACITY, Delivery, End, Packet, Role, State};
use super::flight;
use crate::Chunk;
use crate::socket::{
    Address, Caller, Control, Credentials, Destination, Generic, Message, MessageFlags, Received, Shutdown, Socket,
    SocketType, fill,
};
use crate::stack::Stack;

/// Bytes of the largest piece of a stream.
const LARGEST_PIECE: usize = 32 << 10;
/// Small pieces of a stream get a buffer that takes more of them.
const SHARED_PIECE: usize = 512;
/// Descriptors in one message: Linux's `SCM_MAX_FD`.
const MOST_RIGHTS: usize = 253;

/// What a node in the file system holds for a socket that is bound to it.
struct Attachment(Weak<End>);

pub(crate) struct UnixSocket {
    stack: Arc<Stack>,
    namespace: Arc<Namespace>,
    end: Arc<End>,
    /// Bytes that may wait at the peer.
    capacity: AtomicUsize,
}

/// Connects two new sockets (`socketpair(2)`).
pub(crate) fn pair(one: &UnixSocket, other: &UnixSocket) {
    End::join(&one.end, &other.end, &Arc::new(one.stack.caller()));
}

impl UnixSocket {
    pub(crate) fn new(stack: &Arc<Stack>, namespace: &Arc<Namespace>, kind: SocketType) -> Self {
        // As on Linux, a raw one is a datagram socket.
        let kind = if kind == SocketType::Raw {
            SocketType::Datagram
        } else {
            kind
        };
        Self::of(stack, namespace, End::new(kind))
    }

    fn of(stack: &Arc<Stack>, namespace: &Arc<Namespace>, end: Arc<End>) -> Self {
        Self {
            stack: stack.clone(),
            namespace: namespace.clone(),
            end,
            capacity: AtomicUsize::new(DEFAULT_CAPACITY),
        }
    }

    fn limit(&self) -> usize {
        self.capacity.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) -> &Arc<End> {
        &self.end
    }

    fn this(&self) -> &Weak<End> {
        &self.end.this
    }

    /// Takes a path's name; what it returns belongs into the file system.
    pub(crate) fn bind_path(&self, path: &[u8]) -> Result<Arc<dyn Any + Send + Sync>, Errno> {
        let mut state = self.end.state.lock();
        if state.name != Address::Unnamed {
            return Err(Errno::INVAL);
        }
        state.name = Address::Path(path.to_vec());
        Ok(Arc::new(Attachment(Arc::downgrade(&self.end))))
    }

    /// The path could not be made.
    pub(crate) fn unbind_path(&self) {
        let mut state = self.end.state.lock();
        if matches!(state.name, Address::Path(_)) {
            state.name = Address::Unnamed;
        }
    }

    /// The end that a destination names.
    fn resolve(&self, destination: &Destination) -> Result<Arc<End>, Errno> {
        let found = match destination {
            Destination::Address(Address::Abstract(name)) => self.namespace.find(name),
            Destination::Attachment(attachment) => attachment
                .downcast_ref::<Attachment>()
                .and_then(|attachment| attachment.0.upgrade()),
            Destination::Address(Address::Path(_)) => return Err(Errno::NOENT),
            Destination::Address(_) => return Err(Errno::INVAL),
        };
        let end = found.filter(|end| !end.state.lock().closed).ok_or(Errno::CONNREFUSED)?;
        if end.kind == self.end.kind {
            Ok(end)
        } else {
            Err(Errno::PROTOTYPE)
        }
    }

    fn connect_to_listener(&self, listener: &Arc<End>) -> file::Result<()> {
        {
            let mut state = self.end.state.lock();
            match state.role {
                // Of two threads that connect the same socket one does.
                Role::Idle if !state.connecting => state.connecting = true,
                Role::Idle | Role::Connected(_) => return Err(Errno::ISCONN.into()),
                Role::Listening { .. } => return Err(Errno::INVAL.into()),
            }
        }
        let result = self.join_queue(listener);
        self.end.state.lock().connecting = false;
        result
    }

    /// Makes the other end, and puts it where the listener accepts it.
    fn join_queue(&self, listener: &Arc<End>) -> file::Result<()> {
        let server = End::new(self.end.kind);
        let (name, process) = {
            let state = listener.state.lock();
            (state.name.clone(), state.peer_process.clone())
        };
        server.state.lock().name = name;
        server.wants_credentials.store(true, Ordering::Relaxed);
        server.attach(&self.end, Some(Arc::new(self.stack.caller())));
        {
            let mut state = listener.state.lock();
            let Role::Listening { backlog, queue } = &mut state.role else {
                return Err(Errno::CONNREFUSED.into());
            };
            if queue.len() > *backlog {
                End::block(&mut state, self.this());
                return Err(Error::WouldBlock);
            }
            queue.push_back(server.clone());
        }
        self.end.attach(&server, process);
        listener.wait_queue.notify();
        Ok(())
    }

    fn send_stream(&self, source: &mut dyn Source, packet: &mut Packet) -> file::Result<usize> {
        let peer = self.writable_peer()?;
        self.sign(packet, &peer);
        check_memory()?;
        let mut done = 0;
        while source.remaining() > 0 {
            let room = peer.room(self.limit(), self.this());
            if room == 0 {
                break;
            }
            let want = source.remaining().min(room).min(LARGEST_PIECE);
            let chunk = match Chunk::filled(want.max(SHARED_PIECE), |bytes| source.read(&mut bytes[..want])) {
                Ok(chunk) => chunk,
                Err(fault) if done == 0 => return Err(fault.into()),
                Err(_) => break,
            };
            let count = chunk.len();
            let piece = Packet {
                bytes: chunk,
                rights: core::mem::take(&mut packet.rights),
                ..packet.clone()
            };
            match peer.deliver(piece, usize::MAX, self.this()) {
                Delivery::Done => done += count,
                Delivery::Failed(errno) if done == 0 => return Err(errno.into()),
                Delivery::Full | Delivery::Failed(_) => break,
            }
            if count < want {
                break;
            }
        }
        if done == 0 && source.remaining() > 0 {
            Err(Error::WouldBlock)
        } else {
            Ok(done)
        }
    }

    /// Says who sends, where an end wants to know it and nothing was said.
    fn sign(&self, packet: &mut Packet, target: &End) {
        let is_wanted = |end: &End| end.wants_credentials.load(Ordering::Relaxed);
        if packet.credentials == Credentials::NOBODY && (is_wanted(&self.end) || is_wanted(target)) {
            packet.credentials = self.stack.caller().real;
        }
    }

    fn writable_peer(&self) -> Result<Arc<End>, Errno> {
        let state = self.end.state.lock();
        match &state.role {
            Role::Connected(_) if state.write_shut => Err(Errno::PIPE),
            Role::Connected(peer) => peer.upgrade().ok_or(Errno::PIPE),
            _ => Err(Errno::NOTCONN),
        }
    }

    fn send_message(
        &self,
        source: &mut dyn Source,
        mut packet: Packet,
        destination: Option<&Destination>,
    ) -> file::Result<usize> {
        let length = source.remaining();
        if length > self.limit() {
            return Err(Errno::MSGSIZE.into());
        }
        let target = match destination {
            Some(destination) => self.resolve(destination)?,
            None if self.end.is_connection() => self.writable_peer()?,
            None => {
                let state = self.end.state.lock();
                match &state.role {
                    _ if state.write_shut => return Err(Errno::PIPE.into()),
                    Role::Connected(peer) => peer.upgrade().ok_or(Errno::CONNREFUSED)?,
                    _ => return Err(Errno::NOTCONN.into()),
                }
            }
        };
        self.sign(&mut packet, &target);
        check_memory()?;
        packet.bytes = Chunk::filled(length, |bytes| fill(source, bytes))?;
        match target.deliver(packet, self.limit(), self.this()) {
            Delivery::Done => Ok(length),
            Delivery::Full => Err(Error::WouldBlock),
            Delivery::Failed(errno) => Err(errno.into()),
        }
    }

    fn receive_stream(
        &self,
        sink: &mut dyn Sink,
        peek: bool,
        tells_sender: bool,
        result: &mut Received,
    ) -> Result<Option<Credentials>, Error> {
        let (mut flight, mut state) = flight::lock_to_take(&self.end);
        let mut sender: Option<Credentials> = None;
        let mut index = 0;
        while sink.remaining() > 0 {
            let Some(packet) = state.inbox.get_mut(index) else {
                break;
            };
            let differs = tells_sender && sender.is_some_and(|known| known != packet.credentials);
            if result.length > 0 && (differs || !packet.rights.is_empty()) {
                break;
            }
            let count = match sink.write(&packet.bytes) {
                Ok(count) => count,
                Err(fault) if result.length == 0 => return Err(fault.into()),
                Err(_) => break,
            };
            sender = Some(packet.credentials);
            result.length += count;
            let rights = if peek {
                packet.rights.clone()
            } else {
                core::mem::take(&mut packet.rights)
            };
            let whole = count == packet.bytes.len();
            if peek {
                index += 1;
            } else {
                packet.bytes.advance(count);
                state.bytes -= count;
                if let Some(flight) = &mut flight {
                    flight.left(self.this(), &mut state, rights.len());
                }
                if whole {
                    state.inbox.pop_front();
                }
            }
            let had_rights = !rights.is_empty();
            if had_rights {
                result.control.push(Control::Rights(rights));
            }
            if had_rights || !whole {
                break;
            }
        }
        if sender.is_none() && sink.remaining() > 0 {
            nothing_to_read(self.end.kind, &mut state)?;
        }
        Ok(sender)
    }

    fn receive_message(
        &self,
        sink: &mut dyn Sink,
        flags: MessageFlags,
        result: &mut Received,
    ) -> Result<Option<Credentials>, Error> {
        let (mut flight, mut state) = flight::lock_to_take(&self.end);
        let Some(packet) = state.inbox.front_mut() else {
            nothing_to_read(self.end.kind, &mut state)?;
            return Ok(None);
        };
        let whole = packet.bytes.len();
        let room = sink.remaining().min(whole);
        put_record(sink, &packet.bytes[..room])?;
        result.length = if flags.contains(MessageFlags::TRUNC) {
            whole
        } else {
            room
        };
        if room < whole {
            result.flags |= MessageFlags::TRUNC;
        }
        if self.end.kind == SocketType::SequencedPacket {
            result.flags |= MessageFlags::EOR;
        }
        let packet = if flags.contains(MessageFlags::PEEK) {
            packet.clone()
        } else {
            let packet = state.inbox.pop_front().ok_or(Error::WouldBlock)?;
            state.bytes -= whole;
            if let Some(flight) = &mut flight {
                flight.left(self.this(), &mut state, packet.rights.len());
            }
            packet
        };
        if !packet.rights.is_empty() {
            result.control.push(Control::Rights(packet.rights));
        }
        if self.end.kind == SocketType::Datagram {
            // Of a sender without a name, not even the family is told.
            result.address = (packet.sender != Address::Unnamed).then_some(packet.sender);
        }
        Ok(Some(packet.credentials))
    }
}

impl Socket for UnixSocket {
    fn wait_queue(&self) -> &WaitQueue {
        &self.end.wait_queue
    }

    fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::empty();
        let (peer, may_write) = {
            let state = self.end.state.lock();
            if state.error.is_some() {
                readiness |= Readiness::ERR;
            }
            if !state.inbox.is_empty() || state.read_shut || state.peer_done {
                readiness |= Readiness::IN | Readiness::RDNORM;
            }
            if state.read_shut || state.peer_done {
                readiness |= Readiness::RDHUP;
            }
            if state.write_shut && (state.read_shut || state.peer_done) {
                readiness |= Readiness::HUP;
            }
            match &state.role {
                Role::Listening { queue, .. } => {
                    return if queue.is_empty() {
                        Readiness::empty()
                    } else {
                        Readiness::IN | Readiness::RDNORM
                    };
                }
                Role::Idle if self.end.is_connection() => {
                    readiness |= Readiness::HUP;
                    (None, true)
                }
                Role::Idle => (None, true),
                Role::Connected(peer) => (peer.upgrade(), state.write_shut),
            }
        };
        let writable = may_write || peer.is_none_or(|peer| peer.is_writable(self.limit(), self.this()));
        if writable {
            readiness |= Readiness::OUT | Readiness::WRNORM;
        }
        readiness
    }

    fn bind(&self, address: &Address, _generic: &Generic) -> Result<(), Errno> {
        // Held until the namespace has the name, or another thread's call would leave a second one there.
        let mut state = self.end.state.lock();
        if state.name != Address::Unnamed {
            return Err(Errno::INVAL);
        }
        let name = match address {
            Address::Abstract(name) => {
                self.namespace.bind(name, &self.end)?;
                name.clone()
            }
            Address::Unnamed => self.namespace.bind_any(&self.end)?,
            _ => return Err(Errno::INVAL),
        };
        state.name = Address::Abstract(name);
        Ok(())
    }

    fn listen(&self, backlog: usize, _generic: &Generic) -> Result<(), Errno> {
        if !self.end.is_connection() {
            return Err(Errno::OPNOTSUPP);
        }
        let process = Arc::new(self.stack.caller());
        let mut state = self.end.state.lock();
        if state.name == Address::Unnamed {
            return Err(Errno::INVAL);
        }
        let limit = backlog;
        if state.connecting {
            return Err(Errno::INVAL);
        }
        match &mut state.role {
            Role::Idle => {
                state.role = Role::Listening {
                    backlog: limit,
                    queue: VecDeque::new(),
                };
            }
            Role::Listening { backlog, .. } => *backlog = limit,
            Role::Connected(_) => return Err(Errno::INVAL),
        }
        state.peer_process = Some(process);
        Ok(())
    }

    fn accept(&self) -> file::Result<(Box<dyn Socket>, Address)> {
        let next = {
            let mut state = self.end.state.lock();
            let Role::Listening { queue, .. } = &mut state.role else {
                return Err(if self.end.is_connection() {
                    Errno::INVAL
                } else {
                    Errno::OPNOTSUPP
                }
                .into());
            };
            queue.pop_front().ok_or(Error::WouldBlock)?
        };
        self.end.wake_blocked();
        let wants_credentials = self.end.wants_credentials.load(Ordering::Relaxed);
        next.wants_credentials.store(wants_credentials, Ordering::Relaxed);
        let peer = next.state.lock().peer_name.clone();
        Ok((Box::new(Self::of(&self.stack, &self.namespace, next)), peer))
    }

    fn connect(&self, destination: &Destination, _generic: &Generic) -> file::Result<()> {
        if matches!(destination, Destination::Address(Address::Unspecified)) {
            if self.end.is_connection() {
                return Err(Errno::INVAL.into());
            }
            self.end.state.lock().role = Role::Idle;
            return Ok(());
        }
        let target = self.resolve(destination)?;
        if self.end.is_connection() {
            return self.connect_to_listener(&target);
        }
        let name = target.state.lock().name.clone();
        let mut state = self.end.state.lock();
        state.role = Role::Connected(Arc::downgrade(&target));
        state.peer_name = name;
        Ok(())
    }

    fn send(&self, source: &mut dyn Source, message: &Message, _generic: &Generic) -> file::Result<usize> {
        if message.flags.contains(MessageFlags::OOB) {
            return Err(Errno::OPNOTSUPP.into());
        }
        let mut packet = Packet {
            bytes: Chunk::copy_of(&[]),
            rights: Vec::new(),
            credentials: Credentials::NOBODY,
            sender: self.end.state.lock().name.clone(),
        };
        for control in &message.control {
            match control {
                Control::Rights(rights) => packet.rights.extend(rights.iter().cloned()),
                Control::Credentials(credentials) => packet.credentials = *credentials,
                _ => return Err(Errno::INVAL.into()),
            }
        }
        if packet.rights.len() > MOST_RIGHTS {
            return Err(Errno::INVAL.into());
        }
        flight::check_room(packet.rights.len())?;
        if let Some(errno) = self.end.state.lock().error.take() {
            return Err(errno.into());
        }
        if self.end.is_stream() {
            if message.destination.is_some() {
                let connected = matches!(self.end.state.lock().role, Role::Connected(_));
                return Err(if connected { Errno::ISCONN } else { Errno::OPNOTSUPP }.into());
            }
            return self.send_stream(source, &mut packet);
        }
        let destination = message.destination.as_ref().filter(|_| !self.end.is_connection());
        self.send_message(source, packet, destination)
    }

    fn receive(&self, sink: &mut dyn Sink, flags: MessageFlags, generic: &Generic) -> file::Result<Received> {
        if flags.contains(MessageFlags::OOB) {
            return Err(Errno::OPNOTSUPP.into());
        }
        let mut result = Received::default();
        let sender = if self.end.is_stream() {
            self.receive_stream(
                sink,
                flags.contains(MessageFlags::PEEK),
                generic.pass_credentials,
                &mut result,
            )?
        } else {
            self.receive_message(sink, flags, &mut result)?
        };
        let Some(sender) = sender else {
            return Ok(result);
        };
        if generic.pass_credentials {
            result.control.push(Control::Credentials(sender));
        }
        self.end.wake_blocked();
        Ok(result)
    }

    fn shutdown(&self, how: Shutdown) -> Result<(), Errno> {
        if self.end.is_connection() && !matches!(self.end.state.lock().role, Role::Connected(_)) {
            return Err(Errno::NOTCONN);
        }
        self.end.shut(how.ends_reading(), how.ends_writing());
        Ok(())
    }

    fn local(&self) -> Address {
        self.end.state.lock().name.clone()
    }

    fn peer(&self) -> Result<Address, Errno> {
        let state = self.end.state.lock();
        match &state.role {
            Role::Connected(_) => Ok(state.peer_name.clone()),
            _ => Err(Errno::NOTCONN),
        }
    }

    fn apply(&self, generic: &Generic) {
        self.end
            .wants_credentials
            .store(generic.pass_credentials, Ordering::Relaxed);
        if generic.send_buffer > 0 {
            self.capacity.store(generic.send_buffer as usize, Ordering::Relaxed);
        }
    }

    fn capacities(&self) -> (usize, usize) {
        (self.limit(), DEFAULT_CAPACITY)
    }

    fn take_error(&self) -> Option<Errno> {
        self.end.state.lock().error.take()
    }

    fn is_listening(&self) -> bool {
        matches!(self.end.state.lock().role, Role::Listening { .. })
    }

    fn readable(&self) -> usize {
        let state = self.end.state.lock();
        if self.end.is_stream() {
            state.bytes
        } else {
            state.inbox.front().map_or(0, |packet| packet.bytes.len())
        }
    }

    fn unsent(&self) -> usize {
        self.end.peer().map_or(0, |peer| peer.state.lock().bytes)
    }

    fn peer_process(&self) -> Option<Arc<Caller>> {
        self.end.state.lock().peer_process.clone()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn close(&self, _generic: &Generic) {
        let name = self.end.state.lock().name.clone();
        if let Address::Abstract(name) = name {
            self.namespace.release(&name, &self.end);
        }
        self.end.close();
        flight::closed();
    }
}

/// What an empty queue means: the end, an error, or that there is something to wait for.
///
/// It is asked under the lock under which the queue was found empty: the last bytes may come just before the end.
fn nothing_to_read(kind: SocketType, state: &mut State) -> file::Result<()> {
    if let Some(errno) = state.error.take() {
        return Err(errno.into());
    }
    if state.read_shut || state.peer_done {
        return Ok(());
    }
    match (&state.role, kind) {
        (Role::Connected(_), _) | (_, SocketType::Datagram) => Err(Error::WouldBlock),
        (_, SocketType::Stream) => Err(Errno::INVAL.into()),
        _ => Err(Errno::NOTCONN.into()),
    }
}

/// What waits in sockets may not take the last memory from those that would read it.
fn check_memory() -> Result<(), Errno> {
    if hal::mem::shortage() > 0 {
        return Err(Errno::NOMEM);
    }
    Ok(())
}
