//! What follows from a router's advertisement (RFC 4861 section 6.3.4, RFC 4862 section 5.5.3, RFC 8106).

use alloc::vec::Vec;
use core::net::Ipv6Addr;

use super::host::{FIRST_SOLICITATION, Host, MOST_ADDRESSES, PREFIX_LENGTH, Router, SECOND, Step, after};
use super::message::{Advertisement, PrefixInformation};
use crate::ip::{Prefix, from_hardware};
use crate::stack::NEVER;

/// An address is not made to end earlier than this by an advertisement, which might be forged (RFC 4862 section 5.5.3).
const TRUSTED_LIFETIME: u64 = 2 * 3600 * SECOND;
const MOST_ROUTERS: usize = 8;
const MOST_PREFIXES: usize = 16;
const MOST_NAME_SERVERS: usize = 4;

impl Host {
    /// Takes what the router at `from` advertises (RFC 4861 section 6.3.4).
    pub(super) fn advertised(&mut self, from: Ipv6Addr, advertisement: &Advertisement, now: u64) -> Vec<Step> {
        let before = self.snapshot();
        self.update_router(from, advertisement, now);
        for information in &advertisement.prefixes {
            self.update_prefix(information, now);
        }
        let mut steps = Vec::new();
        if self.update_name_servers(&advertisement.name_servers, now) {
            steps.push(Step::NameServers);
        }
        // An advertisement without a router's lifetime is no answer (RFC 7559 section 2.1).
        if advertisement.lifetime > 0 {
            self.solicit = (NEVER, FIRST_SOLICITATION);
        }
        let changed = self.snapshot() != before;
        let due = self.run(now);
        if changed && !due.contains(&Step::Changed) {
            steps.push(Step::Changed);
        }
        steps.extend(due);
        steps
    }

    fn update_router(&mut self, address: Ipv6Addr, advertisement: &Advertisement, now: u64) {
        let router = Router {
            address,
            until: after(now, advertisement.lifetime),
            preference: advertisement.preference,
        };
        let known = self.routers.iter_mut().find(|known| known.address == address);
        match known {
            // It keeps its place among equals.
            Some(known) if advertisement.lifetime > 0 && known.preference == router.preference => *known = router,
            _ => {
                self.routers.retain(|known| known.address != address);
                if advertisement.lifetime > 0 && self.routers.len() < MOST_ROUTERS {
                    let place = self
                        .routers
                        .partition_point(|other| other.preference >= router.preference);
                    self.routers.insert(place, router);
                }
            }
        }
        if self.routers.is_empty() && self.solicit.0 == NEVER {
            self.solicit.0 = now + FIRST_SOLICITATION;
        }
    }

    fn update_prefix(&mut self, information: &PrefixInformation, now: u64) {
        let &PrefixInformation { prefix, length, .. } = information;
        if prefix.is_unicast_link_local() || prefix.is_multicast() || length > 128 {
            return;
        }
        if information.is_on_link {
            let prefix = Prefix::new(prefix.into(), length);
            let until = after(now, information.valid);
            let known = self.prefixes.iter_mut().find(|(known, _)| *known == prefix);
            if information.valid == 0 {
                self.prefixes.retain(|(known, _)| *known != prefix);
            } else if let Some(known) = known {
                known.1 = until;
            } else if self.prefixes.len() < MOST_PREFIXES {
                self.prefixes.push((prefix, until));
            }
        }
        // Interface identifiers have 64 bits.
        if information.is_for_addresses && length == PREFIX_LENGTH && information.preferred <= information.valid {
            self.update_address(from_hardware(prefix, self.mac), information, now);
        }
    }

    /// Makes an address of a prefix, or changes how long it lasts (RFC 4862 section 5.5.3).
    fn update_address(&mut self, address: Ipv6Addr, information: &PrefixInformation, now: u64) {
        let (preferred, valid) = (after(now, information.preferred), after(now, information.valid));
        let Some(known) = self.find(address) else {
            if information.valid > 0 && self.addresses.len() < MOST_ADDRESSES {
                self.add(address, PREFIX_LENGTH, preferred, valid);
            }
            return;
        };
        let floor = now + TRUSTED_LIFETIME;
        let valid = if valid > floor || valid > known.valid_until {
            valid
        } else {
            known.valid_until.min(floor)
        };
        known.set_lifetimes(preferred, valid, now);
    }

    pub(super) fn update_name_servers(&mut self, told: &[(Ipv6Addr, u32)], now: u64) -> bool {
        let before = self.name_servers();
        for &(address, lifetime) in told {
            let until = after(now, lifetime);
            let known = self.name_servers.iter_mut().find(|(known, _)| *known == address);
            if lifetime == 0 {
                self.name_servers.retain(|(known, _)| *known != address);
            } else if let Some(known) = known {
                known.1 = until;
            } else if self.name_servers.len() < MOST_NAME_SERVERS && !address.is_multicast() {
                self.name_servers.push((address, until));
            }
        }
        self.name_servers() != before
    }
}
