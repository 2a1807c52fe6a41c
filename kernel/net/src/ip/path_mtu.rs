//! What routers told of paths that carry less than our link (RFC 1191, RFC 8201).

use alloc::vec::Vec;
use core::net::IpAddr;

/// The destinations, what fits on the way there, and until when that is believed.
#[derive(Debug, Default)]
pub(crate) struct PathMtu(Vec<(IpAddr, u16, u64)>);

impl PathMtu {
    /// Least MTU that is believed of IPv4: Linux's `min_pmtu`, against attacks by tiny ones.
    pub(crate) const LEAST: u16 = 552;
    /// What every link carries of IPv6 (RFC 8200 section 5).
    pub(crate) const LEAST_IPV6: u16 = 1280;
    const MOST_ENTRIES: usize = 64;
    /// How long an entry is believed (RFC 1191 section 6.3).
    const LIFETIME: u64 = 600_000_000_000;

    pub(crate) fn learn(&mut self, destination: IpAddr, mtu: u16, now: u64) {
        self.0
            .retain(|&(address, _, expiry)| address != destination && expiry > now);
        if self.0.len() >= Self::MOST_ENTRIES {
            self.0.remove(0);
        }
        self.0
            .push((destination, mtu.max(Self::least(destination)), now + Self::LIFETIME));
    }

    pub(crate) fn get(&self, destination: IpAddr, now: u64) -> Option<usize> {
        self.0
            .iter()
            .find(|&&(address, _, expiry)| address == destination && expiry > now)
            .map(|&(_, mtu, _)| usize::from(mtu))
    }

    /// The least that is believed of a way to `destination`.
    pub(crate) fn least(destination: IpAddr) -> u16 {
        match destination {
            IpAddr::V4(_) => Self::LEAST,
            IpAddr::V6(_) => Self::LEAST_IPV6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv6Addr;

    #[test]
    fn a_path_mtu_is_forgotten_in_time_and_never_tiny() {
        let mut known = PathMtu::default();
        known.learn([1, 2, 3, 4].into(), 68, 0);
        known.learn(Ipv6Addr::LOCALHOST.into(), 68, 0);
        assert_eq!(known.get([1, 2, 3, 4].into(), 1), Some(552));
        assert_eq!(known.get(Ipv6Addr::LOCALHOST.into(), 1), Some(1280));
        assert_eq!(known.get([1, 2, 3, 4].into(), PathMtu::LIFETIME), None);
    }
}
