//! Requests and the dumps that answer them.

use abi::Errno;
use abi::net::AF_UNSPEC;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::{
    HEADER, NLM_F_MULTI, Request, SCOPE_LINK, SCOPE_UNIVERSE, TYPE_UNICAST, Writer, error, family_of, is_of, octets,
};
use super::route;
use crate::ip::{Interface, InterfaceAddress, Neighbour, OwnAddress};
use crate::socket::{Description, interfaces};
use crate::stack::{NEVER, Stack};

// Message types and flags of `linux/netlink.h` and `linux/rtnetlink.h`.
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const RTM_GETRULE: u16 = 34;
const RTM_NEWQDISC: u16 = 36;
const RTM_GETQDISC: u16 = 38;
/// The two lowest bits of what only asks.
const IS_GET: u16 = 2;
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
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const TCA_KIND: u16 = 1;
// Values of fields.
const SCOPE_SITE: u8 = 200;
const SCOPE_HOST: u8 = 254;
const OPERSTATE_UNKNOWN: u8 = 0;
const OPERSTATE_UP: u8 = 6;

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
        RTM_GETROUTE if is_dump => route::all(stack, request, family),
        RTM_GETNEIGH if is_dump => neighbours(stack, request, family),
        RTM_GETRULE if is_dump => route::rules(request, family),
        RTM_GETQDISC if is_dump => queues(stack, request),
        RTM_GETLINK => return one_link(stack, request, whole),
        RTM_GETROUTE => {
            let found = route::to(stack, request, family, whole);
            return Vec::from([found.unwrap_or_else(|errno| error(request, Some(errno), whole))]);
        }
        kind if kind & 3 == IS_GET => return Vec::from([error(request, Some(Errno::OPNOTSUPP), whole)]),
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

fn neighbours(stack: &Stack, request: Request, family: u32) -> Vec<Vec<u8>> {
    // `NUD_*`
    const INCOMPLETE: u16 = 1;
    const REACHABLE: u16 = 2;
    const STALE: u16 = 4;
    let all = stack.neighbours.known(stack.now());
    let of_family = all.iter().filter(|neighbour| is_of(family, neighbour.address));
    let message = |neighbour: &Neighbour| {
        let state = match neighbour.mac {
            None => INCOMPLETE,
            Some(_) if neighbour.is_confirmed => REACHABLE,
            Some(_) => STALE,
        };
        let writer = Writer::new(request, RTM_NEWNEIGH, NLM_F_MULTI)
            .put(&[family_of(neighbour.address), 0, 0, 0])
            .put(&(Interface::Ethernet as u32).to_ne_bytes())
            .put(&state.to_ne_bytes())
            .put(&[0, TYPE_UNICAST])
            .attribute(NDA_DST, &octets(neighbour.address));
        match &neighbour.mac {
            Some(mac) => writer.attribute(NDA_LLADDR, mac).finish(),
            None => writer.finish(),
        }
    };
    of_family.map(message).collect()
}

/// Packets go to their interface as they come: Linux's name for that is `noqueue`.
fn queues(stack: &Stack, request: Request) -> Vec<Vec<u8>> {
    const ROOT: u32 = u32::MAX;
    const REFERENCES: u32 = 2;
    let message = |found: &Description| {
        Writer::new(request, RTM_NEWQDISC, NLM_F_MULTI)
            .put(
                [0, found.index(), 0, ROOT, REFERENCES]
                    .map(u32::to_ne_bytes)
                    .as_flattened(),
            )
            .attribute(TCA_KIND, b"noqueue\0")
            .finish()
    };
    interfaces(stack).iter().map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::super::message::{NLMSG_ERROR, RTM_NEWROUTE, attribute};
    use super::*;
    use crate::Configuration;
    use crate::environment::Nowhere;
    use abi::net::AF_INET;
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

    #[test]
    fn what_a_stack_has_none_of_is_an_empty_dump_and_what_nobody_can_ask_is_refused() {
        let stack = Stack::new(Arc::new(Nowhere), None, Configuration::default());
        let dump = |kind, family: u32| answer(&stack, 99, &request(kind, NLM_F_DUMP | 1, family as u8));
        assert_eq!(kinds(&dump(RTM_GETNEIGH, 0).concat()), [NLMSG_DONE]);
        assert_eq!(kinds(&dump(RTM_GETQDISC, 0)[0]), [RTM_NEWQDISC]);
        let rules = dump(RTM_GETRULE, AF_INET);
        // Of the tables local, main and default.
        assert_eq!(rules[0][20..24], [255, 0, 0, 1]);
        assert_eq!(kinds(&rules[0]).len(), 3);
        assert_eq!(kinds(&dump(RTM_GETRULE, 0)[0]).len(), 5);
        let refusal = answer(&stack, 99, &request(RTM_GETNEIGH, 1, 0));
        assert_eq!(refusal[0][16..20], (-95i32).to_ne_bytes());
    }

    #[test]
    fn a_route_is_the_one_that_packets_take() {
        let stack = Stack::new(Arc::new(Nowhere), None, Configuration::default());
        let own = InterfaceAddress {
            address: [10, 0, 2, 15].into(),
            prefix_length: 24,
        };
        stack.configure(own, Some([10, 0, 2, 2].into()), None, &[], None, None);
        let to = |destination: [u8; 4]| {
            let mut bytes = request(RTM_GETROUTE, 1, AF_INET as u8);
            bytes.extend_from_slice(&[0; 8]);
            bytes.extend_from_slice(&[8, 0, 1, 0]);
            bytes.extend_from_slice(&destination);
            bytes[0] = bytes.len() as u8;
            answer(&stack, 99, &bytes).remove(0)
        };
        let value = |answer: &[u8], kind| attribute(&answer[HEADER + 12..], kind).map(<[u8]>::to_vec);
        let beyond = to([8, 8, 8, 8]);
        assert_eq!(kinds(&beyond), [RTM_NEWROUTE]);
        assert_eq!(value(&beyond, 5), Some(vec![10, 0, 2, 2]), "the gateway");
        assert_eq!(value(&beyond, 7), Some(vec![10, 0, 2, 15]), "the source");
        let neighbour = to([10, 0, 2, 9]);
        assert_eq!(
            (value(&neighbour, 5), value(&neighbour, 4)),
            (None, Some(vec![2, 0, 0, 0]))
        );
        assert_eq!(
            value(&to([10, 0, 2, 15]), 4),
            Some(vec![1, 0, 0, 0]),
            "by the loopback interface"
        );
        stack.unconfigure();
        assert_eq!(to([8, 8, 8, 8])[16..20], (-101i32).to_ne_bytes());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_answered_without_a_panic(bytes: Vec<u8>) {
            let stack = Stack::new(Arc::new(Nowhere), None, Configuration::default());
            let _ = answer(&stack, 1, &bytes);
        }
    }
}
