//! Sockets: what a file descriptor holds and the system calls use.

mod address;
mod control;
mod departure;
mod ethtool;
mod generic;
mod inet;
mod interface;
mod message;
mod option;
mod ports;
mod raw;
mod tcp;
mod udp;

use abi::Errno;
use abi::net::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, SOL_SOCKET, SOL_TCP, TCP_INFO};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use file::{Error, File, FileType, Readiness, Sink, Source, Status, UserMemory};
use hal::sync::SpinLock;
use task::WaitQueue;

pub use address::Address;
pub use control::Control;
pub(crate) use generic::Generic;
pub use interface::{Description, interfaces};
pub use message::{Caller, Credentials, Destination, Message, MessageFlags, Received};
pub(crate) use option::{integer, read_integer};
pub(crate) use ports::{Binding, Ports, Sharing};
pub(crate) use udp::fill;

use crate::environment::Protocol;
use crate::netlink::NetlinkSocket;
use crate::stack::Stack;
use crate::unix::{self, UnixSocket};

/// The longest queue of a listener, at first Linux's default (`net.core.somaxconn`).
static BACKLOG_LIMIT: AtomicUsize = AtomicUsize::new(4096);

/// The longest queue of a listener.
pub fn backlog_limit() -> usize {
    BACKLOG_LIMIT.load(Ordering::Relaxed)
}

/// Changes it for those that listen from now on.
pub fn set_backlog_limit(limit: usize) {
    BACKLOG_LIMIT.store(limit, Ordering::Relaxed);
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// `AF_UNIX`.
    Unix = AF_UNIX as isize,
    /// `AF_INET`.
    Inet = AF_INET as isize,
    /// `AF_INET6`.
    Inet6 = AF_INET6 as isize,
    /// `AF_NETLINK`.
    Netlink = AF_NETLINK as isize,
}

/// A socket type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketType {
    /// `SOCK_STREAM`.
    Stream = 1,
    /// `SOCK_DGRAM`.
    Datagram = 2,
    /// `SOCK_RAW`.
    Raw = 3,
    /// `SOCK_SEQPACKET`.
    SequencedPacket = 5,
}

/// Which direction `shutdown(2)` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// `SHUT_RD`.
    Read,
    /// `SHUT_WR`.
    Write,
    /// `SHUT_RDWR`.
    Both,
}

impl Shutdown {
    /// From the argument of `shutdown(2)`.
    pub fn from_number(how: i32) -> Result<Self, Errno> {
        match how {
            0 => Ok(Self::Read),
            1 => Ok(Self::Write),
            2 => Ok(Self::Both),
            _ => Err(Errno::INVAL),
        }
    }

    pub(crate) fn ends_reading(self) -> bool {
        self != Self::Write
    }

    pub(crate) fn ends_writing(self) -> bool {
        self != Self::Read
    }
}

/// What each kind of socket does. No operation blocks.
pub(crate) trait Socket: Send + Sync {
    fn wait_queue(&self) -> &WaitQueue;
    fn readiness(&self) -> Readiness;
    fn bind(&self, address: &Address, generic: &Generic) -> Result<(), Errno>;
    fn listen(&self, _backlog: usize, _generic: &Generic) -> Result<(), Errno> {
        Err(Errno::OPNOTSUPP)
    }
    /// The next connection and its peer, which may have ended it already.
    fn accept(&self) -> file::Result<(Box<dyn Socket>, Address)> {
        Err(Errno::OPNOTSUPP.into())
    }
    fn connect(&self, destination: &Destination, generic: &Generic) -> file::Result<()>;
    fn connected(&self) -> file::Result<()> {
        Ok(())
    }
    fn send(&self, source: &mut dyn Source, message: &Message, generic: &Generic) -> file::Result<usize>;
    fn receive(&self, sink: &mut dyn Sink, flags: MessageFlags, generic: &Generic) -> file::Result<Received>;
    fn shutdown(&self, how: Shutdown) -> Result<(), Errno>;
    fn local(&self) -> Address;
    fn peer(&self) -> Result<Address, Errno>;
    /// Sets an option of another level than `SOL_SOCKET`, one at a time.
    fn set_option(&self, _level: u32, _name: u32, _value: &[u8]) -> Result<(), Errno> {
        Err(Errno::NOPROTOOPT)
    }
    fn option(&self, _level: u32, _name: u32) -> Result<Vec<u8>, Errno> {
        Err(Errno::NOPROTOOPT)
    }
    /// Options of `SOL_SOCKET` changed. No other option changes meanwhile.
    fn apply(&self, _generic: &Generic) {}
    /// Bytes of the send and the receive buffer.
    fn capacities(&self) -> (usize, usize);
    fn take_error(&self) -> Option<Errno> {
        None
    }
    fn is_listening(&self) -> bool {
        false
    }
    fn readable(&self) -> usize;
    fn unsent(&self) -> usize {
        0
    }
    fn peer_process(&self) -> Option<Arc<Caller>> {
        None
    }
    fn as_any(&self) -> &dyn Any;
    fn close(&self, _generic: &Generic) {}
}

/// A socket as an open file.
///
/// Every operation returns at once; see [`file::Error`]. `EPIPE` from sending means that the caller also raises `SIGPIPE`, unless
/// [`MessageFlags::NOSIGNAL`] was given.
pub struct SocketFile {
    socket: Box<dyn Socket>,
    domain: Domain,
    kind: SocketType,
    protocol: u32,
    stack: Arc<Stack>,
    generic: SpinLock<Generic>,
    inode: u64,
}

/// Inode numbers of sockets.
static NEXT_INODE: AtomicU64 = AtomicU64::new(0x1000);

impl SocketFile {
    /// `socket(2)`: `domain` and `protocol` as numbers, `kind` without its flags. `EAFNOSUPPORT`, `ESOCKTNOSUPPORT`, `EPROTONOSUPPORT`, or
    /// `EINVAL` for what there is not.
    pub fn new(
        stack: &Arc<Stack>,
        namespace: &Arc<unix::Namespace>,
        domain: u32,
        kind: u32,
        protocol: u32,
    ) -> Result<Arc<Self>, Errno> {
        const TCP: u32 = 6;
        const ICMP: u32 = 1;
        const UDP: u32 = 17;
        const ICMPV6: u32 = 58;
        // Linux's `IPPROTO_MAX`.
        const PROTOCOLS: u32 = 263;
        const UDP_LITE: u32 = 136;
        const NETLINK_ROUTE: u32 = 0;
        const NETLINK_KOBJECT_UEVENT: u32 = 15;
        let kind = match kind {
            1 => SocketType::Stream,
            2 => SocketType::Datagram,
            3 => SocketType::Raw,
            5 => SocketType::SequencedPacket,
            4 | 6 | 10 => return Err(Errno::SOCKTNOSUPPORT),
            _ => return Err(Errno::INVAL),
        };
        let (domain, protocol, socket): (_, _, Box<dyn Socket>) = match domain {
            AF_INET | AF_INET6 => {
                let domain = if domain == AF_INET { Domain::Inet } else { Domain::Inet6 };
                if protocol >= PROTOCOLS {
                    return Err(Errno::INVAL);
                }
                match (kind, protocol) {
                    (SocketType::Stream, 0 | TCP) => (domain, TCP, Box::new(tcp::TcpSocket::new(stack, domain))),
                    (SocketType::Datagram, 0 | UDP) => {
                        (domain, UDP, Box::new(udp::UdpSocket::new(stack, domain, Protocol::Udp)))
                    }
                    (SocketType::Datagram, UDP_LITE) => {
                        let socket = udp::UdpSocket::new(stack, domain, Protocol::UdpLite);
                        (domain, UDP_LITE, Box::new(socket))
                    }
                    (SocketType::Datagram, ICMP | ICMPV6) if (protocol == ICMP) == (domain == Domain::Inet) => {
                        let socket = udp::UdpSocket::new(stack, domain, Protocol::Ping);
                        (domain, protocol, Box::new(socket))
                    }
                    (SocketType::Raw, number @ 1..=255) => {
                        let socket = raw::RawSocket::new(stack, domain, number as u8);
                        (domain, protocol, Box::new(socket))
                    }
                    (SocketType::SequencedPacket, _) => return Err(Errno::SOCKTNOSUPPORT),
                    _ => return Err(Errno::PROTONOSUPPORT),
                }
            }
            AF_UNIX => match protocol {
                0 | AF_UNIX => (Domain::Unix, 0, Box::new(UnixSocket::new(stack, namespace, kind))),
                _ => return Err(Errno::PROTONOSUPPORT),
            },
            AF_NETLINK => match (kind, protocol) {
                (SocketType::Raw | SocketType::Datagram, NETLINK_ROUTE | NETLINK_KOBJECT_UEVENT) => {
                    let socket = NetlinkSocket::new(stack, protocol == NETLINK_ROUTE);
                    (Domain::Netlink, protocol, Box::new(socket))
                }
                (SocketType::Raw | SocketType::Datagram, _) => return Err(Errno::PROTONOSUPPORT),
                _ => return Err(Errno::SOCKTNOSUPPORT),
            },
            _ => return Err(Errno::AFNOSUPPORT),
        };
        Ok(Self::wrap(stack, socket, domain, kind, protocol, Generic::new()))
    }

    /// `socketpair(2)` for `AF_UNIX`; `EOPNOTSUPP` for other domains.
    pub fn pair(
        stack: &Arc<Stack>,
        namespace: &Arc<unix::Namespace>,
        domain: u32,
        kind: u32,
        protocol: u32,
    ) -> Result<(Arc<Self>, Arc<Self>), Errno> {
        let first = Self::new(stack, namespace, domain, kind, protocol)?;
        if first.domain != Domain::Unix {
            return Err(Errno::OPNOTSUPP);
        }
        let second = Self::new(stack, namespace, domain, kind, protocol)?;
        match (first.unix(), second.unix()) {
            (Some(one), Some(other)) => unix::pair(one, other),
            _ => return Err(Errno::OPNOTSUPP),
        }
        Ok((first, second))
    }

    fn wrap(
        stack: &Arc<Stack>,
        socket: Box<dyn Socket>,
        domain: Domain,
        kind: SocketType,
        protocol: u32,
        generic: Generic,
    ) -> Arc<Self> {
        Arc::new(Self {
            socket,
            domain,
            kind,
            protocol,
            stack: stack.clone(),
            generic: SpinLock::new(generic),
            inode: NEXT_INODE.fetch_add(1, Ordering::Relaxed),
        })
    }

    fn unix(&self) -> Option<&UnixSocket> {
        self.socket.as_any().downcast_ref()
    }

    pub(crate) fn unix_end(&self) -> Option<&Arc<unix::End>> {
        self.unix().map(UnixSocket::end)
    }

    fn generic(&self) -> Generic {
        *self.generic.lock()
    }

    /// Its number for `fstat(2)`, which `/proc/net` shows too.
    pub(crate) fn inode(&self) -> u64 {
        self.inode
    }

    /// The number of the state of a TCP socket that listens, or has a connection.
    pub(crate) fn tcp_state(&self) -> Option<u8> {
        const NONE: u8 = 7;
        let state = self.tcp_information()?.first().copied();
        state.filter(|&state| state != NONE)
    }

    fn tcp_information(&self) -> Option<Vec<u8>> {
        self.socket.option(SOL_TCP, TCP_INFO).ok()
    }

    /// Bytes that can be read; of a listener, connections that can be accepted.
    pub(crate) fn readable(&self) -> usize {
        // `tcpi_unacked`
        let queued = || Some(u32::from_ne_bytes(*self.tcp_information()?.get(24..)?.first_chunk()?) as usize);
        if self.is_listening() {
            queued().unwrap_or(0)
        } else {
            self.socket.readable()
        }
    }

    /// Bytes that were written and not acknowledged.
    pub(crate) fn unsent(&self) -> usize {
        self.socket.unsent()
    }

    /// Whether it takes connections.
    pub(crate) fn is_listening(&self) -> bool {
        self.socket.is_listening()
    }

    /// The number of the protocol, as in the Internet header or of the family of netlink; 0 of Unix.
    pub(crate) fn protocol(&self) -> u32 {
        self.protocol
    }

    /// Gives a netlink socket's reader a message of the kernel's own; others get none.
    pub fn deliver(&self, message: &[u8]) {
        if let Some(socket) = self.socket.as_any().downcast_ref::<NetlinkSocket>() {
            socket.deliver(message.to_vec());
        }
    }

    /// Its address family.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// Its type.
    pub fn socket_type(&self) -> SocketType {
        self.kind
    }

    /// `bind(2)`. A Unix socket with a path is bound by [`SocketFile::bind_path`].
    pub fn bind(&self, address: &Address) -> Result<(), Errno> {
        self.socket.bind(address, &self.generic())
    }

    /// Binds a Unix socket to a path. The caller puts what it gets into the file system, as the attachment of a node of type socket
    /// that others find, and calls [`SocketFile::unbind_path`] when that fails.
    pub fn bind_path(&self, path: &[u8]) -> Result<Arc<dyn Any + Send + Sync>, Errno> {
        self.unix().ok_or(Errno::INVAL)?.bind_path(path)
    }

    /// Takes the effect of [`SocketFile::bind_path`] back.
    pub fn unbind_path(&self) {
        if let Some(unix) = self.unix() {
            unix.unbind_path();
        }
    }

    /// `listen(2)`; the backlog is cut to [`backlog_limit`].
    pub fn listen(&self, backlog: i32) -> Result<(), Errno> {
        // A negative one counts as the largest, as on Linux.
        let backlog = usize::try_from(backlog).unwrap_or(usize::MAX).min(backlog_limit());
        self.socket.listen(backlog, &self.generic())
    }

    /// Does what may find nothing there, and again when something was on its way: what this thread has sent must be there for it.
    fn caught_up<T>(&self, mut act: impl FnMut() -> file::Result<T>) -> file::Result<T> {
        let sent = self.stack.on_their_way();
        match (act(), sent) {
            (Err(Error::WouldBlock), Some(sent)) => {
                self.stack.catch_up(sent);
                act()
            }
            (result, _) => result,
        }
    }

    /// `accept(2)`: the connection and its peer.
    pub fn accept(&self) -> file::Result<(Arc<Self>, Address)> {
        let (socket, peer) = self.caught_up(|| self.socket.accept())?;
        let accepted = Self::wrap(
            &self.stack,
            socket,
            self.domain,
            self.kind,
            self.protocol,
            self.generic(),
        );
        Ok((accepted, peer))
    }

    /// `connect(2)`. `EINPROGRESS` and `EALREADY` mean that a handshake goes on: a blocking caller then asks [`SocketFile::connected`].
    /// [`Error::WouldBlock`] means that there is no room in the listener's backlog (Unix): a blocking caller calls again.
    pub fn connect(&self, destination: &Destination) -> file::Result<()> {
        let result = self.socket.connect(destination, &self.generic());
        self.stack.settle();
        result
    }

    /// How the handshake that [`SocketFile::connect`] began ended; [`Error::WouldBlock`] while it goes on.
    pub fn connected(&self) -> file::Result<()> {
        let result = self.socket.connected();
        if result.is_ok()
            && let Some(sent) = self.stack.on_their_way()
        {
            // The listener has it, too.
            self.stack.catch_up(sent);
        }
        result
    }

    /// `sendmsg(2)` and its kin: as much of `source` as fits.
    pub fn send(&self, source: &mut dyn Source, message: &Message) -> file::Result<usize> {
        let result = self.socket.send(source, message, &self.generic());
        self.stack.settle();
        result
    }

    /// `recvmsg(2)` and its kin. `MSG_WAITALL` is the caller's to repeat.
    pub fn receive(&self, sink: &mut dyn Sink, flags: MessageFlags) -> file::Result<Received> {
        let result = self.caught_up(|| self.socket.receive(sink, flags, &self.generic()));
        self.stack.settle();
        result
    }

    /// `shutdown(2)`.
    pub fn shutdown(&self, how: Shutdown) -> Result<(), Errno> {
        let result = self.socket.shutdown(how);
        self.stack.settle();
        result
    }

    /// `getsockname(2)`.
    pub fn local(&self) -> Address {
        self.socket.local()
    }

    /// `getpeername(2)`; `ENOTCONN` without a peer.
    pub fn peer(&self) -> Result<Address, Errno> {
        self.socket.peer()
    }

    /// `setsockopt(2)`.
    pub fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<(), Errno> {
        {
            // Whatever the level: a change that another thread makes meanwhile would be applied out of order.
            let mut generic = self.generic.lock();
            if level == SOL_SOCKET {
                generic.set(name, value)?;
                self.socket.apply(&generic);
            } else {
                self.socket.set_option(level, name, value)?;
            }
        }
        self.stack.settle();
        Ok(())
    }

    /// `getsockopt(2)`: the whole value, which the caller cuts to what was asked for.
    pub fn option(&self, level: u32, name: u32) -> Result<Vec<u8>, Errno> {
        if level == SOL_SOCKET {
            option::generic(self, name)
        } else {
            self.socket.option(level, name)
        }
    }
}

impl File for SocketFile {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> file::Result<Status> {
        Ok(Status {
            device: 8,
            inode: self.inode,
            file_type: FileType::Socket,
            permissions: 0o777,
            links: 1,
            uid: 0,
            gid: 0,
            special_device: 0,
            size: 0,
            block_size: 4096,
            blocks: 0,
            accessed: 0,
            modified: 0,
            changed: 0,
        })
    }

    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> file::Result<usize> {
        if sink.remaining() == 0 && self.kind == SocketType::Stream {
            return Ok(0);
        }
        Ok(self.receive(sink, MessageFlags::empty())?.length)
    }

    fn write(&self, _offset: u64, source: &mut dyn Source) -> file::Result<usize> {
        self.send(source, &Message::default())
    }

    fn readiness(&self) -> Readiness {
        self.socket.readiness()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(self.socket.wait_queue())
    }

    fn is_signal_driven(&self) -> bool {
        true
    }

    fn least(&self) -> usize {
        match self.kind {
            SocketType::Stream => self.generic.lock().receive_low as usize,
            _ => 1,
        }
    }

    fn time_limit(&self, write: bool) -> Option<u64> {
        let generic = self.generic();
        let limit = if write {
            generic.send_timeout
        } else {
            generic.receive_timeout
        };
        (limit > 0).then_some(limit)
    }

    fn control(&self, command: u32, argument: usize, memory: &mut dyn UserMemory) -> file::Result<usize> {
        interface::control(self, &self.stack, command, argument, memory).map_err(|error| match error {
            Error::Errno(Errno::NOTTY) if self.domain == Domain::Netlink => Error::Errno(Errno::OPNOTSUPP),
            other => other,
        })
    }

    fn close(&self) {
        self.socket.close(&self.generic());
        self.stack.settle();
    }
}

impl Drop for SocketFile {
    /// A socket that never became an open file, such as one in a message that nobody received.
    fn drop(&mut self) {
        self.socket.close(&self.generic());
        self.stack.settle();
    }
}
