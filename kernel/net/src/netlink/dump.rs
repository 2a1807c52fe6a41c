//! Requests and the dumps that answer them.

use abi::Errno;
use abi::net::{AF_INET, AF_INET6, AF_UNSPEC};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::ip::{Interface, InterfaceAddress, OwnAddress, Route};
use crate::socket::{Description, interfaces};
use crate::stack::{NEVER, Stack};

// Message types and flags of `linux/netlink.h` and `linux/rtnetlink.h`.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLM_F_MULTI: u16 = 2;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
// Attributes.
const IFLA_ADDRESS: u16 = 1;
const IFLA_BROADCAST: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_TABLE: u16 = 15;
// Values of fields.
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_SITE: u8 = 200;
const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;
const TABLE_MAIN: u8 = 254;
const PROTOCOL_KERNEL: u8 = 2;
const PROTOCOL_ADVERTISEMENT: u8 = 9;
const PROTOCOL_DHCP: u8 = 16;
/// Linux's metrics of IPv6 routes to neighbours and through routers.
const METRIC_NEIGHBOURS: u32 = 256;
const METRIC_ROUTERS: u32 = 1024;
const TYPE_UNICAST: u8 = 1;
const OPERSTATE_UNKNOWN: u8 = 0;
const OPERSTATE_UP: u8 = 6;
/// Bytes of a message's header.
const HEADER: usize = 16;

/// The header of a request, and who asked.
#[derive(Clone, Copy)]
struct Request {
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
}

/// One message while it is written.
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn new(request: Request, kind: u16, flags: u16) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&request.sequence.to_ne_bytes());
        bytes.extend_from_slice(&request.port.to_ne_bytes());
        Self { bytes }
    }

    fn put(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    fn finish(mut self) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes
    }
}

/// What the messages in `bytes` are answered with, as datagrams.
pub(super) fn answer(stack: &Stack, port: u32, mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut replies = Vec::new();
    while let Some(header) = bytes.first_chunk::<HEADER>() {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if length < HEADER || length > bytes.len() {
            break;
        }
        let request = Request {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            flags: u16::from_ne_bytes([header[6], header[7]]),
            sequence: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
            port,
        };
        let family = u32::from(bytes.get(HEADER).copied().unwrap_or(0));
        replies.extend(serve(stack, request, family, &bytes[..length]));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    replies
}

fn serve(stack: &Stack, request: Request, family: u32, whole: &[u8]) -> Vec<Vec<u8>> {
    // Control messages want no answer.
    if request.kind < 16 {
        return Vec::new();
    }
    let is_dump = request.flags & NLM_F_DUMP != 0;
    let messages = match request.kind {
        RTM_GETLINK if is_dump => links(stack, request, NLM_F_MULTI),
        RTM_GETADDR if is_dump => addresses(stack, request, family),
        RTM_GETROUTE if is_dump => routes(stack, request, family),
        RTM_GETLINK => return one_link(stack, request, whole),
        RTM_GETADDR | RTM_GETROUTE => return Vec::from([error(request, Some(Errno::OPNOTSUPP), whole)]),
        // Nobody configures the network from inside.
        _ => return Vec::from([error(request, Some(Errno::PERM), whole)]),
    };
    let done = Writer::new(request, NLMSG_DONE, NLM_F_MULTI).put(&[0; 4]).finish();
    let mut datagrams = Vec::new();
    if !messages.is_empty() {
        datagrams.push(messages.concat());
    }
    datagrams.push(done);
    datagrams
}

/// `NLMSG_ERROR`, which with no error is an acknowledgement.
fn error(request: Request, errno: Option<Errno>, whole: &[u8]) -> Vec<u8> {
    let number = errno.map_or(0, |errno| -i32::from(errno.number()));
    Writer::new(request, NLMSG_ERROR, 0)
        .put(&number.to_ne_bytes())
        .put(if errno.is_some() { whole } else { &whole[..HEADER] })
        .finish()
}

fn one_link(stack: &Stack, request: Request, whole: &[u8]) -> Vec<Vec<u8>> {
    let index = whole
        .get(20..24)
        .and_then(|bytes| bytes.first_chunk::<4>())
        .map_or(0, |word| u32::from_ne_bytes(*word));
    let name = whole
        .get(32 + 4..)
        .filter(|_| whole.get(34..36) == Some(&IFLA_IFNAME.to_ne_bytes()));
    let name = name.and_then(|name| name.split(|&byte| byte == 0).next());
    let all = interfaces(stack);
    let found = all.iter().find(|found| {
        found.interface as u32 == index || (index == 0 && Some(found.interface.name().as_bytes()) == name)
    });
    let mut replies = Vec::from([match found {
        Some(found) => link(found, request, 0),
        None => return Vec::from([error(request, Some(Errno::NODEV), whole)]),
    }]);
    if request.flags & NLM_F_ACK != 0 {
        replies.push(error(request, None, whole));
    }
    replies
}

fn links(stack: &Stack, request: Request, flags: u16) -> Vec<Vec<u8>> {
    interfaces(stack)
        .iter()
        .map(|found| link(found, request, flags))
        .collect()
}

fn link(found: &Description, request: Request, flags: u16) -> Vec<u8> {
    let is_loopback = found.interface == Interface::Loopback;
    let mut name = found.interface.name().as_bytes().to_vec();
    name.push(0);
    // Linux shows carrier as IFF_LOWER_UP.
    let link_flags = found.flags | 0x10000;
    Writer::new(request, RTM_NEWLINK, flags)
        .put(&[AF_UNSPEC as u8, 0])
        .put(&found.hardware_type.to_ne_bytes())
        .put(&(found.interface as u32).to_ne_bytes())
        .put(&link_flags.to_ne_bytes())
        .put(&[0; 4])
        .attribute(IFLA_IFNAME, &name)
        .attribute(IFLA_TXQLEN, &1000u32.to_ne_bytes())
        .attribute(
            IFLA_OPERSTATE,
            &[if is_loopback { OPERSTATE_UNKNOWN } else { OPERSTATE_UP }],
        )
        .attribute(IFLA_MTU, &found.mtu.to_ne_bytes())
        .attribute(IFLA_ADDRESS, &found.mac)
        .attribute(IFLA_BROADCAST, &if is_loopback { [0; 6] } else { [0xff; 6] })
        .finish()
}

fn addresses(stack: &Stack, request: Request, family: u32) -> Vec<Vec<u8>> {
    let own = |address: IpAddr, prefix_length| OwnAddress::permanent(InterfaceAddress { address, prefix_length });
    let mut all = Vec::from([
        (Interface::Loopback, own(Ipv4Addr::LOCALHOST.into(), 8)),
        (Interface::Loopback, own(Ipv6Addr::LOCALHOST.into(), 128)),
    ]);
    let routes = stack.routes.lock();
    all.extend(routes.addresses().iter().map(|own| (Interface::Ethernet, *own)));
    all.retain(|(_, own)| is_of(family, own.at.address));
    all.iter()
        .map(|(interface, own)| address_message(*interface, own, request, stack.now()))
        .collect()
}

fn is_of(family: u32, address: IpAddr) -> bool {
    match family {
        AF_INET => address.is_ipv4(),
        AF_INET6 => address.is_ipv6(),
        _ => true,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn family_of(address: IpAddr) -> u8 {
    if address.is_ipv4() {
        AF_INET as u8
    } else {
        AF_INET6 as u8
    }
}

fn address_message(interface: Interface, own: &OwnAddress, request: Request, now: u64) -> Vec<u8> {
    let scope = match (interface, own.at.address) {
        (Interface::Loopback, _) => SCOPE_HOST,
        (_, IpAddr::V6(address)) if address.is_unicast_link_local() => SCOPE_LINK,
        (_, IpAddr::V6(address)) if address.segments()[0] & 0xffc0 == 0xfec0 => SCOPE_SITE,
        _ => SCOPE_UNIVERSE,
    };
    let bytes = octets(own.at.address);
    let flags = own.flags.bits();
    let mut writer = Writer::new(request, RTM_NEWADDR, NLM_F_MULTI)
        .put(&[family_of(own.at.address), own.at.prefix_length, flags, scope])
        .put(&(interface as u32).to_ne_bytes())
        .attribute(IFA_ADDRESS, &bytes);
    if own.at.address.is_ipv4() {
        let mut label = interface.name().as_bytes().to_vec();
        label.push(0);
        writer = writer.attribute(IFA_LOCAL, &bytes).attribute(IFA_LABEL, &label);
        if let Some(broadcast) = own.at.broadcast().filter(|_| interface != Interface::Loopback) {
            writer = writer.attribute(IFA_BROADCAST, &broadcast.octets());
        }
    }
    // `struct ifa_cacheinfo`, without when it was made and changed.
    let lifetimes = [seconds(own.preferred_until, now), seconds(own.valid_until, now), 0, 0];
    writer
        .attribute(IFA_CACHEINFO, lifetimes.map(u32::to_ne_bytes).as_flattened())
        .attribute(IFA_FLAGS, &u32::from(flags).to_ne_bytes())
        .finish()
}

/// Seconds until `time`; the most stand for ever.
fn seconds(time: u64, now: u64) -> u32 {
    if time == NEVER {
        return u32::MAX;
    }
    u32::try_from(time.saturating_sub(now) / 1_000_000_000).unwrap_or(u32::MAX - 1)
}

fn routes(stack: &Stack, request: Request, family: u32) -> Vec<Vec<u8>> {
    let routes = stack.routes.lock();
    let of_family = routes
        .routes()
        .iter()
        .filter(|route| is_of(family, route.prefix.network()));
    // Those with the shortest prefix first, as Linux has it.
    of_family
        .rev()
        .map(|route| route_message(route, routes.addresses(), request))
        .collect()
}

fn route_message(route: &Route, addresses: &[OwnAddress], request: Request) -> Vec<u8> {
    let network = route.prefix.network();
    let (protocol, scope) = match (route.gateway, network) {
        (Some(_), IpAddr::V4(_)) => (PROTOCOL_DHCP, SCOPE_UNIVERSE),
        (Some(_), IpAddr::V6(_)) => (PROTOCOL_ADVERTISEMENT, SCOPE_UNIVERSE),
        (None, IpAddr::V4(_)) => (PROTOCOL_KERNEL, SCOPE_LINK),
        (None, IpAddr::V6(_)) => (PROTOCOL_KERNEL, SCOPE_UNIVERSE),
    };
    let length = route.prefix.length();
    let mut writer = Writer::new(request, RTM_NEWROUTE, NLM_F_MULTI)
        .put(&[
            family_of(network),
            length,
            0,
            0,
            TABLE_MAIN,
            protocol,
            scope,
            TYPE_UNICAST,
        ])
        .put(&[0; 4])
        .attribute(RTA_TABLE, &u32::from(TABLE_MAIN).to_ne_bytes());
    if length > 0 {
        writer = writer.attribute(RTA_DST, &octets(network));
    }
    if let Some(gateway) = route.gateway {
        writer = writer.attribute(RTA_GATEWAY, &octets(gateway));
    }
    match network {
        IpAddr::V6(_) => {
            let metric = if route.gateway.is_some() {
                METRIC_ROUTERS
            } else {
                METRIC_NEIGHBOURS
            };
            writer = writer.attribute(RTA_PRIORITY, &metric.to_ne_bytes());
        }
        IpAddr::V4(_) if route.gateway.is_none() => {
            let own = addresses.iter().find(|own| own.at.prefix() == route.prefix);
            if let Some(own) = own {
                writer = writer.attribute(RTA_PREFSRC, &octets(own.at.address));
            }
        }
        IpAddr::V4(_) => {}
    }
    writer
        .attribute(RTA_OIF, &(Interface::Ethernet as u32).to_ne_bytes())
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Configuration;
    use crate::environment::Nowhere;
    use alloc::sync::Arc;

    fn request(kind: u16, flags: u16, family: u8) -> Vec<u8> {
        let mut bytes = 20u32.to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&7u32.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&[family, 0, 0, 0]);
        bytes
    }

    /// The types of the messages in a datagram, whose lengths must add up.
    fn kinds(mut bytes: &[u8]) -> Vec<u16> {
        let mut kinds = Vec::new();
        while !bytes.is_empty() {
            let length = u32::from_ne_bytes(bytes[..4].try_into().expect("four bytes")) as usize;
            assert_eq!(bytes[8..12], 7u32.to_ne_bytes());
            assert_eq!(bytes[12..16], 99u32.to_ne_bytes());
            kinds.push(u16::from_ne_bytes([bytes[4], bytes[5]]));
            bytes = &bytes[length..];
        }
        kinds
    }

    #[test]
    fn a_dump_ends_with_done() {
        let stack = Stack::new(Arc::new(Nowhere), None, Configuration::default());
        let dump = answer(&stack, 99, &request(RTM_GETADDR, NLM_F_DUMP | 1, 0));
        assert_eq!(
            dump.iter().map(|bytes| kinds(bytes)).collect::<Vec<_>>(),
            [vec![RTM_NEWADDR; 2], vec![NLMSG_DONE]]
        );
        let dump = answer(&stack, 99, &request(RTM_GETADDR, NLM_F_DUMP | 1, AF_INET as u8));
        assert_eq!(kinds(&dump[0]), [RTM_NEWADDR]);
        // 127.0.0.1/8, permanent, scope host, on lo.
        assert_eq!(dump[0][16..24], [2, 8, 0x80, 254, 1, 0, 0, 0]);
        assert_eq!(dump[0][24..32], [8, 0, 1, 0, 127, 0, 0, 1]);
        let dump = answer(&stack, 99, &request(RTM_GETLINK, NLM_F_DUMP | 1, 0));
        assert_eq!(kinds(&dump[0]), [RTM_NEWLINK]);
    }

    #[test]
    fn changes_are_refused() {
        let stack = Stack::new(Arc::new(Nowhere), None, Configuration::default());
        let refusal = answer(&stack, 99, &request(RTM_NEWADDR, 5, 0));
        assert_eq!(kinds(&refusal[0]), [NLMSG_ERROR]);
        assert_eq!(refusal[0][16..20], (-1i32).to_ne_bytes());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_answered_without_a_panic(bytes: Vec<u8>) {
            let stack = Stack::new(Arc::new(Nowhere), None, Configuration::default());
            let _ = answer(&stack, 1, &bytes);
        }
    }
}
