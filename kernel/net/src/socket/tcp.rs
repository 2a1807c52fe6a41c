//! TCP sockets.

use abi::Errno;
use abi::net::{self as linux, SOL_TCP};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use file::{Error, Readiness, Sink, Source};
use hal::sync::SpinLock;
use task::WaitQueue;

use super::inet::{self, InetOptions};
use super::ports::ephemeral_port;
use super::{
    Address, Binding, Destination, Domain, Generic, Message, MessageFlags, Received, Sharing, Shutdown, Socket,
    backlog_limit, integer, read_integer,
};
use crate::environment::{Event, Protocol};
use crate::ip::Endpoint;
use crate::stack::Stack;
use crate::tcp::{self, Connection, Information, Listener, Settings, State};

enum Role {
    Idle,
    Listening(Arc<Listener>),
    Connected {
        connection: Arc<Connection>,
        /// `connect` has told of its success.
        reported: bool,
    },
}

struct Inner {
    /// With what the options of all levels say, each since it was set.
    settings: Settings,
    options: InetOptions,
    binding: Option<Binding>,
    role: Role,
}

pub(super) struct TcpSocket {
    stack: Arc<Stack>,
    domain: Domain,
    wait_queue: Arc<WaitQueue>,
    inner: SpinLock<Inner>,
}

impl TcpSocket {
    pub(super) fn new(stack: &Arc<Stack>, domain: Domain) -> Self {
        Self {
            stack: stack.clone(),
            domain,
            wait_queue: Arc::new(WaitQueue::new()),
            inner: SpinLock::new(Inner {
                settings: Settings::new(),
                options: InetOptions::new(),
                binding: None,
                role: Role::Idle,
            }),
        }
    }

    fn connection(&self) -> Option<Arc<Connection>> {
        match &self.inner.lock().role {
            Role::Connected { connection, .. } => Some(connection.clone()),
            _ => None,
        }
    }

    fn sharing(options: &InetOptions, generic: &Generic) -> Sharing {
        Sharing {
            reuse_address: generic.reuse_address,
            reuse_port: generic.reuse_port,
            v6_only: options.v6_only,
            device: generic.device,
        }
    }

    /// Changes the settings of the socket and of what it became.
    fn set(&self, change: impl Fn(&mut Settings)) {
        let connection = {
            let mut inner = self.inner.lock();
            change(&mut inner.settings);
            match &inner.role {
                Role::Idle => None,
                Role::Listening(listener) => {
                    change(&mut listener.settings.lock());
                    None
                }
                Role::Connected { connection, .. } => Some(connection.clone()),
            }
        };
        if let Some(connection) = connection {
            connection.set(&self.stack, change);
        }
    }

    /// Begins a handshake from an idle socket.
    fn open(&self, inner: &mut Inner, address: &Address, generic: &Generic) -> Result<(), Errno> {
        let remote = inet::remote(self.domain, address, &inner.options)?;
        address.check_scope(generic.device)?;
        if remote.address.is_multicast() || self.stack.routes.lock().is_broadcast(remote.address) {
            return Err(Errno::NETUNREACH);
        }
        if remote.port == 0 {
            return Err(Errno::CONNREFUSED);
        }
        let bound = inner.binding.as_ref().map(|binding| binding.endpoint);
        let local_address = match bound {
            Some(bound) if !bound.address.is_unspecified() => bound.address,
            _ => self.stack.source_for(remote.address)?,
        };
        if local_address.is_ipv4() != remote.address.is_ipv4() {
            return Err(Errno::NETUNREACH);
        }
        let connect = |port: u16| {
            Connection::connect(
                &self.stack,
                Endpoint::new(local_address, port),
                remote,
                inner.settings,
                self.wait_queue.clone(),
            )
        };
        let connection = if let Some(port) = bound.map(|bound| bound.port).filter(|&port| port != 0) {
            connect(port)?
        } else {
            let mut result = Err(Errno::ADDRNOTAVAIL);
            ephemeral_port(&self.stack, local_address, remote, |port| {
                result = connect(port);
                !matches!(result, Err(Errno::ADDRNOTAVAIL))
            });
            result?
        };
        inner.role = Role::Connected {
            connection,
            reported: false,
        };
        Ok(())
    }

    fn congestion_name(value: &[u8]) -> Result<(), Errno> {
        let name = value.split(|&byte| byte == 0).next().unwrap_or_default();
        if name == b"cubic" || name == b"reno" {
            Ok(())
        } else {
            Err(Errno::NOENT)
        }
    }

    fn set_tcp_option(&self, name: u32, value: &[u8]) -> Result<(), Errno> {
        if name == linux::TCP_CONGESTION {
            return Self::congestion_name(value);
        }
        let number = read_integer(value)?;
        let on = number != 0;
        let within = |least: i32, most: i32| {
            if (least..=most).contains(&number) {
                Ok(number as u32)
            } else {
                Err(Errno::INVAL)
            }
        };
        match name {
            linux::TCP_NODELAY => self.set(|settings| settings.no_delay = on),
            linux::TCP_CORK => self.set(|settings| settings.cork = on),
            linux::TCP_QUICKACK => self.set(|settings| settings.quick_ack = on),
            linux::TCP_KEEPIDLE => {
                let seconds = within(1, 32767)?;
                self.set(|settings| settings.keep_idle = seconds);
            }
            linux::TCP_KEEPINTVL => {
                let seconds = within(1, 32767)?;
                self.set(|settings| settings.keep_interval = seconds);
            }
            linux::TCP_KEEPCNT => {
                let count = within(1, 127)? as u8;
                self.set(|settings| settings.keep_count = count);
            }
            linux::TCP_SYNCNT => {
                let count = within(1, 127)? as u8;
                self.set(|settings| settings.syn_retries = count);
            }
            linux::TCP_MAXSEG => {
                if number != 0 {
                    within(88, 32767)?;
                }
                self.set(|settings| settings.max_segment = number as u16);
            }
            linux::TCP_USER_TIMEOUT => {
                let milliseconds = within(0, i32::MAX)?;
                self.set(|settings| settings.user_timeout = milliseconds);
            }
            linux::TCP_DEFER_ACCEPT => self.set(|settings| settings.defer_accept = number.max(0) as u32),
            linux::TCP_LINGER2 => self.set(|settings| settings.linger2 = number),
            linux::TCP_WINDOW_CLAMP => self.set(|settings| settings.window_clamp = number.max(0) as u32),
            linux::TCP_NOTSENT_LOWAT => self.set(|settings| settings.not_sent_low = number as u32),
            linux::TCP_FASTOPEN => {
                let most = usize::try_from(number).map_err(|_| Errno::INVAL)?;
                if self.connection().is_some() {
                    return Err(Errno::INVAL);
                }
                self.set(|settings| settings.fast_open = most.min(backlog_limit()) as u32);
            }
            // Harmless to leave out.
            linux::TCP_THIN_LINEAR_TIMEOUTS | linux::TCP_THIN_DUPACK | linux::TCP_SAVE_SYN | linux::TCP_INQ => {}
            // Fast open by clients, TLS in the kernel, MD5 and repair do not exist here.
            linux::TCP_FASTOPEN_CONNECT | linux::TCP_FASTOPEN_KEY => {
                return Err(Errno::OPNOTSUPP);
            }
            linux::TCP_ULP => return Err(Errno::NOENT),
            _ => return Err(Errno::NOPROTOOPT),
        }
        Ok(())
    }

    fn tcp_option(&self, name: u32) -> Result<Vec<u8>, Errno> {
        let connection = self.connection();
        let settings = connection
            .as_ref()
            .map_or_else(|| self.inner.lock().settings, |connection| connection.settings());
        Ok(integer(match name {
            linux::TCP_NODELAY => u32::from(settings.no_delay),
            linux::TCP_CORK => u32::from(settings.cork),
            linux::TCP_QUICKACK => u32::from(settings.quick_ack),
            linux::TCP_KEEPIDLE => settings.keep_idle,
            linux::TCP_KEEPINTVL => settings.keep_interval,
            linux::TCP_KEEPCNT => u32::from(settings.keep_count),
            linux::TCP_SYNCNT => u32::from(settings.syn_retries),
            linux::TCP_MAXSEG => connection.map_or(536, |connection| connection.mss()) as u32,
            linux::TCP_USER_TIMEOUT => settings.user_timeout,
            linux::TCP_DEFER_ACCEPT => settings.defer_accept,
            linux::TCP_LINGER2 => settings.linger2 as u32,
            linux::TCP_WINDOW_CLAMP => settings.window_clamp,
            linux::TCP_NOTSENT_LOWAT => settings.not_sent_low,
            linux::TCP_FASTOPEN => settings.fast_open,
            linux::TCP_FASTOPEN_CONNECT => 0,
            linux::TCP_CONGESTION => return Ok(b"cubic\0\0\0\0\0\0\0\0\0\0\0".to_vec()),
            linux::TCP_INFO => return Ok(self.information(connection.as_deref())),
            _ => return Err(Errno::NOPROTOOPT),
        }))
    }

    fn information(&self, connection: Option<&Connection>) -> Vec<u8> {
        const LISTEN: u8 = 10;
        const CLOSE: u8 = 7;
        match connection {
            Some(connection) => encode_information(&connection.information(&self.stack)),
            None => {
                let mut bytes = alloc::vec![0; INFORMATION_LENGTH];
                match &self.inner.lock().role {
                    Role::Listening(listener) => {
                        bytes[0] = LISTEN;
                        // A listener shows its queue: how long it is, and may be.
                        bytes[24..28].copy_from_slice(&(listener.pending() as u32).to_ne_bytes());
                        bytes[28..32].copy_from_slice(&(listener.backlog() as u32).to_ne_bytes());
                    }
                    _ => bytes[0] = CLOSE,
                }
                bytes
            }
        }
    }
}

/// Bytes of `struct tcp_info` up to `tcpi_total_retrans` and the counters that follow.
const INFORMATION_LENGTH: usize = 232;

fn encode_information(information: &Information) -> Vec<u8> {
    let mut bytes = alloc::vec![0; INFORMATION_LENGTH];
    bytes[0] = information.state;
    bytes[4] = information.backoff;
    bytes[5] = u8::from(information.has_timestamps)
        | u8::from(information.has_sack) << 1
        | u8::from(information.window_scales.is_some()) << 2;
    if let Some((send, receive)) = information.window_scales {
        bytes[6] = (send & 15) | receive << 4;
    }
    let mut put = |at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    put(8, information.timeout);
    put(12, 40_000);
    put(16, information.send_mss);
    put(20, information.send_mss);
    put(24, information.unacknowledged);
    put(60, information.path_mtu);
    put(68, information.round_trip);
    put(72, information.round_trip_variation);
    put(76, information.threshold);
    put(80, information.congestion_window);
    put(84, information.send_mss);
    put(88, 3);
    put(96, information.receive_space);
    put(100, information.retransmissions);
    put(136, information.segments_out);
    put(140, information.segments_in);
    bytes
}

impl Socket for TcpSocket {
    fn wait_queue(&self) -> &WaitQueue {
        &self.wait_queue
    }

    fn readiness(&self) -> Readiness {
        let inner = self.inner.lock();
        match &inner.role {
            Role::Idle => Readiness::OUT | Readiness::WRNORM | Readiness::HUP,
            Role::Listening(listener) if listener.pending() > 0 => Readiness::IN | Readiness::RDNORM,
            Role::Listening(_) => Readiness::empty(),
            Role::Connected { connection, .. } => {
                let connection = connection.clone();
                drop(inner);
                connection.readiness(&self.stack)
            }
        }
    }

    fn bind(&self, address: &Address, generic: &Generic) -> Result<(), Errno> {
        let mut inner = self.inner.lock();
        if inner.binding.is_some() || !matches!(inner.role, Role::Idle) {
            return Err(Errno::INVAL);
        }
        let endpoint = inet::bindable(&self.stack, self.domain, address, &inner.options, generic.device, false)?;
        inner.binding = Some(Binding::new(
            &self.stack,
            Protocol::Tcp,
            endpoint,
            Self::sharing(&inner.options, generic),
        )?);
        Ok(())
    }

    fn listen(&self, backlog: usize, generic: &Generic) -> Result<(), Errno> {
        let mut inner = self.inner.lock();
        match &inner.role {
            Role::Listening(listener) => {
                listener.set_backlog(backlog);
                return Ok(());
            }
            Role::Connected { .. } => return Err(Errno::INVAL),
            Role::Idle => {}
        }
        if inner.binding.is_none() {
            let any = Endpoint::new(inet::any(self.domain), 0);
            inner.binding = Some(Binding::new(
                &self.stack,
                Protocol::Tcp,
                any,
                Self::sharing(&inner.options, generic),
            )?);
        }
        let binding = inner.binding.as_ref().ok_or(Errno::INVAL)?;
        binding.listen()?;
        let endpoint = binding.endpoint;
        let listener = tcp::listen(
            &self.stack,
            endpoint,
            inner.options.v6_only,
            inner.settings,
            backlog,
            self.wait_queue.clone(),
        )?;
        inner.role = Role::Listening(listener);
        drop(inner);
        self.stack.event(Event::Listening {
            protocol: Protocol::Tcp,
            endpoint,
        });
        Ok(())
    }

    fn accept(&self) -> file::Result<(Box<dyn Socket>, Address)> {
        let (listener, settings, options) = {
            let inner = self.inner.lock();
            match &inner.role {
                Role::Listening(listener) => (listener.clone(), inner.settings, inner.options),
                _ => return Err(Errno::INVAL.into()),
            }
        };
        let connection = listener.accept().ok_or(Error::WouldBlock)?;
        let peer = Address::of(self.domain, connection.remote);
        let socket = Self {
            stack: self.stack.clone(),
            domain: self.domain,
            wait_queue: connection.wait_queue.clone(),
            inner: SpinLock::new(Inner {
                settings,
                options,
                binding: None,
                role: Role::Connected {
                    connection,
                    reported: true,
                },
            }),
        };
        Ok((Box::new(socket), peer))
    }

    fn connect(&self, destination: &Destination, generic: &Generic) -> file::Result<()> {
        let Destination::Address(address) = destination else {
            return Err(Errno::AFNOSUPPORT.into());
        };
        let mut inner = self.inner.lock();
        match &mut inner.role {
            Role::Listening(_) => return Err(Errno::ISCONN.into()),
            Role::Connected { connection, .. } if *address == Address::Unspecified => {
                let connection = connection.clone();
                inner.role = Role::Idle;
                drop(inner);
                connection.release(&self.stack, true);
                return Ok(());
            }
            Role::Connected {
                reported: true,
                connection,
            } if connection.state() != State::Closed => return Err(Errno::ISCONN.into()),
            Role::Connected { connection, reported } if !*reported => match connection.connected() {
                None => return Err(Errno::ALREADY.into()),
                Some(Ok(())) => {
                    *reported = true;
                    return Ok(());
                }
                Some(Err(errno)) => {
                    inner.role = Role::Idle;
                    return Err(errno.into());
                }
            },
            Role::Connected { connection, .. } => {
                let over = connection.clone();
                inner.role = Role::Idle;
                drop(inner);
                // What it has received and nobody has read goes with it.
                over.release(&self.stack, true);
                inner = self.inner.lock();
            }
            Role::Idle => {}
        }
        if *address == Address::Unspecified {
            return Ok(());
        }
        if !matches!(inner.role, Role::Idle) {
            // Another thread's call came between.
            return Err(Errno::ALREADY.into());
        }
        self.open(&mut inner, address, generic)?;
        Err(Errno::INPROGRESS.into())
    }

    fn connected(&self) -> file::Result<()> {
        let mut inner = self.inner.lock();
        let Role::Connected { connection, reported } = &mut inner.role else {
            return Err(Errno::NOTCONN.into());
        };
        match connection.connected() {
            None => Err(Error::WouldBlock),
            Some(Ok(())) => {
                *reported = true;
                Ok(())
            }
            Some(Err(errno)) => {
                inner.role = Role::Idle;
                Err(errno.into())
            }
        }
    }

    fn send(&self, source: &mut dyn Source, message: &Message, _generic: &Generic) -> file::Result<usize> {
        let connection = self.connection().ok_or(Errno::PIPE)?;
        connection.write(&self.stack, source, message.flags.contains(MessageFlags::MORE))
    }

    fn receive(&self, sink: &mut dyn Sink, flags: MessageFlags, _generic: &Generic) -> file::Result<Received> {
        // Nothing comes into this queue, and nobody waits for what is in it.
        if flags.contains(MessageFlags::ERRQUEUE) {
            return Err(Errno::AGAIN.into());
        }
        if flags.contains(MessageFlags::OOB) {
            return Err(Errno::INVAL.into());
        }
        let connection = self.connection().ok_or(Errno::NOTCONN)?;
        if connection.state() == State::SynSent {
            return Err(Error::WouldBlock);
        }
        let length = connection.read(
            &self.stack,
            sink,
            flags.contains(MessageFlags::PEEK),
            flags.contains(MessageFlags::TRUNC),
        )?;
        Ok(Received {
            length,
            ..Received::default()
        })
    }

    fn shutdown(&self, how: Shutdown) -> Result<(), Errno> {
        let listener = {
            let mut inner = self.inner.lock();
            match &inner.role {
                Role::Idle => return Err(Errno::NOTCONN),
                Role::Listening(listener) if how.ends_reading() => {
                    let listener = listener.clone();
                    inner.role = Role::Idle;
                    Some(listener)
                }
                Role::Listening(_) => return Ok(()),
                Role::Connected { .. } => None,
            }
        };
        if let Some(listener) = listener {
            listener.close(&self.stack);
            return Ok(());
        }
        self.connection()
            .ok_or(Errno::NOTCONN)?
            .shutdown(&self.stack, how.ends_reading(), how.ends_writing())
    }

    fn local(&self) -> Address {
        let inner = self.inner.lock();
        let endpoint = match &inner.role {
            Role::Connected { connection, .. } => connection.local,
            _ => inner
                .binding
                .as_ref()
                .map_or(Endpoint::new(inet::any(self.domain), 0), |binding| binding.endpoint),
        };
        Address::of(self.domain, endpoint)
    }

    fn peer(&self) -> Result<Address, Errno> {
        let connection = self.connection().ok_or(Errno::NOTCONN)?;
        match connection.state() {
            State::SynSent | State::Closed => Err(Errno::NOTCONN),
            _ => Ok(Address::of(self.domain, connection.remote)),
        }
    }

    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<(), Errno> {
        if level == SOL_TCP {
            return self.set_tcp_option(name, value);
        }
        match (level, name) {
            // Streams have no groups.
            (linux::SOL_IP, linux::IP_MULTICAST_TTL) => return Err(Errno::INVAL),
            (linux::SOL_IPV6, linux::IPV6_MULTICAST_HOPS) => return Err(Errno::NOPROTOOPT),
            _ => {}
        }
        let options = {
            let mut inner = self.inner.lock();
            if name == linux::IPV6_V6ONLY && level == linux::SOL_IPV6 && inner.binding.is_some() {
                return Err(Errno::INVAL);
            }
            inner.options.set(self.domain, level, name, value)?;
            inner.options
        };
        self.set(|settings| {
            settings.fields = options.fields();
        });
        Ok(())
    }

    fn option(&self, level: u32, name: u32) -> Result<Vec<u8>, Errno> {
        if level == SOL_TCP {
            return self.tcp_option(name);
        }
        let mtu = self
            .connection()
            .map(|connection| self.stack.path_mtu(connection.remote.address));
        self.inner
            .lock()
            .options
            .get(&self.stack, self.domain, level, name, mtu)
    }

    fn apply(&self, generic: &Generic) {
        self.set(|settings| {
            settings.keep_alive = generic.keep_alive;
            settings.linger = generic.linger;
            settings.send_buffer = generic.send_buffer;
            settings.receive_buffer = generic.receive_buffer;
            settings.receive_low = generic.receive_low;
        });
    }

    fn capacities(&self) -> (usize, usize) {
        match self.connection() {
            Some(connection) => connection.capacities(&self.stack),
            // Linux's defaults.
            None => (16384, 131_072),
        }
    }

    fn take_error(&self) -> Option<Errno> {
        self.connection()?.take_error()
    }

    fn is_listening(&self) -> bool {
        matches!(self.inner.lock().role, Role::Listening(_))
    }

    fn readable(&self) -> usize {
        self.connection().map_or(0, |connection| connection.readable())
    }

    fn unsent(&self) -> usize {
        self.connection().map_or(0, |connection| connection.unsent().0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn close(&self, generic: &Generic) {
        let (role, binding) = {
            let mut inner = self.inner.lock();
            (core::mem::replace(&mut inner.role, Role::Idle), inner.binding.take())
        };
        match role {
            Role::Idle => {}
            Role::Listening(listener) => listener.close(&self.stack),
            Role::Connected { connection, .. } => connection.release(&self.stack, generic.linger == Some(0)),
        }
        drop(binding);
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use abi::net::{AF_INET, IP_TTL, SO_KEEPALIVE, SOL_IP, SOL_SOCKET, TCP_NODELAY};

    use super::super::SocketFile;
    use super::*;
    use crate::environment::Nowhere;
    use crate::{Configuration, unix};

    const ROUNDS: usize = 20_000;

    struct World {
        stack: Arc<Stack>,
        names: Arc<unix::Namespace>,
    }

    impl World {
        fn new() -> Self {
            Self {
                stack: Stack::new(Arc::new(Nowhere), None, Configuration::default()),
                names: unix::Namespace::new(),
            }
        }

        fn socket(&self) -> Arc<SocketFile> {
            let (stream, any) = (1, 0);
            SocketFile::new(&self.stack, &self.names, AF_INET, stream, any).expect("such sockets exist")
        }
    }

    fn set(file: &SocketFile, level: u32, name: u32, value: u32) {
        file.set_option(level, name, &value.to_ne_bytes()).expect("an option");
    }

    fn tcp(file: &SocketFile) -> &TcpSocket {
        file.socket.as_any().downcast_ref().expect("it is one")
    }

    /// How many of the rounds fail in which two threads act at the same time.
    fn failures(acts: [&(dyn Fn(usize) + Sync); 2], check: impl Fn(usize) -> bool) -> usize {
        let arrived = AtomicUsize::new(0);
        let meet = || {
            let everybody = (arrived.fetch_add(1, Ordering::SeqCst) / 2 + 1) * 2;
            while arrived.load(Ordering::SeqCst) < everybody {
                std::thread::yield_now();
            }
        };
        let act = |own: usize, round: usize| {
            meet();
            acts[own](round);
            meet();
        };
        std::thread::scope(|scope| {
            scope.spawn(|| (0..ROUNDS).for_each(|round| act(1, round)));
            let fails = |&round: &usize| {
                act(0, round);
                !check(round)
            };
            (0..ROUNDS).filter(fails).count()
        })
    }

    /// Two threads set options of one socket: afterwards it has those that it shows.
    #[test]
    fn the_option_that_is_shown_is_the_one_that_counts() {
        let file = World::new().socket();
        let set_both = |value: u32| {
            set(&file, SOL_SOCKET, SO_KEEPALIVE, value);
            set(&file, SOL_IP, IP_TTL, 10 + value);
        };
        let failures = failures([&|_| set_both(0), &|_| set_both(1)], |_| {
            let inner = tcp(&file).inner.lock();
            inner.settings.fields.ipv4.hops == inner.options.fields().ipv4.hops
                && inner.settings.keep_alive == file.generic().keep_alive
        });
        assert_eq!(failures, 0);
    }

    #[test]
    fn a_connection_has_the_options_that_are_set_while_it_begins() {
        let world = World::new();
        let files: Vec<_> = (0..ROUNDS).map(|_| world.socket()).collect();
        let nobody = Destination::Address(Address::Inet([127, 0, 0, 1].into(), 9));
        let connect = |round: usize| drop(files[round].connect(&nobody));
        let set_both = |round: usize| {
            set(&files[round], SOL_SOCKET, SO_KEEPALIVE, 1);
            set(&files[round], SOL_TCP, TCP_NODELAY, 1);
        };
        let failures = failures([&connect, &set_both], |round| {
            let settings = tcp(&files[round]).connection().expect("it has begun").settings();
            settings.no_delay && settings.keep_alive
        });
        assert_eq!(failures, 0);
    }
}
