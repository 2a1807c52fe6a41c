//! Messages (RFC 8415 section 8), and the options that are used (section 21).

use alloc::vec::Vec;
use core::net::Ipv6Addr;

/// Types of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Solicit = 1,
    Advertise = 2,
    Request = 3,
    Renew = 5,
    Rebind = 6,
    Reply = 7,
    InformationRequest = 11,
}

const CLIENT: u16 = 1;
const SERVER: u16 = 2;
const ASSOCIATION: u16 = 3;
const ADDRESS: u16 = 5;
const WANTED_OPTIONS: u16 = 6;
const ELAPSED_TIME: u16 = 8;
const STATUS: u16 = 13;
const RAPID_COMMIT: u16 = 14;
const NAME_SERVERS: u16 = 23;
const REFRESH_TIME: u16 = 32;
/// Bytes of a message's header: its type and its transaction.
const HEADER: usize = 4;
const MOST_NAME_SERVERS: usize = 4;
/// How long what a server told without a lease counts, in seconds (`IRT_DEFAULT`).
const DEFAULT_REFRESH: u32 = 86_400;

/// A message to servers.
pub(super) struct Message<'a> {
    pub(super) kind: Kind,
    pub(super) transaction: u32,
    pub(super) mac: [u8; 6],
    /// Hundredths of a second since the first try.
    pub(super) elapsed: u16,
    /// The server that it is for.
    pub(super) server: Option<&'a [u8]>,
    /// The address that is ours, or was offered.
    pub(super) address: Option<Ipv6Addr>,
}

impl Message<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&(u32::from(self.kind as u8) << 24 | self.transaction).to_be_bytes());
        put(&mut bytes, CLIENT, &identifier(self.mac));
        if let Some(server) = self.server {
            put(&mut bytes, SERVER, server);
        }
        if self.kind != Kind::InformationRequest {
            let mut association = [&self.mac[2..], &[0; 8]].concat();
            if let Some(address) = self.address {
                // The lifetimes are the server's to say.
                put(&mut association, ADDRESS, &[&address.octets()[..], &[0; 8]].concat());
            }
            put(&mut bytes, ASSOCIATION, &association);
        }
        if self.kind == Kind::Solicit {
            put(&mut bytes, RAPID_COMMIT, &[]);
        }
        put(&mut bytes, ELAPSED_TIME, &self.elapsed.to_be_bytes());
        let wanted = [NAME_SERVERS, REFRESH_TIME].map(u16::to_be_bytes);
        put(&mut bytes, WANTED_OPTIONS, wanted.as_flattened());
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, option: u16, data: &[u8]) {
    bytes.extend_from_slice(&option.to_be_bytes());
    bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
    bytes.extend_from_slice(data);
}

/// Our DHCP unique identifier: the hardware address (`DUID-LL`), so that it stays the same over boots.
fn identifier(mac: [u8; 6]) -> [u8; 10] {
    let [first, second, third, fourth, fifth, sixth] = mac;
    [0, 3, 0, 1, first, second, third, fourth, fifth, sixth]
}

/// An address with its times, in seconds; the largest stand for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) address: Ipv6Addr,
    pub(super) preferred: u32,
    pub(super) valid: u32,
    /// When to ask this server to renew it, and when any.
    pub(super) renewal: u32,
    pub(super) rebinding: u32,
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) kind: Kind,
    pub(super) server: Vec<u8>,
    /// It is the whole exchange.
    pub(super) is_rapid: bool,
    pub(super) lease: Option<Lease>,
    pub(super) name_servers: Vec<Ipv6Addr>,
    /// When to ask for these again, in seconds.
    pub(super) refresh: u32,
}

/// Reads an answer to `transaction` for the client with this hardware address.
pub(super) fn decode(bytes: &[u8], transaction: u32, mac: [u8; 6]) -> Option<Answer> {
    let (head, rest) = bytes.split_first_chunk::<HEADER>()?;
    let word = u32::from_be_bytes(*head);
    let kind = match word >> 24 {
        2 => Kind::Advertise,
        7 => Kind::Reply,
        _ => return None,
    };
    let mut answer = Answer {
        kind,
        server: Vec::new(),
        is_rapid: false,
        lease: None,
        name_servers: Vec::new(),
        refresh: DEFAULT_REFRESH,
    };
    let mut is_for_us = false;
    for (option, data) in options(rest)? {
        match option {
            CLIENT => is_for_us = data == identifier(mac),
            SERVER => answer.server = data.to_vec(),
            RAPID_COMMIT => answer.is_rapid = true,
            STATUS if !is_success(data) => return None,
            ASSOCIATION if data.get(..4) == Some(&mac[2..]) => answer.lease = lease(data),
            NAME_SERVERS => {
                let addresses = data.as_chunks::<16>().0.iter().take(MOST_NAME_SERVERS);
                answer.name_servers = addresses.map(|&octets| Ipv6Addr::from(octets)).collect();
            }
            REFRESH_TIME => answer.refresh = word_at(data, 0)?,
            _ => {}
        }
    }
    (is_for_us && word & 0xff_ffff == transaction && !answer.server.is_empty()).then_some(answer)
}

/// The options in `bytes`; none when they do not add up.
fn options(mut bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut options = Vec::new();
    while !bytes.is_empty() {
        let (&[a, b, c, d], rest) = bytes.split_first_chunk::<4>()?;
        let (data, rest) = rest.split_at_checked(u16::from_be_bytes([c, d]).into())?;
        options.push((u16::from_be_bytes([a, b]), data));
        bytes = rest;
    }
    Some(options)
}

fn word_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

fn is_success(data: &[u8]) -> bool {
    data.get(..2) == Some(&[0, 0])
}

/// The first address of an association that is of use.
fn lease(association: &[u8]) -> Option<Lease> {
    let (renewal, rebinding) = (word_at(association, 4)?, word_at(association, 8)?);
    if renewal > rebinding && rebinding > 0 {
        return None;
    }
    let inner = options(association.get(12..)?)?;
    if inner
        .iter()
        .any(|(option, data)| *option == STATUS && !is_success(data))
    {
        return None;
    }
    inner.into_iter().find_map(|(option, data)| {
        let address = Ipv6Addr::from(*data.first_chunk::<16>()?);
        let (preferred, valid) = (word_at(data, 16)?, word_at(data, 20)?);
        let is_one = !address.is_multicast() && !address.is_unspecified() && !address.is_loopback();
        if option != ADDRESS || preferred > valid || valid == 0 || !is_one || address.is_unicast_link_local() {
            return None;
        }
        // What the server leaves to us.
        let part = |tenths: u32| (u64::from(preferred) * u64::from(tenths) / 10) as u32;
        Some(Lease {
            address,
            preferred,
            valid,
            renewal: if renewal == 0 { part(5) } else { renewal }.min(valid),
            rebinding: if rebinding == 0 { part(8) } else { rebinding }.min(valid),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x77];
    const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x50);

    /// A reply as dnsmasq sends it: identifiers, the address for two minutes, a name server.
    fn reply() -> Vec<u8> {
        let mut bytes = [7, 0x12, 0x34, 0x56].to_vec();
        put(&mut bytes, CLIENT, &identifier(MAC));
        put(&mut bytes, SERVER, b"the server");
        let mut association = [0, 0, 0, 0x77, 0, 0, 0, 60, 0, 0, 0, 105].to_vec();
        let address = [&ADDRESS.octets()[..], &[0, 0, 0, 120, 0, 0, 0, 120]].concat();
        put(&mut association, super::ADDRESS, &address);
        put(&mut bytes, ASSOCIATION, &association);
        put(&mut bytes, NAME_SERVERS, &ADDRESS.octets());
        bytes
    }

    #[test]
    fn an_answer_is_read() {
        let answer = decode(&reply(), 0x12_3456, MAC).expect("sound");
        let expected = Answer {
            kind: Kind::Reply,
            server: b"the server".to_vec(),
            is_rapid: false,
            lease: Some(Lease {
                address: ADDRESS,
                preferred: 120,
                valid: 120,
                renewal: 60,
                rebinding: 105,
            }),
            name_servers: Vec::from([ADDRESS]),
            refresh: DEFAULT_REFRESH,
        };
        assert_eq!(answer, expected);
        assert_eq!(decode(&reply(), 0x12_3457, MAC), None, "to another question");
        assert_eq!(
            decode(&reply(), 0x12_3456, [2, 0, 0, 0, 0, 0x78]),
            None,
            "to another client"
        );
        assert_eq!(decode(&reply()[..60], 0x12_3456, MAC), None, "cut short");
        let mut refused = reply();
        put(&mut refused, STATUS, &[0, 2]);
        assert_eq!(decode(&refused, 0x12_3456, MAC), None);
    }

    #[test]
    fn a_server_may_leave_the_times_to_us() {
        let mut bytes = reply();
        let times = bytes
            .windows(4)
            .position(|word| word == [0, 0, 0, 60])
            .expect("the renewal");
        bytes[times..times + 8].fill(0);
        let lease = decode(&bytes, 0x12_3456, MAC)
            .and_then(|answer| answer.lease)
            .expect("sound");
        assert_eq!((lease.renewal, lease.rebinding), (60, 96));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(changes: Vec<(usize, u8)>, length: usize) {
            let mut bytes = reply();
            for (at, value) in changes {
                let at = at % bytes.len();
                bytes[at] = value;
            }
            bytes.truncate(length % (bytes.len() + 1));
            if let Some(lease) = decode(&bytes, 0x12_3456, MAC).and_then(|answer| answer.lease) {
                prop_assert!(lease.preferred <= lease.valid);
            }
        }
    }
}
