//! Raw sockets (`raw(7)`), which whoever may make them has the capability for.

use abi::Errno;
use abi::net::{self as linux, SOL_ICMPV6, SOL_RAW};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;

use file::{Error, Readiness, Sink, Source};
use hal::sync::SpinLock;
use task::WaitQueue;

use super::departure::{Departure, check_broadcast};
use super::inet::{self, InetOptions};
use super::udp::{self as datagrams, SEND_BUFFER};
use super::{
    Address, Destination, Domain, Generic, Message, MessageFlags, Received, Shutdown, Socket, fill, integer,
    read_integer,
};
use crate::ip::{Endpoint, ICMP_CHECKSUM_AT, Path, protocol};
use crate::raw::{self, Sending};
use crate::stack::Stack;
use crate::udp::{Binding, Flow, Refused};

/// Of `linux/icmp.h`, at `SOL_RAW`, and of `linux/icmpv6.h`, at `SOL_ICMPV6`: which types of messages come in.
const ICMP_FILTER: u32 = 1;
const ICMPV6_FILTER: u32 = 1;
/// The protocol of packets that the application writes whole, and that never comes in.
const WHOLE_PACKETS: u8 = 255;

struct Inner {
    options: InetOptions,
    /// Packets are written with their Internet header.
    writes_header: bool,
    /// Where packets of IPv6 have a checksum over all of them.
    checksum_at: Option<usize>,
    path: Path,
    /// What `connect(2)` named as a port, which means nothing but that there is a peer to tell of.
    peer_port: u16,
    read_shut: bool,
    write_shut: bool,
}

pub(super) struct RawSocket {
    stack: Arc<Stack>,
    domain: Domain,
    protocol: u8,
    flow: Arc<Flow>,
    wait_queue: Arc<WaitQueue>,
    inner: SpinLock<Inner>,
}

impl RawSocket {
    pub(super) fn new(stack: &Arc<Stack>, domain: Domain, protocol: u8) -> Self {
        let wait_queue = Arc::new(WaitQueue::new());
        let binding = Binding {
            local: Endpoint::new(inet::any(domain), u16::from(protocol)),
            remote: None,
            v6_only: true,
            device: None,
        };
        let flow = Flow::new(binding, wait_queue.clone());
        stack.raw.insert(&flow);
        Self {
            stack: stack.clone(),
            domain,
            protocol,
            flow,
            wait_queue,
            inner: SpinLock::new(Inner {
                options: InetOptions::new(),
                writes_header: protocol == WHOLE_PACKETS,
                checksum_at: (protocol == protocol::ICMPV6).then_some(usize::from(ICMP_CHECKSUM_AT)),
                path: Path::default(),
                peer_port: 0,
                read_shut: false,
                write_shut: false,
            }),
        }
    }

    /// The end that an address names. There are no ports: flows have the protocol's number in their place.
    fn remote(&self, address: &Address, options: &InetOptions) -> Result<Endpoint, Errno> {
        let remote = inet::remote(self.domain, address, options)?;
        if remote.address.is_ipv4() != (self.domain == Domain::Inet) {
            return Err(Errno::NETUNREACH);
        }
        Ok(Endpoint::new(remote.address, u16::from(self.protocol)))
    }

    fn shown(&self, end: Endpoint, port: u16) -> Address {
        Address::of(self.domain, Endpoint::new(end.address, port))
    }
}

impl Socket for RawSocket {
    fn wait_queue(&self) -> &WaitQueue {
        &self.wait_queue
    }

    fn readiness(&self) -> Readiness {
        let inner = self.inner.lock();
        let mut readiness = Readiness::OUT | Readiness::WRNORM;
        if self.flow.next_length().is_some() || inner.read_shut {
            readiness |= Readiness::IN | Readiness::RDNORM;
        }
        if inner.read_shut {
            readiness |= Readiness::RDHUP;
        }
        if inner.read_shut && inner.write_shut {
            readiness |= Readiness::HUP;
        }
        readiness
    }

    fn bind(&self, address: &Address, generic: &Generic) -> Result<(), Errno> {
        let inner = self.inner.lock();
        let end = inet::bindable(&self.stack, self.domain, address, &inner.options, generic.device, true)?;
        let remote = self.flow.binding().remote;
        self.flow
            .connect(Endpoint::new(end.address, u16::from(self.protocol)), remote);
        Ok(())
    }

    fn connect(&self, destination: &Destination, generic: &Generic) -> file::Result<()> {
        let Destination::Address(address) = destination else {
            return Err(Errno::AFNOSUPPORT.into());
        };
        let mut inner = self.inner.lock();
        inner.path = Path::default();
        let local = self.flow.binding().local;
        if *address == Address::Unspecified {
            let any = Endpoint::new(inet::any(self.domain), local.port);
            self.flow.connect(any, None);
            return Ok(());
        }
        inner.peer_port = address.endpoint(self.domain)?.port;
        let remote = self.remote(address, &inner.options)?;
        address.check_scope(generic.device)?;
        let source = self.stack.source_for(remote.address)?;
        check_broadcast(&self.stack, generic, remote.address)?;
        let own = if local.address.is_unspecified() {
            source
        } else {
            local.address
        };
        self.flow.connect(Endpoint::new(own, local.port), Some(remote));
        Ok(())
    }

    fn send(&self, source: &mut dyn Source, message: &Message, generic: &Generic) -> file::Result<usize> {
        if message.flags.contains(MessageFlags::OOB) {
            return Err(Errno::OPNOTSUPP.into());
        }
        let length = source.remaining();
        let mut inner = self.inner.lock();
        if inner.write_shut {
            return Err(Errno::PIPE.into());
        }
        let binding = self.flow.binding();
        let remote = match &message.destination {
            Some(Destination::Address(Address::Unspecified)) | None => binding.remote.ok_or(Errno::DESTADDRREQ)?,
            Some(Destination::Address(address)) => self.remote(address, &inner.options)?,
            Some(Destination::Attachment(_)) => return Err(Errno::AFNOSUPPORT.into()),
        };
        check_broadcast(&self.stack, generic, remote.address)?;
        let writes_header = inner.writes_header && self.domain == Domain::Inet;
        if length
            > if writes_header {
                raw::LARGEST
            } else {
                raw::largest(remote.address)
            }
        {
            return Err(Errno::MSGSIZE.into());
        }
        let departure = Departure::new(
            &self.stack,
            binding.local.address,
            remote.address,
            message,
            &inner.options,
        )?;
        let mut payload = vec![0; length];
        fill(source, &mut payload)?;
        let sending = Sending {
            source: departure.source,
            destination: remote.address,
            protocol: self.protocol,
            ttl: departure.hops,
            tos: departure.class,
            dont_fragment: inner.options.dont_fragment(remote.address),
            checksum_at: inner.checksum_at,
        };
        let mut path = if binding.remote == Some(remote) {
            inner.path
        } else {
            Path::default()
        };
        if writes_header {
            raw::send_with_header(&self.stack, &payload, departure.source, &mut path)?;
        } else {
            raw::send(&self.stack, &sending, payload, &mut path)?;
        }
        if binding.remote == Some(remote) {
            inner.path = path;
        }
        Ok(length)
    }

    fn receive(&self, sink: &mut dyn Sink, flags: MessageFlags, generic: &Generic) -> file::Result<Received> {
        if flags.contains(MessageFlags::OOB) {
            return Err(Errno::OPNOTSUPP.into());
        }
        if flags.contains(MessageFlags::ERRQUEUE) {
            return Err(Error::WouldBlock);
        }
        let (options, read_shut) = {
            let inner = self.inner.lock();
            (inner.options, inner.read_shut)
        };
        match datagrams::take(&self.flow, self.domain, sink, flags, &options, generic)? {
            Some(received) => Ok(received),
            None if read_shut => Ok(Received::default()),
            None => Err(Error::WouldBlock),
        }
    }

    fn shutdown(&self, how: Shutdown) -> Result<(), Errno> {
        {
            let mut inner = self.inner.lock();
            inner.read_shut |= how.ends_reading();
            inner.write_shut |= how.ends_writing();
        }
        self.wait_queue.notify();
        if self.flow.binding().remote.is_none() {
            return Err(Errno::NOTCONN);
        }
        Ok(())
    }

    fn local(&self) -> Address {
        self.shown(self.flow.binding().local, u16::from(self.protocol))
    }

    fn peer(&self) -> Result<Address, Errno> {
        let port = self.inner.lock().peer_port;
        let remote = self.flow.binding().remote.filter(|_| port != 0);
        Ok(self.shown(remote.ok_or(Errno::NOTCONN)?, port))
    }

    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<(), Errno> {
        let mut inner = self.inner.lock();
        match (level, name) {
            (SOL_RAW, ICMP_FILTER) if self.domain == Domain::Inet && self.protocol == protocol::ICMP => {
                let mut refused = Refused::default();
                refused[0] = read_integer(value)? as u32;
                self.flow.set_refused(refused);
            }
            (SOL_ICMPV6, ICMPV6_FILTER) if self.protocol == protocol::ICMPV6 => {
                let words = value.first_chunk::<32>().ok_or(Errno::INVAL)?.as_chunks::<4>().0;
                let mut refused = Refused::default();
                for (refused, word) in refused.iter_mut().zip(words) {
                    *refused = u32::from_ne_bytes(*word);
                }
                self.flow.set_refused(refused);
            }
            (linux::SOL_IP, linux::IP_HDRINCL) if self.domain == Domain::Inet => {
                inner.writes_header = read_integer(value)? != 0;
            }
            (linux::SOL_IPV6 | SOL_RAW, linux::IPV6_CHECKSUM) if self.domain == Domain::Inet6 => {
                let at = read_integer(value)?;
                if self.protocol == protocol::ICMPV6 || at > 0 && at & 1 != 0 {
                    return Err(Errno::INVAL);
                }
                inner.checksum_at = usize::try_from(at).ok();
            }
            (SOL_RAW, ICMP_FILTER) if self.domain == Domain::Inet => return Err(Errno::OPNOTSUPP),
            (SOL_RAW | SOL_ICMPV6, _) => return Err(Errno::NOPROTOOPT),
            _ => return inner.options.set(self.domain, level, name, value),
        }
        Ok(())
    }

    fn option(&self, level: u32, name: u32) -> Result<Vec<u8>, Errno> {
        let inner = self.inner.lock();
        Ok(match (level, name) {
            (SOL_RAW, ICMP_FILTER) if self.domain == Domain::Inet && self.protocol == protocol::ICMP => {
                integer(self.flow.refused()[0])
            }
            (SOL_ICMPV6, ICMPV6_FILTER) if self.protocol == protocol::ICMPV6 => {
                self.flow.refused().iter().flat_map(|word| word.to_ne_bytes()).collect()
            }
            (linux::SOL_IP, linux::IP_HDRINCL) if self.domain == Domain::Inet => integer(inner.writes_header.into()),
            (linux::SOL_IPV6 | SOL_RAW, linux::IPV6_CHECKSUM) if self.domain == Domain::Inet6 => {
                integer(inner.checksum_at.map_or(u32::MAX, |at| at as u32))
            }
            (SOL_RAW, ICMP_FILTER) if self.domain == Domain::Inet => return Err(Errno::OPNOTSUPP),
            (SOL_RAW | SOL_ICMPV6, _) => return Err(Errno::NOPROTOOPT),
            _ => {
                let remote = self.flow.binding().remote;
                let mtu = remote.map(|remote| self.stack.path_mtu(remote.address));
                return inner.options.get(&self.stack, self.domain, level, name, mtu);
            }
        })
    }

    fn apply(&self, generic: &Generic) {
        if generic.receive_buffer > 0 {
            self.flow.set_capacity(generic.receive_buffer as usize);
        }
        self.flow.set_device(generic.device);
    }

    fn capacities(&self) -> (usize, usize) {
        (SEND_BUFFER, self.flow.capacity())
    }

    fn readable(&self) -> usize {
        self.flow.next_length().unwrap_or(0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn close(&self, _generic: &Generic) {
        self.stack.raw.remove(&self.flow);
    }
}
