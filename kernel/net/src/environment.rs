//! What the stack asks of the kernel.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::socket::Caller;
use crate::{Endpoint, InterfaceAddress};

/// Time, randomness, and somebody to tell.
pub trait Environment: Send + Sync {
    /// Nanoseconds that never go back.
    fn now(&self) -> u64;

    /// Fills `bytes` with unpredictable values.
    fn random(&self, bytes: &mut [u8]);

    /// The process that makes the call which the stack serves.
    fn caller(&self) -> Caller {
        Caller::default()
    }

    /// Told of what happens; called with no lock of the stack held.
    fn event(&self, event: Event<'_>);
}

/// The protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// UDP-Lite.
    UdpLite,
    /// Echo requests of ICMP, whose identifiers are the ports.
    Ping,
}

/// Something that the kernel may want to know.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The network has an IPv4 address, at first or changed.
    Configured {
        /// The address and the length of its prefix.
        address: InterfaceAddress,
        /// The default router.
        gateway: Option<IpAddr>,
        /// Name servers, the best first.
        name_servers: &'a [Ipv4Addr],
        /// The domain to search.
        domain: Option<&'a str>,
        /// The host's name as the network gives it.
        hostname: Option<&'a str>,
    },
    /// An IPv6 address that others can reach came into use.
    ConfiguredIpv6 {
        /// The address and the length of its prefix.
        address: InterfaceAddress,
        /// The default router.
        gateway: Option<Ipv6Addr>,
    },
    /// The name servers of IPv6 are these now, in the order in which they were told.
    NameServersIpv6(&'a [Ipv6Addr]),
    /// Somebody else on the link has this address, which was to become ours.
    Duplicate(Ipv6Addr),
    /// The lease ended and no server renewed it: the address is gone.
    Unconfigured,
    /// A socket listens on a port that did not listen before, or is bound for datagrams.
    Listening {
        /// Its protocol.
        protocol: Protocol,
        /// Its address and port.
        endpoint: Endpoint,
    },
}

/// Where tests are to which none of this matters: it is always the same time, nothing is random, and nobody is told.
#[cfg(test)]
pub(crate) struct Nowhere;

#[cfg(test)]
impl Environment for Nowhere {
    fn now(&self) -> u64 {
        0
    }

    fn random(&self, _bytes: &mut [u8]) {}

    fn event(&self, _event: Event<'_>) {}
}
