//! The hardware addresses of neighbours, which ARP (RFC 826) and Neighbor Discovery (RFC 4861) tell; timing after RFC 4861 section 7.3.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::sync::atomic::{AtomicU32, Ordering};

use hal::sync::SpinLock;

const SECOND: u64 = 1_000_000_000;
/// How long an address is used without asking again.
const REACHABLE: u64 = 30 * SECOND;
const RETRANSMIT: u64 = SECOND;
/// Requests without an answer until the neighbour counts as gone.
const MOST_PROBES: u8 = 3;
const MOST_ENTRIES: usize = 512;
/// Frames that wait for an address, for each neighbour.
const MOST_PENDING: usize = 8;

struct Entry {
    address: IpAddr,
    mac: Option<[u8; 6]>,
    /// Until when the address counts as confirmed.
    reachable_until: u64,
    /// When the last request went out, and how many since the last confirmation.
    asked: u64,
    probes: u8,
    /// Whole frames, their destination still to be filled in.
    pending: Vec<Vec<u8>>,
}

/// What is known of a neighbour.
pub(crate) struct Neighbour {
    pub(crate) address: IpAddr,
    pub(crate) mac: Option<[u8; 6]>,
    /// Whether it is not long ago that it answered.
    pub(crate) is_confirmed: bool,
}

/// The cache.
pub(crate) struct Neighbours {
    entries: SpinLock<Vec<Entry>>,
    /// Changes whenever an address is learned, changed or lost, so that copies of it can be kept elsewhere.
    generation: AtomicU32,
}

/// What is to be done for a frame.
pub(super) enum Lookup {
    /// Send it there.
    Known([u8; 6]),
    /// Send it there, and ask whether the neighbour still has that address.
    Stale([u8; 6]),
    /// It waits; ask for the address.
    Ask,
    /// It waits, and somebody asked already.
    Wait,
}

/// What a message says of a neighbour's address.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    pub(crate) mac: [u8; 6],
    /// A neighbour that was not known is remembered: it wants something of us.
    pub(crate) creates: bool,
    /// The neighbour answered, so both directions work.
    pub(crate) confirms: bool,
    /// It counts more than what was known.
    pub(crate) overrides: bool,
}

impl Neighbours {
    pub(crate) fn new() -> Self {
        Self {
            entries: SpinLock::new(Vec::new()),
            generation: AtomicU32::new(0),
        }
    }

    /// All neighbours, as they are known `now`.
    pub(crate) fn known(&self, now: u64) -> Vec<Neighbour> {
        let entries = self.entries.lock();
        let neighbour = |entry: &Entry| Neighbour {
            address: entry.address,
            mac: entry.mac,
            is_confirmed: now < entry.reachable_until,
        };
        entries.iter().map(neighbour).collect()
    }

    #[inline]
    pub(super) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    /// The hardware address of `address`.
    pub(super) fn lookup(&self, address: IpAddr, now: u64) -> Lookup {
        let mut entries = self.entries.lock();
        let index = if let Some(index) = entries.iter().position(|entry| entry.address == address) {
            index
        } else {
            if entries.len() >= MOST_ENTRIES
                && let Some(oldest) = (0..entries.len()).min_by_key(|&index| entries[index].reachable_until)
            {
                entries.swap_remove(oldest);
            }
            entries.push(Entry {
                address,
                mac: None,
                reachable_until: 0,
                asked: 0,
                probes: 0,
                pending: Vec::new(),
            });
            entries.len() - 1
        };
        let entry = &mut entries[index];
        let ask = entry.probes == 0 || now >= entry.asked + RETRANSMIT;
        match entry.mac {
            Some(mac) if now < entry.reachable_until => Lookup::Known(mac),
            Some(mac) => {
                if ask {
                    entry.asked = now;
                    entry.probes += 1;
                    Lookup::Stale(mac)
                } else {
                    Lookup::Known(mac)
                }
            }
            None if ask => {
                entry.asked = now;
                entry.probes = entry.probes.saturating_add(1);
                Lookup::Ask
            }
            None => Lookup::Wait,
        }
    }

    /// Keeps a frame until the address of its neighbour is known; the oldest gives way. One whose neighbour is known by now comes back, addressed.
    pub(super) fn hold(&self, address: IpAddr, mut frame: Vec<u8>) -> Option<Vec<u8>> {
        let mut entries = self.entries.lock();
        let entry = entries.iter_mut().find(|entry| entry.address == address)?;
        if let Some(mac) = entry.mac {
            frame[..6].copy_from_slice(&mac);
            return Some(frame);
        }
        if entry.pending.len() >= MOST_PENDING {
            entry.pending.remove(0);
        }
        entry.pending.push(frame);
        None
    }

    /// Takes what a message says of `address`. Frames that waited for it go to `send`.
    pub(crate) fn learn(&self, address: IpAddr, told: Told, now: u64, mut send: impl FnMut(&[u8])) {
        let is_one = match address {
            IpAddr::V4(address) => !address.is_broadcast(),
            IpAddr::V6(_) => true,
        };
        if !is_one || address.is_unspecified() || address.is_multicast() || told.mac[0] & 1 != 0 {
            return;
        }
        for mut frame in self.update(address, told, now) {
            frame[..6].copy_from_slice(&told.mac);
            send(&frame);
        }
    }

    fn update(&self, address: IpAddr, told: Told, now: u64) -> Vec<Vec<u8>> {
        let Told { mac, confirms, .. } = told;
        let mut entries = self.entries.lock();
        let Some(entry) = entries.iter_mut().find(|entry| entry.address == address) else {
            if told.creates && entries.len() < MOST_ENTRIES {
                entries.push(Entry {
                    address,
                    mac: Some(mac),
                    reachable_until: if confirms { now + REACHABLE } else { 0 },
                    asked: 0,
                    probes: 0,
                    pending: Vec::new(),
                });
                self.generation.fetch_add(1, Ordering::Relaxed);
            }
            return Vec::new();
        };
        if entry.mac.is_some_and(|known| known != mac) && !told.overrides {
            // Two claim the address: the known one is asked soon whether it still has it (RFC 4861 section 7.2.5).
            entry.reachable_until = 0;
            return Vec::new();
        }
        if entry.mac != Some(mac) {
            self.generation.fetch_add(1, Ordering::Relaxed);
            *entry = Entry {
                mac: Some(mac),
                reachable_until: 0,
                probes: 0,
                pending: core::mem::take(&mut entry.pending),
                ..*entry
            };
        }
        if confirms {
            entry.reachable_until = now + REACHABLE;
            entry.probes = 0;
        }
        core::mem::take(&mut entry.pending)
    }

    /// Asks again for whom frames wait, telling the hardware address that was known; gives up neighbours that do not answer, with the frames
    /// that waited for them. Returns when to call again.
    pub(crate) fn expire(
        &self,
        now: u64,
        mut ask: impl FnMut(IpAddr, Option<[u8; 6]>),
        mut give_up: impl FnMut(IpAddr, Vec<Vec<u8>>),
    ) -> Option<u64> {
        let mut next: Option<u64> = None;
        let (mut to_ask, mut lost) = (Vec::new(), Vec::new());
        self.entries.lock().retain_mut(|entry| {
            if entry.probes == 0 {
                return true;
            }
            let due = entry.asked + RETRANSMIT;
            if now >= due {
                if entry.probes >= MOST_PROBES {
                    self.generation.fetch_add(1, Ordering::Relaxed);
                    lost.push((entry.address, core::mem::take(&mut entry.pending)));
                    return false;
                }
                entry.asked = now;
                entry.probes += 1;
                to_ask.push((entry.address, entry.mac));
            }
            let due = entry.asked + RETRANSMIT;
            next = Some(next.map_or(due, |next| next.min(due)));
            true
        });
        for (address, mac) in to_ask {
            ask(address, mac);
        }
        for (address, frames) in lost {
            give_up(address, frames);
        }
        next
    }

    /// Forgets the neighbours of a family whose address of ours changed.
    pub(crate) fn clear(&self, ipv4: bool) {
        self.entries.lock().retain(|entry| entry.address.is_ipv4() != ipv4);
        self.generation.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V6(core::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
    const ONE: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 2];
    const ANSWER: Told = Told {
        mac: ONE,
        creates: false,
        confirms: true,
        overrides: true,
    };

    #[test]
    fn an_answer_sends_what_waited_and_is_asked_again_after_a_while() {
        let cache = Neighbours::new();
        let nothing = |_: &[u8]| panic!("nothing waits");
        cache.learn(ADDRESS, ANSWER, 0, nothing);
        assert!(
            matches!(cache.lookup(ADDRESS, 0), Lookup::Ask),
            "answers to nobody's question are not remembered"
        );
        assert_eq!(cache.hold(ADDRESS, alloc::vec![0; 14]), None);
        assert!(matches!(cache.lookup(ADDRESS, 1), Lookup::Wait));
        let mut sent = Vec::new();
        cache.learn(ADDRESS, ANSWER, 2, |frame| sent.push(frame.to_vec()));
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0][..6], ONE);
        assert!(matches!(cache.lookup(ADDRESS, 3), Lookup::Known(ONE)));
        let late = cache
            .hold(ADDRESS, alloc::vec![0; 14])
            .expect("the answer came before the frame");
        assert_eq!(late[..6], ONE);
        assert!(matches!(cache.lookup(ADDRESS, REACHABLE + 2), Lookup::Stale(ONE)));
        assert!(matches!(cache.lookup(ADDRESS, REACHABLE + 3), Lookup::Known(ONE)));
        let mut asked = Vec::new();
        for step in 1..=3 {
            let now = REACHABLE + 3 + step * RETRANSMIT;
            cache.expire(
                now,
                |_, mac| asked.push(mac),
                |address, _| assert_eq!((address, step), (ADDRESS, 3)),
            );
        }
        assert_eq!(asked, [Some(ONE); 2], "the neighbour itself is asked");
        assert!(matches!(cache.lookup(ADDRESS, u64::MAX / 2), Lookup::Ask), "it is gone");
    }

    #[test]
    fn a_claim_without_override_changes_nothing_but_doubts() {
        let cache = Neighbours::new();
        let asks = Told {
            creates: true,
            confirms: false,
            ..ANSWER
        };
        cache.learn(ADDRESS, asks, 0, |_| {});
        assert!(
            matches!(cache.lookup(ADDRESS, 1), Lookup::Stale(ONE)),
            "who only asks is not confirmed"
        );
        cache.learn(ADDRESS, ANSWER, 2, |_| {});
        let claim = Told {
            mac: OTHER,
            overrides: false,
            ..ANSWER
        };
        cache.learn(ADDRESS, claim, 3, |_| {});
        assert!(matches!(cache.lookup(ADDRESS, 4), Lookup::Stale(ONE)));
        cache.learn(ADDRESS, Told { mac: OTHER, ..ANSWER }, 5, |_| {});
        assert!(matches!(cache.lookup(ADDRESS, 6), Lookup::Known(OTHER)));
        let group = Told {
            mac: [3, 0, 0, 0, 0, 1],
            ..ANSWER
        };
        cache.learn(ADDRESS, group, 7, |_| {});
        assert!(
            matches!(cache.lookup(ADDRESS, 8), Lookup::Known(OTHER)),
            "a group's address is nobody's"
        );
    }
}
