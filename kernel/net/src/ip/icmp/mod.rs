//! ICMP (RFC 792) and `ICMPv6` (RFC 4443): echo, and errors in both directions.

mod v4;
mod v6;

use abi::Errno;
use core::net::IpAddr;

use super::input::Datagram;
use super::{ByVersion, Endpoint, Outgoing, Path, protocol};
use crate::header::Header;
use crate::stack::Stack;
use crate::{Chunk, ping, tcp, udp};

/// Bytes of a message's header.
pub(crate) const HEADER: usize = 8;
/// Where the checksum stands in it.
pub(crate) const CHECKSUM_AT: u16 = 2;
/// The type of an echo request.
pub(crate) const ECHO_REQUEST: ByVersion<u8> = ByVersion { ipv4: 8, ipv6: 128 };

/// Where an ICMP error comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// Who sent it; none when this machine did.
    pub(crate) address: Option<IpAddr>,
    /// Its type and code.
    pub(crate) kind: [u8; 2],
}

impl Origin {
    /// Of the error that is all of `datagram`.
    fn of(datagram: &Datagram<'_>, error: &[u8]) -> Self {
        Self {
            address: Some(datagram.source),
            kind: [error[0], error[1]],
        }
    }
}

/// What an ICMP error says about a packet that we sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unreachable<'a> {
    pub(crate) origin: Origin,
    /// Our end of the flow.
    pub(crate) local: Endpoint,
    /// The other end.
    pub(crate) remote: Endpoint,
    /// What a socket reports.
    pub(crate) errno: Errno,
    /// Whether a connection must give up at once, rather than remember the error (RFC 1122 section 4.2.3.9).
    pub(crate) is_hard: bool,
    /// The packet was too long for a router: the MTU that fits.
    pub(crate) mtu: Option<u16>,
    /// What the error quotes of the packet behind the Internet header: eight bytes, and maybe more.
    pub(crate) quoted: &'a [u8],
}

impl Unreachable<'_> {
    /// The same of a flow with these ends, ours first.
    fn of(&self, (local, remote): (Endpoint, Endpoint)) -> Self {
        Self { local, remote, ..*self }
    }
}

/// What an error means to a socket.
#[derive(Clone, Copy)]
struct Meaning {
    errno: Errno,
    is_hard: bool,
    mtu: Option<u16>,
}

impl Meaning {
    const fn hard(errno: Errno) -> Self {
        Self {
            errno,
            is_hard: true,
            mtu: None,
        }
    }

    const fn soft(errno: Errno) -> Self {
        Self {
            errno,
            is_hard: false,
            mtu: None,
        }
    }

    const fn too_long(mtu: u16) -> Self {
        Self {
            errno: Errno::MSGSIZE,
            is_hard: false,
            mtu: Some(mtu),
        }
    }

    /// Of a packet with these addresses and what is `quoted` behind its Internet header; `None` when that is too little.
    fn of(self, origin: Origin, (source, destination): (IpAddr, IpAddr), quoted: &[u8]) -> Option<Unreachable<'_>> {
        let &[first, second, third, fourth, ..] = quoted.first_chunk::<8>()?;
        Some(Unreachable {
            origin,
            local: Endpoint::new(source, u16::from_be_bytes([first, second])),
            remote: Endpoint::new(destination, u16::from_be_bytes([third, fourth])),
            errno: self.errno,
            is_hard: self.is_hard,
            mtu: self.mtu,
            quoted,
        })
    }
}

/// A token bucket over the errors that we send (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4).
pub(crate) struct IcmpLimiter {
    tokens: u64,
    filled: u64,
}

impl IcmpLimiter {
    const PER_SECOND: u64 = 1000;
    const BURST: u64 = 50;

    pub(crate) const fn new() -> Self {
        Self {
            tokens: Self::BURST,
            filled: 0,
        }
    }

    fn allow(&mut self, now: u64) -> bool {
        let earned = (now - self.filled.min(now)) / (1_000_000_000 / Self::PER_SECOND);
        if earned > 0 {
            self.tokens = (self.tokens + earned).min(Self::BURST);
            self.filled = now;
        }
        let allowed = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        allowed
    }
}

impl Stack {
    /// Answers an echo request with a message of this type.
    fn answer_echo(&self, datagram: &Datagram<'_>, whole: &[u8], kind: u8) {
        let mut header = Header::new();
        let bytes = header.prepend(HEADER);
        bytes[0] = kind;
        bytes[4..8].copy_from_slice(&whole[4..8]);
        // The asker will ask again.
        let _ = self.answer(datagram, header, &whole[HEADER..], datagram.tos);
    }

    /// Tells the sender of `datagram` that it goes nowhere: type and code, and the word after the checksum.
    fn send_error(&self, datagram: &Datagram<'_>, [kind, code]: [u8; 2], word: u32) {
        let is_one = |address: IpAddr| !address.is_multicast() && !address.is_unspecified();
        if !is_one(datagram.source) || !self.icmp_limiter.lock().allow(self.now()) {
            return;
        }
        let most = match datagram.source {
            IpAddr::V4(_) => datagram.ip_header.len() + v4::MOST_QUOTED,
            IpAddr::V6(_) => v6::MOST_QUOTED,
        };
        let mut quoted = [datagram.ip_header, datagram.bytes].concat();
        quoted.truncate(most);
        let mut header = Header::new();
        let bytes = header.prepend(HEADER);
        bytes[..2].copy_from_slice(&[kind, code]);
        bytes[4..].copy_from_slice(&word.to_be_bytes());
        let _ = self.answer(datagram, header, &quoted, 0);
    }

    fn answer(&self, datagram: &Datagram<'_>, header: Header, payload: &[u8], tos: u8) -> Result<(), Errno> {
        let source = if datagram.is_broadcast {
            self.source_for(datagram.source)?
        } else {
            datagram.destination
        };
        let outgoing = Outgoing {
            source,
            destination: datagram.source,
            protocol: protocol::icmp(source),
            ttl: 64,
            tos,
            dont_fragment: false,
            checksum_at: Some(CHECKSUM_AT),
            segment_size: None,
            payload: &[Chunk::copy_of(payload)],
        };
        self.send(header, &outgoing, &mut Path::default())
    }

    fn deliver_error(&self, transport: u8, unreachable: &Unreachable<'_>) {
        if let Some(mtu) = unreachable.mtu {
            self.path_mtu.lock().learn(unreachable.remote.address, mtu, self.now());
        }
        match transport {
            protocol::TCP => tcp::receive_error(self, unreachable),
            protocol::UDP => udp::receive_error(&self.udp, unreachable, udp::HEADER),
            protocol::UDP_LITE => udp::receive_error(&self.udp_lite, unreachable, udp::HEADER),
            protocol::ICMP | protocol::ICMPV6 => {
                let (local, remote) = (unreachable.local.address, unreachable.remote.address);
                if let Some(identifier) = ping::quoted_identifier(local, unreachable.quoted) {
                    let ends = (Endpoint::new(local, identifier), Endpoint::new(remote, 0));
                    udp::receive_error(&self.ping, &unreachable.of(ends), 0);
                }
            }
            _ => {}
        }
    }

    /// Tells the sender of `datagram` that nobody listens on its port.
    pub(crate) fn send_port_unreachable(&self, datagram: &Datagram<'_>) {
        if datagram.is_broadcast || datagram.destination.is_unspecified() || datagram.destination.is_multicast() {
            return;
        }
        let kind = match datagram.source {
            IpAddr::V4(_) => v4::PORT_UNREACHABLE,
            IpAddr::V6(_) => v6::PORT_UNREACHABLE,
        };
        if datagram.is_loopback {
            // No packet: the socket is in this very stack.
            let origin = Origin {
                address: Some(datagram.destination),
                kind,
            };
            let quoted = datagram.to_vec();
            let refused = Meaning::hard(Errno::CONNREFUSED);
            if let Some(unreachable) = refused.of(origin, (datagram.source, datagram.destination), &quoted) {
                self.deliver_error(datagram.protocol, &unreachable);
            }
            return;
        }
        self.send_error(datagram, kind, 0);
    }

    /// A neighbour did not answer: `frame` was for it and is lost.
    pub(crate) fn neighbour_lost(&self, frame: &[u8]) {
        const ETHERNET_HEADER: usize = 14;
        let lost = Meaning::soft(Errno::HOSTUNREACH);
        let told = |kind| Origin { address: None, kind };
        let quoted = match frame.get(ETHERNET_HEADER..) {
            Some(packet @ [first, ..]) if first >> 4 == 6 => {
                v6::parse_quoted(packet, lost, told(v6::ADDRESS_UNREACHABLE))
            }
            Some(packet) => v4::parse_quoted(packet, lost, told(v4::HOST_UNREACHABLE)),
            None => None,
        };
        if let Some((transport, unreachable)) = quoted {
            self.deliver_error(transport, &unreachable);
        }
    }
}
