//! Sockets of UDP and UDP-Lite, and those that send echo requests, whose messages are datagrams too.

use abi::Errno;
use abi::net::{self as linux, SOL_UDP, SOL_UDPLITE};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::net::IpAddr;

use file::{Error, Readiness, Sink, Source, put_record};
use hal::sync::SpinLock;
use task::WaitQueue;

use super::departure::{Departure, check_broadcast};
use super::inet::{self, InetOptions};
use super::{
    Address, Binding, Control, Destination, Domain, Generic, Message, MessageFlags, Received, Sharing, Shutdown,
    Socket, integer, read_integer,
};
use crate::Chunk;
use crate::environment::{Event, Protocol};
use crate::ip::{Endpoint, Interface, Path};
use crate::ping;
use crate::stack::Stack;
use crate::udp::{self, Arrived, Flow, Sending, Udp};

/// Bytes of the send buffer that Linux reports; a datagram leaves at once.
pub(super) const SEND_BUFFER: usize = 212_992;

// Of `linux/udp.h` and, for UDP-Lite, of `net/udplite.h`.
const UDP_CORK: u32 = 1;
const UDPLITE_SEND_CSCOV: u32 = 10;
const UDPLITE_RECV_CSCOV: u32 = 11;

struct Inner {
    options: InetOptions,
    /// What the checksums of UDP-Lite cover: those that are sent, and those that are taken, if that has been said.
    send_coverage: u16,
    least_coverage: Option<u16>,
    binding: Option<Binding>,
    flow: Option<Arc<Flow>>,
    path: Path,
    read_shut: bool,
    write_shut: bool,
    /// What `MSG_MORE` has gathered.
    corked: Vec<u8>,
}

pub(super) struct UdpSocket {
    stack: Arc<Stack>,
    domain: Domain,
    protocol: Protocol,
    wait_queue: Arc<WaitQueue>,
    inner: SpinLock<Inner>,
}

impl UdpSocket {
    pub(super) fn new(stack: &Arc<Stack>, domain: Domain, protocol: Protocol) -> Self {
        Self {
            stack: stack.clone(),
            domain,
            protocol,
            wait_queue: Arc::new(WaitQueue::new()),
            inner: SpinLock::new(Inner {
                options: InetOptions::new(),
                send_coverage: 0,
                least_coverage: None,
                binding: None,
                flow: None,
                path: Path::default(),
                read_shut: false,
                write_shut: false,
                corked: Vec::new(),
            }),
        }
    }

    /// The bound sockets of the protocol.
    fn table(&self) -> &Udp {
        match self.protocol {
            Protocol::UdpLite => &self.stack.udp_lite,
            Protocol::Ping => &self.stack.ping,
            _ => &self.stack.udp,
        }
    }

    /// The flow, bound to a free port if it was not bound.
    fn flow(&self, inner: &mut Inner, generic: &Generic) -> Result<Arc<Flow>, Errno> {
        if let Some(flow) = &inner.flow {
            return Ok(flow.clone());
        }
        self.bind_to(inner, Endpoint::new(inet::any(self.domain), 0), generic)
    }

    fn bind_to(&self, inner: &mut Inner, endpoint: Endpoint, generic: &Generic) -> Result<Arc<Flow>, Errno> {
        let sharing = Sharing {
            reuse_address: generic.reuse_address,
            reuse_port: generic.reuse_port,
            v6_only: inner.options.v6_only,
            device: generic.device,
        };
        let binding = Binding::new(&self.stack, self.protocol, endpoint, sharing)?;
        let flow = Flow::new(
            udp::Binding {
                local: binding.endpoint,
                remote: None,
                v6_only: inner.options.v6_only,
                device: generic.device,
            },
            self.wait_queue.clone(),
        );
        if generic.receive_buffer > 0 {
            flow.set_capacity(generic.receive_buffer as usize);
        }
        flow.set_least_coverage(inner.least_coverage);
        flow.set_reports(inner.options.reports());
        self.table().insert(&flow);
        inner.binding = Some(binding);
        inner.flow = Some(flow.clone());
        Ok(flow)
    }

    /// The end that an address names: of echo requests without a port.
    fn remote(&self, address: &Address, options: &InetOptions) -> Result<Endpoint, Errno> {
        let remote = inet::remote(self.domain, address, options)?;
        Ok(match self.protocol {
            Protocol::Ping => Endpoint::new(remote.address, 0),
            _ => remote,
        })
    }

    /// Where a message goes to.
    fn destination(&self, inner: &Inner, flow: &Flow, message: &Message) -> Result<Endpoint, Errno> {
        let remote = match &message.destination {
            Some(Destination::Address(Address::Unspecified)) | None => {
                flow.binding().remote.ok_or(Errno::DESTADDRREQ)?
            }
            Some(Destination::Address(address)) => self.remote(address, &inner.options)?,
            Some(Destination::Attachment(_)) => return Err(Errno::AFNOSUPPORT),
        };
        if remote.port == 0 && self.protocol != Protocol::Ping {
            return Err(Errno::INVAL);
        }
        Ok(remote)
    }
}

impl Socket for UdpSocket {
    fn wait_queue(&self) -> &WaitQueue {
        &self.wait_queue
    }

    fn readiness(&self) -> Readiness {
        let inner = self.inner.lock();
        let mut readiness = Readiness::OUT | Readiness::WRNORM;
        if let Some(flow) = &inner.flow {
            if flow.next_length().is_some() {
                readiness |= Readiness::IN | Readiness::RDNORM;
            }
            if flow.has_error() {
                readiness |= Readiness::ERR;
            }
        }
        if inner.read_shut {
            readiness |= Readiness::IN | Readiness::RDNORM | Readiness::RDHUP;
        }
        if inner.read_shut && inner.write_shut {
            readiness |= Readiness::HUP;
        }
        readiness
    }

    fn bind(&self, address: &Address, generic: &Generic) -> Result<(), Errno> {
        let mut inner = self.inner.lock();
        if inner.flow.is_some() {
            return Err(Errno::INVAL);
        }
        let endpoint = inet::bindable(&self.stack, self.domain, address, &inner.options, generic.device, true)?;
        let flow = self.bind_to(&mut inner, endpoint, generic)?;
        drop(inner);
        if endpoint.port != 0 && self.protocol != Protocol::Ping {
            self.stack.event(Event::Listening {
                protocol: self.protocol,
                endpoint: flow.binding().local,
            });
        }
        Ok(())
    }

    fn connect(&self, destination: &Destination, generic: &Generic) -> file::Result<()> {
        let Destination::Address(address) = destination else {
            return Err(Errno::AFNOSUPPORT.into());
        };
        let mut inner = self.inner.lock();
        inner.path = Path::default();
        let bound = |inner: &Inner| inner.binding.as_ref().map(|binding| binding.endpoint);
        if *address == Address::Unspecified {
            if let (Some(flow), Some(local)) = (&inner.flow, bound(&inner)) {
                flow.connect(local, None);
            }
            return Ok(());
        }
        let remote = self.remote(address, &inner.options)?;
        address.check_scope(generic.device)?;
        let source = self.stack.source_for(remote.address)?;
        check_broadcast(&self.stack, generic, remote.address)?;
        let flow = self.flow(&mut inner, generic)?;
        let local = bound(&inner).ok_or(Errno::INVAL)?;
        let local = if local.address.is_unspecified() {
            Endpoint::new(source, local.port)
        } else {
            local
        };
        flow.connect(local, Some(remote));
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
        let flow = self.flow(&mut inner, generic)?;
        if let Some(errno) = flow.take_error() {
            return Err(errno.into());
        }
        let remote = self.destination(&inner, &flow, message)?;
        check_broadcast(&self.stack, generic, remote.address)?;
        let binding = flow.binding();
        let departure = Departure::new(
            &self.stack,
            binding.local.address,
            remote.address,
            message,
            &inner.options,
        )?;
        if length + inner.corked.len() > udp::largest(remote.address) {
            return Err(Errno::MSGSIZE.into());
        }
        let mut payload = Chunk::filled(length, |bytes| fill(source, bytes))?;
        if message.flags.contains(MessageFlags::MORE) || !inner.corked.is_empty() {
            inner.corked.extend_from_slice(&payload);
            if message.flags.contains(MessageFlags::MORE) {
                return Ok(length);
            }
            payload = Chunk::copy_of(&core::mem::take(&mut inner.corked));
        }
        let options = inner.options.of(remote.address);
        let sending = Sending {
            protocol: self.protocol,
            coverage: inner.send_coverage,
            local: Endpoint::new(departure.source, binding.local.port),
            remote,
            ttl: departure.hops,
            tos: departure.class,
            dont_fragment: inner.options.dont_fragment(remote.address),
            copy: if remote.address.is_multicast() {
                options.copy_of_groups()
            } else {
                let is_broadcast = generic.broadcast && self.stack.routes.lock().is_broadcast(remote.address);
                is_broadcast.then_some(Interface::Ethernet)
            },
        };
        let connected = binding.remote == Some(remote);
        let mut path = if connected { inner.path } else { Path::default() };
        match self.protocol {
            Protocol::Ping => ping::send(&self.stack, &sending, &payload, &mut path)?,
            _ => udp::send(&self.stack, &sending, &[payload], &mut path)?,
        }
        if connected {
            inner.path = path;
        }
        Ok(length)
    }

    fn receive(&self, sink: &mut dyn Sink, flags: MessageFlags, generic: &Generic) -> file::Result<Received> {
        if flags.contains(MessageFlags::ERRQUEUE) {
            let flow = self.inner.lock().flow.clone();
            // Nobody waits for an error.
            return take_reported(&*flow.ok_or(Errno::AGAIN)?, self.domain, sink);
        }
        let (flow, options, read_shut) = {
            let inner = self.inner.lock();
            (inner.flow.clone(), inner.options, inner.read_shut)
        };
        let Some(flow) = flow else {
            return if read_shut {
                Ok(Received::default())
            } else {
                Err(Error::WouldBlock)
            };
        };
        if let Some(errno) = flow.take_error() {
            return Err(errno.into());
        }
        match take(&flow, self.domain, sink, flags, &options, generic)? {
            Some(received) => Ok(received),
            None if read_shut => Ok(Received::default()),
            None => Err(Error::WouldBlock),
        }
    }

    fn shutdown(&self, how: Shutdown) -> Result<(), Errno> {
        {
            let mut inner = self.inner.lock();
            let connected = inner.flow.as_ref().is_some_and(|flow| flow.binding().remote.is_some());
            inner.read_shut |= how.ends_reading();
            inner.write_shut |= how.ends_writing();
            if !connected {
                return Err(Errno::NOTCONN);
            }
        }
        self.wait_queue.notify();
        Ok(())
    }

    fn local(&self) -> Address {
        let inner = self.inner.lock();
        let endpoint = inner
            .flow
            .as_ref()
            .map_or(Endpoint::new(inet::any(self.domain), 0), |flow| flow.binding().local);
        Address::of(self.domain, endpoint)
    }

    fn peer(&self) -> Result<Address, Errno> {
        let inner = self.inner.lock();
        let remote = inner
            .flow
            .as_ref()
            .and_then(|flow| flow.binding().remote)
            .filter(|remote| remote.port != 0)
            .ok_or(Errno::NOTCONN)?;
        Ok(Address::of(self.domain, remote))
    }

    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<(), Errno> {
        let mut inner = self.inner.lock();
        if matches!(level, SOL_UDP | SOL_UDPLITE) {
            if self.protocol != Protocol::UdpLite {
                return Err(Errno::NOPROTOOPT);
            }
            let coverage = udp::lite::coverage(read_integer(value)?);
            match name {
                UDPLITE_SEND_CSCOV => inner.send_coverage = coverage,
                UDPLITE_RECV_CSCOV => {
                    inner.least_coverage = Some(coverage);
                    if let Some(flow) = &inner.flow {
                        flow.set_least_coverage(inner.least_coverage);
                    }
                }
                _ => return Err(Errno::NOPROTOOPT),
            }
            return Ok(());
        }
        if level == linux::SOL_IPV6 && name == linux::IPV6_V6ONLY && inner.flow.is_some() {
            return Err(Errno::INVAL);
        }
        inner.options.set(self.domain, level, name, value)?;
        if let Some(flow) = &inner.flow {
            flow.set_reports(inner.options.reports());
        }
        Ok(())
    }

    fn option(&self, level: u32, name: u32) -> Result<Vec<u8>, Errno> {
        if matches!(level, SOL_UDP | SOL_UDPLITE) {
            let inner = self.inner.lock();
            return match name {
                UDP_CORK => Ok(integer(0)),
                UDPLITE_SEND_CSCOV => Ok(integer(inner.send_coverage.into())),
                UDPLITE_RECV_CSCOV => Ok(integer(inner.least_coverage.unwrap_or(0).into())),
                _ => Err(Errno::NOPROTOOPT),
            };
        }
        let (options, remote) = {
            let inner = self.inner.lock();
            (
                inner.options,
                inner.flow.as_ref().and_then(|flow| flow.binding().remote),
            )
        };
        options.get(
            &self.stack,
            self.domain,
            level,
            name,
            remote.map(|remote| self.stack.path_mtu(remote.address)),
        )
    }

    fn apply(&self, generic: &Generic) {
        if let Some(flow) = &self.inner.lock().flow {
            if generic.receive_buffer > 0 {
                flow.set_capacity(generic.receive_buffer as usize);
            }
            flow.set_device(generic.device);
        }
    }

    fn capacities(&self) -> (usize, usize) {
        let receive = self
            .inner
            .lock()
            .flow
            .as_ref()
            .map_or(SEND_BUFFER, |flow| flow.capacity());
        (SEND_BUFFER, receive)
    }

    fn take_error(&self) -> Option<Errno> {
        self.inner.lock().flow.as_ref()?.take_error()
    }

    fn readable(&self) -> usize {
        self.inner
            .lock()
            .flow
            .as_ref()
            .and_then(|flow| flow.next_length())
            .unwrap_or(0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn close(&self, _generic: &Generic) {
        let (flow, binding) = {
            let mut inner = self.inner.lock();
            (inner.flow.take(), inner.binding.take())
        };
        if let Some(flow) = flow {
            self.table().remove(&flow);
        }
        drop(binding);
    }
}

/// Takes the next message that came for a socket of `domain`.
pub(super) fn take(
    flow: &Flow,
    domain: Domain,
    sink: &mut dyn Sink,
    flags: MessageFlags,
    options: &InetOptions,
    generic: &Generic,
) -> file::Result<Option<Received>> {
    let peek = flags.contains(MessageFlags::PEEK);
    let Some(arrived) = flow.next(peek) else {
        return Ok(None);
    };
    let whole = arrived.payload.len();
    let room = sink.remaining().min(whole);
    if let Err(fault) = put_record(sink, &arrived.payload[..room]) {
        // User memory that is not there yet: the datagram waits for the next try.
        if !peek {
            flow.put_back(arrived);
        }
        return Err(fault.into());
    }
    let mut result = Received {
        length: if flags.contains(MessageFlags::TRUNC) {
            whole
        } else {
            room
        },
        address: Some(Address::of(domain, arrived.source)),
        flags: MessageFlags::empty(),
        control: control_of(domain, &arrived, options, generic),
    };
    if room < whole {
        result.flags |= MessageFlags::TRUNC;
    }
    Ok(Some(result))
}

/// Takes the next error that a socket of `domain` is told in full, with the payload that was lost; `EAGAIN` without one.
fn take_reported(flow: &Flow, domain: Domain, sink: &mut dyn Sink) -> file::Result<Received> {
    let reported = flow.next_reported().ok_or(Errno::AGAIN)?;
    let whole = reported.payload.len();
    let length = sink.remaining().min(whole);
    if let Err(fault) = put_record(sink, &reported.payload[..length]) {
        flow.put_reported_back(reported);
        return Err(fault.into());
    }
    let mut flags = MessageFlags::ERRQUEUE;
    flags.set(MessageFlags::TRUNC, length < whole);
    Ok(Received {
        length,
        address: Some(Address::of(domain, reported.remote)),
        flags,
        control: alloc::vec![Control::Error {
            errno: reported.errno,
            kind: reported.kind,
            mtu: reported.mtu,
            from: Address::of(domain, Endpoint::new(reported.from, 0)),
        }],
    })
}

/// What a socket of `domain` is told of a message beside its bytes.
fn control_of(domain: Domain, arrived: &Arrived, options: &InetOptions, generic: &Generic) -> Vec<Control> {
    let mut control = Vec::new();
    let v6 = domain == Domain::Inet6;
    if generic.timestamp {
        control.push(Control::Timestamp(arrived.time, generic.timestamp_nanoseconds));
    }
    if generic.reports_software_time() {
        control.push(Control::Timestamping(arrived.time));
    }
    if generic.overflow && arrived.dropped != 0 {
        control.push(Control::Dropped(arrived.dropped));
    }
    // A socket of IPv6 gets told of packets of IPv4 as its own, but for what only they have.
    let version = options.of(arrived.source.address);
    let is_ipv6 = arrived.source.address.is_ipv6();
    if options.of(inet::any(domain)).packet_info {
        let address = match arrived.destination.address {
            IpAddr::V4(address) if v6 => IpAddr::V6(address.to_ipv6_mapped()),
            address => address,
        };
        control.push(Control::PacketInfo {
            interface: arrived.interface as u32,
            address,
        });
    }
    if version.receive_hops {
        control.push(Control::TimeToLive(arrived.ttl, is_ipv6));
    }
    if version.receive_class {
        control.push(Control::TypeOfService(arrived.tos, is_ipv6));
    }
    if version.receive_destination {
        let own = if is_ipv6 { Domain::Inet6 } else { Domain::Inet };
        control.push(Control::Destination(Address::of(own, arrived.destination)));
    }
    control
}

/// Fills all of `bytes`; a fault when they cannot all be had, for a datagram is sent whole or not.
pub(crate) fn fill(source: &mut dyn Source, bytes: &mut [u8]) -> file::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match source.read(&mut bytes[filled..]) {
            Ok(0) => return Err(Errno::FAULT.into()),
            Ok(count) => filled += count,
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(filled)
}
