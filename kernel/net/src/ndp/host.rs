//! What a host knows of its link: the addresses that it makes itself (RFC 4862), routers, prefixes and name servers, each for its time.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use crate::ip::{AddressFlags, InterfaceAddress, OwnAddress, Prefix, Route, from_hardware};
use crate::stack::NEVER;

pub(super) const SECOND: u64 = 1_000_000_000;
/// How long nobody must claim an address until it counts as ours: `RetransTimer`, after one probe.
const PROBE_TIME: u64 = SECOND;
/// How long to wait for a router's answer at first, and at most (RFC 7559 section 2).
pub(super) const FIRST_SOLICITATION: u64 = 4 * SECOND;
const LAST_SOLICITATION: u64 = 3600 * SECOND;
/// Linux's `max_addresses`.
pub(super) const MOST_ADDRESSES: usize = 16;
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
pub(super) const PREFIX_LENGTH: u8 = 64;

/// What is to be done, outside the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask whether somebody has this address.
    Probe(Ipv6Addr),
    /// Ask for routers.
    SolicitRouters,
    /// Addresses or routes are others now.
    Changed,
    /// An address that others can reach came into use.
    Ready(InterfaceAddress),
    /// The name servers are others now.
    NameServers,
    /// Somebody else has this address.
    Duplicate(Ipv6Addr),
}

pub(super) struct Own {
    address: OwnAddress,
    /// When a tentative one was asked for and no answer has come for long enough.
    settled: Option<u64>,
}

pub(super) struct Router {
    pub(super) address: Ipv6Addr,
    pub(super) until: u64,
    pub(super) preference: i8,
}

/// The state of the interface.
pub(crate) struct Host {
    enabled: bool,
    pub(super) mac: [u8; 6],
    pub(super) addresses: Vec<Own>,
    /// The one to use first.
    pub(super) routers: Vec<Router>,
    pub(super) prefixes: Vec<(Prefix, u64)>,
    pub(super) name_servers: Vec<(Ipv6Addr, u64)>,
    /// When to ask for routers, and how long to wait after that.
    pub(super) solicit: (u64, u64),
}

impl Host {
    pub(crate) fn new(enabled: bool, mac: [u8; 6], now: u64) -> Self {
        let mut host = Self {
            enabled,
            mac,
            addresses: Vec::new(),
            routers: Vec::new(),
            prefixes: Vec::new(),
            name_servers: Vec::new(),
            solicit: (if enabled { now } else { NEVER }, FIRST_SOLICITATION),
        };
        if enabled {
            host.add(from_hardware(LINK_LOCAL, mac), PREFIX_LENGTH, NEVER, NEVER);
        }
        host
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The address for talking to neighbours, and whether it is surely ours.
    pub(super) fn link_local(&self) -> Option<(Ipv6Addr, bool)> {
        self.addresses.iter().find_map(|own| match own.address.at.address {
            IpAddr::V6(address) if address.is_unicast_link_local() && own.address.is_usable() => {
                Some((address, !own.address.is_tentative()))
            }
            _ => None,
        })
    }

    /// What the routes are made of.
    pub(super) fn snapshot(&self) -> (Vec<OwnAddress>, Vec<Route>) {
        let addresses = self.addresses.iter().map(|own| own.address).collect();
        let mut routes = Vec::new();
        if self.enabled {
            routes.push(Route::to_neighbours(Prefix::new(LINK_LOCAL.into(), PREFIX_LENGTH)));
        }
        routes.extend(self.prefixes.iter().map(|(prefix, _)| Route::to_neighbours(*prefix)));
        let through = |router: &Router| Route::default_through(router.address.into());
        routes.extend(self.routers.iter().map(through));
        (addresses, routes)
    }

    /// The router to use first.
    pub(super) fn router(&self) -> Option<Ipv6Addr> {
        self.routers.first().map(|router| router.address)
    }

    pub(super) fn name_servers(&self) -> Vec<Ipv6Addr> {
        self.name_servers.iter().map(|(address, _)| *address).collect()
    }

    /// When [`Host::run`] has something to do.
    pub(crate) fn deadline(&self) -> u64 {
        let of_address = |own: &Own| {
            let address = &own.address;
            let settled = if address.is_tentative() {
                own.settled.unwrap_or(0)
            } else {
                NEVER
            };
            let preferred = if address.is_deprecated() {
                NEVER
            } else {
                address.preferred_until
            };
            settled.min(preferred).min(address.valid_until)
        };
        let times = self.addresses.iter().map(of_address);
        let times = times.chain(self.routers.iter().map(|router| router.until));
        let times = times.chain(self.prefixes.iter().map(|(_, until)| *until));
        let times = times.chain(self.name_servers.iter().map(|(_, until)| *until));
        times.fold(self.solicit.0, u64::min)
    }

    /// Does what is due.
    pub(super) fn run(&mut self, now: u64) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut changed = false;
        for own in &mut self.addresses {
            let address = &mut own.address;
            let IpAddr::V6(ip) = address.at.address else { continue };
            match own.settled {
                _ if !address.is_tentative() => {}
                None => {
                    own.settled = Some(now + PROBE_TIME);
                    changed = true;
                    steps.push(Step::Probe(ip));
                    if !ip.is_unicast_link_local() {
                        steps.push(Step::Ready(address.at));
                    }
                }
                Some(settled) if settled <= now => {
                    address.flags -= AddressFlags::TENTATIVE | AddressFlags::OPTIMISTIC;
                    changed = true;
                }
                Some(_) => {}
            }
            if address.preferred_until <= now && !address.is_deprecated() {
                address.flags |= AddressFlags::DEPRECATED;
                changed = true;
            }
        }
        changed |= retain(&mut self.addresses, |own| own.address.valid_until > now);
        changed |= retain(&mut self.routers, |router| router.until > now);
        changed |= retain(&mut self.prefixes, |(_, until)| *until > now);
        if retain(&mut self.name_servers, |(_, until)| *until > now) {
            steps.push(Step::NameServers);
        }
        if self.solicit.0 <= now {
            let (_, wait) = self.solicit;
            self.solicit = (now + wait, (2 * wait).min(LAST_SOLICITATION));
            steps.push(Step::SolicitRouters);
        }
        if changed {
            steps.insert(0, Step::Changed);
        }
        steps
    }

    /// Takes an address that a server leases; it has no network of its own.
    pub(super) fn leased(&mut self, address: Ipv6Addr, preferred: u32, valid: u32, now: u64) -> Vec<Step> {
        const LENGTH: u8 = 128;
        let (preferred, valid) = (after(now, preferred), after(now, valid));
        if let Some(known) = self.find(address) {
            known.set_lifetimes(preferred, valid, now);
        } else if self.addresses.len() < MOST_ADDRESSES {
            self.add(address, LENGTH, preferred, valid);
        }
        let mut steps = Vec::from([Step::Changed]);
        steps.extend(self.run(now));
        steps
    }

    /// Takes name servers, each with its lifetime in seconds.
    pub(super) fn told_name_servers(&mut self, told: &[(Ipv6Addr, u32)], now: u64) -> Vec<Step> {
        let changed = self.update_name_servers(told, now);
        changed.then_some(Step::NameServers).into_iter().collect()
    }

    pub(super) fn find(&mut self, address: Ipv6Addr) -> Option<&mut OwnAddress> {
        let mut addresses = self.addresses.iter_mut().map(|own| &mut own.address);
        addresses.find(|own| own.at.address == IpAddr::V6(address))
    }

    /// Adds an address. What is made of a hardware address, or leased, is as good as surely ours: it is used while others are still asked
    /// whether they have it (RFC 4429), so that nothing waits for that.
    pub(super) fn add(&mut self, address: Ipv6Addr, prefix_length: u8, preferred_until: u64, valid_until: u64) {
        let mut flags = AddressFlags::TENTATIVE | AddressFlags::OPTIMISTIC;
        flags.set(AddressFlags::PERMANENT, valid_until == NEVER);
        flags.set(AddressFlags::DEPRECATED, preferred_until == 0);
        self.addresses.push(Own {
            address: OwnAddress {
                at: InterfaceAddress {
                    address: address.into(),
                    prefix_length,
                },
                flags,
                preferred_until,
                valid_until,
            },
            settled: None,
        });
    }

    /// Somebody else claims or wants `address`: a tentative one is never used then (RFC 4862 section 5.4).
    pub(super) fn claimed(&mut self, address: Ipv6Addr) -> Vec<Step> {
        let tentative = self
            .addresses
            .iter_mut()
            .find(|own| own.address.at.address == IpAddr::V6(address) && own.address.is_tentative());
        match tentative {
            Some(own) => {
                own.address.flags -= AddressFlags::TENTATIVE | AddressFlags::OPTIMISTIC;
                own.address.flags |= AddressFlags::DUPLICATE;
                Vec::from([Step::Changed, Step::Duplicate(address)])
            }
            None => Vec::new(),
        }
    }

    /// The neighbour at `address` does not answer any more: if it is a router, others get their turn (RFC 4861 section 6.3.6).
    pub(super) fn lost(&mut self, address: Ipv6Addr) -> Vec<Step> {
        match self.routers.iter().position(|router| router.address == address) {
            Some(index) if index + 1 < self.routers.len() => {
                let router = self.routers.remove(index);
                self.routers.push(router);
                Vec::from([Step::Changed])
            }
            _ => Vec::new(),
        }
    }
}

/// Keeps what `is_kept`; whether something had to go.
fn retain<T>(all: &mut Vec<T>, is_kept: impl FnMut(&T) -> bool) -> bool {
    let before = all.len();
    all.retain(is_kept);
    all.len() != before
}

/// The time so many seconds from now; the most stand for ever.
pub(super) fn after(now: u64, seconds: u32) -> u64 {
    match seconds {
        u32::MAX => NEVER,
        seconds => now + u64::from(seconds) * SECOND,
    }
}
