//! The network of the guest: the stack, and what it tells the host and the application.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hal::sync::SpinLock;
use net::{Caller, Configuration, Device, Environment, Event, InterfaceAddress, Protocol, Stack, UnixNamespace};
use task::WaitQueue;

/// How long a call that needs an address waits for one, in nanoseconds.
const PATIENCE: u64 = 5_000_000_000;
/// How long it waits for one of IPv4 when there is one of IPv6 already.
const PATIENCE_BESIDE_IPV6: u64 = 1_000_000_000;

/// The one network.
pub struct Network {
    /// Its stack.
    pub stack: Arc<Stack>,
    /// The names of Unix sockets that are not files.
    pub unix: Arc<UnixNamespace>,
}

static NETWORK: SpinLock<Option<Arc<Network>>> = SpinLock::new(None);
/// What the network says of name servers.
static RESOLVER: SpinLock<Resolver> = SpinLock::new(Resolver::EMPTY);
/// Notified when the network has an address, the first or another.
pub(crate) static CONFIGURED: WaitQueue = WaitQueue::new();
/// Until when calls wait for an address; 0 when there is no network card.
static WAIT_UNTIL: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);

struct Resolver {
    /// Those that DHCP names come before those that routers advertise.
    servers: Vec<Ipv4Addr>,
    servers_ipv6: Vec<Ipv6Addr>,
    domain: Option<String>,
}

impl Resolver {
    const EMPTY: Self = Self {
        servers: Vec::new(),
        servers_ipv6: Vec::new(),
        domain: None,
    };
}

/// The network. There is one from start-up on, if only with a loopback interface.
pub fn get() -> Arc<Network> {
    let mut slot = NETWORK.lock();
    slot.get_or_insert_with(|| Arc::new(Network::new(None))).clone()
}

/// Nanoseconds that a short segment is held back while its thread makes other calls that write.
const BETWEEN_WRITES: u64 = 250_000;

/// Sends what this CPU holds back, if anything; see [`net::holds`]. With `next`, the system call that has come, not yet where that may write more of it.
#[inline]
pub(crate) fn release(next: Option<u32>) {
    if net::holds() {
        release_held(next);
    }
}

#[cold]
fn release_held(next: Option<u32>) {
    use abi::general::{__NR_sendfile, __NR_sendmsg, __NR_sendto, __NR_splice, __NR_write, __NR_writev};
    let writes = [
        __NR_write,
        __NR_writev,
        __NR_sendto,
        __NR_sendmsg,
        __NR_sendfile,
        __NR_splice,
    ];
    let may_go_on = next.is_some_and(|number| writes.contains(&number));
    get().stack.release(if may_go_on { BETWEEN_WRITES } else { 0 });
}

/// Starts the network above a card.
pub fn start(device: Option<Arc<dyn Device>>) {
    use core::sync::atomic::Ordering;
    if device.is_some() {
        WAIT_UNTIL.store(hal::time::monotonic() + PATIENCE, Ordering::Relaxed);
    }
    let network = Arc::new(Network::new(device));
    *NETWORK.lock() = Some(network.clone());
    task::spawn(network.stack.clone().run());
}

impl Network {
    fn new(device: Option<Arc<dyn Device>>) -> Self {
        // A quarter of the memory for buffers of sockets.
        let buffer_memory = hal::mem::usage().total / 4 * hal::mem::PAGE_SIZE;
        let configuration = Configuration {
            hostname: String::from_utf8(crate::system::host_name()).ok(),
            buffer_memory,
            address: None,
            ipv6: true,
            holds: true,
        };
        Self {
            stack: Stack::new(Arc::new(Kernel), device, configuration),
            unix: UnixNamespace::new(),
        }
    }

    /// Waits until the network has an address, or it is clear that it gets none soon. What needs one waits here, so that the application
    /// starts before DHCP has answered. With an address of IPv6, IPv4 is waited for a little while only.
    pub async fn configured(&self) {
        self.wait_until(|| {
            let is_late = hal::time::monotonic() >= deadline(PATIENCE_BESIDE_IPV6);
            self.stack.own_ipv4().is_some() || (is_late && self.stack.own_ipv6().is_some())
        })
        .await;
    }

    /// Waits until the network has an address of either version, or it is clear that it gets none soon.
    pub async fn configured_for_ipv6(&self) {
        self.wait_until(|| self.stack.own_ipv4().is_some() || self.stack.own_ipv6().is_some())
            .await;
    }

    async fn wait_until(&self, is_done: impl Fn() -> bool) {
        use core::task::Poll;
        while !is_done() && hal::time::monotonic() < deadline(PATIENCE) {
            let ticket = CONFIGURED.ticket();
            if is_done() {
                break;
            }
            // The time at which less is enough is looked at, too.
            let early = deadline(PATIENCE_BESIDE_IPV6);
            let until = if hal::time::monotonic() < early {
                early
            } else {
                deadline(PATIENCE)
            };
            let mut changed = core::pin::pin!(CONFIGURED.wait(ticket));
            let mut sleep = core::pin::pin!(task::sleep_until(until));
            core::future::poll_fn(|context| {
                let changed = changed.as_mut().poll(context).is_ready();
                if changed || sleep.as_mut().poll(context).is_ready() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        }
    }
}

/// The end of a wait, if it is to last no longer than `patience` after start-up.
fn deadline(patience: u64) -> u64 {
    let latest = WAIT_UNTIL.load(core::sync::atomic::Ordering::Relaxed);
    (latest + patience).saturating_sub(PATIENCE)
}

/// `/etc/hosts`: the host's own name leads to the address that others reach it by, and to itself while there is none.
pub fn hosts_file() -> String {
    let stack = &get().stack;
    let own = stack
        .own_ipv4()
        .map(IpAddr::V4)
        .or_else(|| stack.own_ipv6().map(IpAddr::V6));
    hosts(&String::from_utf8_lossy(&crate::system::host_name()), own)
}

fn hosts(name: &str, own: Option<IpAddr>) -> String {
    use core::fmt::Write;
    // `localhost` is IPv4's alone, so that who listens on it and who connects to it mean the same.
    let mut text = String::from("127.0.0.1\tlocalhost\n::1\tip6-localhost ip6-loopback\n");
    if name != "localhost" {
        let own = own.unwrap_or(Ipv4Addr::new(127, 0, 1, 1).into());
        let _ = writeln!(text, "{own}\t{name}");
    }
    text
}

/// `/etc/resolv.conf` as the network wants it.
pub fn resolver_file() -> String {
    resolver_text(&RESOLVER.lock())
}

fn resolver_text(resolver: &Resolver) -> String {
    use core::fmt::Write;
    let mut text = String::new();
    if let Some(domain) = &resolver.domain {
        let _ = writeln!(text, "search {domain}");
    }
    let servers = resolver.servers.iter().map(|server| IpAddr::V4(*server));
    for server in servers.chain(resolver.servers_ipv6.iter().map(|server| IpAddr::V6(*server))) {
        // One on the link is told with the interface.
        let zone = match server {
            IpAddr::V6(server) if server.is_unicast_link_local() => "%eth0",
            _ => "",
        };
        let _ = writeln!(text, "nameserver {server}{zone}");
    }
    text
}

/// The kernel as the stack sees it.
struct Kernel;

impl Environment for Kernel {
    fn now(&self) -> u64 {
        hal::time::monotonic()
    }

    fn random(&self, bytes: &mut [u8]) {
        hal::random::fill(bytes);
    }

    fn caller(&self) -> Caller {
        crate::describe::caller()
    }

    fn event(&self, event: Event<'_>) {
        match event {
            Event::Configured {
                address,
                gateway,
                name_servers,
                domain,
                ..
            } => {
                {
                    let mut resolver = RESOLVER.lock();
                    resolver.servers = name_servers.to_vec();
                    resolver.domain = domain.map(String::from);
                }
                tell_network(address, gateway);
            }
            Event::ConfiguredIpv6 { address, gateway } => tell_network(address, gateway.map(IpAddr::V6)),
            Event::NameServersIpv6(servers) => {
                RESOLVER.lock().servers_ipv6 = servers.to_vec();
                CONFIGURED.notify();
            }
            Event::Duplicate(address) => {
                crate::system::say(&format!(
                    "another machine on the link has the address {address}, which is not used"
                ));
            }
            Event::Unconfigured => crate::system::say("the network's lease has ended and no server renews it"),
            Event::Listening { protocol, endpoint } => {
                let protocol = match protocol {
                    Protocol::Tcp => "tcp",
                    Protocol::Udp => "udp",
                    Protocol::UdpLite => "udplite",
                    Protocol::Ping => "icmp",
                };
                tell(&format!(
                    r#"{{"event":"listening","protocol":"{protocol}","address":"{}","port":{}}}"#,
                    endpoint.address, endpoint.port
                ));
            }
        }
    }
}

fn tell_network(address: InterfaceAddress, gateway: Option<IpAddr>) {
    let gateway = gateway
        .map(|gateway| format!(r#","gateway":"{gateway}""#))
        .unwrap_or_default();
    tell(&format!(r#"{{"event":"network","address":"{address}"{gateway}}}"#));
    CONFIGURED.notify();
}

fn tell(line: &str) {
    hal::console::status::write_line(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_leads_to_its_address() {
        let own = Some(Ipv4Addr::new(10, 0, 2, 15).into());
        assert!(hosts("web", own).ends_with("\n10.0.2.15\tweb\n"));
        assert!(hosts("web", None).ends_with("\n127.0.1.1\tweb\n"));
        assert_eq!(hosts("localhost", own).matches("localhost").count(), 2);
    }

    #[test]
    fn name_servers_come_in_their_order() {
        let resolver = Resolver {
            servers: [[10, 0, 2, 3], [1, 1, 1, 1]].map(Ipv4Addr::from).to_vec(),
            servers_ipv6: ["2001:db8::53", "fe80::1"]
                .map(|server| server.parse().expect("an address"))
                .to_vec(),
            domain: Some("example.org".into()),
        };
        assert_eq!(
            resolver_text(&resolver),
            "search example.org\nnameserver 10.0.2.3\nnameserver 1.1.1.1\nnameserver 2001:db8::53\nnameserver fe80::1%eth0\n"
        );
        assert_eq!(resolver_text(&Resolver::EMPTY), "");
    }
}
