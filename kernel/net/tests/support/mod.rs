//! What the tests share: a stack's environment, and sockets used the blocking way.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::future::Future;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use file::{BytesSink, BytesSource, Error, File};
use net::{
    Address, Destination, Environment, Event, Message, MessageFlags, ReceivedMessage, SocketFile, Stack, UnixNamespace,
};

pub const AF_INET: u32 = 2;
pub const AF_INET6: u32 = 10;
pub const STREAM: u32 = 1;
pub const DATAGRAM: u32 = 2;

/// The real clock; remembers events as text.
#[derive(Default)]
pub struct RealEnvironment {
    pub events: Mutex<Vec<String>>,
}

impl Environment for RealEnvironment {
    fn now(&self) -> u64 {
        hal::time::monotonic()
    }

    fn random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) as u8;
        }
    }

    fn event(&self, event: Event<'_>) {
        self.events
            .lock()
            .expect("no test panics with it")
            .push(format!("{event:?}"));
    }
}

/// Ends a future on this thread; `None` after `limit`.
pub fn block_on<T>(future: impl Future<Output = T>, limit: Duration) -> Option<T> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let end = std::time::Instant::now() + limit;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(value);
        }
        let left = end.checked_duration_since(std::time::Instant::now())?;
        std::thread::park_timeout(left);
    }
}

/// A socket whose calls block, as the application's do.
#[derive(Clone)]
pub struct Blocking(pub Arc<SocketFile>);

pub fn inet(address: impl Into<Ipv4Addr>, port: u16) -> Address {
    Address::Inet(address.into(), port)
}

pub fn inet6(address: Ipv6Addr, port: u16) -> Address {
    let scope = if address.is_unicast_link_local() { 2 } else { 0 };
    Address::Inet6(address, port, scope)
}

impl Blocking {
    pub fn new(stack: &Arc<Stack>, domain: u32, kind: u32) -> Self {
        Self::of_protocol(stack, domain, kind, 0)
    }

    pub fn of_protocol(stack: &Arc<Stack>, domain: u32, kind: u32, protocol: u32) -> Self {
        let namespace = UnixNamespace::new();
        let socket = SocketFile::new(stack, &namespace, domain, kind, protocol);
        Self(socket.expect("such sockets exist"))
    }

    pub fn listen(stack: &Arc<Stack>, port: u16) -> Self {
        Self::listen_at(stack, AF_INET, &inet([0, 0, 0, 0], port))
    }

    /// For both versions.
    pub fn listen_dual(stack: &Arc<Stack>, port: u16) -> Self {
        Self::listen_at(stack, AF_INET6, &inet6(Ipv6Addr::UNSPECIFIED, port))
    }

    fn listen_at(stack: &Arc<Stack>, domain: u32, address: &Address) -> Self {
        let socket = Self::new(stack, domain, STREAM);
        socket.0.bind(address).expect("the port is free");
        socket.0.listen(128).expect("a bound socket listens");
        socket
    }

    pub fn retry<T>(&self, mut call: impl FnMut() -> file::Result<T>) -> Result<T, abi::Errno> {
        let queue = self.0.wait_queue().expect("sockets have one");
        loop {
            let ticket = queue.ticket();
            match call() {
                Ok(value) => return Ok(value),
                Err(Error::Errno(errno)) => return Err(errno),
                Err(Error::WouldBlock) => {
                    block_on(queue.wait(ticket), Duration::from_mins(1))
                        .expect("the socket becomes ready within a minute");
                }
                Err(other) => panic!("a slice gives no {other:?}"),
            }
        }
    }

    pub fn accept(&self) -> Result<Self, abi::Errno> {
        self.retry(|| self.0.accept()).map(|(socket, _)| Self(socket))
    }

    pub fn connect(&self, address: Address) -> Result<(), abi::Errno> {
        match self.0.connect(&Destination::Address(address)) {
            Ok(()) => Ok(()),
            Err(Error::Errno(abi::Errno::INPROGRESS)) => self.retry(|| self.0.connected()),
            Err(Error::Errno(errno)) => Err(errno),
            Err(other) => panic!("{other:?}"),
        }
    }

    pub fn send(&self, bytes: &[u8]) -> Result<usize, abi::Errno> {
        self.retry(|| self.0.send(&mut BytesSource::new(bytes), &Message::default()))
    }

    pub fn send_all(&self, mut bytes: &[u8]) -> Result<(), abi::Errno> {
        while !bytes.is_empty() {
            let count = self.send(bytes)?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    pub fn send_to(&self, bytes: &[u8], address: Address) -> Result<usize, abi::Errno> {
        let message = Message {
            destination: Some(Destination::Address(address)),
            ..Message::default()
        };
        self.retry(|| self.0.send(&mut BytesSource::new(bytes), &message))
    }

    pub fn receive(&self, into: &mut [u8]) -> Result<usize, abi::Errno> {
        self.receive_message(into).map(|received| received.length)
    }

    pub fn receive_message(&self, into: &mut [u8]) -> Result<ReceivedMessage, abi::Errno> {
        self.retry(|| self.0.receive(&mut BytesSink::new(into), MessageFlags::empty()))
    }

    pub fn receive_all(&self) -> Result<Vec<u8>, abi::Errno> {
        let mut all = Vec::new();
        let mut part = vec![0; 65536];
        loop {
            match self.receive(&mut part)? {
                0 => return Ok(all),
                count => all.extend_from_slice(&part[..count]),
            }
        }
    }

    pub fn close(self) {
        self.0.close();
    }
}

/// Bytes in which no place looks like another.
pub fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
