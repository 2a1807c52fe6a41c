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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec as some;
    use proptest::prelude::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x77];
    const TRANSACTION: u32 = 0x1234_5678;
    /// Where the options begin, behind the fields of fixed length and the magic number.
    const OPTIONS: usize = 240;
    /// The options that are looked at, and what frames them.
    const KINDS: [u8; 15] = [0, 1, 3, 6, 12, 15, 26, 51, 53, 54, 58, 59, 61, 121, 255];

    fn server() -> DhcpRepr<'static> {
        DhcpRepr {
            message_type: DhcpMessageType::Ack,
            transaction_id: TRANSACTION,
            secs: 0,
            client_hardware_address: EthernetAddress(MAC),
            client_ip: Ipv4Addr::UNSPECIFIED,
            your_ip: Ipv4Addr::new(10, 0, 0, 50),
            server_ip: Ipv4Addr::UNSPECIFIED,
            router: Some(Ipv4Addr::new(10, 0, 0, 1)),
            subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            broadcast: false,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(Ipv4Addr::new(10, 0, 0, 2)),
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration: Some(7200),
            renew_duration: Some(3000),
            rebind_duration: Some(6000),
            additional_options: &[],
        }
    }

    fn encode(repr: &DhcpRepr<'_>) -> Vec<u8> {
        let mut bytes = vec![0; repr.buffer_len()];
        repr.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..]))
            .expect("there is room");
        bytes
    }

    fn granted(bytes: &[u8]) -> Option<Lease> {
        match decode(bytes, TRANSACTION, MAC)? {
            Answer::Offer(lease) | Answer::Acknowledgement(lease) => Some(lease),
            Answer::Refusal => None,
        }
    }

    #[test]
    fn only_answers_to_the_own_question_count() {
        let bytes = encode(&server());
        assert!(matches!(
            decode(&bytes, TRANSACTION, MAC),
            Some(Answer::Acknowledgement(_))
        ));
        assert!(decode(&bytes, TRANSACTION + 1, MAC).is_none());
        assert!(decode(&bytes, TRANSACTION, [2, 0, 0, 0, 0, 0x78]).is_none());
        for length in 0..OPTIONS {
            assert!(decode(&bytes[..length], TRANSACTION, MAC).is_none(), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn what_a_server_says_is_read(
            address: [u8; 3],
            router: [u8; 4],
            prefix in 0..=32u8,
            name_servers: [[u8; 4]; 3],
            domain in "[a-z]{1,20}\\.[a-z]{2,5}",
            hostname in "[a-z][a-z0-9-]{0,30}",
            mtu: u16,
            seconds in 60..u32::MAX,
        ) {
            let (mtu_bytes, server_bytes) = (mtu.to_be_bytes(), name_servers.concat());
            let options = [
                DhcpOption { kind: OPTION_NAME_SERVER, data: &server_bytes },
                DhcpOption { kind: OPTION_DOMAIN, data: domain.as_bytes() },
                DhcpOption { kind: OPTION_HOSTNAME, data: hostname.as_bytes() },
                DhcpOption { kind: OPTION_MTU, data: &mtu_bytes },
            ];
            let your_ip = Ipv4Addr::new(10, address[0], address[1], address[2]);
            let bytes = encode(&DhcpRepr {
                your_ip,
                router: Some(router.into()),
                subnet_mask: Some(Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0))),
                lease_duration: Some(seconds),
                renew_duration: None,
                rebind_duration: None,
                additional_options: &options,
                ..server()
            });
            let seconds = u64::from(seconds);
            prop_assert_eq!(granted(&bytes), Some(Lease {
                address: InterfaceAddress { address: your_ip.into(), prefix_length: prefix },
                router: Some(router.into()),
                name_servers: name_servers.map(Ipv4Addr::from).to_vec(),
                domain: Some(domain),
                hostname: Some(hostname),
                mtu: Some(mtu),
                server: Ipv4Addr::new(10, 0, 0, 2),
                renewal: seconds / 2 * SECOND,
                rebinding: seconds * 7 / 8 * SECOND,
                duration: seconds * SECOND,
            }));
        }

        #[test]
        fn what_the_client_says_is_what_a_server_reads(
            transaction: u32,
            seconds: u16,
            own: Option<[u8; 4]>,
            wanted: Option<[u8; 4]>,
            hostname in proptest::option::of("[a-z][a-z0-9-]{0,62}"),
        ) {
            let request = Request {
                kind: DhcpMessageType::Request,
                transaction,
                seconds,
                mac: MAC,
                own: own.map(Ipv4Addr::from),
                wanted: wanted.map(Ipv4Addr::from),
                server: wanted.map(Ipv4Addr::from),
                hostname: hostname.as_deref(),
            };
            let bytes = request.encode();
            let packet = DhcpPacket::new_checked(&bytes[..]).expect("it is long enough");
            let read = DhcpRepr::parse(&packet).expect("it is sound");
            prop_assert_eq!(
                (read.message_type, read.transaction_id, read.secs, read.client_hardware_address.0),
                (request.kind, transaction, seconds, MAC)
            );
            prop_assert_eq!(read.client_ip, request.own.unwrap_or(Ipv4Addr::UNSPECIFIED));
            prop_assert_eq!((read.requested_ip, read.server_identifier), (request.wanted, request.server));
            let name = packet.options().find(|option| option.kind == OPTION_HOSTNAME);
            prop_assert_eq!(name.map(|option| option.data), hostname.as_deref().map(str::as_bytes));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, transaction: u32, mac: [u8; 6]) {
            let _ = decode(&bytes, transaction, mac);
        }

        #[test]
        fn any_options_are_read_without_a_panic_and_give_sound_times(
            options in some((proptest::sample::select(&KINDS[..]), some(any::<u8>(), 0..12)), 0..8),
            length_lies in some((any::<usize>(), any::<u8>()), 0..3),
            cut in 0..40usize,
        ) {
            let mut bytes = encode(&server());
            bytes.truncate(OPTIONS + 3);
            for (kind, data) in options {
                bytes.push(kind);
                if kind != 0 && kind != 255 {
                    bytes.push(data.len() as u8);
                    bytes.extend_from_slice(&data);
                }
            }
            bytes.extend_from_slice(&[54, 4, 10, 0, 0, 2, 255]);
            for (at, value) in length_lies {
                let at = OPTIONS + at % (bytes.len() - OPTIONS);
                bytes[at] = value;
            }
            if cut > 30 {
                bytes.truncate(bytes.len() - (cut - 30));
            }
            if let Some(lease) = granted(&bytes) {
                prop_assert!(lease.address.prefix_length <= 32);
                prop_assert!(lease.renewal <= lease.rebinding && lease.rebinding <= lease.duration);
                prop_assert!(lease.duration >= 60 * SECOND);
            }
        }
    }
}
