//! ICMP errors about datagrams: the number that a call fails with, and all of them for who asked for that (`IP_RECVERR`).

use abi::Errno;
use alloc::collections::VecDeque;
use core::net::IpAddr;

use super::Flow;
use crate::Chunk;
use crate::ip::{ByVersion, Endpoint, Interface, Unreachable};

/// An error that a socket is told in full.
pub(crate) struct Reported {
    pub(crate) errno: Errno,
    /// Type and code.
    pub(crate) kind: [u8; 2],
    /// What fits, where the packet was too long; else 0.
    pub(crate) mtu: u32,
    /// Who sent it.
    pub(crate) from: IpAddr,
    /// Where the datagram was to go,
    pub(crate) remote: Endpoint,
    /// and as much of it as is known.
    pub(crate) payload: Chunk,
}

impl Flow {
    /// Sets of which versions errors are told in full; with none, those that wait are forgotten.
    pub(crate) fn set_reports(&self, reports: ByVersion<bool>) {
        let mut queue = self.queue.lock();
        queue.reports = reports;
        if !reports.ipv4 && !reports.ipv6 {
            queue.reported = VecDeque::new();
        }
    }

    /// Takes an ICMP error, which quotes so many bytes of header before the payload. A connected socket reports one that is hard, and a socket that
    /// asked for errors all those about datagrams of its own.
    pub(super) fn receive_error(&self, unreachable: &Unreachable<'_>, header: usize) {
        const MOST_REPORTED: usize = 64;
        {
            let mut queue = self.queue.lock();
            let binding = queue.binding;
            if *queue.reports.of(unreachable.remote.address) {
                let interface = binding.device.unwrap_or(Interface::Ethernet);
                if binding
                    .score(unreachable.local, unreachable.remote, interface)
                    .is_none()
                {
                    return;
                }
                if queue.reported.len() < MOST_REPORTED {
                    queue.reported.push_back(Reported {
                        errno: unreachable.errno,
                        kind: unreachable.origin.kind,
                        mtu: unreachable.mtu.map_or(0, u32::from),
                        from: unreachable.origin.address.unwrap_or(unreachable.local.address),
                        remote: unreachable.remote,
                        payload: Chunk::copy_of(unreachable.quoted.get(header..).unwrap_or_default()),
                    });
                }
            } else if binding.remote != Some(unreachable.remote) || unreachable.mtu.is_some() || !unreachable.is_hard {
                return;
            }
            queue.error = Some(unreachable.errno);
        }
        self.wait_queue.notify();
    }

    /// The next error that is told in full. That which a call fails with is then the one behind it.
    pub(crate) fn next_reported(&self) -> Option<Reported> {
        let mut queue = self.queue.lock();
        let next = queue.reported.pop_front()?;
        queue.error = queue.reported.front().map(|behind| behind.errno);
        Some(next)
    }

    /// Puts an error back whose receiver could not take it.
    pub(crate) fn put_reported_back(&self, reported: Reported) {
        self.queue.lock().reported.push_front(reported);
    }
}
