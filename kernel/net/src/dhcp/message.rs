//! DHCP messages: what the client says, and what it reads from a server's.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use smoltcp::wire::{DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress};

use crate::ip::InterfaceAddress;

const OPTION_ROUTER: u8 = 3;
const OPTION_NAME_SERVER: u8 = 6;
const OPTION_HOSTNAME: u8 = 12;
const OPTION_DOMAIN: u8 = 15;
const OPTION_MTU: u8 = 26;
const OPTION_BROADCAST: u8 = 28;
const OPTION_CLASSLESS_ROUTES: u8 = 121;
const PARAMETERS: [u8; 8] = [
    1,
    OPTION_CLASSLESS_ROUTES,
    OPTION_ROUTER,
    OPTION_NAME_SERVER,
    OPTION_DOMAIN,
    OPTION_MTU,
    OPTION_BROADCAST,
    OPTION_HOSTNAME,
];
/// Bytes of the largest message that we take: what fits every Ethernet.
const LARGEST: u16 = 1472;
const SECOND: u64 = 1_000_000_000;
/// Servers that give no time get asked again after an hour.
const DEFAULT_LEASE: u64 = 3600;

/// What a server grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) address: InterfaceAddress,
    pub(crate) router: Option<Ipv4Addr>,
    pub(crate) name_servers: Vec<Ipv4Addr>,
    pub(crate) domain: Option<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) mtu: Option<u16>,
    pub(super) server: Ipv4Addr,
    /// Nanoseconds: until renewal, rebinding and the end.
    pub(super) renewal: u64,
    pub(super) rebinding: u64,
    pub(super) duration: u64,
}

/// A message to a server.
pub(super) struct Request<'a> {
    pub(super) kind: DhcpMessageType,
    pub(super) transaction: u32,
    pub(super) seconds: u16,
    pub(super) mac: [u8; 6],
    /// The address that we have, when we renew it.
    pub(super) own: Option<Ipv4Addr>,
    /// The address that we want, and whose offer it is.
    pub(super) wanted: Option<Ipv4Addr>,
    pub(super) server: Option<Ipv4Addr>,
    pub(super) hostname: Option<&'a str>,
}

impl Request<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let hostname = self.hostname.filter(|name| !name.is_empty() && name.len() <= 63);
        let options: Vec<DhcpOption<'_>> = hostname
            .map(|name| DhcpOption {
                kind: OPTION_HOSTNAME,
                data: name.as_bytes(),
            })
            .into_iter()
            .collect();
        let repr = DhcpRepr {
            message_type: self.kind,
            transaction_id: self.transaction,
            secs: self.seconds,
            client_hardware_address: EthernetAddress(self.mac),
            client_ip: self.own.unwrap_or(Ipv4Addr::UNSPECIFIED),
            your_ip: Ipv4Addr::UNSPECIFIED,
            server_ip: Ipv4Addr::UNSPECIFIED,
            router: None,
            subnet_mask: None,
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            broadcast: false,
            requested_ip: self.wanted,
            client_identifier: Some(EthernetAddress(self.mac)),
            server_identifier: self.server,
            parameter_request_list: Some(&PARAMETERS),
            dns_servers: None,
            max_size: Some(LARGEST),
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: &options,
        };
        let mut bytes = vec![0; repr.buffer_len()];
        if repr.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).is_err() {
            bytes.clear();
        }
        // Some servers drop what is shorter than BOOTP's 300 bytes.
        bytes.resize(bytes.len().max(300), 0);
        bytes
    }
}

/// What a server answered.
pub(super) enum Answer {
    Offer(Lease),
    Acknowledgement(Lease),
    Refusal,
}

/// Reads an answer to `transaction` for `mac`.
pub(super) fn decode(bytes: &[u8], transaction: u32, mac: [u8; 6]) -> Option<Answer> {
    let packet = DhcpPacket::new_checked(bytes).ok()?;
    let repr = DhcpRepr::parse(&packet).ok()?;
    if repr.transaction_id != transaction || repr.client_hardware_address.0 != mac {
        return None;
    }
    match repr.message_type {
        DhcpMessageType::Offer => Some(Answer::Offer(lease(&repr, packet.options())?)),
        DhcpMessageType::Ack => Some(Answer::Acknowledgement(lease(&repr, packet.options())?)),
        DhcpMessageType::Nak => Some(Answer::Refusal),
        _ => None,
    }
}

fn lease<'a>(repr: &DhcpRepr<'a>, options: impl Iterator<Item = DhcpOption<'a>>) -> Option<Lease> {
    if repr.your_ip.is_unspecified()
        || repr.your_ip.is_multicast()
        || repr.your_ip.is_broadcast()
        || repr.your_ip.is_loopback()
    {
        return None;
    }
    let mask = repr.subnet_mask.map_or(u32::MAX << 8, Ipv4Addr::to_bits);
    let seconds = u64::from(repr.lease_duration.unwrap_or(DEFAULT_LEASE as u32)).max(60);
    let renewal = repr.renew_duration.map_or(seconds / 2, u64::from).min(seconds);
    let rebinding = repr
        .rebind_duration
        .map_or(seconds * 7 / 8, u64::from)
        .clamp(renewal, seconds);
    let mut lease = Lease {
        address: InterfaceAddress {
            address: IpAddr::V4(repr.your_ip),
            prefix_length: mask.leading_ones() as u8,
        },
        router: repr.router,
        name_servers: Vec::new(),
        domain: None,
        hostname: None,
        mtu: None,
        server: repr.server_identifier?,
        renewal: renewal * SECOND,
        rebinding: rebinding * SECOND,
        duration: seconds * SECOND,
    };
    for DhcpOption { kind, data } in options {
        match kind {
            OPTION_NAME_SERVER => {
                let (addresses, _) = data.as_chunks::<4>();
                lease.name_servers = addresses.iter().map(|&octets| Ipv4Addr::from(octets)).collect();
            }
            OPTION_DOMAIN => lease.domain = name(data),
            OPTION_HOSTNAME => lease.hostname = name(data),
            OPTION_MTU => lease.mtu = data.first_chunk::<2>().map(|mtu| u16::from_be_bytes(*mtu)),
            // RFC 3442: where it is given, the router option is not to be used.
            OPTION_CLASSLESS_ROUTES => lease.router = default_route(data).or(lease.router),
            _ => {}
        }
    }
    Some(lease)
}

/// The router of the route with an empty prefix.
fn default_route(mut data: &[u8]) -> Option<Ipv4Addr> {
    while let Some((&width, rest)) = data.split_first() {
        let octets = usize::from(width).div_ceil(8);
        let (router, rest) = rest.get(octets..)?.split_first_chunk::<4>()?;
        if width == 0 {
            return Some(Ipv4Addr::from(*router));
        }
        data = rest;
    }
    None
}

/// A name that is safe to put into a file of ours.
fn name(data: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(data).ok()?.trim_end_matches('\0');
    let is_plain = |character: char| character.is_ascii_alphanumeric() || ".-_ ".contains(character);
    (!text.is_empty() && text.chars().all(is_plain)).then(|| String::from(text))
}
