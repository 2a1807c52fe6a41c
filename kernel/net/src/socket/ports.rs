//! Who is bound to which port.

use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::sync::atomic::{AtomicU64, Ordering};

use hal::sync::SpinLock;
use hashbrown::HashMap;

use crate::environment::Protocol;
use crate::ip::{EPHEMERAL, Endpoint, Interface};
use crate::stack::Stack;

/// How a socket wants to share its port.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sharing {
    /// `SO_REUSEADDR`.
    pub(crate) reuse_address: bool,
    /// `SO_REUSEPORT`.
    pub(crate) reuse_port: bool,
    /// `IPV6_V6ONLY`.
    pub(crate) v6_only: bool,
    /// `SO_BINDTODEVICE`.
    pub(crate) device: Option<Interface>,
}

struct Bound {
    id: u64,
    address: IpAddr,
    sharing: Sharing,
    listening: bool,
}

impl Bound {
    /// Whether both would get the same packets.
    fn overlaps(&self, address: IpAddr, sharing: Sharing) -> bool {
        if let (Some(one), Some(other)) = (self.sharing.device, sharing.device)
            && one != other
        {
            return false;
        }
        let covers = |wide: IpAddr, v6_only: bool, narrow: IpAddr| {
            wide.is_unspecified() && (wide.is_ipv4() == narrow.is_ipv4() || (wide.is_ipv6() && !v6_only))
        };
        self.address == address
            || covers(self.address, self.sharing.v6_only, address)
            || covers(address, sharing.v6_only, self.address)
    }
}

/// The ports of each protocol.
pub(crate) struct Ports {
    tables: [SpinLock<HashMap<u16, Vec<Bound>>>; 4],
    next_id: AtomicU64,
    /// Counts the ports that connections took by themselves.
    taken: AtomicU64,
}

/// A place in the table of ports, given back when dropped.
pub(crate) struct Binding {
    stack: Arc<Stack>,
    protocol: Protocol,
    pub(crate) endpoint: Endpoint,
    id: u64,
}

impl Ports {
    pub(crate) fn new() -> Self {
        Self {
            tables: core::array::from_fn(|_| SpinLock::new(HashMap::new())),
            next_id: AtomicU64::new(1),
            taken: AtomicU64::new(0),
        }
    }

    fn table(&self, protocol: Protocol) -> &SpinLock<HashMap<u16, Vec<Bound>>> {
        &self.tables[protocol as usize]
    }
}

/// Whether two sockets that overlap may still share a port.
fn may_share(protocol: Protocol, bound: &Bound, sharing: Sharing) -> bool {
    let both_addresses = bound.sharing.reuse_address && sharing.reuse_address;
    let both_ports = bound.sharing.reuse_port && sharing.reuse_port;
    both_ports || (both_addresses && (protocol != Protocol::Tcp || !bound.listening))
}

impl Binding {
    /// Binds to `endpoint`, to a free port when it names none. `EADDRINUSE` when it is taken, or no port is free.
    pub(crate) fn new(
        stack: &Arc<Stack>,
        protocol: Protocol,
        endpoint: Endpoint,
        sharing: Sharing,
    ) -> Result<Self, Errno> {
        let id = stack.ports.next_id.fetch_add(1, Ordering::Relaxed);
        let mut table = stack.ports.table(protocol).lock();
        let is_free = |table: &HashMap<u16, Vec<Bound>>, port: u16, share: bool| {
            table.get(&port).is_none_or(|bound| {
                bound.iter().all(|bound| {
                    !bound.overlaps(endpoint.address, sharing) || (share && may_share(protocol, bound, sharing))
                })
            })
        };
        let port = if endpoint.port == 0 {
            let count = u64::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
            let first = stack.secret.next() % count;
            // From a port of a connection, one more to the same peer might not be made.
            let has_connection =
                |port| protocol == Protocol::Tcp && stack.tcp.has_local_port(Endpoint::new(endpoint.address, port));
            (0..count)
                .map(|step| EPHEMERAL.start() + ((first + step) % count) as u16)
                .find(|&port| is_free(&table, port, false) && !has_connection(port))
                .ok_or(Errno::ADDRINUSE)?
        } else if is_free(&table, endpoint.port, true) {
            endpoint.port
        } else {
            return Err(Errno::ADDRINUSE);
        };
        table.entry(port).or_default().push(Bound {
            id,
            address: endpoint.address,
            sharing,
            listening: false,
        });
        drop(table);
        Ok(Self {
            stack: stack.clone(),
            protocol,
            endpoint: Endpoint::new(endpoint.address, port),
            id,
        })
    }

    /// Marks it as listening. `EADDRINUSE` when somebody else listens there and does not share.
    pub(crate) fn listen(&self) -> Result<(), Errno> {
        let mut table = self.stack.ports.table(self.protocol).lock();
        let bound = table.get_mut(&self.endpoint.port).ok_or(Errno::INVAL)?;
        let own = bound.iter().position(|bound| bound.id == self.id).ok_or(Errno::INVAL)?;
        let sharing = bound[own].sharing;
        let taken = bound.iter().any(|other| {
            other.id != self.id
                && other.listening
                && other.overlaps(self.endpoint.address, sharing)
                && !(other.sharing.reuse_port && sharing.reuse_port)
        });
        if taken {
            return Err(Errno::ADDRINUSE);
        }
        bound[own].listening = true;
        Ok(())
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        let mut table = self.stack.ports.table(self.protocol).lock();
        if let Some(bound) = table.get_mut(&self.endpoint.port) {
            bound.retain(|bound| bound.id != self.id);
            if bound.is_empty() {
                table.remove(&self.endpoint.port);
            }
        }
    }
}

/// A local port for a connection to `remote` that no other connection has (RFC 6056 section 3.3.3).
pub(crate) fn ephemeral_port(
    stack: &Stack,
    local: IpAddr,
    remote: Endpoint,
    mut is_free: impl FnMut(u16) -> bool,
) -> Option<u16> {
    const PURPOSE: u64 = 4;
    let count = u64::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
    let offset = stack.secret.hash(Endpoint::new(local, 0), remote, PURPOSE, 0);
    // What is taken in a row is not likely to be free already.
    let first = offset.wrapping_add(stack.ports.taken.fetch_add(1, Ordering::Relaxed)) % count;
    let table = stack.ports.table(Protocol::Tcp);
    (0..count)
        .map(|step| EPHEMERAL.start() + ((first + step) % count) as u16)
        .find(|&port| !table.lock().contains_key(&port) && is_free(port))
}
