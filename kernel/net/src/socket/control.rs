//! Control messages (`cmsg(3)`).

use abi::Errno;
use abi::net::{
    IP_ORIGDSTADDR, IP_PKTINFO, IP_RECVERR, IP_TOS, IP_TTL, IPV6_HOPLIMIT, IPV6_ORIGDSTADDR, IPV6_PKTINFO,
    IPV6_RECVERR, IPV6_TCLASS, SCM_CREDENTIALS, SCM_TIMESTAMP, SCM_TIMESTAMPING, SCM_TIMESTAMPNS, SO_RXQ_OVFL, SOL_IP,
    SOL_IPV6, SOL_SOCKET,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use file::OpenFile;

use super::{Address, Credentials};

/// A control message.
#[derive(Clone)]
pub enum Control {
    /// `SCM_RIGHTS`: open files, which the caller turns from and into descriptors.
    Rights(Vec<Arc<OpenFile>>),
    /// `SCM_CREDENTIALS`.
    Credentials(Credentials),
    /// `IP_PKTINFO` or `IPV6_PKTINFO`: the index of the interface and our address (of the packet, or to send from).
    PacketInfo {
        /// Index of the interface; 0 for any.
        interface: u32,
        /// Our address.
        address: IpAddr,
    },
    /// `IP_TTL` or `IPV6_HOPLIMIT`.
    TimeToLive(u8, bool),
    /// `IP_TOS` or `IPV6_TCLASS`.
    TypeOfService(u8, bool),
    /// `IP_ORIGDSTADDR` or `IPV6_ORIGDSTADDR`: where it was sent to.
    Destination(Address),
    /// `SCM_TIMESTAMP` in microseconds, or with `true` `SCM_TIMESTAMPNS` in nanoseconds; the time is in nanoseconds since 1970.
    Timestamp(u64, bool),
    /// `SCM_TIMESTAMPING`: when it came, in nanoseconds since 1970.
    Timestamping(u64),
    /// `SO_RXQ_OVFL`: how many datagrams before it there was no room for.
    Dropped(u32),
    /// `IP_RECVERR` or `IPV6_RECVERR`: an ICMP error.
    Error {
        /// What it means.
        errno: Errno,
        /// Its type and code.
        kind: [u8; 2],
        /// The MTU that it tells, or 0.
        mtu: u32,
        /// Who sent it.
        from: Address,
    },
}

impl Control {
    /// Reads the data of a control message other than `SCM_RIGHTS`. `EINVAL` for one that is unknown or malformed.
    pub fn decode(level: u32, kind: u32, data: &[u8]) -> Result<Self, Errno> {
        let word = |at: usize| {
            data.get(at..at + 4)
                .and_then(|bytes| bytes.first_chunk::<4>())
                .map(|word| u32::from_ne_bytes(*word))
                .ok_or(Errno::INVAL)
        };
        match (level, kind) {
            (SOL_SOCKET, SCM_CREDENTIALS) => Ok(Self::Credentials(Credentials {
                process: word(0)?,
                uid: word(4)?,
                gid: word(8)?,
            })),
            (SOL_IP, IP_PKTINFO) => {
                word(8)?;
                Ok(Self::PacketInfo {
                    interface: word(0)?,
                    address: IpAddr::V4(Ipv4Addr::from(word(4)?.to_ne_bytes())),
                })
            }
            (SOL_IPV6, IPV6_PKTINFO) => {
                let address = data.first_chunk::<16>().ok_or(Errno::INVAL)?;
                Ok(Self::PacketInfo {
                    interface: word(16)?,
                    address: IpAddr::V6(Ipv6Addr::from(*address)).to_canonical(),
                })
            }
            (SOL_IP, IP_TTL) => Ok(Self::TimeToLive(word(0)? as u8, false)),
            (SOL_IPV6, IPV6_HOPLIMIT) => Ok(Self::TimeToLive(word(0)? as u8, true)),
            (SOL_IP, IP_TOS) => Ok(Self::TypeOfService(data.first().copied().ok_or(Errno::INVAL)?, false)),
            (SOL_IPV6, IPV6_TCLASS) => Ok(Self::TypeOfService(word(0)? as u8, true)),
            _ => Err(Errno::INVAL),
        }
    }

    /// Level, kind and data of a control message; `None` for `SCM_RIGHTS`, whose data are descriptors.
    pub fn encode(&self) -> Option<(u32, u32, Vec<u8>)> {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
        Some(match self {
            Self::Rights(_) => return None,
            Self::Credentials(credentials) => (
                SOL_SOCKET,
                SCM_CREDENTIALS,
                words(&[credentials.process, credentials.uid, credentials.gid]),
            ),
            Self::PacketInfo {
                interface,
                address: IpAddr::V4(address),
            } => {
                let address = u32::from_ne_bytes(address.octets());
                (SOL_IP, IP_PKTINFO, words(&[*interface, address, address]))
            }
            Self::PacketInfo {
                interface,
                address: IpAddr::V6(address),
            } => {
                let mut data = address.octets().to_vec();
                data.extend_from_slice(&interface.to_ne_bytes());
                (SOL_IPV6, IPV6_PKTINFO, data)
            }
            Self::TimeToLive(ttl, false) => (SOL_IP, IP_TTL, words(&[u32::from(*ttl)])),
            Self::TimeToLive(ttl, true) => (SOL_IPV6, IPV6_HOPLIMIT, words(&[u32::from(*ttl)])),
            Self::TypeOfService(tos, false) => (SOL_IP, IP_TOS, alloc::vec![*tos]),
            Self::TypeOfService(tos, true) => (SOL_IPV6, IPV6_TCLASS, words(&[u32::from(*tos)])),
            Self::Destination(address @ Address::Inet6(..)) => (SOL_IPV6, IPV6_ORIGDSTADDR, address.encode()),
            Self::Destination(address) => (SOL_IP, IP_ORIGDSTADDR, address.encode()),
            Self::Error { errno, kind, mtu, from } => {
                const ICMP: u8 = 2;
                const ICMPV6: u8 = 3;
                let (level, name, origin) = match from {
                    Address::Inet6(address, ..) if address.to_ipv4_mapped().is_none() => {
                        (SOL_IPV6, IPV6_RECVERR, ICMPV6)
                    }
                    Address::Inet6(..) => (SOL_IPV6, IPV6_RECVERR, ICMP),
                    _ => (SOL_IP, IP_RECVERR, ICMP),
                };
                let kind = u32::from_ne_bytes([origin, kind[0], kind[1], 0]);
                let mut data = words(&[errno.number().into(), kind, *mtu, 0]);
                data.extend(from.encode());
                (level, name, data)
            }
            Self::Timestamping(time) => {
                let mut data = (time / 1_000_000_000).to_ne_bytes().to_vec();
                data.extend_from_slice(&(time % 1_000_000_000).to_ne_bytes());
                // Those of hardware follow, which there are none of.
                data.resize(48, 0);
                (SOL_SOCKET, SCM_TIMESTAMPING, data)
            }
            Self::Dropped(count) => (SOL_SOCKET, SO_RXQ_OVFL, words(&[*count])),
            Self::Timestamp(time, nanoseconds) => {
                let (kind, unit) = if *nanoseconds {
                    (SCM_TIMESTAMPNS, 1)
                } else {
                    (SCM_TIMESTAMP, 1000)
                };
                let mut data = (time / 1_000_000_000).to_ne_bytes().to_vec();
                data.extend_from_slice(&(time % 1_000_000_000 / unit).to_ne_bytes());
                (SOL_SOCKET, kind, data)
            }
        })
    }
}
