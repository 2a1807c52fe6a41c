//! The stack: what its parts share, and the loop that drives them.

use alloc::string::String;
use alloc::sync::Arc;
use core::future::Future;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::pin::pin;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use core::task::Poll;

use hal::sync::SpinLock;
use task::WaitQueue;

use crate::counters::Counters;
use crate::environment::{Environment, Event};
use crate::held::Held;
use crate::ip::{
    Early, IcmpLimiter, Interface, InterfaceAddress, LOOPBACK_MTU, Loopback, Neighbours, OwnAddress, PathMtu,
    Reassembler, Route, Routes,
};
use crate::random::Secret;
use crate::raw::Raw;
use crate::socket::{Caller, Ports};
use crate::tcp::Tcp;
use crate::traffic::Traffic;
use crate::udp::Udp;
use crate::{Capabilities, Device, Transmit, dhcp, dhcpv6, ndp};

/// Frames and loopback packets taken at a time before others get their turn.
const BATCH: usize = 256;
/// Hops of a packet unless somebody says otherwise.
const DEFAULT_HOPS: u8 = 64;
/// No deadline.
pub(crate) const NEVER: u64 = u64::MAX;

/// How the stack is set up.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The name that DHCP tells the server.
    pub hostname: Option<String>,
    /// Bytes of memory that buffers of all sockets may take; a quarter of the machine's is a good share.
    pub buffer_memory: usize,
    /// An IPv4 address instead of DHCP: with its default router.
    pub address: Option<(InterfaceAddress, Option<IpAddr>)>,
    /// Whether the card speaks IPv6, with addresses as its routers say.
    pub ipv6: bool,
    /// Whether short segments may be held back for what is written next. Only for who calls [`Stack::release`].
    pub holds: bool,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            hostname: None,
            buffer_memory: 16 << 20,
            address: None,
            ipv6: true,
            holds: false,
        }
    }
}

/// The network of one machine.
pub struct Stack {
    environment: Arc<dyn Environment>,
    device: Option<Arc<dyn Device>>,
    pub(crate) device_capabilities: Capabilities,
    pub(crate) mac: [u8; 6],
    /// Of the Ethernet interface.
    pub(crate) mtu: AtomicUsize,
    /// What routers say of the link's MTU, for IPv6; 0 until they do.
    pub(crate) advertised_mtu: AtomicUsize,
    /// Hops of packets of IPv6, which routers may say.
    pub(crate) hops_ipv6: AtomicU8,
    pub(crate) secret: Secret,
    pub(crate) routes: SpinLock<Routes>,
    /// Changes with `routes`, so that ways can be remembered.
    pub(crate) routes_generation: AtomicU32,
    /// The IPv4 address of the Ethernet interface, 0 when there is none: a copy of what `routes` holds.
    own_ipv4: AtomicU32,
    pub(crate) neighbours: Neighbours,
    pub(crate) path_mtu: SpinLock<PathMtu>,
    pub(crate) reassembler: SpinLock<Reassembler>,
    pub(crate) early: SpinLock<Early>,
    pub(crate) loopback: Loopback,
    pub(crate) loopback_traffic: Traffic,
    pub(crate) ethernet_traffic: Traffic,
    pub(crate) icmp_limiter: SpinLock<IcmpLimiter>,
    pub(crate) ident: AtomicU32,
    pub(crate) ports: Ports,
    pub(crate) may_hold: bool,
    pub(crate) held: Held,
    pub(crate) tcp: Tcp,
    pub(crate) udp: Udp,
    pub(crate) udp_lite: Udp,
    pub(crate) counters: Counters,
    /// Sockets for echo requests, by their identifiers.
    pub(crate) ping: Udp,
    pub(crate) raw: Raw,
    pub(crate) dhcp: SpinLock<dhcp::Client>,
    pub(crate) dhcpv6: SpinLock<dhcpv6::Client>,
    pub(crate) ndp: SpinLock<ndp::Host>,
    /// Something was given to the device since the last flush.
    transmitted: AtomicBool,
    attention: WaitQueue,
    /// The deadline that the running loop sleeps until.
    planned: AtomicU64,
    /// The earliest deadline of the parts without timers of their own.
    wake: AtomicU64,
}

impl Stack {
    /// A stack above `device`; without one there is only loopback. It moves when [`Stack::run`] is awaited or [`Stack::poll`] called.
    pub fn new(
        environment: Arc<dyn Environment>,
        device: Option<Arc<dyn Device>>,
        configuration: Configuration,
    ) -> Arc<Self> {
        let secret = Secret::new(&*environment);
        let now = environment.now();
        let mtu = device.as_ref().map_or(LOOPBACK_MTU, |device| device.mtu());
        let mac = device.as_ref().map_or([0; 6], |device| device.mac());
        let use_dhcp = device.is_some() && configuration.address.is_none();
        // What carries less than this carries no IPv6 (RFC 8200 section 5).
        let use_ipv6 = device.is_some() && configuration.ipv6 && mtu >= usize::from(PathMtu::LEAST_IPV6);
        let mut capabilities = device
            .as_ref()
            .map_or_else(Capabilities::default, |device| device.capabilities());
        // One segment does not take a small machine's memory.
        for offloads in [&mut capabilities.ipv4, &mut capabilities.ipv6] {
            offloads.segmentation = offloads.segmentation.min(configuration.buffer_memory / 64);
        }
        let stack = Arc::new(Self {
            device_capabilities: capabilities,
            mac,
            mtu: AtomicUsize::new(mtu),
            advertised_mtu: AtomicUsize::new(0),
            hops_ipv6: AtomicU8::new(DEFAULT_HOPS),
            routes: SpinLock::new(Routes::default()),
            routes_generation: AtomicU32::new(1),
            own_ipv4: AtomicU32::new(0),
            neighbours: Neighbours::new(),
            path_mtu: SpinLock::new(PathMtu::default()),
            reassembler: SpinLock::new(Reassembler::default()),
            early: SpinLock::new(Early::default()),
            loopback: Loopback::new(),
            loopback_traffic: Traffic::default(),
            ethernet_traffic: Traffic::default(),
            icmp_limiter: SpinLock::new(IcmpLimiter::new()),
            ident: AtomicU32::new(secret.next() as u32),
            ports: Ports::new(),
            may_hold: configuration.holds,
            held: Held::default(),
            tcp: Tcp::new(configuration.buffer_memory),
            udp: Udp::new(),
            udp_lite: Udp::new(),
            counters: Counters::default(),
            ping: Udp::new(),
            raw: Raw::new(),
            dhcp: SpinLock::new(dhcp::Client::new(use_dhcp, configuration.hostname, mac, &secret, now)),
            dhcpv6: SpinLock::new(dhcpv6::Client::new(mac)),
            ndp: SpinLock::new(ndp::Host::new(use_ipv6, mac, now)),
            transmitted: AtomicBool::new(false),
            attention: WaitQueue::new(),
            planned: AtomicU64::new(0),
            wake: AtomicU64::new(if use_dhcp || use_ipv6 { now } else { NEVER }),
            environment,
            device,
            secret,
        });
        if let Some(device) = &stack.device {
            let weak = Arc::downgrade(&stack);
            device.on_receive(Arc::new(move || {
                if let Some(stack) = weak.upgrade() {
                    stack.wake();
                }
            }));
        }
        ndp::publish(&stack);
        if let Some((address, gateway)) = configuration.address {
            stack.configure(address, gateway, None, &[], None, None);
        }
        stack
    }

    /// Drives the stack for ever: received frames, timers, DHCP.
    pub async fn run(self: Arc<Self>) {
        loop {
            let ticket = self.attention.ticket();
            let deadline = self.poll();
            if deadline <= self.now() {
                task::yield_now().await;
                continue;
            }
            let mut woken = pin!(self.attention.wait(ticket));
            let mut sleep = pin!(task::sleep_until(deadline));
            core::future::poll_fn(|context| {
                let woken = woken.as_mut().poll(context).is_ready();
                let slept = deadline != NEVER && sleep.as_mut().poll(context).is_ready();
                if woken || slept { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }

    /// Makes [`Stack::run`] look at the device.
    pub fn wake(&self) {
        self.attention.notify();
    }

    /// Takes what has arrived, runs timers that are due, and sends what follows. Returns the time of `Environment::now` at which to call
    /// again when nothing happens before; a past one when there is more to do now.
    pub fn poll(&self) -> u64 {
        // Deadlines that are set from here on count at the end.
        self.planned.store(0, Ordering::SeqCst);
        let mut taken = 0;
        if let Some(device) = &self.device {
            while taken < BATCH && device.receive(&mut |received| self.receive_frame(received)) {
                taken += 1;
            }
        }
        let settled = self.loopback.drain(BATCH, |packet| self.receive_loopback(&packet));
        let now = self.now();
        let mut deadline = self.tcp.run_timers(self, now);
        if self.wake.load(Ordering::Relaxed) <= now {
            self.wake.store(NEVER, Ordering::Relaxed);
            self.run_slow_timers(now);
        }
        deadline = deadline.min(self.wake.load(Ordering::Relaxed));
        self.flush();
        if taken == BATCH || !settled || !self.loopback.is_empty() {
            deadline = now;
        }
        self.planned.store(deadline, Ordering::SeqCst);
        // Whoever set an earlier one meanwhile may have seen the old plan.
        deadline
            .min(self.wake.load(Ordering::SeqCst))
            .min(self.tcp.next_deadline())
    }

    fn run_slow_timers(&self, now: u64) {
        dhcp::run_timer(self, now);
        ndp::run_timer(self, now);
        dhcpv6::run_timer(self, now);
        // After an address has settled, which neighbours are then asked from.
        if let Some(next) = self.expire_neighbours(now) {
            self.wake_at(next);
        }
        self.reassembler.lock().expire(now);
    }

    fn expire_neighbours(&self, now: u64) -> Option<u64> {
        self.neighbours.expire(
            now,
            |address, known| self.ask_neighbour(address, known),
            |address, frames| {
                if let IpAddr::V6(address) = address {
                    ndp::lost(self, address);
                }
                for frame in &frames {
                    self.neighbour_lost(frame);
                }
            },
        )
    }

    /// Lets packets to ourselves arrive and the device start: at the end of each call from outside, with no lock held.
    pub(crate) fn settle(&self) {
        if !self.loopback.is_empty() && !self.loopback.drain(64, |packet| self.receive_loopback(&packet)) {
            self.wake();
        }
        self.flush();
    }

    /// How many packets to ourselves were sent ever, when some of them have not arrived: another CPU may have one in hand.
    pub(crate) fn on_their_way(&self) -> Option<usize> {
        let sent = self.loopback.pushed();
        (!self.loopback.has_delivered(sent)).then_some(sent)
    }

    /// Waits until so many have arrived, with no lock held.
    pub(crate) fn catch_up(&self, sent: usize) {
        while !self.loopback.has_delivered(sent) {
            self.settle();
            core::hint::spin_loop();
        }
    }

    fn flush(&self) {
        if self.transmitted.load(Ordering::Relaxed)
            && self.transmitted.swap(false, Ordering::AcqRel)
            && let Some(device) = &self.device
        {
            device.flush();
        }
    }

    /// Gives a frame to the device; false when it is lost because the device is full.
    pub(crate) fn transmit(&self, frame: &Transmit<'_>) -> bool {
        let Some(device) = &self.device else {
            return false;
        };
        let mut taken = device.transmit(frame);
        if !taken {
            device.flush();
            taken = device.transmit(frame);
        }
        self.transmitted.store(true, Ordering::Release);
        if taken {
            self.ethernet_traffic.send(frame.length());
        }
        taken
    }

    /// Makes sure that the loop runs at `deadline`.
    pub(crate) fn wake_at(&self, deadline: u64) {
        self.wake.fetch_min(deadline, Ordering::SeqCst);
        self.replan(deadline);
    }

    /// Wakes the loop when it would sleep beyond `deadline`.
    pub(crate) fn replan(&self, deadline: u64) {
        if deadline < self.planned.load(Ordering::SeqCst) {
            self.planned.store(deadline, Ordering::SeqCst);
            self.attention.notify();
        }
    }

    /// Bytes and packets that an interface received, then sent.
    pub(crate) fn traffic(&self, interface: Interface) -> [u64; 4] {
        match interface {
            Interface::Loopback => self.loopback_traffic.get(),
            Interface::Ethernet => self.ethernet_traffic.get(),
        }
    }

    /// How many TCP connections there are, without those in TIME-WAIT.
    pub fn connections(&self) -> usize {
        self.tcp.connections()
    }

    /// Whether TCP connections that were closed still have to bring something to their peers.
    pub fn has_unfinished_ends(&self) -> bool {
        self.tcp.has_unfinished_ends()
    }

    /// Bytes of memory that the buffers of TCP connections hold.
    pub fn buffer_memory_used(&self) -> usize {
        self.tcp.memory_used()
    }

    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.environment.now()
    }

    pub(crate) fn caller(&self) -> Caller {
        self.environment.caller()
    }

    pub(crate) fn event(&self, event: Event<'_>) {
        self.environment.event(event);
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.device.is_none()
    }

    /// The hardware address of the Ethernet interface, when there is one.
    pub fn mac(&self) -> Option<[u8; 6]> {
        self.device.as_ref().map(|_| self.mac)
    }

    /// The IPv4 address of the Ethernet interface.
    #[inline]
    pub fn own_ipv4(&self) -> Option<Ipv4Addr> {
        match self.own_ipv4.load(Ordering::Relaxed) {
            0 => None,
            bits => Some(Ipv4Addr::from_bits(bits)),
        }
    }

    /// The longest packet of IPv6 on the Ethernet interface: as routers say, who may only say less (RFC 2464 section 2).
    pub(crate) fn mtu_ipv6(&self) -> usize {
        let least = usize::from(PathMtu::LEAST_IPV6);
        let own = self.mtu.load(Ordering::Relaxed).max(least);
        let advertised = self.advertised_mtu.load(Ordering::Relaxed);
        if (least..own).contains(&advertised) {
            advertised
        } else {
            own
        }
    }

    /// The first IPv6 address of the Ethernet interface that others can reach beyond the link.
    pub fn own_ipv6(&self) -> Option<Ipv6Addr> {
        let routes = self.routes.lock();
        let mut usable = routes.addresses().iter().filter(|own| own.is_usable());
        usable.find_map(|own| match own.at.address {
            IpAddr::V6(address) if !address.is_unicast_link_local() => Some(address),
            _ => None,
        })
    }

    /// Sets the IPv4 address, its default router and the MTU, and tells the kernel.
    pub(crate) fn configure(
        &self,
        address: InterfaceAddress,
        gateway: Option<IpAddr>,
        mtu: Option<u16>,
        name_servers: &[Ipv4Addr],
        domain: Option<&str>,
        hostname: Option<&str>,
    ) {
        let mut routes = alloc::vec::Vec::from([Route::to_neighbours(address.prefix())]);
        routes.extend(gateway.map(Route::default_through));
        self.set_ipv4(&[OwnAddress::permanent(address)], &routes);
        if let (Some(mtu), Some(device)) = (mtu, &self.device) {
            self.mtu.store(
                usize::from(mtu.max(PathMtu::LEAST)).min(device.max_mtu()),
                Ordering::Relaxed,
            );
        }
        if let IpAddr::V4(own) = address.address {
            self.announce(own);
        }
        self.flush();
        self.event(Event::Configured {
            address,
            gateway,
            name_servers,
            domain,
            hostname,
        });
        self.receive_early();
        self.flush();
    }

    /// Takes the IPv4 address away.
    pub(crate) fn unconfigure(&self) {
        self.set_ipv4(&[], &[]);
        self.neighbours.clear(true);
        self.event(Event::Unconfigured);
    }

    fn set_ipv4(&self, addresses: &[OwnAddress], routes: &[Route]) {
        self.replace_routes(true, addresses, routes);
        let own = addresses.iter().find_map(|own| match own.at.address {
            IpAddr::V4(address) => Some(address.to_bits()),
            IpAddr::V6(_) => None,
        });
        self.own_ipv4.store(own.unwrap_or(0), Ordering::Relaxed);
    }

    /// Sets the addresses and routes of a family.
    pub(crate) fn replace_routes(&self, ipv4: bool, addresses: &[OwnAddress], routes: &[Route]) {
        self.routes.lock().replace(ipv4, addresses, routes);
        self.routes_generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Hops of packets of the version of `address`, unless their socket says otherwise.
    pub(crate) fn default_hops(&self, address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(_) => DEFAULT_HOPS,
            IpAddr::V6(_) => self.hops_ipv6.load(Ordering::Relaxed),
        }
    }

    /// The source address for `destination` that a socket without one takes.
    pub(crate) fn source_for(&self, destination: IpAddr) -> Result<IpAddr, abi::Errno> {
        self.route(destination).map(|(_, source)| source)
    }
}

impl core::fmt::Debug for Stack {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Stack")
            .field("mac", &self.mac)
            .field("address", &self.own_ipv4())
            .finish_non_exhaustive()
    }
}
