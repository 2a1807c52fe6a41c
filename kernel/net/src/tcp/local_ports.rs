//! Which ports of those that the system chooses from connections have, for `bind(2)`, which gives none of them out.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hal::sync::SpinLock;
use hashbrown::HashMap;

use crate::ip::{EPHEMERAL, Endpoint, unspecified_like};

/// How many connections, and remains of some, have each local end, and each port at whatever address of the family.
pub(super) struct LocalPorts(SpinLock<HashMap<Endpoint, u32>>);

impl LocalPorts {
    pub(super) fn new() -> Self {
        Self(SpinLock::new(HashMap::new()))
    }

    pub(super) fn add(&self, local: Endpoint) {
        if !EPHEMERAL.contains(&local.port) {
            return;
        }
        let mut counts = self.0.lock();
        for end in [local, anywhere(local)] {
            *counts.entry(end).or_default() += 1;
        }
    }

    pub(super) fn remove(&self, local: Endpoint) {
        if !EPHEMERAL.contains(&local.port) {
            return;
        }
        let mut counts = self.0.lock();
        for end in [local, anywhere(local)] {
            if let Some(count) = counts.get_mut(&end) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&end);
                }
            }
        }
        if counts.capacity() > 64 && counts.len() < counts.capacity() / 8 {
            let kept = 2 * counts.len();
            counts.shrink_to(kept);
        }
    }

    /// Whether a connection has the port at that address, or at any when it is unspecified.
    pub(super) fn has(&self, local: Endpoint) -> bool {
        let counts = self.0.lock();
        let v4 = Endpoint::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), local.port);
        // A socket bound to `::` may speak IPv4, too.
        counts.contains_key(&local) || (local.address == Ipv6Addr::UNSPECIFIED && counts.contains_key(&v4))
    }
}

fn anywhere(local: Endpoint) -> Endpoint {
    Endpoint::new(unspecified_like(local.address), local.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_had_at_its_address_and_anywhere_until_the_last_connection_goes() {
        let end = |address: &str| Endpoint::new(address.parse().expect("an address"), 40_000);
        let ports = LocalPorts::new();
        ports.add(end("127.0.0.1"));
        ports.add(end("127.0.0.1"));
        ports.add(Endpoint::new(Ipv4Addr::LOCALHOST.into(), 80));
        ports.remove(end("127.0.0.1"));
        let has = |address| ports.has(end(address));
        assert_eq!(
            ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::", "::1"].map(has),
            [true, false, true, true, false]
        );
        ports.remove(end("127.0.0.1"));
        assert_eq!(["127.0.0.1", "0.0.0.0", "::"].map(has), [false; 3]);
        assert!(ports.0.lock().is_empty());
    }
}
