//! ARP: the hardware addresses of neighbours (RFC 826, timing after RFC 4861 section 7.3).

use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicU32, Ordering};

use hal::sync::SpinLock;
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, EthernetAddress};

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
    address: Ipv4Addr,
    mac: Option<[u8; 6]>,
    /// When the address was last confirmed.
    confirmed: u64,
    /// When the last request went out, and how many since the last confirmation.
    asked: u64,
    probes: u8,
    /// Whole frames, their destination still to be filled in.
    pending: Vec<Vec<u8>>,
}

/// The ARP cache.
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

/// What came of a received packet or of time.
pub(super) enum Action {
    Nothing,
    /// Answer this neighbour.
    Reply {
        mac: [u8; 6],
        address: Ipv4Addr,
    },
}

impl Neighbours {
    pub(crate) fn new() -> Self {
        Self {
            entries: SpinLock::new(Vec::new()),
            generation: AtomicU32::new(0),
        }
    }

    /// All neighbours, with their hardware addresses as far as they are known.
    pub(crate) fn known(&self) -> Vec<(Ipv4Addr, Option<[u8; 6]>)> {
        self.entries
            .lock()
            .iter()
            .map(|entry| (entry.address, entry.mac))
            .collect()
    }

    #[inline]
    pub(super) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    /// The hardware address of `address`.
    pub(super) fn lookup(&self, address: Ipv4Addr, now: u64) -> Lookup {
        let mut entries = self.entries.lock();
        let index = if let Some(index) = entries.iter().position(|entry| entry.address == address) {
            index
        } else {
            if entries.len() >= MOST_ENTRIES
                && let Some(oldest) = (0..entries.len()).min_by_key(|&index| entries[index].confirmed)
            {
                entries.swap_remove(oldest);
            }
            entries.push(Entry {
                address,
                mac: None,
                confirmed: 0,
                asked: 0,
                probes: 0,
                pending: Vec::new(),
            });
            entries.len() - 1
        };
        let entry = &mut entries[index];
        let ask = entry.probes == 0 || now >= entry.asked + RETRANSMIT;
        match entry.mac {
            Some(mac) if now < entry.confirmed + REACHABLE => Lookup::Known(mac),
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

    /// Keeps a frame until the address of its neighbour is known; the oldest gives way.
    pub(super) fn hold(&self, address: Ipv4Addr, frame: Vec<u8>) {
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.iter_mut().find(|entry| entry.address == address) {
            if entry.pending.len() >= MOST_PENDING {
                entry.pending.remove(0);
            }
            entry.pending.push(frame);
        }
    }

    /// Takes an ARP packet. Frames that waited for what it tells go to `send`.
    pub(super) fn receive(
        &self,
        packet: &[u8],
        is_own: impl Fn(Ipv4Addr) -> bool,
        now: u64,
        mut send: impl FnMut(Vec<u8>),
    ) -> Action {
        let Ok(packet) = ArpPacket::new_checked(packet) else {
            return Action::Nothing;
        };
        let Ok(ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: EthernetAddress(mac),
            source_protocol_addr: source,
            target_protocol_addr: target,
            ..
        }) = ArpRepr::parse(&packet)
        else {
            return Action::Nothing;
        };
        if mac[0] & 1 != 0 || is_own(source) {
            return Action::Nothing;
        }
        let to_us = is_own(target);
        let pending = self.learn(source, mac, to_us, now);
        for mut frame in pending {
            frame[..6].copy_from_slice(&mac);
            send(frame);
        }
        if to_us && operation == ArpOperation::Request {
            Action::Reply { mac, address: source }
        } else {
            Action::Nothing
        }
    }

    /// Updates a known neighbour, and adds one that speaks to us.
    fn learn(&self, address: Ipv4Addr, mac: [u8; 6], to_us: bool, now: u64) -> Vec<Vec<u8>> {
        if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
            return Vec::new();
        }
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.iter_mut().find(|entry| entry.address == address) {
            if entry.mac != Some(mac) {
                entry.mac = Some(mac);
                self.generation.fetch_add(1, Ordering::Relaxed);
            }
            entry.confirmed = now;
            entry.probes = 0;
            return core::mem::take(&mut entry.pending);
        }
        if to_us && entries.len() < MOST_ENTRIES {
            entries.push(Entry {
                address,
                mac: Some(mac),
                confirmed: now,
                asked: 0,
                probes: 0,
                pending: Vec::new(),
            });
            self.generation.fetch_add(1, Ordering::Relaxed);
        }
        Vec::new()
    }

    /// Asks again for whom frames wait; gives up neighbours that do not answer, with the frames that waited for them. Returns when to
    /// call again.
    pub(crate) fn expire(
        &self,
        now: u64,
        mut ask: impl FnMut(Ipv4Addr),
        mut give_up: impl FnMut(Ipv4Addr, Vec<u8>),
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
                to_ask.push(entry.address);
            }
            let due = entry.asked + RETRANSMIT;
            next = Some(next.map_or(due, |next| next.min(due)));
            true
        });
        to_ask.into_iter().for_each(&mut ask);
        for (address, frames) in lost {
            for frame in frames {
                give_up(address, frame);
            }
        }
        next
    }

    /// Forgets everything, when the link or our address changed.
    pub(crate) fn clear(&self) {
        self.entries.lock().clear();
        self.generation.fetch_add(1, Ordering::Relaxed);
    }
}

/// An ARP packet of ours.
pub(super) fn packet(operation: ArpOperation, own: ([u8; 6], Ipv4Addr), target: ([u8; 6], Ipv4Addr)) -> [u8; 28] {
    let repr = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: EthernetAddress(own.0),
        source_protocol_addr: own.1,
        target_hardware_addr: EthernetAddress(target.0),
        target_protocol_addr: target.1,
    };
    let mut bytes = [0; 28];
    repr.emit(&mut ArpPacket::new_unchecked(&mut bytes[..]));
    bytes
}
