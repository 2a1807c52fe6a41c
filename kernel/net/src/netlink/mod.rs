//! Netlink sockets, for reading: of `NETLINK_ROUTE` (`rtnetlink(7)`) what `getifaddrs(3)`, `getaddrinfo(3)` and `ip` ask, and of
//! `NETLINK_KOBJECT_UEVENT` nothing, for no device comes or goes.

mod dump;
mod message;
mod route;

use abi::Errno;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicU32, Ordering};

use file::{Error, Readiness, Sink, Source, put_record};
use hal::sync::SpinLock;
use task::WaitQueue;

use crate::socket::{Address, Destination, Generic, Message, MessageFlags, Received, Shutdown, Socket, fill};
use crate::stack::Stack;

/// Bytes of the largest request that is taken.
const LARGEST_REQUEST: usize = 65536;
const BUFFER: usize = 212_992;

struct State {
    port: u32,
    groups: u32,
    replies: VecDeque<Vec<u8>>,
}

pub(crate) struct NetlinkSocket {
    stack: Arc<Stack>,
    answers: bool,
    wait_queue: WaitQueue,
    state: SpinLock<State>,
}

/// Ports of sockets that did not choose one.
static NEXT_PORT: AtomicU32 = AtomicU32::new(0x8000_0001);

impl NetlinkSocket {
    /// One of `NETLINK_ROUTE`, which `answers` requests, or one that never hears of anything.
    pub(crate) fn new(stack: &Arc<Stack>, answers: bool) -> Self {
        Self {
            stack: stack.clone(),
            answers,
            wait_queue: WaitQueue::new(),
            state: SpinLock::new(State {
                port: 0,
                groups: 0,
                replies: VecDeque::new(),
            }),
        }
    }

    /// The port, chosen now if there is none yet.
    fn port(&self) -> u32 {
        let mut state = self.state.lock();
        if state.port == 0 {
            state.port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        }
        state.port
    }

    /// Adds a message for the reader.
    pub(crate) fn deliver(&self, message: Vec<u8>) {
        self.state.lock().replies.push_back(message);
        self.wait_queue.notify();
    }
}

impl Socket for NetlinkSocket {
    fn wait_queue(&self) -> &WaitQueue {
        &self.wait_queue
    }

    fn readiness(&self) -> Readiness {
        let ready = Readiness::OUT | Readiness::WRNORM;
        if self.state.lock().replies.is_empty() {
            ready
        } else {
            ready | Readiness::IN | Readiness::RDNORM
        }
    }

    fn bind(&self, address: &Address, _generic: &Generic) -> Result<(), Errno> {
        let Address::Netlink(port, groups) = *address else {
            return Err(Errno::INVAL);
        };
        {
            let mut state = self.state.lock();
            if port != 0 && state.port != 0 && state.port != port {
                return Err(Errno::INVAL);
            }
            if port != 0 {
                state.port = port;
            }
            state.groups = groups;
        }
        self.port();
        Ok(())
    }

    fn connect(&self, destination: &Destination, _generic: &Generic) -> file::Result<()> {
        match destination {
            Destination::Address(Address::Netlink(0, _) | Address::Unspecified) => {
                self.port();
                Ok(())
            }
            Destination::Address(Address::Netlink(..)) => Err(Errno::CONNREFUSED.into()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    fn send(&self, source: &mut dyn Source, message: &Message, _generic: &Generic) -> file::Result<usize> {
        match &message.destination {
            None | Some(Destination::Address(Address::Netlink(0, _))) => {}
            Some(Destination::Address(Address::Netlink(..))) => return Err(Errno::CONNREFUSED.into()),
            Some(_) => return Err(Errno::INVAL.into()),
        }
        let length = source.remaining();
        if length > LARGEST_REQUEST {
            return Err(Errno::MSGSIZE.into());
        }
        let mut request = alloc::vec![0; length];
        fill(source, &mut request)?;
        let port = self.port();
        let replies = if self.answers {
            dump::answer(&self.stack, port, &request)
        } else {
            Vec::new()
        };
        if !replies.is_empty() {
            self.state.lock().replies.extend(replies);
            self.wait_queue.notify();
        }
        Ok(length)
    }

    fn receive(&self, sink: &mut dyn Sink, flags: MessageFlags, _generic: &Generic) -> file::Result<Received> {
        let mut state = self.state.lock();
        let reply = state.replies.front().ok_or(Error::WouldBlock)?;
        let whole = reply.len();
        let room = sink.remaining().min(whole);
        put_record(sink, &reply[..room])?;
        if !flags.contains(MessageFlags::PEEK) {
            state.replies.pop_front();
        }
        Ok(Received {
            length: if flags.contains(MessageFlags::TRUNC) {
                whole
            } else {
                room
            },
            address: Some(Address::Netlink(0, 0)),
            flags: if room < whole {
                MessageFlags::TRUNC
            } else {
                MessageFlags::empty()
            },
            control: Vec::new(),
        })
    }

    fn shutdown(&self, _how: Shutdown) -> Result<(), Errno> {
        Err(Errno::OPNOTSUPP)
    }

    fn local(&self) -> Address {
        let state = self.state.lock();
        Address::Netlink(state.port, state.groups)
    }

    fn peer(&self) -> Result<Address, Errno> {
        Ok(Address::Netlink(0, 0))
    }

    fn set_option(&self, level: u32, _name: u32, _value: &[u8]) -> Result<(), Errno> {
        // Extended acknowledgements, strict checking and membership of groups change nothing about dumps.
        if level == abi::net::SOL_NETLINK {
            Ok(())
        } else {
            Err(Errno::NOPROTOOPT)
        }
    }

    fn capacities(&self) -> (usize, usize) {
        (BUFFER, BUFFER)
    }

    fn readable(&self) -> usize {
        self.state.lock().replies.front().map_or(0, Vec::len)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
